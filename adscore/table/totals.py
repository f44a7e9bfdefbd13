"""Detects rows of totals among rows of creatives, and ids that a spreadsheet has rounded."""

import re

import numpy as np
from numpy.typing import NDArray

# A long id in scientific notation, as a spreadsheet or a float writes it: last digits lost.
ROUNDED_ID = re.compile(r"\d+([.,]\d+)?[eE]\+\d+")
# Among fewer rows, one may be the sum of the others by chance.
MIN_ROWS_OF_A_SUM = 3

# Words for "total" in the languages of platforms and spreadsheets.
_WORDS = (
    r"(?:grand |sub-?|sub )?totals?|total (?:gene?ral|général|geral|generale)|totale|totali|totaal"
    r"|totalt|i alt|gesamt|gesamtsumme|gesamtergebnis|ergebnis|insgesamt|summe|zwischensumme|somme"
    r"|sous-total|suma|suma total|subtotal|soma|somma|razem|ogółem|celkem|összesen|toplam"
    r"|genel toplam|łącznie|yhteensä|totalsumma|итого|всего|合计|总计|小计|合計|総計|小計|합계|총계"
)
# A word alone, or followed by a mark and what was summed: `Total: Ads`.
_LABEL = re.compile(rf"(?:{_WORDS})\s*(?:[:\uff1a(\uff08].{{0,80}})?", re.IGNORECASE)
# The beginning of any label of a total; RE2 reads it too.
TOTAL_WORDS = rf"(?:{_WORDS})"
_BEGINNING = re.compile(rf"(?:{_WORDS})(?!\w).{{0,80}}", re.IGNORECASE)


def is_total_label(text: str) -> bool:
    """Whether a text is certainly the label of a total, as far as the text alone shows."""
    return bool(_LABEL.fullmatch(text.strip()))


def may_be_total_label(text: str) -> bool:
    """Whether a text begins like the label of a total; some headlines do too."""
    return bool(_BEGINNING.fullmatch(text.strip()))


def rows_of_sums(
    counts: NDArray[np.float64] | NDArray[np.int64], suspects: NDArray[np.bool_]
) -> dict[int, str]:
    """Finds rows whose every count is the sum of other rows.

    Args:
        counts: Counts, (columns, rows).
        suspects: Rows whose texts may mark totals, (rows,). Only the others are summed.

    Returns:
        By row, counted from 0: which rows it sums: all others, or those above or below it up to
        the next suspect. Sums of fewer than `MIN_ROWS_OF_A_SUM` rows and of zeros do not count.
    """
    found: dict[int, str] = {}
    places = np.flatnonzero(suspects)
    if not places.size:
        return found
    plain = ~suspects
    sums = np.concatenate(
        [np.zeros((len(counts), 1)), np.cumsum(np.where(plain, counts, 0), axis=1)], axis=1
    )
    rows = np.concatenate([[0], np.cumsum(plain)])
    edges = [0, *(places + 1).tolist(), counts.shape[1]]
    for at, row in enumerate(places.tolist()):
        spans = (
            ("all other rows", 0, counts.shape[1]),
            ("the rows above it", edges[at], row),
            ("the rows below it", row + 1, edges[at + 2] - (at + 2 < len(edges) - 1)),
        )
        for name, start, end in spans:
            total = sums[:, end] - sums[:, start]
            enough = rows[end] - rows[start] >= MIN_ROWS_OF_A_SUM
            if enough and total.any() and np.allclose(counts[:, row], total, rtol=1e-9, atol=1e-6):
                found[row] = f"the sum of {name}"
                break
    return found

"""Rows and ids that are not what they stand among: totals, and ids that a spreadsheet rounded."""

import re

import numpy as np
from numpy.typing import NDArray

# An id as a spreadsheet or a float writes one of many digits: its last ones are lost.
ROUNDED_ID = re.compile(r"\d+([.,]\d+)?[eE]\+\d+")
# With fewer, one row may by chance hold the sum of the others.
MIN_ROWS_OF_A_SUM = 3

# The words for a sum in the languages of platforms and spreadsheets.
_WORDS = (
    r"(?:grand |sub-?|sub )?totals?|total (?:gene?ral|général|geral|generale)|totale|totali|totaal"
    r"|totalt|i alt|gesamt|gesamtsumme|gesamtergebnis|ergebnis|insgesamt|summe|zwischensumme|somme"
    r"|sous-total|suma|suma total|subtotal|soma|somma|razem|ogółem|celkem|összesen|toplam"
    r"|genel toplam|łącznie|yhteensä|totalsumma|итого|всего|合计|总计|小计|合計|総計|小計|합계|총계"
)
# A word alone, or with what it is the sum of behind a mark: `Total: Ads`.
_LABEL = re.compile(rf"(?:{_WORDS})\s*(?:[:\uff1a(\uff08].{{0,80}})?", re.IGNORECASE)
# What any label of a total begins with, for RE2 too.
TOTAL_WORDS = rf"(?:{_WORDS})"
_BEGINNING = re.compile(rf"(?:{_WORDS})(?!\w).{{0,80}}", re.IGNORECASE)


def is_total_label(text: str) -> bool:
    """Whether a text can only be the label of a total, as far as one can tell by it."""
    return bool(_LABEL.fullmatch(text.strip()))


def may_be_total_label(text: str) -> bool:
    """Whether a text begins as the label of a total does, and so do some headlines."""
    return bool(_BEGINNING.fullmatch(text.strip()))


def rows_of_sums(
    counts: NDArray[np.float64] | NDArray[np.int64], suspects: NDArray[np.bool_]
) -> dict[int, str]:
    """Rows that hold in every count the sum of other rows, and which ones these are.

    Args:
        counts: Counts, (columns, rows).
        suspects: Rows that may be totals by their texts, (rows,). The others are summed.

    Returns:
        By row, counted from 0: the sum of all other rows, or of those above or below it up to the
        next suspect. Sums of fewer than `MIN_ROWS_OF_A_SUM` rows and of zeros do not count.
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

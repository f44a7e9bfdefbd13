"""Separates an export's ads from its other rows: totals, rows of campaigns, blank rows."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adscore.errors import TableError, cut
from adscore.prepare.headlines import each_headline, headline, is_nothing, text_or_blank
from adscore.prepare.layout import Count, Layout
from adscore.table.numbers import NOTHING, read_counts
from adscore.table.sheet import SheetRows, without_place
from adscore.table.totals import ROUNDED_ID, TOTAL_WORDS, is_total_label

# Maximum number of left-out rows kept to show and judge.
_MAX_SET_ASIDE = 10_000
_SHOWN = 3
_NUMBERS = "expected numbers"
_MAX_NOTES = 20
_TOTAL_AT_AN_END = f"^{TOTAL_WORDS}|{TOTAL_WORDS}$"
# A numeric id written as a float, or with a spreadsheet's text mark.
_NUMBER_ID = r"^'?(\d+)(?:\.0)?$"
# Formula that keeps a spreadsheet from reading an id as a number.
_AS_TEXT = r"^=\"(.*)\"$"


@dataclass(frozen=True, slots=True)
class SiftOptions:
    """Options for telling ads from other rows.

    Attributes:
        decimal: The decimal mark.
        blank_is_zero: Whether a blank count is zero; None uses the platform's rule.
        keep_rows: Numbers of rows that are ads whatever they look like.
        headlines: What to do with several headlines of an ad.
    """

    decimal: str
    blank_is_zero: bool | None = None
    keep_rows: frozenset[int] = frozenset()
    headlines: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not an ad.

    Attributes:
        row: Row number, from 1 below the header.
        reason: Why it was left out: ``totals``, ``no ad``, ``no counts``, ``header`` or ``blank``.
        label: The row's label.
        counts: By name, the row's counts; NaN where a cell has none.
    """

    row: int
    reason: str
    label: str
    counts: Mapping[str, float]


@dataclass(frozen=True)
class _Rows:
    """Rows of a batch.

    Attributes:
        numbers: Row numbers, (rows,).
        texts: By column, cells without outer blanks.
        counts: By column, counts, (rows,), NaN where a cell has none.
        bad: By column, whether a cell holds something other than a count, (rows,).
    """

    layout: Layout
    numbers: NDArray[np.int64]
    texts: Mapping[str, pa.Array]
    counts: Mapping[Count, NDArray[np.float64]]
    bad: Mapping[Count, NDArray[np.bool_]]

    def column(self, name: str | None) -> pa.Array:
        """A text column; blank if there is no such column."""
        if name is not None:
            return self.texts[name]
        return pa.array([""] * len(self.numbers), pa.string())

    @cached_property
    def has_no_id(self) -> NDArray[np.bool_]:
        """Whether the id is blank or there is no id column."""
        return blank(self.column(self.layout.id))

    @cached_property
    def has_no_content(self) -> NDArray[np.bool_]:
        """Whether headline and image are blank, as far as the export has such columns."""
        names = [*self.layout.headlines, *filter(None, [self.layout.image])]
        cells = [blank(self.texts[name]) for name in names]
        return np.all(cells, axis=0) if cells else self.has_no_id

    @cached_property
    def has_no_counts(self) -> NDArray[np.bool_]:
        """Whether every count is blank or invalid."""
        held = [np.isnan(values) for values in self.counts.values()]
        return np.all(held, axis=0) if held else np.zeros(len(self.numbers), bool)

    @cached_property
    def is_bad(self) -> NDArray[np.bool_]:
        """Whether any count is invalid."""
        held = [*self.bad.values()]
        return np.any(held, axis=0) if held else np.zeros(len(self.numbers), bool)

    @cached_property
    def has_no_kind(self) -> NDArray[np.bool_]:
        """Whether a cell is blank that every ad of the platform fills."""
        cells = [blank(self.texts[name]) for name in self.layout.required]
        return np.any(cells, axis=0) if cells else np.zeros(len(self.numbers), bool)

    @cached_property
    def is_header(self) -> NDArray[np.bool_]:
        """Whether a row repeats the header, as in files concatenated from several exports."""
        cells = [_array(pc.equal(held, without_place(name))) for name, held in self.texts.items()]
        is_header: NDArray[np.bool_] = np.all(cells, axis=0)
        return is_header

    @property
    def labels(self) -> list[pa.Array]:
        """Columns where a total may have its label, the likeliest first."""
        layout = self.layout
        names = (layout.label, layout.id, layout.campaign, *layout.headlines)
        return [self.texts[name] for name in dict.fromkeys(filter(None, names))]


class Sifter:
    """Separates ads from other rows, batch by batch.

    Args:
        name: Name of the export, for errors.
        layout: Which columns hold what.
        options: Options for telling ads from other rows.
    """

    def __init__(self, name: str, layout: Layout, options: SiftOptions) -> None:
        self.left_out: list[LeftOut] = []
        self.rows = 0
        self._name, self._layout, self._options = name, layout, options
        zero = options.blank_is_zero
        self._blank_is_zero = layout.platform.blank_is_zero if zero is None else zero
        # By kind of fault, the rows and the first of their cells.
        self._faults: dict[str, tuple[list[int], list[str]]] = {}
        self._last_counted = 0  # row

    def sift(self, batch: SheetRows) -> pa.Table:
        """The ads of a batch, with the columns of `Export.ads`; `suspect` marks possible sums."""
        rows = self._read(batch)
        self.rows += len(rows.numbers)
        may_be_ad = self._by_texts(rows)
        is_ad = self._counted(rows, may_be_ad)
        self._set_aside(rows, may_be_ad, is_ad)
        self._check(rows, may_be_ad, is_ad)
        layout = self._layout
        headlines = [rows.texts[name] for name in layout.headlines]
        columns = {
            "id": self._bare_ids(rows, is_ad),
            "campaign": rows.column(layout.campaign),
            "headline": headline(headlines, self._options.headlines, len(rows.numbers)),
            "image": text_or_blank(rows.column(layout.image)),
            "date": rows.column(layout.date),
            **{name: rows.texts[name] for name in layout.context},
            **{count.name: pa.array(np.nan_to_num(v)) for count, v in rows.counts.items()},
            "row": pa.array(rows.numbers),
            "suspect": pa.array(self._suspects(rows)),
        }
        kept = pa.array(is_ad)
        table = pa.table(columns).filter(kept)
        if self._options.headlines == "each" and len(headlines) > 1:
            table = each_headline(table, [one.filter(kept) for one in headlines])
        return _compact(table)

    def require_no_faults(self) -> None:
        """Raises an error that lists all faults of the rows, one line per kind.

        Raises:
            TableError: There was a fault.
        """
        lines = []
        for kind, (found, cells) in self._faults.items():
            rows = self._without_notes(found) if kind.endswith(_NUMBERS) else found
            if rows:
                received = [f" {cut(cell, 40)!r}" if cell else "" for cell in cells]
                pairs = itertools.zip_longest(rows[:_SHOWN], received[: len(rows)], fillvalue="")
                more = ", ..." if len(rows) > _SHOWN else ""
                number = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
                shown = ", ".join(f"{row}{cell}" for row, cell in pairs)
                lines.append(f"{kind} ({number}: {shown}{more})")
        if lines:
            raise TableError(f"{self._name}: " + "; ".join(lines))

    def _without_notes(self, rows: list[int]) -> list[int]:
        """Rows up to the last ad with a count, if the rows below are few enough to be notes."""
        ads = [row for row in rows if row <= self._last_counted]
        return ads if self._last_counted and len(rows) - len(ads) <= _MAX_NOTES else rows

    def _read(self, batch: SheetRows) -> _Rows:
        layout, cells = self._layout, batch.cells
        counts, bad = {}, {}
        texts = {name: _plain_text(cells.column(name)) for name in layout.read()}
        for count in layout.counts:
            column = pa.chunked_array([texts[count.source]])
            counts[count], bad[count] = read_counts(column, self._options.decimal)
        return _Rows(layout, batch.numbers, texts, counts, bad)

    # === Which rows are ads ===

    def _by_texts(self, rows: _Rows) -> NDArray[np.bool_]:
        """Whether each row may be an ad, judged by everything but its counts."""
        no_id, no_content = rows.has_no_id, rows.has_no_content
        labelled = self._labelled(rows)
        kept = np.isin(rows.numbers, list(self._options.keep_rows))
        no_ad = (no_id & no_content) | labelled | rows.has_no_kind | rows.is_header
        may_be_ad: NDArray[np.bool_] = ~no_ad | kept
        return may_be_ad

    def _counted(self, rows: _Rows, may_be_ad: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the ads have a count; the others have no information, or are notes."""
        kept = np.isin(rows.numbers, list(self._options.keep_rows))
        is_zero = ~rows.is_bad & self._blank_is_zero
        counted = rows.numbers[may_be_ad & ~rows.has_no_counts]
        self._last_counted = int(counted[-1]) if counted.size else self._last_counted
        return may_be_ad & (~rows.has_no_counts | is_zero | kept)

    def _set_aside(
        self, rows: _Rows, may_be_ad: NDArray[np.bool_], is_ad: NDArray[np.bool_]
    ) -> None:
        """Records the first rows that are not ads, with the reason."""
        for at in np.flatnonzero(~is_ad)[: _MAX_SET_ASIDE - len(self.left_out)].tolist():
            found = self._left_out(rows, at)
            self.left_out.append(replace(found, reason="no counts") if may_be_ad[at] else found)

    def _labelled(self, rows: _Rows) -> NDArray[np.bool_]:
        """Whether a label marks a row as a total: in place of its id, or in a row without one.

        A campaign's name may look like such a label, but an ad in it has a headline.
        """
        layout, platform = self._layout, self._layout.platform
        bare = rows.has_no_id
        if layout.image is not None:
            bare = bare & blank(rows.texts[layout.image])
        found = np.zeros(len(rows.numbers), bool)
        for name in dict.fromkeys([layout.label, *layout.headlines]):
            if name != layout.campaign:
                found |= bare & self._matching(rows.texts[name], platform.is_total_label)
                found |= bare & self._names_its_campaign(rows, rows.texts[name])
        if layout.id is not None:
            ids = rows.texts[layout.id]
            found |= self._matching(ids, platform.is_total_label)
            found |= rows.has_no_content & self._matching(ids, platform.may_be_total_label)
        return found

    def _matching(self, cells: pa.Array, matches: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Which cells match; tests only those that begin like the label of a total."""
        pattern = self._layout.platform.total_beginnings
        found = _array(pc.match_substring_regex(cells, pattern, ignore_case=True))
        for at in np.flatnonzero(found).tolist():
            found[at] = matches(str(cells[at]))
        return found

    def _names_its_campaign(self, rows: _Rows, cells: pa.Array) -> NDArray[np.bool_]:
        """Which cells label a subtotal: a word for a total beside the row's campaign."""
        found = np.zeros(len(rows.numbers), bool)
        if self._layout.campaign is None:
            return found
        campaigns = rows.texts[self._layout.campaign]
        ends = _array(pc.match_substring_regex(cells, _TOTAL_AT_AN_END, ignore_case=True))
        for at in np.flatnonzero(ends & ~blank(campaigns)).tolist():
            rest = str(cells[at]).replace(str(campaigns[at]), "", 1)
            found[at] = rest != str(cells[at]) and is_total_label(rest.strip(" -:|"))
        return found

    def _left_out(self, rows: _Rows, at: int) -> LeftOut:
        cells = [str(column[at]) for column in rows.labels]
        total = next((one for one in cells if self._layout.platform.may_be_total_label(one)), None)
        label = total or next((one for one in cells if one.casefold() not in NOTHING), "")
        counts = {count.name: float(values[at]) for count, values in rows.counts.items()}
        is_blank = not label and not any(np.isfinite(value) for value in counts.values())
        reason = "totals" if total is not None else "blank" if is_blank else "no ad"
        reason = "header" if rows.is_header[at] else reason
        return LeftOut(int(rows.numbers[at]), reason, label, counts)

    def _suspects(self, rows: _Rows) -> NDArray[np.bool_]:
        """Rows without a label or an id: totals, if their counts turn out to be sums."""
        layout = self._layout
        kept = np.isin(rows.numbers, list(self._options.keep_rows))
        if layout.id is not None:
            return (rows.has_no_id | rows.has_no_content) & ~kept
        parts = [layout.campaign, *layout.headlines, layout.image]
        cells = [rows.texts[name] for name in parts if name is not None]
        is_total = layout.platform.may_be_total_label
        doubtful = [blank(one) | self._matching(one, is_total) for one in cells]
        suspects: NDArray[np.bool_] = np.any(doubtful, axis=0) & ~kept
        return suspects

    # === What is wrong with them ===

    def _check(self, rows: _Rows, may_be_ad: NDArray[np.bool_], is_ad: NDArray[np.bool_]) -> None:
        if self._layout.date is not None:
            no_day = blank(rows.texts[self._layout.date])
            self._fault(f"column {self._layout.date!r}: expected days", rows, is_ad & no_day)
        for count, values in rows.counts.items():
            column, bad = f"column {count.source!r}", rows.bad[count]
            cells = rows.texts[count.source]
            self._fault(f"{column}: {_NUMBERS}", rows, may_be_ad & bad, cells)
            missing = is_ad & np.isnan(values) & ~bad
            if not self._blank_is_zero:
                remedy = "if a blank one is zero, say --blank-is-zero"
                self._fault(f"{column}: expected counts; {remedy}", rows, missing)
            known = np.nan_to_num(values)
            self._fault(f"{column}: expected counts from 0", rows, is_ad & (known < 0), cells)
            if not count.fractional:
                parts = known != np.floor(known)
                self._fault(f"{column}: expected whole numbers", rows, is_ad & parts, cells)

    def _bare_ids(self, rows: _Rows, is_ad: NDArray[np.bool_]) -> pa.Array:
        """Ids without the prefixes and marks that only some exports add."""
        ids = text_or_blank(rows.column(self._layout.id))
        damaged = pc.match_substring_regex(ids, f"^(?:{ROUNDED_ID.pattern})$")
        self._fault(
            "expected ids; a spreadsheet has rounded these (1.2E+17), so export them as text",
            rows,
            is_ad & _array(damaged),
        )
        for prefix in self._layout.platform.id_prefixes:
            ids = pc.replace_substring_regex(ids, f"^{re.escape(prefix)}", "")
        return pc.replace_substring_regex(ids, _NUMBER_ID, r"\1")

    def _fault(
        self, kind: str, rows: _Rows, where: NDArray[np.bool_], cells: pa.Array | None = None
    ) -> None:
        places = np.flatnonzero(where)
        if places.size:
            faulty, shown = self._faults.setdefault(kind, ([], []))
            if cells is not None:
                shown += [str(cells[at]) for at in places[: _SHOWN - len(shown)].tolist()]
            faulty += rows.numbers[places].tolist()


# === Cells ===


def blank(cells: pa.Array) -> NDArray[np.bool_]:
    """Whether cells mean "no value", (rows,)."""
    return _array(is_nothing(cells))


def _array(cells: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(cells.to_numpy(zero_copy_only=False)).astype(bool)


def _plain_text(cells: pa.Array) -> pa.Array:
    """Cells without outer blanks and without a spreadsheet's text formula."""
    trimmed = pc.utf8_trim_whitespace(cells)
    if pc.any(pc.starts_with(trimmed, '="')).as_py():
        trimmed = pc.replace_substring_regex(trimmed, _AS_TEXT, r"\1")
    return trimmed


def _compact(table: pa.Table) -> pa.Table:
    """The table with its texts dictionary-encoded."""
    for at, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.field(name).type):
            table = table.set_column(at, name, table.column(at).dictionary_encode())
    return table

"""One export, read and sifted: its ads with their counts, and what is no ad."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adscore.errors import TableError
from adscore.prepare.layout import Choices, Layout, find_layout, require_headline_choice
from adscore.prepare.platform import known_names, recognise
from adscore.table.numbers import NOTHING, Notation, looks_numeric, read_numbers
from adscore.table.sheets import Sheet, SheetOptions, open_sheet

# Rows that are no ads, which are kept to be shown and judged.
_MAX_SET_ASIDE = 10_000
_BATCHES_TO_UNIFY = 50
_DAMAGED_ID = re.compile(r"\d(\.\d+)?[eE]\+\d+")
_FLOAT_ID = re.compile(r"(\d+)\.0")
_DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%b %d, %Y",
    "%Y-%m-%d %H:%M:%S",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How exports are read.

    Attributes:
        sheet: How their files are opened.
        choices: Which columns hold what.
        platform: The platform's key; None recognises it.
        decimal: The decimal mark; None finds it out.
        blank_is_zero: Whether a blank count is zero; None does as the platform does.
        keep_rows: Rows, counted from 1 below the header, that are ads whatever they look like.
        date_format: How days are written; None finds it out.
    """

    sheet: SheetOptions = field(default_factory=SheetOptions)
    choices: Choices = field(default_factory=Choices)
    platform: str | None = None
    decimal: str | None = None
    blank_is_zero: bool | None = None
    keep_rows: frozenset[int] = frozenset()
    date_format: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is no ad.

    Attributes:
        row: Its number, from 1 below the header.
        reason: Why it is none.
        label: What it calls itself.
        counts: Its counts, by name; NaN where it has none.
    """

    row: int
    reason: str
    label: str
    counts: Mapping[str, float]


@dataclass(slots=True)
class Export:
    """What an export holds.

    Attributes:
        name: Its name.
        file_layout: How its file is written, in words.
        layout: Which columns hold what.
        decimal: The decimal mark of its numbers.
        shown_by: A cell that shows it; empty where none has a mark.
        rows: Rows below its header.
        ads: Rows of ads: the columns `id`, `campaign`, `headline`, `image`, `date`, the context,
            and counts by their names in the result; texts and float64.
        left_out: Rows that are no ads.
        footers: Lines that are no rows.
    """

    name: str
    file_layout: str
    layout: Layout
    decimal: str
    shown_by: str
    rows: int
    ads: pa.Table
    left_out: list[LeftOut]
    footers: list[str]


def read_export(path: Path, options: ReadOptions, *, counts: bool = True) -> Export:
    """Reads an export.

    Args:
        path: Its file.
        options: What the user says of it.
        counts: Whether it has counts; the table of a join has none.

    Raises:
        TableError: It cannot be read, or something that has to be known is open.
        OSError: The file cannot be opened.
    """
    with _opened(path, options) as sheet:
        platform = recognise(sheet.columns, options.platform)
        layout = find_layout(sheet.columns, platform, options.choices, path.name, counts=counts)
        notation, filled = _first_look(sheet, layout)
    headlines = tuple(one for one in layout.headlines if one in filled)
    require_headline_choice(headlines, options.choices, path.name)
    layout = replace(layout, headlines=headlines)
    decimal = notation.decimal(options.decimal, path.name)
    with _opened(path, options) as sheet:
        sifter = _Sifter(path.name, layout, decimal, options)
        tables = [sifter.sift(_no_rows(layout))]
        for number, batch in enumerate(sheet.batches(layout.read()), 1):
            tables.append(sifter.sift(batch))
            if number % _BATCHES_TO_UNIFY == 0:  # texts that batches share are kept once
                tables = [pa.concat_tables(tables).unify_dictionaries().combine_chunks()]
        sifter.require_no_faults()
    ads = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    shown_by = notation.comma if decimal == "," else notation.point
    export = Export(
        path.name, sheet.layout, layout, decimal, shown_by, sifter.rows, ads, sifter.left_out,
        sheet.footers,
    )  # fmt: skip
    return _without_sums(export)


class _opened:  # noqa: N801 - reads as a function
    """A file as a sheet, closed at the end."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path, self._options = path, options

    def __enter__(self) -> Sheet:
        if self._path.exists() and not self._path.is_file():
            raise TableError(f"{self._path}: expected a file. Received: something else")
        self._file = self._path.open("rb")
        try:
            return open_sheet(self._file, self._path.name, self._options.sheet, known_names)
        except BaseException:
            self._file.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _no_rows(layout: Layout) -> pa.RecordBatch:
    names = layout.read()
    return pa.record_batch([pa.array([], pa.string()) for _ in names], names)


def _first_look(sheet: Sheet, layout: Layout) -> tuple[Notation, set[str]]:
    """The notation of numbers, and the headline columns that hold something."""
    notation, filled = Notation(), set[str]()
    texts = {layout.id, layout.campaign, layout.image, layout.date, *layout.headlines}
    others = [one for one in sheet.columns if one not in texts]
    counted = {count.source for count in layout.counts}
    numeric: list[str] | None = None
    for batch in sheet.batches():
        if numeric is None:
            numeric = [
                one
                for one in others
                if one in counted or looks_numeric(batch.column(one).slice(0, 1000).to_pylist())
            ]
        for one in numeric if not notation.settled else ():
            cells = batch.column(one)
            notation.look_at(
                cells.filter(pc.match_substring_regex(cells, "[.,]")).unique().to_pylist()
            )
        for one in layout.headlines:
            if one not in filled and pc.any(pc.invert(_is_nothing(batch.column(one)))).as_py():
                filled.add(one)
        if notation.settled and len(layout.headlines) < 2 and len(filled) == len(layout.headlines):
            break
    return notation, filled


def _is_nothing(cells: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(cells)), value_set=pa.array(NOTHING))


class _Sifter:
    """Tells ads from other rows, batch by batch."""

    def __init__(self, name: str, layout: Layout, decimal: str, options: ReadOptions) -> None:
        self.left_out: list[LeftOut] = []
        self.rows = 0
        self._name, self._layout, self._decimal = name, layout, decimal
        self._keep = options.keep_rows
        self._headlines = options.choices.headlines
        zero = options.blank_is_zero
        self._blank_is_zero = layout.platform.blank_is_zero if zero is None else zero
        self._faults: dict[str, list[str]] = {}
        self._days = _Days(options.date_format)

    def sift(self, batch: pa.RecordBatch) -> pa.Table:
        """The ads of a batch, in the columns of `Export.ads`."""
        layout, size = self._layout, batch.num_rows
        first = self.rows
        self.rows += size
        texts = {name: _clean(batch.column(name)) for name in layout.read()}
        counts = {}
        for count in layout.counts:
            values, bad = read_numbers(
                pa.chunked_array([batch.column(count.source)]), self._decimal
            )
            counts[count] = values, bad
        ids = self._texts(texts, layout.id, size)
        headlines = [texts[one] for one in layout.headlines]
        labels = _clean(batch.column(0))
        is_ad = self._judge(first, texts, ids, headlines, labels, counts)
        self._check_counts(first, is_ad, counts)
        kept = pa.array(is_ad)
        columns = {
            "id": self._bare(ids, first, is_ad),
            "campaign": self._texts(texts, layout.campaign, size),
            "headline": _headline(headlines, self._headlines, size),
            "image": self._texts(texts, layout.image, size),
            "date": self._days.read(self._texts(texts, layout.date, size), is_ad),
            **{name: texts[name] for name in layout.context},
            **{
                count.name: pa.array(np.nan_to_num(values)) for count, (values, _) in counts.items()
            },
            "row": pa.array(np.arange(first + 1, first + 1 + size)),
        }
        table = pa.table(columns).filter(kept)
        if self._headlines != "each" or len(headlines) < 2:
            return _compact(table)
        return _compact(_each_headline(table, [one.filter(kept) for one in headlines]))

    def require_no_faults(self) -> None:
        """Raises all that was wrong with the rows, one line a kind.

        Raises:
            TableError: Something was.
        """
        lines = [
            f"{kind} ({len(cells)} {'row' if len(cells) == 1 else 'rows'}: {', '.join(cells[:3])}"
            f"{', ...' if len(cells) > 3 else ''})"
            for kind, cells in self._faults.items()
        ]
        lines += self._days.faults()
        if lines:
            raise TableError(f"{self._name}: " + "; ".join(lines))

    def _texts(self, texts: Mapping[str, pa.Array], name: str | None, size: int) -> pa.Array:
        return texts[name] if name is not None else pa.array([""] * size, pa.string())

    def _judge(
        self,
        first: int,
        texts: Mapping[str, pa.Array],
        ids: pa.Array,
        headlines: Sequence[pa.Array],
        labels: pa.Array,
        counts: Mapping[Any, tuple[NDArray[np.float64], NDArray[np.bool_]]],
    ) -> NDArray[np.bool_]:
        """Whether each row is an ad; the others are set aside with their reason."""
        layout = self._layout
        no_id = _blank(ids) if layout.id else np.ones(len(ids), bool)
        no_headline = np.all([_blank(one) for one in headlines], axis=0) if headlines else None
        no_image = _blank(texts[layout.image]) if layout.image else None
        shown = [one for one in (no_headline, no_image) if one is not None]
        no_content = np.all(shown, axis=0) if shown else no_id
        required = [_blank(texts[one]) for one in layout.required]
        no_type = np.any(required, axis=0) if required else np.zeros(len(ids), bool)
        # Whole-word beginnings of totals are rare: they are looked for where one could stand.
        named = _could_be_total(ids, layout.platform) if layout.id else np.zeros(len(ids), bool)
        doubtful = (no_id & no_content) | named | no_type
        is_ad = ~doubtful
        for at in np.flatnonzero(doubtful).tolist():
            row = first + at + 1
            if row in self._keep:
                is_ad[at] = True
                continue
            cells = [str(labels[at]), str(ids[at])]
            cells += [str(texts[one][at]) for one in (layout.campaign,) if one]
            label = next((one for one in cells if one and one.casefold() not in NOTHING), "")
            blank_row = (
                not label
                and no_content[at]
                and not any(np.isfinite(values[at]) for values, _ in counts.values())
            )
            total = next((one for one in cells if layout.platform.is_total(one)), None)
            if total is not None and (no_id[at] or total == str(ids[at])):
                reason = "totals"
            elif named[at] and not (no_id[at] and no_content[at]) and not no_type[at]:
                is_ad[at] = True  # an id that merely begins like a total
                continue
            else:
                reason = "blank" if blank_row else "no ad"
            if len(self.left_out) < _MAX_SET_ASIDE:
                found = {count.name: float(values[at]) for count, (values, _) in counts.items()}
                self.left_out.append(LeftOut(row, reason, total or label, found))
        return is_ad

    def _check_counts(
        self,
        first: int,
        is_ad: NDArray[np.bool_],
        counts: Mapping[Any, tuple[NDArray[np.float64], NDArray[np.bool_]]],
    ) -> None:
        for count, (values, bad) in counts.items():
            column = f"column {count.source!r}"
            self._fault(f"{column}: expected numbers", first, is_ad & bad)
            missing = is_ad & np.isnan(values) & ~bad
            if not self._blank_is_zero:
                self._fault(
                    f"{column}: expected counts; if a blank one is zero, say --blank-is-zero",
                    first, missing,
                )  # fmt: skip
            known = np.nan_to_num(values)
            self._fault(f"{column}: expected counts from 0", first, is_ad & (known < 0))
            if not count.fractional:
                parts = known != np.floor(known)
                self._fault(f"{column}: expected whole numbers", first, is_ad & parts)

    def _bare(self, ids: pa.Array, first: int, is_ad: NDArray[np.bool_]) -> pa.Array:
        """Ids without what only some exports put before them."""
        damaged = pc.match_substring_regex(ids, f"^(?:{_DAMAGED_ID.pattern})$")
        self._fault(
            "expected ids; a spreadsheet has rounded these (1.2E+17), so export them as text",
            first, is_ad & _array(damaged),
        )  # fmt: skip
        for prefix in self._layout.platform.id_prefixes:
            ids = pc.replace_substring_regex(ids, f"^{re.escape(prefix)}", "")
        return pc.replace_substring_regex(ids, f"^{_FLOAT_ID.pattern}$", r"\1")

    def _fault(self, kind: str, first: int, where: NDArray[np.bool_]) -> None:
        if where.any():
            rows = [str(first + at + 1) for at in np.flatnonzero(where).tolist()]
            self._faults.setdefault(kind, []).extend(rows)


class _Days:
    """Days of any spelling -> ``2026-09-01``, where all are written in one way."""

    def __init__(self, given: str | None) -> None:
        self._formats = list(_DATE_FORMATS if given is None else (given,))
        self._given = given
        self._bad = ""
        self._doubt: tuple[str, list[str]] | None = None

    def read(self, cells: pa.Array, is_ad: NDArray[np.bool_]) -> pa.Array:
        distinct = [one for one in cells.filter(pa.array(is_ad)).unique().to_pylist() if one]
        if not distinct:
            return cells
        for one in distinct:
            fitting = [form for form in self._formats if _day(one, form)]
            if not fitting:
                self._bad = self._bad or one
                return cells
            self._formats = fitting
        meanings = {tuple(_day(one, form) for one in distinct): form for form in self._formats}
        if len(meanings) > 1:
            self._doubt = distinct[0], list(meanings.values())
            return cells
        self._doubt = None
        written = {one: str(_day(one, self._formats[0])) for one in distinct}
        return pa.array([written.get(one, one) for one in cells.to_pylist()], pa.string())

    def faults(self) -> list[str]:
        if self._bad:
            return [
                f"expected days. Received: {self._bad!r}; say how they are written, such as "
                "--date-format %d.%m.%y"
            ]
        if self._doubt is not None:
            cell, forms = self._doubt
            return [
                f"is {cell!r} written as {' or '.join(forms)}? Say so: --date-format {forms[0]}"
            ]
        return []


def _day(text: str, form: str) -> str:
    try:
        return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return ""


def _clean(cells: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(cells)


def _blank(cells: pa.Array) -> NDArray[np.bool_]:
    return _array(_is_nothing(cells))


def _array(cells: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(cells.to_numpy(zero_copy_only=False)).astype(bool)


def _could_be_total(ids: pa.Array, platform: Any) -> NDArray[np.bool_]:
    distinct = ids.dictionary_encode()
    totals = np.array([platform.is_total(one) for one in distinct.dictionary.to_pylist()], bool)
    return totals[distinct.indices.to_numpy()] if len(totals) else np.zeros(len(ids), bool)


def _headline(columns: Sequence[pa.Array], way: str | None, size: int) -> pa.Array:
    if not columns:
        return pa.array([""] * size, pa.string())
    held = [pc.if_else(_is_nothing(one), "", one) for one in columns]
    if len(held) == 1:
        return held[0]
    if way == "join":
        joined = pc.binary_join_element_wise(*held, " ")
        return pc.utf8_trim_whitespace(pc.replace_substring_regex(joined, " +", " "))
    found = held[-1]
    for one in reversed(held[:-1]):
        found = pc.if_else(pc.equal(one, ""), found, one)
    return found


def _each_headline(table: pa.Table, headlines: Sequence[pa.Array]) -> pa.Table:
    """A row for each headline of an ad, numbered after its id."""
    tables = []
    for number, cells in enumerate(headlines, 1):
        ids = pc.binary_join_element_wise(pc.cast(table["id"], pa.string()), str(number), "#")
        one = table.set_column(table.column_names.index("id"), "id", ids)
        one = one.set_column(one.column_names.index("headline"), "headline", cells)
        tables.append(one.filter(pc.invert(_is_nothing(cells))))
    return pa.concat_tables(tables)


def _compact(table: pa.Table) -> pa.Table:
    """The same with texts that repeat written once."""
    for at, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.field(name).type):
            table = table.set_column(at, name, table.column(at).dictionary_encode())
    return table


# === Rows of sums that say nothing of it ===


def _without_sums(export: Export) -> Export:
    """Leaves out rows that hold, in every count, the sum of all ads: totals without a label."""
    names = [count.name for count in export.layout.counts]
    ads = export.ads
    if not names or export.layout.id is None:
        return export
    blank = _blank(ads["id"].cast(pa.string()).combine_chunks())
    counts = np.stack([ads[name].to_numpy() for name in names], axis=1)
    rest = counts[~blank].sum(axis=0)
    if (~blank).sum() < 3 or not rest.any():
        return export

    def is_sum(row: Sequence[float]) -> bool:
        return bool(np.allclose(row, rest, rtol=1e-9))

    for at, one in enumerate(export.left_out):
        if one.reason == "no ad" and is_sum(list(one.counts.values())):
            export.left_out[at] = replace(one, reason="totals", label="the sum of all ads")
    sums = [at for at in np.flatnonzero(blank).tolist() if is_sum(counts[at].tolist())]
    if sums:
        rows = ads["row"].to_numpy()
        for at in sums:
            held = dict(zip(names, counts[at].tolist(), strict=True))
            export.left_out.append(LeftOut(int(rows[at]), "totals", "the sum of all ads", held))
        kept = np.ones(ads.num_rows, bool)
        kept[sums] = False
        export.ads = ads.filter(pa.array(kept))
    return export

"""Cells that mean "no value", and what to do with several headlines of one ad."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from adscore.table.numbers import NOTHING


def is_nothing(cells: pa.Array) -> pa.Array:
    """Whether each cell means "no value"."""
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(cells)), value_set=pa.array(NOTHING))


def text_or_blank(cells: pa.Array) -> pa.Array:
    """The cells; those that mean "no value" become blank."""
    return pc.if_else(is_nothing(cells), "", cells)


def headline(columns: Sequence[pa.Array], way: str | None, size: int) -> pa.Array:
    """The headline of each row, (size,): the first, or all joined into one text.

    Args:
        columns: Columns of headlines.
        way: ``join`` joins them; otherwise the first non-blank one is taken.
        size: Number of rows.
    """
    if not columns:
        return pa.array([""] * size, pa.string())
    held = [text_or_blank(one) for one in columns]
    if len(held) == 1:
        return held[0]
    if way == "join":
        joined = pc.binary_join_element_wise(*held, " ")
        return pc.utf8_trim_whitespace(pc.replace_substring_regex(joined, " +", " "))
    found = held[-1]
    for one in reversed(held[:-1]):
        found = pc.if_else(pc.equal(one, ""), found, one)
    return found


def each_headline(table: pa.Table, headlines: Sequence[pa.Array]) -> pa.Table:
    """A row for each headline of an ad; the headline's number is appended to the id."""
    tables = []
    has_id = pc.not_equal(table["id"], "")
    for number, cells in enumerate(headlines, 1):
        ids = pc.binary_join_element_wise(pc.cast(table["id"], pa.string()), str(number), "#")
        ids = pc.if_else(has_id, ids, "")  # an ad without an id is identified by its content
        one = table.set_column(table.column_names.index("id"), "id", ids)
        one = one.set_column(one.column_names.index("headline"), "headline", cells)
        tables.append(one.filter(pc.invert(is_nothing(cells))))
    return pa.concat_tables(tables)

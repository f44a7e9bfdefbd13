"""Combines exports into one table: joins them, sums the rows of each ad, and finds its images."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adscore.creative import Target
from adscore.errors import TableError
from adscore.prepare.export import Export

# The distinct texts of a column, and the index of each row's text, (rows,) int32.
Encoded = tuple[pa.Array, NDArray[np.int32]]

TEXTS = ("campaign", "headline", "image")
# Column names of the result; training looks for these by default.
NAMES = {"id": "creative_id", "campaign": "campaign_id", "headline": "headline", "image": "image"}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(slots=True)
class Notes:
    """What was merged and left out, for the summary.

    Attributes:
        merged: Rows that were summed into others.
        unmatched: Ids missing from the joined table, with their number of rows.
        differing: By column, ids whose rows have different texts; the first text is kept.
        over: Ads with more conversions than clicks.
        images_found: Ads whose image was found.
        images_missing: Images that were not found.
        images_unclear: Image names that match several files.
        image_root: Folder of the images; None if images were not looked up.
    """

    merged: int = 0
    unmatched: dict[str, int] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=dict)
    over: list[str] = field(default_factory=list)
    images_found: int = 0
    images_missing: list[str] = field(default_factory=list)
    images_unclear: list[str] = field(default_factory=list)
    image_root: Path | None = None


def combine(exports: Sequence[Export]) -> pa.Table:
    """Concatenates the ads of several exports; texts are dictionary-encoded.

    Raises:
        TableError: The exports have different counts.
    """
    counts = [[count.name for count in export.layout.counts] for export in exports]
    common = [name for name in counts[0] if all(name in one for one in counts)]
    extra = sorted({name for one in counts for name in one} - set(common) - {"conversions"})
    if extra:
        raise TableError(
            f"expected the same counts in all exports. Received: {', '.join(extra)} in some alone; "
            "name those of all with --target"
        )
    columns = ["id", *TEXTS, "date", *exports[0].layout.context, *common, "row"]
    return pa.concat_tables([export.ads.select(columns) for export in exports]).unify_dictionaries()


def join(ads: pa.Table, listed: Export, notes: Notes) -> pa.Table:
    """Fills headline, image and campaign from a table that lists ads; drops ads that it lacks.

    Raises:
        TableError: The table lists an ad twice with different texts, or none of the exports' ads.
    """
    found: dict[str, dict[str, str]] = {}
    for row in listed.ads.select(["id", *TEXTS]).to_pylist():
        texts = {name: row[name] for name in TEXTS}
        if found.setdefault(row["id"], texts) != texts:
            raise TableError(
                f"{listed.name}: expected each id once. Received: {row['id']!r} with "
                "different texts"
            )
    words, places = _encoded(ads["id"])
    ids = words.to_pylist()
    known = np.array([one in found for one in ids], bool)
    rows = np.bincount(places, minlength=len(ids))
    notes.unmatched = {ids[at]: int(rows[at]) for at in np.flatnonzero(~known).tolist()}
    if not known.any():
        raise TableError(
            f"{listed.name}: expected ids of the export. Received: no common id, such as "
            f"{next(iter(notes.unmatched), '')!r} there and {next(iter(found), '')!r} here; "
            "name the column that both have with --on"
        )
    for name in TEXTS:
        texts_here = pa.array(
            [found[one][name] if one in found else "" for one in ids], pa.string()
        )
        brought = texts_here.take(pa.array(places))
        own = ads[name].cast(pa.string())
        filled = pc.if_else(pc.equal(own, ""), brought, own).dictionary_encode()
        ads = ads.set_column(ads.column_names.index(name), name, filled)
    return ads.filter(pa.array(known[places]))


def summed(ads: pa.Table, counts: Sequence[str], apart: Sequence[str], notes: Notes) -> pa.Table:
    """Sums the rows of each ad: by its id or, without one, by its campaign, headline and image.

    Args:
        ads: Rows of ads.
        counts: Columns to sum.
        apart: Columns whose values keep rows separate, such as the day.
        notes: Receives what was merged.
    """
    texts = {name: _encoded(ads[name]) for name in ("id", *TEXTS, *apart)}
    keys = _keys(ads, texts)
    for name in apart:
        words, places = texts[name]
        keys = keys * (len(words) + 1) + places
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in order of first appearance
    notes.merged += len(keys) - len(first)
    columns: dict[str, Any] = {}
    for name, (words, places) in texts.items():
        kept, differing = _first_said(words, places, group, len(first))
        columns[name] = _taken(words, kept[order])
        if name in TEXTS and differing.any():
            ids = texts["id"][0].take(pa.array(np.unique(texts["id"][1][differing])))
            notes.differing[name] = ids.to_pylist()
    columns["id"] = _named(columns["id"], ads["row"].to_numpy()[first[order]])
    for name in counts:
        columns[name] = np.bincount(group, ads[name].to_numpy(), len(first))[order]
    return pa.table(columns)


def _first_said(
    words: pa.Array, places: NDArray[np.int32], group: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Each group's first non-blank word, -1 for none; and which rows have a different one."""
    said = pc.not_equal(words, "").to_numpy(zero_copy_only=False).astype(bool)[places]
    first = np.full(groups, -1, np.int32)
    first[group[said][::-1]] = places[said][::-1]  # reversed: the first word wins
    return first, said & (places != first[group])


def _keys(ads: pa.Table, texts: Mapping[str, Encoded]) -> NDArray[np.int64]:
    """An integer key for each row that identifies its ad, (rows,)."""
    ids, places = texts["id"]
    keys = places.astype(np.int64)
    blank = pc.index(ids, "").as_py()
    if blank >= 0:
        nameless = places == blank
        parts = [ads[name].filter(pa.array(nameless)).cast(pa.string()) for name in TEXTS]
        content = pc.binary_join_element_wise(*parts, "\0").dictionary_encode()
        keys[nameless] = len(ids) + _encoded(content)[1]
    return keys


def _encoded(column: pa.ChunkedArray) -> Encoded:
    """The distinct words of a column, and the index of each row's word, (rows,) int32."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array.dictionary, array.indices.to_numpy()


def _taken(words: pa.Array, places: NDArray[np.int32]) -> pa.Array:
    """Words by index, dictionary-encoded; blank where the index is -1."""
    filled = np.where(places < 0, len(words), places).astype(np.int32)
    return pa.DictionaryArray.from_arrays(filled, pa.concat_arrays([words, pa.array([""])]))


def _named(ids: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """Ids; an ad without one gets a row number that is not yet taken."""
    texts = ids.cast(pa.string())
    blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    if not blank.any():
        return ids
    taken = set(texts.to_pylist())
    names: list[str | None] = [None] * len(texts)
    for at in np.flatnonzero(blank).tolist():
        name = f"row {rows[at]}"
        ways = itertools.chain([name], (f"{name}#{number}" for number in itertools.count(2)))
        names[at] = next(one for one in ways if one not in taken)
        taken.add(str(names[at]))
    return pc.coalesce(pa.array(names, pa.string()), texts)


def with_images(ads: pa.Table, folder: Path | None, notes: Notes) -> pa.Table:
    """Replaces each image by its path relative to a folder; blank if it is not found.

    An image is looked up by path, by name, or by name without extension, ignoring case and the
    kind of slash. URLs are kept.
    """
    words, places = _encoded(ads["image"])
    cells = words.to_pylist()
    if folder is None or not any(cells):
        return ads
    notes.image_root = folder
    index = _Index(folder)
    used = set(np.unique(places).tolist())
    paths = [
        cell if not cell or at not in used or _URL.match(cell) else index.find(cell, notes)
        for at, cell in enumerate(cells)
    ]
    images = _taken(pa.array(paths, pa.string()), places)
    notes.images_found = int(pc.sum(pc.not_equal(images.cast(pa.string()), "")).as_py() or 0)
    return ads.set_column(ads.column_names.index("image"), "image", images)


class _Index:
    """The files below a folder, indexed by name."""

    def __init__(self, folder: Path) -> None:
        files = sorted(one for one in folder.rglob("*") if one.is_file())
        self._paths: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for file in files:
            path = file.relative_to(folder).as_posix()
            self._paths.setdefault(path.casefold(), []).append(path)
            self._names.setdefault(file.name.casefold(), []).append(path)
            self._stems.setdefault(file.stem.casefold(), []).append(path)

    def find(self, cell: str, notes: Notes) -> str:
        path = PurePosixPath(cell.replace("\\", "/"))
        plain = path.as_posix().casefold().removeprefix("./")
        ways: Iterable[tuple[Mapping[str, list[str]], str]] = (
            (self._paths, plain),
            (self._names, path.name.casefold()),
            (self._stems, path.stem.casefold()),
            (self._stems, path.name.casefold()),
        )
        for where, name in ways:
            files = where.get(name, [])
            if len(files) == 1:
                return files[0]
            if files:
                notes.images_unclear.append(cell)
                return ""
        notes.images_missing.append(cell)
        return ""


def result(
    ads: pa.Table, apart: Sequence[str], counts: Sequence[str], targets: Sequence[Target]
) -> pa.Table:
    """The table as written: without empty columns, and with whole counts as int64.

    Raises:
        TableError: An ad has more successes than trials, such as more clicks than impressions.
    """
    for target in targets:
        over = more_than(ads, target.successes, str(target.trials))
        if over:
            raise TableError(
                f"expected at most as many {target.successes} as {target.trials}. Received more "
                f"for {len(over)} {'ad' if len(over) == 1 else 'ads'}: {', '.join(over[:3])}; are "
                "these columns the right ones? Name them with --target"
            )
    columns = {"creative_id": ads["id"]}
    for name in TEXTS:
        words, places = _encoded(ads[name])
        if pc.any(pc.not_equal(words.take(pa.array(np.unique(places))), "")).as_py():
            columns[NAMES[name]] = ads[name]
    columns |= {name: ads[name] for name in apart}
    for name in counts:
        whole = pc.all(pc.equal(pc.floor(ads[name]), ads[name])).as_py() is not False
        columns[name] = pc.cast(ads[name], pa.int64()) if whole else ads[name]
    return pa.table(columns)


def more_than(table: pa.Table, successes: str, trials: str) -> list[str]:
    """Ids of ads that have more successes than trials."""
    ids = table["id" if "id" in table.column_names else "creative_id"]
    found: list[str] = ids.filter(pc.greater(table[successes], table[trials])).to_pylist()
    return found

"""The pipeline of `adscore prepare`: from exports to a checked table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from adscore.creative import Target
from adscore.errors import TableError
from adscore.prepare.combine import Notes, combine, join, more_than, result, summed, with_images
from adscore.prepare.export import Export, ReadOptions, read_export
from adscore.progress import SILENT, Progress
from adscore.table.location import Location, is_url

ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Join:
    """A second file, which lists the ads.

    Attributes:
        table: Path or URL of the file.
        on: The shared column; None joins on the id of each.
    """

    table: str
    on: str | None = None


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """The user's choices.

    Attributes:
        read: How exports are read.
        join: Source of headlines and images; None uses those in the exports.
        image_root: Folder of the images; None looks in the folder of the first export.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    join: Join | None = None
    image_root: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result.

    Attributes:
        table: A row for each creative (and for each day and context value, if requested).
        exports: The exports that were read.
        notes: What was merged, left out and found.
        targets: Rates to train.
        apart: Columns that keep rows of the same ad separate.
    """

    table: pa.Table
    exports: Sequence[Export]
    notes: Notes
    targets: Sequence[Target]
    apart: Sequence[str]


def prepare(
    exports: Sequence[str], options: PrepareOptions, progress: Progress = SILENT
) -> Prepared:
    """Reads exports and combines them into one table.

    Args:
        exports: Paths or URLs of the files.
        options: The user's choices.
        progress: Receives the stages.

    Raises:
        TableError: Something cannot be read, or the user has to settle something.
        OSError: A file cannot be opened.
    """
    read = options.read
    if options.join is not None and options.join.on is not None:
        read = replace(read, choices=replace(read.choices, id=options.join.on))
    if options.image_root is not None and not options.image_root.is_dir():
        raise TableError(f"--image-root: expected a folder. Received: {options.image_root}")
    joined = [] if options.join is None else [options.join.table]
    _require_files([*exports, *joined])
    _require_different(exports)
    found = [read_export(name, read, progress=progress) for name in exports]
    last = max(export.rows for export in found)
    if max(read.keep_rows, default=0) > last:
        raise TableError(
            f"--keep-row: expected a row up to {last}. Received: {max(read.keep_rows)}"
        )
    notes = Notes()
    ads = combine(found)
    if options.join is not None:
        listing = replace(
            read,
            choices=replace(read.choices, targets=(), context=(), date=None),
            keep_rows=frozenset(),
            otherwise=found[0].layout.platform.key,
        )
        ads = join(
            ads, read_export(options.join.table, listing, counts=False, progress=progress), notes
        )
    progress("summing the rows of each ad")
    layout = found[0].layout
    apart = [*layout.context, *(["date"] if layout.date is not None else [])]
    counts = [count.name for count in layout.counts if count.name in ads.column_names]
    ads = summed(ads, counts, apart, notes)
    progress("looking for images")
    ads = with_images(ads, options.image_root or _beside(exports[0], ads), notes)
    table = result(ads, apart, counts, layout.targets)
    if not table.num_rows:
        raise TableError("expected ads. Received: none after leaving out what is no ad")
    is_asked = bool(read.choices.targets)
    targets = layout.targets if is_asked else _with_conversions(layout.targets, table, notes)
    return Prepared(table, found, notes, _as_counted(targets, table), apart)


def _require_files(names: Sequence[str]) -> None:
    """Checks that all files exist, before the first is read."""
    for name in names:
        if not is_url(name) and not Path(name).is_file():
            found = "a folder" if Path(name).is_dir() else "no file of that name"
            raise TableError(f"expected the file of an export. Received: {name}, {found}")


def _require_different(exports: Sequence[str]) -> None:
    """Refuses exports with identical content, which would count every ad twice."""
    seen: dict[str, str] = {}
    for name in exports if len(exports) > 1 else ():
        content = Location.parse(name).fingerprint()
        if content in seen:
            raise TableError(
                f"expected different exports. Received: {seen[content]} and {name}, which hold the "
                "same; their counts would be added twice"
            )
        seen[content] = name


def _beside(export: str, ads: pa.Table) -> Path | None:
    """The export's folder, if one of the first 100 images is below it."""
    if is_url(export):
        return None
    folder = Path(export).resolve().parent
    cells = [cell for cell in ads["image"].slice(0, 100).to_pylist() if cell]
    here = any((folder / cell.replace("\\", "/")).is_file() for cell in cells)
    return folder if here else None


def _with_conversions(targets: Sequence[Target], table: pa.Table, notes: Notes) -> Sequence[Target]:
    """Adds a conversion rate to the targets, unless an ad has more conversions than clicks."""
    if "conversions" not in table.column_names or not pc.sum(table["conversions"]).as_py():
        return targets
    notes.over = more_than(table, "conversions", "clicks")
    return targets if notes.over else [*targets, Target("cvr", "conversions", "clicks")]


def _as_counted(targets: Sequence[Target], table: pa.Table) -> list[Target]:
    """Marks targets whose successes may be fractional."""
    parts = {one.name for one in table.schema if pa.types.is_floating(one.type)}
    return [replace(one, fractional=one.successes in parts) for one in targets]


def write_prepared(table: pa.Table, out: Path) -> None:
    """Writes the table to a temporary file, then renames it.

    Raises:
        TableError: The file's extension is not supported, or its folder does not exist.
        OSError: The file cannot be written.
    """
    require_ending(out)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        if out.suffix == ".parquet":
            pyarrow.parquet.write_table(table, temporary, store_schema=False)
        else:
            pyarrow.csv.write_csv(table, temporary)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def require_ending(out: Path) -> None:
    """Checks the path of the result, before anything is read."""
    if out.suffix not in ENDINGS:
        raise TableError(f"--out: expected a {' or '.join(ENDINGS)} file. Received: {out}")
    if not out.absolute().parent.is_dir():
        raise TableError(f"--out: expected an existing folder. Received: {out.absolute().parent}")

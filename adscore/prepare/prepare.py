"""The whole of `adscore prepare`: exports -> a checked table."""

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
    """A second file that lists the ads.

    Attributes:
        table: Path or URL of its file.
        on: The column that both have; None takes the id of each.
    """

    table: str
    on: str | None = None


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What a user chooses.

    Attributes:
        read: How exports are read.
        join: Where headlines and images come from; None leaves what the exports have.
        image_root: The folder of the images; None looks beside the first export.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    join: Join | None = None
    image_root: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of it.

    Attributes:
        table: A row for each creative (and day and value of the context, where asked for).
        exports: What was read.
        notes: What was merged, left out and found.
        targets: The rates to train.
        apart: Columns that keep rows of one ad apart.
    """

    table: pa.Table
    exports: Sequence[Export]
    notes: Notes
    targets: Sequence[Target]
    apart: Sequence[str]


def prepare(
    exports: Sequence[str], options: PrepareOptions, progress: Progress = SILENT
) -> Prepared:
    """Reads exports and makes one table of them.

    Args:
        exports: Paths or URLs of their files.
        options: What the user says of them.
        progress: Is told the stages.

    Raises:
        TableError: Something cannot be read, or has to be said by the user.
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
    """Checks that all files are there, before the first is read."""
    for name in names:
        if not is_url(name) and not Path(name).is_file():
            found = "a folder" if Path(name).is_dir() else "no file of that name"
            raise TableError(f"expected the file of an export. Received: {name}, {found}")


def _require_different(exports: Sequence[str]) -> None:
    """Refuses two exports of one content, which would count every ad twice."""
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
    """The export's folder, where an image of it lies below."""
    if is_url(export):
        return None
    folder = Path(export).resolve().parent
    cells = [cell for cell in ads["image"].slice(0, 100).to_pylist() if cell]
    here = any((folder / cell.replace("\\", "/")).is_file() for cell in cells)
    return folder if here else None


def _with_conversions(targets: Sequence[Target], table: pa.Table, notes: Notes) -> Sequence[Target]:
    """The targets, and the conversions that came with them, where they are some of the clicks."""
    if "conversions" not in table.column_names or not pc.sum(table["conversions"]).as_py():
        return targets
    notes.over = more_than(table, "conversions", "clicks")
    return targets if notes.over else [*targets, Target("cvr", "conversions", "clicks")]


def _as_counted(targets: Sequence[Target], table: pa.Table) -> list[Target]:
    """Targets that say where successes are parts of one."""
    parts = {one.name for one in table.schema if pa.types.is_floating(one.type)}
    return [replace(one, fractional=one.successes in parts) for one in targets]


def write_prepared(table: pa.Table, out: Path) -> None:
    """Writes the table under a temporary name, and renames it.

    Raises:
        TableError: The file's ending is none that can be written.
        OSError: It cannot be written.
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
    """Checks where the result goes, before anything is read."""
    if out.suffix not in ENDINGS:
        raise TableError(f"--out: expected a {' or '.join(ENDINGS)} file. Received: {out}")
    if not out.absolute().parent.is_dir():
        raise TableError(f"--out: expected an existing folder. Received: {out.absolute().parent}")

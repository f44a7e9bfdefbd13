"""The whole of `adscore prepare`: exports -> a checked table, and what was done to get it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.errors import TableError
from adscore.prepare.combine import Notes, combine, join, result, summed, with_images
from adscore.prepare.export import Export, ReadOptions, read_export
from adscore.prepare.sift import LeftOut
from adscore.progress import SILENT, Progress
from adscore.table.location import Location, is_url

ENDINGS = (".parquet", ".csv")
_SHOWN = 3


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
        targets: The rates, as `adscore train --target` takes them.
        apart: Columns that keep rows of one ad apart.
    """

    table: pa.Table
    exports: Sequence[Export]
    notes: Notes
    targets: Sequence[str]
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
    notes = Notes()
    ads = combine(found)
    if options.join is not None:
        listing = replace(
            read,
            choices=replace(read.choices, targets=(), context=(), date=None),
            keep_rows=frozenset(),
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
    table = result(ads, apart, counts)
    if not table.num_rows:
        raise TableError("expected ads. Received: none after leaving out what is no ad")
    return Prepared(table, found, notes, _targets(read.choices.targets, layout.counts), apart)


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


def _targets(asked: Sequence[str], counts: Sequence[object]) -> list[str]:
    names = {count.source: count.name for count in counts}  # type: ignore[attr-defined]
    targets = []
    for target in asked:
        name, _, rate = target.partition("=")
        pair = next(
            (names[one], names[two])
            for one in names
            for two in names
            if f"{one}/{two}".casefold() == rate.strip().casefold()
        )
        targets.append(f"{name.strip()}={'/'.join(pair)}")
    return targets or ["ctr=clicks/impressions"]


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


# === What is said of it ===


def lines(prepared: Prepared) -> Iterator[str]:
    """All that was read, guessed, merged and left out, a line each."""
    for export in prepared.exports:
        yield from _lines_of_export(export)
    notes = prepared.notes
    if notes.unmatched:
        rows = sum(notes.unmatched.values())
        yield (
            f"left out {_number(len(notes.unmatched), 'ad')} ({_number(rows, 'row')}) that the "
            f"joined table does not list: {_first(list(notes.unmatched))}"
        )
    if notes.merged:
        yield f"summed {_number(notes.merged, 'row')} into others of the same ad"
    for name, ids in notes.differing.items():
        found = f"{_number(len(ids), 'ad')} with more than one {name}"
        yield f"{found}, the first is kept: {_first(ids)}"
    yield from _lines_of_images(prepared)
    yield f"{_number(prepared.table.num_rows, 'row')}: {', '.join(prepared.table.column_names)}"


def _lines_of_export(export: Export) -> Iterator[str]:
    layout = export.layout
    rows = _number(export.rows, "row")
    yield f"{export.name}: {layout.platform.name}; {export.file_layout}; {rows}"
    used = [
        ("creative_id", layout.id),
        ("campaign_id", layout.campaign),
        ("headline", " + ".join(layout.headlines) or None),
        ("image", layout.image),
        ("date", layout.date),
        *((count.name, count.source) for count in layout.counts),
    ]
    yield "  columns: " + ", ".join(f"{name} = {source}" for name, source in used if source)
    if export.shown_by:
        kind = "a decimal comma" if export.decimal == "," else "a decimal point"
        yield f"  numbers have {kind}, as {export.shown_by!r} shows"
    for reason, left_out in _by_reason(export.left_out).items():
        yield f"  left out {_number(len(left_out), 'row')}, {_REASONS[reason]}: {_shown(left_out)}"
    if export.footers:
        found = _number(len(export.footers), "line")
        yield f"  left out {found} below the rows: {_first(export.footers)}"


_REASONS = {
    "totals": "totals (--keep-row N keeps one)",
    "no ad": "without id and content, so no ads (--keep-row N keeps one)",
    "blank": "blank",
}


def _by_reason(rows: Sequence[LeftOut]) -> dict[str, list[LeftOut]]:
    found: dict[str, list[LeftOut]] = {}
    for row in rows:
        found.setdefault(row.reason, []).append(row)
    return found


def _shown(rows: Sequence[LeftOut]) -> str:
    named = [f"row {one.row}" + (f" ({one.label})" if one.label else "") for one in rows[:_SHOWN]]
    return ", ".join(named) + (", ..." if len(rows) > _SHOWN else "")


def _lines_of_images(prepared: Prepared) -> Iterator[str]:
    notes = prepared.notes
    if notes.image_root is None:
        if "image" in prepared.table.column_names:
            yield "images were not looked for: name their folder with --image-root"
        return
    yield f"images: {notes.images_found} found below {notes.image_root}"
    if notes.images_missing:
        missing = notes.images_missing
        yield f"images: {len(missing)} not found, left blank: {_first(missing)}"
    if notes.images_unclear:
        yield (
            f"images: {len(notes.images_unclear)} names that several files have, left blank: "
            f"{_first(notes.images_unclear)}"
        )


def train_command(prepared: Prepared, out: Path, exports: Sequence[str]) -> str:
    """The command that trains on the result."""
    model = f"models/{PurePosixPath(exports[0]).stem.replace(' ', '-')}"
    words = ["adscore", "train", str(out), model]
    columns = prepared.table.column_names
    if prepared.apart:
        words += ["--id-column", "none"]  # an id stands in several rows
    words += [f"--{name}-column none" for name in ("headline", "image") if name not in columns]
    if "campaign_id" not in columns:
        words += ["--group-column", "none"]
    words += [f'--context-column "{name}"' for name in prepared.apart if name != "date"]
    if list(prepared.targets) != ["ctr=clicks/impressions"]:
        words += [f'--target "{target}"' for target in prepared.targets]
    root = prepared.notes.image_root
    if root is not None and root.resolve() != out.absolute().parent.resolve():
        words += ["--image-root", str(root)]
    return " ".join(words)


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _first(items: Sequence[str]) -> str:
    cut = [one if len(one) <= 60 else f"{one[:60]}..." for one in items[:_SHOWN]]
    return ", ".join(cut) + (f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")

"""Summary of what was read, guessed, merged and left out; and the command to run next."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from adscore.prepare.export import Export
from adscore.prepare.layout import CTR
from adscore.prepare.prepare import Prepared
from adscore.prepare.sift import LeftOut

_SHOWN = 3


def lines(prepared: Prepared) -> Iterator[str]:
    """Lists what was read, guessed, merged and left out, one item per line."""
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
    for name in dict.fromkeys(c.name for one in prepared.exports for c in one.layout.counts):
        if name not in prepared.table.column_names:
            yield f"left out {name}, which not every export has"
    if notes.over:
        found = f"{_number(len(notes.over), 'ad')} with more conversions than clicks"
        yield f"{found}, so that they are no target: {_first(notes.over)}"
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
    "no counts": "without any count (--blank-is-zero reads blank ones as zeros)",
    "header": "the header again",
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


def next_step(prepared: Prepared, out: Path, exports: Sequence[str]) -> str:
    """The next command, to train on the result, quoted for a shell; or why there is none."""
    if not {"headline", "image"} & set(prepared.table.column_names):
        return (
            "There is nothing to train on yet, neither headline nor image: name their columns, or "
            "the file that lists them with --join"
        )
    return f"Next:\n  {_train_command(prepared, out, exports)}"


def _train_command(prepared: Prepared, out: Path, exports: Sequence[str]) -> str:
    name = re.sub(r"[^\w.-]+", "-", PurePosixPath(exports[0].partition("?")[0]).stem).strip("-.")
    words = ["adscore", "train", str(out), f"models/{name or 'model'}"]
    columns = prepared.table.column_names
    if prepared.apart:
        words += ["--id-column", "none"]  # an id repeats in several rows
    for part in ("headline", "image"):
        words += [f"--{part}-column", "none"] if part not in columns else []
    words += ["--group-column", "none"] if "campaign_id" not in columns else []
    for column in prepared.apart:
        words += ["--context-column", column] if column != "date" else []
    for target in prepared.targets if list(prepared.targets) != [CTR] else ():
        words += ["--target", f"{target.name}={target.columns}"]
    root = prepared.notes.image_root if "image" in columns else None
    if root is not None and root.resolve() != out.absolute().parent.resolve():
        words += ["--image-root", str(root)]
    return shlex.join(words)


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _first(items: Sequence[str]) -> str:
    cut = [one if len(one) <= 60 else f"{one[:60]}..." for one in items[:_SHOWN]]
    return ", ".join(cut) + (f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")

"""The command `adscore prepare`: exports of ad platforms -> a table to train on."""

import codecs
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import given_targets, require_choice
from adscore.console import fail, interrupted, notes, results
from adscore.creative import Target
from adscore.errors import AdscoreError

if TYPE_CHECKING:
    from adscore.prepare.export import ReadOptions
    from adscore.prepare.prepare import PrepareOptions


def prepare(
    exports: Annotated[
        list[str],
        typer.Argument(metavar="EXPORT...", help="Files as exported by the platform, or URLs."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="New .parquet or .csv file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Print what would be done, and write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace the file.")] = False,
    platform: Annotated[
        str | None,
        typer.Option(
            help="google, linkedin, meta, microsoft, tiktok or generic.", show_default="recognised"
        ),
    ] = None,
    join: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE", help="A second file, with the headline and image of each ad."
        ),
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the id that both files share.")
    ] = None,
    headlines: Annotated[
        str | None,
        typer.Option(help="If an ad has several headlines: first, join or each (a row for each)."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SUCCESSES/TRIALS", help="A rate and its columns; may be repeated."
        ),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that identifies an ad.")] = None,
    headline_column: Annotated[str | None, typer.Option(help="Column of the headline.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the image.")] = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Column of the group whose ads are compared, such as the campaign."),
    ] = None,
    context_column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Keep a row for each of its values; may be repeated."),
    ] = None,
    date_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep a row for each day.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="How days are written, such as %d/%m/%Y.")
    ] = None,
    image_root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images.")
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option(help="The decimal mark of numbers: . or ,", show_default="found out"),
    ] = None,
    blank_is_zero: Annotated[
        bool | None,
        typer.Option(
            "--blank-is-zero",
            help="Read a blank count as zero.",
            show_default="as the platform does",
        ),
    ] = None,
    keep_row: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Treat row N as an ad, whatever it looks like; may be repeated.",
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file.", show_default="found out")
    ] = None,
    header_line: Annotated[
        int | None, typer.Option(min=1, help="Line of the header.", show_default="found out")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of a workbook, or file of an archive.")
    ] = None,
) -> None:
    """Turns unedited exports of ad platforms into one checked table, a row per creative."""
    # Arrow reads this at import; its default allocator retains freed memory.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    from adscore.prepare.export import ReadOptions
    from adscore.prepare.layout import Choices
    from adscore.prepare.prepare import Join, PrepareOptions
    from adscore.table.sheet import SheetOptions

    try:
        choices = Choices(
            id_column, group_column, headline_column, image_column, date_column,
            tuple(context_column or ()), _rates(target or ()), headlines,
        )  # fmt: skip
        read = ReadOptions(
            SheetOptions(encoding, header_line, sheet), choices, platform,
            decimal=decimal, blank_is_zero=blank_is_zero, keep_rows=frozenset(keep_row or ()),
            date_format=date_format,
        )  # fmt: skip
        options = PrepareOptions(read, None if join is None else Join(join, on), image_root)
        _require_choices(read, on, join)
        _prepare(exports, out, options, dry_run=dry_run, force=force)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt as stop:
        interrupted(stop, "nothing was written")


def _rates(texts: Sequence[str]) -> tuple[Target, ...]:
    """Parses targets; their columns are named as in the export."""
    targets = given_targets(texts)
    for text, target in zip(texts, targets, strict=True):
        if target.trials is None:
            raise ValueError(f"--target: expected NAME=SUCCESSES/TRIALS. Received: {text!r}")
    return tuple(replace(one, name=one.name.strip()) for one in targets)


def _require_choices(read: "ReadOptions", on: str | None, join: str | None) -> None:
    """Checks the options that need no file."""
    from adscore.prepare.days import require_format
    from adscore.prepare.layout import HEADLINE_CHOICES
    from adscore.prepare.platform import platforms

    if read.platform is not None:
        require_choice("--platform", read.platform, platforms())
    if read.choices.headlines is not None:
        require_choice("--headlines", read.choices.headlines, HEADLINE_CHOICES)
    if read.decimal is not None and read.decimal not in (".", ","):
        raise ValueError(f"--decimal: expected . or , Received: {read.decimal}")
    if read.date_format is not None:
        require_format(read.date_format)
    if read.sheet.encoding is not None:
        _require_encoding(read.sheet.encoding)
    if on is not None and join is None:
        raise ValueError("--on: expected --join TABLE beside it. Received: --on alone")


def _require_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError(
            f"--encoding: expected the name of an encoding, such as cp1252. Received: {name}"
        ) from error


def _prepare(
    exports: list[str], out: Path | None, options: "PrepareOptions", *, dry_run: bool, force: bool
) -> None:
    from adscore.cli.progress import shown_progress
    from adscore.errors import TableError
    from adscore.prepare.prepare import prepare, require_ending, write_prepared
    from adscore.prepare.summary import lines, next_step

    if out is None and not dry_run:
        raise TableError("--out: expected the file to write (or --dry-run). Received: none")
    if out is not None:
        require_ending(out)
        if out.exists() and not force and not dry_run:
            raise TableError(f"--out: expected a new file. Received: {out}; --force replaces it")
    with shown_progress(notes()) as progress:
        prepared = prepare(exports, options, progress)
    for line in lines(prepared):
        results().print(line)
    if dry_run or out is None:
        return
    write_prepared(prepared.table, out)
    results().print(f"wrote {out}\n\n{next_step(prepared, out, exports)}")

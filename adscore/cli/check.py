"""The command `adscore check`: creatives against the rules of a placement."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    GroupColumn,
    HeadlineColumn,
    IdColumn,
    ImageColumn,
    ImageRoot,
    columns_in_use,
    require_image_root,
    require_writable,
    write_json,
)
from adscore.console import fail, notes, results
from adscore.creative import NO_COLUMN, Columns, Creative, GivenColumns
from adscore.errors import AdscoreError, InvalidCreativeError

if TYPE_CHECKING:
    from adscore.checks import CheckReport, Finding, Placement
    from adscore.checks.table import CreativeChecked
    from adscore.report.checks import Pictures

# Findings printed for a table; the file has them all.
_MAX_SHOWN = 20


def check(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="A .csv, .parquet or .jsonl table of creatives."),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="PLACEMENT", help="The placement whose rules apply; see --list."
        ),
    ] = None,
    headline: Annotated[str | None, typer.Option(help="Headline, without a table.")] = None,
    image: Annotated[Path | None, typer.Option(help="Banner, without a table.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the findings to this file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report; replaces the file."),
    ] = None,
    id_column: IdColumn = None,
    headline_column: HeadlineColumn = None,
    image_column: ImageColumn = None,
    group_column: GroupColumn = None,
    image_root: ImageRoot = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Print the placements, or with --for its rules.")
    ] = False,
) -> None:
    """Checks creatives against the rules of a placement; exits with status 1 if one may not run."""
    from adscore.checks import find_placement
    from adscore.report.checks import Pictures, write_check_report

    try:
        if list_:
            _print_placements(for_)
            return
        _require_one(table, headline, image, for_)
        require_writable("--json", json)
        require_writable("--report", report)
        placement = find_placement(for_ or "")
        pictures = Pictures(wanted=report is not None)
        if table is None:
            found = _check_one(headline or "", image, placement, pictures)
        else:
            given = GivenColumns(id_column, headline_column, image_column, group_column)
            found = _check_table(table, given, placement, image_root, pictures)
        if json is not None:
            write_json(json, found.to_dict())
        if report is not None:
            write_check_report(report, found, placement, pictures)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    _print(found, placement)
    for text in found.not_checked:
        notes().print(f"error: {text}")
    if found.not_checked or not all(one.may_run for one in found.creatives):
        raise typer.Exit(1)


def _require_one(
    table: str | None, headline: str | None, image: Path | None, placement: str | None
) -> None:
    """Checks the arguments before anything is read.

    Raises:
        ValueError: They are not one placement and either a table or one creative.
    """
    if placement is None:
        raise ValueError("--for: expected a placement; --list names them. Received: none")
    given = " and ".join(
        name for name, value in (("--headline", headline), ("--image", image)) if value is not None
    )
    if bool(given) == (table is not None):
        received = f"a table beside {given}" if given else "none"
        raise ValueError(f"expected a TABLE, or --headline and --image. Received: {received}")


def _check_one(
    headline: str, image: Path | None, placement: "Placement", pictures: "Pictures"
) -> "CheckReport":
    from adscore.checks import check_creatives
    from adscore.checks.check import LIMITS
    from adscore.table import ImageSource

    source = ImageSource(".", LIMITS.max_image_bytes)
    try:
        data = b"" if image is None else source.read(str(image))
    except InvalidCreativeError as error:
        raise ValueError(f"--{error}") from error
    creative = Creative(headline, data, "" if image is None else image.name)
    found = check_creatives([creative], placement)
    pictures.add(creative, found.creatives[0])
    return found


def _check_table(
    table: str,
    given: GivenColumns,
    placement: "Placement",
    image_root: str | None,
    pictures: "Pictures",
) -> "CheckReport":
    from dataclasses import replace

    from adscore.table import open_stream

    require_image_root(image_root)
    # Near-duplicates are sought within a campaign; a table without that column is one campaign.
    usual = Columns().group
    if given.group is None and usual not in open_stream(table).schema.names:
        given = replace(given, group=NO_COLUMN)
    with columns_in_use(given) as columns:
        return check_rows(table, columns, placement, image_root, pictures.add)


def check_rows(
    table: str,
    columns: Columns,
    placement: "Placement",
    image_root: str | None,
    checked: "CreativeChecked" = lambda _, __: None,
) -> "CheckReport":
    """Checks a table and shows progress; see `check_table`."""
    from adscore.checks.table import check_table
    from adscore.cli.progress import rate_of, shown_progress

    started = time.monotonic()
    with shown_progress(notes(), "checking") as progress:

        def show(done: int, share: float | None) -> None:
            progress.advance(share, f"{done:,} rows, {rate_of(done, time.monotonic() - started)}")

        return check_table(table, columns, placement, image_root, checked=checked, progress=show)


# === Output ===


def _print_placements(name: str | None) -> None:
    from adscore.checks import find_placement, placements
    from adscore.checks.kinds import expected

    if name is None:
        for placement in placements().values():
            results().print(f"{placement.name}  {placement.platform}: {placement.title}")
        return
    placement = find_placement(name)
    results().print(f"{placement.name}  {placement.platform}: {placement.title}")
    for rule in placement.rules:
        results().print(f"  {rule.severity}  {rule.name}: {expected(rule)}. {rule.source}")


def _print(found: "CheckReport", placement: "Placement") -> None:
    flawed = [one for one in found.creatives if one.findings]
    for creative in flawed[:_MAX_SHOWN]:
        if len(found.creatives) > 1:
            results().print(creative.id or "(no id)")
        for finding in creative.findings:
            results().print(_line(finding))
    if len(flawed) > _MAX_SHOWN:
        more = len(flawed) - _MAX_SHOWN
        results().print(f"and {more:,} more creatives with findings; --json and --report have all")
    refused = sum(not one.may_run for one in found.creatives)
    clean = len(found.creatives) - len(flawed)
    results().print(
        f"{placement.name}: {len(found.creatives):,} checked, {refused:,} with errors, "
        f"{len(flawed) - refused:,} with warnings alone, {clean:,} without findings"
    )
    if len(flawed) > 1:
        rules = Counter(finding.rule for one in flawed for finding in one.findings)
        counted = ", ".join(f"{count:,} x {rule}" for rule, count in rules.most_common())
        results().print(f"by rule: {counted}")


def _line(finding: "Finding") -> str:
    return (
        f"  {finding.severity}  {finding.rule}: {finding.message}. Expected {finding.expected}. "
        f"Received: {finding.received}. {finding.source}"
    )

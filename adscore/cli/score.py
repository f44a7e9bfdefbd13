"""The command `adscore score`: a table of creatives -> a table of scores."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    ImageRoot,
    Table,
    TrainedContextColumns,
    TrainedGroupColumn,
    TrainedHeadlineColumn,
    TrainedIdColumn,
    TrainedImageColumn,
    columns_in_use,
    require_choice,
    require_image_root,
    require_parts,
    require_writable,
    warn_of_left_out_context,
)
from adscore.console import fail, interrupted, note, notes, results
from adscore.creative import GivenColumns
from adscore.errors import AdscoreError, TableError, cut
from adscore.offline.options import PART_ROWS, ScoringOptions

if TYPE_CHECKING:
    from adscore.checks import Placement
    from adscore.offline.summary import Summary

ENGINES = ("local", "spark")


def score(
    table: Table,
    model: Annotated[Path, typer.Option(help="A model or one version of it.")],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE | DIR",
            help="New .parquet, .csv or .jsonl file; or a folder: rerun to resume.",
        ),
    ],
    id_column: TrainedIdColumn = None,
    headline_column: TrainedHeadlineColumn = None,
    image_column: TrainedImageColumn = None,
    group_column: TrainedGroupColumn = None,
    context_column: TrainedContextColumns = None,
    image_root: ImageRoot = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Copy a column to the output; may be repeated."),
    ] = None,
    part_rows: Annotated[
        int,
        typer.Option(min=1, help="Rows in each file of a folder: the most that a kill can lose."),
    ] = PART_ROWS,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report; replaces the file."),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="PLACEMENT",
            help="With --report: also show whether each creative may run there; see adscore check.",
        ),
    ] = None,
    max_errors: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Exit with status 1 if more rows than this have no score.",
            show_default="all but one",
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Keep .csv texts that begin with = + - @ unchanged, such as -5. Otherwise "
            "they get a leading ', so that no spreadsheet runs them; ids never do.",
        ),
    ] = False,
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
) -> None:
    """Scores every creative of a table; a row that cannot be scored carries its error."""
    from adscore.bundle import read_manifest, resolve_bundle

    # Arrow reads this at import. Its default allocator retains about 20 MB more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    kept = tuple(dict.fromkeys(keep or []))
    try:
        _require_choices(engine, report)
        placement = _placement_of_report(for_, report)
        if engine == "local":
            from adscore.offline.local import require_out

            require_out(out)
        require_image_root(image_root)
        manifest = read_manifest(resolve_bundle(model))
        trained = manifest.training.columns
        with columns_in_use(given, trained, dict.fromkeys(kept, "--keep")) as columns:
            require_parts(manifest.limits, columns)
            ungrouped = replace(columns, group=None)
            options = ScoringOptions(ungrouped, kept, image_root or "", part_rows, raw)
            group = None if report is None else _group_of_report(table, columns.group, group_column)
            score_with = _score_on_spark if engine == "spark" else _score_here
            summary = score_with(out, model, table, options)
        if report is not None:
            ranked = replace(options, columns=replace(columns, group=group))
            _write_report(report, out, summary.bundle, table, ranked, placement)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt as stop:
        interrupted(stop, f"nothing was written: {out}")
    _print_summary(summary, out, max_errors)


def _require_choices(engine: str, report: Path | None) -> None:
    require_choice("--engine", engine, ENGINES)
    if report is not None and engine != "local":
        raise ValueError("--report: expected --engine local, which keeps the order of rows")
    require_writable("--report", report)


def _score_here(out: Path, model: Path, table: str, options: ScoringOptions) -> "Summary":
    from adscore.cli.progress import rate_of, shown_progress
    from adscore.offline.local import Progress as RowsDone
    from adscore.offline.local import score_to

    started = time.monotonic()
    with shown_progress(notes(), "scoring") as progress:

        def show(now: RowsDone) -> None:
            speed = rate_of(now.done - now.before, time.monotonic() - started)
            progress.advance(now.share, f"{now.done:,} rows, {speed}")

        return score_to(out, model, table, options, show)


def _score_on_spark(out: Path, model: Path, table: str, options: ScoringOptions) -> "Summary":
    from adscore.cli.progress import shown_progress
    from adscore.offline.spark import score_to

    with shown_progress(notes(), "scoring on Spark"):
        return score_to(out, model, table, options)


def _group_of_report(table: str, group: str | None, given: str | None) -> str | None:
    """The group column of a report; the default one only if the table has it."""
    from adscore.table import MissingColumnsError, open_stream

    try:
        open_stream(table, [] if group is None else [group])
    except MissingColumnsError:
        if given is not None:
            raise
        return None
    return group


def _placement_of_report(name: str | None, report: Path | None) -> "Placement | None":
    """The placement that a report checks creatives for.

    Raises:
        ValueError: The placement is unknown, or no report is requested.
    """
    from adscore.checks import UnknownPlacementError, find_placement

    if name is None:
        return None
    if report is None:
        raise ValueError("--for: expected --report beside it, which shows the findings")
    try:
        return find_placement(name)
    except UnknownPlacementError as error:
        raise ValueError(f"--for: {error}") from error


def _write_report(
    report: Path,
    out: Path,
    bundle: Path,
    table: str,
    options: ScoringOptions,
    placement: "Placement | None",
) -> None:
    from adscore.cli.check import check_rows
    from adscore.report import write_score_report
    from adscore.scoring.scorer import Scorer
    from adscore.table import open_stream

    stream = open_stream(table, options.read)
    options, scorer = options.below(stream.folder), Scorer.open(bundle)
    checked = None
    if placement is not None:
        columns = replace(options.columns, context=())
        checked = check_rows(table, columns, placement, options.image_root)
        note(checked.not_checked)
    write_score_report(report, out, stream, options, scorer, checked)


def _print_summary(summary: "Summary", out: Path, max_errors: int | None) -> None:
    """Prints what was written and why rows failed; exits with status 1 if too many did."""
    from adscore.table.images import NO_FILE

    all_failed = summary.errors == summary.rows
    too_many = all_failed or (max_errors is not None and summary.errors > max_errors)
    failures = f", {summary.errors} of them with an error" if summary.errors else ""
    before = f" ({summary.before} by an earlier run)" if summary.before else ""
    console = notes() if too_many else results()
    console.print(f"wrote {summary.rows} rows{before}{failures}: {out}")
    warn_of_left_out_context(summary.context_left_out)
    note(summary.remarks)
    if summary.formula_ids:
        examples = ", ".join(map(cut, summary.formula_examples))
        notes().print(
            f"warning: {summary.formula_ids} ids begin as a formula does, and a spreadsheet would "
            f"run it: {examples}. They are written as they are, so that they still join"
        )
    if summary.errors:
        rows = f"all {summary.rows}" if all_failed else f"{summary.errors} of {summary.rows}"
        text = f"{rows} rows have no score: {_counted(summary)}"
        if all_failed and any(NO_FILE in one.example for one in summary.reasons.values()):
            text += ". If the images are in another folder, name it with --image-root"
        if too_many:
            fail(TableError(text))
        notes().print(text)


def _counted(summary: "Summary") -> str:
    reasons = sorted(summary.reasons.items(), key=lambda item: -item[1].rows)
    counted = "; ".join(f"{failures.rows} x {reason}" for reason, failures in reasons)
    return f"{counted}. The first: {cut(reasons[0][1].example, 300)}"

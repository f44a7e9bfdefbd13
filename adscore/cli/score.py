"""The command `adscore score`: a table of creatives -> a table of scores."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    ContextColumns,
    HeadlineColumn,
    IdColumn,
    ImageColumn,
    given_columns,
)
from adscore.console import fail, notes, results
from adscore.errors import AdscoreError

if TYPE_CHECKING:
    from adscore.offline.local import Summary
    from adscore.offline.options import ScoringOptions
    from adscore.table import TableStream

ENGINES = ("local", "spark")


def score(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A .csv, .parquet or .jsonl table, a folder of these, or a URL."
        ),
    ],
    model: Annotated[Path, typer.Option(help="A model or one version of it.")],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE | DIR",
            help="New .parquet, .csv or .jsonl file; or a folder, which a run that was ended goes "
            "on with.",
        ),
    ],
    id_column: IdColumn = "creative_id",
    headline_column: HeadlineColumn = "headline",
    image_column: ImageColumn = "image",
    context_column: ContextColumns = None,
    image_root: Annotated[
        str | None,
        typer.Option(help="Folder or URL of the images.", show_default="the table's folder"),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Carry a column along; may be repeated."),
    ] = None,
    part_rows: Annotated[
        int, typer.Option(min=1, help="Rows of a part of a folder: what a kill can cost.")
    ] = 8_192,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a page to look at; replaces the file."),
    ] = None,
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
) -> None:
    """Scores every creative of a table; a row that cannot be scored carries its error."""
    # Arrow reads this when it is imported. The allocator that it prefers keeps some 20 MB more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    from adscore.bundle import resolve_bundle
    from adscore.offline.options import ScoringOptions
    from adscore.table import open_stream

    columns = given_columns(id_column, headline_column, image_column, "none", context_column)
    kept = tuple(dict.fromkeys(keep or []))
    try:
        if engine not in ENGINES:
            raise ValueError(f"--engine: expected {' or '.join(ENGINES)}. Received: {engine}")
        _require_output(out, engine)
        _require_report(report, engine)
        if engine == "spark":
            _score_on_spark(table, model, out, ScoringOptions(columns, kept, image_root or ""))
            return
        stream = open_stream(table, ScoringOptions(columns, kept).read)
        options = ScoringOptions(columns, kept, image_root or stream.folder)
        model = resolve_bundle(model)  # a version that appears meanwhile is not for this run
        summary = _score_here(stream, model, out, options, part_rows)
        if report is not None:
            _report(report, out, stream, options, model)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    failures = f", {summary.errors} of them with an error" if summary.errors else ""
    before = f" ({summary.before} by an earlier run)" if summary.before else ""
    results().print(f"wrote {summary.rows} rows{before}{failures}: {out}")


def _score_here(
    table: "TableStream", model: Path, out: Path, options: "ScoringOptions", part_rows: int
) -> "Summary":
    from adscore.cli.progress import row_progress
    from adscore.offline.local import score_to

    with row_progress(notes(), "scoring") as tell:
        return score_to(
            out,
            model,
            table,
            options,
            part_rows=part_rows,
            progress=lambda progress: tell(progress.done, progress.before, progress.total),
        )


def _report(
    report: Path, out: Path, table: "TableStream", options: "ScoringOptions", model: Path
) -> None:
    from adscore.report import write_score_report
    from adscore.scoring.scorer import Scorer

    write_score_report(report, out, table, options, Scorer.open(model))


def _require_report(report: Path | None, engine: str) -> None:
    """Refuses a page that cannot be written, before the work for it is done."""
    if report is None:
        return
    if engine != "local":
        raise ValueError("--report: expected --engine local, which keeps the order of rows")
    if report.is_dir() or not report.parent.is_dir():
        raise ValueError(f"--report: expected a file in a folder that is there. Received: {report}")


def _score_on_spark(table: str, model: Path, out: Path, options: "ScoringOptions") -> None:
    from adscore.offline.spark import score_table

    rows = score_table(table, out, model=model, options=options)
    results().print(f"wrote {rows} rows: {out}")


def _require_output(out: Path, engine: str) -> None:
    from adscore.offline.files import require_new_file
    from adscore.offline.local import is_folder_output

    if engine == "local" and not is_folder_output(out):
        require_new_file(out)

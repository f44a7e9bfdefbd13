"""The command `adscore decide`: a table with counts so far -> which creatives to run."""

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    given_targets,
    options_of_counts,
    require_choice,
    require_image_root,
    require_parts,
    require_writable,
    warn_of_left_out_context,
)
from adscore.console import fail, interrupted, note, notes, results
from adscore.creative import GivenColumns
from adscore.errors import AdscoreError, cut

if TYPE_CHECKING:
    from adscore.decision import Decision
    from adscore.decision.output import DecisionWriter
    from adscore.decision.rows import Dates
    from adscore.decision.table import TableDecisions, TableQuestion

ENGINES = ("local", "spark")
AIMS = ("earn", "learn")
_SHOWN_GROUPS = 10
_SHOWN_ARMS = 4


def decide(
    table: Table,
    model: Annotated[Path, typer.Option(help="A model or one version of it.")],
    id_column: TrainedIdColumn = None,
    headline_column: TrainedHeadlineColumn = None,
    image_column: TrainedImageColumn = None,
    group_column: TrainedGroupColumn = None,
    context_column: TrainedContextColumns = None,
    image_root: ImageRoot = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SUCCESSES/TRIALS",
            help="A target of the model and its columns; may be repeated.",
            show_default="those of the model's training",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=X",
            help="What a success is worth, if there are several targets; may be repeated.",
        ),
    ] = None,
    aim: Annotated[
        str, typer.Option(help="earn (the most successes) or learn (a winner soonest).")
    ] = "earn",
    horizon: Annotated[
        float | None,
        typer.Option(
            metavar="IMPRESSIONS",
            help="Impressions still to come for each group.",
            show_default="as many as it has had",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="The share of the best rate that you accept to lose.")
    ] = 0.01,
    control: Annotated[
        str | None, typer.Option(metavar="ID", help="The creative to compare others with.")
    ] = None,
    date_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of the day of the counts.")
    ] = None,
    half_life: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Days after which a count is worth half."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all decisions to this file.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="New .parquet, .csv or .jsonl file, a row for each creative."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report; replaces the file."),
    ] = None,
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
) -> None:
    """Says which creative of each group to run, how certain that is, and how to split the traffic.

    Combines the model's predictions with the counts so far. The creatives of a group must have been
    shown to the same audience.
    """
    from adscore.bundle import read_manifest, resolve_bundle
    from adscore.decision import Aim
    from adscore.decision.table import TableQuestion

    # Arrow reads this at import. Its default allocator retains about 20 MB more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    try:
        require_choice("--aim", aim, AIMS)
        require_choice("--engine", engine, ENGINES)
        outputs = _Outputs(json, out, report)
        outputs.require_writable()
        require_image_root(image_root)
        dates, worth = _dates(date_column, half_life), _values(value or [])
        targets = given_targets(target) if target else None
        manifest = read_manifest(resolve_bundle(model))
        options = options_of_counts(targets or [])
        if date_column is not None:
            options[date_column] = "--date-column"
        with columns_in_use(given, manifest.training.columns, options) as columns:
            require_parts(manifest.limits, columns)
            question = TableQuestion(
                columns,
                targets,
                worth,
                Aim(aim),
                horizon,
                tolerance,
                control,
                dates,
                image_root or "",
                engine,
            )
            _decide(table, model, question, outputs)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt as stop:
        interrupted(stop, "nothing was written")


# === The question ===


def _values(texts: Sequence[str]) -> dict[str, float]:
    """What a success of each target is worth.

    Raises:
        ValueError: A value is malformed, or two are for the same target.
    """
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (name and equals) or not (math.isfinite(value) and value >= 0):
            raise ValueError(f"--value: expected NAME=X, X at least 0. Received: {text!r}")
        if name in values:
            raise ValueError(f"--value: expected one of each target. Received: two of {name}")
        values[name] = value
    return values


def _dates(column: str | None, half_life_days: float | None) -> "Dates | None":
    """Raises ValueError for a half-life without dates, or one that is not above 0."""
    from adscore.decision.rows import Dates

    if half_life_days is not None and column is None:
        raise ValueError("--half-life: expected --date-column with it. Received: none")
    return None if column is None else Dates(column, half_life_days)


# === Output ===


class _Outputs:
    """The files to write; None for those not requested.

    Args:
        json: File of all decisions.
        out: Table with a row for each creative.
        report: HTML report.
    """

    def __init__(self, json: Path | None, out: Path | None, report: Path | None) -> None:
        self.json, self.out, self.report = json, out, report

    def require_writable(self) -> None:
        """Raises ValueError if a file cannot be written, before any work is done."""
        from adscore.offline.files import require_new_file

        require_writable("--json", self.json)
        require_writable("--report", self.report)
        if self.out is not None:
            require_new_file(self.out)

    def __iter__(self) -> Iterator[Path]:
        return filter(None, (self.json, self.out, self.report))


def _decide(table: str, model: Path, question: "TableQuestion", outputs: _Outputs) -> None:
    """Decides for all groups, then writes and prints the decisions."""
    from adscore.cli.progress import shown_progress
    from adscore.decision.output import result_batches, result_schema
    from adscore.decision.table import TableDecisions
    from adscore.offline.files import new_file
    from adscore.report.decisions import DecisionReport

    counts: Counter[str] = Counter()
    first: list[Decision] = []
    with ExitStack() as stack:
        progress = stack.enter_context(shown_progress(notes(), "scoring"))
        asked = TableDecisions(
            table, model, question, lambda share, rows: progress.advance(share, f"{rows:,} rows")
        )
        warn_of_left_out_context(asked.context_left_out)
        note(asked.remarks)
        writer = stack.enter_context(_json_writer(outputs.json, asked))
        report = DecisionReport(asked)
        schema = result_schema(question.columns, asked.settings.targets)
        rows = stack.enter_context(new_file(outputs.out, schema)) if outputs.out else None

        def decisions() -> "Iterator[Decision]":
            for decision in asked:
                counts[decision.status] += 1
                if len(first) < _SHOWN_GROUPS:
                    first.append(decision)
                if writer is not None:
                    writer.write(decision)
                if outputs.report is not None:
                    report.add(decision)
                yield decision

        for batch in result_batches(decisions(), schema, asked):
            if rows is not None:
                rows.write(batch)
        if outputs.report is not None:
            report.write(outputs.report, table, question)
    _print(first, counts)
    for path in outputs:
        results().print(f"wrote {path}")


@contextmanager
def _json_writer(path: Path | None, asked: "TableDecisions") -> Iterator["DecisionWriter | None"]:
    """Opens a writer whose file appears under its name only if the block succeeds."""
    from adscore.decision.output import DecisionWriter

    if path is None:
        yield None
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            writer = DecisionWriter(file, asked)
            yield writer
            writer.close()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _print(first: Sequence["Decision"], counts: Counter[str]) -> None:
    from adscore.report.words import chance, whole_percent

    for decision in first:
        arms = sorted(decision.arms, key=lambda arm: -arm.share)
        shares = ", ".join(
            f"{cut(arm.id, 40)} {whole_percent(arm.share)}" for arm in arms[:_SHOWN_ARMS]
        )
        more = len(arms) - _SHOWN_ARMS
        rest = f" and {more} more" if more > 0 else ""
        best, said = cut(decision.leader, 40), chance(decision.best.chance_best)
        is_best = f"is the best with a chance of {said}" if len(arms) > 1 else "is alone"
        results().print(
            f"{cut(decision.group, 40)}: {decision.status}; {best} {is_best}; next traffic: "
            f"{shares}{rest}"
        )
    total = sum(counts.values())
    more = total - len(first)
    counted = f"{counts['leader']} with a leader, {counts['tie']} tied, {counts['open']} open"
    results().print((f"and {more} more groups. " if more else "") + f"{total} groups: {counted}")
    for warning, groups in Counter(w for one in first for w in one.warnings).items():
        notes().print(f"{warning}, e.g. in {groups} of the groups above: see docs/deciding.md")

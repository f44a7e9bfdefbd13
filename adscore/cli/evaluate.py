"""The command `adscore evaluate`: a model's predictions beside what really happened."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    ContextColumns,
    GroupColumn,
    HeadlineColumn,
    IdColumn,
    ImageColumn,
    ImageRoot,
    Model,
    Table,
    columns_in_use,
    options_of_counts,
    require_writable,
    warn_of_left_out_context,
)
from adscore.console import fail, note, notes, results
from adscore.creative import GivenColumns, Target
from adscore.errors import AdscoreError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adscore.evaluation.bootstrap import Estimate
    from adscore.evaluation.table import Evaluation
    from adscore.scoring.scorer import Scorer
    from adscore.table import CreativeTable

# Ablations and metrics of agreement look at the same parts again: 100,000 of them and more.
CACHE_BYTES = 256 * 2**20


def evaluate(
    model: Model,
    table: Table,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SUCCESSES/TRIALS | NAME=LABEL",
            help="A rate and its columns; may be repeated.",
            show_default="as the model was trained",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the metrics to this file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report; replaces the file."),
    ] = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="headline | image | context",
            help="Evaluate again with that part of other rows; may be repeated.",
            show_default="with --report, every part that the model reads",
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option(help="Use only rows of groups that the model has not seen.")
    ] = False,
    id_column: IdColumn = None,
    headline_column: HeadlineColumn = None,
    image_column: ImageColumn = None,
    group_column: GroupColumn = None,
    context_column: ContextColumns = None,
    image_root: ImageRoot = None,
) -> None:
    """Compares a model's predictions with what really happened."""
    from adscore.evaluation.table import (
        Modality,
        estimate_rankings,
        evaluate_table,
        modalities_to_exchange,
        with_ablations,
    )
    from adscore.report import write_report

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    try:
        require_writable("--json", json)
        require_writable("--report", report)
        modalities = [Modality.parse(text) for text in dict.fromkeys(ablate or [])]
        scorer, creatives, unseen = _read(model, table, given, target, image_root)
        evaluation = evaluate_table(scorer, creatives, unseen if held_out else None)
        if report is not None and not modalities:
            modalities = modalities_to_exchange(evaluation, scorer)
        evaluation = with_ablations(evaluation, scorer, creatives, modalities)
        seen = 0 if held_out else len(creatives) - len(unseen)
        verdicts = {}
        if report is not None:
            verdicts = write_report(
                report,
                scorer,
                creatives,
                evaluation,
                trained_rows=seen,
                group_column=creatives.columns.group,
            )
        _print(evaluation, seen, estimate_rankings(evaluation, scorer, creatives))
        for name, verdict in verdicts.items():
            results().print(f"{name}: {verdict}")
        if json is not None:
            _write_json(json, evaluation)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)


def _read(
    model: Path, table: str, given: GivenColumns, target: list[str] | None, image_root: str | None
) -> "tuple[Scorer, CreativeTable, NDArray[np.int64]]":
    """The model, the table, and the rows of it whose groups the model has not seen."""
    from adscore import bundle
    from adscore.evaluation.table import rows_not_trained_on
    from adscore.scoring.graphs import RuntimeOptions
    from adscore.scoring.preparation import context_left_out
    from adscore.scoring.scorer import Scorer
    from adscore.table import read_table

    path = bundle.resolve_bundle(model)
    trained = bundle.read_manifest(path).training
    texts = target or [f"{name}={counts}" for name, counts in trained.target_columns.items()]
    targets = [Target.parse(text) for text in texts]
    with columns_in_use(given, trained.columns, options_of_counts(targets)) as columns:
        creatives = read_table(table, columns, targets, image_root)
    scorer = Scorer.open(path, RuntimeOptions(cache_bytes=CACHE_BYTES))
    note(creatives.remarks)
    warn_of_left_out_context(context_left_out(scorer.manifest, creatives.context))
    groups = (path / bundle.TRAINING_GROUPS).read_text()
    return scorer, creatives, rows_not_trained_on(creatives, groups)


def _print(evaluation: "Evaluation", seen: int, rankings: Mapping[str, "Estimate"]) -> None:
    from adscore.cli.metrics import print_ablation, print_agreement, print_metrics

    if seen:
        notes().print(
            f"note: the model was trained on the groups of {seen} of these {evaluation.rows} rows, "
            "so the metrics flatter it; --held-out leaves them out"
        )
    title = f"{evaluation.rows} rows"
    print_metrics(title, evaluation.target_metrics, rankings)
    print_agreement(title, asdict(evaluation.agreement))
    for part, again in evaluation.ablations.items():
        print_ablation(part, evaluation.target_metrics, again.target_metrics)


def _write_json(path: Path, evaluation: "Evaluation") -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(evaluation.to_dict()), indent=2)
    path.write_bytes(text + b"\n")

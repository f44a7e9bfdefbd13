"""The command `adscore evaluate`: a model's predictions against observed results."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    ImageRoot,
    Model,
    Table,
    TrainedContextColumns,
    TrainedGroupColumn,
    TrainedHeadlineColumn,
    TrainedIdColumn,
    TrainedImageColumn,
    columns_in_use,
    given_targets,
    options_of_counts,
    read_creatives,
    require_image_root,
    require_parts,
    require_writable,
    warn_of_left_out_context,
    write_json,
)
from adscore.console import fail, interrupted, note, notes, results
from adscore.creative import GivenColumns
from adscore.errors import AdscoreError, TableError

if TYPE_CHECKING:
    from adscore.bundle import Manifest
    from adscore.evaluation.table import Evaluation
    from adscore.table import CreativeTable

# Ablations and agreement metrics encode the same parts again; this holds 100,000 and more.
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
            help="Evaluate again with this part taken from other rows; may be repeated.",
            show_default="with --report, every part that the model reads",
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option(help="Use only rows of groups that the model has not seen.")
    ] = False,
    id_column: TrainedIdColumn = None,
    headline_column: TrainedHeadlineColumn = None,
    image_column: TrainedImageColumn = None,
    group_column: TrainedGroupColumn = None,
    context_column: TrainedContextColumns = None,
    image_root: ImageRoot = None,
) -> None:
    """Compares a model's predictions with the observed results."""
    from adscore.bundle import TRAINING_GROUPS, read_manifest, resolve_bundle
    from adscore.cli.progress import shown_progress
    from adscore.evaluation.table import (
        Modality,
        evaluate_table,
        modalities_to_exchange,
        rows_not_trained_on,
        with_ablations,
    )
    from adscore.report import write_report
    from adscore.scoring.graphs import RuntimeOptions
    from adscore.scoring.scorer import Scorer

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    try:
        require_writable("--json", json)
        require_writable("--report", report)
        require_image_root(image_root)
        path = resolve_bundle(model)
        manifest = read_manifest(path)
        modalities = [Modality.parse(text) for text in dict.fromkeys(ablate or [])]
        _require_read(manifest, modalities)
        creatives = _read(manifest, table, given, target, image_root)
        unseen = rows_not_trained_on(creatives, (path / TRAINING_GROUPS).read_text())
        if held_out and not unseen.size:
            raise TableError(_no_new_group(path, creatives))
        scorer = Scorer.open(path, RuntimeOptions(cache_bytes=CACHE_BYTES))
        with shown_progress(notes()) as progress:
            rows = unseen if held_out else None
            evaluation = evaluate_table(scorer, creatives, rows, progress)
            if report is not None and not modalities:
                modalities = modalities_to_exchange(evaluation, scorer)
            evaluation = with_ablations(evaluation, scorer, creatives, modalities, progress)
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
        _print(evaluation, seen)
        for name, verdict in verdicts.items():
            results().print(f"{name}: {verdict}")
        if json is not None:
            write_json(json, evaluation.to_dict())
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt as stop:
        interrupted(stop, "nothing was written")


def _no_new_group(bundle: Path, table: "CreativeTable") -> str:
    from adscore.bundle import REPORT

    report = bundle / REPORT
    there = f". How well it predicts groups left out: {report}" if report.is_file() else ""
    return (
        f"{table.name}: expected rows of groups that the model was not fitted to. Received: "
        f"{len(table)} rows of groups that it has seen{there}. Name a newer table, or train with "
        "--hold-out 0.2 to keep groups aside"
    )


def _read(
    manifest: "Manifest",
    table: str,
    given: GivenColumns,
    target: list[str] | None,
    image_root: str | None,
) -> "CreativeTable":
    """Reads the table after checking that it has every column the model needs."""
    from adscore.scoring.preparation import context_left_out

    trained = manifest.training
    texts = target or [f"{name}={counts}" for name, counts in trained.target_columns.items()]
    targets = given_targets(texts)
    for one in targets:
        if one.name not in manifest.targets:
            raise ValueError(
                f"--target: expected targets of the model ({', '.join(manifest.targets)}). "
                f"Received: {one.name}"
            )
    with columns_in_use(given, trained.columns, options_of_counts(targets)) as columns:
        require_parts(manifest.limits, columns)
        creatives = read_creatives(table, columns, targets, image_root)
    note(creatives.remarks)
    warn_of_left_out_context(context_left_out(manifest, creatives.context))
    return creatives


def _require_read(manifest: "Manifest", parts: Sequence[str]) -> None:
    read = manifest.limits.modalities
    for part in parts:
        if part not in read:
            raise ValueError(
                f"--ablate: expected parts that the model reads ({', '.join(read)}). "
                f"Received: {part}"
            )


def _print(evaluation: "Evaluation", seen: int) -> None:
    from adscore.cli.metrics import print_ablation, print_agreement, print_metrics

    if seen:
        notes().print(
            f"note: the model was trained on the groups of {seen} of these {evaluation.rows} rows, "
            "so the metrics flatter it; --held-out leaves them out"
        )
    title = f"{evaluation.rows} rows"
    print_metrics(title, evaluation.target_metrics)
    print_agreement(title, evaluation.agreement.to_dict())
    for part, again in evaluation.ablations.items():
        print_ablation(part, evaluation.target_metrics, again.target_metrics)

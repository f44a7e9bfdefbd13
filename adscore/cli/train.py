"""The command `adscore train`: a table of creatives and their results -> a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adscore.cli.arguments import (
    ContextColumns,
    GroupColumn,
    HeadlineColumn,
    IdColumn,
    ImageColumn,
    ImageRoot,
    Table,
    columns_in_use,
    options_of_counts,
)
from adscore.console import fail, note, notes, results, without_import_noise
from adscore.creative import GivenColumns, Target
from adscore.errors import AdscoreError, BrokenRowsError

if TYPE_CHECKING:
    from adscore.table import CreativeTable
    from adscore.training import TrainingResult

DEFAULT_TARGET = "ctr=clicks/impressions"

Encoder = Annotated[
    str | None,
    typer.Option(
        metavar="DIR | hf://ORGANISATION/NAME",
        help="A published encoder with an ONNX file, used as it is under a trained tower.",
        show_default="a tower trained from scratch",
    ),
]


def train(
    table: Table,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    preset: Annotated[str, typer.Option(help="default or baseline.")] = "default",
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SUCCESSES/TRIALS | NAME=LABEL",
            help="A rate and its columns; may be repeated.",
            show_default=DEFAULT_TARGET,
        ),
    ] = None,
    text_encoder: Encoder = None,
    image_encoder: Encoder = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Learn how well headline and image fit; without --target, that alone."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same model.")] = 0,
    id_column: IdColumn = None,
    headline_column: HeadlineColumn = None,
    image_column: ImageColumn = None,
    group_column: GroupColumn = None,
    context_column: ContextColumns = None,
    image_root: ImageRoot = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Train on the other rows, and list these.")
    ] = False,
) -> None:
    """Trains a model from creatives and their results; writes its next version, MODEL/1, ..."""
    from adscore.bundle import require_model_dir
    from adscore.cli.metrics import print_agreement, print_metrics
    from adscore.table import read_table

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    texts = target or ([] if align else [DEFAULT_TARGET])
    try:
        targets = [Target.parse(text) for text in texts]
        require_model_dir(model)
        with columns_in_use(given, options=options_of_counts(targets)) as columns:
            creatives = read_table(table, columns, targets, image_root, skip_bad_rows=skip_bad_rows)
        note(creatives.remarks)
        result = _train(
            creatives,
            model,
            preset,
            skip_bad_rows=skip_bad_rows,
            seed=seed,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
            align=align,
        )
    except BrokenRowsError as error:
        fail(BrokenRowsError(f"{error}\n--skip-bad-rows trains on the other rows", error.rows))
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    print_metrics("held-out groups", result.manifest.metrics)
    print_agreement("held-out groups", result.manifest.agreement)
    results().print(f"wrote {result.path} after {result.manifest.training.seconds:.0f} s")


def _train(
    creatives: "CreativeTable", model: Path, preset: str, *, skip_bad_rows: bool, **choices: Any
) -> "TrainingResult":
    """Trains with some of the choices of `TrainingOptions`."""
    with without_import_noise():
        from adscore.training import PRESETS, TrainingOptions
        from adscore.training import train as train_model

    if preset not in PRESETS:
        raise ValueError(f"--preset: expected {' or '.join(PRESETS)}. Received: {preset}")
    options = TrainingOptions(PRESETS[preset], **choices)
    try:
        return train_model(creatives, model, options, _print_stage)
    except BrokenRowsError as error:  # images are read, and headlines, before anything is fitted
        if not skip_bad_rows or len(error.rows) == len(creatives):
            raise
        note([f"rows left out: {len(error.rows)}\n{error}"])
        return train_model(creatives.without(error.rows), model, options, _print_stage)


def _print_stage(stage: str) -> None:
    notes().print(f"{stage} ...")

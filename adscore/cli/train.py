"""The command `adscore train`: a table of creatives and their results -> a model."""

import importlib
import logging
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
    given_targets,
    options_of_counts,
    read_creatives,
    require_choice,
    require_image_root,
)
from adscore.console import fail, interrupted, note, notes, results, without_import_noise
from adscore.creative import Columns, GivenColumns
from adscore.errors import AdscoreError, BrokenRowsError
from adscore.progress import Progress

if TYPE_CHECKING:
    from adscore.bundle import TrainingSummary
    from adscore.table import CreativeTable
    from adscore.training import TrainingOptions, TrainingResult

DEFAULT_TARGET = "ctr=clicks/impressions"
ENGINES = ("local", "spark")


def _encoder(instead: str) -> object:
    return typer.Option(
        metavar="DIR | hf://ORGANISATION/NAME",
        help="Also use the features of a published encoder that has an ONNX file.",
        show_default=f"none: {instead} alone",
    )


TextEncoder = Annotated[str | None, _encoder("n-grams and statistics")]
ImageEncoder = Annotated[str | None, _encoder("colours, layout and edges")]


def train(
    table: Table,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    preset: Annotated[
        str, typer.Option(help="default (linear heads), network or baseline.")
    ] = "default",
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SUCCESSES/TRIALS | NAME=LABEL",
            help="A rate and its columns; may be repeated.",
            show_default=DEFAULT_TARGET,
        ),
    ] = None,
    text_encoder: TextEncoder = None,
    image_encoder: ImageEncoder = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Learn how well headline and image fit; without --target, nothing else."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same model.")] = 0,
    hold_out: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of the groups to hold out, for evaluate --held-out; 0 fits to all.",
            min=0.0,
            max=0.9,
        ),
    ] = 0.0,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write the version even if it is clearly worse than the last."
        ),
    ] = False,
    id_column: IdColumn = None,
    headline_column: HeadlineColumn = None,
    image_column: ImageColumn = None,
    group_column: GroupColumn = None,
    context_column: ContextColumns = None,
    image_root: ImageRoot = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows with errors, and list them.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="Where features are computed: local or spark.")
    ] = "local",
) -> None:
    """Trains a model from creatives and their results; writes its next version, MODEL/1, ..."""
    from adscore.cli.metrics import print_agreement, print_metrics

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    try:
        targets = given_targets(target or ([] if align else [DEFAULT_TARGET]))
        require_image_root(image_root)
        if seed < 0:
            raise ValueError(f"--seed: expected 0 or more. Received: {seed}")
        options = _checked_options(
            model,
            preset,
            seed=seed,
            hold_out=hold_out,
            force=force,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
            align=align,
            engine=engine,
        )
        with columns_in_use(given, options=options_of_counts(targets)) as columns:
            _require_two_parts(columns, align=align)
            creatives = read_creatives(
                table, columns, targets, image_root, skip_bad_rows=skip_bad_rows
            )
        note(creatives.remarks)
        result = _train(creatives, model, options, skip_bad_rows=skip_bad_rows)
    except BrokenRowsError as error:
        fail(BrokenRowsError(f"{error}\n--skip-bad-rows trains on the other rows", error.rows))
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    except KeyboardInterrupt as stop:
        interrupted(stop, f"no version was written below {model}; the same command begins anew")
    choices = result.manifest.training.choices
    for name in result.manifest.training.mean_only:
        results().print(choices[name].describe(name))
    print_metrics("groups left out", result.manifest.metrics)
    print_agreement("groups left out", result.manifest.agreement)
    for name, choice in choices.items():
        if choice.learns:
            results().print(choice.describe(name))
    results().print(_fitted_to(result.manifest.training))
    for sentence in result.comparison.describe() if result.comparison else ():
        results().print(sentence)
    results().print(f"wrote {result.path} after {result.manifest.training.seconds:.0f} s")


def _checked_options(model: Path, preset: str, **choices: Any) -> "TrainingOptions":
    """Builds the options and checks all that needs no table."""
    from adscore.bundle import require_model_dir
    from adscore.training import PRESETS, TrainingOptions, require_encoders

    require_model_dir(model)
    require_choice("--preset", preset, PRESETS)
    require_choice("--engine", choices["engine"], ENGINES)
    if choices["engine"] == "spark":
        importlib.import_module("pyspark")  # before a table is read
    options = TrainingOptions(PRESETS[preset], **choices)
    require_encoders(options.text_encoder, options.image_encoder, options.preset)
    return options


def _require_two_parts(columns: Columns, *, align: bool) -> None:
    """Checks that the columns give the model something to learn from."""
    parts = [columns.headline, columns.image]
    if align and None in parts:
        raise ValueError("--align: expected a headline and an image column. Received: one is none")
    if not any(parts):
        raise ValueError(
            "expected a headline or an image column. Received: none for both --headline-column "
            "and --image-column"
        )


def _train(
    creatives: "CreativeTable", model: Path, options: "TrainingOptions", *, skip_bad_rows: bool
) -> "TrainingResult":
    from adscore.cli.progress import shown_progress

    with shown_progress(notes(), announce=True) as progress:
        with without_import_noise():
            importlib.import_module("adscore.training.model")  # imports TensorFlow
        # Each fold builds its own towers, and TensorFlow warns about models built in a loop.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        return _train_on_good_rows(creatives, model, options, progress, skip_bad_rows=skip_bad_rows)


def _train_on_good_rows(
    creatives: "CreativeTable",
    model: Path,
    options: "TrainingOptions",
    progress: Progress,
    *,
    skip_bad_rows: bool,
) -> "TrainingResult":
    from adscore.training import train as train_model

    try:
        return train_model(creatives, model, options, progress)
    except BrokenRowsError as error:  # found while reading, before any fitting
        if not skip_bad_rows or len(error.rows) == len(creatives):
            raise
        note([f"rows left out: {len(error.rows)}\n{error}"])
        return train_model(creatives.without(error.rows), model, options, progress)


def _fitted_to(training: "TrainingSummary") -> str:
    """What the metrics were measured on, and what the model was fitted to."""
    groups = f" of {training.groups} groups" if training.groups else ""
    models = f"{training.folds} models" if training.folds > 1 else "a model"
    return (
        f"These metrics are of {models} fitted without the groups that they predicted. The model "
        f"itself is fitted to all {training.creatives} creatives{groups}."
    )

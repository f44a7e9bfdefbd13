"""The command line: reads arguments, calls the library, prints.

Commands of the packages above adscore come through the entry-point group
`adscore.commands`, so that nothing is imported upwards. What a command needs is imported
when it runs: `adscore --help` answers at once.
"""

import importlib.metadata
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
    TableArgument,
    given_columns,
)
from adscore.cli.score import score
from adscore.console import (
    fail,
    notes,
    print_ablation,
    print_agreement,
    print_metrics,
    results,
    without_image_noise,
    without_import_noise,
)
from adscore.errors import AdscoreError

if TYPE_CHECKING:
    from adscore.table import Columns, CreativeTable, Target

COMMAND_GROUP = "adscore.commands"
# Ablations and figures of agreement look at the same parts again: 100,000 of them and more.
EVALUATION_CACHE_BYTES = 256 * 2**20
DEFAULT_TARGET = "ctr=clicks/impressions"

app = typer.Typer(
    name="adscore",
    help="Predicts how an ad creative will perform before money is spent on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME=SUCCESSES/TRIALS | NAME=LABEL",
        help="A rate and its columns; may be repeated.",
        show_default=DEFAULT_TARGET,
    ),
]

TextEncoder = Annotated[
    str | None,
    typer.Option(
        metavar="DIR | hf://ORGANISATION/NAME",
        help="A published text encoder with an ONNX file, used as it is under a trained tower.",
        show_default="a tower trained from scratch",
    ),
]
ImageEncoder = Annotated[
    str | None,
    typer.Option(
        metavar="DIR | hf://ORGANISATION/NAME",
        help="The same for images.",
        show_default="a tower trained from scratch",
    ),
]


@app.command()
def sample(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A new or empty folder.")],
    creatives: Annotated[int, typer.Option(min=1, help="Number of creatives.")] = 900,
    campaigns: Annotated[int, typer.Option(min=1, help="Number of campaigns.")] = 90,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
) -> None:
    """Draws a simulated campaign log: banners, headlines and counts from planted effects."""
    from adscore.sample import write_sample

    try:
        summary = write_sample(out_dir, creatives=creatives, campaigns=campaigns, seed=seed)
    except (ValueError, OSError) as error:
        fail(error)
    results().print(
        f"simulated {summary.creatives} creatives in {summary.campaigns} campaigns: "
        f"{summary.creatives_path}"
    )


@app.command()
def train(
    table: TableArgument,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    preset: Annotated[str, typer.Option(help="default or baseline.")] = "default",
    target: Targets = None,
    text_encoder: TextEncoder = None,
    image_encoder: ImageEncoder = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Learn how well headline and image fit; without --target, that alone."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same model.")] = 0,
    id_column: IdColumn = "creative_id",
    headline_column: HeadlineColumn = "headline",
    image_column: ImageColumn = "image",
    group_column: GroupColumn = "campaign_id",
    context_column: ContextColumns = None,
    image_root: ImageRoot = None,
) -> None:
    """Trains a model from creatives and their results; writes its next version, MODEL/1, ..."""
    from adscore.bundle import require_model_dir
    from adscore.table import Target

    columns = given_columns(id_column, headline_column, image_column, group_column, context_column)
    targets = target or ([] if align else [DEFAULT_TARGET])
    try:
        parsed = [Target.parse(text) for text in targets]
        require_model_dir(model)
        creatives = _read(table, columns, parsed, image_root)
        with without_import_noise():
            from adscore.training import PRESETS, TrainingOptions
            from adscore.training import train as train_model

        if preset not in PRESETS:
            raise ValueError(f"--preset: expected {' or '.join(PRESETS)}. Received: {preset}")
        options = TrainingOptions(
            PRESETS[preset],
            seed,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
            align=align,
        )
        result = train_model(creatives, model, options, lambda stage: notes().print(f"{stage} ..."))
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    print_metrics("held-out groups", result.manifest.metrics)
    print_agreement("held-out groups", result.manifest.agreement)
    results().print(f"wrote {result.path} after {result.manifest.training.seconds:.0f} s")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model or one version of it.")],
    table: TableArgument,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="NAME=SUCCESSES/TRIALS | NAME=LABEL",
            help="A rate and its columns; may be repeated.",
            show_default="as the model was trained",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a page to look at; replaces the file."),
    ] = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="headline | image | context",
            help="Evaluate again with that part of other rows; may be repeated.",
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option(help="Use only rows of groups that the model has not seen.")
    ] = False,
    id_column: IdColumn = "creative_id",
    headline_column: HeadlineColumn = "headline",
    image_column: ImageColumn = "image",
    group_column: GroupColumn = "campaign_id",
    context_column: ContextColumns = None,
    image_root: ImageRoot = None,
) -> None:
    """Compares a model's predictions with what really happened."""
    import msgspec

    from adscore import bundle
    from adscore.evaluation.table import (
        Modality,
        evaluate_table,
        rows_not_trained_on,
        with_ablations,
    )
    from adscore.report import write_report
    from adscore.scoring.graphs import RuntimeOptions
    from adscore.scoring.scorer import Scorer
    from adscore.table import Target

    columns = given_columns(id_column, headline_column, image_column, group_column, context_column)
    try:
        _require_folder_of(json)
        _require_folder_of(report)
        modalities = [Modality.parse(text) for text in dict.fromkeys(ablate or [])]
        path = bundle.resolve_bundle(model)
        scorer = Scorer.open(path, RuntimeOptions(cache_bytes=EVALUATION_CACHE_BYTES))
        trained = scorer.manifest.training.target_columns
        texts = target or [f"{name}={columns}" for name, columns in trained.items()]
        creatives = _read(table, columns, [Target.parse(text) for text in texts], image_root)
        groups_file = path / bundle.TRAINING_GROUPS
        unseen = rows_not_trained_on(creatives, groups_file.read_text())
        evaluation = evaluate_table(scorer, creatives, unseen if held_out else None)
        evaluation = with_ablations(evaluation, scorer, creatives, modalities)
        if report is not None:
            trained_rows = 0 if held_out else len(creatives) - len(unseen)
            group = columns.group
            write_report(
                report, scorer, creatives, evaluation, trained_rows=trained_rows, group_column=group
            )
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    if not held_out and len(unseen) < len(creatives):
        notes().print(
            f"note: the model was trained on the groups of {len(creatives) - len(unseen)} of these "
            f"{len(creatives)} rows, so the metrics flatter it; --held-out leaves them out"
        )
    metrics = evaluation.to_dict()
    print_metrics(f"{evaluation.rows} rows", evaluation.target_metrics)
    print_agreement(f"{evaluation.rows} rows", asdict(evaluation.agreement))
    for part, again in evaluation.ablations.items():
        print_ablation(part, evaluation.target_metrics, again.target_metrics)
    if json is not None:
        try:
            json.write_bytes(msgspec.json.format(msgspec.json.encode(metrics), indent=2) + b"\n")
        except OSError as error:
            fail(error)


app.command()(score)


@app.command()
def sign(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model or one version of it.")],
    key: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Private key, elliptic curve, PEM, no passphrase."),
    ],
) -> None:
    """Signs a version of a model, for adscore serve --require-signature."""
    from adscore.bundle import resolve_bundle
    from adscore.bundle.signing import sign_bundle

    try:
        signature = sign_bundle(resolve_bundle(model), key)
    except (AdscoreError, OSError) as error:
        fail(error)
    results().print(f"wrote {signature}")


@app.callback(invoke_without_command=True)
def _before_every_command(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    without_image_noise()
    if version:
        results().print(f"adscore {importlib.metadata.version('adscore')}")
        raise typer.Exit


def _read(
    path: Path, columns: "Columns", targets: list["Target"], image_root: Path | None
) -> "CreativeTable":
    from adscore.table import read_table

    return read_table(path, columns, targets, image_root)


def _require_folder_of(path: Path | None) -> None:
    """Refuses an output that cannot be written, before the work for it is done."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        received = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise ValueError(f"expected a file to write. Received: {path}: {received}")


def _add_commands_of_other_packages() -> None:
    for entry in importlib.metadata.entry_points(group=COMMAND_GROUP):
        # Options of what runs unattended may come from the environment: ADSCORE_SERVE_ADDRESS.
        settings = {"auto_envvar_prefix": f"ADSCORE_{entry.name.upper()}"}
        app.command(entry.name, context_settings=settings)(entry.load())


_add_commands_of_other_packages()

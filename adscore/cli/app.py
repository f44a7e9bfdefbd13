"""The command line: reads arguments, calls the library, prints.

Packages above adscore add their commands through the entry-point group `adscore.commands`,
so adscore never imports them. Each command imports what it needs when it runs, which keeps
`adscore --help` fast.
"""

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from adscore.cli.arguments import Model
from adscore.cli.check import check
from adscore.cli.decide import decide
from adscore.cli.evaluate import evaluate
from adscore.cli.explain import explain
from adscore.cli.prepare import prepare
from adscore.cli.score import score
from adscore.cli.train import train
from adscore.console import fail, results, without_image_noise
from adscore.errors import AdscoreError

COMMAND_GROUP = "adscore.commands"

app = typer.Typer(
    name="adscore",
    help="Predicts how an ad creative will perform before money is spent on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def sample(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A new or empty folder.")],
    creatives: Annotated[int, typer.Option(min=1, help="Number of creatives.")] = 900,
    campaigns: Annotated[int, typer.Option(min=1, help="Number of campaigns.")] = 90,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
) -> None:
    """Draws a simulated campaign log: banners, headlines and counts from planted effects."""
    from adscore.cores import usable_cores
    from adscore.sample import write_sample

    try:
        summary = write_sample(
            out_dir,
            creatives=creatives,
            campaigns=campaigns,
            seed=seed,
            processes=usable_cores(),
        )
    except (ValueError, OSError) as error:
        fail(error)
    results().print(
        f"simulated {summary.creatives} creatives in {summary.campaigns} campaigns: "
        f"{summary.creatives_path}"
    )


app.command()(prepare)
app.command()(train)
app.command()(evaluate)
app.command()(score)
app.command()(decide)
app.command()(explain)
app.command()(check)


@app.command()
def sign(
    model: Model,
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


def _add_commands_of_other_packages() -> None:
    for entry in importlib.metadata.entry_points(group=COMMAND_GROUP):
        # Commands that run unattended also take options from variables: ADSCORE_SERVE_ADDRESS.
        settings = {"auto_envvar_prefix": f"ADSCORE_{entry.name.upper()}"}
        app.command(entry.name, context_settings=settings)(entry.load())


_add_commands_of_other_packages()

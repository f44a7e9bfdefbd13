"""docs/operations.md is in step with the command and with the metrics that a server shows."""

import re
from pathlib import Path

import click
import pytest
import typer

from adscore_server.commands import serve
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.monitoring.metrics import Metrics, ServerCollector
from adscore_server.server import Server

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def settings_table() -> list[str]:
    """The rows of the page's table of settings, as the command has them."""
    app = typer.Typer(add_completion=False)
    app.command()(serve)
    command = typer.main.get_command(app)
    return [_row(option) for option in command.params if option.param_type_name == "option"]


def _row(option: click.Parameter) -> str:
    name = max(option.opts, key=len)
    variable = f"ADSCORE_SERVE_{(option.name or '').upper()}"
    shown = getattr(option, "show_default", None)
    if isinstance(shown, str):
        default = shown
    elif option.default in (None, ""):
        default = "none"
    else:
        default = str(option.default)
    text = " ".join((getattr(option, "help", "") or "").split()).rstrip(".")
    return f"| `{name}` | `{variable}` | {default} | {text} |"


def test_table_of_settings_is_the_commands() -> None:
    rows = settings_table()
    page = PAGE.read_text(encoding="utf-8")
    written = [line for line in page.splitlines() if "`ADSCORE_SERVE_" in line and "| `--" in line]
    assert written == rows, "the table should be:\n" + "\n".join(rows)


@pytest.mark.parametrize("own", ["adscore_"])
def test_every_metric_is_explained(own: str, scorer: object) -> None:
    metrics = Metrics()
    server = Server(ModelRegistry([LoadedModel(scorer)]))  # type: ignore[arg-type]
    metrics.registry.register(ServerCollector(server.statistics))
    families = {family.name for family in metrics.registry.collect() if family.name.startswith(own)}
    server.stop()
    page = PAGE.read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(adscore_[a-z_]+)`", page, re.MULTILINE))
    assert {name.removesuffix("_total") for name in explained} == families

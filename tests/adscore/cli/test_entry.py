import importlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement

from adscore.cli import entry as command

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
# Import names that differ from the distribution's by more than a hyphen.
IMPORT_NAMES = {
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "grpcio-status": "grpc_status",
    "opentelemetry-exporter-otlp-proto-grpc": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "pillow": "PIL",
    "pyopenssl": "OpenSSL",
    "pyyaml": "yaml",
}


def install_command_line(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Puts a command line in place that raises when it runs, as a lazy import does."""

    def app() -> None:
        if error is not None:
            raise error

    module: Any = ModuleType("adscore.cli.app")
    module.app = app
    monkeypatch.setitem(sys.modules, "adscore.cli.app", module)


def call(monkeypatch: pytest.MonkeyPatch, arguments: list[str], missing: str) -> int:
    monkeypatch.setattr(sys, "argv", ["adscore", *arguments])
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    install_command_line(monkeypatch, ModuleNotFoundError("No module", name=missing))
    return command.main()


def test_version_needs_nothing_but_the_base_install() -> None:
    code = (
        "import sys; sys.argv = ['adscore', '--version']; sys.modules['typer'] = None\n"
        "from adscore.cli.entry import main; print(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    version = metadata.version("adscore")
    assert done.stdout.splitlines() == [f"adscore {version}", "0"]


def test_each_package_says_its_version() -> None:
    for name in ("adscore", "adscore_client", "adscore_server", "adscore_web"):
        assert importlib.import_module(name).__version__ == metadata.version("adscore")


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        (["train", "log.csv", "model"], "tensorflow", "train"),
        (["train", "log.csv", "model"], "typer", "train"),
        (["demo"], "typer", "all"),
        (["demo"], "grpc_health.v1", "server"),
        (["serve", "models"], "onnxruntime", "server"),
        (["score", "log.csv"], "PIL", "offline"),
        (["--help"], "pyarrow.parquet", "offline"),
    ],
)
def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    missing: str,
    extra: str,
):
    assert call(monkeypatch, arguments, missing) == 2
    said = capsys.readouterr()
    assert f'pip install "adscore[{extra}]"' in said.err
    assert said.out == ""


def test_every_choice_is_shown_where_no_command_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert call(monkeypatch, ["--help"], "typer") == 2
    said = capsys.readouterr().err
    for extra in ("train", "server", "offline", "all"):
        assert f'pip install "adscore[{extra}]"' in said


@pytest.mark.parametrize("name", ["adscore.nowhere", "grpc", "tomlib", None])
def test_other_missing_modules_are_not_hidden(monkeypatch: pytest.MonkeyPatch, name: str | None):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    install_command_line(monkeypatch, ModuleNotFoundError("No module", name=name))
    with pytest.raises(ModuleNotFoundError):
        command.main()


def test_a_missing_part_of_an_installed_package_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    install_command_line(monkeypatch, ModuleNotFoundError("No module", name="numpy.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        command.main()


def test_a_failed_import_from_adscore_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    install_command_line(
        monkeypatch, ImportError("cannot import name", name="adscore.scoring.scorer")
    )
    with pytest.raises(ImportError, match="cannot import name"):
        command.main()


def test_command_line_runs(monkeypatch: pytest.MonkeyPatch):
    install_command_line(monkeypatch, None)
    assert command.main() == 0


def test_every_package_of_an_extra_is_known():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    names = {Requirement(text).name for extra in extras for text in extra} - {project["name"]}
    packages = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}
    assert packages == command.EXTRA_OF_PACKAGE.keys() | command.SHARED_PACKAGES

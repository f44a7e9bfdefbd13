"""The files in deploy/: well formed, and in step with the command that they run."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from adscore_server.commands import serve
from adscore_web.commands import page

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option of `adscore serve`, as its help lists them."""
    app = typer.Typer()
    app.command()(serve)
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    return set(re.findall(r"--[a-z][a-z-]+", text))


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_option_and_setting_exists(path: Path, options: set[str]) -> None:
    text = path.read_text()
    settings = {
        "--" + name.lower().replace("_", "-")
        for name in re.findall(r"ADSCORE_SERVE_([A-Z_]+)", text)
        if not name.endswith("_")
    }
    if path.name == "kubernetes.yaml":
        settings |= set(re.findall(r"^ +- (--[a-z-]+)", text, re.MULTILINE))
    assert settings <= options


def test_compose_starts_both_with_options_that_they_have(options: set[str]) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    app = typer.Typer()
    app.command()(page)
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    of_page = set(re.findall(r"--[a-z][a-z-]+", text))
    assert {one for one in services["server"]["command"] if one.startswith("--")} <= options
    given = dict(one.partition("=")[::2] for one in services["page"]["command"])
    assert given.keys() <= of_page
    [port] = services["page"]["ports"]
    assert port == f"127.0.0.1:{port.split(':')[1]}:{given['--address'].split(':')[1]}"
    assert f"{given['--prefix']}/healthz" in services["page"]["healthcheck"]["test"][-1]


def test_kubernetes_waits_longer_than_the_server_drains(manifests: dict[str, Any]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    arguments = dict(argument.split("=") for argument in container["args"] if "=" in argument)
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(arguments["--drain-seconds"])
    assert pod["terminationGracePeriodSeconds"] >= pause + drain + 5


def test_kubernetes_probes_and_ports_are_those_that_are_listened_on(
    manifests: dict[str, Any],
) -> None:
    template = manifests["Deployment"]["spec"]["template"]
    [container] = template["spec"]["containers"]
    arguments = dict(argument.split("=") for argument in container["args"] if "=" in argument)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name, option in (("grpc", "--address"), ("health", "--health-address")):
        assert arguments[option] == f"0.0.0.0:{ports[name]}"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["health"]
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])
    assert arguments["--metrics-address"].endswith(f":{ports['metrics']}")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}
    labels = template["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here")
    unit = (DEPLOY / "adscore.service").read_text()
    copy = tmp_path / "adscore.service"
    copy.write_text(unit.replace("/opt/adscore/bin/adscore", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr.strip()) == (0, "")


def test_image_holds_what_the_wheel_is_built_from() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    shown = (DEPLOY / "Dockerfile.dockerignore").read_text()
    assert all((DEPLOY.parent / name).exists() and f"!{name}\n" in shown for name in names)
    assert {"adscore", "server", "client", "web", "protos", "pyproject.toml"} <= set(names)

"""The commands of deploy/compose.yaml as processes side by side: server, page, health checks."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import COMMAND, LivePage

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def services() -> dict[str, Any]:
    """What Compose reads where nobody set a variable but ADSCORE_MODELS."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def on_this_machine(command: list[str], **replaced: str) -> list[str]:
    """A command of an image, with this Python and other places."""
    words = list(command)
    for old, new in replaced.items():
        words = [word.replace(old, new) for word in words]
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    start = ["-c", COMMAND] if words[1] == "page" else ["-m", "adscore", words[1]]
    return [sys.executable, *start, *words[2:]]


@contextlib.contextmanager
def started(command: list[str], line: str) -> Iterator[str]:
    """Runs a command until it has said a line; gives the port in it."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )
    try:
        assert process.stdout
        said = re.match(line, process.stdout.readline())
        if said is None:
            process.kill()
            raise AssertionError(process.communicate()[1])
        yield said[1]
    finally:
        process.kill()
        process.communicate()


def test_the_page_stands_beside_the_server_below_its_prefix(
    services: dict[str, Any], model_dir: Path, banner: bytes
) -> None:
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    [entry] = re.findall(r"^ENTRYPOINT (.+)$", image, re.MULTILINE)
    server = [*json.loads(entry), *services["server"]["command"]]
    page = [*services["page"]["entrypoint"], *services["page"]["command"]]
    checks = {name: one["healthcheck"]["test"][1:] for name, one in services.items()}
    with contextlib.ExitStack() as stack:
        run = on_this_machine(server, **{"/models": str(model_dir), ":50051": ":0"})
        asked = stack.enter_context(started(run, r"Ready on \S+:(\d+)"))
        run = on_this_machine(page, **{"server:50051": f"127.0.0.1:{asked}", ":8501": ":0"})
        port = stack.enter_context(started(run, r"Page on http://\S+:(\d+)/adscore/$"))
        check = [*on_this_machine(checks["server"]), "--address", f"127.0.0.1:{asked}"]
        subprocess.run(check, check=True, timeout=120)
        check = on_this_machine(checks["page"], **{":8501": f":{port}"})
        subprocess.run(check, check=True, timeout=120)
        live = LivePage("127.0.0.1", int(port), "/adscore")
        host = "localhost:8501"  # as the published port has browsers ask
        answer = live.post(
            "scores", {"headlines": ["Run"]}, banner, host=host, origin=f"http://{host}"
        )
        assert len(json.loads(answer.body)["scores"]) == 1
        assert live.request("GET", "/", host="evil.example").status == 403

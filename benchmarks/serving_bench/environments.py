"""An environment for each peer: what it pins, and the libraries that scoring needs."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from serving_bench.systems import ENVIRONMENTS, environment_python
from shared.processes import PROJECT

# What the work is done with is the same everywhere; PyTriton asks for an older NumPy.
_SAME = ("onnxruntime", "pillow", "tokenizers")


def install(name: str) -> None:
    """Makes a peer's environment unless it is complete, and keeps the reason where it fails."""
    requirements = PROJECT / "benchmarks/peers" / name / "requirements.txt"
    stamp = ENVIRONMENTS / f"{name}.installed"
    wanted = requirements.read_text() + "\n".join(_scoring_requirements())
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing {name} into {ENVIRONMENTS / name} ...", file=sys.stderr, flush=True)
    for path in (stamp, _failure(name)):
        path.unlink(missing_ok=True)
    make = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENTS / name)]
    pip = [str(environment_python(name)), "-m", "pip", "install", "-qq"]
    for command in (make, [*pip, "-r", str(requirements), *_scoring_requirements()]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            _failure(name).write_text((lines or done.stderr.splitlines() or ["unknown"])[-1])
            return
    stamp.write_text(wanted)


def missing(name: str) -> str:
    """Why a peer cannot be started; empty where it can."""
    if (ENVIRONMENTS / f"{name}.installed").exists():
        return ""
    if _failure(name).exists():
        return f"does not install: {_failure(name).read_text().strip()}"
    return "not installed: make bench-peers"


def _failure(name: str) -> Path:
    return ENVIRONMENTS / f"{name}.failed"


def _scoring_requirements() -> list[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    loose = [line for line in project["optional-dependencies"]["score"] if not _is_same(line)]
    return [*loose, *(f"{name}=={version(name)}" for name in _SAME)]


def _is_same(requirement: str) -> bool:
    return requirement.startswith(_SAME)

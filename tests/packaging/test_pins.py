"""The pins belong to pyproject.toml, carry hashes and say nothing of where packages come from."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_pins(name: str) -> dict[str, list[Requirement]]:
    """Pins by canonical name; one package may have several, for different Pythons."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    pins: dict[str, list[Requirement]] = {}
    for line in filter(None, map(str.strip, lines)):
        requirement, *hashes = re.split(r"\s+--hash=", line)
        assert hashes, f"{name}: {requirement} has no hash"
        pin = Requirement(requirement)
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def declared() -> list[Requirement]:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups += [*PYPROJECT["dependency-groups"].values(), PYPROJECT["build-system"]["requires"]]
    found = [Requirement(text) for group in groups for text in group]
    return [one for one in found if one.name != project["name"]]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_declared_requirement_is_pinned(requirement: Requirement):
    name = "requirements-spark.txt" if requirement.name == "pyspark" else "requirements.txt"
    pins = read_pins(name).get(canonicalize_name(requirement.name), [])
    assert pins, f"run `make lock`: {name} lacks {requirement}"
    for pin in pins:
        (version,) = (part.version for part in pin.specifier)
        assert requirement.specifier.contains(version), f"run `make lock`: {pin}, {requirement}"


def test_the_stub_generator_is_the_old_one():
    (generator,) = read_pins("requirements-proto.txt")["grpcio-tools"]
    assert str(generator.specifier) == "==1.71.2"


@pytest.fixture(scope="module")
def check_hosts() -> ModuleType:
    path = ROOT / "tools" / "check_hosts.py"
    spec = importlib.util.spec_from_file_location("check_hosts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOST = ".".join(["files", "pythonhosted", "org"])


@pytest.mark.parametrize(
    ("name", "line", "is_wrong"),
    [
        ("notes.md", f"see https://{HOST}/packages", True),
        ("notes.md", f"host={HOST.upper()}", True),
        ("notes.md", "from PyPI, or any index that pip knows", False),
        ("notes.md", "https://www.apache.org/licenses/", False),
        ("requirements-x.txt", "numpy @ https://example.org/numpy.whl", True),
        ("requirements-x.txt", "--index-url somewhere", True),
        ("requirements-x.txt", "numpy==2.0", False),
        ("uv.lock", "version = 1", True),
    ],
)
def test_a_registry_host_is_found(
    check_hosts: ModuleType, tmp_path: Path, name: str, line: str, is_wrong: bool
):
    path = tmp_path / name
    path.write_text(f"first\n{line}\n", encoding="utf-8")
    assert bool(list(check_hosts.findings(path))) == is_wrong


def test_a_binary_file_is_not_read_as_text(check_hosts: ModuleType, tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\0" + HOST.encode())
    assert list(check_hosts.findings(path)) == []

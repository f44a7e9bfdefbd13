"""README.md and docs/training.md as a reader follows them: each command and program, in its order.

Models are small, and servers listen at any free port; everything else is as it is written.
"""

import dataclasses
import io
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from PIL import Image
from typer.testing import CliRunner

from adscore import training
from adscore.cli.app import app
from adscore.scoring.scorer import Scorer

ROOT = Path(__file__).resolve().parents[4]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = re.compile(r"[\d.]+:50051")


@pytest.fixture
def folder(sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """A working directory with what the pages name: a table, images, certificates."""
    work = tmp_path / "work"
    shutil.copytree(sample_dir, work)
    log = (work / "creatives.csv").read_text(encoding="utf-8")
    (work / "newer.csv").write_text(re.sub("(?m)^(.+?,)", r"\1new-", log).replace("new-", "", 1))
    image = io.BytesIO()
    Image.new("RGB", (300, 250), "teal").save(image, format="PNG")
    for name in ("banner.png", "a.png", "b.jpg"):
        (work / name).write_bytes(image.getvalue())
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(work / "tls.key"))
    certificate.cert_chain_pems[0].write_to_path(str(work / "tls.crt"))
    monkeypatch.chdir(work)
    small = dataclasses.replace(
        training.PRESETS["default"], conv_filters=(4, 4), lstm_width=8, max_epochs=2
    )
    monkeypatch.setitem(training.PRESETS, "default", small)
    return work


@pytest.fixture
def start_server() -> Iterator[Callable[[list[str]], str]]:
    """Runs `adscore serve` until the test ends; returns its address."""
    started: list[subprocess.Popen[str]] = []

    def start(arguments: list[str]) -> str:
        words = [ADDRESS.sub("127.0.0.1:0", word) for word in arguments]
        command = [sys.executable, "-m", "adscore", *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        line = started[-1].stdout.readline()
        assert line.startswith("Ready on "), line
        return line.split()[2].rstrip(":")

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def follow(start_server: Callable[[list[str]], str]) -> Callable[[str], list[str]]:
    """Does what the blocks of a page say; returns the commands of adscore that it ran."""

    def run(page: str) -> list[str]:
        ran, address = [], ""
        for language, block in BLOCK.findall(page):
            if language == "python":
                exec(compile(ADDRESS.sub(address, block), "a block", "exec"), {"__name__": "docs"})
                continue
            lines = block.replace("\\\n", " ").splitlines()
            for line in (line for line in lines if line.startswith("adscore ")):
                words = shlex.split(line)[1:]
                ran.append(words[0])
                if words[0] == "serve":
                    address = start_server(words)
                    continue
                result = CliRunner().invoke(app, words)
                assert result.exit_code == 0, f"{line}\n{result.output}"
        return ran

    return run


@pytest.fixture
def named_encoders(
    folder: Path, text_encoder: Path, image_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoders where docs/training.md says: one in a folder, one in the cache of the hub."""
    shutil.copytree(text_encoder, folder / "encoders" / "minilm-l6")
    model = folder / "hub" / "models--organisation--name"
    shutil.copytree(image_encoder, model / "snapshots" / ("0" * 40))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0" * 40)
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.mark.slow
def test_readme_leads_from_a_table_to_scores(
    folder: Path, follow: Callable[[str], list[str]]
) -> None:
    ran = follow(README)
    assert set(ran) >= {"train", "evaluate", "serve", "token", "score", "explain", "decide"}
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "scores.parquet").exists()
    assert (folder / "scores.html").exists()
    assert (folder / "why.html").exists()
    assert (folder / "decisions.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("named_encoders")
def test_page_on_training_runs(folder: Path, follow: Callable[[str], list[str]]) -> None:
    assert follow(TRAINING) == ["train", "train", "evaluate"]
    versions = [path.name for path in sorted((folder / "models" / "banners").iterdir())]
    assert versions == ["1", "2"]
    encoders = Scorer.open(folder / "models" / "banners").manifest.training.encoders
    assert dict(encoders) == {"headline": "minilm-l6", "image": "organisation/name"}
    assert (folder / "report.html").stat().st_size > 10_000


def test_readme_installs_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = set(re.findall(r'pip install "adscore\[(\w+)\]"', README))
    assert {"train", "server", "offline", "all"} <= named
    assert named <= set(project["optional-dependencies"])

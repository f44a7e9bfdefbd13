"""docs/first-hour.md as a reader follows it: each command of the page, in its order."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:adscore|python) \S.*$", PAGE, re.MULTILINE)


def run(command: str, folder: Path) -> str:
    program, *words = shlex.split(command)
    words = (
        ["-m", "adscore", *words] if program == "adscore" else [str(ROOT / words[0]), *words[1:]]
    )
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_page_leads_from_an_export_to_scores(tmp_path: Path) -> None:
    said = {command: run(command, tmp_path) for command in COMMANDS}
    [prepare] = [command for command in COMMANDS if command.startswith("adscore prepare")]
    assert said[prepare].strip() in PAGE, "the page shows what the command prints"
    [train] = [command for command in COMMANDS if command.startswith("adscore train")]
    assert train in said[prepare]
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300
    assert not any(row["error"] for row in rows)
    assert (tmp_path / "scores.html").stat().st_size > 10_000

"""The worked week of docs/deciding.md, with a small model: it prints what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deciding.md").read_text(encoding="utf-8")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def lines_of(text: str) -> list[str]:
    """What the example prints, with its figures left out: they hang on the model."""
    shown = [line for line in text.splitlines() if line.startswith((*DAYS, "true", "clicks"))]
    return [re.sub(r"\b(open|leader|tie)\s+", "", re.sub(r"[\d.,]+%?", "0", one)) for one in shown]


@pytest.mark.slow
def test_week_of_the_page_runs(model_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "week.py", model_dir],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert lines_of(done.stdout) == lines_of(PAGE)
    true = next(line for line in done.stdout.splitlines() if line.startswith("true"))
    assert true in PAGE

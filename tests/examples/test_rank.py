"""The example that ranks a table."""

import subprocess
import sys
from pathlib import Path

from adscore_client.testing import FakeServer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rank.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_creatives_are_printed_best_first_and_those_without_a_score_apart(tmp_path):
    table = tmp_path / "creatives.csv"
    table.write_text("creative_id,headline,image\na,xx,\nb,xxxx,\nc,x,missing.png\n")
    with FakeServer(score=lambda creative: len(creative.headline) / 100) as server:
        done = run(table, server.address)
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["b", "4.000%"],
        ["a", "2.000%"],
    ]
    assert done.stderr.startswith("c: image: expected a readable image file")


def test_wrong_use_is_told_in_a_line(tmp_path):
    table = tmp_path / "creatives.csv"
    table.write_text("id,text\na,x\n")
    with FakeServer() as server:
        for arguments, said in (
            ((), "the following arguments are required: table, address"),
            ((table, "localhost"), "without a port"),
            ((tmp_path / "missing.csv", server.address), "No such file"),
            ((table, server.address), "expected a column 'image'"),
        ):
            done = run(*arguments)
            assert done.returncode != 0
            assert said in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr

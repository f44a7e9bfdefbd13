import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from adscore.cli import progress as shown
from adscore.cli.app import app
from adscore.offline import local
from adscore.progress import Progress


def lines_of(work: Callable[[Progress], None], *, announce: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    with shown.shown_progress(console, announce=announce) as progress:
        work(progress)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_short_work_says_nothing_but_the_stages_that_are_announced() -> None:
    def work(progress: Progress) -> None:
        progress("reading")
        progress.advance(0.5, "5 rows")

    assert lines_of(work) == []
    assert lines_of(work, announce=True) == ["reading ..."]


def test_long_work_says_its_share_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "SECONDS_BETWEEN_LINES", 0.0)
    clock = iter(range(0, 10_000, 30))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))

    def work(progress: Progress) -> None:
        progress("fitting")
        progress.advance(0.2, "epoch 2 of 10")
        progress.advance(0.6, "epoch 6 of 10")

    last = lines_of(work)[-1]
    assert last.startswith("fitting: epoch 6 of 10, 60%, ")
    assert last.endswith(" left")


def test_work_that_says_nothing_is_still_known_to_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "SECONDS_BETWEEN_LINES", 0.0)
    console = Console(file=io.StringIO(), width=200)
    with shown.shown_progress(console, "exporting"):
        text = ""
        while "exporting: " not in text:  # another thread prints it
            text = console.file.getvalue()  # type: ignore[attr-defined]
    assert " s so far" in text


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with shown.shown_progress(console, "reading") as progress:
        progress.advance(0.25, "10 rows")
        progress("fitting \x1b[2J")
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "reading" in said
    assert "\x1b[2J" not in said


def stopped(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 130, result.output
    return result


def test_an_interrupted_folder_says_what_is_kept_and_is_resumed(
    model_dir: Path, sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, out = local.scored, tmp_path / "scores"
    monkeypatch.setattr(local, "BATCH_ROWS", 10)

    def interrupted(*arguments: Any) -> Iterator[Any]:
        for number, batch in enumerate(scored(*arguments)):
            if number == 3:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(local, "scored", interrupted)
    command = ("score", sample_dir / "creatives.csv", "--model", model_dir, "--part-rows", 20)
    said = stopped(*command, "--out", out).stderr
    assert f"interrupted: 20 rows are kept in {out}; the same command resumes" in said
    said = stopped(*command, "--out", tmp_path / "scores.csv").stderr
    assert "interrupted: nothing was written" in said
    assert not (tmp_path / "scores.csv").exists()

    monkeypatch.setattr(local, "scored", scored)
    resumed = CliRunner().invoke(app, [str(one) for one in (*command, "--out", out)])
    assert "60 rows (20 by an earlier run)" in resumed.stdout
    parts = [pyarrow.parquet.read_table(path) for path in sorted(out.glob("part-*.parquet"))]
    ids = [one for part in parts for one in part["creative_id"].to_pylist()]
    with (sample_dir / "creatives.csv").open(newline="") as file:
        assert ids == [row["creative_id"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("command", "step", "kept"),
    [
        ("train {log} {new}", "adscore.cli.train._train", "no version was written below"),
        ("evaluate {model} {log}", "adscore.evaluation.table.evaluate_table", "nothing was"),
        ("prepare {log} --out {new}.csv", "adscore.prepare.export._sifted", "nothing was written"),
    ],
)
def test_an_interrupted_command_says_what_is_kept(
    command: str,
    step: str,
    kept: str,
    model_dir: Path,
    sample_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(step, interrupted)
    places = {"log": sample_dir / "creatives.csv", "model": model_dir, "new": tmp_path / "new"}
    result = stopped(*[word.format_map(places) for word in command.split()])
    assert f"interrupted: {kept}" in result.stderr
    assert list(tmp_path.iterdir()) == []

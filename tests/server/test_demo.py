"""The demo's own parts; `make demo` runs the whole of it."""

from pathlib import Path

import pytest
from rich.console import Console

from adscore_client import ModelNotFoundError
from adscore_client.testing import FakeServer
from adscore_server import demo
from adscore_server.demo import DemoError, NewCreative, ranked_right, read_new_creatives, run_demo


def _creative(campaign: str, true_ctr: float) -> NewCreative:
    return NewCreative("id", campaign, "headline", Path("banner.png"), true_ctr)


def test_pairs_are_counted_inside_campaigns_alone() -> None:
    creatives = [
        _creative("a", 0.03),
        _creative("a", 0.02),
        _creative("a", 0.02),
        _creative("b", 0.01),
    ]
    assert ranked_right(creatives, [0.3, 0.2, 0.4, 0.9]) == (1, 2)


def test_simulated_log_is_read_with_its_truth(sample_dir: Path) -> None:
    creatives = read_new_creatives(sample_dir)
    assert len(creatives) == 60
    assert all(0 < one.true_ctr < 1 and one.image.is_file() for one in creatives)


def test_folder_with_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DemoError, match="expected a new or empty folder"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_failed_call_is_an_error_of_the_command_and_no_traceback(tmp_path: Path) -> None:
    banner = tmp_path / "banner.png"
    banner.write_bytes(b"image")
    creative = NewCreative("id", "a", "headline", banner, 0.01)
    with FakeServer() as server:
        server.fail_next(ModelNotFoundError("no such model"))
        with pytest.raises(DemoError, match="no such model"):
            demo._score(Console(quiet=True), server.address, [creative])

"""benchmarks/serving.py: a short run against a real server, its parts, its tables."""

import io
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import serving
from serving_bench import tables
from serving_bench.load import Load, run_load
from serving_bench.pictures import KINDS, USUAL, Pictures, draw_pictures, with_comment
from serving_bench.results import ADSCORE, CEILING, EMPTY, Measurement, Summary, read_file
from serving_bench.systems import peer_line
from shared.processes import ProcessError, ServerProcess

# === A whole run ===


@pytest.fixture(scope="module")
def run(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("serving") / "results.jsonl"
    arguments = ["--quick", "--model", str(model_dir), "--results", str(results), "--long", "100"]
    assert serving.main(arguments) == 0
    return results


@pytest.mark.slow
def test_quick_run_scores_in_every_section(run: Path):
    _, found = read_file(run)
    assert {one.section for one in found} == {*serving.USUAL_SECTIONS, "arrivals", "long"} - {
        "before"
    }
    assert all(one.creatives > 0 and one.seconds > 0 and not one.note for one in found)
    assert {one.system for one in found} == {ADSCORE, CEILING, EMPTY}


@pytest.mark.slow
def test_servers_memory_and_time_of_the_processor_are_measured(run: Path):
    _, found = read_file(run)
    scores = [one for one in found if (one.section, one.system) == ("score", ADSCORE)]
    for one in scores:
        assert one.server_cpu_ms > 0 < one.client_cpu_ms
        assert one.peak_rss_mb >= one.rss_mb > 10
        assert one.p50_ms <= one.p95_ms <= one.p99_ms


@pytest.mark.slow
def test_table_of_a_run_is_printed_again_without_running(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    before = run.read_text()
    assert serving.main(["--table-only", "--results", str(run)]) == 0
    printed = capsys.readouterr().out
    assert run.read_text() == before
    for figure in (
        "Score, 32 callers",
        "BatchScore of 32",
        "grid 15 x 20",
        "first score",
        "gRPC in",
    ):
        assert figure in printed


def test_peer_that_is_not_installed_says_so_in_the_table():
    reason, name = "not installed: make bench-peers", peer_line("ray", documented=True)
    found = Summary([Measurement("peers", name, name, 0, 0, 0.0, note=reason)])
    [_, row] = tables.servers(found)
    assert (row[0], row[-1]) == (name, reason)


# === Ratios ===


def measured(system: str, round_: int, rate: float, section: str = "score") -> Measurement:
    case = USUAL if section == "score" else section
    return Measurement(section, system, case, round_, int(rate), 1.0, 1.0, 2.0, 3.0, 1.0, 1.0)


def test_share_is_the_median_of_the_ratios_inside_rounds():
    found = Summary(
        [
            *(measured(CEILING, round_, rate) for round_, rate in enumerate((100, 10, 1000))),
            *(measured(ADSCORE, round_, rate) for round_, rate in enumerate((50, 9, 600))),
        ]
    )
    [_, row, *_] = tables.aims(found)
    assert row[1] == "0.60"


# === Pictures ===


@pytest.fixture(scope="module")
def pictures_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "drawn"
    draw_pictures(folder, designs=2)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_creatives_differ_as_files_and_not_as_pictures(pictures_dir: Path, kind: str):
    pictures = Pictures(pictures_dir, kind)
    ads = pictures.ads(7)
    first, _, third = (next(ads) for _ in range(3))
    assert first.image != third.image
    assert first.headline != third.headline
    size, form = kind.split()
    opened = [Image.open(io.BytesIO(data)) for data in (first.image, third.image)]
    found = [(image.format, f"{image.width}x{image.height}") for image in opened]
    assert found == [(form, size)] * 2
    assert opened[0].tobytes() == opened[1].tobytes()


def test_repeated_images_come_again(pictures_dir: Path):
    ads = Pictures(pictures_dir, USUAL).ads(7, repeat_images=True)
    first, _, third = (next(ads) for _ in range(3))
    assert first.image == third.image
    assert first.headline != third.headline


def test_other_files_are_refused_a_comment():
    with pytest.raises(ValueError, match="expected a JPEG or PNG"):
        with_comment(b"GIF89a", "x")


# === Load ===


def test_latency_counts_from_when_a_call_was_due(pictures_dir: Path):
    """A server that stops makes the calls due meanwhile late, though they are sent later."""
    calls = []

    def stops_once(ads: object) -> None:
        calls.append(ads)
        if len(calls) == 1:
            time.sleep(0.3)

    load = Load(0.3, 1, calls_per_second=100)
    done = run_load(stops_once, Pictures(pictures_dir, USUAL).ads(0), load, seed=0)
    late = [latency for latency in done.latencies_ms if latency > 100]
    assert len(late) > 5


def test_first_failure_ends_a_run(pictures_dir: Path):
    def fails(ads: object) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        run_load(fails, Pictures(pictures_dir, USUAL).ads(0), Load(60, 4), seed=0)


# === Processes ===


def test_children_are_counted_and_stopped_with_their_process():
    script = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; x = b\"x\" * 50_000_000; "
        'print("up", flush=True); time.sleep(60)\']).wait()'
    )
    with ServerProcess([sys.executable, "-c", script], {}) as process:
        process.wait_for_line("up")
        assert process.usage().rss_mb > 50
    assert process.usage().rss_mb == 0


def test_what_a_process_printed_is_told_when_it_ends_early():
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with (
        ServerProcess(command, {}) as process,
        pytest.raises(ProcessError, match="no such model"),
    ):
        process.wait_for_line("Ready")

import csv
import hashlib
import itertools
import math
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import adscore.sample
from adscore.sample import writer
from adscore.sample.banner import draw_banner
from adscore.sample.catalogue import IAB_SIZES
from adscore.sample.effects import PLANTED_EFFECTS
from adscore.sample.writer import SampleSummary, write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    out_dir = tmp_path_factory.mktemp("sample") / "log"
    return write_sample(out_dir, creatives=64, campaigns=7, seed=3)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_processes_draw_the_same_bytes(
    sample: SampleSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CREATIVES_A_PROCESS", 20)
    monkeypatch.setattr(writer, "_CHUNK", 20)
    write_sample(tmp_path / "log", creatives=64, campaigns=7, seed=3, processes=2)
    assert digest(tmp_path / "log") == digest(sample.creatives_path.parent)


def test_package_exports_the_writer_and_its_summary() -> None:
    assert adscore.sample.__all__ == ["SampleSummary", "write_sample"]


# === Files ===


def test_log_has_exactly_the_columns_of_the_command_line(sample: SampleSummary) -> None:
    header = sample.creatives_path.read_text(encoding="utf-8").splitlines()[0]
    assert header == "creative_id,campaign_id,headline,image,impressions,clicks,conversions"


def test_folder_holds_the_log_the_truth_the_images_and_a_page(sample: SampleSummary) -> None:
    out_dir = sample.creatives_path.parent
    assert {path.name for path in out_dir.iterdir()} == {
        "README.md", "creatives.csv", "images", "truth.csv",
    }  # fmt: skip
    assert sample.images_dir == out_dir / "images"
    assert len(list(sample.images_dir.iterdir())) == 64


def test_page_says_that_it_is_a_simulation_and_lists_every_effect(sample: SampleSummary) -> None:
    page = sample.readme_path.read_text(encoding="utf-8")
    assert page.startswith("# THIS IS A SIMULATION\n")
    for effect in PLANTED_EFFECTS:
        assert f"| {effect.trait} | {effect.part} | {effect.click:+.2f} |" in page


def test_summary_agrees_with_the_log(sample: SampleSummary) -> None:
    rows = read(sample.creatives_path)
    assert (sample.creatives, sample.campaigns) == (len(rows), 7)
    for name in ("impressions", "clicks", "conversions"):
        assert getattr(sample, name) == sum(int(row[name]) for row in rows)


def test_creatives_that_do_not_divide_evenly_are_spread_over_all_campaigns(
    sample: SampleSummary,
) -> None:
    sizes: dict[str, int] = defaultdict(int)
    for row in read(sample.creatives_path):
        sizes[row["campaign_id"]] += 1
    assert sorted(sizes.values()) == [9, 9, 9, 9, 9, 9, 10]


def test_ids_are_unique_and_headlines_are_not_empty(sample: SampleSummary) -> None:
    rows = read(sample.creatives_path)
    assert len({row["creative_id"] for row in rows}) == len(rows)
    assert all(row["headline"].strip() for row in rows)


def test_every_image_opens_and_has_an_iab_size(sample: SampleSummary) -> None:
    formats = set()
    for row in read(sample.creatives_path):
        with Image.open(sample.creatives_path.parent / row["image"]) as image:
            image.load()
            assert image.size in IAB_SIZES
            assert image.mode == "RGB"
            assert image.format == {".png": "PNG", ".jpg": "JPEG"}[Path(row["image"]).suffix]
            formats.add(image.format)
    assert formats == {"PNG", "JPEG"}


def test_truth_joins_the_log_and_its_parts_add_up(sample: SampleSummary) -> None:
    log, truth = read(sample.creatives_path), read(sample.truth_path)
    assert [(row["creative_id"], row["campaign_id"]) for row in log] == [
        (row["creative_id"], row["campaign_id"]) for row in truth
    ]
    for row in truth:
        parts = ("image_effect", "headline_effect", "interaction_effect")
        total = sum(float(row[part]) for part in parts)
        assert float(row["creative_effect"]) == pytest.approx(total, abs=2e-6)
        assert 0 < float(row["true_ctr"]) < 1
        assert 0 < float(row["true_conversion_rate"]) < 1


def test_true_rates_of_one_campaign_differ_by_the_creative_term_alone(
    sample: SampleSummary,
) -> None:
    offsets = defaultdict(list)
    for row in read(sample.truth_path):
        rate = float(row["true_ctr"])
        offset = math.log(rate / (1 - rate)) - float(row["creative_effect"])
        offsets[row["campaign_id"]].append(offset)
    assert all(np.ptp(values) < 1e-4 for values in offsets.values())


# === Determinism ===

_WRITE = (
    "import sys; from pathlib import Path; from adscore.sample import write_sample; "
    "write_sample(Path(sys.argv[1]), creatives=12, campaigns=3, seed=5)"
)


def test_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    write_sample(tmp_path / "here", creatives=12, campaigns=3, seed=5)
    there = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", _WRITE, tmp_path / "there"], check=True, env=there)
    assert digest(tmp_path / "here") == digest(tmp_path / "there")


def test_another_seed_gives_another_log(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "first", creatives=6, campaigns=2, seed=1)
    second = write_sample(tmp_path / "second", creatives=6, campaigns=2, seed=2)
    assert first.creatives_path.read_bytes() != second.creatives_path.read_bytes()


def test_global_random_state_is_neither_read_nor_changed(tmp_path: Path) -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    write_sample(tmp_path / "log", creatives=2, campaigns=1)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


# === Bad arguments ===


@pytest.mark.parametrize(
    ("creatives", "campaigns", "seed", "message"),
    [
        (0, 1, 0, "creatives to be at least 1. Received: 0"),
        (-3, 1, 0, "creatives to be at least 1. Received: -3"),
        (5, 0, 0, "campaigns to be at least 1. Received: 0"),
        (5, 6, 0, "Received: 5 creatives for 6 campaigns"),
        (5, 1, -1, "seed of 0 or more. Received: -1"),
    ],
)
def test_bad_argument_is_refused_and_nothing_is_written(
    tmp_path: Path, creatives: int, campaigns: int, seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample(tmp_path / "log", creatives=creatives, campaigns=campaigns, seed=seed)
    assert list(tmp_path.iterdir()) == []


def test_folder_with_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mine.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="delete this one first"):
        write_sample(tmp_path / "log", creatives=2, campaigns=1)
    assert (tmp_path / "log" / "mine.txt").read_text() == "keep me"


def test_file_in_the_place_of_the_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("keep me")
    with pytest.raises(FileExistsError, match="which is a file"):
        write_sample(tmp_path / "log", creatives=2, campaigns=1)
    assert (tmp_path / "log").read_text() == "keep me"


def test_empty_folder_is_filled_and_missing_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for out_dir in (tmp_path / "empty", tmp_path / "new" / "log"):
        assert write_sample(out_dir, creatives=1, campaigns=1).creatives_path.is_file()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failure_midway_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    drawn = itertools.count()

    def fail_at_the_third(*arguments: object) -> Image.Image:
        if next(drawn) == 2:
            raise error("disk full")
        return draw_banner(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "draw_banner", fail_at_the_third)
    with pytest.raises(error):
        write_sample(tmp_path / "log", creatives=5, campaigns=1)
    assert list(tmp_path.iterdir()) == []


def test_folder_filled_while_drawing_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_and_intrude(*arguments: object) -> Image.Image:
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / "theirs.txt").write_text("keep me")
        return draw_banner(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "draw_banner", draw_and_intrude)
    with pytest.raises(OSError, match="log"):
        write_sample(tmp_path / "log", creatives=1, campaigns=1)
    assert [path.name for path in tmp_path.rglob("*")] == ["log", "theirs.txt"]

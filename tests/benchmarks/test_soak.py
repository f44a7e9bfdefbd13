"""benchmarks/soak.py: one trial of each kind against a real server, and the table."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from adscore.creative import InputLimits
from adscore.scoring.image import ImageSize, decode
from shared.processes import Running
from shared.table import format_table
from soaking import attacks, faults, inputs, swaps
from soaking.ads import Ads
from soaking.attackers import ATTACKS
from soaking.callers import WRONG, Callers
from soaking.images import dear_images
from soaking.rows import Row, as_table, tally
from soaking.swaps import served


@pytest.fixture
def ads(sample_dir: Path, model_dir: Path) -> Ads:
    return Ads(sample_dir, model_dir, count=4)


@pytest.fixture
def server(copied_model: Path) -> Iterator[Running]:
    with served(copied_model.parent) as running:
        yield running


@pytest.fixture
def copied_model(model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_dir, tmp_path / "root" / model_dir.name))


def test_trials_pass_on_a_tiny_model(server: Running, ads: Ads, copied_model: Path) -> None:
    rows = [
        swaps.hold_load(server, ads, 0.3),
        inputs.bad_inputs(server, ads, 30),
        faults.half_open(server, ads, 0.3, connections=6),
        faults.gone_mid_stream(server, ads, 0.3, streams=2),
        swaps.swap(server, ads, copied_model, 1),
        swaps.roll_back(server, ads, copied_model),
    ]
    assert [row.trial for row in rows if not row.passed] == []


def test_a_wrong_score_fails_a_trial(server: Running, ads: Ads) -> None:
    for ad in ads.ads:
        ad.means["ctr"] *= 1.1
    assert not swaps.hold_load(server, ads, 0.3).passed
    with Callers(server.address, ads, 1) as callers:
        pass
    assert set(callers.counts) <= {WRONG}


def test_table_says_what_failed() -> None:
    counts = Counter({"right": 1_200, "hung": 1})
    rows = [Row("load", "much", tally(counts), False), Row("stop", "once", "0", True)]
    assert format_table(as_table(rows)).splitlines()[2:] == [
        "| load  | much | 1,200 right, 1 hung | FAILED |",
        "| stop  | once | 0                   | ok     |",
    ]


def test_attacks_send_images_that_are_within_the_limits() -> None:
    for name, data in dear_images(side=200):
        pixels, _ = decode(data, ImageSize(64, 64), InputLimits())
        assert pixels.shape == (64, 64, 3), name


def test_every_attack_is_known_by_its_name() -> None:
    assert {attack.name for attack in attacks.CALLS} == set(ATTACKS)

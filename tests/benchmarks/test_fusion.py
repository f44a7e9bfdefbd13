"""benchmarks/fusion.py: each fusion finds what it is made for, in simulated features."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import fusion
from adscore.training.additive import AdditiveOptions, Design, Outcomes
from comparison.fusions import (
    additive,
    bilinear,
    differences,
    gated,
    only,
    outer_products,
    pairwise_loss,
    products,
)
from comparison.heads import Floats, Head, Part

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[3] / "shared" / "data"))
ENCODERS = DATA.parent / "encoders"

OPTIONS = AdditiveOptions(steps=150, rate_penalty=1.0, learning_rate=0.02)
GROUPS, SIZE, WIDTH = 60, 10, 12


def simulated(seed: int, effect: str) -> tuple[Part, Floats]:
    """Rows of campaigns whose log rates hold one planted effect, and the effect."""
    rng = np.random.default_rng(seed)
    rows = GROUPS * SIZE
    shared = rng.normal(size=(rows, 1))
    headline, image = (
        np.concatenate([rng.normal(size=(rows, WIDTH - 1)), shared + rng.normal(size=(rows, 1))], 1)
        for _ in range(2)
    )
    planted = {
        "sum": headline[:, 0] + image[:, 0],
        "headline": headline[:, 0],
        "product": headline[:, -1] * image[:, -1],
        "difference": -np.abs(headline[:, -1] - image[:, -1]),
    }[effect]
    groups = np.repeat(np.arange(GROUPS), SIZE)
    logit = -4 + 0.3 * planted + rng.normal(0, 1, GROUPS)[groups]
    trials = np.full(rows, 50_000)
    successes = rng.binomial(trials, 1 / (1 + np.exp(-logit)))
    dense = {name: x.astype(np.float32) for name, x in (("headline", headline), ("image", image))}
    outcomes = Outcomes(
        successes[:, None].astype(np.float64), trials[:, None].astype(np.float64), groups, True
    )
    return Part(Design(dense, None), outcomes), planted


def found(head: Head, effect: str) -> float:
    """Correlation of what a head says of new campaigns with the planted effect."""
    part, _ = simulated(0, effect)
    new, planted = simulated(1, effect)
    return float(spearmanr(head(part, OPTIONS, 0)(new.design), planted).statistic)


@pytest.mark.parametrize(
    ("head", "effect"),
    [
        (partial(bilinear, interact=products), "product"),
        (partial(bilinear, interact=differences), "difference"),
        (partial(bilinear, interact=outer_products), "product"),
    ],
)
def test_bilinear_head_finds_what_a_sum_cannot(head: Head, effect: str):
    assert found(head, effect) > found(additive, effect) + 0.2


@pytest.mark.parametrize(
    "head",
    [additive, gated, partial(gated, components=2), partial(additive, objective=pairwise_loss)],
)
def test_every_head_finds_a_sum(head: Head):
    assert found(head, "sum") > 0.9


def test_head_of_one_part_knows_nothing_of_the_other():
    assert found(partial(only, names={"headline"}), "headline") > 0.9
    assert abs(found(partial(only, names={"image"}), "headline")) < 0.2


def test_without_data_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ADSCORE_DATA", raising=False)
    assert fusion.main([]) == 0
    assert "--data DIR" in capsys.readouterr().out


@pytest.mark.realdata
@pytest.mark.skipif(
    not (DATA / "banners").is_dir() or not ENCODERS.is_dir(),
    reason="ADSCORE_DATA names no folder with banners, and encoders beside it",
)
def test_table_of_some_real_banners(capsys: pytest.CaptureFixture[str]):
    arguments = ["--data", str(DATA), "--task", "banners", "--seeds", "0", "--max-rows", "120"]
    assert fusion.main([*arguments, "--variant", "additive", "gated"]) == 0
    assert "gated, one gate a part" in capsys.readouterr().out

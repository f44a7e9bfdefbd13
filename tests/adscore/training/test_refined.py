"""Strengths set right by thousands of rows."""

import numpy as np
import pytest
from scipy.special import expit

from adscore.training.additive import Design
from adscore.training.feature_rows import InMemory
from adscore.training.likelihood import Outcomes
from adscore.training.refined import refine
from adscore.training.strengths import Strengths

SIGNAL, NOISE = "headline signal", "headline noise"


def problem(rows: int, trials: int) -> tuple[Design, Outcomes]:
    """Three features of which one counts, forty that say nothing, and groups of four rows."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rows, 43)).astype(np.float32)
    groups = np.arange(rows) // 4
    offset = rng.normal(0.0, 0.5, rows)[groups]
    tried = np.full((rows, 1), trials)
    rate = expit(-1.0 + 0.8 * features[:, :1] + offset[:, None])
    outcomes = Outcomes(rng.binomial(tried, rate).astype(float), tried.astype(float), groups, True)
    return Design(
        {"headline": InMemory(features)}, None, {"headline": {"signal": 3, "noise": 40}}
    ), outcomes


def wrong() -> Strengths:
    """Too little of what counts, and too much of what does not."""
    blocks = {SIGNAL: np.array([0.001]), NOISE: np.array([0.02])}
    return Strengths(blocks, np.array([1.0]), np.ones(1, dtype=bool))


@pytest.mark.parametrize("trials", [1, 5_000])
def test_a_block_that_misleads_is_turned_down_and_one_that_counts_up(trials: int) -> None:
    found = refine(wrong(), *problem(1_000, trials), members=5, seed=0).blocks
    assert found[NOISE] < 0.02
    assert found[SIGNAL] > 0.001


def test_strengths_that_every_row_had_a_say_in_stay() -> None:
    assert refine(wrong(), *problem(400, 5_000), members=5, seed=0).blocks == wrong().blocks

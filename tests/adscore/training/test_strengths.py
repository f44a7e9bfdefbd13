"""Strengths: what groups left out choose of each block, and when the mean stands alone."""

import numpy as np
import pytest

from adscore.training.likelihood import Outcomes
from adscore.training.strengths import Strengths, choose_strengths

ROWS = 240


def choose(
    effect: np.ndarray, groups: np.ndarray, *, labels: bool = False, seed: int = 0
) -> Strengths:
    """Of a block that tells the effect and one that is noise."""
    rng = np.random.default_rng(5)
    level = rng.normal(0, 0.5, groups.max() + 1)[groups]
    trials = np.ones(ROWS) if labels else rng.integers(2_000, 9_000, ROWS).astype(float)
    middle = 0.0 if labels else -3.0
    rates = 1 / (1 + np.exp(-(middle + level + 2 * effect)))
    successes = rng.binomial(trials.astype(int), rates).astype(float)
    noise = rng.normal(size=(ROWS, 6))
    blocks = {"tells": effect[:, None], "noise": noise}
    grouped = len(np.unique(groups)) < ROWS
    outcomes = Outcomes(successes[:, None], trials[:, None], groups, grouped)

    def kernels(rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: block[rows] @ block[rows].T for name, block in blocks.items()}

    return choose_strengths(kernels, outcomes, seed)


EFFECT = np.random.default_rng(3).normal(0, 0.3, ROWS)
TEN_A_GROUP = np.repeat(np.arange(ROWS // 10), 10)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("groups", [TEN_A_GROUP, np.arange(ROWS)])
def test_block_that_tells_is_trusted_more_than_noise(groups: np.ndarray, labels: bool) -> None:
    chosen = choose(EFFECT * (5 if labels else 1), groups, labels=labels)
    assert chosen.learns.all()
    assert chosen.blocks["tells"][0] > 5 * chosen.blocks["noise"][0]


@pytest.mark.parametrize("labels", [False, True])
def test_where_nothing_tells_the_mean_stands_alone(labels: bool) -> None:
    chosen = choose(np.zeros(ROWS), TEN_A_GROUP, labels=labels)
    assert not chosen.learns.any()
    assert not any(variance.any() for variance in chosen.blocks.values())


def test_groups_that_differ_get_offsets_and_rows_alone_get_none() -> None:
    assert choose(EFFECT, TEN_A_GROUP).offsets[0] > 1
    assert choose(EFFECT, np.arange(ROWS)).offsets[0] == 0


def test_same_seed_chooses_the_same() -> None:
    first, again = choose(EFFECT, TEN_A_GROUP), choose(EFFECT, TEN_A_GROUP)
    assert first.blocks["tells"] == again.blocks["tells"]

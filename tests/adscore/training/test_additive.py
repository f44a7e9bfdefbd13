"""Additive heads: what each member learns, and from which rows."""

import dataclasses

import numpy as np
import pytest

from adscore.training.additive import (
    AdditiveHeads,
    Design,
    fit_additive,
)
from adscore.training.likelihood import Outcomes
from adscore.training.presets import AdditiveOptions
from adscore.training.split import deal_groups

OPTIONS = AdditiveOptions(members=3, steps=20)


@pytest.fixture
def design() -> Design:
    rng = np.random.default_rng(0)
    return Design({"headline": rng.normal(size=(60, 4)).astype(np.float32)}, None)


@pytest.fixture
def outcomes() -> Outcomes:
    """Counts and labels of twelve groups."""
    rng = np.random.default_rng(1)
    trials = np.stack([rng.integers(500, 900, 60), np.ones(60)], axis=1).astype(float)
    successes = rng.binomial(trials.astype(int), [0.1, 0.5]).astype(float)
    return Outcomes(successes, trials, np.repeat(np.arange(12), 5), grouped=True)


def members(fit: AdditiveHeads) -> np.ndarray:
    """(features, members, targets)"""
    return fit.dense["headline"].reshape(4, OPTIONS.members, 2)


def test_same_seed_gives_the_same_weights(design: Design, outcomes: Outcomes) -> None:
    first, again, other = (fit_additive(design, outcomes, OPTIONS, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(members(first), members(again))
    assert not np.array_equal(members(first), members(other))


def test_every_group_is_left_out_by_one_member_and_evenly() -> None:
    groups = np.repeat(np.arange(12), 5)
    folds = deal_groups(groups, 3, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(12))
    assert np.bincount(folds).tolist() == [20, 20, 20]


@pytest.mark.parametrize("grouped", [True, False])
def test_labels_and_counts_are_learned_together(
    grouped: bool, design: Design, outcomes: Outcomes
) -> None:
    groups = outcomes.groups if grouped else np.arange(60)
    changed = dataclasses.replace(outcomes, groups=groups, grouped=grouped)
    fit = fit_additive(design, changed, OPTIONS, seed=0)
    assert np.isfinite(members(fit)).all()
    assert (np.abs(members(fit)).max(axis=(0, 1)) > 1e-3).all()
    assert fit.losses[-1] < fit.losses[0]


def test_member_that_left_a_group_out_learns_nothing_of_its_labels(
    design: Design, outcomes: Outcomes
) -> None:
    before = fit_additive(design, outcomes, OPTIONS, seed=0)
    successes = outcomes.successes.copy()
    successes[outcomes.groups == 0, 1] = 1 - successes[outcomes.groups == 0, 1]
    after = fit_additive(
        design, dataclasses.replace(outcomes, successes=successes), OPTIONS, seed=0
    )
    same = (members(before) == members(after)).all(axis=0)[:, 1]
    left_out = np.arange(OPTIONS.members) == before.folds[0]
    assert same.tolist() == left_out.tolist()

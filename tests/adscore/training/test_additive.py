"""Additive heads: what each member learns, and from which rows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from adscore.training import feature_rows
from adscore.training.additive import (
    FREQUENT,
    NGRAMS,
    RARE,
    AdditiveHeads,
    Design,
    fit_additive,
    frequent_ngrams,
)
from adscore.training.additive_network import disagreement_of_new_rows
from adscore.training.feature_rows import InMemory, Moments
from adscore.training.likelihood import Outcomes, evidence, starting_point
from adscore.training.split import deal_groups
from adscore.training.strengths import Strengths

MEMBERS = 3
BLOCK = "headline encoder"


@pytest.fixture
def design() -> Design:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4)).astype(np.float32)
    return Design({"headline": InMemory(features)}, None, {"headline": {"encoder": 4}})


@pytest.fixture
def outcomes() -> Outcomes:
    """Counts and labels of twelve groups."""
    rng = np.random.default_rng(1)
    trials = np.stack([rng.integers(500, 900, 60), np.ones(60)], axis=1).astype(float)
    successes = rng.binomial(trials.astype(int), [0.1, 0.5]).astype(float)
    return Outcomes(successes, trials, np.repeat(np.arange(12), 5), grouped=True)


def strengths(block: float = 0.1, offsets: float = 0.5) -> Strengths:
    return Strengths({BLOCK: np.full(2, block)}, np.full(2, offsets), np.ones(2, dtype=bool))


def members(fit: AdditiveHeads) -> np.ndarray:
    """(features, members, targets)"""
    return fit.dense["headline"].reshape(4, MEMBERS, 2)


def test_same_seed_gives_the_same_weights(design: Design, outcomes: Outcomes) -> None:
    first, again, other = (
        fit_additive(design, outcomes, MEMBERS, seed, strengths()) for seed in (0, 0, 1)
    )
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
    offsets = 0.5 if grouped else 0.0
    changed = dataclasses.replace(outcomes, groups=groups, grouped=grouped)
    fit = fit_additive(design, changed, MEMBERS, 0, strengths(offsets=offsets))
    assert np.isfinite(members(fit)).all()
    assert (np.abs(members(fit)).max(axis=(0, 1)) > 1e-3).all()
    assert (fit.shares[BLOCK] > 0).all()


def test_member_that_left_a_group_out_learns_nothing_of_its_labels(
    design: Design, outcomes: Outcomes
) -> None:
    before = fit_additive(design, outcomes, MEMBERS, 0, strengths())
    successes = outcomes.successes.copy()
    successes[outcomes.groups == 0, 1] = 1 - successes[outcomes.groups == 0, 1]
    changed = dataclasses.replace(outcomes, successes=successes)
    after = fit_additive(design, changed, MEMBERS, 0, strengths())
    same = (members(before) == members(after)).all(axis=0)[:, 1]
    left_out = np.arange(MEMBERS) == before.folds[0]
    assert same.tolist() == left_out.tolist()


def test_groups_that_differ_alone_leave_the_weights_as_they_are(outcomes: Outcomes) -> None:
    # Every row of a group has a rate of its own level; the feature tells levels, never rows.
    group = outcomes.groups
    features = np.repeat(np.random.default_rng(2).normal(size=(12, 1)), 5, axis=0)
    rows = InMemory(features.astype(np.float32))
    design = Design({"headline": rows}, None, {"headline": {"encoder": 1}})
    rates = 1 / (1 + np.exp(3 - features[:, 0]))
    counts = np.stack([np.round(900 * rates)] * 2, axis=1)
    told = Outcomes(counts, np.full((60, 2), 900.0), group, grouped=True)
    held_back, free = (
        np.abs(fit_additive(design, told, MEMBERS, 0, strengths(offsets=o)).dense["headline"]).max()
        for o in (100.0, 1e-6)
    )
    assert held_back < 0.2 * free


def test_weights_are_the_likeliest_where_features_are_nearly_the_same() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 40)) + rng.normal(size=(400, 40)) / 9
    trials = rng.integers(500, 900, (400, 1)).astype(float)
    successes = rng.binomial(trials.astype(int), 1 / (1 + np.exp(3 - features[:, :1] / 9)))
    told = Outcomes(successes.astype(float), trials, np.arange(400), grouped=False)
    rows = InMemory(features.astype(np.float32))
    design = Design({"headline": rows}, None, {"headline": {"encoder": 40}})
    chosen = Strengths({BLOCK: np.array([0.5])}, np.zeros(1), np.ones(1, dtype=bool))
    fit = fit_additive(design, told, 1, 0, chosen)

    concentration = np.exp(starting_point(told).log_concentration)
    precision, goal = evidence(told.successes[:, 0], trials[:, 0], concentration[0])
    beside = np.column_stack([features, np.ones(400)])
    prior = np.diag([2.0] * 40 + [0.0])
    direct = np.linalg.solve(
        beside.T @ (precision[:, None] * beside) + prior, beside.T @ (precision * goal)
    )
    found = features @ fit.dense["headline"][:, 0] + fit.bias[0]
    np.testing.assert_allclose(found, beside @ direct, atol=2e-3 * np.ptp(found))


def test_block_without_strength_is_ignored(design: Design, outcomes: Outcomes) -> None:
    fit = fit_additive(design, outcomes, MEMBERS, 0, strengths(block=0.0))
    assert not fit.dense["headline"].any()
    assert np.isfinite(fit.bias).all()


def test_ngrams_are_a_block_of_their_own(design: Design, outcomes: Outcomes) -> None:
    ngrams = sparse.csr_matrix(np.eye(60, 7, dtype=np.float32))
    beside = Design(design.dense, ngrams, design.widths)
    chosen = Strengths(
        {BLOCK: np.zeros(2), NGRAMS: np.full(2, 0.5)}, np.zeros(2), np.ones(2, dtype=bool)
    )
    fit = fit_additive(beside, outcomes, MEMBERS, 0, chosen)
    assert fit.ngrams is not None
    assert fit.ngrams.any()
    assert not fit.dense["headline"].any()


def test_frequent_ngrams_have_a_strength_of_their_own(design: Design, outcomes: Outcomes) -> None:
    table = np.eye(60, 7, dtype=np.float32)
    table[:, 0] = np.arange(60) % 2
    ngrams = sparse.csr_matrix(table)
    frequent = frequent_ngrams(ngrams)
    assert frequent.tolist() == [True] + [False] * 6
    beside = Design({}, ngrams, {}, frequent)
    apart, every = beside.kernels(np.arange(60)), Design({}, ngrams, {}).kernels(np.arange(60))
    np.testing.assert_allclose(apart[FREQUENT] + apart[RARE], every[NGRAMS])
    chosen = Strengths(
        {FREQUENT: np.full(2, 0.5), RARE: np.zeros(2)}, np.zeros(2), np.ones(2, bool)
    )
    fit = fit_additive(beside, outcomes, MEMBERS, 0, chosen)
    assert fit.ngrams is not None
    assert fit.ngrams[0].all()
    assert not fit.ngrams[1:].any()
    assert fit.shares[FREQUENT].all()
    assert not fit.shares[RARE].any()


@pytest.mark.parametrize("rows_at_once", [7, 100])
def test_features_on_disk_give_the_weights_of_those_in_memory(
    rows_at_once: int, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_rows, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setenv("ADSCORE_CACHE", str(tmp_path))
    rng = np.random.default_rng(3)
    features = rng.normal(size=(60, 6)).astype(np.float32)
    ngrams = sparse.csr_matrix(rng.random((60, 9), np.float32))

    def fitted(limit: int) -> AdditiveHeads:
        monkeypatch.setattr(feature_rows, "MAX_BYTES", limit)
        pieces = (features[some] for some in feature_rows.in_pieces(np.arange(60)))
        rows = feature_rows.keep_rows(pieces, features.shape)
        assert isinstance(rows, feature_rows.OnDisk) == (limit == 0)
        design = Design({"image": rows}, ngrams, {"image": {"encoder": 2, "statistics": 4}})
        kernels.append(design.kernels(np.array([50, 3, 11])))
        blocks = dict.fromkeys(design.blocks, np.full(2, 0.2))
        chosen = Strengths(blocks, np.full(2, 0.5), np.ones(2, dtype=bool))
        return fit_additive(design, outcomes, MEMBERS, 0, chosen)

    kernels: list[dict[str, np.ndarray]] = []
    memory, disk = fitted(10**6), fitted(0)
    for name, kernel in kernels[0].items():
        assert np.array_equal(kernels[1][name], kernel)
    assert memory.dense["image"].all()
    for name, shares in memory.shares.items():
        np.testing.assert_allclose(disk.shares[name], shares, rtol=1e-4)
    np.testing.assert_allclose(disk.dense["image"], memory.dense["image"], rtol=1e-3, atol=1e-5)
    assert disk.ngrams == pytest.approx(memory.ngrams, rel=1e-3, abs=1e-5)
    assert not list(tmp_path.rglob("*"))  # the file has no name


@pytest.mark.parametrize("sizes", [[5], [3, 1, 6], []])
def test_moments_of_pieces_are_those_of_all_rows(sizes: list[int]) -> None:
    rng = np.random.default_rng(4)
    pieces = [rng.normal(7, 3, size=(size, 2)).astype(np.float32) for size in sizes]
    found = Moments(iter(pieces), 2)
    if sizes:
        every_row = np.concatenate(pieces)
        assert found.mean == pytest.approx(every_row.mean(axis=0), rel=1e-6)
        assert found.variance == pytest.approx(every_row.var(axis=0), rel=1e-6)
    assert found.mean.shape == found.variance.shape == (2,)


def test_a_row_that_surprises_is_not_one_that_members_disagree_on() -> None:
    """Only the member that never saw it is far off, and new rows have no such member."""
    rng = np.random.default_rng(2)
    folds = np.arange(2_000) % 5
    logit = rng.normal(0.0, 0.1, (2_000, 5, 1))
    logit[np.arange(2_000), folds] += 3.0
    found = disagreement_of_new_rows(logit, folds)
    assert found.mean() == pytest.approx(0.1**2 * 4 / 5, rel=0.1)

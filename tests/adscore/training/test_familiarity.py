"""The distance that says whether a creative is like those of the training."""

import keras
import numpy as np
import pytest

from adscore.training.familiarity import Distance, distance_model, fit_distance

EACH_A_GROUP = np.arange(4_000)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Features that vary in a few directions, and a little in all of them."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(4_000, 8)) @ rng.normal(size=(8, 60)) + 3
    return (mixed + 0.3 * rng.normal(size=mixed.shape)).astype(np.float32)


def as_model(distance: Distance, **described: np.ndarray) -> np.ndarray:
    """The distances of the graph that a bundle gets."""
    inputs = {
        name: keras.Input(values.shape[1:], dtype=str(values.dtype), name=name)
        for name, values in described.items()
    }
    model = distance_model(keras.Model(inputs, dict(inputs)), distance, "distance")
    return np.asarray(model(described))[:, 0]


def test_along_and_off_the_directions_are_the_mahalanobis_distance(rows: np.ndarray) -> None:
    distance = Distance.fit({"features": rows})
    along, off = distance.measures({"features": rows}).T
    known, width = len(distance.variances), rows.shape[1]
    received = along**2 * known + off**2 * (width - known)
    more = np.diag(1 / distance.variances - 1 / distance.rest)
    inverse = distance.directions.T @ more @ distance.directions + np.eye(width) / distance.rest
    centred = (rows - rows.mean(axis=0)) * distance.scale
    expected = np.einsum("bi,ij,bj->b", centred, inverse, centred)
    np.testing.assert_allclose(received, expected, rtol=1e-3)
    assert np.mean(off**2) == pytest.approx(1, abs=0.1)


def test_graph_says_what_was_fitted(rows: np.ndarray) -> None:
    pairs = np.random.default_rng(0).integers(0, 50, (len(rows), 7)).astype(np.int32)
    distance, _ = fit_distance({"features": rows, "pairs": pairs}, EACH_A_GROUP, 0.01)
    other = rows[:300] * 3
    new = pairs[:300] + 40
    expected = distance.measures({"features": other, "pairs": new}).max(axis=1)
    np.testing.assert_allclose(as_model(distance, features=other, pairs=new), expected, rtol=1e-3)


def test_one_in_a_hundred_of_new_groups_is_unfamiliar_and_nearly_all_foreign_rows(
    rows: np.ndarray,
) -> None:
    fitted, new = rows[:2_000], rows[2_000:]
    distance, limit = fit_distance({"features": fitted}, EACH_A_GROUP[:2_000], 0.01)
    farther = distance.measures({"features": new}).max(axis=1) > limit
    assert farther.mean() == pytest.approx(0.01, abs=0.007)
    rng = np.random.default_rng(1)
    foreign = rng.normal(new.mean(axis=0), new.std(axis=0), new.shape)
    assert (distance.measures({"features": foreign}).max(axis=1) > limit).mean() > 0.95


@pytest.mark.parametrize("texts", [1, 2, 9, 30])
def test_rows_that_repeat_a_few_texts_are_familiar_and_new_ones_are_not(
    rows: np.ndarray, texts: int
) -> None:
    """Their features vary in fewer directions than there are: the rest has no variance."""
    repeated = rows[np.arange(600) % texts]
    distance, limit = fit_distance({"features": repeated}, np.arange(600) // 60, 0.01)
    for size in (1, 7, 600):
        assert not (as_model(distance, features=repeated[:size]) > limit).any()
    assert (as_model(distance, features=rows[texts:300]) > limit).all()


def test_rare_pairs_of_tokens_are_unfamiliar(rows: np.ndarray) -> None:
    usual = np.random.default_rng(0).integers(1, 30, (len(rows), 6)).astype(np.int32)
    distance, limit = fit_distance({"features": rows, "pairs": usual}, EACH_A_GROUP, 0.01)
    foreign = distance.measures({"features": rows, "pairs": usual + 1_000}).max(axis=1)
    assert (foreign > limit).all()
    none = distance.measures({"features": rows, "pairs": np.zeros_like(usual)}).max(axis=1)
    assert (none > limit).mean() < 0.02


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (2, 2)])
def test_hardly_any_rows_have_a_distance(shape: tuple[int, int]) -> None:
    few = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    distance, limit = fit_distance({"features": few}, np.arange(shape[0]), 0.01)
    assert np.isfinite(limit)
    assert np.isfinite(as_model(distance, features=few)).all()

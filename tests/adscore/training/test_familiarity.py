"""The distance that says whether a creative is like those of the training."""

import numpy as np
import pytest

from adscore.training.familiarity import distance_model, fit_familiarity


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """As many features as there are directions of their own, and one more."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) + 3
    return mixed.astype(np.float32)


def test_distance_is_that_of_mahalanobis(rows: np.ndarray) -> None:
    # Four of five directions have variances of their own, so the fifth is the rest: all known.
    centred = rows.astype(float) - rows.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred / len(rows))
    expected = np.sqrt(np.einsum("bi,ij,bj->b", centred, inverse, centred) / 5)
    received = distance_model(rows, "distance").predict_on_batch(rows)
    np.testing.assert_allclose(received[:, 0], expected, rtol=1e-2)


def test_what_looks_different_is_farther_than_what_was_held_out(rows: np.ndarray) -> None:
    model, limit = fit_familiarity(rows[:200], rows[200:], "distance")
    assert (model.predict_on_batch(rows[200:]) > limit).mean() <= 0.01
    assert (model.predict_on_batch(rows * -1 + 20) > limit).mean() > 0.9

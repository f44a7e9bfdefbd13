from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from adscore.explanation.parts import shapley_values, values_alone

Worth = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


def adding(base: float, *values: float) -> Worth:
    return lambda kept: base + kept @ np.array(values)


@pytest.mark.parametrize("values", [(), (0.5,), (0.5, -0.25, 2.0, 0.0)])
def test_what_adds_up_is_taken_apart_exactly(values: tuple[float, ...]) -> None:
    for found in (
        shapley_values(adding(-4, *values), len(values)),
        values_alone(adding(-4, *values), len(values)),
    ):
        assert found is not None
        assert found[0] == -4
        np.testing.assert_allclose(found[1], values, atol=1e-12)


def test_what_two_do_together_is_shared_and_nothing_is_lost() -> None:
    def worth(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        return adding(1, 0.1, 0.2, 0.3)(kept) + 0.4 * (kept[:, 0] & kept[:, 1])

    base, values = shapley_values(worth, 3)
    np.testing.assert_allclose((base, *values), (1, 0.3, 0.4, 0.3))
    assert values_alone(worth, 3) is None

"""Independent random streams, one for each thing the simulation decides."""

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


class Stream(IntEnum):
    """What a stream decides; the numbers are part of "same seed, same bytes"."""

    CAMPAIGN = 0
    BANNER = 1
    HEADLINE = 2
    CAMPAIGN_OUTCOME = 3
    OUTCOME = 4
    CLUTTER = 5


def generator(seed: int, stream: Stream, *position: int) -> np.random.Generator:
    """A generator for one stream at one position, such as a campaign and a creative in it.

    Each position has a stream of its own, so drawing one more number for a banner changes no
    headline, no count and no other banner.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *position)))


def pick(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def happens(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability in [0, 1]."""
    return bool(rng.random() < probability)

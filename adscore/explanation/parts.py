"""Shapley values of the parts of a creative: what each adds to the prediction."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.explanation.head import Head, Part
from adscore.explanation.result import Parts

Array = NDArray[np.float64]
# Which players take part, (n, players) bool -> worth of each coalition, (n,).
Worth = Callable[[NDArray[np.bool_]], Array]

# With more context names, a network has too many coalitions, 2^parts.
MAX_CONTEXTS = 4
# Tolerance of sums in float32, in logits.
_ADDITIVE_TOLERANCE = 2e-5


def explain_parts(head: Head, context_names: Sequence[str]) -> tuple[float, Parts]:
    """Computes the base and what each part adds to it.

    An absent part is replaced by an average one: the mean embedding of the training's headlines or
    images; for a context, what the model assumes if it is unknown.

    Args:
        head: Head of the model, for the creative.
        context_names: Names of the model's context, in order.
    """
    encoded = head.own
    present, ids = encoded.present[0], encoded.context_ids[0]
    parts: list[Part] = [
        name for name in ("headline", "image") if present[Present[name.upper()]] > 0
    ]
    contexts: list[Part] = [(place,) for place in np.flatnonzero(ids).tolist()]

    def worth(chosen: Sequence[Part]) -> Worth:
        return lambda kept: head.without_parts(kept, chosen).sums

    players = parts + contexts
    if len(contexts) <= MAX_CONTEXTS:
        base, values = shapley_values(worth(players), len(players))
    elif (alone := values_alone(worth(players), len(players))) is not None:
        base, values = alone
    else:
        players = [*parts, tuple(np.flatnonzero(ids).tolist())]
        base, values = shapley_values(worth(players), len(players))
    by_part = dict(zip(players, values.tolist(), strict=True))
    return base, Parts(
        by_part.get("headline"),
        by_part.get("image"),
        {
            ", ".join(context_names[place] for place in part): value
            for part, value in by_part.items()
            if isinstance(part, tuple)
        },
    )


def values_alone(worth: Worth, players: int) -> tuple[float, Array] | None:
    """Worth of no players and what each adds alone; None if these do not add up to the whole."""
    none, every = np.zeros((1, players), dtype=bool), np.ones((1, players), dtype=bool)
    base, *alone, whole = worth(np.concatenate([none, np.eye(players, dtype=bool), every]))
    values = np.array(alone) - base
    return (float(base), values) if abs(whole - base - values.sum()) < _ADDITIVE_TOLERANCE else None


def shapley_values(worth: Worth, players: int) -> tuple[float, Array]:
    """Worth of no players, and the Shapley value of each player, (players,).

    Exact, by all 2^players coalitions. If a player adds the same to any, that is its value.
    Shapley (1953), "A value for n-person games".
    """
    numbers = np.arange(1 << players)
    coalitions = (numbers[:, None] >> np.arange(players) & 1).astype(bool)
    worths = worth(coalitions)
    sizes = coalitions.sum(axis=1)
    # Share of the orders of players in which a coalition of each size comes before a given player.
    shares = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    values = np.zeros(players)
    for player in range(players):
        before = np.flatnonzero(~coalitions[:, player])
        added = worths[before | 1 << player] - worths[before]
        values[player] = shares[sizes[before]] @ added
    return float(worths[0]), values

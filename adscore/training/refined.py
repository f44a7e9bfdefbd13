"""Refines strengths that were chosen from few rows, with many more.

For a weak signal, such as an encoder's features of real headlines, the rows used by `strengths`
leave the strength uncertain, and a block that is ten times too strong ranks worse. But heads are
fast to fit to thousands of rows, each of which has a member that never saw its group.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adscore.training.additive import Design, fit_additive
from adscore.training.likelihood import Outcomes, evidence, starting_point, sums_inside_groups
from adscore.training.split import draw_groups
from adscore.training.strengths import MAX_ROWS, Strengths

Array = NDArray[np.float64]

# More rows cost time, and change the strengths by less than their uncertainty.
ROWS = 4_000
# Factors to try on a block's variance, until none improves the loss by this many nats.
FACTORS, MIN_GAIN = (0.2, 5.0), 2.0


def refine(
    strengths: Strengths, design: Design, outcomes: Outcomes, members: int, seed: int
) -> Strengths:
    """Scales blocks up or down, one by one, while held-out rows are then predicted better.

    Args:
        strengths: The strengths as chosen; kept if all rows were used for them.
        design: Features of all rows.
        outcomes: Their counts.
        members: Number of heads, each of which leaves out a part of the groups.
        seed: Determines which groups are drawn, and which member leaves out which groups.
    """
    if len(outcomes.groups) <= MAX_ROWS or members < 2 or not strengths.learns.any():
        return strengths
    rows = draw_groups(outcomes.groups, ROWS, seed)
    design, outcomes = design.of(rows), outcomes.of(rows)

    def loss(tried: Strengths) -> Array:
        """Half the log of the squared error with the best slope, times the rows, (t,)."""
        heads = fit_additive(design, outcomes, members, seed, tried)
        return np.array(_losses(heads.left_out(design), outcomes, tried.offsets))

    best = loss(strengths)
    for name in strengths.blocks:
        before = strengths.blocks[name]
        for factor in FACTORS:
            found = loss(_with(strengths, name, before * factor))
            better = found < best - MIN_GAIN
            strengths = _with(
                strengths, name, np.where(better, before * factor, strengths.blocks[name])
            )
            best = np.where(better, found, best)
            if better.all():
                break
    return strengths


def _with(strengths: Strengths, name: str, block: Array) -> Strengths:
    return replace(strengths, blocks={**strengths.blocks, name: block})


def _losses(logit: Array, outcomes: Outcomes, offsets: Array) -> list[float]:
    concentration = np.exp(starting_point(outcomes).log_concentration)
    losses = []
    for target, (successes, trials) in enumerate(
        zip(outcomes.successes.T, outcomes.trials.T, strict=True)
    ):
        precision, goal = evidence(successes, trials, concentration[target])
        is_label = trials.max() <= 1  # a few labels hardly determine their group's rate
        square, product, whole = sums_inside_groups(
            logit[:, target], goal, precision, outcomes.groups, 0.0 if is_label else offsets[target]
        )
        left = whole - max(product, 0.0) ** 2 / max(square, 1e-12)
        losses.append(len(goal) * np.log(max(left, 1e-12)) / 2)
    return losses

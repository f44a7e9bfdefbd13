"""Is what a decision says true? Compares what is said with rates that are known, or with counts.

g groups of a arms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from adscore.bundle import Spread
from adscore.decision.figures import Aim, Figures, Question, find_figures
from adscore.decision.posterior import Evidence, sloped
from adscore.decision.status import STATUSES, Status
from deciding_bench.replay import Tests, drawn_rates

Array = NDArray[np.float64]

_LEADER = STATUSES.index(Status.LEADER)
_BINS = 10
_DRAWS = 500
_TIMES = 8


def drawn_tests(like: Tests, spread: Spread, seed: int) -> Tests:
    """Tests with these predictions and trials, whose rates and counts are as the model says."""
    rng = np.random.default_rng(seed)
    offset = rng.normal(0, spread.between_groups, (len(like.logits), 1))
    left = rng.normal(0, spread.residual, like.logits.shape)
    rates = expit(sloped(like.logits, spread.slope) + offset + left)
    successes = rng.binomial(like.trials.astype(int), rates).astype(float)
    return replace(like, rates=rates, successes=successes)


def evidence_of(logits: Array, trials: Array, successes: Array, spread: Spread) -> Evidence:
    """What a decision starts from, of groups of a model's predictions, (g, a) each."""
    return Evidence(
        sloped(logits, spread.slope),
        np.full(logits.shape, spread.residual),
        np.full(len(logits), spread.between_groups),
        trials,
        successes,
    )


def figures_of(
    logits: Array, trials: Array, successes: Array, spread: Spread, aim: Aim = Aim.EARN
) -> Figures:
    """What a decision says of groups, (g, a) each."""
    question = Question(aim, 0.01, [1.0], trials.sum(axis=1), np.full(len(logits), -1))
    return find_figures([evidence_of(logits, trials, successes, spread)], question)


@dataclass(frozen=True, slots=True)
class Truth:
    """What came of even traffic.

    Attributes:
        coverage: Share of the true rates in their 90 % intervals.
        error: Of the chances to be best.
        leaders: Groups that have a leader.
        leader_loss: Mean loss of choosing it, over the best rate; NaN without one.
    """

    coverage: float
    error: "ChanceError"
    leaders: int
    leader_loss: float


@dataclass(frozen=True, slots=True)
class ChanceError:
    """Mean distance of said and true chances to be best, over ten bins.

    Attributes:
        found: As it came.
        by_chance: What it is on average where every chance is true.
    """

    found: float
    by_chance: float


def check_truth(parts: Sequence[Tests], spread: Spread, trials: int, seed: int) -> Truth:
    """Gives every arm so many trials, and compares what is said with the true rates."""
    rng = np.random.default_rng(seed)
    held, said, best, losses = [], [], [], []
    for one in parts:
        rates = one.rates
        clicks = rng.binomial(trials, rates).astype(float)
        figures = figures_of(one.logits, np.full(rates.shape, float(trials)), clicks, spread)
        held.append(((figures.lower <= rates) & (rates <= figures.upper)).ravel())
        said.append(figures.chance_best)
        best.append(rates == rates.max(axis=1, keepdims=True))
        chosen = np.take_along_axis(rates, figures.leader[:, None], axis=1)[:, 0]
        losses.append((1 - chosen / rates.max(axis=1))[figures.status == _LEADER])
    loss = np.concatenate(losses)
    mean_loss = float(loss.mean()) if loss.size else float("nan")
    coverage = float(np.concatenate(held).mean())
    return Truth(coverage, chance_error(said, best, rng), loss.size, mean_loss)


def observed_best(parts: Sequence[Tests], spread: Spread, share: float, seed: int) -> ChanceError:
    """Chances to have the highest rate in the counts that are still to come, said and come.

    No true rate is drawn: a share of each test's real counts is known, and the rest decides. Which
    share, and draws of what is said, are averaged over.
    """
    rng = np.random.default_rng(seed)
    errors = [_observed_best(parts, spread, share, rng) for _ in range(_TIMES)]
    found, by_chance = np.mean([[one.found, one.by_chance] for one in errors], axis=0).tolist()
    return ChanceError(found, by_chance)


def _observed_best(
    parts: Sequence[Tests], spread: Spread, share: float, rng: np.random.Generator
) -> ChanceError:
    said, best = [], []
    for one in parts:
        known = np.floor(one.trials * share)
        missed = (one.trials - one.successes).astype(int)
        clicks = rng.hypergeometric(one.successes.astype(int), missed, known.astype(int))
        evidence = evidence_of(one.logits, known, clicks.astype(float), spread)
        left = (one.trials - known).astype(int)
        to_come = rng.binomial(left, drawn_rates(evidence, _DRAWS, rng)) / left
        said.append(_highest(to_come, rng).mean(axis=0))
        best.append(_highest((one.successes - clicks) / left, rng))
    return chance_error(said, best, rng)


def _highest(rates: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which arm has the highest, (..., a); of equal ones any."""
    drawn = rates + 1e-12 * rng.random(rates.shape)
    highest: NDArray[np.bool_] = drawn == drawn.max(axis=-1, keepdims=True)
    return highest


def chance_error(
    said: Sequence[Array], best: Sequence[NDArray[np.bool_]], rng: np.random.Generator
) -> ChanceError:
    """Compares chances with what came of them, of groups of each number of arms."""
    chances = np.concatenate([one.ravel() for one in said])
    bins = np.minimum((chances * _BINS).astype(int), _BINS - 1)

    def distance(came: Sequence[NDArray[np.bool_]]) -> float:
        gap = chances - np.concatenate([one.ravel() for one in came])
        return float(np.abs(np.bincount(bins, gap)).sum() / len(gap))

    true = [distance([_one_of(one, rng) for one in said]) for _ in range(100)]
    return ChanceError(distance(best), float(np.mean(true)))


def _one_of(chances: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The best arm of each group, drawn with its chance."""
    below = chances.cumsum(axis=1)
    place = (below < rng.random((len(chances), 1)) * below[:, -1:]).sum(axis=1)
    return np.arange(chances.shape[1]) == place[:, None]

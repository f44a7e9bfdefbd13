"""Is what a decision says true? Draws groups, counts, and compares what is said with what is so.

g groups of a arms.
"""

import itertools
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from adscore.bundle import Spread
from adscore.decision import Arm, DecisionSettings, Group, Prediction, decide
from adscore.decision.figures import Aim, Figures, Question, find_figures
from adscore.decision.posterior import Evidence, sloped
from adscore.decision.status import STATUSES, Status

Array = NDArray[np.float64]

_LEADER = STATUSES.index(Status.LEADER)
_DAYS = 30
_BINS = 10


def drawn(spread: Spread, groups: int, arms: int, seed: int) -> tuple[Array, Array]:
    """Predicted logits and true rates of groups that are as the model says, (g, a) each."""
    rng = np.random.default_rng(seed)
    logits = logit(0.015) + rng.normal(0, 0.15, (groups, arms))
    offset = rng.normal(0, spread.between_groups, (groups, 1))
    left = rng.normal(0, spread.residual, (groups, arms))
    return logits, expit(sloped(logits, spread.slope) + offset + left)


def figures_of(
    logits: Array, trials: Array, successes: Array, spread: Spread, aim: Aim = Aim.EARN
) -> Figures:
    """What a decision says of groups, (g, a) each."""
    groups = len(logits)
    evidence = Evidence(
        sloped(logits, spread.slope),
        np.full(logits.shape, spread.residual),
        np.full(groups, spread.between_groups),
        trials,
        successes,
    )
    question = Question(aim, 0.01, [1.0], trials.sum(axis=1), np.full(groups, -1))
    return find_figures([evidence], question)


@dataclass(frozen=True, slots=True)
class Truth:
    """What came of even traffic.

    Attributes:
        coverage: Share of the true rates in their 90 % intervals.
        chance_error: Mean distance of said and true chances to be best, over ten bins.
        leaders: Groups that have a leader.
        leader_loss: Mean loss of choosing it, over the best rate; NaN without one.
    """

    coverage: float
    chance_error: float
    leaders: int
    leader_loss: float


def check_truth(logits: Array, rates: Array, spread: Spread, trials: int, seed: int) -> Truth:
    """Gives every arm so many trials, and compares what is said with the true rates."""
    counted = np.full(rates.shape, float(trials))
    clicks = np.random.default_rng(seed).binomial(trials, rates).astype(float)
    figures = figures_of(logits, counted, clicks, spread)
    held = (figures.lower <= rates) & (rates <= figures.upper)
    is_best = rates == rates.max(axis=1, keepdims=True)
    said = figures.chance_best.ravel()
    bin_of = np.minimum((said * _BINS).astype(int), _BINS - 1)
    error = sum(
        abs(said[bin_of == one].mean() - is_best.ravel()[bin_of == one].mean())
        * (bin_of == one).mean()
        for one in range(_BINS)
        if (bin_of == one).any()
    )
    leads = figures.status == _LEADER
    chosen = np.take_along_axis(rates, figures.leader[:, None], axis=1)[:, 0]
    loss = (1 - chosen / rates.max(axis=1))[leads]
    mean_loss = float(loss.mean()) if leads.any() else float("nan")
    return Truth(float(held.mean()), float(error), int(leads.sum()), mean_loss)


def daily_leaders(
    logits: Array, rates: Array, spread: Spread, daily: float, days: int = _DAYS
) -> Iterator[NDArray[np.int64]]:
    """Splits traffic to learn, day by day; yields the place of each leader, -1 where none, (g,)."""
    rng = np.random.default_rng(7)
    arms = rates.shape[1]
    trials, clicks = np.zeros(rates.shape), np.zeros(rates.shape)
    share = np.full(rates.shape, 1 / arms)
    for _ in range(days):
        today = np.round(share * daily * arms)
        trials = trials + today
        clicks = clicks + rng.binomial(today.astype(int), rates)
        figures = figures_of(logits, trials, clicks, spread, Aim.LEARN)
        share = figures.share
        yield np.where(figures.status == _LEADER, figures.leader, -1)


def false_leaders(spread: Spread, groups: int, apart: float) -> float:
    """Share of groups of four equal arms that ever have a leader in 30 days of 100,000 an arm.

    Args:
        spread: Of the model.
        groups: How many.
        apart: Standard deviation of what is predicted of arms that are equal, in logits.
    """
    logits = logit(0.015) + np.random.default_rng(3).normal(0, apart, (groups, 4))
    rates = np.full((groups, 4), 0.015)
    days = daily_leaders(logits, rates, spread, 100_000 / _DAYS)
    return float((np.array(list(days)) >= 0).any(axis=0).mean())


def found(spread: Spread, groups: int, apart: float) -> float:
    """Share of groups with one arm better by a fifth where it leads by 30,000 trials an arm.

    Args:
        spread: Of the model.
        groups: How many, of four arms at 1.5 %.
        apart: As `false_leaders` has it: predictions know nothing of the better arm.
    """
    logits = logit(0.015) + np.random.default_rng(4).normal(0, apart, (groups, 4))
    rates = np.full((groups, 4), 0.015) * np.where(np.arange(4) == 0, 1.2, 1.0)
    days = np.array(list(daily_leaders(logits, rates, spread, 100_000 / _DAYS, days=9)))
    first = (days >= 0).argmax(axis=0)
    return float((days[first, np.arange(groups)] == 0).mean())


# === Speed ===


def speed_of_groups(groups: int) -> tuple[float, float, float]:
    """Seconds for groups of five arms, scores given; those of processors; peak memory in MB."""
    settings = DecisionSettings({"ctr": 1.0}, {"ctr": Spread(0.6, 0.25)})
    rng = np.random.default_rng(0)

    def group(number: int) -> Group:
        trials = rng.integers(0, 5_000, 5).astype(float)
        rates = 0.015 * np.exp(rng.normal(0, 0.3, 5))
        clicks = rng.binomial(trials.astype(int), rates)
        rows = zip(trials.tolist(), clicks.tolist(), rates.tolist(), strict=True)
        arms = [
            Arm(str(place), {"ctr": Prediction.of_rate(rate)}, {"ctr": n}, {"ctr": c})
            for place, (n, c, rate) in enumerate(rows)
        ]
        return Group(str(number), arms)

    started, worked = time.perf_counter(), time.process_time()
    count = sum(1 for _ in decide(map(group, range(groups)), settings))
    seconds, busy = time.perf_counter() - started, time.process_time() - worked
    assert count == groups
    return seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed_of_one(rounds: int = 200) -> float:
    """Milliseconds of a processor for one group of ten arms, the median."""
    settings = DecisionSettings({"ctr": 1.0}, {"ctr": Spread(0.6, 0.25)})
    predictions = {"ctr": Prediction.of_rate(0.015)}
    arms = [Arm(str(n), predictions, {"ctr": 3_000.0}, {"ctr": 40.0 + n}) for n in range(10)]
    times = []
    for _ in itertools.repeat(None, rounds):
        started = time.process_time()
        list(decide([Group("group", arms)], settings))
        times.append(time.process_time() - started)
    return 1_000 * float(np.median(times))

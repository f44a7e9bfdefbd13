"""When has a group a leader, and what does a decision cost?

g groups of a arms.
"""

import itertools
import resource
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Spread
from adscore.decision import Arm, DecisionSettings, Group, Prediction, decide
from adscore.decision.figures import Aim
from adscore.decision.status import STATUSES, Status
from deciding_bench.truth import figures_of

Array = NDArray[np.float64]

_LEADER = STATUSES.index(Status.LEADER)
_DAYS = 30
RATE = 0.015


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


def false_leaders(logits: Array, spread: Spread) -> float:
    """Share of groups of equal arms that ever have a leader in 30 days of 100,000 an arm.

    Args:
        logits: What is predicted of arms that are equal, (g, a).
        spread: Of the model.
    """
    days = daily_leaders(logits, np.full(logits.shape, RATE), spread, 100_000 / _DAYS)
    return float((np.array(list(days)) >= 0).any(axis=0).mean())


def found(logits: Array, spread: Spread) -> float:
    """Share of groups with one arm better by a fifth where it leads by 30,000 trials an arm.

    Args:
        logits: As `false_leaders` has it: predictions know nothing of the better arm.
        spread: Of the model.
    """
    rates = RATE * np.where(np.arange(logits.shape[1]) == 0, 1.2, np.ones(logits.shape))
    days = np.array(list(daily_leaders(logits, rates, spread, 100_000 / _DAYS, days=9)))
    first = (days >= 0).argmax(axis=0)
    return float((days[first, np.arange(len(logits))] == 0).mean())


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

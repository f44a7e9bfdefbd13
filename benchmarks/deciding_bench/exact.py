"""Does quadrature find what other ways find? Dense grids, draws, and another library."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from adscore.decision.figures import Aim, Figures, Question, find_figures
from adscore.decision.posterior import Evidence

Array = NDArray[np.float64]

_LOGITS = np.linspace(-12, 4, 8_001)
_RATES = expit(_LOGITS)
_OFFSETS = 401
_NEGLIGIBLE = 1e-9
# A normal prior of logits, so wide and so far away that at -4, where rates of 2 % lie, it rises as
# the flat prior of rates does.
_FLAT_LOGIT, _FLAT_DEVIATION = 28.0, 32**0.5


@dataclass(frozen=True, slots=True)
class Exact:
    """What is known of the arms of a group, (arms,) each.

    Attributes:
        mean: Expected rate.
        chance_best: Chance that no other arm is better.
        loss: Expected loss of choosing the arm, in rates.
        chance_above: Chance that it is above the first.
    """

    mean: Array
    chance_best: Array
    loss: Array
    chance_above: Array


def brute_force(evidence: Evidence) -> Exact:
    """Sums of one group's densities over dense grids of its offset and of every logit."""
    arms = evidence.logits.shape[1]
    mean, best, loss, above = (np.zeros(arms) for _ in range(4))
    for weight, density in _given_offsets(evidence):
        below = np.cumsum(density, axis=1) - density / 2
        for arm in range(arms):
            others = np.delete(below, arm, axis=0).prod(axis=0)
            gap = below[arm] * (1 - others)
            mean[arm] += weight * (density[arm] * _RATES).sum()
            best[arm] += weight * (density[arm] * others).sum()
            loss[arm] += weight * ((gap[1:] + gap[:-1]) / 2 * np.diff(_RATES)).sum()
            above[arm] += weight * (density[arm] * below[0]).sum()
    return Exact(mean, best, loss, above)


def _given_offsets(evidence: Evidence) -> Iterator[tuple[float, Array]]:
    """The weight of each offset that matters, and the arms' densities given it, (arms, nodes)."""
    between = evidence.between[0]
    offsets = np.linspace(-6 * between, 6 * between, _OFFSETS)
    trials, successes = evidence.trials[0][:, None], evidence.successes[0][:, None]
    logits, residual = evidence.logits[0][:, None], evidence.residual[0][:, None]
    likelihood = successes * _LOGITS + trials * log_expit(-_LOGITS)

    def logs(offset: float) -> Array:
        return likelihood - ((_LOGITS - offset - logits) / residual) ** 2 / 2

    def log_weight(offset: float) -> float:
        log = logs(offset)
        top = log.max(axis=1)
        arms = top + np.log(np.exp(log - top[:, None]).sum(axis=1))
        return float(arms.sum() - (offset / between) ** 2 / 2)

    log_weights = np.array([log_weight(offset) for offset in offsets])
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    for offset, weight in zip(offsets, weights, strict=True):
        if weight > _NEGLIGIBLE:
            log = logs(offset)
            density = np.exp(log - log.max(axis=1, keepdims=True))
            yield float(weight), density / density.sum(axis=1, keepdims=True)


def drawn_values(
    targets: Sequence[Evidence], worth: Sequence[float], draws: int, seed: int
) -> Array:
    """Draws of the values of one group's arms from dense grids, (draws, arms)."""
    rng = np.random.default_rng(seed)
    values = np.zeros((draws, targets[0].logits.shape[1]))
    for evidence, value in zip(targets, worth, strict=True):
        given = list(_given_offsets(evidence))
        weights = np.array([weight for weight, _ in given])
        counts = rng.multinomial(draws, weights / weights.sum())
        parts = [
            [np.interp(rng.random(count), np.cumsum(one), _RATES) for one in density]
            for count, (_, density) in zip(counts, given, strict=True)
        ]
        rates = np.concatenate([np.array(part).T for part in parts])
        values += value * rng.permutation(rates)
    return values


def figures_of_one(targets: Sequence[Evidence], worth: Sequence[float]) -> Figures:
    """What `decide` says of one group, compared with its first arm."""
    question = Question(Aim.EARN, 0.01, worth, np.zeros(1), np.zeros(1, dtype=np.int64))
    return find_figures(targets, question)


def random_groups(groups: int, seed: int) -> Iterator[Evidence]:
    """Groups as unlike as they come: spreads, trials from none to a million, two to six arms."""
    rng = np.random.default_rng(seed)
    for number in range(groups):
        arms = 2 + number % 5
        between, residual = np.exp(rng.uniform(np.log([0.1, 0.05]), np.log([1.5, 0.8])))
        logits = -4.2 + rng.normal(0, 0.3, (1, arms))
        left = residual * np.where(rng.random((1, arms)) < 0.2, 1.5, 1)
        trials = np.exp(rng.uniform(0, np.log(1e6), (1, arms))) * (rng.random((1, arms)) < 0.8)
        rates = expit(logits + rng.normal(0, between) + left * rng.normal(size=(1, arms)))
        trials = trials.round()
        successes = rng.binomial(trials.astype(int), rates).astype(float)
        yield Evidence(logits, left, np.array([between]), trials, successes)


def worst_chance(groups: int) -> float:
    """The most that any chance is off that of brute force, over some random groups."""
    worst = 0.0
    for evidence in random_groups(groups, seed=0):
        found, exact = figures_of_one([evidence], [1.0]), brute_force(evidence)
        errors = [found.chance_best[0] - exact.chance_best]
        errors += [found.chance_above[0, 1:] - exact.chance_above[1:]]
        worst = max(worst, float(np.abs(np.concatenate(errors)).max()))
    return worst


@dataclass(frozen=True, slots=True)
class ValueErrors:
    """The most that figures of values of two targets are off those of draws.

    Attributes:
        chance: Of being best.
        loss: Relative loss.
        mean: Over the mean.
        ends: Of 90 % intervals, over the end.
    """

    chance: float
    loss: float
    mean: float
    ends: float


def worst_value(groups: int, draws: int = 200_000) -> ValueErrors:
    """Compares values of clicks at 1 and sales at 20, a tenth as many, with draws."""
    worst = np.zeros(4)
    rng = np.random.default_rng(1)
    for number, clicks in enumerate(random_groups(groups, seed=1)):
        logits = clicks.logits - 2.3
        rates = expit(logits + 0.3 * rng.normal(size=logits.shape))
        sales = Evidence(
            logits,
            clicks.residual,
            clicks.between,
            clicks.trials,
            rng.binomial(clicks.trials.astype(int), rates).astype(float),
        )
        targets, worth = [clicks, sales], [1.0, 20.0]
        found = figures_of_one(targets, worth)
        values = drawn_values(targets, worth, draws, seed=number)
        is_best = values.argmax(axis=1)
        best = np.bincount(is_best, minlength=values.shape[1]) / draws
        highest = values.max(axis=1).mean()
        ends = np.quantile(values, [0.05, 0.95], axis=0)
        errors = [
            np.abs(found.chance_best[0] - best).max(),
            np.abs(found.relative_loss[0] - (1 - values.mean(axis=0) / highest)).max(),
            np.abs(found.mean[0] / values.mean(axis=0) - 1).max(),
            np.abs(np.stack([found.lower[0], found.upper[0]]) / ends - 1).max(),
        ]
        worst = np.maximum(worst, errors)
    return ValueErrors(*worst.tolist())


def worst_of_peer(groups: int, draws: int = 400_000) -> float:
    """The most that chances of being best are off those of bayesian-testing, of one flat prior."""
    rng = np.random.default_rng(2)
    peer_test = _peer_test()
    worst = 0.0
    for number in range(groups):
        shape = (1, 2 + number % 5)
        trials = np.exp(rng.uniform(np.log(200), np.log(1e5), shape)).round()
        successes = rng.binomial(trials.astype(int), 0.02 * np.exp(0.1 * rng.normal(size=shape)))
        flat = Evidence(
            np.full(shape, _FLAT_LOGIT),
            np.full(shape, _FLAT_DEVIATION),
            np.full(1, 1e-3),
            trials,
            successes.astype(float),
        )
        peer = peer_test()
        for arm, (total, positive) in enumerate(zip(trials[0], successes[0], strict=True)):
            peer.add_variant_data_agg(str(arm), int(total), int(positive), a_prior=1, b_prior=1)
        chances = list(peer.probabs_of_being_best(sim_count=draws, seed=number).values())
        found = figures_of_one([flat], [1.0]).chance_best[0]
        worst = max(worst, float(np.abs(found - chances).max()))
    return worst


def _peer_test() -> Callable[[], Any]:
    """The peer's class; what its import does to the logging of the whole process is undone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    from bayesian_testing.experiments import BinaryDataTest

    root.handlers[:] = handlers
    root.setLevel(level)
    return BinaryDataTest  # type: ignore[no-any-return]

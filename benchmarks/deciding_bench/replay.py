"""Replays of real tests: the same traffic split by several policies, a batch at a time.

A policy sees what was counted so far and says how to split the next tenth of the traffic. The true
rates are drawn from each test's own posterior without the model (`true_rates`), so that no policy
is helped by how they came about.

g groups of a arms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from adscore.bundle import Spread
from adscore.decision.figures import Aim, Question, find_figures
from adscore.decision.posterior import Evidence, find_posterior, sloped

Array = NDArray[np.float64]

BATCHES = 10
DRAWS = 300
# Of the upper bound that others use: the prediction as so many impressions, and its reach.
PSEUDO_TRIALS = 1_000
BOUND = 0.08
# Of a test and then a choice: the part of the batches that is the test.
TEST_BATCHES = 2


@dataclass(frozen=True, slots=True)
class Tests:
    """Tests of as many arms each.

    Attributes:
        logits: Predicted, (g, a).
        rates: True ones, (g, a).
        trials: What was really counted, (g, a).
        successes: The same.
    """

    logits: Array
    rates: Array
    trials: Array
    successes: Array


@dataclass(frozen=True, slots=True)
class Known:
    """What policies know of tests in general, none of it from the tests that are replayed.

    Attributes:
        spread: Of the bundle.
        mean: Rate over all rows that the model was trained on.
        concentration: Of these rows' rates.
    """

    spread: Spread
    mean: float
    concentration: float


@dataclass(frozen=True, slots=True)
class State:
    """What a policy sees.

    Attributes:
        logits: Predicted, (g, a).
        trials: (g, a).
        successes: (g, a).
        left: Trials of a group still to come.
        batch: Number of the batch, from 0.
    """

    logits: Array
    trials: Array
    successes: Array
    left: float
    batch: int


Policy = Callable[[State, Known, np.random.Generator], Array]


# === Policies: shares of the next batch, (g, a) ===


def adscore(state: State, known: Known, rng: np.random.Generator) -> Array:  # noqa: ARG001
    """What `adscore decide --aim earn` says."""
    groups = len(state.logits)
    evidence = Evidence(
        sloped(state.logits, known.spread.slope),
        np.full(state.logits.shape, known.spread.residual),
        np.full(groups, known.spread.between_groups),
        state.trials,
        state.successes,
    )
    nobody = np.full(groups, -1)
    question = Question(Aim.EARN, 0.01, [1.0], np.full(groups, state.left), nobody)
    return find_figures([evidence], question).share


def thompson_flat(state: State, known: Known, rng: np.random.Generator) -> Array:  # noqa: ARG001
    """Thompson sampling, every rate as likely as any other before."""
    return _thompson(state, 1.0, 1.0, rng)


def thompson_empirical(state: State, known: Known, rng: np.random.Generator) -> Array:
    """Thompson sampling, rates before as they were in training."""
    successes = known.mean * known.concentration
    return _thompson(state, successes, known.concentration - successes, rng)


def prediction(state: State, known: Known, rng: np.random.Generator) -> Array:  # noqa: ARG001
    """All for the arm that is predicted to be best."""
    return _all_for(state.logits)


def upper_bound(state: State, known: Known, rng: np.random.Generator) -> Array:  # noqa: ARG001
    """All for the highest upper bound, predictions counted as impressions."""
    trials = state.trials + PSEUDO_TRIALS
    mean = (state.successes + PSEUDO_TRIALS * expit(state.logits)) / trials
    together = trials.sum(axis=1, keepdims=True)
    return _all_for(mean + BOUND * np.sqrt(2 * mean * np.log(together) / trials))


def test_then_commit(state: State, known: Known, rng: np.random.Generator) -> Array:
    """A fifth for an even test, the rest for what was best in it; ties are drawn."""
    if state.batch < TEST_BATCHES:
        return even(state, known, rng)
    if state.batch > TEST_BATCHES:
        return _all_for(state.trials)  # which it has chosen before
    return _all_for(state.successes / state.trials + 1e-9 * rng.random(state.trials.shape))


def even(state: State, known: Known, rng: np.random.Generator) -> Array:  # noqa: ARG001
    """As much for each arm."""
    return np.full(state.logits.shape, 1 / state.logits.shape[1])


POLICIES: Mapping[str, Policy] = {
    "adscore": adscore,
    "Thompson, flat": thompson_flat,
    "Thompson, empirical Bayes": thompson_empirical,
    "prediction alone": prediction,
    "upper bound": upper_bound,
    "test, then commit": test_then_commit,
}


def _thompson(state: State, successes: float, failures: float, rng: np.random.Generator) -> Array:
    alpha = state.successes + successes
    beta = state.trials - state.successes + failures
    draws = rng.beta(alpha, beta, size=(DRAWS, *alpha.shape))
    share: Array = (draws == draws.max(axis=-1, keepdims=True)).mean(axis=0)
    return share


def _all_for(index: Array) -> Array:
    share = np.zeros(index.shape)
    share[np.arange(len(index)), index.argmax(axis=1)] = 1
    return share


# === A replay ===


def earned(
    tests: Tests, impressions: int, policy: Policy, known: Known, seed: int
) -> tuple[Array, Array]:
    """Replays tests.

    Args:
        tests: Of as many arms each.
        impressions: Of an arm, were the traffic split evenly.
        policy: Splits it.
        known: What it knows beside the tests.
        seed: Of clicks and draws.

    Returns:
        Clicks to expect above an even split, and the most that there could be, (g,) each.
    """
    rng = np.random.default_rng(seed)
    arms = tests.rates.shape[1]
    batch = impressions * arms / BATCHES
    nothing = np.zeros(tests.rates.shape)
    state = State(tests.logits, nothing, nothing, impressions * arms, 0)
    gain = np.zeros(len(tests.rates))
    average = tests.rates.mean(axis=1)
    for number in range(BATCHES):
        state = replace(state, batch=number, left=batch * (BATCHES - number))
        trials = _whole(policy(state, known, rng) * batch, rng)
        clicks = rng.binomial(trials.astype(int), tests.rates)
        gain += (trials * (tests.rates - average[:, None])).sum(axis=1)
        state = replace(state, trials=state.trials + trials, successes=state.successes + clicks)
    return gain, BATCHES * batch * (tests.rates.max(axis=1) - average)


def _whole(trials: Array, rng: np.random.Generator) -> Array:
    """Whole numbers whose expectation these are."""
    whole = np.floor(trials)
    return whole + (rng.random(trials.shape) < trials - whole)


def true_rates(trials: Array, successes: Array, spread: Spread, mean: float, seed: int) -> Array:
    """Draws each test's rates from its own posterior, without the model, (g, a)."""
    shape = trials.shape
    evidence = Evidence(
        np.full(shape, logit(mean)),
        np.full(shape, spread.residual),
        np.full(shape[0], spread.between_groups),
        trials,
        successes,
    )
    return drawn_rates(evidence, 1, np.random.default_rng(seed))[0]


def drawn_rates(evidence: Evidence, draws: int, rng: np.random.Generator) -> Array:
    """Draws from the posterior, (draws, g, a)."""
    parts = []
    for start in range(0, len(evidence.logits), 64):
        posterior = find_posterior(evidence.rows(slice(start, start + 64)))
        shape = (draws, *posterior.evidence.logits.shape)
        reach = posterior.coarse_weights().cumsum(axis=1)
        offset = (reach < rng.random((*shape[:2], 1))).sum(axis=-1)  # (draws, g)
        groups = np.arange(shape[1])
        means, deviations = (
            column[groups, :, offset] for column in (posterior.means, posterior.deviations)
        )
        parts.append(expit(means + deviations * rng.standard_normal(shape)))
    return np.concatenate(parts, axis=1)


def with_predictions(tests: Tests, how: str, seed: int) -> Tests:
    """The tests with predictions as they are, shuffled among the arms, or reversed."""
    if how == "shuffled":
        rng = np.random.default_rng(seed)
        return replace(tests, logits=rng.permuted(tests.logits, axis=1))
    if how == "reversed":
        middle = tests.logits.mean(axis=1, keepdims=True)
        return replace(tests, logits=2 * middle - tests.logits)
    return tests


def share_of_gain(pairs: Sequence[tuple[Array, Array]]) -> float:
    """Share of the possible gain over all tests."""
    gain, most = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
    return float(gain.sum() / most.sum())


def difference(
    first: Sequence[tuple[Array, Array]],
    second: Sequence[tuple[Array, Array]],
    repeats: int,
    seed: int,
) -> tuple[float, float]:
    """The 95 % interval of how much more of the gain the first has, by a paired bootstrap.

    Tests are drawn with all their repeats, which are alike.
    """

    def of_tests(column: Array) -> Array:
        whole: Array = column.reshape(repeats, -1).sum(axis=0)
        return whole

    more = np.concatenate(
        [of_tests(one - other) for (one, _), (other, _) in zip(first, second, strict=True)]
    )
    most = np.concatenate([of_tests(one) for _, one in first])
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(more), (2_000, len(more)))
    differences = more[picked].sum(axis=1) / most[picked].sum(axis=1)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)

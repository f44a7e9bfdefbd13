"""Where scores fall among those of the training reference, and whether that has shifted.

The percentile of a score is uniform over the reference by construction, so a shift of what
is sent (or of what a model makes of it) shows as bins of the percentile that are too full
or too empty. The population stability index is the usual figure for it: the sum over the bins
of (p - q) ln(p / q), where p is the share now and q = 1/10 that of the reference. Rules of
thumb: below 0.1 nothing has changed, above 0.25 the model should be looked at.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

BINS = 10
WINDOW_SCORES = 10_000

# Of n scores that have not shifted, the index is about 9 / n by chance: here 0.018.
MIN_SCORES = 500

# The names of models and targets are the operator's, but versions come and go.
_MAX_DISTRIBUTIONS = 256

# Half a score more in each bin, so that an empty one has a logarithm.
_PRIOR = 0.5

Key = tuple[str, str, str]


@dataclass(slots=True)
class Distribution:
    """The percentiles that one version of a model gave for one target.

    Attributes:
        totals: Scores ever, by tenth of the percentile.
        percentile_sum: Sum of their percentiles.
        recent: The same as `totals`, of the last `WINDOW_SCORES` scores alone.
    """

    totals: list[int] = field(default_factory=lambda: [0] * BINS)
    percentile_sum: float = 0.0
    recent: list[int] = field(default_factory=lambda: [0] * BINS)
    # A ring of bins: the next place to write holds the oldest score.
    _ring: bytearray = field(default_factory=bytearray)
    _next: int = 0

    def add(self, percentile: float) -> None:
        """Counts a score.

        Args:
            percentile: From 0 to 100.
        """
        tenth = min(int(percentile * BINS / 100), BINS - 1)
        self.totals[tenth] += 1
        self.percentile_sum += percentile
        self.recent[tenth] += 1
        if len(self._ring) < WINDOW_SCORES:
            self._ring.append(tenth)
            return
        self.recent[self._ring[self._next]] -= 1
        self._ring[self._next] = tenth
        self._next = (self._next + 1) % WINDOW_SCORES

    def stability_index(self) -> float | None:
        """The population stability index of the recent scores; None where they are too few."""
        count = sum(self.recent)
        if count < MIN_SCORES:
            return None
        shares = [(one + _PRIOR) / (count + BINS * _PRIOR) for one in self.recent]
        return sum((share - 1 / BINS) * math.log(share * BINS) for share in shares)

    def copy(self) -> "Distribution":
        """The figures as they are now, without the ring."""
        return Distribution([*self.totals], self.percentile_sum, [*self.recent])


class ScoreDistributions:
    """The distributions of all models; safe to use from many threads, bounded in memory.

    The version that was scored with the longest ago is forgotten first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: OrderedDict[Key, Distribution] = OrderedDict()

    def add(self, model: str, version: str, percentiles: Iterable[tuple[str, float]]) -> None:
        """Counts the scores of one creative.

        Args:
            model: Name of the model.
            version: Version of the model.
            percentiles: For each target its name and the percentile, from 0 to 100.
        """
        with self._lock:
            for target, percentile in percentiles:
                if math.isnan(percentile):  # it falls nowhere
                    continue
                key = (model, version, target)
                if key not in self._by_key:
                    self._by_key[key] = Distribution()
                    if len(self._by_key) > _MAX_DISTRIBUTIONS:
                        self._by_key.popitem(last=False)
                self._by_key.move_to_end(key)
                self._by_key[key].add(percentile)

    def snapshot(self) -> dict[Key, Distribution]:
        """The distributions as they are now, by model, version and target."""
        with self._lock:
            return {key: one.copy() for key, one in sorted(self._by_key.items())}

"""The distribution of scores over the training reference, and whether it has shifted.

Over the reference, the percentile of a score is uniform by construction, so a shift in the
creatives sent (or in the model's predictions for them) shows as percentile bins that are too full
or too empty. The usual metric is the population stability index: the sum over the bins of
(p - q) ln(p / q), where p is the share now and q = 1/10 the share in the reference. Rules of
thumb: below 0.1 nothing has changed; above 0.25 someone should look at the model.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

BINS = 10
WINDOW_SCORES = 10_000

# For n scores without a shift, the index is about 9 / n by chance: here 0.018.
MIN_SCORES = 500

# Models and targets are few, but versions come and go.
_MAX_DISTRIBUTIONS = 256

# Half a score added to each bin, so that the logarithm of an empty one is finite.
_PRIOR = 0.5

Key = tuple[str, str, str]


@dataclass(slots=True)
class Distribution:
    """The percentiles of one version's scores for one target.

    Attributes:
        totals: Number of all scores in each tenth of the percentile.
        percentile_sum: Sum of their percentiles.
        recent: Like `totals`, for the last `WINDOW_SCORES` scores only.
    """

    totals: list[int] = field(default_factory=lambda: [0] * BINS)
    percentile_sum: float = 0.0
    recent: list[int] = field(default_factory=lambda: [0] * BINS)
    # A ring buffer of bins: the next write position holds the oldest score.
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
        """The population stability index of the recent scores; None if there are too few."""
        count = sum(self.recent)
        if count < MIN_SCORES:
            return None
        shares = [(one + _PRIOR) / (count + BINS * _PRIOR) for one in self.recent]
        return sum((share - 1 / BINS) * math.log(share * BINS) for share in shares)

    def copy(self) -> "Distribution":
        """A copy of the current counts, without the ring buffer."""
        return Distribution([*self.totals], self.percentile_sum, [*self.recent])


class ScoreDistributions:
    """The distributions of all models; thread-safe and bounded in memory.

    The least recently scored version is evicted first.
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
                if math.isnan(percentile):  # it belongs to no bin
                    continue
                key = (model, version, target)
                if key not in self._by_key:
                    self._by_key[key] = Distribution()
                    if len(self._by_key) > _MAX_DISTRIBUTIONS:
                        self._by_key.popitem(last=False)
                self._by_key.move_to_end(key)
                self._by_key[key].add(percentile)

    def snapshot(self) -> dict[Key, Distribution]:
        """The current distributions, by model, version and target."""
        with self._lock:
            return {key: one.copy() for key, one in sorted(self._by_key.items())}

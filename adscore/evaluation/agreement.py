"""Metrics of an agreement matrix: does a headline find its image among those of others?"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adscore.evaluation.intervals import Found, found_intervals
from adscore.evaluation.metrics import with_ends
from adscore.evaluation.outcomes import Floats, Ints, sum_by

# Rows of the matrix taken together hold about this many cells (16 MB of float64).
_BLOCK_CELLS = 1 << 21


@dataclass(frozen=True, slots=True)
class AgreementMetrics:
    """How well agreement finds the columns that match a row.

    Attributes:
        recall_at_1: Share of the rows whose rank is 1.
        recall_at_10: Share of the rows whose rank is at most 10.
        median_rank: Median rank, from 1.
        auc: Probability that a matching cell is above one that does not match, ties half;
            None where no cell is left that does not match.

    A row's rank is that of its best match among the columns that do not match it; a tie
    costs half a place, so a constant agreement ranks in the middle, not first. Rows
    without a match have no rank. Where no cell matches, every metric is None. `intervals` holds
    the ends of their 90 % intervals by name, where there are rows enough.
    """

    recall_at_1: float | None
    recall_at_10: float | None
    median_rank: float | None
    auc: float | None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float | None]:
        """The metrics by name, without their intervals."""
        return {name: value for name, value in asdict(self).items() if name != "intervals"}

    def to_dict(self) -> dict[str, float | int | None]:
        """The metrics by their names in JSON, with the ends of their intervals; see `with_ends`."""
        return with_ends(self.values, self.intervals)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What one row finds.

    Attributes:
        row: The row of the matrix.
        rank: Of its best match, from 1; see `AgreementMetrics`.
        found: The columns of highest agreement, the highest first.
    """

    row: int
    rank: float
    found: tuple[int, ...]


def evaluate_agreement(
    agreement: NDArray[np.floating],
    matches: ArrayLike | None = None,
    clusters: Ints | None = None,
) -> AgreementMetrics:
    """Measures how well agreement finds the cells that match.

    Memory beyond the matrix is bounded; a few thousand rows and columns take seconds.

    Args:
        agreement: (n, m) finite floats; higher is a better fit. Rows are the queries: pass the
            transpose to search the other way.
        matches: (pairs, 2) whole numbers, row and column of each cell that matches; a row or
            a column may have several or none. Left out: the diagonal of a square matrix.
        clusters: (n,) numbers from 0, equal for rows that stand or fall together, for intervals;
            every row has a match. None: no intervals.

    Raises:
        ValueError: The matrix is not one, is not finite, or a match lies outside it.
    """
    if agreement.ndim != 2:
        raise ValueError(f"agreement: expected (n, m). Received: shape {agreement.shape}")
    if not all(np.isfinite(block).all() for _, block in _row_blocks(agreement)):
        raise ValueError("agreement: expected finite numbers. Received: NaN or infinity")
    cells = _read_matches(matches, agreement.shape)
    if not len(cells):
        return AgreementMetrics(None, None, None, None)
    ranks, beaten = _ranks(agreement, cells), _beaten(agreement, cells)
    metrics = AgreementMetrics(
        recall_at_1=float(np.mean(ranks <= 1)),
        recall_at_10=float(np.mean(ranks <= 10)),
        median_rank=float(np.median(ranks)),
        auc=None if beaten is None else float(beaten.mean()),
    )
    if clusters is None:
        return metrics
    count = np.bincount(cells[:, 0], minlength=len(ranks)).astype(np.float64)
    found = Found(ranks, clusters, count)
    if beaten is not None:
        found = replace(found, beaten=sum_by(cells[:, 0], beaten, len(ranks)))
    return replace(metrics, intervals=found_intervals(found))


def example_retrievals(
    agreement: NDArray[np.floating], matches: Ints, rows: Ints, *, each: int = 3, found: int = 5
) -> list[Retrieval]:
    """A few rows that find their match first, among the first ten, and later.

    Args:
        agreement: (n, m) finite floats; higher is a better fit.
        matches: (pairs, 2) int64, row and column of each cell that matches.
        rows: Rows to choose from, rising; those without a match are left out.
        each: Examples of each kind, evenly spaced among the rows of that kind.
        found: Columns of an example.
    """
    ranks = np.full(len(agreement), np.nan)
    ranks[np.unique(matches[:, 0])] = _ranks(agreement, matches)
    kinds = np.searchsorted([1, 10], ranks[rows], side="left")
    chosen = []
    for kind in range(3):
        some = rows[(kinds == kind) & ~np.isnan(ranks[rows])]
        places = np.linspace(0, len(some) - 1, min(each, len(some))).round().astype(np.int64)
        chosen += some[places].tolist()
    order = {row: np.argsort(-agreement[row], kind="stable")[:found].tolist() for row in chosen}
    return [Retrieval(row, float(ranks[row]), tuple(order[row])) for row in chosen]


def _read_matches(matches: ArrayLike | None, shape: tuple[int, ...]) -> Ints:
    """(pairs, 2) int64, the distinct matching cells in order of row."""
    if matches is None:
        if shape[0] != shape[1]:
            raise ValueError(f"matches: expected with a matrix of {shape[0]} x {shape[1]}")
        return np.repeat(np.arange(shape[0])[:, None], 2, axis=1)
    cells = np.asarray(matches)
    if cells.size == 0:
        return np.empty((0, 2), np.int64)
    if cells.ndim != 2 or cells.shape[1] != 2 or cells.dtype.kind not in "iu":
        found = f"{cells.dtype} of shape {cells.shape}"
        raise ValueError(f"matches: expected whole numbers (pairs, 2). Received: {found}")
    if (cells < 0).any() or (cells >= np.array(shape)).any():
        raise ValueError(f"matches: expected cells inside {shape[0]} x {shape[1]}")
    return np.unique(cells.astype(np.int64), axis=0)


def _ranks(agreement: NDArray[np.floating], cells: Ints) -> Floats:
    """(rows with a match,) float64, rank of each row's best match."""
    value = agreement[cells[:, 0], cells[:, 1]]
    best = np.full(len(agreement), -np.inf, agreement.dtype)
    np.maximum.at(best, cells[:, 0], value)
    # Another match as good as the best is no rival.
    tied_matches = np.bincount(cells[value == best[cells[:, 0]], 0], minlength=len(best))
    ranks = np.empty(len(best))
    for rows, block in _row_blocks(agreement):
        above = np.count_nonzero(block > best[rows, None], axis=1)
        level = np.count_nonzero(block == best[rows, None], axis=1)
        ranks[rows] = 1 + above + (level - tied_matches[rows]) / 2
    return ranks[best > -np.inf]


def _beaten(agreement: NDArray[np.floating], cells: Ints) -> Floats | None:
    """(matches,) share of the cells that do not match which each is above, ties half."""
    rivals = agreement.size - len(cells)
    if not rivals:
        return None
    value = agreement[cells[:, 0], cells[:, 1]]
    ordered = np.sort(value)
    # Cells below, plus half of those level, over the whole matrix less the matches.
    beaten = -_below_and_half_level(ordered, value)
    for _, block in _row_blocks(agreement):
        beaten += _below_and_half_level(np.sort(block, axis=None), value)
    share: Floats = beaten / rivals
    return share


def _below_and_half_level(ordered: NDArray[np.floating], value: NDArray[np.floating]) -> Floats:
    below = np.searchsorted(ordered, value, side="left")
    not_above = np.searchsorted(ordered, value, side="right")
    half: Floats = (below + not_above) / 2
    return half


def _row_blocks(
    agreement: NDArray[np.floating],
) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    step = max(1, _BLOCK_CELLS // max(1, agreement.shape[1]))
    for start in range(0, len(agreement), step):
        rows = slice(start, start + step)
        yield rows, agreement[rows]

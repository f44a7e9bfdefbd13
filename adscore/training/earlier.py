"""A new version of a model against the one before it, on groups that neither has seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adscore.bundle import TRAINING_GROUPS, list_versions
from adscore.errors import AdscoreError, TrainingError
from adscore.evaluation.bootstrap import Estimate, estimate_ranking
from adscore.evaluation.table import Evaluation, predict_rows, rows_not_trained_on
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training.split import draw_groups

# A frozen encoder is slow on each row: with more rows than this, a random part of the groups is
# compared.
MAX_COMPARED_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """How well two versions rank one target.

    Attributes:
        metric: ``"pairwise_accuracy"`` or ``"auc"``.
        earlier: That of the earlier version.
        new: That of the new one.
        gain: ``new - earlier``, with the ends of its 90 % interval.
    """

    metric: str
    earlier: float
    new: float
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same rows.

    Attributes:
        version: The earlier one.
        rows: How many were compared.
        groups: Of how many groups.
        targets: By target that both predict.
        reason: Why nothing could be compared; empty if something was.
    """

    version: str
    rows: int = 0
    groups: int = 0
    targets: Mapping[str, Difference] = field(default_factory=dict)
    reason: str = ""

    @property
    def worse(self) -> list[str]:
        """Targets that the new version ranks worse, with its whole interval below 0."""
        return [
            name
            for name, found in self.targets.items()
            if found.gain.upper is not None and found.gain.upper < 0
        ]

    def describe(self) -> list[str]:
        """Sentences that describe the comparison."""
        if self.reason:
            return [f"not compared with version {self.version}: {self.reason}"]
        where = f"{self.rows} creatives of {self.groups} groups that neither version has seen"
        return [f"{name}: {_words(found, self.version)}, on {where}"
                for name, found in self.targets.items()]  # fmt: skip


def _words(found: Difference, version: str) -> str:
    what = "pairs ranked right" if found.metric == "pairwise_accuracy" else "AUC"
    gain, sure = found.gain, "too few cases for an interval"
    if gain.lower is not None and gain.upper is not None:
        sure = f"90% interval {100 * gain.lower:+.1f} to {100 * gain.upper:+.1f}"
    return (
        f"{what} {found.new:.1%}, by version {version} {found.earlier:.1%}: a difference of "
        f"{100 * gain.value:+.1f} points ({sure})"
    )


def compare_with_earlier(
    model_dir: Path, table: CreativeTable, evaluation: Evaluation, seed: int
) -> Comparison | None:
    """Compares predictions for rows left out with those of the newest version there is.

    Each row was predicted by a model that had not seen its group; those count whose group the
    earlier version has not seen either.

    Args:
        model_dir: The model's folder.
        table: What the new version was fitted to.
        evaluation: Of its rows that were left out.
        seed: Decides which groups are taken, where there are too many.

    Returns:
        The comparison; None where there is no version yet.
    """
    versions = list_versions(model_dir)
    if not versions:
        return None
    path = model_dir / str(versions[-1])
    try:
        return _compare(path, table, evaluation, seed)
    except (AdscoreError, OSError) as error:  # a new version replaces a broken one
        return Comparison(path.name, reason=str(error).partition("\n")[0])


def require_no_worse(comparison: Comparison) -> None:
    """Refuses a version that is clearly worse than the one before it.

    Raises:
        TrainingError: The interval of a difference lies below 0.
    """
    if comparison.worse:
        raise TrainingError(
            f"expected a version that ranks no worse than version {comparison.version}. Received: "
            + "; ".join(comparison.describe())
            + ". Nothing was written; --force writes it all the same"
        )


def _compare(path: Path, table: CreativeTable, evaluation: Evaluation, seed: int) -> Comparison:
    unseen = rows_not_trained_on(table, (path / TRAINING_GROUPS).read_text())
    rows = np.intersect1d(evaluation.row_numbers, unseen)
    if not rows.size:
        return Comparison(path.name, reason="no group of this table is new to it")
    groups = np.unique(np.array(table.group_names, dtype=object)[rows], return_inverse=True)[1]
    rows = rows[draw_groups(groups, MAX_COMPARED_ROWS, seed)]
    scorer = Scorer.open(path)
    shared = [name for name in evaluation.targets if name in scorer.manifest.targets]
    if not shared:
        return Comparison(path.name, reason="it predicts other targets")
    earlier = predict_rows(scorer, table, rows)
    places = np.searchsorted(evaluation.row_numbers, rows)
    group = None if table.groups is None else np.array(table.groups, dtype=object)[rows]
    found = {}
    for name in shared:
        column = list(evaluation.targets).index(name)
        ranking = estimate_ranking(
            evaluation.predictions.mean[places, column],
            {path.name: earlier.mean[:, scorer.manifest.targets.index(name)]},
            table.successes[name][rows],
            table.trials[name][rows],
            group,
        )
        if ranking is not None:
            gain = ranking.gains[path.name]
            new = ranking.value.value
            found[name] = Difference(ranking.metric, new - gain.value, new, gain)
    if not found:
        return Comparison(path.name, reason="nothing in the groups new to it can be ranked")
    compared = len({table.group_names[row] for row in rows.tolist()})
    return Comparison(path.name, len(rows), compared, found)

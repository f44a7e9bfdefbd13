"""The report of an evaluation: how well a model predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError
from adscore.evaluation.outcomes import Ints
from adscore.evaluation.table import Evaluation, evaluate_table
from adscore.report.cards import Range, Seen, cut_headline, rate_range
from adscore.report.charts import target_charts
from adscore.report.page import render, write_page
from adscore.report.rows import TargetRows, target_rows
from adscore.report.svg import Chart
from adscore.report.thumbnails import thumbnail_uri
from adscore.report.words import METRICS, OF_THE_TABLE, calibration_hint, summary
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable

# A frozen encoder takes its time for each row: of more rows than these, a random part is evaluated.
MAX_HELD_OUT_ROWS = 2_000
_SHOWN = 6  # creatives a strip


@dataclass(frozen=True, slots=True)
class Report:
    """What the page tells.

    Attributes:
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its metrics and predictions.
        day: When it was evaluated.
        trained_rows: How many of the evaluated rows are of groups that the model was trained on.
        group_word: What the groups of the table are, e.g. ``"campaign"``.
        version: Of the model, where its scorer cannot know: a bundle gets its number last.
        drawn_from: Where the rows were drawn at random: from how many; 0 for all that there are.
    """

    scorer: Scorer
    table: CreativeTable
    evaluation: Evaluation
    day: date
    trained_rows: int = 0
    group_word: str = "group"
    version: str = ""
    drawn_from: int = 0

    def render(self) -> str:
        """The page: one HTML document that needs nothing else."""
        agreement = self.evaluation.agreement
        has_agreement = any(value is not None for value in agreement.to_dict().values())
        return render(
            "evaluation.html.jinja",
            model=", version ".join(
                filter(None, (self.scorer.name, self.version or self.scorer.version))
            ),
            rows=self.evaluation.rows,
            drawn_from=self.drawn_from,
            table=self.table.name.rpartition("/")[2],
            day=self.day.isoformat(),
            training=self.scorer.manifest.training,
            trained_rows=self.trained_rows,
            group_word=self.group_word,
            targets=[self._target(name) for name in self.evaluation.targets],
            agreement=agreement if has_agreement else None,
            words=METRICS,
            of_the_table=OF_THE_TABLE,
        )

    def write(self, path: Path) -> None:
        """Writes the page under a temporary name and renames it; replaces an existing file.

        Raises:
            OSError: The file cannot be written.
        """
        write_page(path, self.render())

    def _target(self, name: str) -> "_Section":
        targets = self.scorer.manifest.targets
        rows = target_rows(self.evaluation, self.table, targets, name)
        order = np.argsort(-rows.mean, kind="stable")
        few = max(1, min(_SHOWN, len(order) // 2))
        surprise = np.argsort(-rows.surprise, kind="stable")
        cards = _Cards(self.table, rows, self.scorer.limits)
        return _Section(
            rows=rows,
            summary=summary(rows, self.group_word),
            calibration_hint=calibration_hint(rows),
            charts=target_charts(rows),
            exchanged={
                part: again.targets[name].to_dict()
                for part, again in self.evaluation.ablations.items()
            },
            highest=cards.of(order[:few]),
            lowest=cards.of(order[-few:][::-1]),
            misses=cards.of(surprise[rows.trials[surprise] > 0][:few]),
        )


def write_report(
    path: Path,
    scorer: Scorer,
    table: CreativeTable,
    evaluation: Evaluation,
    *,
    trained_rows: int = 0,
    group_column: str | None = None,
) -> None:
    """Writes the report of an evaluation of today; replaces an existing file.

    Args:
        path: Where to.
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its metrics and predictions.
        trained_rows: How many of the evaluated rows are of groups that the model was trained on.
        group_column: Column of the groups; the page calls them so, without ``_id``.

    Raises:
        OSError: The file cannot be written.
    """
    word = (group_column or "group").removesuffix("_id").replace("_", " ")
    today = datetime.now(UTC).date()
    Report(scorer, table, evaluation, today, trained_rows, word).write(path)


def held_out_report(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64], seed: int = 0
) -> Report:
    """Evaluates held-out rows, for the report that a training leaves beside its model.

    Args:
        scorer: The model, with the percentiles of its reference.
        table: The table that it was trained on.
        rows: Rows of the held-out groups, counted from 0, (n,).
        seed: Decides which are taken, where there are too many.

    Raises:
        TableError: There is no row, or one cannot be scored.
    """
    drawn_from = 0
    if len(rows) > MAX_HELD_OUT_ROWS:
        drawn_from = len(rows)
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_HELD_OUT_ROWS, replace=False))
    evaluation = evaluate_table(scorer, table, rows)
    today = datetime.now(UTC).date()
    return Report(scorer, table, evaluation, today, drawn_from=drawn_from)


# === What a target's section shows ===


@dataclass(frozen=True, slots=True)
class _Card:
    """A creative; ``range`` is None where it has too few trials for an interval."""

    seen: Seen
    mean: float
    successes: int
    trials: int
    range: Range | None


@dataclass(frozen=True, slots=True)
class _Section:
    """What the page shows of one target.

    Attributes:
        rows: Predictions and counts.
        summary: The findings, in two sentences.
        calibration_hint: What to compare the calibration error with.
        charts: By name.
        exchanged: By part of a creative, the metrics when it is another's.
        highest: The creatives that the model expects most of.
        lowest: Those that it expects least of.
        misses: Those whose results surprised it most.
    """

    rows: TargetRows
    summary: str
    calibration_hint: str
    charts: Mapping[str, Chart | None]
    exchanged: Mapping[str, Mapping[str, float | int | None]]
    highest: list[_Card]
    lowest: list[_Card]
    misses: list[_Card]


class _Cards:
    """Makes the cards of one target, whose ranges share a scale."""

    def __init__(self, table: CreativeTable, rows: TargetRows, limits: InputLimits) -> None:
        self._table, self._rows, self._limits = table, rows, limits
        seen = rows.observed[rows.trials > 1]
        highest = float(np.quantile(seen, 0.99)) if seen.size else 0.0
        # Nearly all predictions and results lie below it.
        self._highest = max(highest, float(rows.mean.max()) * 1.2)

    def of(self, places: Ints) -> list[_Card]:
        """A card for each of some rows, in their order."""
        return [self._card(place) for place in places.tolist()]

    def _card(self, place: int) -> _Card:
        rows, number = self._rows, int(self._rows.numbers[place])
        return _Card(
            Seen(
                self._table.ids[number],
                cut_headline(self._table.headlines[number]),
                self._picture(number),
            ),
            float(rows.mean[place]),
            int(rows.successes[place]),
            int(rows.trials[place]),
            self._range(place),
        )

    def _picture(self, number: int) -> str | None:
        try:
            return thumbnail_uri(self._table.creative(number).image, self._limits)
        except InvalidCreativeError:  # the file went away since it was scored
            return None

    def _range(self, place: int) -> Range | None:
        rows = self._rows
        if rows.trials[place] < 2:
            return None
        lower, upper = rows.intervals(np.array([place]))
        ends = float(lower[0]), float(upper[0])
        return rate_range(ends, float(rows.mean[place]), self._highest, float(rows.observed[place]))

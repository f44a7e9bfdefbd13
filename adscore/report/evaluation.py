"""The report of an evaluation: how well a model predicts."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from adscore.evaluation.agreement import Retrieval
from adscore.evaluation.bootstrap import Estimate, Ranking, estimate_ranking
from adscore.evaluation.metrics import OF_THE_TABLE
from adscore.evaluation.outcomes import Ints
from adscore.evaluation.ranking import MIN_PAIRS
from adscore.evaluation.table import Evaluation
from adscore.report.cards import Range, Seen, Viewer, rate_range
from adscore.report.charts import target_charts
from adscore.report.findings import calibration_hint, part_words, summary, verdict
from adscore.report.page import render, write_page
from adscore.report.rows import TargetRows, target_rows
from adscore.report.svg import Chart
from adscore.report.words import METRICS, group_word
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable

_SHOWN = 6  # creatives per strip


@dataclass(frozen=True, slots=True)
class Report:
    """Content of the report.

    Attributes:
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its metrics and predictions.
        day: Date of the evaluation.
        trained_rows: Number of evaluated rows in groups that the model was trained on.
        group_word: What the groups of the table are, e.g. ``"campaign"``.
        is_left_out: Whether each row was predicted by a model not fitted to it.
    """

    scorer: Scorer
    table: CreativeTable
    evaluation: Evaluation
    day: date
    trained_rows: int = 0
    group_word: str = "group"
    is_left_out: bool = False

    def render(self) -> str:
        """The page as one self-contained HTML document."""
        agreement = self.evaluation.agreement
        has_agreement = any(value is not None for value in agreement.values.values())
        return render(
            "evaluation.html.jinja",
            model=", version ".join(filter(None, (self.scorer.name, self.scorer.version))),
            rows=self.evaluation.rows,
            is_left_out=self.is_left_out,
            table=self.table.name.rpartition("/")[2],
            day=self.day.isoformat(),
            training=self.scorer.manifest.training,
            trained_rows=self.trained_rows,
            group_word=self.group_word,
            targets=[self._target(name) for name in self.evaluation.targets],
            agreement=agreement if has_agreement else None,
            examples=self._examples(),
            words=METRICS,
            of_the_table=OF_THE_TABLE,
            min_pairs=MIN_PAIRS,
        )

    def write(self, path: Path) -> None:
        """Writes the page to a temporary file, then renames it; replaces an existing file.

        Raises:
            OSError: The file cannot be written.
        """
        write_page(path, self.render())

    def verdicts(self) -> dict[str, str]:
        """By target, the verdict: the first sentence of its section."""
        return {name: self._verdict(self._ranking(name)) for name in self.evaluation.targets}

    def _verdict(self, ranking: Ranking | None) -> str:
        limits = self.scorer.manifest.limits
        return verdict(ranking, limits.context_names, self.group_word)

    def _rows(self, name: str) -> TargetRows:
        return target_rows(self.evaluation, self.table, self.scorer.manifest.targets, name)

    def _ranking(self, name: str) -> Ranking | None:
        rows = self._rows(name)
        column = self.scorer.manifest.targets.index(name)
        exchanged = {
            part: again.predictions.mean[:, column]
            for part, again in self.evaluation.ablations.items()
        }
        return estimate_ranking(rows.mean, exchanged, rows.successes, rows.trials, rows.group)

    def _target(self, name: str) -> "_Section":
        rows, ranking = self._rows(name), self._ranking(name)
        order = np.argsort(-rows.mean, kind="stable")
        surprise = np.argsort(-rows.surprise, kind="stable")
        contexts = self.scorer.manifest.limits.context_names
        cards = _Cards(Viewer(self.table, self.scorer.limits), rows)
        few = max(1, min(_SHOWN, cards.different // 2))
        return _Section(
            rows=rows,
            verdict=self._verdict(ranking),
            summary=summary(rows, self.group_word),
            calibration_hint=calibration_hint(rows),
            ranking=ranking,
            gains=list(_gains(ranking, contexts)),
            charts=target_charts(rows),
            exchanged={
                part_words(part, contexts): again.targets[name].values
                for part, again in self.evaluation.ablations.items()
            },
            highest=cards.of(order, few),
            lowest=cards.of(order[::-1], few),
            misses=cards.of(surprise[rows.trials[surprise] > 0], few),
        )

    def _examples(self) -> list["_Example"]:
        viewer = Viewer(self.table, self.scorer.limits)
        return [
            _example(viewer, self.table.headlines, retrieval)
            for retrieval in self.evaluation.retrievals
        ]


def write_report(
    path: Path,
    scorer: Scorer,
    table: CreativeTable,
    evaluation: Evaluation,
    *,
    trained_rows: int = 0,
    group_column: str | None = None,
) -> dict[str, str]:
    """Writes the report of an evaluation, dated today; replaces an existing file.

    Args:
        path: File to write.
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its metrics and predictions.
        trained_rows: Number of evaluated rows in groups that the model was trained on.
        group_column: Column of the groups; the page names groups after it, without ``_id``.

    Returns:
        By target, the verdict.

    Raises:
        OSError: The file cannot be written.
    """
    today = datetime.now(UTC).date()
    word = group_word(group_column)
    report = Report(scorer, table, evaluation, today, trained_rows, word)
    report.write(path)
    return report.verdicts()


def left_out_report(scorer: Scorer, table: CreativeTable, evaluation: Evaluation) -> Report:
    """The report that training writes beside its model, about the groups that it left out.

    Args:
        scorer: The model.
        table: The table that the model was trained on.
        evaluation: Evaluation of models, each of which was not fitted to the rows that it predicts.
    """
    today = datetime.now(UTC).date()
    word = group_word(table.columns.group)
    return Report(scorer, table, evaluation, today, group_word=word, is_left_out=True)


# === The section of a target ===


@dataclass(frozen=True, slots=True)
class _Gain:
    """What a part adds to the ranking, in words, and as positions of a bar in per cent.

    Attributes:
        part: The part.
        estimate: What it adds, with its interval, in words.
        zero: Position of zero.
        value: Position of the estimate.
        lower: Position of the interval's lower end.
        upper: Position of the interval's upper end.
    """

    part: str
    estimate: Estimate
    zero: float
    value: float
    lower: float
    upper: float


def _gains(ranking: Ranking | None, context_names: Sequence[str]) -> Iterator[_Gain]:
    if ranking is None:
        return
    gains = {part: gain for part, gain in ranking.gains.items() if gain.lower is not None}
    ends = [0.0, *(end for gain in gains.values() for end in (gain.lower, gain.upper) if end)]
    low, span = min(ends), max(max(ends) - min(ends), 1e-9)

    def place(value: float | None) -> float:
        return 100 * ((value or 0.0) - low) / span

    for part, gain in sorted(gains.items(), key=lambda item: -item[1].value):
        ends_of_bar = place(0), place(gain.value), place(gain.lower), place(gain.upper)
        yield _Gain(part_words(part, context_names), gain, *ends_of_bar)


@dataclass(frozen=True, slots=True)
class _Card:
    """The card of a creative.

    Attributes:
        seen: Its headline and image.
        mean: Predicted rate.
        successes: Observed successes.
        trials: Observed trials.
        range: Its interval; None with too few trials.
        alike: Number of rows with the same look and score, including this one.
    """

    seen: Seen
    mean: float
    successes: float
    trials: int
    range: Range | None
    alike: int


@dataclass(frozen=True, slots=True)
class _Section:
    """The section of one target.

    Attributes:
        rows: Predictions and counts.
        verdict: The verdict, in a sentence.
        summary: How well it ranks, and how far its rates can be trusted, in two sentences.
        calibration_hint: What to compare the calibration error with.
        ranking: The ranking metric with its interval.
        gains: What each part adds to the ranking.
        charts: Charts, by name.
        exchanged: By part, the metrics after exchanging that part between creatives.
        highest: Creatives with the highest predictions.
        lowest: Creatives with the lowest predictions.
        misses: Creatives with the most surprising results.
    """

    rows: TargetRows
    verdict: str
    summary: str
    calibration_hint: str
    ranking: Ranking | None
    gains: Sequence[_Gain]
    charts: Mapping[str, Chart]
    exchanged: Mapping[str, Mapping[str, float | int | None]]
    highest: Sequence[_Card]
    lowest: Sequence[_Card]
    misses: Sequence[_Card]


class _Cards:
    """Makes the cards of one target; their intervals share a scale."""

    def __init__(self, viewer: Viewer, rows: TargetRows) -> None:
        self._viewer, self._rows = viewer, rows
        self._alike = Counter(self._identity(place) for place in range(len(rows.mean)))
        seen = rows.observed[rows.trials > 1]
        highest = float(np.quantile(seen, 0.99)) if seen.size else 0.0
        # End of the scale; nearly all predictions and results lie below it.
        self._highest = max(highest, float(rows.mean.max()) * 1.2)

    @property
    def different(self) -> int:
        """Number of creatives that differ in looks or score."""
        return len(self._alike)

    def of(self, places: Ints, most: int) -> list[_Card]:
        """Cards of the first `most` distinct creatives among some rows, in order."""
        first: dict[Hashable, int] = {}
        for place in places.tolist():
            first.setdefault(self._identity(place), place)
            if len(first) == most:
                break
        return [self._card(place) for place in first.values()]

    def _identity(self, place: int) -> Hashable:
        number = int(self._rows.numbers[place])
        return self._viewer.identity(number), float(self._rows.mean[place])

    def _card(self, place: int) -> _Card:
        rows = self._rows
        return _Card(
            self._viewer.seen(int(rows.numbers[place])),
            float(rows.mean[place]),
            _plain(rows.successes[place]),
            int(rows.trials[place]),
            self._range(place),
            self._alike[self._identity(place)],
        )

    def _range(self, place: int) -> Range | None:
        rows = self._rows
        if rows.trials[place] < 2:
            return None
        lower, upper = rows.intervals(np.array([place]))
        ends = float(lower[0]), float(upper[0])
        return rate_range(ends, float(rows.mean[place]), self._highest, float(rows.observed[place]))


# === Images found by headlines ===


@dataclass(frozen=True, slots=True)
class _Example:
    """A headline, and the images that fit it best.

    Attributes:
        own: The headline with its own image.
        rank: Rank of its own image.
        found: The best-fitting images, the best first, each with whether it is the headline's own.
    """

    own: Seen
    rank: float
    found: Sequence[tuple[Seen, bool]]


def _example(viewer: Viewer, headlines: Sequence[str], retrieval: Retrieval) -> _Example:
    own = headlines[retrieval.row]
    found = [(viewer.seen(row), headlines[row] == own) for row in retrieval.found]
    return _Example(viewer.seen(retrieval.row), retrieval.rank, found)


def _plain(successes: float) -> float:
    """A count for display: an integer if it is whole, otherwise with two decimals."""
    return int(successes) if float(successes).is_integer() else round(float(successes), 2)

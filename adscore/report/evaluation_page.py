"""The page as a whole, and its file."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from adscore.evaluation.table import Evaluation
from adscore.report.document import document, write_page
from adscore.report.gallery import Gallery
from adscore.report.markup import Markup, element
from adscore.report.rows import target_rows
from adscore.report.sections import ablation_table, agreement_tiles, chart_grid, tiles
from adscore.report.words import summary
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable


@dataclass(frozen=True, slots=True)
class Report:
    """What a page tells.

    Attributes:
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its figures and predictions.
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
        targets = [self._target(target) for target in self.evaluation.targets]
        main = element("main", *targets, self._agreement())
        return document(f"Evaluation of {self._model()}", self._header(), main, _footer())

    def write(self, path: Path) -> None:
        """Writes the page under a temporary name and renames it; a file in its place is replaced.

        Raises:
            OSError: The file cannot be written.
        """
        write_page(path, self.render())

    def _model(self) -> str:
        version = self.version or self.scorer.version
        return ", version ".join(filter(None, (self.scorer.name, version)))

    def _header(self) -> Markup:
        training = self.scorer.manifest.training
        drawn = f", drawn at random from {self.drawn_from:,}," if self.drawn_from else ""
        learned = ", ".join(self.evaluation.targets) or "headline-image agreement"
        parts = (
            f"{self.evaluation.rows:,} creatives{drawn} of {self.table.path.name}",
            learned,
            f"evaluated {self.day.isoformat()}",
            f"trained {training.create_time[:10]} on {training.creatives:,} creatives "
            f"(preset {training.preset})",
        )
        facts = " \N{MIDDLE DOT} ".join(parts)
        return element(
            "header",
            element("p", "How well it predicts", class_="eyebrow"),
            element("h1", self._model()),
            element("p", facts, class_="facts"),
            self._warning(),
        )

    def _warning(self) -> Markup | None:
        if not self.trained_rows:
            return None
        text = (
            f"The model was trained on the {self.group_word}s of {self.trained_rows:,} of these "
            f"{self.evaluation.rows:,} creatives, so these figures flatter it. "
            "adscore evaluate --held-out leaves them out."
        )
        return element("p", text, class_="warn")

    def _agreement(self) -> Markup | None:
        figures = self.evaluation.agreement.to_dict()
        if all(value is None for value in figures.values()):
            return None
        said = "Each headline looks for its own image among those of all these creatives."
        return element(
            "section",
            element("h2", "How well headline and image fit"),
            element("p", said, class_="said"),
            agreement_tiles(figures),
        )

    def _target(self, name: str) -> Markup:
        model_targets = self.scorer.manifest.targets
        rows = target_rows(self.evaluation, self.table, model_targets, name)
        exchanged = {
            part: again.target_metrics[name] for part, again in self.evaluation.ablations.items()
        }
        return element(
            "section",
            element("h2", f"{name} ", element("small", f"({rows.columns})", class_="facts")),
            element("p", summary(rows, self.group_word), class_="said"),
            tiles(rows),
            chart_grid(rows, self.group_word),
            ablation_table(rows, exchanged) if exchanged else None,
            Gallery(self.table, rows, self.scorer.limits).render(),
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
    """Writes the page of an evaluation of today; a file in its place is replaced.

    Args:
        path: Where to.
        scorer: The model.
        table: The table that was evaluated.
        evaluation: Its figures and predictions.
        trained_rows: How many of the evaluated rows are of groups that the model was trained on.
        group_column: Column of the groups; the page calls them so, without ``_id``.

    Raises:
        OSError: The file cannot be written.
    """
    word = (group_column or "group").removesuffix("_id").replace("_", " ")
    today = datetime.now(UTC).date()
    Report(scorer, table, evaluation, today, trained_rows, word).write(path)


def _footer() -> Markup:
    text = (
        "A pair is two creatives of one group with different observed rates; z is the statistic "
        "of the pooled two-proportion test. Intervals are those of the observed rate, given how "
        "often a creative was shown. A prediction is for the average group; an observed rate also "
        "holds what its own group did to it. Point at a mark for its numbers."
    )
    return element("footer", element("p", text))

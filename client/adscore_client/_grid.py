"""Scores of every combination of some headlines with some images."""

from collections.abc import Iterator
from dataclasses import dataclass

from adscore_client._results import Result, Score


@dataclass(frozen=True, slots=True)
class Combination(Result):
    """One headline with one image, and their score.

    Attributes:
        headline: Position of the headline among those that were passed, from 0.
        image: Position of the image among those that were passed, from 0.
        score: The score of the two together.
    """

    headline: int
    image: int
    score: Score


@dataclass(frozen=True, slots=True)
class Grid(Result):
    """Scores of every combination of some headlines with some images.

        grid = client.score_combinations(headlines, images)
        grid.scores[0][2].targets["ctr"]  # the first headline with the third image
        for one in grid.best(3):
            print(headlines[one.headline], images[one.image], one.score.targets["ctr"])

    Attributes:
        scores: One row for each headline, one score for each image, both in the order in
            which they were passed.
        model: Name of the model that made the scores.
        model_version: Version of that model, a positive integer in decimal.
    """

    scores: tuple[tuple[Score, ...], ...]
    model: str = ""
    model_version: str = ""

    def __iter__(self) -> Iterator[Combination]:
        """Yields every combination, row by row."""
        for headline, row in enumerate(self.scores):
            for image, score in enumerate(row):
                yield Combination(headline, image, score)

    def best(self, count: int = 1, *, target: str | None = None) -> list[Combination]:
        """Ranks the combinations by their expected rate; equal ones stay in their order.

        Args:
            count: How many to return at most.
            target: Name of the target to rank by; None where the model has but one.

        Raises:
            ValueError: There is no such target, or several to choose from.
        """
        name = self._target(target)
        ranked = sorted(self, key=lambda one: one.score.targets[name].mean, reverse=True)
        return ranked[:count]

    def __repr__(self) -> str:
        # Thousands of scores must not fill a screen.
        width = len(self.scores[0]) if self.scores else 0
        return (
            f"Grid({len(self.scores)} headlines x {width} images, model={self.model!r}, "
            f"model_version={self.model_version!r})"
        )

    def _target(self, target: str | None) -> str:
        names = sorted(self.scores[0][0].targets) if self.scores and self.scores[0] else []
        if target is None and len(names) == 1:
            return names[0]
        if target is None or target not in names:
            raise ValueError(
                f"target: expected the name of one target of the model, {names}. "
                f"Received: {target!r}"
            )
        return target

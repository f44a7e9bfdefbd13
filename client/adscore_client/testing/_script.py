"""What a fake server is to answer, and what it received."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from adscore_client._checks import Finding
from adscore_client._creative import Creative
from adscore_client._exceptions import AdscoreError
from adscore_client._results import Model, Score, TargetScore


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call that a fake server received.

    Attributes:
        method: Name of the method, e.g. ``"BatchScore"``.
        metadata: What was sent beside the message, e.g. ``metadata["authorization"]``.
        time_remaining_seconds: What was left of the call's deadline as it came; None where it
            had none.
    """

    method: str
    metadata: Mapping[str, str]
    time_remaining_seconds: float | None


@dataclass(slots=True)
class Script:
    """The answers and failures that a test chose, and the record of what came.

    Attributes:
        score: Scores a creative.
        agreement: Says how well a headline and an image fit.
        check: Finds what is wrong with a creative.
        model: The model that is served.
        failures: Errors of the next calls.
        creatives: Creatives that came.
        calls: Calls that came.
    """

    score: Callable[[Creative], Score | float]
    agreement: Callable[[str, bytes], float]
    check: Callable[[Creative], Iterable[Finding]]
    model: Model
    failures: deque[AdscoreError] = field(default_factory=deque)
    creatives: list[Creative] = field(default_factory=list)
    calls: list[FakeCall] = field(default_factory=list)

    def raise_failure(self) -> None:
        """Raises the next failure, if one is due."""
        if self.failures:
            raise self.failures.popleft()

    def score_of(self, creative: Creative) -> Score:
        """Scores a creative.

        Raises:
            AdscoreError: The test refuses it.
        """
        self.creatives.append(creative)
        score = self.score(creative)
        if not isinstance(score, Score):
            rate = float(score)
            figures = TargetScore(rate, 0.5 * rate, min(1.5 * rate, 1.0), 50.0)
            score = Score(creative.id, dict.fromkeys(self.model.targets, figures))
        return replace(
            score,
            creative_id=creative.id,
            model=self.model.name,
            model_version=self.model.version,
        )

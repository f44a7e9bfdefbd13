"""A bundle's golden creatives: scored when it was written, and again whenever it is opened."""

import math
from collections.abc import Callable, Sequence

import msgspec

from adscore import bundle as files
from adscore.bundle import GoldenCase
from adscore.creative import Creative, Score
from adscore.errors import BundleError

# Processors differ in the last digits of a float32 sum, and Pillow's releases in rounding; a
# different graph or preprocessing step differs by more.
RELATIVE_TOLERANCE = 2e-3
AGREEMENT_TOLERANCE = 2e-3


def golden_case(creative: Creative, score: Score) -> GoldenCase:
    """The golden case for a creative and its score."""
    means = {name: target.mean for name, target in score.targets.items()}
    return GoldenCase(creative.headline, creative.image, means, score.agreement)


def check_golden(
    data: bytes,
    targets: Sequence[str],
    score: Callable[[Sequence[Creative]], Sequence[Score]],
    model: str,
) -> None:
    """Scores the golden creatives again.

    Args:
        data: The bundle's golden.json.
        targets: Names of the model's targets.
        score: Scores creatives with the model.
        model: Names the model in errors.

    Raises:
        BundleError: The file is broken, or a score differs.
    """
    cases = _golden_cases(data, targets)
    try:
        scores = score([Creative(case.headline, case.image) for case in cases])
    except Exception as error:  # a graph with other inputs may raise anything
        raise BundleError(f"{model}: its golden creatives cannot be scored: {error}") from error
    for number, (case, received) in enumerate(zip(cases, scores, strict=True)):
        for name, expected in case.means.items():
            mean = received.targets[name].mean
            if not math.isclose(mean, expected, rel_tol=RELATIVE_TOLERANCE):
                raise _off(model, number, name, expected, mean)
        if not _agrees(case.agreement, received.agreement):
            raise _off(model, number, "agreement", case.agreement, received.agreement)


def _agrees(expected: float | None, received: float | None) -> bool:
    if expected is None or received is None:
        return expected is received
    return math.isclose(expected, received, abs_tol=AGREEMENT_TOLERANCE)


def _off(
    model: str, number: int, what: str, expected: float | None, received: float | None
) -> BundleError:
    return BundleError(
        f"{model}: golden creative {number} was scored {expected} on {what} when the model was "
        f"written. Received: {received}. The installed libraries run it differently"
    )


def _golden_cases(data: bytes, targets: Sequence[str]) -> list[GoldenCase]:
    try:
        cases = msgspec.json.decode(data, type=list[GoldenCase])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"{files.GOLDEN}: expected golden scores. Received: {error}") from error
    if not cases or any(case.means.keys() != set(targets) for case in cases):
        raise BundleError(
            f"{files.GOLDEN}: expected scored creatives, each with {', '.join(targets)}. "
            f"Received: {len(cases)} creatives, with {[sorted(case.means) for case in cases]}"
        )
    return cases

"""The chart of a decision: each arm's density of its rate or value, as a hill."""

import math
from collections.abc import Iterator, Sequence

from adscore.decision import ArmDecision, Decision
from adscore.errors import cut
from adscore.report.ranking import HALF_WIDTH
from adscore.report.svg import Axis, Chart, Mark, Plot, number_axis, rate_axis
from adscore.report.words import chance, percent

MAX_ARMS_DRAWN = 10
_POINTS = 61
_REACH = 3.0
_NAME_CHARACTERS = 10  # beside a hill


def is_rate(decision: Decision) -> bool:
    """Whether arms are compared by the rate of one target rather than by a value."""
    return all(
        len(arm.targets) == 1 and arm.mean == next(iter(arm.targets.values())).mean
        for arm in decision.arms
    )


def observed_rate(arm: ArmDecision) -> float | None:
    """The arm's rate so far; None without trials or with several targets."""
    only = next(iter(arm.targets.values()))
    return only.successes / only.trials if len(arm.targets) == 1 and only.trials else None


def posterior_chart(decision: Decision, targets: Sequence[str]) -> Chart:
    """Densities of the arms' rates or values, the best on top.

    Drawn as normal densities in logits, or in logarithms of values, that fit the 90 % interval.
    """
    arms = sorted(decision.arms, key=lambda arm: -arm.mean)[:MAX_ARMS_DRAWN]
    of_rate = is_rate(decision)
    write = percent if of_rate else "{:.3g}".format
    curves = [_density(arm, of_rate=of_rate) for arm in arms]
    shown = [x for curve in curves for x, _ in curve]
    low, high = min(shown), max(shown)
    count = len(arms)
    ticks = [(count - place - 0.85, name) for place, name in enumerate(_short_names(arms))]
    label = targets[0] if of_rate else "value"
    make_axis = rate_axis if of_rate else number_axis
    plot = Plot(make_axis(low, high, f"{label} of each creative"), Axis(0, count + 0.2, ticks, ""))
    marks: list[Mark] = []
    for place, (arm, curve) in enumerate(zip(arms, curves, strict=True)):
        marks += _row(plot, arm, curve, count - place - 1)
    said = ", ".join(f"{cut(arm.id, 30)} {write(arm.lower)} to {write(arm.upper)}" for arm in arms)
    return Chart(
        plot,
        f"90% intervals: {said}",
        marks,
        ("Creative", "Predicted", "Expected", "90% interval", "Chance to be best"),
        [
            (
                arm.id,
                write(arm.predicted),
                write(arm.mean),
                f"{write(arm.lower)} to {write(arm.upper)}",
                chance(arm.chance_best),
            )
            for arm in arms
        ],
    )


def _short_names(arms: Sequence[ArmDecision]) -> list[str]:
    """Ids shortened to fit: to their ends if their beginnings are the same."""
    begins = [cut(arm.id, _NAME_CHARACTERS) for arm in arms]
    if len(set(begins)) == len(begins):
        return begins
    room = _NAME_CHARACTERS
    return [arm.id if len(arm.id) <= room else f"...{arm.id[3 - room :]}" for arm in arms]


def _row(
    plot: Plot,
    arm: ArmDecision,
    curve: Sequence[tuple[float, float]],
    base: int,
) -> Iterator[Mark]:
    points = [(x, base + 0.1 + 0.95 * y) for x, y in curve]
    path = plot.line(points, "").place["points"]
    left, right = plot.x(points[0][0]), plot.x(points[-1][0])
    floor = plot.y(base + 0.1)
    whole = f"{left:.1f},{floor:.1f} {path} {right:.1f},{floor:.1f}"
    yield Mark("polygon", "model-area", {"points": whole})
    yield plot.line(points, "model-line thin")
    if plot.x_axis.low <= arm.predicted <= plot.x_axis.high:
        yield plot.diamond(arm.predicted, base + 0.1, "few", radius=4)
    observed = observed_rate(arm)
    if observed is not None and plot.x_axis.low <= observed <= plot.x_axis.high:
        yield plot.dot(observed, base + 0.1, "observed", radius=4)


def _density(arm: ArmDecision, *, of_rate: bool) -> list[tuple[float, float]]:
    """Points of the density, relative to its maximum."""
    inside = [max(end, 1e-12) for end in (arm.lower, arm.upper)]
    low, high = (math.log(end / (1 - end)) if of_rate else math.log(end) for end in inside)
    centre = (low + high) / 2
    deviation = max((high - low) / (2 * HALF_WIDTH), 1e-6)
    points = []
    for number in range(_POINTS):
        score = _REACH * (2 * number / (_POINTS - 1) - 1)
        u = centre + deviation * score
        x = 1 / (1 + math.exp(-u)) if of_rate else math.exp(u)
        scale = x * (1 - x) if of_rate else x
        points.append((x, math.exp(-(score**2) / 2) / scale))
    highest = max(y for _, y in points)
    return [(x, y / highest) for x, y in points]

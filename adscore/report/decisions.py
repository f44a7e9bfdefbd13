"""The report of decisions: a card for each group, with a picture of what is known of its arms."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adscore.creative import InputLimits
from adscore.decision import ArmDecision, Decision, DecisionWarning, Status
from adscore.decision.status import SHOWN_ERRORS
from adscore.decision.table import TableDecisions, TableQuestion
from adscore.errors import InvalidCreativeError, cut
from adscore.report.page import render, write_page
from adscore.report.ranking import HALF_WIDTH
from adscore.report.svg import Axis, Chart, Mark, Plot, number_axis, rate_axis
from adscore.report.thumbnails import thumbnail_uri
from adscore.report.words import group_word, percent
from adscore.table import ImageSource, image_cells, open_stream, texts

MAX_CARDS = 60
MAX_ARMS_DRAWN = 10
_THUMBNAIL_SIDE = 120
_POINTS = 61
_REACH = 3.0
_BATCH_ROWS = 256
# An arm whose share and chance are both below it may be switched off.
_HARDLY_ANY = 0.01

WARNINGS = {
    DecisionWarning.DEFAULT_SPREADS: "The model does not say how far its predictions are off, so "
    "they were trusted little. Train it again, or on more groups.",
    DecisionWarning.GROUP_IN_TRAINING: "The model was trained on this group, so its prediction "
    "sets no creative apart here: no click counts twice.",
    DecisionWarning.HORIZON_ASSUMED: "As many impressions as there were so far are taken to come.",
    DecisionWarning.NO_COUNTS: "Nothing was counted yet: all that is known is the prediction.",
    DecisionWarning.ONE_ARM: "There is one creative, and nothing to choose.",
    DecisionWarning.ARMS_UNTRIED: "Some creatives were hardly shown: of these the prediction "
    "speaks.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person sees of an arm.

    Attributes:
        headline: Its text; empty where it has none.
        picture: The image as a ``data:`` URI; None where it has none that can be shown.
    """

    headline: str = ""
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class ArmCard:
    """One arm on a card.

    Attributes:
        arm: What is known of it.
        seen: What it looks like.
        trials: What it has had.
        observed: Its rate so far; None without a trial, or where several targets count.
        advice: What to do with its traffic.
        share: Of the next traffic, in words.
        chances: To be the best and, where there is a control, to be above it, in words.
    """

    arm: ArmDecision
    seen: Seen
    trials: float
    observed: float | None
    advice: str
    share: str
    chances: Sequence[str]


@dataclass(frozen=True, slots=True)
class Card:
    """One group.

    Attributes:
        decision: What is known of it.
        verdict: That in a sentence.
        next_step: What would change the decision.
        arms: Its arms, the largest share first.
        chart: Where their rates lie.
        warnings: What to know beside.
    """

    decision: Decision
    verdict: str
    next_step: str
    arms: Sequence[ArmCard]
    chart: Chart
    warnings: Sequence[str]


@dataclass(slots=True)
class DecisionReport:
    """Collects decisions for a report; those that are more than it shows are counted.

    Attributes:
        asked: The decisions of a table.
    """

    asked: TableDecisions
    _shown: list[Decision] = field(default_factory=list)
    _counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))

    def add(self, decision: Decision) -> None:
        """Takes the decision of one more group."""
        self._counts[decision.status] += 1
        if len(self._shown) < MAX_CARDS:
            self._shown.append(decision)

    def write(self, path: Path, table: object, question: TableQuestion) -> None:
        """Writes the report; replaces an existing file.

        Args:
            path: Where to.
            table: The table, of which headlines and images are read again.
            question: Names its columns.

        Raises:
            OSError: The file cannot be written.
        """
        seen = _look_up(self._shown, table, question)
        settings = self.asked.settings
        page = render(
            "decisions.html.jinja",
            model=f"{self.asked.model} version {self.asked.model_version}",
            aim=str(settings.aim),
            tolerance=settings.tolerance,
            targets=settings.targets,
            group_word=group_word(question.columns.group),
            counts={str(status): count for status, count in self._counts.items()},
            total=sum(self._counts.values()),
            cards=[decision_card(one, settings.targets, seen) for one in self._shown],
        )
        write_page(path, page)


def decision_card(
    decision: Decision, targets: Sequence[str], seen: dict[tuple[str, str], Seen]
) -> Card:
    """What a person is told of one group."""
    arms = sorted(decision.arms, key=lambda arm: (-arm.share, -arm.mean))
    total = sum(_trials(arm) for arm in arms)
    return Card(
        decision,
        _verdict(decision),
        _next_step(decision),
        [
            ArmCard(
                arm,
                seen.get((decision.group, arm.id), Seen()),
                _trials(arm),
                _observed(arm, targets),
                _advice(arm, _trials(arm) / total if total else 1 / len(arms), decision),
                whole_percent(arm.share),
                list(_chances(arm)),
            )
            for arm in arms
        ],
        posterior_chart(decision, targets),
        [WARNINGS[warning] for warning in decision.warnings],
    )


# === Words ===


def _verdict(decision: Decision) -> str:
    best = decision.best
    name = cut(best.id, 60)
    if decision.status is Status.TIE:
        return "A tie: whichever of them runs, hardly anything is lost. Choose by other reasons."
    if decision.status is Status.LEADER:
        return f"Run {name}: it is the best with a chance of {whole_percent(best.chance_best)}."
    if len(decision.arms) == 1:
        return f"{name} is alone in its group."
    return (
        f"Not settled. {name} is ahead, and the best with a chance of "
        f"{whole_percent(best.chance_best)}; choosing it now would lose "
        f"{percent(decision.relative_loss, 2)} of the best rate on average."
    )


def _next_step(decision: Decision) -> str:
    """What would change the decision, as far as the rates are what they seem."""
    if decision.status is Status.TIE:
        return "Only a new creative would: these cannot differ by more than the tolerance."
    best = decision.best
    others = [arm for arm in decision.arms if arm.id != best.id]
    if not others:
        return "Another creative in the group."
    rival = max(others, key=lambda arm: arm.mean)
    if decision.status is Status.LEADER:
        return (
            f"If the rate of {cut(rival.id, 60)} rose above {percent(best.mean)}, for instance as "
            f"{cut(best.id, 60)} wears out."
        )
    behind = math.log(best.mean / rival.mean)
    if behind < 1e-3:
        return f"{cut(rival.id, 60)} and {cut(best.id, 60)} look alike: only much more traffic."
    rate = (best.mean + rival.mean) / 2 if len(best.targets) == 1 else _least_rate(best)
    needed = 2 * (SHOWN_ERRORS / behind) ** 2 / rate - min(_trials(best), _trials(rival))
    if needed <= 0:
        return f"A few more days: {cut(rival.id, 60)} is nearly out."
    return (
        f"If {cut(best.id, 60)} is as far ahead of {cut(rival.id, 60)} as it seems, about "
        f"{_rounded(needed):,} more impressions of each would show it."
    )


def _advice(arm: ArmDecision, share_so_far: float, decision: Decision) -> str:
    if len(decision.arms) == 1:
        return "keep"
    if arm.share < _HARDLY_ANY and arm.chance_best < _HARDLY_ANY:
        return "switch off"
    if arm.share > 1.2 * share_so_far:
        return "give more"
    return "give less" if arm.share < share_so_far / 1.2 else "keep"


def _chances(arm: ArmDecision) -> Iterator[str]:
    yield f"best with a chance of {whole_percent(arm.chance_best)}"
    if arm.chance_above_control is not None:
        yield f"above the control with a chance of {whole_percent(arm.chance_above_control)}"


def whole_percent(share: float) -> str:
    """A share or chance in whole per cent; what is nearly none or all of it does not look it."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _trials(arm: ArmDecision) -> float:
    return max(target.trials for target in arm.targets.values())


def _observed(arm: ArmDecision, targets: Sequence[str]) -> float | None:
    only = arm.targets[targets[0]]
    return only.successes / only.trials if len(targets) == 1 and only.trials else None


def _least_rate(arm: ArmDecision) -> float:
    return min(target.mean for target in arm.targets.values())


def _rounded(number: float) -> int:
    """To two digits: an estimate is no more exact."""
    power = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / power) * power


# === The picture ===


def posterior_chart(decision: Decision, targets: Sequence[str]) -> Chart:
    """Where the rates of the arms lie, the best on top.

    Densities are drawn normal in logits, or of values in logarithms, through the ends of the 90 %
    interval.
    """
    arms = sorted(decision.arms, key=lambda arm: -arm.mean)[:MAX_ARMS_DRAWN]
    is_rate = len(targets) == 1 and all(arm.upper < 1 for arm in arms)
    curves = [_density(arm, is_rate=is_rate) for arm in arms]
    shown = [x for curve in curves for x, _ in curve]
    low, high = min(shown), max(shown)
    count = len(arms)
    ticks = [(count - place - 0.85, cut(arm.id, 10)) for place, arm in enumerate(arms)]
    label = targets[0] if len(targets) == 1 else "value"
    make_axis = rate_axis if is_rate else number_axis
    plot = Plot(make_axis(low, high, f"{label} of each creative"), Axis(0, count + 0.2, ticks, ""))
    marks: list[Mark] = []
    for place, (arm, curve) in enumerate(zip(arms, curves, strict=True)):
        marks += _row(plot, arm, curve, count - place - 1, targets)
    said = ", ".join(
        f"{cut(arm.id, 30)} {percent(arm.lower)} to {percent(arm.upper)}" for arm in arms
    )
    return Chart(
        plot,
        f"90% intervals: {said}",
        marks,
        ("Creative", "Predicted", "Expected", "90% interval", "Chance to be best"),
        [
            (
                arm.id,
                percent(arm.predicted),
                percent(arm.mean),
                f"{percent(arm.lower)} to {percent(arm.upper)}",
                whole_percent(arm.chance_best),
            )
            for arm in arms
        ],
    )


def _row(
    plot: Plot,
    arm: ArmDecision,
    curve: Sequence[tuple[float, float]],
    base: int,
    targets: Sequence[str],
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
    observed = _observed(arm, targets)
    if observed is not None and plot.x_axis.low <= observed <= plot.x_axis.high:
        yield plot.dot(observed, base + 0.1, "observed", radius=4)


def _density(arm: ArmDecision, *, is_rate: bool) -> list[tuple[float, float]]:
    """Points of the density over its highest."""
    inside = [max(end, 1e-12) for end in (arm.lower, arm.upper)]
    low, high = (math.log(end / (1 - end)) if is_rate else math.log(end) for end in inside)
    centre = (low + high) / 2
    deviation = max((high - low) / (2 * HALF_WIDTH), 1e-6)
    points = []
    for number in range(_POINTS):
        score = _REACH * (2 * number / (_POINTS - 1) - 1)
        u = centre + deviation * score
        x = 1 / (1 + math.exp(-u)) if is_rate else math.exp(u)
        scale = x * (1 - x) if is_rate else x
        points.append((x, math.exp(-(score**2) / 2) / scale))
    highest = max(y for _, y in points)
    return [(x, y / highest) for x, y in points]


# === What the arms look like ===


def _look_up(
    decisions: Sequence[Decision], table: object, question: TableQuestion
) -> dict[tuple[str, str], Seen]:
    """Reads headline and image of the arms that are shown."""
    columns = question.columns
    wanted = {(one.group, arm.id) for one in decisions for arm in one.arms}
    names = [name for name in (columns.id, columns.group, columns.headline, columns.image) if name]
    found: dict[tuple[str, str], Seen] = {}
    if not (names and columns.id):
        return found
    stream = open_stream(table, names)
    limits = InputLimits()
    source = ImageSource(question.image_root or stream.folder, limits.max_image_bytes)
    for batch in stream.batches(_BATCH_ROWS):
        rows = batch.num_rows
        groups = texts(batch, columns.group) if columns.group else ["all"] * rows
        ids = texts(batch, columns.id)
        headlines = texts(batch, columns.headline) if columns.headline else [""] * rows
        images = list(image_cells(batch, columns.image)) if columns.image else [b""] * rows
        for key, headline, image in zip(
            zip(groups, ids, strict=True), headlines, images, strict=True
        ):
            if key in wanted and key not in found:
                found[key] = _seen(headline, image, source, limits)
        if len(found) == len(wanted):
            break
    return found


def _seen(headline: object, image: object, source: ImageSource, limits: InputLimits) -> Seen:
    try:
        data = source.read(image) if isinstance(image, str) and image else image
    except InvalidCreativeError:
        data = b""
    picture = thumbnail_uri(data, limits, _THUMBNAIL_SIDE) if isinstance(data, bytes) else None
    return Seen(headline if isinstance(headline, str) else "", picture)

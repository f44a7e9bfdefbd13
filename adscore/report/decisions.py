"""The report of decisions: a card for each group, with what to do, how certain it is, and why."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adscore.creative import InputLimits, Warning
from adscore.decision import ArmDecision, Decision, DecisionWarning, Status
from adscore.decision.status import SHOWN_ERRORS
from adscore.decision.table import TableDecisions, TableQuestion
from adscore.errors import InvalidCreativeError, cut
from adscore.report.hills import MAX_ARMS_DRAWN, is_rate, observed_rate, posterior_chart
from adscore.report.page import render, write_page
from adscore.report.scores import WARNINGS as OF_SCORES
from adscore.report.svg import Chart
from adscore.report.thumbnails import thumbnail_uri
from adscore.report.words import chance, group_word, percent, whole_percent
from adscore.table import ImageSource, image_cells, open_stream, texts

MAX_CARDS = 60
# Further arms of a group are collapsed, unless they get traffic.
MAX_ARMS_OPEN = 8
_THUMBNAIL_SIDE = 120
_BATCH_ROWS = 256
_NAME_CHARACTERS = 44
_QUOTES = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_NAMED = 2  # arms named in one sentence of advice
# An arm whose share and chance to be best are both below this may be switched off.
_HARDLY_ANY = 0.01

WARNINGS = {
    DecisionWarning.DEFAULT_SPREADS: "The model does not say how far its predictions are off, so "
    "they were trusted little. Train it again, or on more groups.",
    DecisionWarning.GROUP_IN_TRAINING: "The model was trained on this group, so its prediction "
    "sets no creative apart here: no click counts twice.",
    DecisionWarning.HORIZON_ASSUMED: "As many impressions as there were so far are taken to come; "
    "before the first ones, no end of them.",
    DecisionWarning.NO_COUNTS: "Nothing was counted yet: all that is known is the prediction.",
    DecisionWarning.ONE_ARM: "There is one creative, and nothing to choose.",
    DecisionWarning.ARMS_UNTRIED: "Some creatives were hardly shown: of these the prediction "
    "speaks.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Headline and image of an arm.

    Attributes:
        headline: Headline; empty if absent.
        picture: Image as a ``data:`` URI; None if there is none that can be shown.
    """

    headline: str = ""
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class ArmCard:
    """One arm on a card.

    Attributes:
        arm: The arm's decision.
        seen: Its headline and image.
        trials: Its trials so far.
        observed: Its rate so far; None without trials or with several targets.
        advice: What to do with its traffic.
        share: Its share of the next traffic, in words.
        chances: Its chances to be the best and, if there is a control, to be above it, in words.
        rates: Its expected, predicted and observed rates, in words.
        warnings: Why its prediction is less certain, in words.
    """

    arm: ArmDecision
    seen: Seen
    trials: float
    observed: float | None
    advice: str
    share: str
    chances: Sequence[str]
    rates: str
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Card:
    """The card of one group.

    Attributes:
        decision: The group's decision.
        verdict: The decision in a sentence.
        action: What to do now, in a sentence.
        next_step: What would change the decision.
        arms: Arm cards, the largest share first.
        folded: Arm cards that are collapsed, since they are many and get almost no traffic.
        chart: Where the arms' rates lie.
        how_many: How many arms the chart shows, in words; empty if it shows all.
        warnings: Further warnings.
    """

    decision: Decision
    verdict: str
    action: str
    next_step: str
    arms: Sequence[ArmCard]
    folded: Sequence[ArmCard]
    chart: Chart
    how_many: str
    warnings: Sequence[str]


@dataclass(slots=True)
class DecisionReport:
    """Collects decisions for a report; counts all, and shows the first `MAX_CARDS`.

    Attributes:
        asked: The decisions of a table, with their settings.
    """

    asked: TableDecisions
    _shown: list[Decision] = field(default_factory=list)
    _counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))

    def add(self, decision: Decision) -> None:
        """Adds the decision of another group."""
        self._counts[decision.status] += 1
        if len(self._shown) < MAX_CARDS:
            self._shown.append(decision)

    def write(self, path: Path, table: object, question: TableQuestion) -> None:
        """Writes the report; replaces an existing file.

        Args:
            path: File to write.
            table: The table, from which headlines and images are read again.
            question: Names its columns.

        Raises:
            OSError: The file cannot be written.
        """
        seen = _look_up(self._shown, table, question)
        settings = self.asked.settings
        # Warnings shared by all groups are shown once.
        common = [one for one in DecisionWarning if all(one in d.warnings for d in self._shown)]
        page = render(
            "decisions.html.jinja",
            model=f"{self.asked.model} version {self.asked.model_version}",
            aim=str(settings.aim),
            tolerance=settings.tolerance,
            targets=settings.targets,
            group_word=group_word(question.columns.group),
            counts={str(status): count for status, count in self._counts.items()},
            total=sum(self._counts.values()),
            warnings=[WARNINGS[one] for one in common],
            cards=[decision_card(one, settings.targets, seen, common) for one in self._shown],
        )
        write_page(path, page)


def decision_card(
    decision: Decision,
    targets: Sequence[str],
    seen: dict[tuple[str, str], Seen],
    said: Collection[DecisionWarning] = (),
) -> Card:
    """Makes the card of one group.

    Args:
        decision: The group's decision.
        targets: Names of the targets.
        seen: Headlines and images of arms, by group and id.
        said: Warnings that are shown elsewhere.
    """
    of_arms = {arm.id: seen.get((decision.group, arm.id), Seen()) for arm in decision.arms}
    names = {name: _name(name, one) for name, one in of_arms.items()}
    arms = sorted(decision.arms, key=lambda arm: (-arm.share, -arm.mean))
    total = sum(_trials(arm) for arm in arms)
    cards = [
        ArmCard(
            arm,
            of_arms[arm.id],
            _trials(arm),
            observed_rate(arm),
            _advice(arm, _trials(arm) / total if total else 1 / len(arms), decision),
            whole_percent(arm.share),
            list(_chances(arm, len(arms))),
            ", ".join(_rates(arm, of_rate=is_rate(decision))),
            [OF_SCORES[Warning(one)][0] for one in arm.warnings],
        )
        for arm in arms
    ]
    shown = max(MAX_ARMS_OPEN, sum(arm.share >= _HARDLY_ANY for arm in arms))
    many = len(arms) > MAX_ARMS_DRAWN
    return Card(
        decision,
        _verdict(decision, names),
        _action(cards, names, decision),
        _next_step(decision, names),
        cards[:shown],
        cards[shown:],
        posterior_chart(decision, targets),
        f"The {MAX_ARMS_DRAWN} highest of {len(arms)}." if many else "",
        [WARNINGS[warning] for warning in decision.warnings if warning not in said],
    )


# === Words ===


def _name(identity: str, seen: Seen) -> str:
    """The arm's name in sentences: its headline in quotes, or its id."""
    if not seen.headline:
        return cut(identity, _NAME_CHARACTERS)
    return f"{_QUOTES[0]}{cut(seen.headline, _NAME_CHARACTERS)}{_QUOTES[1]}"


def _verdict(decision: Decision, names: Mapping[str, str]) -> str:
    best = decision.best
    name = names[best.id]
    if decision.status is Status.TIE:
        return "A tie: whichever of them runs, hardly anything is lost. Choose by other reasons."
    if decision.status is Status.LEADER:
        return f"Run {name}: it is the best with a chance of {chance(best.chance_best)}."
    if len(decision.arms) == 1:
        return f"{name} is alone in its group."
    if DecisionWarning.NO_COUNTS in decision.warnings:
        return (
            f"Nothing was counted yet. By the prediction alone {name} is the best with a chance of "
            f"{chance(best.chance_best)}."
        )
    return (
        f"Not settled. {name} is ahead, and the best with a chance of "
        f"{chance(best.chance_best)}; choosing it now would lose "
        f"{percent(decision.relative_loss, 2)} of the best rate on average."
    )


def _action(arms: Sequence[ArmCard], names: Mapping[str, str], decision: Decision) -> str:
    """What to do with the next traffic, in a sentence; empty if nothing."""
    if len(arms) == 1 or decision.status is Status.TIE:
        return ""
    if DecisionWarning.NO_COUNTS in decision.warnings:
        return "Now: split the first traffic as below."
    parts = []
    for advice, words in (("give more", "give more to"), ("switch off", "switch off")):
        of_kind = [one for one in arms if one.advice == advice]
        if of_kind:
            named = [names[one.arm.id] for one in of_kind[:_NAMED]]
            more = len(of_kind) - _NAMED
            named += [f"{more} more"] if more > 0 else []
            *most, last = named
            parts.append(f"{words} {', '.join(most)}{' and ' if most else ''}{last}")
    return f"Now: {'; '.join(parts)}." if parts else "Now: leave the split as it is."


def _next_step(decision: Decision, names: Mapping[str, str]) -> str:
    """What would change the decision, assuming that the rates are as they seem."""
    if decision.status is Status.TIE:
        return "only a new creative: these cannot differ by more than the tolerance."
    best = decision.best
    others = [arm for arm in decision.arms if arm.id != best.id]
    if not others:
        return "another creative in the group."
    if DecisionWarning.NO_COUNTS in decision.warnings:
        return "the first counts; look again when each creative has had some hundred impressions."
    rival = max(others, key=lambda arm: arm.mean)
    name, other = names[best.id], names[rival.id]
    if decision.status is Status.LEADER:
        above = _amount(best.mean, of_rate=is_rate(decision))
        return f"{other} rising above {above}, for instance as {name} wears out."
    behind = math.log(best.mean / rival.mean)
    if behind < 1e-3:
        return f"only much more traffic: {other} and {name} look alike."
    rate = (best.mean + rival.mean) / 2 if is_rate(decision) else _least_rate(best)
    needed = 2 * (SHOWN_ERRORS / behind) ** 2 / rate - min(_trials(best), _trials(rival))
    if needed <= 0:
        return f"a few more days: {other} is nearly out."
    return (
        f"about {_rounded(needed):,} more impressions of each would show whether {name} is as far "
        f"ahead of {other} as it seems."
    )


def _advice(arm: ArmDecision, share_so_far: float, decision: Decision) -> str:
    if len(decision.arms) == 1 or decision.status is Status.TIE:
        return "keep"
    if arm.share < _HARDLY_ANY and arm.chance_best < _HARDLY_ANY:
        return "switch off"
    if arm.share > 1.2 * share_so_far:
        return "give more"
    return "give less" if arm.share < share_so_far / 1.2 else "keep"


def _chances(arm: ArmDecision, arms: int) -> Iterator[str]:
    if arms > 1:
        yield f"best with a chance of {chance(arm.chance_best)}"
    if arm.chance_above_control is not None:
        yield f"above the control with a chance of {chance(arm.chance_above_control)}"


def _rates(arm: ArmDecision, *, of_rate: bool) -> Iterator[str]:
    yield f"expected {_amount(arm.mean, of_rate=of_rate)}"
    yield f"predicted {_amount(arm.predicted, of_rate=of_rate)}"
    observed = observed_rate(arm)
    if observed is not None:
        yield f"observed {percent(observed)} of {round(_trials(arm)):,}"


def _amount(number: float, *, of_rate: bool) -> str:
    return percent(number) if of_rate else f"{number:.3g}"


def _trials(arm: ArmDecision) -> float:
    return max(target.trials for target in arm.targets.values())


def _least_rate(arm: ArmDecision) -> float:
    return min(target.mean for target in arm.targets.values())


def _rounded(number: float) -> int:
    """Rounds up to two digits; an estimate is no more exact than that."""
    power = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / power) * power


# === Headlines and images of arms ===


def _look_up(
    decisions: Sequence[Decision], table: object, question: TableQuestion
) -> dict[tuple[str, str], Seen]:
    """Reads the headlines and images of the arms that are shown."""
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

"""The findings of an evaluation in plain words: verdict, ranking and rates."""

from collections.abc import Mapping, Sequence

from adscore.evaluation.bootstrap import Estimate, Ranking
from adscore.evaluation.metrics import CHANCE
from adscore.report.rows import TargetRows
from adscore.report.words import percent

# A 90 % interval works as stated if its coverage is within 90 +- 3 %.
_COVERAGE_AS_STATED = (0.87, 0.93)
# A predicted rate is close if the calibration error is below this share of the mean rate,
_CLOSE_CALIBRATION = 0.1
_FAR_CALIBRATION = 0.5  # and far off above this share
_AS_PERFECT = 1.2  # also close: up to this many times a perfect model's error on these rows
_HARDLY = 0.55  # up to this share of pairs ranked right, hardly better than a coin
# A part adds nothing, or little, when even the upper end of its interval is below this.
_NOTHING, _LITTLE = 0.02, 0.05
# A part decides when it adds this many times as much as the next.
_DECIDES = 2.0


def part_words(part: str, context_names: Sequence[str]) -> str:
    """A part's name for readers: context is named after its columns."""
    if part != "context":
        return part
    names = ", ".join(name.replace("_", " ") for name in context_names)
    return names if len(context_names) == 1 else f"context ({names})"


def verdict(ranking: Ranking | None, context_names: Sequence[str], group_word: str) -> str:
    """The main finding in a sentence: which part matters, and which adds nothing.

    Args:
        ranking: The ranking, with the gain of each part that was exchanged.
        context_names: Names of the model's contexts.
        group_word: What rows are compared within, e.g. ``"campaign"``.
    """
    if ranking is None:
        return "Nothing was observed that creatives could be ranked by."
    value = ranking.value
    if value.lower is None or value.upper is None:
        few = "creatives" if ranking.metric == "auc" else f"{group_word}s"
        return f"Too few {few} to say how well it ranks."
    if value.upper < CHANCE:
        return "It ranks these creatives worse than a coin."
    if value.lower <= CHANCE:
        return "It cannot tell which of these creatives does better."
    if not ranking.gains:
        ends = f"{percent(value.lower)} to {percent(value.upper)}"
        start = "It is hardly better than a coin: it" if value.value < _HARDLY else "It"
        return f"{start} picks the better creative {percent(value.value)} of the time ({ends})."
    gains = {part_words(part, context_names): gain for part, gain in ranking.gains.items()}
    clauses = [*_what_adds(gains), *_what_does_not(gains)]
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _what_adds(gains: Mapping[str, Estimate]) -> list[str]:
    adding = [name for name, gain in gains.items() if gain.lower is not None and gain.lower > 0]
    adding.sort(key=lambda name: -gains[name].value)
    if not adding:
        return ["no part by itself can be shown to decide"]
    most = gains[adding[0]].value
    equals = [name for name in adding if gains[name].value * _DECIDES > most]
    others = [name for name in adding if name not in equals]
    verb = "decides" if len(equals) == 1 else "decide"
    return [f"{_listed(equals)} {verb}", *(f"the {name} adds a little" for name in others)]


def _what_does_not(gains: Mapping[str, Estimate]) -> list[str]:
    kinds: dict[str, list[str]] = {
        "misleads": [],
        "adds nothing here": [],
        "adds little, if anything": [],
        "may add something, which takes more cases to tell": [],
    }
    for name, gain in gains.items():
        if gain.lower is None or gain.upper is None or gain.lower > 0:
            continue
        if gain.upper < 0:
            kinds["misleads"].append(name)
        elif gain.upper < _NOTHING:
            kinds["adds nothing here"].append(name)
        elif gain.upper < _LITTLE:
            kinds["adds little, if anything"].append(name)
        else:
            kinds["may add something, which takes more cases to tell"].append(name)
    return [f"{_listed(names)} {_agreeing(verb, names)}" for verb, names in kinds.items() if names]


def _listed(names: Sequence[str]) -> str:
    *first, last = (f"the {name}" for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _agreeing(verb: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return verb
    return verb.replace("misleads", "mislead").replace("adds", "add")


def summary(rows: TargetRows, group_word: str) -> str:
    """Two sentences: how well the target is ranked, and how far its rates can be trusted."""
    return f"{_ranking(rows, group_word)} {_calibration(rows)}"


def calibration_hint(rows: TargetRows) -> str:
    """What the calibration error can be compared with."""
    perfect = rows.perfect_calibration_error
    if rows.overall is None or perfect is None:
        return "mean gap"
    return (
        f"mean gap, where the mean rate is {percent(rows.overall)}; a perfect model would show "
        f"about {percent(perfect, 2)} on these rows (simulated)"
    )


def _ranking(rows: TargetRows, group_word: str) -> str:
    metrics = rows.metrics
    reached, ceiling = metrics.pairwise_accuracy, metrics.pairwise_noise_ceiling
    if reached is None:
        return _ranking_without_pairs(rows)
    start = f"Of two creatives of one {group_word}, the model picks the better one "
    start += f"{percent(reached)} of the time; a coin would pick it {CHANCE:.0%}"
    if ceiling is None or ceiling <= CHANCE:
        return f"{start}."
    share = (reached - CHANCE) / (ceiling - CHANCE)
    far = f": {share:.0%} of the way from guessing to knowing" if share > 0 else ""
    return f"{start}, and knowing the true rates about {percent(ceiling)}{far}."


def _ranking_without_pairs(rows: TargetRows) -> str:
    none = "There are no groups to compare creatives within"
    if rows.metrics.auc is None:
        return f"{none}, and results of one kind only, so how well it ranks cannot be told."
    return (
        f"{none}; over all rows, a success was predicted above a failure "
        f"{percent(rows.metrics.auc)} of the time, where chance is {CHANCE:.0%}."
    )


def _calibration(rows: TargetRows) -> str:
    error, overall = rows.metrics.calibration_error, rows.overall
    if error is None or overall is None:
        return "Nothing was counted, so its rates cannot be checked."
    relative = error / overall if overall else float("inf")
    perfect = rows.perfect_calibration_error or 0.0
    close = relative <= _CLOSE_CALIBRATION or error <= _AS_PERFECT * perfect
    far = relative > _FAR_CALIBRATION
    verdict = "close to" if close else "far from" if far else "some way from"
    part = f", {relative:.0%} of the mean rate of {percent(overall)}" if overall else ""
    points = percent(error, 2).removesuffix("%")
    return (
        f"Its predicted rates are {verdict} what happened, off by {points} percentage points on "
        f"average{part}{_coverage(rows.metrics.interval_coverage)}."
    )


def _coverage(coverage: float | None) -> str:
    if coverage is None:
        return ""
    low, high = _COVERAGE_AS_STATED
    verdict = "too narrow" if coverage < low else "wider than need be" if coverage > high else ""
    held = f"its 90% intervals hold {percent(coverage)} of the observed rates"
    return f"; {held}: {verdict}" if verdict else f"; {held}, as they should"

"""What is measured of explanations, one line of the table each."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import binomtest, spearmanr

from adscore.creative import Creative
from adscore.explanation import WhatIf, WordEffect, explain
from adscore.scoring.scorer import Scorer
from explaining_bench.planted import (
    ELEMENTS,
    STRONG,
    Planted,
    dealt_evenly,
    phrase,
    planted_gain,
    without_phrases,
)

Line = tuple[str, str]  # what was measured, and the figure


def sums(scorer: Scorer, creatives: Sequence[Creative]) -> Iterator[Line]:
    """How far base, parts and remainder are from the logit of the score, and the remainder."""
    gaps, remainders = [], []
    for creative in creatives:
        found = explain(scorer, creative)
        total = found.base + found.parts.total + found.remainder
        gaps.append(abs(total - _logit(scorer, creative)))
        remainders.append(abs(found.remainder))
    share = np.mean(np.array(remainders) <= 0.02)
    yield (
        f"base + parts + remainder, {len(creatives)} creatives",
        f"off by {max(gaps):.0e} at most; remainder <= 0.02 in {share:.1%}, "
        f"at most {max(remainders):.3f}",
    )


def _logit(scorer: Scorer, creative: Creative) -> float:
    mean = next(iter(scorer.score([creative])[0].targets.values())).mean
    return math.log(mean / (1 - mean))


# === Elements ===


def true_boxes(scorer: Scorer, sample: Sequence[Planted], count: int) -> Iterator[Line]:
    """Effects of elements whose boxes are given, against the banner drawn without them.

    Beside them those on a plain ground: of the others nobody sees what lies behind an element.
    """
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in ELEMENTS}
    plain: dict[str, list[tuple[float, float]]] = {name: [] for name in ELEMENTS}
    for one in sample:
        wanted = [name for name in one.boxes if len(pairs[name]) < count]
        if not wanted:
            continue
        effects = dict(zip(one.boxes, _of_elements(scorer, one), strict=True))
        for name in wanted:
            pairs[name].append((effects[name], _true_change(scorer, one, name)))
            if not one.simulated.banner.cluttered:
                plain[name].append(pairs[name][-1])
    for name, found in pairs.items():
        yield f"{name}, box given, {len(found)} banners", _agreement(found)
        yield f"{name}, the {len(plain[name])} on a plain ground", _agreement(plain[name])


def _of_elements(scorer: Scorer, one: Planted) -> list[float]:
    what_if = WhatIf(boxes=list(one.boxes.values()))
    return [element.effect for element in explain(scorer, one.creative, what_if).elements]


def found_text(scorer: Scorer, sample: Sequence[Planted], count: int) -> Iterator[Line]:
    """The same for the text that is found."""
    for name in ("badge", "button"):
        chosen = [one for one in sample if name in one.boxes][:count]
        pairs = []
        for one in chosen:
            elements = explain(scorer, one.creative, WhatIf(find_text=True)).elements
            box = one.boxes[name]
            effect = next((e.effect for e in elements if _overlap(e.box, box) >= 0.5), None)
            if effect is not None:
                pairs.append((effect, _true_change(scorer, one, name)))
        found = len(pairs) / len(chosen)
        yield f"{name}, text found, {len(chosen)} banners", f"{found:.0%}; {_agreement(pairs)}"


def _true_change(scorer: Scorer, one: Planted, name: str) -> float:
    return _logit(scorer, one.creative) - _logit(scorer, one.redrawn([name]))


def _agreement(pairs: Sequence[tuple[float, float]]) -> str:
    """Pearson's r and the slope through zero, with 90 % intervals of the banners drawn anew."""
    if len(pairs) < 3:
        return "too few"
    values = np.array(pairs)
    draws = np.random.default_rng(0).integers(len(pairs), size=(1_000, len(pairs)))
    drawn = np.array([_r_and_ratio(values[rows]) for rows in draws])
    (low_r, low), (high_r, high) = np.quantile(drawn, (0.05, 0.95), axis=0)
    r, ratio = _r_and_ratio(values)
    found, true = values.T
    return (
        f"r {r:.3f} ({low_r:.3f} to {high_r:.3f}), ratio {ratio:.2f} ({low:.2f} to {high:.2f}); "
        f"off by {np.sqrt(((found - true) ** 2).mean()):.3f}, where effects are {true.mean():+.3f} "
        f"on average and differ by {true.std():.3f}"
    )


def _r_and_ratio(pairs: np.ndarray) -> tuple[float, float]:
    found, true = pairs.T
    return np.corrcoef(found, true)[0, 1], (found * true).sum() / (true * true).sum()


def _overlap(a: Sequence[int], b: Sequence[int]) -> float:
    """Area that two boxes share over that of both."""
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / both


# === Words and ideas ===


def planted_words(scorer: Scorer, sample: Sequence[Planted]) -> Iterator[Line]:
    """Headlines with one strong planted trait: whether what is on top is of its phrase.

    Beside it what bounds that: whether the model gives the trait more than each other one that is
    planted in the headline, and what a model would show that knew all of them and dealt each out
    evenly to the words of its phrase.
    """
    words, learned, even, phrases = [], [], [], []
    for one in sample:
        headline = one.simulated.headline
        strong = [name for name in STRONG if getattr(headline, name)]
        if len(strong) != 1:
            continue
        planted = phrase(strong[0], headline.text)
        found = explain(scorer, one.creative)
        words.append(_is_top(planted, found.words))
        even.append(_is_top(planted, dealt_evenly(headline)))
        changes = _trait_changes(scorer, one)
        top = max(changes, key=changes.__getitem__, default=strong[0])
        learned.append(top == strong[0])
        if found.phrases:
            phrases.append(_is_top(planted, found.phrases))
    known = [hit for hit, is_learned in zip(words, learned, strict=True) if is_learned]
    yield "planted word on top", _share(words)
    yield "the same, where the model gives its trait the most", _share(known)
    yield "phrase with the planted words on top, of several phrases", _share(phrases)
    yield "the model gives the strong trait more than the headline's others", _share(learned)
    yield "planted word on top, every effect known and dealt out evenly", _share(even)


def _is_top(planted: tuple[int, int], effects: Sequence[WordEffect]) -> bool:
    """Whether the strongest of words or phrases lies in a planted phrase, or has it inside."""
    top = max(effects, key=lambda one: abs(one.effect))
    return top.start < planted[1] and planted[0] < top.end


def _trait_changes(scorer: Scorer, one: Planted) -> dict[str, float]:
    """How much each planted phrase of a headline does to the model, by trait."""
    headline = one.simulated.headline
    own = _logit(scorer, one.creative)
    return {
        name: abs(own - _logit(scorer, replace(one.creative, headline=left)))
        for name, left in without_phrases(headline).items()
        if left
    }


def _share(hits: Sequence[bool]) -> str:
    """A share with its 90 % interval."""
    found = binomtest(sum(hits), len(hits))
    low, high = found.proportion_ci(0.9, "wilson")
    return f"{found.statistic:.0%} ({low:.0%} to {high:.0%}) of {len(hits)} headlines"


def ideas(scorer: Scorer, sample: Sequence[Planted]) -> Iterator[Line]:
    """How many creatives have an idea, and how often the first one raises the planted rate."""
    gains, by_kind = [], {}
    for one in sample:
        others = _campaign(one, sample)
        what_if = _question(one, others)
        found = explain(scorer, one.creative, what_if).ideas
        if found:
            gain = planted_gain(one, found[0], others)
            gains.append(gain)
            by_kind.setdefault(found[0].kind, []).append(gain > 0)
    kinds = ", ".join(f"{kind} {np.mean(w):.0%} of {len(w)}" for kind, w in sorted(by_kind.items()))
    yield (
        f"an idea, {len(sample)} creatives",
        f"{len(gains) / len(sample):.0%}; the first raises the planted rate in "
        f"{np.mean(np.array(gains) > 0):.0%} ({kinds})",
    )


def _campaign(one: Planted, sample: Sequence[Planted]) -> list[Planted]:
    name = one.simulated.campaign.campaign_id
    return [o for o in sample if o.simulated.campaign.campaign_id == name and o is not one]


def _question(one: Planted, others: Sequence[Planted]) -> WhatIf:
    return WhatIf(
        boxes=list(one.boxes.values()),
        headlines=[other.creative.headline for other in others],
        images=[other.creative.image for other in others],
    )


def shuffled(real: Scorer, controls: Sequence[Scorer], sample: Sequence[Planted]) -> Iterator[Line]:
    """Rank correlation of effects with those of models that were trained on shuffled labels.

    Elements are of three kinds, and a model that reacts to noise reacts alike to all of a kind: so
    one shuffle says little. What is true of both, by the banners drawn without, stands beside it.
    """
    ours = _effects(real, sample)
    theirs = [_effects(control, sample) for control in controls]
    for title, mine in ours.items():
        found = np.array([_rank_correlation(mine, one[title]) for one in theirs])
        yield (
            f"shuffled labels {len(controls)} times, {title}, {len(sample)} creatives",
            f"{found.mean():+.2f} on average ({', '.join(f'{one:+.2f}' for one in found)}), "
            f"of a size {np.mean([np.std(one[title]) for one in theirs]) / np.std(mine):.2f} times "
            "the real one's",
        )


def _rank_correlation(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Spearman's; 0 for a model that reacts to nothing."""
    return 0.0 if np.ptp(theirs) < 1e-6 else float(spearmanr(ours, theirs).statistic)


def _effects(scorer: Scorer, sample: Sequence[Planted]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"words": [], "elements": [], "elements drawn without": []}
    for one in sample:
        explanation = explain(scorer, one.creative, WhatIf(boxes=list(one.boxes.values())))
        found["words"] += [word.effect for word in explanation.words]
        found["elements"] += [element.effect for element in explanation.elements]
        found["elements drawn without"] += [_true_change(scorer, one, name) for name in one.boxes]
    return found


# === Time ===


def seconds(scorer: Scorer, sample: Sequence[Planted]) -> Iterator[Line]:
    """How long an explanation takes, with the boxes and the campaign of each creative."""
    explain(scorer, sample[0].creative)  # the first is slower
    taken = []
    for one in sample:
        what_if = _question(one, _campaign(one, sample))
        start = time.perf_counter()
        explain(scorer, one.creative, what_if)
        taken.append(time.perf_counter() - start)
    yield (
        f"explain, {len(sample)} creatives, 3 boxes, 9 headlines, 9 banners",
        f"median {np.median(taken):.2f} s, p95 {np.quantile(taken, 0.95):.2f} s",
    )

"""What is measured of explanations, one line of the table each."""

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import spearmanr

from adscore.creative import Creative
from adscore.explanation import WhatIf, explain
from adscore.scoring.scorer import Scorer
from explaining_bench.planted import ELEMENTS, STRONG, Planted, phrase, planted_gain

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
    """Effects of elements whose boxes are given, against the banner drawn without them."""
    for name in ELEMENTS:
        chosen = [one for one in sample if name in one.boxes][:count]
        pairs = []
        for one in chosen:
            what_if = WhatIf(boxes=[one.boxes[name]])
            [element] = explain(scorer, one.creative, what_if).elements
            pairs.append((element.effect, _true_change(scorer, one, name)))
        yield f"{name}, box given, {len(pairs)} banners", _agreement(pairs)


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
    if len(pairs) < 3:
        return "too few"
    found, true = np.array(pairs).T
    ratio = (found * true).sum() / (true * true).sum()
    return f"r {np.corrcoef(found, true)[0, 1]:.3f}, ratio {ratio:.2f}"


def _overlap(a: Sequence[int], b: Sequence[int]) -> float:
    """Area that two boxes share over that of both."""
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / both


# === Words and ideas ===


def planted_words(scorer: Scorer, sample: Sequence[Planted]) -> Iterator[Line]:
    """Headlines with one strong planted trait: whether the top word is one of its phrase."""
    hits = []
    for one in sample:
        headline = one.simulated.headline
        traits = [name for name in STRONG if getattr(headline, name)]
        if len(traits) != 1:
            continue
        words = explain(scorer, one.creative).words
        top = max(words, key=lambda word: abs(word.effect))
        start, end = phrase(traits[0], headline.text)
        hits.append(start <= top.start and top.end <= end)
    yield f"planted word on top, {len(hits)} headlines", f"{np.mean(hits):.0%}"


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


def shuffled(real: Scorer, control: Scorer, sample: Sequence[Planted]) -> Iterator[Line]:
    """Rank correlation of the effects of two models, one of them trained on shuffled labels."""
    pairs = [(_effects(real, one), _effects(control, one)) for one in sample]
    for title, place in (("words", 0), ("elements", 1)):
        ours, theirs = (np.concatenate([pair[k][place] for pair in pairs]) for k in (0, 1))
        correlation = spearmanr(ours, theirs).statistic
        yield f"shuffled labels, {title}, {len(sample)} creatives", f"{correlation:+.2f}"


def _effects(scorer: Scorer, one: Planted) -> tuple[list[float], list[float]]:
    found = explain(scorer, one.creative, WhatIf(boxes=list(one.boxes.values())))
    return [word.effect for word in found.words], [element.effect for element in found.elements]


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

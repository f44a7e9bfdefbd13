"""Does adscore check find what is wrong with a creative, and nothing else? See docs/checking.md.

    make bench ONLY=checking

Banners are those of the sample, which draws them itself: it knows where their text is, in which
colours, and which rules they keep.
"""

import argparse
import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from unittest import mock

import numpy as np

from adscore.checks import Checker, find_placement
from adscore.checks import image as checked_images
from adscore.checks.check import LIMITS
from adscore.checks.text import Line, covered_share, read_lines
from adscore.creative import Creative
from checking_bench.banners import Banner, TrueLine, draw
from checking_bench.violations import VIOLATIONS, placement_of

# A clean banner keeps the rules for text by this factor: what is at the limit is neither.
_MARGIN = 1.1
# One in so many banners of the sample does; many have a faint brand name.
_DRAWN_FOR_EACH = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all of it and prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measures adscore check against known banners.")
    parser.add_argument("--count", type=int, default=200, help="banners of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=11, help="%(default)s")
    options = parser.parse_args(arguments)
    banners = draw(options.count, options.seed)
    with mock.patch.object(checked_images, "read_lines", _Reader()) as reader:
        _measure_text(banners, reader)
    _measure_clean(draw(_DRAWN_FOR_EACH * options.count, options.seed + 1), options.count)
    _measure_violations(draw(options.count, options.seed + 2))
    return 0


class _Reader:
    """Reads each banner once, and keeps the time it takes."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._known: dict[bytes, tuple[Line, ...]] = {}
        read_lines(np.full((64, 64, 3), 255, np.uint8))  # loads the networks

    def __call__(self, pixels: np.ndarray) -> tuple[Line, ...]:
        key = hashlib.sha256(pixels).digest()
        if key not in self._known:
            start = time.process_time()
            self._known[key] = read_lines(pixels)
            self.seconds.append(time.process_time() - start)
        return self._known[key]


def _measure_text(banners: Sequence[Banner], reader: _Reader) -> None:
    """Text found, coverage and contrast, against what was drawn."""
    coverage, contrast, lines = [], [], 0
    for number, banner in enumerate(banners):
        kind = ("PNG", "JPEG")[number % 2]  # the sample writes as many of both
        image = checked_images.BannerImage(banner.encoded(kind), LIMITS)
        found = reader(image.pixels)
        height, width = image.pixels.shape[:2]
        coverage.append(covered_share(found, width, height) - banner.coverage)
        for line in banner.lines:
            lines += 1
            middle = (line.box[0] + line.box[2]) / 2, (line.box[1] + line.box[3]) / 2
            there = [one for one in found if _holds(one, middle)]
            if there:
                contrast.append(there[0].contrast - line.contrast)
    points, ratio = np.abs(coverage) * 100, np.abs(contrast)
    print(f"{len(banners)} banners, {lines} lines of text")
    print(f"lines found: {len(contrast) / lines:.1%}")
    print(f"coverage: within 3 points {np.mean(points <= 3):.1%}, 95 % within "
          f"{np.quantile(points, 0.95):.1f} points")  # fmt: skip
    print(f"contrast: within 0.3 {np.mean(ratio <= 0.3):.1%}, 95 % within "
          f"{np.quantile(ratio, 0.95):.2f}")  # fmt: skip
    median, slow = np.quantile(reader.seconds, (0.5, 0.95))
    print(f"seconds of CPU for the text of a banner: median {median:.2f}, 95 % {slow:.2f}")


def _measure_clean(banners: Sequence[Banner], count: int) -> None:
    """Banners that keep all rules, by their truth, and have findings all the same."""
    clean = [banner for banner in banners if _is_clean(banner)][:count]
    checkers = {}
    flagged: Counter[str] = Counter()
    wrong = 0
    for banner in clean:
        name = placement_of(banner)
        checker = checkers.setdefault(name, Checker(find_placement(name)))
        creative = Creative(banner.creative.headline.text, banner.encoded())
        rules = {finding.rule for finding in checker.check(creative).creative.findings}
        flagged.update(rules)
        wrong += bool(rules)
    share = wrong / max(1, len(clean))
    print(f"clean banners flagged: {wrong} of {len(clean)} ({share:.1%}) {dict(flagged)}")


def _measure_violations(banners: Sequence[Banner]) -> None:
    """Banners that break one rule each, in turn of the kinds."""
    caught: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    for number, banner in enumerate(banners):
        kind = list(VIOLATIONS)[number % len(VIOLATIONS)]
        case = VIOLATIONS[kind](banner, rng)
        checker = Checker(find_placement(case.placement))
        found = checker.compared([checker.check(creative) for creative in case.creatives])[-1]
        tried[kind] += 1
        caught[kind] += any(finding.rule == kind for finding in found.findings)
    total = sum(caught.values())
    print(f"violations caught: {total} of {len(banners)} ({total / len(banners):.1%})")
    for kind in tried:
        print(f"  {kind}: {caught[kind]} of {tried[kind]}")


def _is_clean(banner: Banner) -> bool:
    """Whether what was drawn keeps the rules for text, by a margin."""
    return all(
        line.contrast >= _MARGIN * (3 if _height(line) >= 17 else 4.5)
        and _height(line) >= _MARGIN * 6
        for line in banner.lines
    ) and banner.coverage < 0.35 / _MARGIN  # fmt: skip


def _height(line: TrueLine) -> float:
    return line.box[3] - line.box[1]


def _holds(line: Line, point: tuple[float, float]) -> bool:
    ink = line.ink
    return ink.left <= point[0] <= ink.right and ink.top <= point[1] <= ink.bottom


if __name__ == "__main__":
    raise SystemExit(main())

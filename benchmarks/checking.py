"""Does adscore check find what is wrong with a creative, and nothing else? See docs/checking.md.

    make bench ONLY=checking
    make bench ONLY=checking ARGS="--only table --rows 10000"

Banners are those of the sample, which draws them itself: it knows where their text is, in which
colours, and which rules they keep.
"""

import argparse
import csv
import hashlib
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from adscore.checks import Checker, find_placement
from adscore.checks import image as checked_images
from adscore.checks.check import LIMITS
from adscore.checks.text import Line, covered_share, read_lines
from adscore.creative import Creative
from checking_bench.banners import Banner, TrueLine, draw
from checking_bench.violations import GOOGLE, VIOLATIONS, placement_of
from shared.model import run_adscore
from shared.processes import python_path

# A clean banner keeps the rules for text by this factor: what is at the limit is neither.
_MARGIN = 1.1
# Of a table: images and headlines of a campaign, each of which runs with each.
_CAMPAIGN = 10
MEASURES = ("text", "clean", "violations", "table")
# One in so many banners of the sample does; many have a faint brand name.
_DRAWN_FOR_EACH = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all of it and prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measures adscore check against known banners.")
    parser.add_argument("--count", type=int, default=200, help="banners of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=11, help="%(default)s")
    parser.add_argument("--rows", type=int, default=1_000, help="of the table (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, help="a part")
    options = parser.parse_args(arguments)
    count, seed = options.count, options.seed
    if "text" in options.only:
        with mock.patch.object(checked_images, "read_lines", _Reader()) as reader:
            _measure_text(draw(count, seed), reader)
    if "clean" in options.only:
        _measure_clean(draw(_DRAWN_FOR_EACH * count, seed + 1), count)
    if "violations" in options.only:
        _measure_violations(draw(count, seed + 2))
    if "table" in options.only:
        _measure_table(options.rows, seed + 3)
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


def _measure_table(rows: int, seed: int) -> None:
    """`adscore check` of a table: its time and its memory."""
    campaigns = -(-rows // _CAMPAIGN**2)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        sizes = ("--creatives", campaigns * _CAMPAIGN, "--campaigns", campaigns, "--seed", seed)
        run_adscore("sample", log, *sizes)
        table = _crossed(log / "creatives.csv", rows)
        command = [sys.executable, "-m", "adscore", "check", str(table), "--for", GOOGLE]
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, capture_output=True, env={**os.environ, **python_path()}, text=True
        )
    if not done.stdout:  # its exit status is 1 where a creative may not run
        raise SystemExit(done.stderr)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"table of {rows:,} creatives, {campaigns * _CAMPAIGN:,} images: {seconds:,.0f} s, "
          f"{cpu:,.0f} s of CPU, {after.ru_maxrss / 1024:,.0f} MB at most")  # fmt: skip
    print(*done.stdout.splitlines()[-2:], sep="\n")


def _crossed(table: Path, rows: int) -> Path:
    """A table of each image of a campaign with each of its headlines, cut off after some rows."""
    with table.open(newline="", encoding="utf-8") as file:
        creatives = list(csv.DictReader(file))
    path = table.with_name("crossed.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("creative_id", "campaign_id", "headline", "image"))
        groups = itertools.groupby(creatives, key=lambda row: row["campaign_id"])
        crossed = (
            (f"{image['creative_id']}-{number}", name, headline["headline"], image["image"])
            for name, group in groups
            for number, (image, headline) in enumerate(itertools.product(list(group), repeat=2))
        )
        writer.writerows(itertools.islice(crossed, rows))
    return path


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

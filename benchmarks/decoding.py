"""What does it cost to read a banner, beside another adscore and beside its codec?

    make bench ONLY=decoding
    make bench ONLY=decoding ARGS="--before CHECKOUT"     # beside another adscore, in turns

Prints the CPU time of `decode` for each kind of picture at two sizes, and of Pillow's decoder
alone, scaled as far as the model's size allows: no reader that stands on it can be faster.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from PIL import Image

from serving_bench.pictures import draw_pictures
from shared.processes import BENCHMARKS, PROJECT, python_of, python_path
from shared.table import format_table

CASES = (
    ("300x250 JPEG", 64, Image.Resampling.BILINEAR),
    ("300x250 PNG", 64, Image.Resampling.BILINEAR),
    ("1200x628 JPEG", 224, Image.Resampling.BICUBIC),
    ("1200x628 PNG", 224, Image.Resampling.BICUBIC),
)
HEADER = ["picture", "model reads", "decode", "Pillow's decoder alone", "before", "over before"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures in turns and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measures the decoding of banners.")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another adscore")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--designs", type=int, default=20, help="pictures a kind (%(default)s)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        json.dump(measure(options.measure), sys.stdout)
        return 0
    with tempfile.TemporaryDirectory(prefix="decoding-") as folder:
        draw_pictures(Path(folder, "pictures"), options.designs)
        projects = [PROJECT, *filter(None, [options.before and options.before.resolve()])]
        rounds = [
            [_measured_by(project, Path(folder, "pictures")) for project in projects]
            for _ in range(options.rounds)
        ]
    print("CPU time in ms, median over rounds", "", format_table(_rows(rounds)), sep="\n")
    return 0


def measure(pictures: Path) -> list[tuple[float, float]]:
    """For each case, CPU milliseconds of reading a picture, and of Pillow's decoder alone."""
    from adscore.creative import InputLimits

    try:
        from adscore.scoring.image import ImageSize, decode
    except ImportError:  # adscore 0.1
        from adscore.image import ImageSize, decode  # type: ignore[import-not-found,no-redef]

    costs = []
    for kind, side, resampling in CASES:
        files = [path.read_bytes() for path in sorted((pictures / kind).iterdir())]
        size, limits = ImageSize(side, side, resampling), InputLimits()
        costs.append(
            (
                _cpu_ms(lambda data, s=size, li=limits: decode(data, s, li), files),
                _cpu_ms(lambda data, s=side: _load(data, s), files),
            )
        )
    return costs


def _load(data: bytes, side: int) -> None:
    image = Image.open(io.BytesIO(data))
    scale = min(image.width, image.height) // side
    if image.format == "JPEG" and scale > 1:
        image.draft("RGB", (image.width // scale, image.height // scale))
    image.load()


def _cpu_ms(read: Callable[[bytes], object], files: Sequence[bytes]) -> float:
    """The least of five passes, a picture."""
    passes = []
    for _ in range(5):
        started = time.process_time()
        for data in files:
            read(data)
        passes.append((time.process_time() - started) / len(files) * 1000)
    return min(passes)


def _measured_by(project: Path, pictures: Path) -> list[tuple[float, float]]:
    """What a checkout's own Python and adscore take."""
    path = {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), python_path(project)["PYTHONPATH"]])}
    command = [python_of(project), str(BENCHMARKS / "decoding.py"), "--measure", str(pictures)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **path})
    return [tuple(costs) for costs in json.loads(done.stdout)]  # type: ignore[misc]


def _rows(rounds: Sequence[Sequence[Sequence[tuple[float, float]]]]) -> list[list[str]]:
    rows = [HEADER]
    for number, (kind, side, _) in enumerate(CASES):
        here = [systems[0][number] for systems in rounds]
        before = [systems[1][number][0] for systems in rounds if len(systems) > 1]
        over = [ours / theirs for (ours, _), theirs in zip(here, before, strict=False)]
        costs = [median(decode for decode, _ in here), median(floor for _, floor in here)]
        beside = [f"{median(values):.2f}" if values else "-" for values in (before, over)]
        rows.append([kind, f"{side} x {side}", *(f"{cost:.2f}" for cost in costs), *beside])
    return rows


if __name__ == "__main__":
    sys.exit(main())

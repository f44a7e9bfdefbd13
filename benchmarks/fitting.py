"""What does a training take once it has the features of its creatives? See docs/performance.md.

    make bench ONLY=fitting ARGS="--rows 10000 100000 --encoders DIR"

The features are noise, as wide as those of the encoders, in a file as the cache has them: so a log
of any size needs neither images nor hours. What is fitted, left out, calibrated, exported and
written is what a training does; the ranking says nothing.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adscore.sample import write_sample
from adscore.table import Columns, CreativeTable, Target, read_table
from shared.encoders import add_encoder_names, encoder_choices
from shared.table import format_table

DRAWN = 1_000  # creatives whose headlines and counts come again and again
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains each size in a process of its own, and prints what it takes; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", nargs="+", type=int, default=[1_000, 10_000], help="sizes of the logs")
    add("--encoders", type=Path, help="folder of the encoders; without it, nothing is run")
    add_encoder_names(parser)
    add("--train", action="store_true", help=argparse.SUPPRESS)  # a child
    options = parser.parse_args(arguments)
    if options.train:
        return _train(options)
    if options.encoders is None:
        print("name the folder of the encoders: --encoders DIR")
        return 0
    lines: list[Sequence[str]] = [["rows", "CPU seconds", "MiB at most"]]
    for rows in sorted(options.rows):
        print(f"{rows:,} rows ...", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--train", "--rows", str(rows), "--encoders"]
        command += [options.encoders, "--text-encoder", options.text_encoder]
        command += ["--image-encoder", options.image_encoder]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds, mebibytes = json.loads(child.stdout.splitlines()[-1])
        lines.append([f"{rows:,}", f"{seconds:.0f}", f"{mebibytes:,.0f}"])
    print(format_table(lines))
    return 0


def _train(options: argparse.Namespace) -> int:
    from adscore.training import TrainingOptions, train
    from adscore.training.encoders.feature_cache import Stored
    from adscore.training.images import ReadImages

    problem, inputs, export = (
        importlib.import_module(f"adscore.training.{name}")
        for name in ("problem", "inputs", "export")
    )
    with tempfile.TemporaryDirectory(prefix="fitting-") as folder:
        table = _log(Path(folder), options.rows[0])

        def given(width: int) -> NDArray[Any]:
            return _noise(Path(folder) / str(width), len(table), width)

        problem.read_images = lambda _, __, encoder, *___: ReadImages(
            given(encoder.width), np.arange(len(table)), []
        )
        inputs.headline_features = lambda texts, encoding, *_: Stored(
            given(encoding.encoder.width), np.arange(len(texts))
        )
        export.check_graphs = lambda *_: None  # the graphs do not give noise
        encoders = encoder_choices(options, options.encoders)
        before = time.process_time()
        train(table, Path(folder) / "model", TrainingOptions(**encoders))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([time.process_time() - before, used.ru_maxrss * 1024 / MIB]))
    return 0


def _log(folder: Path, rows: int) -> CreativeTable:
    """A drawn log that is repeated, with ids, campaigns and headlines of their own."""
    write_sample(folder / "log", creatives=DRAWN, campaigns=DRAWN // 10)
    target = Target.parse("ctr=clicks/impressions")
    table = read_table(folder / "log" / "creatives.csv", Columns(), [target])
    place, turn = np.arange(rows) % DRAWN, np.arange(rows) // DRAWN

    def repeated(values: Sequence[Any]) -> list[str]:
        return [f"{values[p]} {t}" for p, t in zip(place.tolist(), turn.tolist(), strict=True)]

    return replace(
        table,
        ids=repeated(table.ids),
        headlines=repeated(table.headlines),
        images=[table.images[row] for row in place.tolist()],
        groups=repeated(table.group_names),
        successes={name: counts[place] for name, counts in table.successes.items()},
        trials={name: counts[place] for name, counts in table.trials.items()},
    )


def _noise(path: Path, rows: int, width: int) -> NDArray[Any]:
    """Features in a file, (rows, width) float16."""
    rng = np.random.default_rng(width)
    block = rng.normal(size=(4_096, width)).astype(np.float16)
    with path.open("wb") as file:
        for start in range(0, rows, len(block)):
            file.write(rng.permutation(block)[: rows - start].tobytes())
    return np.memmap(path, np.float16, "r", shape=(rows, width))


if __name__ == "__main__":
    sys.exit(main())

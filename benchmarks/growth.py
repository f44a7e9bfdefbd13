"""How do time and memory of training grow with the rows? See docs/performance.md.

    make bench ONLY=growth ARGS="--rows 1000 10000 --encoders DIR"

Each training is a process of its own, on a simulated log of ten creatives a campaign that is drawn
once and kept in build/growth. The cache of features is empty at the start of each.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adscore.cores import usable_cores
from adscore.sample import write_sample
from shared.encoders import add_encoder_names, encoder_choices
from shared.table import format_table

FOLDER = Path("build/growth")
ROWS_A_CAMPAIGN = 10
SCRATCH, ENCODERS = "from nothing", "with encoders"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """One training.

    Attributes:
        kind: `SCRATCH` or `ENCODERS`.
        rows: Creatives in the log.
        seconds: Of the whole process.
        cpu_seconds: Of all its threads, which other work on the machine does not change.
        reading_seconds: Of these, CPU seconds that reading and encoding headlines and images took.
        mebibytes: Its largest resident memory.
    """

    kind: str
    rows: int
    seconds: float
    cpu_seconds: float
    reading_seconds: float
    mebibytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains each size, and prints how time grows; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", nargs="+", type=int, default=[1_000, 10_000], help="sizes of the logs")
    add("--encoders", type=Path, help="folder of the encoders; without it, from nothing alone")
    add_encoder_names(parser)
    add("--train", nargs=2, help=argparse.SUPPRESS)  # a child: the log, further options as JSON
    options = parser.parse_args(arguments)
    if options.train:
        return _train(*options.train)
    kinds = {SCRATCH: {}}
    if options.encoders is not None:
        kinds[ENCODERS] = encoder_choices(options, options.encoders)
    runs = [_measured(kind, rows, kinds[kind]) for kind in kinds for rows in sorted(options.rows)]
    print(format_table(list(_lines(runs))))
    return 0


def _measured(kind: str, rows: int, choices: dict[str, str]) -> Run:
    log = FOLDER / str(rows)
    if not log.exists():
        campaigns = max(3, rows // ROWS_A_CAMPAIGN)
        write_sample(log, creatives=rows, campaigns=campaigns, processes=usable_cores())
    print(f"{kind}, {rows:,} rows ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="growth-") as cache:
        started = time.monotonic()
        command = [sys.executable, __file__, "--train", str(log), json.dumps(choices)]
        child = subprocess.run(
            command,
            env=os.environ | {"ADSCORE_CACHE": cache},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.monotonic() - started
    run = Run(kind, rows, seconds, *json.loads(child.stdout.splitlines()[-1]))
    print(
        f"{run.cpu_seconds:.0f} CPU seconds, {run.mebibytes:.0f} MiB", file=sys.stderr, flush=True
    )
    return run


def _train(log: str, choices: str) -> int:
    from adscore.progress import Progress
    from adscore.table import Columns, Target, read_table
    from adscore.training import TrainingOptions, train

    began: dict[str, float] = {}

    class Stages(Progress):
        def __call__(self, stage: str) -> None:
            began.setdefault(stage.partition(" ")[0], time.process_time())

    target = Target.parse("ctr=clicks/impressions")
    table = read_table(Path(log) / "creatives.csv", Columns(), [target])
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        train(table, Path(folder) / "model", TrainingOptions(**json.loads(choices)), Stages())
    used = resource.getrusage(resource.RUSAGE_SELF)
    reading = began["fitting"] - began["reading"]
    print(json.dumps([used.ru_utime + used.ru_stime, reading, used.ru_maxrss * 1024 / MIB]))
    return 0


def _lines(runs: Sequence[Run]) -> Iterator[Sequence[str]]:
    yield [
        "training", "rows", "seconds", "CPU seconds", "of them reading and encoding", "MiB at most",
        "rows x", "CPU x",
    ]  # fmt: skip
    before: Run | None = None
    for run in runs:
        growth = ["", ""]
        if before is not None and before.kind == run.kind:
            cpu = run.cpu_seconds / before.cpu_seconds
            growth = [f"{run.rows / before.rows:.1f}", f"{cpu:.1f}"]
        seconds = (run.seconds, run.cpu_seconds, run.reading_seconds)
        cells = [f"{run.rows:,}", *(f"{each:.0f}" for each in seconds), f"{run.mebibytes:,.0f}"]
        yield [run.kind, *cells, *growth]
        before = run


if __name__ == "__main__":
    sys.exit(main())

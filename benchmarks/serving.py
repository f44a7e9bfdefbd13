"""How fast is the server, beside what the machine can do and beside peers? See docs/performance.md.

    make bench ONLY=serving                 # adscore alone
    make bench-peers                        # the same, after installing the peers beside it
    make bench ONLY=serving ARGS=--quick    # seconds, to try the script

A run writes a new file of results, a line of JSON each, and prints its tables.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from serving_bench import environments, results, sections, tables
from serving_bench.bench import Bench, Settings
from serving_bench.pictures import draw_pictures
from serving_bench.results import Measurement, Summary
from serving_bench.systems import PEERS
from shared.model import train_model
from shared.table import format_table

RESULTS = Path("build/serving.jsonl")
SECTIONS = {
    "score": sections.score,
    "parts": sections.parts,
    "bulk": sections.bulk,
    "idle": sections.idle,
    "grid": sections.grid,
    "cache": sections.cache,
    "empty": sections.empty,
    "before": sections.before,
    "starts": sections.starts,
    "growth": sections.growth,
}
# Asked unless told otherwise.
USUAL_SECTIONS = [name for name in SECTIONS if name != "growth"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures unless told otherwise, and prints the tables; returns the exit status."""
    options = _parser().parse_args(arguments)
    for name in options.peers if options.install_peers else ():
        environments.install(name)
    if not options.table_only:
        with tempfile.TemporaryDirectory(prefix="serving-") as folder:
            _measure(options, Path(folder))
    machine, found = results.read_file(options.results)
    _print_tables(machine, Summary(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures adscore's server beside its ceiling.")
    add = parser.add_argument
    add(
        "--model", type=Path, help="a model's folder; by default one is trained on `adscore sample`"
    )
    add("--sections", nargs="+", choices=SECTIONS, default=USUAL_SECTIONS, help="what to ask")
    add("--before", type=Path, metavar="CHECKOUT", help="another adscore to compare with, in turns")
    add("--peers", nargs="*", choices=PEERS, default=[], help="servers to compare with")
    add("--install-peers", action="store_true", help="make environments for those first")
    add("--long", type=int, nargs="?", const=100_000, metavar="N", help="stream N creatives too")
    add("--rounds", type=int, default=3, help="runs of each system, in turns (%(default)s)")
    add("--seconds", type=float, default=2.0, help="of each run (%(default)s)")
    add("--quick", action="store_true", help="one short round: to try the script, not for figures")
    add("--results", type=Path, default=RESULTS, help="file of results (%(default)s)")
    add("--table-only", action="store_true", help="measure nothing, show the file of results")
    return parser


def _measure(options: argparse.Namespace, folder: Path) -> None:
    model = options.model or train_model(folder)
    draw_pictures(folder / "pictures", designs=4 if options.quick else 40)
    settings = Settings(
        model,
        folder / "pictures",
        seconds=0.3 if options.quick else options.seconds,
        rounds=1 if options.quick else options.rounds,
        cores=len(os.sched_getaffinity(0)),
        all_kinds=not options.quick,
        before=options.before and options.before.resolve(),
        before_model=options.before
        and train_model(folder / "before", project=options.before.resolve()),
    )
    results.start_file(options.results, _machine(settings))

    def record(one: Measurement) -> None:
        print(f"{one.section}: {one.system}, {one.case}: {one.rate:.0f}/s {one.note}",
              file=sys.stderr, flush=True)  # fmt: skip
        results.append(options.results, one)

    with Bench(settings, record) as bench:
        for name in options.sections:
            SECTIONS[name](bench)
        sections.peers(bench, options.peers)
        if options.long:
            sections.long(bench, options.long)


def _machine(settings: Settings) -> dict[str, str]:
    return {
        "machine": f"{_processor()}, {settings.cores} cores",
        "libraries": f"Python {platform.python_version()}, onnxruntime {version('onnxruntime')}, "
        f"grpcio {version('grpcio')}, Pillow {version('pillow')}",
        "runs": f"{settings.rounds} rounds of {settings.seconds:g} s",
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _print_tables(machine: dict[str, str], found: Summary) -> None:
    print("; ".join(machine.values()))
    for table in (
        tables.aims(found),
        tables.servers(found),
        tables.kinds(found),
        tables.parts(found),
        tables.growth(found),
    ):
        if len(table) > 1:
            print("", format_table(table), sep="\n")


if __name__ == "__main__":
    sys.exit(main())

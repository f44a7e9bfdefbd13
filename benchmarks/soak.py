"""Does the server hold up under load, faults and bad input? See docs/reliability.md.

    make bench ONLY=soak                 # about 3 minutes
    make bench ONLY=soak ARGS=--quick    # a minute
    make bench ONLY=soak ARGS=--attacks  # a minute

Starts `adscore serve` as a user would, and prints a table; the exit status is 1 where a trial
failed.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from adscore.scoring.scorer import Scorer
from shared.model import run_adscore, train_model
from shared.table import format_table
from soaking import attacks, faults, inputs, pressure, swaps
from soaking.ads import Ads
from soaking.rows import Row, as_table
from soaking.swaps import served


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all trials and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="Tries what a server in production meets.")
    add = parser.add_argument
    add("--model", type=Path, help="a model's folder; by default one is trained on the log")
    add("--seconds", type=float, default=4.0, help="of each trial (%(default)s)")
    add("--swaps", type=int, default=50, help="models swapped under load (%(default)s)")
    add("--requests", type=int, default=10_000, help="for the memory (%(default)s)")
    add("--attacks", action="store_true", help="the attacks alone")
    add("--quick", action="store_true", help="little of each: to try the script, not for figures")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.swaps, options.requests = 1.0, 3, 500
    rows = []
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        for row in _trials(options, Path(folder)):
            print(
                f"{'ok    ' if row.passed else 'FAILED'} {row.trial}: {row.done}: {row.outcome}",
                flush=True,
            )
            rows.append(row)
    print("", format_table(as_table(rows)), sep="\n")
    return 0 if all(row.passed for row in rows) else 1


def _trials(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    log, model = folder / "log", folder / "models" / "ads"
    if options.model is None:
        trained = train_model(folder)
    else:
        run_adscore("sample", log)
        trained = options.model
    newest = max(trained.glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.copytree(newest, model / "1")
    seconds = options.seconds
    ads = Ads(log, model / "1")
    if not options.attacks:
        yield from _production(ads, model, options)
    guarded = attacks.Guarded(model, folder)
    for attack in attacks.CALLS:
        yield attacks.under_attack(guarded, ads, attack, seconds)
    yield attacks.slips(guarded, ads, seconds)
    yield attacks.revocation(guarded, ads, seconds)


def _production(ads: Ads, model: Path, options: argparse.Namespace) -> Iterator[Row]:
    seconds = options.seconds
    with served(model) as server:
        yield swaps.hold_load(server, ads, seconds)
        yield pressure.growth(server, ads, options.requests)
        yield inputs.bad_inputs(server, ads, options.requests // 5)
        yield faults.half_open(server, ads, seconds)
        yield faults.slow_reader(server, ads, seconds)
        yield faults.gone_mid_stream(server, ads, seconds)
        yield from pressure.overload(server, Scorer.open(model / "1"), seconds)
    with served(model) as server:
        yield swaps.swap(server, ads, model, options.swaps)
        yield swaps.roll_back(server, ads, model)
        yield swaps.refuse_broken(server, ads, model)
    shutil.rmtree(model / "1000")
    yield faults.sigterm(model, ads, seconds / 2)
    yield faults.drain(model, ads)
    yield faults.kill_server(model, ads, seconds / 2)
    yield faults.kill_worker(model, ads, seconds / 2)
    yield faults.full_disk(model, ads, seconds / 2)


if __name__ == "__main__":
    sys.exit(main())

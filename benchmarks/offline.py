"""Offline scoring: how close to what the machine can do, how much memory, what a kill costs.

    python benchmarks/offline.py            about five minutes on two cores
    python benchmarks/offline.py --quick    the same figures from few rows, in about a minute

Every figure is a ratio within this run, or a count. Creatives are simulated; the model has the
default towers and is trained for one pass, since speed does not depend on how good it is. Spark is
left out where pyspark is missing.
"""

import argparse
import csv
import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import pyarrow.parquet

from adscore.cores import usable_cores
from adscore.creative import Creative
from adscore.offline.local import score_to
from adscore.offline.options import ScoringOptions
from adscore.sample import write_sample
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, Target, read_table

COLUMNS = Columns(group=None)
CHUNK = 256


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    banners: int = 1_000  # images that are drawn; others are their copies with a tail of their own
    headlines: int = 2_000
    distinct: int = 5_000  # rows of which no two share an image or a headline
    reused: int = 100_000
    spark: int = 20_000
    kills: int = 50
    rounds: int = 7


QUICK = Sizes(
    banners=200, headlines=400, distinct=1_500, reused=20_000, spark=2_000, kills=5, rounds=3
)


@dataclass(frozen=True)
class Bench:
    """What every measurement works on."""

    folder: Path
    model: Path
    sizes: Sizes

    def table(self, name: str, rows: int, images: Sequence[str], headlines: Sequence[str]) -> Path:
        """Writes a table that walks through images and headlines at different paces."""
        path = self.folder / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("creative_id", "headline", "image"))
            for row in range(rows):
                headline = headlines[(row + row // len(headlines)) % len(headlines)]
                writer.writerow((row, headline, images[row % len(images)]))
        return path

    def score(self, table: Path) -> float:
        """Scores a table in this process; returns rows per second, the model's opening apart."""
        out = self.folder / "scores.parquet"
        out.unlink(missing_ok=True)
        options = ScoringOptions(COLUMNS, image_root=str(self.folder))
        start = time.perf_counter()
        Scorer.open(self.model, RuntimeOptions(threads=1))
        opened = time.perf_counter()
        summary = score_to(out, self.model, table, options)
        seconds = (time.perf_counter() - opened) - (opened - start)
        if summary.errors:
            raise RuntimeError(f"{table}: {summary.errors} rows were not scored")
        return summary.rows / seconds

    def command(self, table: Path, out: str, *options: str) -> list[str]:
        """The command line that scores a table."""
        command = [sys.executable, "-m", "adscore", "score", str(table), "--out", out]
        return [*command, "--model", str(self.model), *options]


def main() -> None:
    """Prints the table of figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rows")
    parser.add_argument("--only", nargs="*", choices=list(MEASUREMENTS), help="some of the figures")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    print(f"{usable_cores()} cores; {sizes}", flush=True)
    print("\n| figure | aim | measured | |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="adscore-bench-") as name:
        bench = Bench(Path(name), Path(name) / "models" / "bench", sizes)
        # TensorFlow's threads and objects are not in a process that scores.
        with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            elsewhere.submit(prepare, bench).result()
        for measurement in arguments.only or MEASUREMENTS:
            for line in MEASUREMENTS[measurement](bench):
                print(line, flush=True)


def prepare(bench: Bench) -> None:
    """Draws creatives, trains the model, and writes the tables."""
    from adscore.training import TrainingOptions, train
    from adscore.training.presets import DEFAULT

    log = bench.folder / "log"
    write_sample(log, creatives=bench.sizes.banners, campaigns=bench.sizes.banners // 10, seed=0)
    table = read_table(log / "creatives.csv", Columns(), [Target.parse("ctr=clicks/impressions")])
    train(table, bench.model, TrainingOptions(dataclasses.replace(DEFAULT, max_epochs=1)))
    banners = [f"log/images/{path.name}" for path in sorted((log / "images").iterdir())]
    copies = bench.folder / "copies"
    copies.mkdir()
    distinct = []
    for number in range(bench.sizes.distinct):
        source = bench.folder / banners[number % len(banners)]
        copy = copies / f"{number}{source.suffix}"
        copy.write_bytes(source.read_bytes() + number.to_bytes(4, "big"))
        distinct.append(f"copies/{copy.name}")
    headlines = [f"{text} No. {n}" for n, text in enumerate(_headlines(table.headlines, bench))]
    bench.table("distinct.csv", len(distinct), distinct, headlines[: len(distinct)])
    few = headlines[: bench.sizes.headlines]
    bench.table("reused.csv", bench.sizes.reused, banners, few)
    bench.table("thousand.csv", 1_000, banners, few)
    bench.table("spark.csv", bench.sizes.spark, distinct, headlines[: len(distinct)])


def _headlines(texts: Sequence[str], bench: Bench) -> list[str]:
    wanted = max(bench.sizes.distinct, bench.sizes.headlines)
    return [texts[number % len(texts)] for number in range(wanted)]


# === The figures ===


def throughput(bench: Bench) -> Iterator[str]:
    """Rows per second of the engine over those of its decoding and its graphs alone."""
    table = bench.folder / "distinct.csv"
    rates, busy = [], []
    for _ in range(bench.sizes.rounds):
        before = time.process_time()
        highest = ceiling(bench, table)
        between = time.process_time()
        rates.append((bench.score(table), highest))
        busy.append((between - before) / (time.process_time() - between))
    reached, highest = max(rates)
    yield row(
        "local throughput over the in-process ceiling",
        ">= 0.90",
        f"{median(mine / best for mine, best in rates):.2f}",
        f"median of {len(rates)} rounds, e.g. {reached:,.0f} of {highest:,.0f} rows/s; "
        f"{median(busy):.2f} by processor time",
    )


def ceiling(bench: Bench, table: Path) -> float:
    """Rows per second of the same decoding and graphs on all cores, from files that were read."""
    scorer = Scorer.open(bench.model, RuntimeOptions(threads=1))
    with table.open(newline="") as file:
        creatives = [
            Creative(line["headline"], (bench.folder / line["image"]).read_bytes())
            for line in csv.DictReader(file)
        ]
    chunks = [creatives[at : at + CHUNK] for at in range(0, len(creatives), CHUNK)]
    start = time.perf_counter()
    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(lambda chunk: scorer.predict(map(scorer.preparer.creative, chunk)), chunks))
    return len(creatives) / (time.perf_counter() - start)


def memory(bench: Bench) -> Iterator[str]:
    """Peak resident memory of the command for few and for many rows."""
    few, many = (
        peak_megabytes(bench, bench.folder / name) for name in ("thousand.csv", "reused.csv")
    )
    yield row(
        f"peak memory, {bench.sizes.reused // 1_000} k over 1 k rows",
        "<= 1.10",
        f"{many / few:.2f}",
        f"{many:.0f} MB, {few:.0f} MB",
    )


# A process that was forked counts its parent's memory as its own peak, so it tells by itself.
TELL_PEAK = """
import atexit, re, sys
from adscore.cli.entry import main
def tell():
    status = open("/proc/self/status").read()
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", status)[1])
atexit.register(tell)
sys.exit(main())
"""


def peak_megabytes(bench: Bench, table: Path) -> float:
    """Peak resident memory of one run of the command (Linux)."""
    (bench.folder / "peak.parquet").unlink(missing_ok=True)
    arguments = bench.command(table, "peak.parquet")[3:]
    done = subprocess.run(
        [sys.executable, "-c", TELL_PEAK, *arguments],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.rpartition(" ")[2]) / 1024


def reuse(bench: Bench) -> Iterator[str]:
    """Rows per second where assets come again over those where none does."""
    distinct = median(bench.score(bench.folder / "distinct.csv") for _ in range(3))
    reused = median(bench.score(bench.folder / "reused.csv") for _ in range(3))
    yield row(
        f"{bench.sizes.reused // 1_000} k rows of {bench.sizes.banners:,} images and "
        f"{bench.sizes.headlines:,} headlines, against all distinct",
        ">= 10 x",
        f"{reused / distinct:.1f} x",
        f"{reused:,.0f} against {distinct:,.0f} rows/s (of {bench.sizes.distinct:,} rows)",
    )


def kills(bench: Bench) -> Iterator[str]:
    """Rows that are lost or doubled by kills at random moments."""
    moments = random.Random(0)  # noqa: S311 - no secret
    out = bench.folder / "killed"
    command = bench.command(bench.folder / "distinct.csv", "killed", "--part-rows", "20")
    for _ in range(bench.sizes.kills):
        process = subprocess.Popen(
            command, cwd=bench.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = len(list(out.glob("part-*")))
        while process.poll() is None and len(list(out.glob("part-*"))) <= before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=bench.folder, check=True, stdout=subprocess.DEVNULL)
    ids = pyarrow.parquet.read_table(out, columns=["creative_id"])["creative_id"].to_pylist()
    lost, doubled = bench.sizes.distinct - len(set(ids)), len(ids) - len(set(ids))
    yield row(
        "kills at random moments, rows lost or doubled",
        "50, 0",
        f"{bench.sizes.kills}, {lost + doubled}",
        f"{len(ids):,} rows",
    )


def spark(bench: Bench) -> Iterator[str]:
    """Rows per second on Spark over those of the local engine; its start-up apart."""
    if find_spec("pyspark") is None:
        yield row("Spark local[2] over the local engine", ">= 0.6", "-", "pyspark is not installed")
        return
    for how, columns in (("partitioned by image", ["image"]), ("in random partitions", [])):
        there = on_spark(bench, columns)
        local = bench.score(bench.folder / "spark.csv")
        yield row(
            f"Spark local[2] over the local engine, {bench.sizes.spark:,} rows "
            f"of {bench.sizes.distinct:,} images {how}",
            ">= 0.6",
            f"{there / local:.2f}",
            f"{there:,.0f} of {local:,.0f} rows/s",
        )


def on_spark(bench: Bench, columns: Sequence[str]) -> float:
    """Rows per second on Spark, in a session of its own, whose workers remember nothing."""
    from pyspark.sql import SparkSession

    from adscore.offline import spark as engine

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    here = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    here |= {"spark.driver.host": "127.0.0.1", "spark.log.level": "ERROR"}
    session = SparkSession.builder.master("local[2]").config(map=here).getOrCreate()
    rows = session.read.csv(str(bench.folder / "spark.csv"), header=True)
    few = rows.limit(64).repartition(2)
    engine.score(few, model=bench.model, image_root=bench.folder).collect()  # both workers start
    frame = rows.repartition(8, *columns).cache()
    frame.count()
    scores = engine.score(frame, model=bench.model, image_root=bench.folder)
    start = time.perf_counter()
    scores.write.mode("overwrite").parquet(str(bench.folder / "on-spark"))
    seconds = time.perf_counter() - start
    session.stop()
    return bench.sizes.spark / seconds


MEASUREMENTS = {
    "throughput": throughput,
    "memory": memory,
    "reuse": reuse,
    "kills": kills,
    "spark": spark,
}


def row(*cells: str) -> str:
    """A line of the table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

"""Does a decision earn more, and is what it says true? See docs/deciding.md.

    make bench ONLY=deciding ARGS="--data DIR --encoders DIR"

The replay needs the headline tests of the Upworthy Research Archive (`upworthy/packages.parquet`
under --data). A model is trained on one half of the tests, by a digest of their ids, and the other
half is replayed. The rest needs nothing.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import logit

from adscore.bundle import Spread
from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore.training.spreads import estimate_spread
from deciding_bench import checks, replay
from shared.model import run_adscore
from shared.table import format_table

Array = NDArray[np.float64]

DATA_VARIABLE = "ADSCORE_DATA"
IMPRESSIONS = (50, 200, 500, 1_000, 3_000, 10_000)
TRIALS = (0, 50, 200, 1_000, 5_000)
ARMS = (4, 5)
# Randomisation of these weeks is doubtful.
DOUBTFUL_WEEKS = (201326, 201402)
PARTS = ("replay", "truth", "status", "speed")
APART = 0.14
_BATCH = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was measured; returns the exit status."""
    options = _parser().parse_args(arguments)
    spread = Spread(between_groups=0.61, residual=0.26)
    log = None
    if options.data is not None and {"replay", "truth"} & set(options.part):
        with tempfile.TemporaryDirectory(prefix="deciding-") as folder:
            log = prepared(options, Path(folder))
        spread = log.known.spread
        print(f"spreads of the bundle: {spread}; of the tests without the model: {log.without}\n")
    if "replay" in options.part:
        if log is None:
            print("replay skipped: it needs --data DIR\n")
        else:
            _print_replays(log, options)
    if "truth" in options.part:
        _print_truth(log, spread)
    if "status" in options.part:
        _print_status(spread, options.groups)
    if "speed" in options.part:
        seconds, busy, megabytes = checks.speed_of_groups(options.many)
        print(
            f"{options.many:,} groups of 5 arms: {seconds:.1f} s, {busy:.1f} s of processors, peak "
            f"memory {megabytes:.0f} MB"
        )
        print(f"one group of 10 arms: {checks.speed_of_one():.2f} ms of a processor")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures decisions from predictions and counts.")
    data = os.environ.get(DATA_VARIABLE)
    add = parser.add_argument
    add("--data", type=Path, default=Path(data) if data else None, help="folder of the tables")
    add("--encoders", type=Path, help="folder of the encoders; by default beside that of the data")
    add("--text-encoder", default="minilm-l6", help="folder in it (%(default)s)")
    add("--model", type=Path, help="trained on the first half before; else it is trained now")
    add("--part", nargs="+", choices=PARTS, default=list(PARTS))
    add("--predictions", nargs="+", default=["as they are", "shuffled", "reversed"])
    add("--impressions", nargs="+", type=int, default=list(IMPRESSIONS), help="of an arm")
    add("--repeats", type=int, default=2, help="draws of each test's true rates")
    add("--groups", type=int, default=1_000, help="of equal arms")
    add("--many", type=int, default=100_000, help="groups whose time is taken")
    return parser


# === The tests ===


@dataclass(frozen=True, slots=True)
class Log:
    """The half of the tests that the model has not seen.

    Attributes:
        known: What policies know, from the other half.
        without: Spreads of the other half's rates without predictions.
        tests: Of as many arms each.
        repeats: Draws of true rates among them.
    """

    known: replay.Known
    without: Spread
    tests: Sequence[replay.Tests]


def prepared(options: argparse.Namespace, folder: Path) -> Log:
    """Trains a model on one half of the tests and scores the other."""
    table = _one_image_a_test(pq.read_table(options.data / "upworthy" / "packages.parquet"))
    is_first = pa.array([_digest(name) % 2 == 0 for name in table["group"].to_pylist()])
    fitted, rest = table.filter(is_first), table.filter(pc.invert(is_first))
    model = options.model
    if model is None:
        model = folder / "model"
        encoders = options.encoders or options.data.resolve().parent / "encoders"
        pq.write_table(fitted, folder / "fitted.parquet")
        run_adscore(
            "train", folder / "fitted.parquet", model, "--image-column", "none",
            "--id-column", "none", "--group-column", "group",
            "--target", "ctr=clicks/impressions",
            "--text-encoder", encoders / options.text_encoder,
        )  # fmt: skip
    scorer = Scorer.open(model)
    trials, successes, groups = _counts(fitted)
    mean = float(successes.sum() / trials.sum())
    without = estimate_spread(np.full(len(trials), logit(mean)), trials, successes, groups)
    if without is None:
        raise ValueError("expected more tests")
    variance = without.between_groups**2 + without.residual**2
    known = replay.Known(scorer.manifest.spreads["ctr"], mean, 1 / (mean * variance))
    return Log(known, without, list(_tests(rest, scorer, without, mean, options.repeats)))


def _one_image_a_test(table: pa.Table) -> pa.Table:
    """Of each test the image with the most headlines, and each headline once."""
    weeks = table["test_week"]
    low, high = DOUBTFUL_WEEKS
    table = table.filter(pc.or_(pc.less(weeks, low), pc.greater(weeks, high)))
    keys = ["clickability_test_id", "eyecatcher_id", "headline"]
    sums = table.group_by(keys).aggregate([("impressions", "sum"), ("clicks", "sum")])
    sums = sums.sort_by([(key, "ascending") for key in keys])
    images = sums.group_by(keys[:2]).aggregate([("headline", "count")])
    images = images.sort_by([("headline_count", "descending"), (keys[1], "ascending")])
    chosen: dict[str, str] = {}
    for test, image in zip(*(images[key].to_pylist() for key in keys[:2]), strict=True):
        chosen.setdefault(test, image)
    pairs = zip(*(sums[key].to_pylist() for key in keys[:2]), strict=True)
    sums = sums.filter(pa.array([chosen[test] == image for test, image in pairs]))
    return pa.table(
        {
            "group": sums["clickability_test_id"].cast(pa.string()),
            "headline": sums["headline"].cast(pa.string()),
            "impressions": sums["impressions_sum"],
            "clicks": sums["clicks_sum"],
        }
    )


def _digest(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def _counts(table: pa.Table) -> tuple[Array, Array, NDArray[np.int64]]:
    trials, successes = (table[name].to_numpy().astype(float) for name in ("impressions", "clicks"))
    return trials, successes, np.unique(table["group"].to_pylist(), return_inverse=True)[1]


def _tests(
    table: pa.Table, scorer: Scorer, without: Spread, mean: float, repeats: int
) -> Iterator[replay.Tests]:
    trials, successes, groups = _counts(table)
    sizes = np.bincount(groups)[groups]
    headlines = table["headline"].to_pylist()
    for arms in ARMS:
        rows = np.flatnonzero(sizes == arms)
        rows = rows[np.argsort(groups[rows], kind="stable")]
        rates = [
            score.targets["ctr"].mean
            for start in range(0, len(rows), _BATCH)
            for score in scorer.score(
                [Creative(headlines[row], b"", "", {}) for row in rows[start : start + _BATCH]]
            )
        ]
        logits = np.tile(logit(np.array(rates)).reshape(-1, arms), (repeats, 1))
        n, c = (np.tile(x[rows].reshape(-1, arms), (repeats, 1)) for x in (trials, successes))
        yield replay.Tests(logits, replay.true_rates(n, c, without, mean, seed=arms))


# === What is printed ===


def _print_replays(log: Log, options: argparse.Namespace) -> None:
    for how in options.predictions:
        tests = [replay.with_predictions(one, how, seed=1) for one in log.tests]
        rows = [[f"predictions {how}", *(f"{n:,}" for n in options.impressions)]]
        outcomes = {
            name: [
                [replay.earned(one, n, policy, log.known, seed=n) for one in tests]
                for n in options.impressions
            ]
            for name, policy in replay.POLICIES.items()
        }
        for name, pairs in outcomes.items():
            rows.append([name, *(f"{replay.share_of_gain(pair):.3f}" for pair in pairs)])
        ours = outcomes["adscore"]
        for name, pairs in outcomes.items():
            if name != "adscore":
                ends = [replay.difference(*both, seed=0) for both in zip(ours, pairs, strict=True)]
                rows.append(
                    [f"more than {name}", *(f"{low:+.3f} to {high:+.3f}" for low, high in ends)]
                )
        print(format_table(rows), "\n", flush=True)


def _print_truth(log: Log | None, spread: Spread) -> None:
    rows = [["impressions an arm", *(f"{n:,}" for n in TRIALS)]]
    sources = {"drawn as the model says": [checks.drawn(spread, 2_000, 4, seed=2)]}
    if log is not None:
        sources["tests"] = [(one.logits, one.rates) for one in log.tests]
    for name, parts in sources.items():
        found = [
            [checks.check_truth(*part, spread, n, seed=n + 1) for part in parts] for n in TRIALS
        ]
        weights = [len(part[0]) for part in parts]
        for label, of in (
            ("rates in 90 % intervals", lambda one: one.coverage),
            ("error of chances to be best", lambda one: one.chance_error),
        ):
            means = [np.average([of(x) for x in column], weights=weights) for column in found]
            rows.append([f"{name}: {label}", *(f"{mean:.3f}" for mean in means)])
        leaders = [sum(x.leaders for x in column) for column in found]
        losses = [
            sum(x.leaders * x.leader_loss for x in column if x.leaders) / max(1, count)
            for column, count in zip(found, leaders, strict=True)
        ]
        rows.append([f"{name}: leaders", *map(str, leaders)])
        rows.append([f"{name}: their mean loss", *(f"{loss:.2%}" for loss in losses)])
    print(format_table(rows), "\n", flush=True)


def _print_status(spread: Spread, groups: int) -> None:
    for name, apart in (("alike", 0.0), (f"{APART:g} logits apart", APART)):
        false = checks.false_leaders(spread, groups, apart)
        right = checks.found(spread, groups, apart)
        print(f"predictions {name}: {groups:,} groups of four equal arms, a leader in {false:.1%}")
        print(f"    one arm better by a fifth: leads by 30,000 an arm in {right:.1%}", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())

"""Does a decision earn more, and is what it says true? See docs/deciding.md.

    make bench ONLY=deciding ARGS="--data DIR --encoders DIR"

The replay needs the headline tests of the Upworthy Research Archive (`upworthy/packages.parquet`
under --data). A model is trained on one half of the tests, by a digest of their ids, and the other
half is replayed. The rest needs nothing: it trains on `adscore sample`, and takes the groups of
another seed, whose true rates are known.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from deciding_bench import checks, exact, replay, truth
from deciding_bench.sample import sample_tests
from shared.model import run_adscore
from shared.table import format_table

Array = NDArray[np.float64]

DATA_VARIABLE = "ADSCORE_DATA"
IMPRESSIONS = (50, 200, 500, 1_000, 3_000, 10_000)
TRIALS = (0, 50, 200, 1_000, 5_000)
ARMS = (4, 5)
# Randomisation of these weeks is doubtful.
DOUBTFUL_WEEKS = (201326, 201402)
KNOWN_SHARES = (0.0, 0.1, 0.3, 0.5)
PARTS = ("replay", "truth", "sample", "status", "exact", "speed")
_BATCH = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was measured; returns the exit status."""
    options = _parser().parse_args(arguments)
    parts = set(options.part)
    with tempfile.TemporaryDirectory(prefix="deciding-") as folder:
        if options.data is None and {"replay", "truth"} & parts:
            print("replay and truth skipped: they need --data DIR\n")
        elif {"replay", "truth"} & parts:
            log = prepared(options, Path(folder))
            print(
                f"spreads of the bundle: {log.known.spread}; without predictions: {log.without}\n"
            )
            if "replay" in parts:
                _print_replays(log, options)
            if "truth" in parts:
                _print_truth_of_tests(log)
        if {"sample", "status"} & parts:
            tests, spread = sample_tests(Path(folder))
            print(f"spreads of a bundle of the sample: {spread}\n")
            if "sample" in parts:
                _print_truth({"sample": [tests]}, spread)
            if "status" in parts:
                _print_status(tests, spread, options.groups)
    if "exact" in parts:
        _print_exact(options.compared)
    if "speed" in parts:
        _print_speed(options.many)
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
    add("--repeats", type=int, default=6, help="draws of each test's true rates")
    add("--groups", type=int, default=1_000, help="of equal arms")
    add("--compared", type=int, default=40, help="random groups computed in other ways")
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
    repeats: int


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
    tests = list(_tests(rest, scorer, without, mean, options.repeats))
    return Log(known, without, tests, options.repeats)


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
        yield replay.Tests(logits, replay.true_rates(n, c, without, mean, seed=arms), n, c)


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
                ends = [
                    replay.difference(*both, log.repeats, seed=0)
                    for both in zip(ours, pairs, strict=True)
                ]
                rows.append(
                    [f"more than {name}", *(f"{low:+.3f} to {high:+.3f}" for low, high in ends)]
                )
        print(format_table(rows), "\n", flush=True)


def _print_truth_of_tests(log: Log) -> None:
    """Tests, and how much of what is off comes from drawing their true rates without the model."""
    spread = log.known.spread
    as_model = [truth.drawn_tests(one, spread, seed=2) for one in log.tests]
    redrawn = [
        replace(
            one,
            rates=replay.true_rates(one.trials, one.successes, log.without, log.known.mean, seed=3),
        )
        for one in as_model
    ]
    sources = {
        "tests, rates drawn without the model": log.tests,
        "groups as the model says": as_model,
        "these, rates drawn anew without the model": redrawn,
    }
    _print_truth(sources, spread)
    rows = [["share of the real counts known", *(f"{share:.0%}" for share in KNOWN_SHARES)]]
    once = [_once(one, len(one.logits) // log.repeats) for one in log.tests]
    found = [truth.observed_best(once, spread, share, seed=4) for share in KNOWN_SHARES]
    rows.append(["tests: error of chances to be best in the rest", *map(_error, found)])
    print(format_table(rows), "\n", flush=True)


def _once(tests: replay.Tests, count: int) -> replay.Tests:
    """The first of them: further ones repeat their counts."""
    return replay.Tests(
        tests.logits[:count], tests.rates[:count], tests.trials[:count], tests.successes[:count]
    )


def _print_truth(sources: Mapping[str, Sequence[replay.Tests]], spread: Spread) -> None:
    rows = [["impressions an arm", *(f"{n:,}" for n in TRIALS)]]
    for name, tests in sources.items():
        found = [truth.check_truth(tests, spread, n, seed=n + 1) for n in TRIALS]
        rows += [
            [f"{name}: rates in 90 % intervals", *(f"{one.coverage:.3f}" for one in found)],
            [f"{name}: error of chances to be best", *(_error(one.error) for one in found)],
            [f"{name}: leaders", *(str(one.leaders) for one in found)],
            [f"{name}: their mean loss", *(f"{one.leader_loss:.2%}" for one in found)],
        ]
    print(format_table(rows), "\n", flush=True)


def _error(error: truth.ChanceError) -> str:
    return f"{error.found:.3f} ({error.by_chance:.3f} by chance)"


def _print_status(tests: replay.Tests, spread: Spread, groups: int) -> None:
    alike = np.full((groups, tests.logits.shape[1]), logit(checks.RATE))
    predicted = np.resize(tests.logits, alike.shape)
    predicted += alike - predicted.mean(axis=1, keepdims=True)
    for name, logits in (("alike", alike), ("of the sample's creatives", predicted)):
        false, right = checks.false_leaders(logits, spread), checks.found(logits, spread)
        print(f"predictions {name}: {groups:,} groups of four equal arms, a leader in {false:.1%}")
        print(f"    one arm better by a fifth: leads by 30,000 an arm in {right:.1%}", flush=True)
    print()


def _print_exact(groups: int) -> None:
    print(f"{groups} random groups, the most that anything is off:")
    print(f"chances, of brute force: {exact.worst_chance(groups):.4f}")
    print(f"chances of one flat prior, of bayesian-testing: {exact.worst_of_peer(groups):.4f}")
    print(f"values of two targets, of draws: {exact.worst_value(groups)}\n", flush=True)


def _print_speed(groups: int) -> None:
    seconds, busy, megabytes = checks.speed_of_groups(groups)
    print(
        f"{groups:,} groups of 5 arms: {seconds:.1f} s, {busy:.1f} s of processors, peak "
        f"memory {megabytes:.0f} MB"
    )
    print(f"one group of 10 arms: {checks.speed_of_one():.2f} ms of a processor")


if __name__ == "__main__":
    sys.exit(main())

"""`adscore demo`: takes a user's way from a campaign log to a ranking of new creatives.

Everything it shows is simulated: the creatives, the campaigns and their rates.
"""

import contextlib
import csv
import itertools
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adscore.errors import AdscoreError
from adscore_client import AdscoreError as CallError
from adscore_client import Client, Creative, Score

TARGET = "ctr"
NEW_CREATIVES = 120
NEW_CAMPAIGNS = 10
STOP_SECONDS = 30.0
OTHER_COLUMNS_WIDTH = 62  # of the ranking, padding included; the headline gets the rest


class DemoError(AdscoreError):
    """A step of the demo failed, and has printed why."""


@dataclass(frozen=True, slots=True)
class NewCreative:
    """A creative that the model has not seen, with its true rate.

    Attributes:
        id: Identifies it in the simulated log.
        campaign: Id of its campaign.
        headline: Its headline.
        image: Path of its banner.
        true_ctr: The simulated click-through rate, from 0 to 1.
    """

    id: str
    campaign: str
    headline: str
    image: Path
    true_ctr: float


def run_demo(keep: Path | None) -> None:
    """Simulates, trains, serves and scores, then prints the ranking.

    Args:
        keep: New or empty folder for the files; None means a temporary one.

    Raises:
        DemoError: A step failed.
    """
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    # Raise SystemExit, so that the server stops and the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adscore-demo-")))
        else:
            folder = keep
            _require_free(folder)
        _run_steps(console, folder)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s.", end=" ")
    if keep is None:
        console.print("The files are gone; to keep them: adscore demo --keep DIR", markup=False)
    else:
        console.print(f"The files are in {folder}", markup=False)


def ranked_right(creatives: Sequence[NewCreative], predicted: Sequence[float]) -> tuple[int, int]:
    """Counts pairs within a campaign that a prediction ranks correctly.

    Returns:
        Pairs ranked correctly, and all pairs whose true rates differ.
    """
    right = total = 0
    for first, second in itertools.combinations(range(len(creatives)), 2):
        a, b = creatives[first], creatives[second]
        if a.campaign == b.campaign and a.true_ctr != b.true_ctr:
            total += 1
            right += (a.true_ctr > b.true_ctr) == (predicted[first] > predicted[second])
    return right, total


def _run_steps(console: Console, folder: Path) -> None:
    log, model, new = folder / "sample", folder / "model", folder / "new"
    console.rule("1. Simulate a campaign log", align="left")
    _run(console, "sample", str(log))
    console.rule("2. Train a model from it", align="left")
    _run(console, "train", str(log / "creatives.csv"), str(model))
    console.rule("3. Simulate new campaigns, which the model has not seen", align="left")
    sizes = ("--creatives", str(NEW_CREATIVES), "--campaigns", str(NEW_CAMPAIGNS))
    _run(console, "sample", str(new), *sizes, "--seed", "1")
    creatives = read_new_creatives(new)
    console.rule("4. Serve the model and score the new creatives", align="left")
    with _server(console, model) as address:
        scores = _score(console, address, creatives)
    console.rule("5. The ranking", align="left")
    _print_ranking(console, creatives, scores)


def _require_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DemoError(f"--keep: expected a new or empty folder. Received: {folder}")


# === Steps that are commands ===


def _run(console: Console, *arguments: str) -> None:
    _show(console, arguments)
    code = subprocess.run(_command(arguments), check=False).returncode  # noqa: S603 - our own
    if code:
        raise DemoError(f"expected exit code 0 of adscore {arguments[0]}. Received: {code}")


@contextlib.contextmanager
def _server(console: Console, model: Path) -> Iterator[str]:
    """Runs `adscore serve` and yields its address."""
    arguments = ("serve", str(model), "--address", "127.0.0.1:0", "--log-level", "warning")
    _show(console, arguments)
    process = subprocess.Popen(  # noqa: S603 - our own command
        _command(arguments), stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line.startswith("Ready on "):
            raise DemoError(f"expected adscore serve to be ready. Received: {line or 'nothing'}")
        console.print(line, markup=False)
        yield line.removeprefix("Ready on ").split(": ")[0]
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "adscore", *arguments]


def _show(console: Console, arguments: Sequence[str]) -> None:
    console.print(f"$ adscore {shlex.join(arguments)}", style="bold", markup=False)


# === Steps that are Python ===


def read_new_creatives(folder: Path) -> list[NewCreative]:
    """Reads a simulated log with its true rates."""
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        true_ctr = {row["creative_id"]: float(row["true_ctr"]) for row in csv.DictReader(file)}
    with (folder / "creatives.csv").open(encoding="utf-8", newline="") as file:
        return [
            NewCreative(
                id=row["creative_id"],
                campaign=row["campaign_id"],
                headline=row["headline"],
                image=folder / row["image"],
                true_ctr=true_ctr[row["creative_id"]],
            )
            for row in csv.DictReader(file)
        ]


def _score(console: Console, address: str, creatives: Sequence[NewCreative]) -> list[Score]:
    for line in (
        "from adscore_client import Client",
        f'with Client("{address}") as client:',
        "    scores = list(client.score_many(creatives))",
    ):
        console.print(f">>> {line}", style="bold", markup=False)
    started = time.monotonic()
    items = (Creative(one.headline, one.image, one.id) for one in creatives)
    try:
        with Client(address) as client:
            results = list(client.score_many(items))
    except CallError as error:
        raise DemoError(f"expected scores from the server. Received: {error}") from error
    seconds = time.monotonic() - started
    scores = [result for result in results if isinstance(result, Score)]
    if len(scores) < len(results):
        failed = next(result for result in results if not isinstance(result, Score))
        raise DemoError(f"expected a score for each creative. Received: {failed}")
    console.print(f"{len(scores)} creatives scored in {seconds:.2f} s")
    return scores


def _print_ranking(
    console: Console, creatives: Sequence[NewCreative], scores: Sequence[Score]
) -> None:
    """Prints the first campaign as a table, and how well all of them are ranked."""
    campaign = creatives[0].campaign
    members = [pair for pair in zip(creatives, scores, strict=True) if pair[0].campaign == campaign]
    console.print(_ranking_table(campaign, members, console.width))
    console.print(
        "The true CTR is the simulation's. Predictions are for the average campaign, so what "
        "counts is their order, not their size.",
        style="dim",
    )
    right, total = ranked_right(creatives, [score.targets[TARGET].mean for score in scores])
    console.print(
        f"Of all pairs inside the {NEW_CAMPAIGNS} simulated campaigns, "
        f"{right} of {total} ({right / total:.0%}) are ranked as the simulated truth ranks them; "
        "guessing would get 50%."
    )


def _ranking_table(
    campaign: str, members: Sequence[tuple[NewCreative, Score]], width: int
) -> Table:
    """The ranking at a width in characters; headlines are cut to fit."""
    table = Table(
        title=f"Simulated campaign {campaign}, ranked by predicted CTR",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("headline", no_wrap=True, max_width=max(width - OTHER_COLUMNS_WIDTH, 18))
    table.add_column("banner", no_wrap=True)
    for name in ("CTR", "90 %\ninterval", "per-\ncentile", "true\nCTR", "true\nrank"):
        table.add_column(name, justify="right", no_wrap=True)
    by_truth = sorted((one.true_ctr for one, _ in members), reverse=True)
    by_prediction = sorted(members, key=lambda pair: pair[1].targets[TARGET].mean, reverse=True)
    for rank, (creative, score) in enumerate(by_prediction, start=1):
        target = score.targets[TARGET]
        table.add_row(
            str(rank),
            Text(creative.headline),
            creative.image.name,
            f"{target.mean:.2%}",
            f"{target.lower:.2%}-{target.upper:.2%}",
            f"{target.percentile:.0f}",
            f"{creative.true_ctr:.2%}",
            str(by_truth.index(creative.true_ctr) + 1),
        )
    return table

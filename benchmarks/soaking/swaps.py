"""Load, and models that come, go and break under it."""

import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path

from shared.processes import Running, adscore_server
from soaking.ads import Ads
from soaking.callers import HUNG, WRONG, Callers, percentile
from soaking.rows import Row, tally

POLL_SECONDS = 0.2
WAIT_SECONDS = 60.0
# Until a server's memory is that of a busy one, or that of an idle one again.
SETTLING_SECONDS = 2.0


def served(
    root: Path, *options: str, address: str = "127.0.0.1:0", stderr: Path | None = None
) -> AbstractContextManager[Running]:
    """A server that scans its models often."""
    options = ("--poll-seconds", str(POLL_SECONDS), *options)
    return adscore_server(root, *options, address=address, stderr=stderr)


def hold_load(server: Running, ads: Ads, seconds: float) -> Row:
    """Callers that never pause."""
    with Callers(server.address, ads) as callers:
        time.sleep(seconds)
    done = f"8 callers for {seconds:g} s: {callers.rate:,.0f} scores a second"
    half, most = (percentile(callers.seconds, percent) for percent in (50, 99))
    outcome = f"{tally(callers.counts)}; p50 {half:.0f} ms, p99 {most:.0f} ms"
    return Row("load", done, outcome, not callers.unanswered)


def swap(server: Running, ads: Ads, model: Path, swaps: int) -> Row:
    """New versions under load, each after the one before it serves; old folders are removed."""
    with Callers(server.address, ads) as callers:
        time.sleep(SETTLING_SECONDS)
        before = server.process.usage().rss_mb
        for version in range(2, swaps + 2):
            _add_version(model, version)
            if version > 2:
                shutil.rmtree(model / str(version - 1))
            _wait_for(callers, str(version))
    time.sleep(SETTLING_SECONDS)  # what the last one leaves goes at the next look
    after = server.process.usage().rss_mb
    done = f"{swaps} versions under 8 callers"
    outcome = (
        f"{tally(callers.counts)}; p99 {percentile(callers.seconds, 99):.0f} ms; "
        f"memory {before:.0f} MB before, {after:.0f} MB after"
    )
    return Row("swaps", done, outcome, not callers.unanswered)


def roll_back(server: Running, ads: Ads, model: Path) -> Row:
    """The newest version's folder is removed under load."""
    newest = max(int(folder.name) for folder in model.iterdir() if folder.name.isdigit())
    with Callers(server.address, ads) as callers:
        _wait_for(callers, str(newest))
        shutil.rmtree(model / str(newest))
        _wait_for(callers, "1")
    return Row(
        "rollback", "folder removed under load", tally(callers.counts), not callers.unanswered
    )


def refuse_broken(server: Running, ads: Ads, model: Path) -> Row:
    """A version with a changed file comes, is repaired, and goes."""
    with Callers(server.address, ads) as callers:
        _add_version(model, 1_000, broken=True)
        time.sleep(2.0)
        served_broken = callers.versions["1000"]
        shutil.copy(model / "1" / "head.onnx", model / "1000" / "head.onnx")
        _wait_for(callers, "1000")
    outcome = f"{served_broken} calls reached it before its repair; {tally(callers.counts)}"
    return Row(
        "broken bundle",
        "changed file, then repaired",
        outcome,
        not callers.unanswered + served_broken,
    )


def _wait_for(callers: Callers, version: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    seen = callers.versions[version]
    while callers.versions[version] == seen:
        if time.monotonic() > end:
            raise RuntimeError(f"expected version {version} to be served. Received: none of it")
        if callers.counts[WRONG] + callers.counts[HUNG]:
            return
        time.sleep(0.02)


def _add_version(model: Path, version: int, *, broken: bool = False) -> None:
    """Adds a copy of version 1 as the training would: renamed when it is whole."""
    partial = Path(shutil.copytree(model / "1", model / f".partial-{version}"))
    if broken:
        (partial / "head.onnx").write_bytes(b"no graph")
    partial.rename(model / str(version))

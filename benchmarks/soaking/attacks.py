"""Attacks, each beside callers who pause between calls: what these notice, and what it costs."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from shared.processes import Running, python_path
from soaking.ads import Ads, fresh_creative
from soaking.callers import RIGHT, Callers, connect, metadata_of, outcome_of, percentile, score
from soaking.images import dear_images
from soaking.rows import Row, tally
from soaking.swaps import POLL_SECONDS, served

# Callers who pause leave the server room, so that their calls show what it makes others wait.
_PAUSE_SECONDS = 0.02
_CALLERS = 2
# A call takes at most three times as long (p99) as without the attack, or this in any case: on a
# machine that does other things too, single calls take it.
_MAX_TIMES = 3.0
_ANY_CASE_MS = 30.0
# What an image at the limit of 50 million pixels takes, at 20 bytes a pixel, and some MB more.
_IMAGE_MB, _USUAL_MB = 1_200, 300
_END_SECONDS = 15.0
# Until an attacker has imported and read what it needs.
_BEGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack by processes that call the server.

    Attributes:
        name: Of the function in `soaking.attackers`.
        done: What it does, for the table.
        max_mb: Memory that it may take.
    """

    name: str
    done: str
    max_mb: float = _USUAL_MB


CALLS = (
    Attack("dear_images_at_once", "8 callers of the worst images of each format", _IMAGE_MB),
    Attack("dear_images_without_patience", "the same, who give up after 0.2 s", _IMAGE_MB),
    Attack("millions_of_fields", "16 MB of empty fields in 16 kB, for each method"),
    Attack("calls_that_send_nothing", "300 calls of health and Score whose request never comes"),
    Attack("answers_that_nobody_reads", "grids of 10,000 scores that are not read"),
    Attack("resets", "1,000 calls a second without a token, reset at once"),
)


class Guarded:
    """A server that asks for tokens, of which a good caller and a bad one have one each.

    Args:
        model: What it serves.
        folder: For its tokens, and for images that are dear to decode.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.tokens, self.images = model, folder / "tokens", folder / "dear"
        self.images.mkdir()
        for number, (_, data) in enumerate(dear_images()):
            (self.images / f"{number:02d}").write_bytes(data)
        self.good, self.bad = self.add_token("good"), self.add_token("bad")

    def add_token(self, name: str) -> str:
        """Lets a caller in; gives its token."""
        command = [sys.executable, "-m", "adscore", "token", name, "--add-to", str(self.tokens)]
        environment = {**os.environ, **python_path()}
        printed = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
        return next(word for word in printed.split() if word.startswith("adscore_"))

    @contextlib.contextmanager
    def served(self) -> Iterator[Running]:
        """Serves."""
        with served(self.model.parent, "--tokens", str(self.tokens)) as server:
            yield server

    @contextlib.contextmanager
    def attacker(self, attack: Attack, server: Running) -> Iterator[None]:
        """A process that attacks, once it has begun."""
        module = [sys.executable, "-m", "soaking.attackers", attack.name]
        arguments = [server.address, self.bad, str(self.images)]
        environment = {**os.environ, **python_path()}
        process = subprocess.Popen(
            [*module, *arguments], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            time.sleep(_BEGIN_SECONDS)
            yield
        finally:
            process.kill()
            process.wait()

    def callers(self, server: Running, ads: Ads) -> Callers:
        """Good callers."""
        return Callers(
            server.address, ads, _CALLERS, metadata_of(self.good), pause_seconds=_PAUSE_SECONDS
        )


def under_attack(guarded: Guarded, ads: Ads, attack: Attack, seconds: float) -> Row:
    """Good callers alone, then beside the attack."""
    with guarded.served() as server:
        with guarded.callers(server, ads) as quiet:
            time.sleep(seconds)
        before = server.process.usage().peak_rss_mb
        with (
            guarded.attacker(attack, server),
            guarded.callers(server, ads) as callers,
        ):
            time.sleep(seconds)
        grown = server.process.usage().peak_rss_mb - before
        code = server.process.end(signal.SIGTERM)
    return _row(attack.done, quiet, callers, f"memory {grown:+.0f} MB; exit code {code}",
                not code and grown <= attack.max_mb)  # fmt: skip


def slips(guarded: Guarded, ads: Ads, seconds: float) -> Row:
    """Slips of a copy, and hostile files, in the folder of models that is served."""
    root = guarded.model.parent

    def act() -> None:
        shutil.copytree(guarded.model / "1", root / "2")
        (root / "manifest.json").write_text("{}")
        hostile = guarded.model / "2"
        shutil.copytree(guarded.model / "1", hostile)
        (hostile / "head.onnx").unlink()
        os.mkfifo(hostile / "head.onnx")
        sparse = guarded.model / "3"
        sparse.mkdir()
        with (sparse / "manifest.json").open("wb") as file:
            file.truncate(3 * 1024**3)

    try:
        return _beside(
            guarded, ads, seconds, act,
            "a version and manifest.json beside the models; versions of a pipe, of 3 GiB of zeros",
        )  # fmt: skip
    finally:
        shutil.rmtree(root / "2")
        (root / "manifest.json").unlink()
        for version in ("2", "3"):
            shutil.rmtree(guarded.model / version)


def revocation(guarded: Guarded, ads: Ads, seconds: float) -> Row:
    """A token is taken out while the file cannot be read; its stream goes on, and its calls."""
    revoked = guarded.add_token("revoked")
    lines = guarded.tokens.read_text().splitlines(keepends=True)
    with guarded.served() as server, connect(server.address) as channel:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        goes_on = [False]

        def requests() -> Iterator[scoring_pb2.StreamScoreRequest]:
            creatives = [fresh_creative(ads.ads[0], 0)]
            yield scoring_pb2.StreamScoreRequest(request_id="1", creatives=creatives)
            while not goes_on[0]:
                time.sleep(0.01)
            yield scoring_pb2.StreamScoreRequest(request_id="2", creatives=creatives)

        stream = stub.StreamScore(requests(), metadata=metadata_of(revoked))
        next(stream)
        with guarded.callers(server, ads) as quiet:
            time.sleep(seconds)
        with guarded.callers(server, ads) as callers:
            guarded.tokens.unlink()
            guarded.tokens.mkdir()
            time.sleep(seconds / 2)
            guarded.tokens.rmdir()
            guarded.tokens.write_text("".join(line for line in lines if "revoked" not in line))
            time.sleep(seconds / 2)
            told = score(stub, *next(ads.fresh()), metadata_of(revoked))[0]
            goes_on[0] = True
            try:
                next(stream)
            except grpc.RpcError as error:
                ended = outcome_of(error)
            else:
                ended = "went on"
    refused = "UNAUTHENTICATED TOKEN_UNKNOWN"
    return _row(
        "a token taken out while its file cannot be read", quiet, callers,
        f"its call: {told}; its stream: {ended}", told == ended == refused,
    )  # fmt: skip


def _beside(guarded: Guarded, ads: Ads, seconds: float, act: Callable[[], None], done: str) -> Row:
    with guarded.served() as server:
        with guarded.callers(server, ads) as quiet:
            time.sleep(seconds)
        with guarded.callers(server, ads) as callers:
            act()
            time.sleep(seconds + 4 * POLL_SECONDS)
        start = time.monotonic()
        code = server.process.end(signal.SIGTERM)
        took = time.monotonic() - start
    outcome = f"exit code {code} after {took:.1f} s"
    return _row(done, quiet, callers, outcome, not code and took < _END_SECONDS)


def _row(done: str, quiet: Callers, callers: Callers, outcome: str, passed: bool) -> Row:
    alone, beside = percentile(quiet.seconds, 99), percentile(callers.seconds, 99)
    bounded = beside <= max(_MAX_TIMES * alone, _ANY_CASE_MS)
    p99 = f"p99 {beside:.0f} ms, alone {alone:.0f} ms"
    return Row(
        "attack",
        done,
        f"good calls: {tally(callers.counts)}; {p99}; {outcome}",
        passed and bounded and not callers.unanswered and callers.counts[RIGHT] > 0,
    )

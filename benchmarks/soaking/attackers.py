"""What attackers do: `python -m soaking.attackers NAME ADDRESS TOKEN IMAGES`, a process for each.

IMAGES is a folder of images that are dear to decode, see `soaking.images`. Attackers go on until
they are killed, and print nothing. What they are told does not matter here.
"""

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from adscore_protos.v1 import scoring_pb2
from soaking.callers import connect, metadata_of
from soaking.images import small_image

_SCORING = "/adscore.v1.ScoringService"
_CHECK = "/grpc.health.v1.Health/Check"
_MESSAGE_BYTES = 16_000_000
# As large as an answer may be: each of these has 10,000 scores.
_GRID_SIDE = 100

Metadata = tuple[tuple[str, str], ...]


def dear_images_at_once(address: str, metadata: Metadata, images: Path) -> None:
    """Eight callers send the worst images of each format, as single creatives and in batches."""
    _send_dear_images(address, metadata, images, None)


def dear_images_without_patience(address: str, metadata: Metadata, images: Path) -> None:
    """Eight callers do not wait for the answer, and come again at once."""
    _send_dear_images(address, metadata, images, 0.2)


def millions_of_fields(address: str, metadata: Metadata, _images: Path) -> None:
    """Requests of 16 MB, compressed to some 16 kB, that would become millions of objects.

    Not more than two a second: packing one takes longer than refusing it.
    """
    bodies = {
        "Score": b"\x0a\x80\xea\x30" + b"\x22\0" * 400_000,
        "BatchScore": b"\x0a\0" * (_MESSAGE_BYTES // 2),
        "ScoreCombinations": b"\x12\0" * (_MESSAGE_BYTES // 2),
        "Match": b"\x0a\0" * (_MESSAGE_BYTES // 2),
    }
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    packing = grpc.Compression.Gzip
    with grpc.insecure_channel(address, options=options, compression=packing) as channel:
        for method in itertools.cycle(bodies):
            call: Any = channel.unary_unary(f"{_SCORING}/{method}")
            _swallow(lambda: call(bodies[method], timeout=30, metadata=metadata))  # noqa: B023
            time.sleep(0.5)


def calls_that_send_nothing(address: str, metadata: Metadata, _images: Path) -> None:
    """150 health calls and 150 Score calls whose request never comes, again once they are ended."""
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield b""

    with connect(address) as channel, ThreadPoolExecutor(300) as threads:
        for number in range(300):
            call: Any = channel.stream_unary(_CHECK if number % 2 else f"{_SCORING}/Score")
            threads.submit(_forever, lambda call=call: call(nothing(), metadata=metadata))


def answers_that_nobody_reads(address: str, metadata: Metadata, _images: Path) -> None:
    """Grids of 10,000 scores each, in calls that take no byte of them."""
    request = scoring_pb2.ScoreCombinationsRequest(
        headlines=[f"headline {number}" for number in range(_GRID_SIDE)],
        images=[small_image(number) for number in range(_GRID_SIDE)],
    ).SerializeToString()
    held = []
    with connect(address) as channel:
        call: Any = channel.unary_stream(f"{_SCORING}/ScoreCombinations")
        while True:
            held.append(call(request, metadata=metadata))
            time.sleep(0.02)


def resets(address: str, metadata: Metadata, _images: Path) -> None:  # noqa: ARG001 - strangers can do it
    """Four connections without a token, each of 250 calls a second that are cancelled at once."""

    def reset() -> None:
        with connect(address) as channel:
            call: Any = channel.unary_unary(f"{_SCORING}/Score")
            while True:
                for made in [call.future(b"") for _ in range(50)]:
                    made.cancel()
                time.sleep(0.2)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(reset)


def _send_dear_images(
    address: str, metadata: Metadata, folder: Path, timeout: float | None
) -> None:
    images = [path.read_bytes() for path in sorted(folder.iterdir())]
    numbers = itertools.count()

    def send(channel: grpc.Channel) -> None:
        number = next(numbers)
        image = images[number % len(images)] + number.to_bytes(8, "big")  # that no cache knows
        creative = scoring_pb2.Creative(headline="text", image=image)
        request: Any = scoring_pb2.ScoreRequest(creative=creative)
        if number % 4 == 0 and 3 * len(image) < _MESSAGE_BYTES:
            request = scoring_pb2.BatchScoreRequest(creatives=[creative] * 3)
        method = type(request).__name__.removesuffix("Request")
        call: Any = channel.unary_unary(f"{_SCORING}/{method}")
        call(request.SerializeToString(), timeout=timeout, metadata=metadata)

    def caller() -> None:
        with connect(address) as channel:
            _forever(lambda: send(channel))

    with ThreadPoolExecutor(8) as threads:
        for _ in range(8):
            threads.submit(caller)


def _forever(call: Callable[[], object]) -> None:
    while True:
        _swallow(call)


def _swallow(call: Callable[[], object]) -> None:
    try:
        call()
    except grpc.RpcError:
        time.sleep(0.01)


ATTACKS = {
    attack.__name__: attack
    for attack in (
        dear_images_at_once,
        dear_images_without_patience,
        millions_of_fields,
        calls_that_send_nothing,
        answers_that_nobody_reads,
        resets,
    )
}

if __name__ == "__main__":
    os.nice(10)  # it would be another machine, which takes nothing from the server and its callers
    ATTACKS[sys.argv[1]](sys.argv[2], metadata_of(sys.argv[3]), Path(sys.argv[4]))

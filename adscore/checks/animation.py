"""Duration of an animation, read from the headers of its frames; nothing is decoded.

GIF: delays are in graphic control extensions, in hundredths of a second (GIF89a). PNG: in fcTL
chunks, as a fraction (PNG 3rd edition). WebP: in ANMF chunks, in milliseconds (RFC 9649).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

# No platform takes longer animations; limits the work on a file of empty frames.
MAX_FRAMES = 10_000
# Browsers show a frame with a delay below 0.02 s for 0.1 s.
_SHORT_SECONDS, _SHOWN_SECONDS = 0.02, 0.1
_GIF_LOOPS = b"\x21\xff\x0bNETSCAPE2.0\x03\x01"


@dataclass(frozen=True, slots=True)
class Animation:
    """How an image is animated.

    Attributes:
        frames: Number of frames; 1 for a still image.
        round_seconds: Duration of one round.
        rounds: Number of rounds; infinite if it loops forever.
    """

    frames: int = 1
    round_seconds: float = 0.0
    rounds: float = 1

    @property
    def moves(self) -> bool:
        """Whether there is more than one frame."""
        return self.frames > 1

    @property
    def seconds(self) -> float:
        """Duration of all rounds together, in seconds."""
        return self.round_seconds * self.rounds if self.moves else 0.0

    @property
    def frames_per_second(self) -> float:
        """Frames per second; 0 for a still image."""
        return self.frames / self.round_seconds if self.moves and self.round_seconds else 0.0


def animation_of(data: bytes, kind: str) -> Animation:
    """The animation of a file; if the file is truncated, of its intact part.

    Args:
        data: An encoded image file.
        kind: Its format, as Pillow names it.
    """
    read = {"GIF": _gif, "PNG": _png, "WEBP": _webp}.get(kind)
    if read is None:
        return Animation()
    delays, rounds = read(data)
    shown = [_SHOWN_SECONDS if delay < _SHORT_SECONDS else delay for delay in delays]
    return Animation(max(1, len(shown)), sum(shown), rounds or math.inf)


def _gif(data: bytes) -> tuple[list[float], int]:
    delays: list[float] = []
    delay = 0.0
    for kind, block in islice(_gif_blocks(data), 2 * MAX_FRAMES):
        if kind == 0x2C:
            delays.append(delay)
            delay = 0.0
        elif block[:2] == b"\xf9\x04":
            delay = int.from_bytes(block[3:5], "little") / 100
    loops = data.find(_GIF_LOOPS)
    # Without the extension the animation plays once; the extension counts repetitions.
    repeats = None if loops < 0 else int.from_bytes(data[loops + 16 : loops + 18], "little")
    return delays, 1 if repeats is None else repeats and repeats + 1


def _gif_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields frames (0x2C) and extensions (0x21), the latter with their first bytes."""
    position = 13 + _palette_bytes(data[10]) if len(data) > 13 else len(data)
    while position + 10 < len(data) and data[position] != 0x3B:
        kind = data[position]
        if kind not in (0x21, 0x2C):
            position += 1
            continue
        yield kind, data[position + 1 : position + 8]
        position += 2 if kind == 0x21 else 11 + _palette_bytes(data[position + 9])
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _png(data: bytes) -> tuple[list[float], int]:
    delays: list[float] = []
    rounds, position = 1, 8
    while position + 12 <= len(data) and len(delays) < MAX_FRAMES:
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if kind == b"acTL" and start + 8 <= len(data):
            (rounds,) = struct.unpack_from(">I", data, start + 4)
        elif kind == b"fcTL" and start + 24 <= len(data):
            over, under = struct.unpack_from(">HH", data, start + 20)
            delays.append(over / (under or 100))
        position = start + length + 4
    return delays, rounds


def _webp(data: bytes) -> tuple[list[float], int]:
    delays: list[float] = []
    rounds, position = 1, 12
    while position + 8 <= len(data) and len(delays) < MAX_FRAMES:
        kind, length = struct.unpack_from("<4sI", data, position)
        start = position + 8
        if kind == b"ANIM":
            rounds = int.from_bytes(data[start + 4 : start + 6], "little")
        elif kind == b"ANMF":
            delays.append(int.from_bytes(data[start + 12 : start + 15], "little") / 1000)
        position = start + length + length % 2
    return delays, rounds

"""Images that are small as files and as much work as the limits allow, of each format."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, features

_SIDE = 7_000  # 49 of the 50 million pixels that a model accepts unless it says otherwise
_ONE_CODE = bytes([1] + [0] * 15)


def dear_images(side: int = _SIDE) -> Iterator[tuple[str, bytes]]:
    """Pairs of a name and a file, for each kind of work; all are within the limits."""
    yield "progressive JPEG of many scans", progressive_jpeg(side, 18)
    yield "the same with the marker of MPO", progressive_jpeg(side, 18, _multi_picture())
    yield "JPEG with a scan for each component", scans_by_component(side)
    yield "PNG", _encoded(Image.new("RGBA", (side, side)), "PNG", compress_level=1)
    yield "PNG of 1,000 chunks of text", png_of_chunks(1_000)
    yield "16-bit PNG with a transparent colour", transparent_png(side)
    yield "GIF", _encoded(Image.new("P", (side, side)), "GIF")
    yield "blank animation", blank_animation(1_000)
    yield "lossless WebP", _encoded(Image.new("RGBA", (side, side)), "WEBP", lossless=True)
    if features.check("avif"):
        yield "AVIF", _encoded(Image.new("RGB", (side // 2, side // 2)), "AVIF", speed=10)


def small_image(shade: int) -> bytes:
    """An image that costs next to nothing."""
    return _encoded(Image.new("L", (8, 8), shade), "PNG")


def progressive_jpeg(side: int, scans: int, extra: bytes = b"") -> bytes:
    """A scan of averages, and many that say of all blocks, in a few bytes, that nothing changes."""
    blocks = (-(-side // 8)) ** 2
    runs = ("0" + "1" * 14) * -(-blocks // 32_767)
    runs += "1" * (-len(runs) % 8)
    body = bytes(int(runs[n : n + 8], 2) for n in range(0, len(runs), 8)).replace(
        b"\xff", b"\xff\0"
    )
    frame = _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0]))
    first = _segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(-(-blocks // 8))
    more = _segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + body
    return b"\xff\xd8" + extra + _tables(0xE0) + frame + first + more * scans + b"\xff\xd9"


def scans_by_component(side: int) -> bytes:
    """A baseline JPEG of which a decoder keeps all coefficients until the last scan."""
    blocks = (-(-side // 8)) ** 2
    parts = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = _segment(0xC0, struct.pack(">BHHB", 8, side, side, 3) + parts)
    scans = b"".join(
        _segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + bytes(-(-2 * blocks // 8))
        for number in (1, 2, 3)
    )
    return b"\xff\xd8" + _tables(0) + frame + scans + b"\xff\xd9"


def png_of_chunks(chunks: int) -> bytes:
    """A PNG with many chunks of text ahead of its pixels."""
    return _png(1_000, 1_000, 8, 2, [(b"tEXt", b"a\0b")] * (chunks - 2))


def transparent_png(side: int) -> bytes:
    """16 bits a sample, and a colour that is transparent, which is compared in both halves."""
    return _png(side, side, 16, 2, [(b"tRNS", bytes(6))])


def blank_animation(frames: int) -> bytes:
    """A GIF all of whose frames are blank, so that each is looked at."""
    shades = [Image.new("RGB", (300, 300), (n % 256, n // 256, 9)) for n in range(frames)]
    return _encoded(shades[0], "GIF", save_all=True, append_images=shades[1:])


def _png(width: int, height: int, bits: int, kind: int, chunks: list[tuple[bytes, bytes]]) -> bytes:
    row = bytes(1 + width * 3 * bits // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _multi_picture() -> bytes:
    """An index of two pictures, for which Pillow takes another plugin."""
    pictures = struct.pack("<IIIHH", 0x030000, 1_000, 0, 0, 0)
    pictures += struct.pack("<IIIHH", 0, 1_000, 500, 0, 0)
    index = struct.pack("<HHHI4s", 3, 0xB000, 7, 4, b"0100")
    index += struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 50)
    head = struct.pack("<4sI", b"II*\0", 8)
    return _segment(0xE2, b"MPF\0" + head + index + struct.pack("<I", 0) + pictures)


def _tables(ac_symbol: int) -> bytes:
    return (
        _segment(0xDB, b"\0" + b"\1" * 64)
        + _segment(0xC4, b"\0" + _ONE_CODE + b"\0")
        + _segment(0xC4, b"\x10" + _ONE_CODE + bytes([ac_symbol]))
    )


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()

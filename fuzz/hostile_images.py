"""Images that are broken, that lie about themselves, or that unpack into far more than they are.

Made from whole images by a seeded generator: the tests send them to a live server, and the
fuzzers begin with them.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator, Sequence

from PIL import Image

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def hostile_images(whole: Sequence[bytes], seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Gives pairs of a name and a file; the same for the same seed.

    Args:
        whole: Encoded images to start from.
        seed: Of the random changes.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    variants = [*whole, *(data for _, data in whole_images())]
    yield from whole_images()
    for number, data in enumerate(variants):
        for name, broken in _broken(data, draw):
            yield f"{name} of image {number}", broken
    yield from _lies()
    yield from _bombs()
    yield from _other_formats()


# === Whole, but rarely met ===


def whole_images() -> Iterator[tuple[str, bytes]]:
    """Pairs of a name and a file of every form that is read, the common and the strange."""
    gradient = Image.linear_gradient("L").resize((60, 40))
    colours = Image.merge("RGB", (gradient, gradient.rotate(180), gradient))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = gradient.convert("I;16") if mode == "I;16" else colours.convert(mode)
        yield f"PNG in mode {mode}", _encoded(picture, "PNG")
    yield "JPEG in CMYK", _encoded(colours.convert("CMYK"), "JPEG")
    yield "JPEG in grey, progressive", _encoded(gradient, "JPEG", progressive=True)
    yield "lossless WebP with alpha", _encoded(colours.convert("RGBA"), "WEBP", lossless=True)
    for kind in ("GIF", "WEBP", "PNG"):
        frames = [colours.rotate(angle) for angle in range(0, 60, 3)]
        yield f"animated {kind}", _encoded(colours, kind, save_all=True, append_images=frames)
    exif = Image.Exif()
    exif[0x0112] = 9  # an orientation that there is not
    yield "JPEG with an orientation of 9", _encoded(colours, "JPEG", exif=exif)
    yield "JPEG with a profile of noise", _encoded(colours, "JPEG", icc_profile=b"\xff" * 200_000)


# === Broken ===


def _broken(data: bytes, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    for _ in range(3):
        yield "beginning", data[: draw.randrange(len(data))]
    for flips in (1, 8, 64):
        yield f"{flips} bits flipped", _flipped(data, flips, draw)
        head = min(len(data), 64)
        yield f"{flips} bits of the head flipped", _flipped(data[:head], flips, draw) + data[head:]
    start, end = sorted(draw.randrange(len(data)) for _ in range(2))
    yield "hole", data[:start] + data[end:]
    yield "repetition", data[:end] + data[start:]
    yield "zeros inside", data[:start] + bytes(end - start) + data[end:]


def _flipped(data: bytes, flips: int, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(flips):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


# === Headers that lie ===


def _lies() -> Iterator[tuple[str, bytes]]:
    tiny = Image.new("RGB", (8, 8), "red")
    for width, height in ((2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 8), (2**31 - 1, 1)):
        claim = struct.pack(">II", width, height)
        yield f"PNG that claims {width} x {height}", png_with_head(claim + b"\x08\x02\0\0\0")
    jpeg = bytearray(_encoded(tiny, "JPEG"))
    frame = jpeg.find(b"\xff\xc0") + 5
    for size in (0, 8_000, 65_535):
        jpeg[frame : frame + 4] = struct.pack(">HH", size, size)
        yield f"JPEG that claims {size} x {size}", bytes(jpeg)
    gif = bytearray(_encoded(tiny, "GIF"))
    for size in (0, 65_535):
        gif[6:10] = struct.pack("<HH", size, size)
        yield f"GIF that claims {size} x {size}", bytes(gif)
    webp = bytearray(_encoded(tiny.convert("RGBA"), "WEBP", lossless=True))
    webp[21:25] = b"\xff" * 4
    yield "WebP that claims 16384 x 16384", bytes(webp)


def png_with_head(head: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with right checksums around any IHDR and further chunks."""
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return _PNG_HEAD + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


# === Small files that unpack into much ===


def _bombs() -> Iterator[tuple[str, bytes]]:
    yield "PNG of 144 million pixels", _encoded(Image.new("1", (12_000, 12_000)), "PNG")
    yield "PNG of 49 million pixels in a row", _encoded(Image.new("L", (49_000_000, 1)), "PNG")
    head = struct.pack(">II", 8, 8) + b"\x08\x02\0\0\0"
    much = zlib.compress(bytes(64 * 1024 * 1024), 9)
    yield "PNG with 64 MiB of text", png_with_head(head, (b"zTXt", b"Comment\0\0" + much))
    yield "PNG with much text", png_with_head(head, *[(b"zTXt", b"a\0\0" + much)] * 20)
    yield "PNG with a profile of 64 MiB", png_with_head(head, (b"iCCP", b"sRGB\0\0" + much))
    international = b"Comment\0\1\0\0\0" + much
    yield "PNG with international text", png_with_head(head, (b"iTXt", international))
    yield "JPEG of 5,000 scans", jpeg_of_scans(5_000)
    frames = [Image.new("P", (300, 300), shade) for shade in range(1, 200)]
    yield (
        "GIF of 200 frames",
        _encoded(Image.new("P", (300, 300)), "GIF", save_all=True, append_images=frames),
    )


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG of 48 million pixels whose last pass comes again and again."""
    data = _encoded(Image.new("L", (8_000, 6_000)), "JPEG", progressive=True, quality=5)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


# === Not what is asked for ===


def _other_formats() -> Iterator[tuple[str, bytes]]:
    picture = Image.new("RGB", (8, 8), "red")
    for kind in ("BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "PDF", "EPS", "JPEG2000"):
        yield kind, _encoded(picture, kind)
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n"
    yield "nothing but a head", _PNG_HEAD
    yield "one byte", b"\xff"
    yield "zeros", bytes(5_000)
    yield "two images in one", _encoded(picture, "PNG") + _encoded(picture, "GIF")
    yield "more bytes than allowed", _encoded(picture, "PNG") + bytes(11 * 1024 * 1024)


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()

"""A JPEG's header, read without Pillow, and its pixels, scaled while they are decoded.

Pillow reads the header in Python, however many segments it has, and lets a marker choose another
plugin; it also hands the file to libjpeg in pieces, which takes up to a third longer. libjpeg sees
the same bytes as this reader, and refuses what it would read in another way.
"""

import re
import struct
from dataclasses import dataclass, field

from PIL import Image

# Cameras and editors write some twenty segments before the first scan, large profiles some forty;
# between scans, encoders write a table for each.
MAX_SEGMENTS = 1_000
# Encoders write some ten scans, 18 for CMYK.
MAX_SCANS = 100

# 00 after FF is data, and FF a fill byte.
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_DATA = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # nothing that stands inside a scan
_END, _SCAN = 0xD9, 0xDA
_BARE = {0x01, *range(0xD0, 0xDA)}  # markers that stand alone, without a segment
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_EXIF, _XMP, _PROFILE = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"

_MODES = {1: ("L", "L"), 3: ("RGB", "RGB"), 4: ("CMYK", "CMYK;I")}  # as Pillow reads components
_SCALES = (8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG says of itself before its pixels.

    Attributes:
        width: In pixels.
        height: In pixels.
        components: 1 for grey, 3 for colours, 4 for those of a printing press.
        scans: Passes over all of its pixels that decoding takes; of too many, any number above
            `MAX_SCANS`.
        is_buffered: Whether all coefficients are in memory until the last scan.
        info: `exif`, `xmp` and `icc_profile`, where it has them, as Pillow names them.
    """

    width: int
    height: int
    components: int
    scans: int
    is_buffered: bool
    info: dict[str, bytes] = field(repr=False)


def read_header(data: bytes) -> JpegHeader:
    """Reads the header, and counts the scans behind it where they are decoded.

    Raises:
        ValueError: It is broken, or of a kind that Pillow does not read.
        IndexError: It is cut short.
    """
    info: dict[str, bytes] = {}
    profile: list[bytes] = []
    frame, position = (0, 0), 2
    for _ in range(MAX_SEGMENTS):
        marker, start, position = _segment(data, position, _MARKER)
        if marker == _SCAN:
            break
        if marker == _END:
            raise ValueError("no scan")
        if marker in _FRAMES:
            frame = marker, start
        elif marker == 0xE1 and data.startswith(_EXIF, start):
            info.setdefault("exif", data[start:position])
        elif marker == 0xE1 and data.startswith(_XMP, start):
            info["xmp"] = data[start + len(_XMP) : position]
        elif marker == 0xE2 and data.startswith(_PROFILE, start):
            profile.append(data[start + len(_PROFILE) : position])
    else:
        raise ValueError("too many segments")
    if profile:
        info["icc_profile"] = _joined(profile)
    kind, at = frame
    bits, height, width, components = struct.unpack_from(">BHHB", data, at)
    if not kind or bits != 8 or components not in _MODES or not (width and height):
        raise ValueError(f"frame {kind:02X} of {width} x {height} x {components} x {bits}")
    # Where the first scan has all components, a decoder reads no other.
    buffered = kind in _PROGRESSIVE or data[start] < components
    scans = _count_scans(data, position) if buffered else 1
    return JpegHeader(width, height, components, scans, buffered, info)


def decode_jpeg(data: bytes, header: JpegHeader, scale: int) -> Image.Image:
    """Decodes the pixels, in mode L, RGB or CMYK.

    Args:
        data: The file.
        header: What `read_header` read of it.
        scale: 1, 2, 4 or 8: height and width are divided by it, rounded up.

    Raises:
        ValueError: It is broken.
    """
    mode, layout = _MODES[header.components]
    size = (-(-header.width // scale), -(-header.height // scale))
    image = Image.new(mode, size, None)
    image.frombytes(data, "jpeg", (layout, "", scale, 0))
    return image


def scale_for(header: JpegHeader, width: int, height: int) -> int:
    """By how much a JPEG can be scaled that must not become smaller than some size."""
    most = min(header.width // width, header.height // height)
    return next((scale for scale in _SCALES if scale <= most), 1)


def _segment(data: bytes, position: int, pattern: re.Pattern[bytes]) -> tuple[int, int, int]:
    """The next marker, and where what its segment holds starts and ends."""
    found = pattern.search(data, position)
    if found is None:
        raise ValueError("no marker")
    end = found.end()
    marker = data[end - 1]
    if marker in _BARE:
        return marker, end, end
    return marker, end + 2, end + max(2, int.from_bytes(data[end : end + 2], "big"))


def _joined(parts: list[bytes]) -> bytes:
    """A profile from its numbered parts; empty where one is missing."""
    parts.sort()
    return b"".join(part[2:] for part in parts) if parts[0][1:2] == bytes([len(parts)]) else b""


def _count_scans(data: bytes, position: int) -> int:
    scans = 1
    for _ in range(MAX_SEGMENTS):
        try:
            marker, _, position = _segment(data, position, _MARKER_AFTER_DATA)
        except ValueError:
            return scans
        if marker == _END:
            return scans
        scans += marker == _SCAN
    return MAX_SCANS + 1

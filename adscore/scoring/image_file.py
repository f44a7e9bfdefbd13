"""Opens an image file as what it is by its own bytes, if decoding it is a bounded amount of work.

No name that a file gives itself counts, and no other of Pillow's plugins sees it. Where a plugin
reads a header in Python, with the GIL held, the header's parts are counted first.
"""

import contextlib
import io
import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image, ImageFile, features
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.image_kind import format_of, name_of
from adscore.scoring.jpeg import MAX_SCANS, JpegHeader, decode_jpeg, read_header
from adscore.scoring.lazy import lazy

# What is passed over in some ten milliseconds, and as much of a file as is unpacked in these.
LONG_PIXELS = 1_000_000
LONG_BYTES = 1_000_000
# A scan of a few bytes is a pass over all pixels of a JPEG.
MAX_SCAN_PIXELS = 1_000_000_000
# Encoders write chunks of 8 kB or more, 1,300 of them in a file of 10 MB; and some dozens of text,
# which Pillow reads one by one with the GIL held, 3 us each.
MAX_PNG_CHUNKS = 10_000
MAX_PNG_OTHER_CHUNKS = 1_000
# Blocks of up to 255 bytes: of comments and profiles before a GIF's first frame; of all that is
# searched for a frame that is not blank, where 10 MB take 40,000.
MAX_GIF_BLOCKS = 10_000
MAX_GIF_ANIMATION_BLOCKS = 100_000
# As much as a JPEG's segment holds; a directory of 65,535 entries keeps the GIL for 0.13 s.
MAX_EXIF_BYTES = 65_536

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}  # exchange height and width


@dataclass(frozen=True)
class OpenImage:
    """An image file whose header was read and accepted; nothing is decoded yet.

    Attributes:
        data: The file.
        format: Its format, by Pillow's name.
        header: Of a JPEG; None for other formats.
        image: What Pillow read of another format; None for a JPEG.
        size: Width and height as stored, in pixels.
        info: What it says beside its pixels, by Pillow's names.
    """

    data: bytes = field(repr=False)
    format: str
    header: JpegHeader | None
    image: ImageFile.ImageFile | None
    size: tuple[int, int]
    info: Mapping[Any, Any] = field(repr=False)

    @lazy
    def turn(self) -> Image.Transpose | None:
        """What makes it upright, by its EXIF orientation; None where it is.

        A PNG is decoded for it, since its orientation may stand behind its pixels.
        """
        if len(self.info.get("exif", b"")) > MAX_EXIF_BYTES:
            return None
        image: Image.Image | None = self.image
        if image is None:
            image = Image.new("1", (1, 1))
            image.info.update(self.info)
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height when it is upright, in pixels."""
        width, height = self.size
        return (height, width) if self.is_lying else (width, height)

    @property
    def is_lying(self) -> bool:
        """Whether height and width are exchanged when it is made upright."""
        return self.turn in _LYING

    def pixels_in_memory(self, scale: int) -> int:
        """Pixels that are in memory at once while it is decoded so."""
        width, height = self.size
        if self.header is None or self.header.is_buffered:
            return width * height
        return -(-width // scale) * -(-height // scale)

    @property
    def takes_long(self) -> bool:
        """Whether decoding it takes longer than some ten milliseconds, on any core."""
        passed = self.size[0] * self.size[1]
        if self.header is not None:
            # A plain JPEG is scaled while it is decoded.
            passed = passed * self.header.scans if self.header.is_buffered else passed // 4
        return passed > LONG_PIXELS or len(self.data) > LONG_BYTES

    @property
    def may_move(self) -> bool:
        """Whether further frames may follow the first, as far as that is known at once."""
        return self.format == "GIF" or getattr(self.image, "n_frames", 1) > 1

    def first_frame(self, scale: int = 1) -> Image.Image:
        """Decodes it, its width and height divided by a scale, rounded up."""
        if self.header is not None:
            return decode_jpeg(self.data, self.header, scale)
        assert self.image is not None
        self.image.load()
        return self.image


def open_image(data: bytes, limits: InputLimits) -> OpenImage:
    """Reads the header of a file.

    Args:
        data: One encoded file.
        limits: Formats and largest file and image accepted.

    Raises:
        InvalidCreativeError: The file is too large, has too many pixels, is of another format, is
            more work than a real one, or is broken.
    """
    if len(data) > limits.max_image_bytes:
        raise _refused(
            Reason.IMAGE_TOO_MANY_BYTES,
            f"expected at most {limits.max_image_bytes} bytes. Received: {len(data)} bytes",
        )
    kind = format_of(data)
    opener = _OPENERS.get(kind)
    if kind not in limits.image_formats or opener is None:
        lacking = ", which the installed Pillow cannot read" * (kind in limits.image_formats)
        formats = ", ".join(limits.image_formats)
        raise unreadable(f"an encoded image ({formats})", name_of(data) + lacking)
    try:
        file = opener(data)
    except InvalidCreativeError:
        raise
    except Image.DecompressionBombError as error:
        raise _refused(
            Reason.IMAGE_TOO_MANY_PIXELS,
            f"expected at most {limits.max_image_pixels} pixels. Received: {error}",
        ) from error
    except Exception as error:  # a header can be broken in as many ways as a body
        raise unreadable(
            f"a whole {kind} image", f"{len(data)} bytes that are cut short or broken"
        ) from error
    _require_bounded(file, limits)
    return file


def unreadable(expected: str, received: str) -> InvalidCreativeError:
    """The refusal of a file that cannot be read."""
    return _refused(Reason.IMAGE_UNREADABLE, f"expected {expected}. Received: {received}")


def _refused(reason: Reason, message: str) -> InvalidCreativeError:
    return InvalidCreativeError("image", reason, message)


def _require_bounded(file: OpenImage, limits: InputLimits) -> None:
    width, height = file.size
    pixels = width * height
    if pixels > limits.max_image_pixels:
        raise _refused(
            Reason.IMAGE_TOO_MANY_PIXELS,
            f"expected at most {limits.max_image_pixels} pixels. "
            f"Received: {width} x {height} = {pixels} pixels",
        )
    most = min(MAX_SCANS, MAX_SCAN_PIXELS // max(1, pixels))
    if file.header is not None and file.header.scans > most:
        scans = file.header.scans
        raise unreadable(
            f"at most {most} scans in a JPEG of {width} x {height} pixels",
            f"{scans} scans" if scans <= MAX_SCANS else "more scans",
        )


# === Formats ===


def _open_jpeg(data: bytes) -> OpenImage:
    header = read_header(data)
    return OpenImage(data, "JPEG", header, None, (header.width, header.height), header.info)


def _open_by(
    plugin: Callable[[io.BytesIO], ImageFile.ImageFile],
    inspect: Callable[[bytes], bytes] = bytes,
) -> Callable[[bytes], OpenImage]:
    """What opens a format by a plugin, which sees what an inspection leaves of the file."""

    def open_file(data: bytes) -> OpenImage:
        data = inspect(data)
        image = plugin(io.BytesIO(data))
        return OpenImage(data, str(image.format), None, image, image.size, image.info)

    return open_file


def _few_png_chunks(png: bytes) -> bytes:
    """The same, if its chunks are not too many."""
    position, others = 8, 0
    for _ in range(MAX_PNG_CHUNKS):
        kind = png[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":
            return png
        others += kind not in _PNG_PIXELS
        if others > MAX_PNG_OTHER_CHUNKS:
            break
        (length,) = struct.unpack_from(">I", png, position)
        position += 12 + length
    raise unreadable(
        f"a PNG of at most {MAX_PNG_CHUNKS} chunks, {MAX_PNG_OTHER_CHUNKS} of them without pixels",
        "one of more",
    )


_PNG_PIXELS = (b"IDAT", b"fdAT", b"fcTL")
_GIF_EXTENSION, _GIF_FRAME, _GIF_CONTROL = 0x21, 0x2C, b"\x21\xf9\x04"


def _plain_gif(data: bytes) -> bytes:
    """The same without comments and the like before the first frame."""
    control = b""
    for start in _gif_blocks(data, MAX_GIF_BLOCKS):
        if data[start] == _GIF_FRAME:
            return data[: _gif_head_bytes(data)] + control + data[start:]
        if data.startswith(_GIF_CONTROL, start):  # the colour that is transparent
            control = data[start : start + 8]
    raise ValueError("no frame")


def open_animation(file: OpenImage, max_frames: int) -> ImageFile.ImageFile | None:
    """The image with its further frames, in a GIF not many more than asked; None for a JPEG."""
    if file.format == "GIF":
        return GifImageFile(io.BytesIO(_gif_animation(file.data, max_frames)))
    return file.image


def _gif_animation(data: bytes, max_frames: int) -> bytes:
    """The first frames of a GIF, as far as they are whole, without comments and the like."""
    kept, control = [data[: _gif_head_bytes(data)]], b""
    with contextlib.suppress(IndexError, InvalidCreativeError):
        for start, end in itertools.pairwise(_gif_blocks(data, MAX_GIF_ANIMATION_BLOCKS)):
            if data[start] == _GIF_FRAME:
                kept.append(control + data[start:end])
                control = b""
            elif data.startswith(_GIF_CONTROL, start):
                control = data[start:end]
            if len(kept) > max_frames:
                break
    return b"".join((*kept, b";"))


def _gif_blocks(data: bytes, most: int) -> Iterator[int]:
    """Where each extension and frame starts, and where the last one ends.

    Raises:
        IndexError: The file is cut short.
        InvalidCreativeError: Their parts are more than so many.
    """
    position, count = _gif_head_bytes(data), 0
    while (kind := data[position]) != 0x3B:
        if kind in (_GIF_EXTENSION, _GIF_FRAME):
            yield position
            palette = _gif_palette_bytes(data[position + 9]) if kind == _GIF_FRAME else 0
            position += 11 + palette if kind == _GIF_FRAME else 2
            while size := data[position]:
                position += 1 + size
                count += 1
                if count > most:
                    raise unreadable(f"a GIF of at most {most} blocks", "one of more")
        position += 1  # the end of the parts, or a stray byte
        count += 1
        if count > most:
            raise unreadable(f"a GIF of at most {most} blocks", "one of more")
    yield position


def _gif_head_bytes(data: bytes) -> int:
    return 13 + _gif_palette_bytes(data[10])


def _gif_palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_OPENERS = {
    "JPEG": _open_jpeg,
    "PNG": _open_by(PngImageFile, _few_png_chunks),
    "GIF": _open_by(GifImageFile, _plain_gif),
    "WEBP": _open_by(WebPImageFile),
}
if features.check("avif"):
    from PIL.AvifImagePlugin import AvifImageFile

    _OPENERS["AVIF"] = _open_by(AvifImageFile)

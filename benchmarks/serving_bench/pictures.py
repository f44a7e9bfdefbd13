"""Banners and headlines to send, every one of them a file that no cache has seen."""

import dataclasses
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adscore.sample.banner import draw_banner
from adscore.sample.canvas import FontBook
from adscore.sample.seeds import Stream, generator
from adscore.sample.simulation import SimulationSettings, simulate_log

SIZES = ((300, 250), (728, 90), (1200, 628))
FORMATS = ("JPEG", "PNG")
KINDS = tuple(f"{width}x{height} {form}" for width, height in SIZES for form in FORMATS)
USUAL = KINDS[0]

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Ad:
    """One creative to send."""

    headline: str
    image: bytes = field(repr=False)


def draw_pictures(folder: Path, designs: int) -> None:
    """Draws banners in every size and format, and the headlines of the same creatives.

    Args:
        folder: A new folder; it gets a folder for each kind, and headlines.txt.
        designs: Number of different banners of each kind.
    """
    log = simulate_log(designs, designs, 0, SimulationSettings())
    folder.mkdir(parents=True)
    (folder / "headlines.txt").write_text("\n".join(one.headline.text for one in log))
    fonts = FontBook()
    for kind in KINDS:
        (folder / kind).mkdir()
    for width, height in SIZES:
        for number, creative in enumerate(log):
            design = dataclasses.replace(creative.banner, size=(width, height))
            rng = generator(0, Stream.CLUTTER, *creative.position)
            banner = draw_banner(design, fonts, rng)
            name = f"{number:03d}"
            # As `adscore sample` writes them.
            banner.save(folder / f"{width}x{height} JPEG" / name, "JPEG", quality=92, subsampling=0)
            banner.save(folder / f"{width}x{height} PNG" / name, "PNG", compress_level=3)


class Pictures:
    """The drawn banners of one kind, and any number of distinct creatives made of them.

    Args:
        folder: What `draw_pictures` filled.
        kind: One of `KINDS`.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.files = [path.read_bytes() for path in sorted((folder / kind).iterdir())]
        self.headlines = (folder / "headlines.txt").read_text().splitlines()

    def ads(
        self, stream: int, *, repeat_images: bool = False, repeat_headlines: bool = False
    ) -> Iterator[Ad]:
        """Creatives without end.

        Args:
            stream: Two streams of different numbers have no file and no headline in common.
            repeat_images: Whether the same few files come again and again.
            repeat_headlines: The same of headlines.
        """
        for number in itertools.count():
            image = self.files[number % len(self.files)]
            headline = self.headlines[number % len(self.headlines)]
            mark = f"{stream}.{number}"
            yield Ad(
                headline if repeat_headlines else f"{headline} {mark}",
                image if repeat_images else with_comment(image, mark),
            )

    def singles_of_grids(self, stream: int, headlines: int, images: int) -> Iterator[Ad]:
        """The combinations of distinct grids without end, one by one."""
        ads = self.ads(stream)
        while True:
            parts = list(itertools.islice(ads, max(headlines, images)))
            for first in parts[:headlines]:
                for second in parts[:images]:
                    yield Ad(first.headline, second.image)


def with_comment(image: bytes, text: str) -> bytes:
    """The same picture in another file: a JPEG or PNG with a comment that decoders skip.

    Drawing a hundred thousand banners takes half an hour; what a server does with a file does
    not depend on how much the picture differs from the one before.

    Raises:
        ValueError: The file is neither.
    """
    note = text.encode()
    if image.startswith(b"\xff\xd8"):
        return image[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + image[2:]
    if image.endswith(_PNG_END):
        body = b"tEXtComment\0" + note
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        return image[: -len(_PNG_END)] + chunk + _PNG_END
    raise ValueError(f"expected a JPEG or PNG file. Received: {image[:8]!r}...")

"""An image file under check: its header, pixels, animation and text."""

import contextlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from adscore.checks.animation import Animation, animation_of
from adscore.checks.text import Line, read_lines
from adscore.creative import InputLimits
from adscore.scoring.image import ImageSize, UndecodedImage, refusing_broken
from adscore.scoring.image_file import open_image
from adscore.scoring.lazy import lazy
from adscore.scoring.pixel_budget import PixelBudget

Pixels: TypeAlias = NDArray[np.uint8]

# Larger images are scaled down to this: text too small for OCR then is too small to read.
MAX_SIDE = 1_600


class BannerImage:
    """An image file under check; properties are computed once, on first use.

    Args:
        data: An encoded image file.
        limits: Limits on the file and image size.
        budget: Limits the pixels decoded at once; None for no limit.

    Raises:
        InvalidCreativeError: The image is too large, of an unsupported format, or broken.
    """

    def __init__(self, data: bytes, limits: InputLimits, budget: PixelBudget | None = None) -> None:
        self.data = data
        self._limits, self._budget = limits, budget
        file = open_image(data, limits)
        self.format = file.format
        with refusing_broken(file):  # needs the decoding of a PNG
            self.width, self.height = file.upright_size

    @lazy
    def pixels(self) -> Pixels:
        """The upright image in RGB, (height, width, 3) uint8, its longer side at most 1,600.

        Raises:
            InvalidCreativeError: The image is broken.
        """
        size = ImageSize(self._scaled(self.height), self._scaled(self.width))
        image = UndecodedImage(self.data, size, self._limits)
        with self._budget.claim(image.pixels) if self._budget else contextlib.nullcontext():
            pixels, _ = image.decode()
        return pixels

    @property
    def scale(self) -> float:
        """Pixels of `pixels` per pixel of the file, at most 1."""
        return min(1.0, MAX_SIDE / max(self.width, self.height))

    @lazy
    def animation(self) -> Animation:
        """The animation; of a still image, one frame."""
        return animation_of(self.data, self.format)

    @lazy
    def lines(self) -> tuple[Line, ...]:
        """The lines of text on the image, in pixels of `pixels`.

        Raises:
            OcrMissingError: OCR is not installed.
        """
        return read_lines(self.pixels)

    def _scaled(self, side: int) -> int:
        return max(1, round(side * self.scale))

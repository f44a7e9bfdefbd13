"""A perceptual hash: images that look alike have hashes that differ in few bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

_SIDE = 32
_FREQUENCIES = 8
_PATCHES = 4
# Compression and scaling move the mean colour of a patch by less than this many levels of 255.
_SAME_COLOUR = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What images are compared by.

    Attributes:
        bits: Signs of the 63 lowest frequencies of the luma (pHash), as an integer.
        colours: Mean colours of 4 x 4 patches, (4, 4, 3): by luma alone, a red banner can match a
            green one.
    """

    bits: int
    colours: NDArray[np.int16]

    def is_near(self, other: "Fingerprint", max_distance: int) -> bool:
        """Whether hashes differ in at most `max_distance` bits, and no patch differs in colour."""
        if (self.bits ^ other.bits).bit_count() > max_distance:
            return False
        return int(np.abs(self.colours - other.colours).max()) <= _SAME_COLOUR


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of an image, (height, width, 3) uint8."""
    image = Image.fromarray(pixels)
    luma = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    low = dctn(luma, norm="ortho")[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    bits = int("".join("1" if bit else "0" for bit in low > np.median(low)), 2)
    colours = image.resize((_PATCHES, _PATCHES), Image.Resampling.BOX)
    return Fingerprint(bits, np.asarray(colours, np.int16))

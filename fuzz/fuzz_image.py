"""Fuzzes scoring.image.decode: any bytes become pixels of the right shape, or are refused."""

import sys

import atheris

from adscore.console import without_image_noise

with atheris.instrument_imports(include=["adscore", "PIL"]):
    from adscore.creative import InputLimits
    from adscore.errors import InvalidCreativeError
    from adscore.scoring.image import ImageSize, decode

SIZES = (ImageSize(24, 32), ImageSize(24, 32, version=1))
# Small, so that a run looks at many files rather than at a few large ones.
LIMITS = InputLimits(max_image_bytes=1_000_000, max_image_pixels=1_000_000)


def decode_any(data: bytes) -> None:
    """One file; whatever else it raises is a finding."""
    for size in SIZES:
        try:
            pixels, _ = decode(data, size, LIMITS)
        except InvalidCreativeError as error:
            if error.field != "image":
                raise AssertionError(error.field) from error
        else:
            if pixels.shape != (24, 32, 3):
                raise AssertionError(pixels.shape)


if __name__ == "__main__":
    without_image_noise()  # among which a finding would be lost
    atheris.Setup(sys.argv, decode_any)
    atheris.Fuzz()

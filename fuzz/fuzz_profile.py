"""Fuzzes scoring.colour_profile: any bytes as a profile leave an image of the same size."""

import sys

import atheris

from adscore.console import without_image_noise

with atheris.instrument_imports(include=["adscore"]):
    from PIL import Image

    from adscore.scoring.colour_profile import to_srgb

IMAGES = [Image.linear_gradient("L").resize((8, 8)).convert(mode) for mode in ("L", "LA", "RGB")]
IMAGES += [IMAGES[2].convert(mode) for mode in ("RGBA", "CMYK")]


def convert_any(data: bytes) -> None:
    """One profile for images of every mode; whatever it raises is a finding."""
    for image in IMAGES:
        converted = to_srgb(image, data)
        if converted.size != image.size or converted.mode not in (image.mode, "RGB", "RGBA"):
            raise AssertionError(image.mode, converted.mode, converted.size)


if __name__ == "__main__":
    without_image_noise()  # among which a finding would be lost
    atheris.Setup(sys.argv, convert_any)
    atheris.Fuzz()

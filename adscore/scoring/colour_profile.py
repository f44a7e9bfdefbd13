"""Converts colours from a file's ICC profile to sRGB, which screens show and models read."""

import hashlib
import io
import itertools
import threading
from collections import OrderedDict

import numpy as np
from PIL import Image, ImageCms

# Fits the largest profiles of printing presses.
MAX_PROFILE_BYTES = 4 * 1024 * 1024
# Cached transforms, about 10 kB each, up to 2 MB for printing presses. Files from one source share
# a profile.
MAX_TRANSFORMS = 16
# A profile that changes no colour by more than this counts as one of the many versions of sRGB.
_SRGB_LEVELS = 2

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of images, by a profile's colour space
_PROBE = bytes(itertools.chain(*itertools.product(range(0, 256, 51), repeat=3)))


class _Transforms:
    """Transforms to sRGB by their profile, the least recently used evicted; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, ImageCms.ImageCmsTransform | None] = OrderedDict()

    def get(self, profile: bytes) -> ImageCms.ImageCmsTransform | None:
        """A profile's transform; None if it would change nothing."""
        digest = hashlib.sha256(profile).digest()
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        transform = _transform(profile)
        with self._lock:
            self._kept[digest] = transform
            while len(self._kept) > MAX_TRANSFORMS:
                self._kept.popitem(last=False)
        return transform


_transforms = _Transforms()


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Converts an image's colours.

    Args:
        image: In mode L, LA, RGB, RGBA or CMYK.
        profile: The profile of its file, if it has one.

    Returns:
        The same image if the profile is sRGB, broken or for another colour space; otherwise one in
        mode RGB, or RGBA with transparency.
    """
    if not isinstance(profile, bytes) or not 0 < len(profile) <= MAX_PROFILE_BYTES:
        return image
    transform = _transforms.get(profile)
    colours = image.mode.removesuffix("A")
    if transform is None or transform.input_mode != colours:
        return image
    converted = transform.apply(image if image.mode == colours else image.convert(colours))
    if image.mode != colours:
        converted.putalpha(image.getchannel("A"))
    return converted


def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode is None:
            return None
        transform = ImageCms.ImageCmsTransform(
            source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), mode, "RGB"
        )
        return None if mode != "CMYK" and _changes_nothing(transform) else transform
    except Exception:  # a profile can be broken in many ways; or Pillow was built without lcms
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE).convert(transform.input_mode)
    expected = np.asarray(probe.convert("RGB"), dtype=np.int16)
    difference = np.asarray(transform.apply(probe), dtype=np.int16) - expected
    return bool(np.abs(difference).max() <= _SRGB_LEVELS)

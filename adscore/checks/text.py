"""Finds, reads and measures text on banners, with RapidOCR on ONNX Runtime; works offline.

The one place that imports the OCR, and only when it is asked: `pip install "adscore[check]"`.
"""

import functools
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adscore.checks.contrast import separate
from adscore.checks.findings import Box
from adscore.checks.headline import display_width
from adscore.errors import AdscoreError

Pixels: TypeAlias = NDArray[np.uint8]

# The detector gets images of about this many pixels: letters of a 300 x 250 banner must be about
# twice as large to be found, and more pixels cost time without finding more.
_DETECTOR_PIXELS = 260_000
_MAX_ENLARGING = 2.5
# Less certain results and single letters are mostly not text, but a wheel or a lens.
_MIN_CERTAINTY = 0.75
# In an image with less contrast than this many levels of 255, the detector takes noise for letters.
_MIN_LEVELS = 8
# Pixels added around the detector's box, so that its edge is ground.
_MARGIN = 1
_LOADING = threading.Lock()


class OcrMissingError(AdscoreError):
    """OCR is not installed, so text on images cannot be found; the message names the extra."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"text on images: expected OCR to be installed. Received: no package {package}. "
            'Install it with: pip install "adscore[check]"'
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on an image.

    Attributes:
        text: The text, as far as it could be read.
        ink: The bounding box of its letters, in pixels.
        contrast: Contrast of its letters against their ground, from 1 to 21.
    """

    text: str
    ink: Box
    contrast: float

    @property
    def height(self) -> float:
        """Height from the top of the highest to the bottom of the lowest letter, in pixels."""
        return self.ink.bottom - self.ink.top


def text_boxes(pixels: Pixels) -> list[Box]:
    """Finds lines of text on an image, without reading them.

    Args:
        pixels: (height, width, 3) uint8, RGB.

    Returns:
        A box per line, in pixels, slightly larger than the letters; from top to bottom.

    Raises:
        OcrMissingError: OCR is not installed.
    """
    return [box for box, _ in _detected(pixels, read=False)]


def read_lines(pixels: Pixels) -> tuple[Line, ...]:
    """Finds, reads and measures the lines of text on an image, from top to bottom.

    Raises:
        OcrMissingError: OCR is not installed.
    """
    measured = (_measured(pixels, box, text) for box, text in _detected(pixels, read=True))
    return tuple(line for line in measured if line is not None)


def covered_share(lines: Iterable[Line], width: int, height: int) -> float:
    """Share of an image that the letters' boxes cover together, from 0 to 1; sizes in pixels."""
    covered = np.zeros((height, width), bool)
    for line in lines:
        left, top, right, bottom = (round(side) for side in line.ink)
        covered[top:bottom, left:right] = True
    return float(covered.mean())


def _detected(pixels: Pixels, *, read: bool) -> list[tuple[Box, str]]:
    engine = _engine(read)
    if np.ptp(pixels, axis=(0, 1)).max() < _MIN_LEVELS:
        return []
    height, width = pixels.shape[:2]
    scale = min(_MAX_ENLARGING, math.sqrt(_DETECTOR_PIXELS / (width * height)))
    # The network needs multiples of 32.
    size = tuple(max(32, 32 * round(side * scale / 32)) for side in (width, height))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    found = engine(np.asarray(image)[:, :, ::-1])  # it expects BGR
    if found.boxes is None:
        return []
    texts = found.txts if read else [""] * len(found.boxes)
    back = (width / size[0], height / size[1])
    lines = zip(found.boxes, texts, strict=True)
    return [(_upright(box * back), text) for box, text in lines if not read or _is_text(text)]


def _is_text(text: str) -> bool:
    """Whether a text is more than a single letter or digit; one wide character may be a word."""
    signs = [char for char in text if char.isalnum()]
    return len(signs) > 1 or any(display_width(char) > 1 for char in signs)


def _upright(corners: NDArray[np.float64]) -> Box:
    return Box(*map(float, (*corners.min(axis=0), *corners.max(axis=0))))


def _measured(pixels: Pixels, box: Box, text: str) -> Line | None:
    """Measures a line; None if its letters cannot be told from their ground."""
    height, width = pixels.shape[:2]
    left, top = (max(0, math.floor(side) - _MARGIN) for side in box[:2])
    right = min(width, math.ceil(box.right) + _MARGIN)
    bottom = min(height, math.ceil(box.bottom) + _MARGIN)
    if right - left < 3 or bottom - top < 3:
        return None
    inked = separate(pixels[top:bottom, left:right])
    rows, columns = np.flatnonzero(inked.mask.any(1)), np.flatnonzero(inked.mask.any(0))
    if not len(rows):
        return None
    ink = Box(left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
    return Line(text, Box(*map(float, ink)), inked.contrast)


def _engine(read: bool) -> Any:
    with _LOADING:
        return _load_engine(read)


@functools.cache
def _load_engine(read: bool) -> Any:
    """Loads the networks that come with the package; downloads nothing.

    Thread-safe: the state that it keeps between calls is the same for all.
    """
    try:
        import rapidocr
    except ModuleNotFoundError as error:
        raise OcrMissingError(error.name or "rapidocr") from error
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": _MIN_CERTAINTY,
            "Global.use_cls": False,
            "Global.use_rec": read,
            # Images already have the detector's size.
            "Global.use_preprocess_img": False,
            "Global.use_vertical_padding": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": 100_000,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            # Creatives are checked in parallel, and a server also scores.
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

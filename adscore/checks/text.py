"""Text on a banner: found and read by RapidOCR on ONNX Runtime, offline; measured here.

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

# The detector reads an image of about so many pixels: letters of a 300 x 250 banner need to be
# twice as large to be found, and more costs time without finding more.
_DETECTOR_PIXELS = 260_000
_MAX_ENLARGING = 2.5
# Of what is read with less certainty, or is a single letter, most is no text: a wheel, a lens.
_MIN_CERTAINTY = 0.75
# An image of one colour, whose noise differs by less of 255, is taken for a letter by the detector.
_MIN_LEVELS = 8
# Beyond the box that the detector gives: its edge should be ground.
_MARGIN = 1
_LOADING = threading.Lock()


class OcrMissingError(AdscoreError):
    """Text on images cannot be found, since OCR is not installed; the text names the extra."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"text on images: expected OCR to be installed. Received: no package {package}. "
            'Install it with: pip install "adscore[check]"'
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on an image.

    Attributes:
        text: What it says, as far as it could be read.
        ink: The smallest box around its letters, in pixels.
        contrast: Of its letters against their ground, from 1 to 21.
    """

    text: str
    ink: Box
    contrast: float

    @property
    def height(self) -> float:
        """From the top of its highest to the foot of its lowest letter, in pixels."""
        return self.ink.bottom - self.ink.top


def text_boxes(pixels: Pixels) -> list[Box]:
    """Finds the lines of text on an image, without reading them.

    Args:
        pixels: (height, width, 3) uint8, RGB.

    Returns:
        A box for each line, in pixels, a little larger than the letters; from top to bottom.

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
    """Share of an image of a size in pixels that boxes of letters cover together, from 0 to 1."""
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
    # The network reads multiples of 32.
    size = tuple(max(32, 32 * round(side * scale / 32)) for side in (width, height))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    found = engine(np.asarray(image)[:, :, ::-1])  # it reads BGR
    if found.boxes is None:
        return []
    texts = found.txts if read else [""] * len(found.boxes)
    back = (width / size[0], height / size[1])
    lines = zip(found.boxes, texts, strict=True)
    return [(_upright(box * back), text) for box, text in lines if not read or _is_text(text)]


def _is_text(text: str) -> bool:
    """Whether it is more than a single letter or digit; one wide character may be a word."""
    signs = [char for char in text if char.isalnum()]
    return len(signs) > 1 or any(display_width(char) > 1 for char in signs)


def _upright(corners: NDArray[np.float64]) -> Box:
    return Box(*map(float, (*corners.min(axis=0), *corners.max(axis=0))))


def _measured(pixels: Pixels, box: Box, text: str) -> Line | None:
    """A line of which letters can be told from their ground."""
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
    """Loads the networks that come with the package; nothing is downloaded.

    Safe to call from many threads: what it keeps between calls is the same for all of them.
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
            # Images come in the detector's size.
            "Global.use_preprocess_img": False,
            "Global.use_vertical_padding": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": 100_000,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            # Creatives are checked beside each other, and a server scores beside.
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

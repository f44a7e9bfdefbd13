"""Writes what the fuzzers begin with: corpus.py FOLDER makes FOLDER/image and so on."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from PIL import ImageCms

from adscore_protos.v1 import scoring_pb2
from hostile_images import hostile_images, whole_images

_MAX_BYTES = 20_000  # of the fuzzers' inputs, as `make fuzz` says

_HEADLINES = (
    "Run a little further",
    "\u201cFresh\u201d air &amp; more \u2013 20 % off\u2026",
    "{KeyWord:Running shoes} from {{product.price}}",
    "%%CITY%% {=COUNTDOWN(2026-12-31)}",
    "NaN",
    "--",
    "\u200b\u2060",
    "e\u0301\u0301 \ufb01 \U0001f469\u200d\U0001f680",
    "\u05e9\u05dc\u05d5\u05dd \u202e",
    "  spaces\t\n and\x00zeros ",
)


def seeds() -> Mapping[str, Iterable[bytes]]:
    """Inputs by the name of a fuzzer."""
    return {
        "image": (data for _, data in hostile_images([])),
        "headline": (headline.encode() for headline in _HEADLINES),
        "profile": _profiles(),
        "wire": _requests(),
    }


def _profiles() -> Iterator[bytes]:
    for name in ("sRGB", "LAB", "XYZ"):
        yield ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def _requests() -> Iterator[bytes]:
    _, image = next(whole_images())
    creative = scoring_pb2.Creative(id="1", headline="text", image=image, context={"a": "b"})
    grid = {"headlines": ["one", "two"], "images": [image], "model": "m", "model_version": "1"}
    for request in (
        scoring_pb2.ScoreRequest(creative=creative, model="m"),
        scoring_pb2.BatchScoreRequest(creatives=[creative, creative]),
        scoring_pb2.StreamScoreRequest(request_id="1", creatives=[creative] * 3),
        scoring_pb2.MatchRequest(**grid),
        scoring_pb2.ScoreCombinationsRequest(**grid, context={"a": "b"}),
    ):
        yield request.SerializeToString()
    yield b"\x0a\x00" * 100
    yield b"\x0b\x0a\x00\x0c" * 20  # groups


def main(folder: Path) -> None:
    """Writes them, each to a file of its own."""
    for name, inputs in seeds().items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            if len(data) <= _MAX_BYTES:
                (folder / name / f"{number:04d}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

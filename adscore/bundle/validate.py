"""Validates untrusted bundles, whose contents may be harmful although the checksums match."""

import itertools
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from adscore.bundle.contents import PREPROCESSING_VERSION, Manifest, Preprocessing
from adscore.creative import InputLimits
from adscore.errors import BundleError

# Well above the largest inputs of published encoders; larger ones cost memory for every creative.
_MAX_IMAGE_SIDE = 4_096
_MAX_HEADLINE_TOKENS = 8_192
_MAX_NGRAM_BUCKETS = 1 << 24
_RESAMPLINGS = range(6)  # of PIL.Image.Resampling
_REFERENCE_RATES = 101

# === The manifest ===


def validate_manifest(path: Path, manifest: Manifest) -> None:
    """Checks that a model with this manifest can be served.

    Args:
        path: Its file, for the error.
        manifest: The manifest.

    Raises:
        BundleError: Every fault, in one message.
    """
    faults = [
        *_faults_of_targets(manifest),
        *_faults_of_limits(manifest.limits),
        *_faults_of_preprocessing(manifest.preprocessing),
        *_faults_of_context(manifest),
        *_faults_of_familiarity(manifest.familiarity),
        *_faults_of_spreads(manifest),
    ]
    if faults:
        raise BundleError(f"{path}: {'; '.join(faults)}. Train again")


def _faults_of_targets(manifest: Manifest) -> Iterator[str]:
    if len(set(manifest.targets)) < len(manifest.targets):
        yield f"targets: expected distinct names. Received: {list(manifest.targets)}"
    for target in manifest.targets:
        reference = manifest.reference.get(target, ())
        rises = all(low <= high for low, high in itertools.pairwise(reference))
        rates = all(0 <= rate <= 1 for rate in reference)
        if len(reference) != _REFERENCE_RATES or not rises or not rates:
            yield (
                f"reference of {target!r}: expected {_REFERENCE_RATES} rising rates from 0 to 1. "
                f"Received: {_shortened(reference)}"
            )


def _faults_of_limits(limits: InputLimits) -> Iterator[str]:
    """A model may accept less than adscore does, never more."""
    most = InputLimits()
    for name in (
        "max_headline_characters",
        "max_image_bytes",
        "max_image_pixels",
        "max_combinations",
    ):
        limit, received = getattr(most, name), getattr(limits, name)
        if not 0 <= received <= limit:
            yield f"{name}: expected 0 to {limit}. Received: {received}"
    if not set(limits.image_formats) <= set(most.image_formats):
        formats = ", ".join(most.image_formats)
        yield f"image_formats: expected of {formats}. Received: {list(limits.image_formats)}"


def _faults_of_preprocessing(read: Preprocessing) -> Iterator[str]:
    for name, allowed in (
        ("version", range(1, PREPROCESSING_VERSION + 1)),
        ("headline_tokens", range(1, _MAX_HEADLINE_TOKENS + 1)),
        ("image_height", range(1, _MAX_IMAGE_SIDE + 1)),
        ("image_width", range(1, _MAX_IMAGE_SIDE + 1)),
        ("image_resampling", _RESAMPLINGS),
        ("headline_padding_id", range(1 << 31)),
        ("ngram_buckets", range(_MAX_NGRAM_BUCKETS + 1)),
    ):
        received = getattr(read, name)
        if received not in allowed:
            yield f"{name}: expected {allowed[0]} to {allowed[-1]}. Received: {received}"


def _faults_of_context(manifest: Manifest) -> Iterator[str]:
    accepted, read = manifest.limits.context_names, manifest.preprocessing.context
    if sorted(accepted) != sorted(read):
        yield (
            f"context_names: expected those with values, {_shortened(tuple(read))}. "
            f"Received: {_shortened(accepted)}"
        )


def _faults_of_familiarity(familiarity: Mapping[str, float]) -> Iterator[str]:
    for tower, distance in familiarity.items():
        if tower not in ("headline", "image") or not (math.isfinite(distance) and distance >= 0):
            yield (
                "familiarity: expected a distance from 0 of headline or image. "
                f"Received: {distance} of {tower!r}"
            )


def _faults_of_spreads(manifest: Manifest) -> Iterator[str]:
    for target, spread in manifest.spreads.items():
        deviations = (spread.between_groups, spread.residual)
        is_spread = all(0 < one <= 10 for one in deviations) and 0 <= spread.slope <= 10
        if target not in manifest.targets or not is_spread:
            yield (
                "spreads: expected deviations above 0, at most 10, and a slope from 0 to 10, of a "
                f"target. Received: {deviations} and {spread.slope} of {target!r}"
            )


def _shortened(values: tuple[object, ...]) -> str:
    some = ", ".join(map(repr, values[:3]))
    return f"{some}, ... ({len(values)} in all)" if len(values) > 3 else some or "none"


# === The graphs ===

# Field numbers in onnx.proto that lead to tensors, by message, with the message type they hold.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_MAX_FIELDS = 5_000_000  # a graph of 100 MB has some ten thousand
_ORT_FORMAT = b"ORTM"  # ONNX Runtime's own file format, which it reads too


def validate_graph(path: Path, data: bytes) -> None:
    """Checks that a graph refers to no other files, which no checksum would cover.

    ONNX Runtime would look for them in the current folder. This parses the wire format of
    Protocol Buffers, since only training installs the package `onnx`.

    Args:
        path: Its file, for the error.
        data: The graph, serialised.

    Raises:
        BundleError: It refers to another file, or is not an ONNX graph.
    """
    try:
        outside = data[4:8] != _ORT_FORMAT and _has_external_data(memoryview(data))
    except (IndexError, ValueError, struct.error) as error:
        raise BundleError(f"{path}: expected an ONNX graph. Received: {error}") from error
    if outside or data[4:8] == _ORT_FORMAT:
        received = "weights in another file" if outside else "a file of ONNX Runtime's own format"
        raise BundleError(f"{path}: expected an ONNX graph that is whole. Received: {received}")


def _has_external_data(data: memoryview) -> bool:
    open_messages = [("model", data)]
    fields = 0
    while open_messages:
        kind, message = open_messages.pop()
        for number, value in _fields(message):
            fields += 1
            if fields > _MAX_FIELDS:
                raise ValueError(f"more than {_MAX_FIELDS} fields")
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                    return True
            elif number in _FIELDS[kind] and isinstance(value, memoryview):
                open_messages.append((_FIELDS[kind][number], value))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field; fixed-width values are given as 0."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | memoryview = 0
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(message, at)
                value = message[at : at + length]
                at += length
            case 5:
                at += 4
            case other:
                raise ValueError(f"a field of wire type {other}")
        if at > len(message):
            raise ValueError("a field that is cut short")
        yield tag >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")

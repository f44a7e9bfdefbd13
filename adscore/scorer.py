"""Creatives -> scores: the only inference path, shared by server, command line and evaluation."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from adscore import bundle as files
from adscore.bundle import Bundle, GoldenCase, Manifest, read_bundle, resolve_bundle
from adscore.creative import Creative, InputLimits, Score, TargetScore, Warning
from adscore.encoder import Graph, Head, HeadlineEncoder, ImageEncoder, RuntimeOptions
from adscore.errors import BundleError, InvalidCreativeError, Reason
from adscore.headline_reader import HeadlineReader
from adscore.image import ImageSize, Pixels, decode
from adscore.text import normalise

INTERVAL = 0.90

# Larger batches are no faster, and their intermediate results no longer fit the caches.
LARGEST_BATCH = 64

# Processors differ in the last digits of a float32 sum, and Pillow's releases in how
# they round; a graph or preprocessing step that is really another one differs by more.
GOLDEN_RELATIVE_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True)
class PreparedCreative:
    """A creative that passed every check, as the towers read it.

    Attributes:
        headline: Normalised headline.
        pixels: (height, width, 3) uint8.
        warnings: What was noticed so far.
    """

    headline: str
    pixels: Pixels = field(repr=False)
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the graphs say of a batch, before it is put into words.

    Attributes:
        mean: Mean rate, (batch, targets), float64.
        concentration: How narrowly the rate is spread around it: the rate is
            Beta(mean * concentration, (1 - mean) * concentration), (batch, targets), float64.
        truncated: Whether the headline was cut, (batch,), bool.
    """

    mean: NDArray[np.float64]
    concentration: NDArray[np.float64]
    truncated: NDArray[np.bool_]


class Scorer:
    """One version of one model, ready to score; safe to call from many threads.

    Args:
        bundle: The model, read and verified.
        options: How its graphs are run.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions | None = None) -> None:
        options = options or RuntimeOptions()
        self.name = bundle.name
        self.version = bundle.version
        self.manifest: Manifest = bundle.manifest
        preprocessing = self.manifest.preprocessing
        self._image_size = ImageSize(
            preprocessing.image_height, preprocessing.image_width, preprocessing.image_resampling
        )
        try:
            graph = Graph(bundle.files[files.HEADLINE_ENCODER], options)
            tokenizer = bundle.files[files.TOKENIZER].decode()
            reader = HeadlineReader(tokenizer, preprocessing, graph.input_names)
            self._headline_encoder = HeadlineEncoder(
                graph, reader, apart=preprocessing.headlines_apart
            )
            self._image_encoder = ImageEncoder(Graph(bundle.files[files.IMAGE_ENCODER], options))
            self._head = Head(Graph(bundle.files[files.HEAD], options))
        except Exception as error:  # tokenizers and onnxruntime have no common base class
            raise BundleError(
                f"model {self.name} version {self.version}: its graphs or tokenizer cannot be "
                f"opened by the installed libraries: {error}"
            ) from error

    @classmethod
    def open(cls, path: Path, options: RuntimeOptions | None = None) -> "Scorer":
        """Opens a model's folder (its newest version) or one version's folder.

        Raises:
            BundleError: A checksum, the format version or a golden score is off.
        """
        bundle = read_bundle(resolve_bundle(path))
        scorer = cls(bundle, options)
        scorer._check_golden(bundle.files[files.GOLDEN])
        return scorer

    @property
    def limits(self) -> InputLimits:
        """What the model accepts of a creative."""
        return self.manifest.limits

    def prepare(self, creative: Creative) -> PreparedCreative:
        """Checks, normalises and decodes one creative; the part that can refuse it.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        headline = normalise(creative.headline, self.limits)
        if not headline:
            raise _missing("headline", Reason.HEADLINE_MISSING)
        if not creative.image:
            raise _missing("image", Reason.IMAGE_MISSING)
        unknown = sorted(creative.context.keys() - set(self.limits.context_names))
        if unknown:
            raise InvalidCreativeError(
                f"context[{unknown[0]}]",
                Reason.CONTEXT_NAME_UNKNOWN,
                f"expected one of {list(self.limits.context_names)}. Received: a name that "
                "the model does not read",
            )
        pixels, downscaled = decode(creative.image, self._image_size, self.limits)
        warnings = (Warning.IMAGE_DOWNSCALED,) if downscaled else ()
        return PreparedCreative(headline, pixels, warnings)

    @property
    def has_agreement(self) -> bool:
        """Whether the model was trained to say how well headline and image fit together."""
        return False

    def prepare_headline(self, headline: str) -> str:
        """Checks and normalises one headline.

        Raises:
            InvalidCreativeError: With the field ``"headline"``.
        """
        normalised = normalise(headline, self.limits)
        if not normalised:
            raise _missing("headline", Reason.HEADLINE_MISSING)
        return normalised

    def prepare_image(self, image: bytes) -> tuple[Pixels, bool]:
        """Checks and decodes one image: its pixels, and whether it was shrunk too far.

        Raises:
            InvalidCreativeError: With the field ``"image"``.
        """
        if not image:
            raise _missing("image", Reason.IMAGE_MISSING)
        return decode(image, self._image_size, self.limits)

    def match(self, headlines: Sequence[str], images: Sequence[Pixels]) -> NDArray[np.float32]:
        """Says how well prepared headlines fit prepared images.

        Returns:
            Of shape (headlines, images), float32, from -1 to 1.
        """
        rows, _ = self._headline_encoder.encode(headlines)
        columns = self._image_encoder.encode(np.stack(images))
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        columns = columns / np.linalg.norm(columns, axis=1, keepdims=True)
        cosines: NDArray[np.float32] = np.clip(rows @ columns.T, -1, 1)
        return cosines

    def score_prepared(self, creatives: Sequence[PreparedCreative]) -> list[Score]:
        """Scores a batch of prepared creatives, in their order."""
        if not creatives:
            return []
        predictions = self.predict(creatives)
        targets = self._target_scores(predictions)
        return [
            Score(
                targets=targets[row],
                warnings=(
                    *creative.warnings,
                    *((Warning.HEADLINE_TRUNCATED,) if predictions.truncated[row] else ()),
                ),
            )
            for row, creative in enumerate(creatives)
        ]

    def score(self, creatives: Sequence[Creative]) -> list[Score]:
        """Scores a batch of creatives, in their order.

        Raises:
            InvalidCreativeError: One of them cannot be scored; none is then.
        """
        return self.score_prepared([self.prepare(creative) for creative in creatives])

    def predict(self, creatives: Iterable[PreparedCreative]) -> Predictions:
        """Runs the graphs on any number of prepared creatives, at least one.

        They are run in batches of `LARGEST_BATCH`, so that memory does not grow with
        their number.
        """
        parts = [self._predict_batch(batch) for batch in _batched(creatives, LARGEST_BATCH)]
        return Predictions(
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.concentration for part in parts]),
            np.concatenate([part.truncated for part in parts]),
        )

    def _predict_batch(self, creatives: Sequence[PreparedCreative]) -> Predictions:
        headlines, truncated = self._headline_encoder.encode([c.headline for c in creatives])
        images = self._image_encoder.encode(np.stack([c.pixels for c in creatives]))
        mean, concentration = self._head.predict(headlines, images)
        return Predictions(mean.astype(np.float64), concentration.astype(np.float64), truncated)

    def _target_scores(self, predictions: Predictions) -> list[dict[str, TargetScore]]:
        """One dict a creative, by target."""
        mean, concentration = predictions.mean, predictions.concentration
        tail = (1 - INTERVAL) / 2
        alpha, beta = mean * concentration, (1 - mean) * concentration
        lower, upper = betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1 - tail)
        percentile = np.stack(
            [
                np.interp(mean[:, column], self.manifest.reference[target], np.arange(101.0))
                for column, target in enumerate(self.manifest.targets)
            ],
            axis=1,
        )
        values = np.stack([mean, lower, upper, percentile], axis=-1).tolist()
        return [
            {
                target: TargetScore(*row[column])
                for column, target in enumerate(self.manifest.targets)
            }
            for row in values
        ]

    def _check_golden(self, data: bytes) -> None:
        cases = _golden_cases(data, self.manifest.targets)
        try:
            scores = self.score([Creative(case.headline, case.image) for case in cases])
        except Exception as error:  # graphs of other inputs fail in as many ways as libraries
            raise BundleError(
                f"model {self.name} version {self.version}: its golden creatives cannot be "
                f"scored: {error}"
            ) from error
        for number, (case, score) in enumerate(zip(cases, scores, strict=True)):
            for target, expected in case.means.items():
                received = score.targets[target].mean
                if not math.isclose(received, expected, rel_tol=GOLDEN_RELATIVE_TOLERANCE):
                    raise BundleError(
                        f"model {self.name} version {self.version}: golden creative {number} "
                        f"was scored {expected} on {target} when the model was written. "
                        f"Received: {received}. The installed libraries run it differently"
                    )


def _golden_cases(data: bytes, targets: Sequence[str]) -> list[GoldenCase]:
    try:
        cases = msgspec.json.decode(data, type=list[GoldenCase])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"{files.GOLDEN}: expected golden scores. Received: {error}") from error
    if not cases or any(case.means.keys() != set(targets) for case in cases):
        raise BundleError(
            f"{files.GOLDEN}: expected scored creatives, each with {', '.join(targets)}. "
            f"Received: {len(cases)} creatives, with {[sorted(case.means) for case in cases]}"
        )
    return cases


def _missing(field_name: str, reason: Reason) -> InvalidCreativeError:
    return InvalidCreativeError(
        field_name,
        reason,
        f"expected {'text' if field_name == 'headline' else 'an encoded image'}; this model "
        "was not trained to do without. Received: none",
    )


def _batched(
    creatives: Iterable[PreparedCreative], size: int
) -> Iterator[tuple[PreparedCreative, ...]]:
    iterator = iter(creatives)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch

"""Creatives -> scores: the only inference path, shared by server, command line and evaluation."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from adscore import bundle as files
from adscore.bundle import Bundle, BundleCheck, Manifest, read_bundle, resolve_bundle
from adscore.creative import Creative, InputLimits, Score, TargetScore, Warning
from adscore.encoder import Encodings, RuntimeOptions
from adscore.golden import check_golden
from adscore.graphs import EncodedCreatives, Graphs
from adscore.image import Pixels
from adscore.preparation import PreparedCreative, Preparer

INTERVAL = 0.90

# Larger batches are no faster, and their intermediate results no longer fit the caches.
LARGEST_BATCH = 64


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the graphs say of creatives, before it is put into words; a row each.

    Attributes:
        mean: Mean rate, (rows, targets), float64.
        concentration: How narrowly the rate is spread around it: the rate is
            Beta(mean * concentration, (1 - mean) * concentration), (rows, targets), float64.
        truncated: Whether the headline was cut, (rows,), bool.
        unfamiliar: Whether headline or image is far from the training's, (rows,), bool.
        agreement: How well headline and image fit together, from -1 to 1, (rows,) float64; NaN
            where the model was not trained for it or one of the two is absent.
    """

    mean: NDArray[np.float64]
    concentration: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    unfamiliar: NDArray[np.bool_]
    agreement: NDArray[np.float64]


class Scorer:
    """One version of one model, ready to score; safe to call from many threads.

    Args:
        bundle: The model, read and verified.
        options: How its graphs are run.

    Raises:
        BundleError: The installed libraries cannot open its graphs.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions | None = None) -> None:
        self.name = bundle.name
        self.version = bundle.version
        self.manifest: Manifest = bundle.manifest
        self._preparer = Preparer(bundle.manifest)
        self._graphs = Graphs(bundle, options or RuntimeOptions())

    @classmethod
    def open(
        cls,
        path: Path,
        options: RuntimeOptions | None = None,
        check: BundleCheck | None = None,
    ) -> "Scorer":
        """Opens a model's folder (its newest version) or one version's folder.

        Args:
            path: The folder.
            options: As of the class.
            check: As of `read_bundle`.

        Raises:
            BundleError: A checksum, the format version or a golden score is off.
        """
        bundle = read_bundle(resolve_bundle(path), check)
        scorer = cls(bundle, options)
        model = f"model {scorer.name} version {scorer.version}"
        check_golden(bundle.files[files.GOLDEN], bundle.manifest.targets, scorer.score, model)
        return scorer

    @property
    def limits(self) -> InputLimits:
        """What the model accepts of a creative."""
        return self.manifest.limits

    @property
    def has_agreement(self) -> bool:
        """Whether the model was trained to say how well headline and image fit together."""
        towers = (self._graphs.headline_encoder, self._graphs.image_encoder)
        return all(tower is not None and "aligned" in tower.widths for tower in towers)

    # === Preparing: the part that can refuse a creative ===

    def prepare(self, creative: Creative) -> PreparedCreative:
        """Checks, normalises and decodes one creative.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        return self._preparer.creative(creative)

    def prepare_headline(self, headline: str) -> str:
        """Checks and normalises a headline that stands alone.

        Raises:
            InvalidCreativeError: It cannot be read.
        """
        return self._preparer.required_headline(headline)

    def prepare_image(self, image: bytes) -> tuple[Pixels, bool]:
        """Checks and decodes an image that stands alone, (height, width, 3) uint8.

        Returns:
            Its pixels, and whether it was shrunk so far that small print is lost.

        Raises:
            InvalidCreativeError: It cannot be read.
        """
        return self._preparer.required_image(image)

    # === Scoring ===

    def score(self, creatives: Sequence[Creative]) -> list[Score]:
        """Scores a batch of creatives, in their order.

        Raises:
            InvalidCreativeError: One of them cannot be scored; none is then.
        """
        return self.score_prepared([self.prepare(creative) for creative in creatives])

    def score_prepared(self, creatives: Sequence[PreparedCreative]) -> list[Score]:
        """Scores a batch of prepared creatives, in their order."""
        if not creatives:
            return []
        predictions = self.predict(creatives)
        targets = self._target_scores(predictions)
        return [
            Score(
                targets=targets[row],
                agreement=None if np.isnan(agreement) else float(agreement),
                warnings=(*creative.warnings, *_noticed(predictions, row)),
            )
            for row, (creative, agreement) in enumerate(
                zip(creatives, predictions.agreement, strict=True)
            )
        ]

    def predict(self, creatives: Iterable[PreparedCreative]) -> Predictions:
        """Runs the graphs on any number of prepared creatives, at least one.

        They are run in batches of `LARGEST_BATCH`, so that memory does not grow with
        their number.
        """
        parts = [
            self._predict_encoded(self._graphs.encode(batch))
            for batch in _batched(creatives, LARGEST_BATCH)
        ]
        names = [field.name for field in fields(Predictions)]
        return Predictions(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        )

    def match(self, headlines: Sequence[str], images: Sequence[Pixels]) -> NDArray[np.float32]:
        """Says how well each headline fits each image.

        Args:
            headlines: Prepared headlines, at least one.
            images: Prepared images, at least one, (height, width, 3) uint8 each.

        Returns:
            Agreement from -1 to 1, (headlines, images).

        Raises:
            ValueError: The model was not trained for it.
        """
        if not self.has_agreement:
            raise ValueError(f"model {self.name}: expected one trained with --align")
        texts = [PreparedCreative(headline, None, self._no_context) for headline in headlines]
        pictures = [PreparedCreative("", pixels, self._no_context) for pixels in images]
        rows = self._aligned(texts, "headline")
        columns = self._aligned(pictures, "image")
        cosines: NDArray[np.float32] = np.clip(rows @ columns.T, -1, 1)
        return cosines

    @property
    def _no_context(self) -> tuple[int, ...]:
        return (0,) * len(self.manifest.preprocessing.context)

    def _aligned(self, creatives: Sequence[PreparedCreative], tower: str) -> NDArray[np.float32]:
        parts = [
            getattr(self._graphs.encode(batch), tower)["aligned"]
            for batch in _batched(creatives, LARGEST_BATCH)
        ]
        return np.concatenate(parts)

    def _predict_encoded(self, encoded: EncodedCreatives) -> Predictions:
        mean, concentration = self._graphs.predict(encoded)
        unfamiliar = np.zeros(len(mean), dtype=bool)
        for tower, farthest in self.manifest.familiarity.items():
            encodings: Encodings = getattr(encoded, tower)
            unfamiliar |= encodings["distance"][:, 0] > farthest
        agreement = np.full(len(mean), np.nan)
        if self.has_agreement:
            both = encoded.present[:, :2].all(axis=1)
            products = encoded.headline["aligned"] * encoded.image["aligned"]
            agreement[both] = products.sum(axis=1)[both].clip(-1, 1)
        return Predictions(mean, concentration, encoded.truncated, unfamiliar, agreement)

    def _target_scores(self, predictions: Predictions) -> list[dict[str, TargetScore]]:
        """One dict a creative, by target."""
        mean, concentration = predictions.mean, predictions.concentration
        tail = (1 - INTERVAL) / 2
        alpha, beta = mean * concentration, (1 - mean) * concentration
        lower, upper = betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1 - tail)
        percentile = np.empty_like(mean)
        for column, target in enumerate(self.manifest.targets):
            reference = self.manifest.reference[target]
            percentile[:, column] = np.interp(mean[:, column], reference, np.arange(101.0))
        values = np.stack([mean, lower, upper, percentile], axis=-1).tolist()
        return [
            {
                target: TargetScore(*row[column])
                for column, target in enumerate(self.manifest.targets)
            }
            for row in values
        ]


def _noticed(predictions: Predictions, row: int) -> Iterator[Warning]:
    if predictions.unfamiliar[row]:
        yield Warning.UNFAMILIAR_CREATIVE
    if predictions.truncated[row]:
        yield Warning.HEADLINE_TRUNCATED


def _batched(
    creatives: Iterable[PreparedCreative], size: int
) -> Iterator[tuple[PreparedCreative, ...]]:
    iterator = iter(creatives)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch

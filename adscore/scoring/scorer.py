"""Creatives -> scores: the only inference path, shared by server, command line and evaluation."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from adscore import bundle as files
from adscore.bundle import (
    Bundle,
    BundleCheck,
    Manifest,
    Present,
    group_digest,
    read_bundle,
    resolve_bundle,
)
from adscore.bundle.golden import check_golden
from adscore.creative import (
    INTERVAL_LEVEL,
    MIN_RATE,
    Creative,
    InputLimits,
    Score,
    TargetScore,
    Warning,
)
from adscore.scoring.cache import CacheStatistics, EncodingCache
from adscore.scoring.graphs import (
    MAX_BATCH,
    EncodedCreatives,
    Encodings,
    Graphs,
    RuntimeOptions,
)
from adscore.scoring.grids import PairsToScore, ScoreGrid, target_grids
from adscore.scoring.preparation import (
    PreparedContext,
    PreparedCreative,
    PreparedHeadline,
    PreparedImage,
    Preparer,
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """The graphs' outputs for creatives, a row each; `Scorer` makes scores of them.

    Attributes:
        mean: Mean rate, (rows, targets), float64.
        concentration: Concentration of the rate around the mean: the rate is
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

    def noticed(self, row: int) -> Iterator[Warning]:
        """The warnings that the graphs add to those of the preparation."""
        if self.unfamiliar[row]:
            yield Warning.UNFAMILIAR_CREATIVE
        if self.truncated[row]:
            yield Warning.HEADLINE_TRUNCATED


class Scorer:
    """One version of one model, ready to score; thread-safe.

    Args:
        bundle: The model, read and verified.
        options: How to run it.

    Attributes:
        name: Name of the model.
        version: Its version.
        manifest: Its manifest, with the limits that apply here.
        preparer: Checks and decodes creatives for it.

    Raises:
        BundleError: The installed libraries cannot open its graphs.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions | None = None) -> None:
        options = options or RuntimeOptions()
        training_groups = bundle.files.get(files.TRAINING_GROUPS, b"")
        self._training_groups = frozenset(training_groups.decode("ascii", "replace").split())
        self._cache = EncodingCache(options.cache_bytes) if options.cache_bytes else None
        self._graphs = Graphs(bundle, options, self._cache)
        self.name = bundle.name
        self.version = bundle.version
        limits = bundle.manifest.limits.lowered(
            options.max_headline_characters, options.max_image_bytes, options.max_image_pixels
        )
        self.manifest: Manifest = replace(bundle.manifest, limits=limits)
        self.preparer = Preparer(self.manifest, self._cache, options.budget)

    @classmethod
    def open(
        cls, path: Path, options: RuntimeOptions | None = None, check: BundleCheck | None = None
    ) -> "Scorer":
        """Opens a model's folder (its newest version) or one version's folder.

        Args:
            path: The folder.
            options: How to run the model.
            check: A check of the bundle beside its checksums.

        Raises:
            BundleError: A checksum, the format version or a golden score is wrong.
        """
        bundle = read_bundle(resolve_bundle(path), check)
        scorer = cls(bundle, options)
        preparer = Preparer(bundle.manifest)  # golden creatives are within the model's own limits
        check_golden(
            bundle.files[files.GOLDEN],
            bundle.manifest.targets,
            lambda creatives: scorer.score_prepared([preparer.creative(c) for c in creatives]),
            f"model {scorer.name} version {scorer.version}",
        )
        return scorer

    @property
    def cache_statistics(self) -> CacheStatistics:
        """Statistics of its cache; all zeros without one."""
        return CacheStatistics() if self._cache is None else self._cache.statistics()

    @property
    def limits(self) -> InputLimits:
        """The limits of an accepted creative."""
        return self.manifest.limits

    @property
    def graphs(self) -> Graphs:
        """Its towers and head."""
        return self._graphs

    def has_seen(self, group: str) -> bool:
        """Whether the model was fitted to creatives of a group."""
        return group_digest(group) in self._training_groups

    @property
    def has_agreement(self) -> bool:
        """Whether the model was trained to say how well headline and image fit together."""
        return self._graphs.has_agreement

    # === Scoring ===

    def score(self, creatives: Sequence[Creative]) -> list[Score]:
        """Scores a batch of creatives, in their order.

        Raises:
            InvalidCreativeError: One of them cannot be scored; then none is.
        """
        return self.score_prepared([self.preparer.creative(c) for c in creatives])

    def score_prepared(self, creatives: Sequence[PreparedCreative]) -> list[Score]:
        """Scores a batch of prepared creatives, in their order."""
        if not creatives:
            return []
        return self._scores(creatives, self.predict(creatives))

    def score_encoded(
        self, creatives: Sequence[PreparedCreative], encoded: EncodedCreatives
    ) -> list[Score]:
        """Scores a batch that the towers have encoded, in its order."""
        return self._scores(creatives, self._predict_batch(encoded))

    def _scores(
        self, creatives: Sequence[PreparedCreative], predictions: Predictions
    ) -> list[Score]:
        figures = rate_figures(self.manifest, predictions.mean, predictions.concentration).tolist()
        agreements = predictions.agreement.tolist()
        targets = self.manifest.targets
        return [
            Score(
                targets={name: TargetScore(*row[at]) for at, name in enumerate(targets)},
                agreement=None if math.isnan(agreement) else agreement,
                warnings=(*creative.warnings, *predictions.noticed(number)),
            )
            for number, (creative, row, agreement) in enumerate(
                zip(creatives, figures, agreements, strict=True)
            )
        ]

    def predict(self, creatives: Iterable[PreparedCreative]) -> Predictions:
        """Runs the graphs on any number of prepared creatives, at least one.

        Batches of `MAX_BATCH` keep memory independent of their number.
        """
        return self._predict_encoded(
            self._graphs.encode(batch) for batch in _batched(creatives, MAX_BATCH)
        )

    def score_combinations(
        self,
        headlines: Sequence[PreparedHeadline],
        images: Sequence[PreparedImage],
        context: PreparedContext,
    ) -> ScoreGrid:
        """Scores every headline with every image, all in one context.

        Args:
            headlines: At least one.
            images: At least one.
            context: The context shared by all pairs.
        """
        headline, truncated = self._graphs.encode_headlines(headlines)
        image = self._graphs.encode_images(images)
        pairs = PairsToScore(headline, image, (len(headlines), len(images)), context.ids)
        predictions = self._predict_encoded(pairs.blocks())
        figures = rate_figures(self.manifest, predictions.mean, predictions.concentration)
        far_headline = self._unfamiliar("headline", headline, len(headlines))
        far_image = self._unfamiliar("image", image, len(images))
        return ScoreGrid(
            targets=target_grids(self.manifest.targets, figures, pairs.counts),
            agreement=predictions.agreement.reshape(pairs.counts) if self.has_agreement else None,
            headline_warnings=_warnings([h.warnings for h in headlines], far_headline, truncated),
            image_warnings=_warnings([image.warnings for image in images], far_image),
            warnings=context.warnings,
        )

    def match(
        self, headlines: Sequence[PreparedHeadline], images: Sequence[PreparedImage]
    ) -> NDArray[np.float32]:
        """Says how well each headline fits each image.

        Args:
            headlines: At least one.
            images: At least one.

        Returns:
            Agreement from -1 to 1, (headlines, images).

        Raises:
            ValueError: The model was not trained for it.
        """
        if not self.has_agreement:
            raise ValueError(f"model {self.name}: expected one trained with --align")
        rows = self._graphs.encode_headlines(headlines)[0]["aligned"]
        columns = self._graphs.encode_images(images)["aligned"]
        cosines: NDArray[np.float32] = np.clip(rows @ columns.T, -1, 1)
        return cosines

    def _predict_encoded(self, batches: Iterable[EncodedCreatives]) -> Predictions:
        parts = [self._predict_batch(encoded) for encoded in batches]
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(Predictions)]
        return Predictions(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        )

    def _predict_batch(self, encoded: EncodedCreatives) -> Predictions:
        mean, concentration = self._graphs.predict(encoded)
        rows = len(mean)
        unfamiliar = self._unfamiliar("headline", encoded.headline, rows)
        unfamiliar |= self._unfamiliar("image", encoded.image, rows)
        agreement = np.full(rows, np.nan)
        if self.has_agreement:
            both = encoded.present[:, [Present.HEADLINE, Present.IMAGE]].all(axis=1)
            products = encoded.headline["aligned"] * encoded.image["aligned"]
            agreement[both] = products.sum(axis=1)[both].clip(-1, 1)
        return Predictions(mean, concentration, encoded.truncated, unfamiliar, agreement)

    def _unfamiliar(self, tower: str, encodings: Encodings, rows: int) -> NDArray[np.bool_]:
        """Whether a tower's input is far from everything it was trained on, (rows,)."""
        farthest = self.manifest.familiarity.get(tower)
        if farthest is None:
            return np.zeros(rows, dtype=bool)
        return encodings["distance"][:, 0] > farthest


def _warnings(
    prepared: Sequence[tuple[Warning, ...]],
    unfamiliar: NDArray[np.bool_],
    truncated: Iterable[bool] = itertools.repeat(False),
) -> tuple[tuple[Warning, ...], ...]:
    """The warnings of each headline or each image of a grid."""
    return tuple(
        (
            *noticed,
            *(Warning.UNFAMILIAR_CREATIVE,) * bool(far),
            *(Warning.HEADLINE_TRUNCATED,) * bool(cut),
        )
        for noticed, far, cut in zip(prepared, unfamiliar, truncated, strict=False)
    )


def _batched(
    creatives: Iterable[PreparedCreative], size: int
) -> Iterator[tuple[PreparedCreative, ...]]:
    iterator = iter(creatives)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch


_ENDS = ((1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2)
_PERCENTILES = np.arange(101.0)
# Relative difference below which rates are tied: the last digits of a float32 graph depend on the
# other rows of the batch.
_TIED = 1e-5


def rate_figures(
    manifest: Manifest, mean: NDArray[np.float64], concentration: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Converts a model's predictions to rates with intervals and percentiles.

    The interval is the central one of the beta distribution, widened if needed to include the
    mean: at a concentration near 1 the mean of a low rate lies above the 95th percentile.

    Args:
        manifest: Names the targets, and holds the rates of its reference creatives.
        mean: Mean rates, (rows, targets), from 0 to 1.
        concentration: Concentration of the rates around them, (rows, targets), above 0.

    Returns:
        Mean, lower and upper end of the interval, and percentile, in the order of
        `creative.TargetScore`, (rows, targets, 4) float64.
    """
    figures = np.empty((*mean.shape, 4))
    figures[..., 0] = mean
    inside = np.clip(mean, MIN_RATE, 1 - MIN_RATE)
    alpha, beta = inside * concentration, (1 - inside) * concentration
    betaincinv(alpha[..., None], beta[..., None], _ENDS, out=figures[..., 1:3])
    np.minimum(figures[..., 1], mean, out=figures[..., 1])
    np.maximum(figures[..., 2], mean, out=figures[..., 2])
    for column, target in enumerate(manifest.targets):
        figures[:, column, 3] = _percentile(mean[:, column], manifest.reference[target])
    return figures


def _percentile(rate: NDArray[np.float64], reference: Sequence[float]) -> NDArray[np.float64]:
    """Mid-rank of rates among the reference, in per cent: the share below plus half of the ties.

    Args:
        rate: (n,) from 0 to 1.
        reference: Percentiles 0 to 100 of the reference creatives' rates.
    """
    known = np.asarray(reference)
    first = np.searchsorted(known, rate * (1 - _TIED), side="left")
    last = np.searchsorted(known, rate * (1 + _TIED), side="right") - 1
    between = np.interp(rate, known, _PERCENTILES)
    return np.where(last > first, (first + last) / 2, between)

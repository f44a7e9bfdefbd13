"""The first stage of a training: encoders, their features, and the towers that stand on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Preprocessing
from adscore.errors import TrainingError
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.image import Pixels
from adscore.scoring.text import HeadlineTokenizer, SubwordTokenizer, ngram_ids, train_tokenizer
from adscore.training.data import TrainingData
from adscore.training.encoders.feature_cache import (
    FeatureCache,
    Features,
    cache_directory,
    content_key,
)
from adscore.training.encoders.frozen import (
    FrozenImage,
    FrozenText,
    open_image_encoder,
    open_text_encoder,
)
from adscore.training.inputs import Column, TowerInputs
from adscore.training.presets import Preset
from adscore.training.towers import (
    Tower,
    conv_trunk,
    frozen_headline_trunk,
    frozen_image_trunk,
    frozen_projection,
    inverse_frequency,
    linear_projection,
    lstm_trunk,
    tower,
    trained_projection,
    wide_branch,
)

# More creatives at once are no faster, and their maps no longer fit the caches.
BATCH = 16


@dataclass(frozen=True, slots=True)
class Encoders:
    """The frozen encoders of a training; None for a tower that is trained from scratch."""

    text: FrozenText | None = None
    image: FrozenImage | None = None

    @classmethod
    def open(cls, text: str | None, image: str | None) -> "Encoders":
        """Opens those that are given, as folders or `hf://organisation/name`.

        Raises:
            TrainingError: One of them cannot be used.
        """
        return cls(
            text=open_text_encoder(text) if text else None,
            image=open_image_encoder(image) if image else None,
        )

    @property
    def names(self) -> dict[str, str]:
        """Name of the encoder of each tower that has one."""
        found = (("headline", self.text), ("image", self.image))
        return {tower: encoder.name for tower, encoder in found if encoder is not None}

    def only(self, modalities: Sequence[str]) -> "Encoders":
        """Those of some modalities alone: what a table does not have needs no encoder."""
        return Encoders(
            self.text if "headline" in modalities else None,
            self.image if "image" in modalities else None,
        )

    def adapt(self, preset: Preset) -> Preset:
        """The preset with what the encoders read.

        Raises:
            TrainingError: The preset's towers end without a projection.
        """
        if self.names and preset.projection_width is None:
            raise TrainingError(
                f"preset {preset.name!r}: expected no encoder, since its towers have no "
                f"projection. Received: {', '.join(self.names.values())}"
            )
        return replace(preset, preprocessing=self._read(preset))

    def _read(self, preset: Preset) -> Preprocessing:
        read = preset.preprocessing
        if self.text is not None:
            read = replace(
                read,
                headline_tokens=self.text.tokens,
                headline_padding_id=self.text.padding_id,
                headline_padding_left=self.text.pads_left,
                headlines_apart=self.text.apart,
                ngram_buckets=preset.ngram_buckets,
            )
        if self.image is not None:
            size = self.image.size
            read = replace(
                read,
                image_height=size.height,
                image_width=size.width,
                image_resampling=int(size.resampling),
            )
        return read


@dataclass(frozen=True, slots=True)
class Representation:
    """Untrained towers and what they read.

    Attributes:
        towers: By `headline` and `image`, those that the table has something for.
        inputs: What towers and core read, for every row.
        tokenizer: The bundle's tokenizer, in the JSON form of the `tokenizers` library; None
            without headlines.
        additive: Whether every tower stands on a frozen encoder, so that heads may be fitted to
            features alone.
    """

    towers: Mapping[str, Tower]
    inputs: TowerInputs
    tokenizer: str | None
    additive: bool


def represent(
    preset: Preset, encoders: Encoders, data: TrainingData, fitted: NDArray[np.int64]
) -> Representation:
    """Builds the towers, and runs the encoders on what their cache does not hold.

    Args:
        preset: Sizes.
        encoders: Of the modalities that the data has.
        data: All rows.
        fitted: The rows that are fitted to, (n,).

    Raises:
        TrainingError: The cache cannot be used.
    """
    cache = FeatureCache(cache_directory())
    rows = np.arange(len(data))
    columns = {"present": Column(data.present, rows)}
    if data.context:
        columns["context_ids"] = Column(data.context_ids, rows)
    additive = set(encoders.names) == set(data.modalities)
    towers: dict[str, Tower] = {}
    tokenizer = None
    if "headline" in data.modalities:
        with_text = fitted[data.present[fitted, 0] > 0]
        tokenizer, read, towers["headline"] = _headline_tower(
            preset, encoders.text, data, with_text, cache, additive=additive
        )
        columns |= read
    if "image" in data.modalities:
        with_image = fitted[data.present[fitted, 1] > 0]
        read, towers["image"] = _image_tower(
            preset, encoders.image, data, with_image, cache, additive=additive
        )
        columns |= read
    return Representation(towers, TowerInputs(columns), tokenizer, additive)


def _headline_tower(
    preset: Preset,
    encoder: FrozenText | None,
    data: TrainingData,
    fitted: NDArray[np.int64],
    cache: FeatureCache,
    *,
    additive: bool,
) -> tuple[str, dict[str, Column], Tower]:
    name = "headline_encoder"
    if encoder is None:
        tokenizer = train_tokenizer([data.headlines[r] for r in fitted], preset.vocabulary_size)
        reader = HeadlineTokenizer(tokenizer, preset.preprocessing.headline_tokens)
        ids = Column(reader.encode(data.headlines)[0], np.arange(len(data)))
        trunk = lstm_trunk(preset, reader.vocabulary_size)
        projection = trained_projection(preset, trunk, "headline_projection")
        return tokenizer, {"token_ids": ids}, tower(name, trunk, projection)
    columns = _headline_columns(preset, encoder, data.headlines, cache)
    rows = TowerInputs(columns).batch(fitted)
    trunk = frozen_headline_trunk(rows["headline_features"], encoder.blocks)
    weights = inverse_frequency(rows["ngram_ids"], preset.ngram_buckets)
    projection = _projection_of_frozen(preset, trunk, "headline_projection", data, additive)
    wide = wide_branch(weights, projection.output.shape[1])
    return encoder.tokenizer, columns, tower(name, trunk, projection, wide)


def _image_tower(
    preset: Preset,
    encoder: FrozenImage | None,
    data: TrainingData,
    fitted: NDArray[np.int64],
    cache: FeatureCache,
    *,
    additive: bool,
) -> tuple[dict[str, Column], Tower]:
    name = "image_encoder"
    if encoder is None:
        trunk = conv_trunk(preset)
        projection = trained_projection(preset, trunk, "image_projection")
        columns = {"pixels": Column(data.pixels, data.image_index)}
        return columns, tower(name, trunk, projection)
    features = image_features(encoder, data.pixels, cache)
    trunk = frozen_image_trunk(features[data.image_index[fitted]], encoder.blocks)
    projection = _projection_of_frozen(preset, trunk, "image_projection", data, additive)
    columns = {"image_features": Column(features, data.image_index)}
    return columns, tower(name, trunk, projection)


def _projection_of_frozen(
    preset: Preset, trunk: keras.Model, name: str, data: TrainingData, additive: bool
) -> keras.Model:
    if additive:
        columns = preset.additive.members * data.trials.shape[1]
        return linear_projection(max(columns, 1), trunk, name)  # without targets it is not used
    return frozen_projection(preset, trunk, name)


def _headline_columns(
    preset: Preset, encoder: FrozenText, headlines: Sequence[str], cache: FeatureCache
) -> dict[str, Column]:
    number = {text: position for position, text in enumerate(dict.fromkeys(headlines))}
    distinct, index = list(number), np.array([number[text] for text in headlines])
    features = headline_features(encoder, distinct, cache)
    ids = ngram_ids(distinct, preset.ngram_buckets)
    return {"headline_features": Column(features, index), "ngram_ids": Column(ids, index)}


def headline_features(
    encoder: FrozenText, headlines: Sequence[str], cache: FeatureCache
) -> Features:
    """Features of normalised headlines, (headlines, width)."""
    digest = encoder.digest()
    keys = [content_key(digest, text.encode()) for text in headlines]
    graph = Graph(encoder.model.SerializeToString(), RuntimeOptions())
    tokenizer = SubwordTokenizer(
        encoder.tokenizer,
        encoder.tokens,
        padding_id=encoder.padding_id,
        pads_left=encoder.pads_left,
    )

    def compute(rows: Sequence[int]) -> Features:
        size = 1 if encoder.apart else BATCH
        parts = []
        for start in range(0, len(rows), size):
            texts = [headlines[row] for row in rows[start : start + size]]
            arrays, _ = tokenizer.encode(texts)
            parts.append(graph.run({name: arrays[name] for name in graph.input_names})["features"])
        return np.concatenate(parts)

    return cache.features(keys, encoder.width, compute)


def image_features(encoder: FrozenImage, pixels: Pixels, cache: FeatureCache) -> Features:
    """Features of images (images, height, width, 3) uint8, (images, width)."""
    digest = encoder.digest()
    keys = [content_key(digest, image.tobytes()) for image in pixels]
    graph = Graph(encoder.model.SerializeToString(), RuntimeOptions())

    def compute(rows: Sequence[int]) -> Features:
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        return np.concatenate([graph.run({"pixels": pixels[b]})["features"] for b in batches])

    return cache.features(keys, encoder.width, compute)

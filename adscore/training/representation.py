"""The first stage of a training: encoders, their features, and the towers that stand on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from adscore.bundle import Preprocessing
from adscore.encoder import Graph, RuntimeOptions
from adscore.errors import TrainingError
from adscore.image import Pixels
from adscore.ngrams import ngram_ids
from adscore.subwords import SubwordTokenizer
from adscore.text import HeadlineTokenizer, train_tokenizer
from adscore.training.data import Split, TrainingData
from adscore.training.feature_cache import FeatureCache, Features, cache_directory, content_key
from adscore.training.frozen import (
    FrozenImage,
    FrozenText,
    open_image_encoder,
    open_text_encoder,
)
from adscore.training.inputs import Column, TowerInputs
from adscore.training.network import conv_tower, lstm_tower
from adscore.training.presets import Preset
from adscore.training.towers import headline_tower, image_tower

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

    def adapt(self, preset: Preset) -> Preset:
        """The preset with what the encoders read, and how towers on them are fitted.

        Raises:
            TrainingError: The preset's towers end without a projection.
        """
        if not self.names:
            return preset
        if preset.projection_width is None:
            raise TrainingError(
                f"preset {preset.name!r}: expected no encoder, since its towers have no "
                f"projection. Received: {', '.join(self.names.values())}"
            )
        return replace(
            preset,
            preprocessing=self._read(preset),
            learning_rate=min(preset.learning_rate, preset.frozen_learning_rate),
            batch_size=max(preset.batch_size, preset.frozen_batch_size),
        )

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
        headline: The trained part of the text tower.
        image: The trained part of the image tower.
        inputs: What both read, for every row.
        tokenizer: The bundle's tokenizer, in the JSON form of the `tokenizers` library.
    """

    headline: keras.Model
    image: keras.Model
    inputs: TowerInputs
    tokenizer: str


def represent(
    preset: Preset, encoders: Encoders, data: TrainingData, split: Split
) -> Representation:
    """Builds both towers, and runs the encoders on what their cache does not hold.

    Raises:
        TrainingError: The cache cannot be used.
    """
    fitted = [data.headlines[row] for row in split.fitting]
    cache = FeatureCache(cache_directory())
    if encoders.text is None:
        tokenizer = train_tokenizer(fitted, preset.vocabulary_size)
        reader = HeadlineTokenizer(tokenizer, preset.preprocessing.headline_tokens)
        headline = lstm_tower(preset, reader.vocabulary_size)
        columns = {"token_ids": Column(reader.encode(data.headlines)[0], np.arange(len(data)))}
    else:
        tokenizer = encoders.text.tokenizer
        columns = _headline_columns(preset, encoders.text, data.headlines, cache)
        rows = TowerInputs(columns).batch(split.fitting)
        headline = headline_tower(preset, rows["headline_features"], rows["ngram_ids"])
    if encoders.image is None:
        image = conv_tower(preset)
        columns["pixels"] = Column(data.pixels, data.image_index)
    else:
        features = image_features(encoders.image, data.pixels, cache)
        columns["image_features"] = Column(features, data.image_index)
        image = image_tower(preset, features[data.image_index[split.fitting]])
    return Representation(headline, image, TowerInputs(columns), tokenizer)


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

"""Towers of headline-image agreement on frozen encoders: one graph from raw input to place."""

import keras
import numpy as np

from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.scoring.ngrams import ngram_ids
from adscore.scoring.text import SubwordTokenizer
from adscore.training.alignment import (
    aligned_headline_tower,
    aligned_image_tower,
    scaled_features,
)
from adscore.training.encoders.onnx_graph import join
from adscore.training.encoders.published import open_image_encoder, open_text_encoder
from adscore.training.presets import AlignmentOptions
from adscore.training.towers import inverse_frequency

HEADLINES = ["Save 20% on running shoes", "A calmer way to plan", "Running shoes, for less"]
TINY = AlignmentOptions(width=16, hidden_width=8, ngram_buckets=64)


def export(tower, path):
    tower.export(path, format="onnx", verbose=False)
    return path.read_bytes()


def features_of(model, inputs):
    return Graph(model.SerializeToString(), RuntimeOptions(1)).run(inputs)["features"]


def test_headline_graph_agrees_with_keras_on_the_encoders_features(text_encoder, tmp_path):
    keras.utils.set_random_seed(0)
    encoder = open_text_encoder(str(text_encoder))
    tokenizer = SubwordTokenizer(encoder.tokenizer, encoder.tokens)
    tokens, ids = tokenizer.encode(HEADLINES)[0], ngram_ids(HEADLINES, TINY.ngram_buckets)
    features = features_of(encoder.model, tokens)
    weights = inverse_frequency([ids], TINY.ngram_buckets)
    tower = aligned_headline_tower(scaled_features("headline_features", features), weights, TINY)
    expected = tower.predict_on_batch({"headline_features": features, "ngram_ids": ids})["aligned"]
    joined = join(encoder.model, export(tower, tmp_path / "tower.onnx"), "headline_features")
    received = Graph(joined, RuntimeOptions(1)).run({**tokens, "ngram_ids": ids})["aligned"]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
    assert np.ptp(received, axis=0).max() > 0.1


def test_image_graph_agrees_with_keras_on_the_encoders_features(image_encoder, tmp_path):
    keras.utils.set_random_seed(0)
    encoder = open_image_encoder(str(image_encoder))
    shape = (5, encoder.size.height, encoder.size.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    features = features_of(encoder.model, {"pixels": pixels})
    tower = aligned_image_tower(scaled_features("image_features", features), TINY)
    expected = tower.predict_on_batch({"image_features": features})["aligned"]
    joined = join(encoder.model, export(tower, tmp_path / "tower.onnx"), "image_features")
    received = Graph(joined, RuntimeOptions(1)).run({"pixels": pixels})["aligned"]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
    assert np.ptp(received, axis=0).max() > 0.1

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from adscore.errors import TrainingError
from adscore.evaluation import AgreementMetrics, evaluate_agreement
from adscore.scoring.graphs import Graph, RuntimeOptions
from adscore.training.alignment import (
    align,
    aligned_headline_tower,
    aligned_image_tower,
    alike_pairs,
    contrastive_loss,
    places,
    scaled_features,
)
from adscore.training.encoders.published import Encoders
from adscore.training.inputs import Column, Inputs
from adscore.training.presets import DEFAULT, AlignmentOptions
from adscore.training.problem import Problem, TrainingData
from adscore.training.split import Split, split_groups
from adscore.training.towers import conv_trunk, inverse_frequency, lstm_trunk

COLOURS = {
    "red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "yellow": (230, 230, 20),
    "black": (10, 10, 10), "white": (245, 245, 245),
}  # fmt: skip
VOCABULARY_SIZE = 12
TINY = AlignmentOptions(
    width=16,
    hidden_width=16,
    ngram_buckets=64,
    batch_size=64,
    epochs=10,
    min_steps=60,
    learning_rate=0.01,
)
SCRATCH = dataclasses.replace(
    DEFAULT,
    preprocessing=dataclasses.replace(
        DEFAULT.preprocessing, headline_tokens=4, image_height=16, image_width=16
    ),
    token_width=8,
    lstm_width=8,
    conv_filters=(4,),
    projection_width=16,
)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Headlines beside images, what towers read of them, and towers."""

    names: list[str]
    inputs: Inputs
    split: Split
    headline: keras.Model
    image: keras.Model

    def fit(self, options: AlignmentOptions = TINY, seed: int = 0) -> None:
        each = np.arange(len(self.names))
        data = TrainingData(
            headlines=self.names,
            images=np.zeros((len(each), 1, 1, 3), np.uint8),
            image_index=each,
            context_values={},
            context={},
            context_ids=np.zeros((len(each), 0), np.int32),
            present=np.tile(np.array([1, 1, 0], np.float32), (len(each), 1)),
            groups=each,
            group_names=self.names,
            targets={},
            successes=np.zeros((len(each), 0)),
            trials=np.zeros((len(each), 0)),
        )
        preset = dataclasses.replace(DEFAULT, alignment=options)
        problem = Problem(data, self.split, preset, Encoders(), seed, align=True)
        align(problem, self.inputs, {"headline": self.headline, "image": self.image})

    def aligned(self, tower: keras.Model, rows: np.ndarray) -> np.ndarray:
        return places(self.inputs, tower, rows)

    def agreement(self, rows: np.ndarray) -> AgreementMetrics:
        similarity = self.aligned(self.headline, rows) @ self.aligned(self.image, rows).T
        names = np.array(self.names)[rows]
        return evaluate_agreement(similarity, np.argwhere(names[:, None] == names[None, :]))


def frozen_pairs(rows: int = 180, *, misleading: bool = False) -> Pairs:
    """Features that are two views of the same few hidden facts, and n-grams that tell nothing.

    Where they mislead, the validation rows' images show the opposite of their facts.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    each = np.arange(rows)
    split = split_groups(each, test=0.0, validation=1 / 3, seed=0)
    facts = rng.normal(size=(rows, 6))
    shown = facts.copy()
    if misleading:
        shown[split.validation] *= -1
    text, image = (
        (seen @ rng.normal(size=(6, width)) + rng.normal(3.0, 0.1, (rows, width))).astype(
            np.float32
        )
        for seen, width in ((facts, 24), (shown, 30))
    )
    ids = rng.integers(0, TINY.ngram_buckets, (rows, 5), dtype=np.int32)
    columns = {"headline_features": text, "ngram_ids": ids, "image_features": image}
    return Pairs(
        names=[f"product {row}" for row in each],
        inputs=Inputs({name: Column(values, each) for name, values in columns.items()}),
        split=split,
        headline=aligned_headline_tower(
            scaled_features("headline_features", text[split.fitting]),
            inverse_frequency([ids[split.fitting]], TINY.ngram_buckets),
            TINY,
        ),
        image=aligned_image_tower(scaled_features("image_features", image[split.fitting]), TINY),
    )


def scratch_pairs(rows: int = 72, freeze: str = "") -> Pairs:
    """Headlines that name their image's colour; noise in both."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(2)
    colours = np.arange(rows) % len(COLOURS)
    token_ids = rng.integers(len(COLOURS), VOCABULARY_SIZE, (rows, 4), dtype=np.int32)
    token_ids[:, 2] = colours
    flat = np.array(list(COLOURS.values()))[colours][:, None, None]
    pixels = (flat + rng.normal(0, 12, (rows, 16, 16, 3))).clip(0, 255).astype(np.uint8)
    each = np.arange(rows)
    trunks = {"headline": lstm_trunk(SCRATCH, VOCABULARY_SIZE), "image": conv_trunk(SCRATCH)}
    if freeze:
        trunks[freeze].trainable = False
    return Pairs(
        names=[list(COLOURS)[colour] for colour in colours],
        inputs=Inputs({"token_ids": Column(token_ids, each), "pixels": Column(pixels, each)}),
        split=split_groups(each, test=0.0, validation=1 / 3, seed=0),
        headline=aligned_headline_tower(trunks["headline"], None, TINY),
        image=aligned_image_tower(trunks["image"], TINY),
    )


def place(rng: np.random.Generator, rows: int) -> np.ndarray:
    vectors = rng.normal(size=(rows, 5))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


SHORT = dataclasses.replace(TINY, epochs=2, min_steps=2)


@pytest.fixture(scope="module", params=[frozen_pairs, scratch_pairs])
def fitted(request: pytest.FixtureRequest) -> tuple[Callable[[], Pairs], Pairs]:
    """What makes pairs, and such pairs after a short fit."""
    pairs = request.param()
    pairs.fit(SHORT)
    return request.param, pairs


# === Loss ===


def test_loss_is_the_cross_entropy_of_finding_each_other() -> None:
    rng = np.random.default_rng(0)
    headline, image = place(rng, 7), place(rng, 7)
    logits = 15.0 * headline.astype(float) @ image.T.astype(float)
    to_image, to_headline = np.diag(log_softmax(logits, 1)), np.diag(log_softmax(logits, 0))
    loss = contrastive_loss(headline, image, np.eye(7, dtype=bool), 15.0).numpy()
    np.testing.assert_allclose(loss, -(to_image + to_headline) / 2, rtol=1e-5)


def test_pairs_of_equal_name_or_image_share_the_mass_of_a_row() -> None:
    rng = np.random.default_rng(0)
    headline, image = place(rng, 5), place(rng, 5)
    alike = np.asarray(alike_pairs(np.array([0, 1, 0, 0, 2]), np.array([0, 1, 2, 3, 1])))
    expected = np.eye(5, dtype=bool)
    for pair in ((0, 2), (0, 3), (2, 3), (1, 4)):
        expected[pair] = expected[pair[::-1]] = True
    np.testing.assert_array_equal(alike, expected)
    logits = 9.0 * headline.astype(float) @ image.T.astype(float)
    share = expected / expected.sum(axis=1, keepdims=True)
    both = (share * log_softmax(logits, 1)).sum(1) + (share * log_softmax(logits.T, 1)).sum(1)
    loss = contrastive_loss(headline, image, alike, 9.0).numpy()
    np.testing.assert_allclose(loss, -both / 2, rtol=1e-5)


# === Fitting ===


@pytest.mark.slow
def test_headlines_of_unseen_rows_find_their_images() -> None:
    pairs = frozen_pairs()
    rows = pairs.split.validation  # 60, of which 10 found by chance are a sixth
    before = pairs.agreement(rows).recall_at_10
    pairs.fit()
    assert before < 0.5
    assert pairs.agreement(rows).recall_at_10 > 0.8


@pytest.mark.slow
def test_towers_from_scratch_learn_to_tell_colours() -> None:
    pairs = scratch_pairs()
    pairs.fit()
    assert pairs.agreement(pairs.split.validation).auc > 0.9


@pytest.mark.slow
def test_same_seed_gives_the_same_towers(fitted: tuple[Callable[[], Pairs], Pairs]) -> None:
    make, first = fitted
    second, other = make(), make()
    second.fit(SHORT)
    other.fit(SHORT, seed=1)
    for tower in ("headline", "image"):
        weights = [getattr(pairs, tower).get_weights() for pairs in (first, second, other)]
        for mine, same in zip(weights[0], weights[1], strict=True):
            np.testing.assert_array_equal(mine, same)
        assert any((a != b).any() for a, b in zip(weights[0], weights[2], strict=True))


def weights_of_trunks(pairs: Pairs) -> dict[str, list[np.ndarray]]:
    return {
        tower: getattr(pairs, tower).get_layer(f"{tower}_trunk").get_weights()
        for tower in ("headline", "image")
    }


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["headline", "image"])
def test_trunk_is_fitted_unless_it_is_frozen(frozen: str) -> None:
    pairs = scratch_pairs(freeze=frozen)
    before = weights_of_trunks(pairs)
    pairs.fit(SHORT)
    for tower, after in weights_of_trunks(pairs).items():
        moved = [(a != b).any() for a, b in zip(before[tower], after, strict=True)]
        assert all(moved) if tower != frozen else not any(moved)


@pytest.mark.slow
def test_trunks_are_fitted_and_the_scaling_of_frozen_features_is_not(
    fitted: tuple[Callable[[], Pairs], Pairs],
) -> None:
    make, after = fitted
    before = make()
    if make is scratch_pairs:
        first, last = weights_of_trunks(before), weights_of_trunks(after)
        for tower, weights in first.items():
            assert all((a != b).any() for a, b in zip(weights, last[tower], strict=True))
        return
    first, last = (
        pairs.image.get_layer("scaled_image_features").get_weights() for pairs in (before, after)
    )
    for mine, same in zip(first, last, strict=True):
        np.testing.assert_array_equal(mine, same)


@pytest.mark.slow
def test_weights_of_the_best_pass_are_kept() -> None:
    """Where every pass makes the validation groups worse, the first one's weights stay."""
    fitted = []
    for epochs in (1, 12):  # of one step each
        pairs = frozen_pairs(misleading=True)
        pairs.fit(dataclasses.replace(TINY, batch_size=180, epochs=epochs, min_steps=1))
        fitted.append(pairs)
    for tower in ("headline", "image"):
        first, best = (getattr(pairs, tower).get_weights() for pairs in fitted)
        for mine, same in zip(best, first, strict=True):
            np.testing.assert_array_equal(mine, same)


def test_one_pair_over_and_over_cannot_be_aligned() -> None:
    pairs = dataclasses.replace(frozen_pairs(), names=["the same"] * 180)
    with pytest.raises(TrainingError, match="at least 2 distinct headlines and images"):
        pairs.fit()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_fit_that_diverges_says_so() -> None:
    with pytest.raises(TrainingError, match=r"finite loss of alignment.*lower learning rate"):
        frozen_pairs().fit(dataclasses.replace(TINY, learning_rate=1e38))


# === Towers ===


@pytest.mark.slow
def test_exported_towers_agree_with_keras(
    fitted: tuple[Callable[[], Pairs], Pairs], tmp_path: Path
) -> None:
    _, pairs = fitted
    for tower in (pairs.headline, pairs.image):
        path = tmp_path / "tower.onnx"
        tower.export(path, format="onnx", verbose=False)
        graph = Graph(path.read_bytes(), RuntimeOptions())
        for rows in (np.array([3]), np.arange(33)):
            read = pairs.inputs.batch(rows)
            received = graph.run({name: read[name] for name in graph.input_names})["aligned"]
            np.testing.assert_allclose(received, pairs.aligned(tower, rows), rtol=0, atol=1e-5)
            np.testing.assert_allclose(np.linalg.norm(received, axis=1), 1, rtol=1e-5)


def test_towers_are_kept_by_plain_keras(tmp_path: Path) -> None:
    pairs, rows = frozen_pairs(), np.arange(20)
    for tower in (pairs.headline, pairs.image):
        tower.save(tmp_path / "tower.keras")
        read = keras.models.load_model(tmp_path / "tower.keras")
        np.testing.assert_array_equal(pairs.aligned(read, rows), pairs.aligned(tower, rows))


def test_padding_and_order_of_ngrams_change_nothing() -> None:
    pairs = frozen_pairs()
    features = pairs.inputs.batch(np.array([0, 0]))["headline_features"]
    ids = np.array([[5, 9, 30, 0, 0, 0], [0, 30, 0, 9, 5, 0]], dtype=np.int32)
    read = {"headline_features": features, "ngram_ids": ids}
    same = pairs.headline.predict_on_batch(read)["aligned"]
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    ids[1, 0] = 6
    other = pairs.headline.predict_on_batch(read)["aligned"]
    assert np.abs(other[0] - other[1]).max() > 1e-3


def test_constant_and_outlying_features_stay_finite() -> None:
    features = np.ones((20, 3), np.float32)
    features[:, 0] = np.random.default_rng(0).normal(size=20)
    trunk = scaled_features("image_features", features)
    far = np.array([[1e30, -1e30, 1.0]], np.float32)
    scaled = trunk.predict_on_batch(far)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(np.abs(scaled[0, :2]), np.abs(scaled).max())
    assert scaled[0, 2] == 0

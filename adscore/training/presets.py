"""Presets: the networks that can be trained and how they are fitted, as plain numbers."""

from dataclasses import dataclass, field, replace
from typing import Literal

from adscore.bundle import PREPROCESSING_VERSION, Preprocessing


@dataclass(frozen=True, slots=True)
class AlignmentOptions:
    """Sizes of the towers of agreement, and how they are fitted.

    Attributes:
        width: Width of the shared space.
        hidden_width: Hidden units of the path beside the linear one.
        ngram_buckets: Number of ids of the hashed n-grams beside a frozen text encoder.
        ngram_step: Step size of an n-gram's row relative to other weights: rare n-grams get few
            steps.
        input_dropout: Share of a trunk's output that is dropped in a step.
        hidden_dropout: Share of the hidden units that is dropped in a step.
        ngram_dropout: Share of a headline's n-grams that is dropped in a step.
        logit_scale: Initial factor of cosines (one over the temperature); it is learned.
        batch_size: Approximate pairs per step; all other pairs of a step are negatives.
        epochs: Passes over the fitted rows, within the limits below.
        min_steps: Minimum number of steps: with a few hundred rows, a pass is one step.
        max_steps: Maximum number of steps, for logs of hundreds of thousands of rows.
        learning_rate: Initial step size of AdamW; it falls to zero along a cosine.
        weight_decay: Weight decay of AdamW, for all weights except biases and the logit scale.
        max_validation_rows: Maximum number of validation rows used: the similarities of all pairs
            are in memory at once.
    """

    width: int = 256
    hidden_width: int = 512
    ngram_buckets: int = 2**15
    ngram_step: float = 12.0
    input_dropout: float = 0.4
    hidden_dropout: float = 0.5
    ngram_dropout: float = 0.2
    logit_scale: float = 15.0
    batch_size: int = 768
    epochs: int = 40
    min_steps: int = 120
    max_steps: int = 4_000
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    max_validation_rows: int = 4_096


@dataclass(frozen=True, slots=True)
class Preset:
    """A network and how it is fitted.

    Attributes:
        name: Name for `adscore train --preset`.
        preprocessing: Preprocessing of the towers' inputs.
        vocabulary_size: Maximum number of distinct tokens learned from the headlines.
        token_width: Width of a token's embedding.
        lstm_width: Width of the text tower's state.
        conv_filters: Filters of each convolution of the image tower; pooling follows each.
        global_pooling: Whether the last maps are reduced to their mean and maximum, or
            flattened. A few hundred banners are too few to learn what each place means.
        projection_width: Width of the space that both towers end in; None for towers
            without a projection.
        hidden_width: Width of the head's hidden layer; None for a head without one.
        dropout: Share of the head's inputs and of its hidden layer dropped in a step.
        loss: `beta_binomial` learns mean and spread from counts, with an offset for each
            group; `binary_crossentropy` is the plain loss weighted by trials.
        learning_rate: Step size of Adam.
        batch_size: Creatives in a step.
        max_epochs: Passes over the data at most.
        patience: Passes without progress on the validation groups before the end.
        members: Heads of the ensemble on the shared towers.
        modality_dropout: Share of the creatives whose headline or image is hidden in a step, so
            that the model learns to do without; 0 for a model that needs both.
        context_width: Width of a context value's embedding.
        feature_dropout: Share of a frozen encoder's features dropped in a step, where its tower
            stands beside one that is trained from scratch.
        feature_penalty: L2 penalty of the weights on them.
        ngram_buckets: Number of ids of the hashed n-grams.
        additive: Whether linear heads are fitted to fixed features: statistics of headlines and
            images, n-grams, and what encoders say. If not, a network is trained in small steps.
        alignment: How towers are fitted for agreement.
    """

    name: str
    preprocessing: Preprocessing
    vocabulary_size: int
    token_width: int
    lstm_width: int
    conv_filters: tuple[int, ...]
    global_pooling: bool
    projection_width: int | None
    hidden_width: int | None
    dropout: float
    loss: Literal["beta_binomial", "binary_crossentropy"]
    learning_rate: float
    batch_size: int
    max_epochs: int
    patience: int
    members: int = 1
    modality_dropout: float = 0.0
    context_width: int = 4
    feature_dropout: float = 0.5
    feature_penalty: float = 3e-3
    ngram_buckets: int = 2**15
    additive: bool = False
    alignment: AlignmentOptions = field(default_factory=AlignmentOptions)


_SMALL = Preprocessing(
    headline_tokens=32, image_height=64, image_width=64, version=PREPROCESSING_VERSION
)

BASELINE = Preset(
    name="baseline",
    preprocessing=_SMALL,
    vocabulary_size=4_000,
    token_width=64,
    lstm_width=64,
    conv_filters=(32,),
    global_pooling=False,
    projection_width=None,
    hidden_width=None,
    dropout=0.0,
    loss="binary_crossentropy",
    learning_rate=1e-3,
    batch_size=32,
    max_epochs=40,
    patience=5,
)

# Chosen on validation groups of simulated logs of 900 creatives: larger towers, more tokens
# and batch normalisation all ranked unseen campaigns worse.
NETWORK = Preset(
    name="network",
    preprocessing=_SMALL,
    vocabulary_size=600,
    token_width=32,
    lstm_width=32,
    conv_filters=(16, 32, 64),
    global_pooling=True,
    projection_width=128,
    hidden_width=64,
    dropout=0.5,
    loss="beta_binomial",
    learning_rate=1e-3,
    batch_size=32,
    max_epochs=60,
    patience=20,
    members=5,
    modality_dropout=0.2,
)

# Linear heads on fixed features, which rank unseen groups better than the network does, and are
# fitted in a small part of its time; of the network's sizes they read none.
DEFAULT = replace(NETWORK, name="default", additive=True)

PRESETS = {preset.name: preset for preset in (DEFAULT, NETWORK, BASELINE)}

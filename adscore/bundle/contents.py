"""The contents of a bundle."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from adscore.creative import Columns, InputLimits

# Format 3 names the version of the preprocessing, which adscore 0.1 would take for its own.
FORMAT_VERSION = 3
READABLE_FORMATS = (2, 3)
# For new models: n-grams of every script, on top of the changes in version 2.
PREPROCESSING_VERSION = 3
MANIFEST = "manifest.json"
HEADLINE_ENCODER = "headline_encoder.onnx"
IMAGE_ENCODER = "image_encoder.onnx"
HEAD = "head.onnx"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"
KERAS_MODEL = "model.keras"
TRAINING_GROUPS = "training_groups.txt"
# The mean embedding of the training's headlines or images, by tower; optional.
MEAN_EMBEDDINGS = "mean_embeddings.json"
MODEL_CARD = "MODEL_CARD.md"
REPORT = "report.html"

# The head's output of the calibrated logit of each member, (batch, members, targets); optional.
MEMBER_LOGITS = "logit"


class Present(IntEnum):
    """Columns of the head's input `present`, (batch, 3) float32: 1 if the part is known, else 0."""

    HEADLINE = 0
    IMAGE = 1
    CONTEXT = 2


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The inputs of the towers.

    Attributes:
        headline_tokens: Number of token ids of a headline, padding included; with a frozen
            encoder, the number that it is cut to, special tokens included.
        image_height: Height of the image tower's input, in pixels.
        image_width: Width of the image tower's input, in pixels.
        image_resampling: How an image is stretched: a number of `PIL.Image.Resampling`.
        headline_padding_id: Id that fills up a headline.
        headline_padding_left: Whether padding stands before the headline, or after it.
        headlines_apart: Whether the text tower encodes headlines one by one, because in a batch
            the other headlines would change the result.
        ngram_buckets: Number of ids of the hashed n-grams; 0 for a tower that reads none.
        context: By context name, the values that were seen in training.
        version: Version of the steps from file to pixels and from headline to text. Version 1 is
            adscore 0.1, whose manifests name none. Version 2 scales JPEGs to no less than the final
            size while it decodes them, converts profiles to sRGB, lays 16-bit transparency on
            white, takes the first frame of an animation that is not blank, and folds quotes, dashes
            and entities of headlines. Version 3 makes n-grams of one to three characters where a
            script leaves no spaces, and one word of an emoji.
    """

    headline_tokens: int
    image_height: int
    image_width: int
    image_resampling: int = 2
    headline_padding_id: int = 0
    headline_padding_left: bool = True
    headlines_apart: bool = False
    ngram_buckets: int = 0
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """How much each part counts for a target, chosen on groups left out.

    Attributes:
        parts: By part, the standard deviation of its contribution, in logits; near 0 for a part
            that did not help to predict groups left out.
        learns: Whether the model predicted these groups better than the mean rate does; if not,
            every creative gets the mean rate.
    """

    parts: Mapping[str, float]
    learns: bool = True

    def describe(self, target: str) -> str:
        """A sentence that describes the choice."""
        if not self.learns:
            return (
                f"{target}: groups left out are predicted no better than by their mean rate, so "
                "every creative is scored the mean and none ranks above another. More rows, or "
                "other columns, may tell more."
            )
        found = sorted(self.parts.items(), key=lambda part: -part[1])
        said = [f"{name} {added:.2f}" for name, added in found if added >= 0.005]
        rest = [name for name, added in found if added < 0.005]
        ignored = f"; they ignore {', '.join(rest)}" if rest else ""
        return (
            f"{target}: groups left out chose how much each part says: {', '.join(said)} (standard "
            f"deviations of what it adds, in logits){ignored}."
        )


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How a model was trained.

    Attributes:
        preset: Name of the network, ``"default"`` or ``"baseline"``.
        creatives: Number of creatives that it was fitted to.
        groups: Number of groups (campaigns) among them; 0 where the table had none.
        seed: Seed of split, initialisation and order.
        seconds: Duration of the training, preparation of the images included.
        epochs: Passes over the data until the kept weights.
        create_time: When the bundle was written, RFC 3339 in UTC.
        adscore_version: Version of adscore that wrote it.
        target_columns: By target, the columns it was learned from, as ``SUCCESSES/TRIALS`` or
            ``LABEL``.
        libraries: Versions of the libraries that made it, by name.
        encoders: Name of the frozen encoder of each tower, `headline` or `image`, that has one.
        columns: The columns of its table, which later commands read by default; None in bundles
            of adscore 0.2 and before.
        folds: Number of models behind the metrics, each fitted without some of the groups, which
            it then predicted. 0 in models of adscore 0.2, which were themselves fitted without the
            groups of the metrics.
        left_out: Number of creatives predicted in this way.
        choices: By target, the choices made on groups left out; empty if none were made.
    """

    preset: str
    creatives: int
    groups: int
    seed: int
    seconds: float
    epochs: int
    create_time: str
    adscore_version: str
    target_columns: Mapping[str, str]
    libraries: Mapping[str, str]
    encoders: Mapping[str, str] = field(default_factory=dict)
    columns: Columns | None = None
    folds: int = 0
    left_out: int = 0
    choices: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def mean_only(self) -> tuple[str, ...]:
        """Targets for which every creative gets the mean rate."""
        return tuple(name for name, choice in self.choices.items() if not choice.learns)


@dataclass(frozen=True, slots=True)
class Spread:
    """The spreads of predictions for new groups, as standard deviations in logits.

    Attributes:
        between_groups: Spread between groups, shared by all creatives of a group.
        residual: Spread between the creatives of one group that the model leaves.
        slope: Factor that is first applied to differences of predicted logits within a group:
            below 1 if the model exaggerates them.
    """

    between_groups: float
    residual: float
    slope: float = 1.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a bundle, without its checksums.

    Attributes:
        targets: Names of the predicted rates, in the order of the head's columns.
        limits: What the model accepts of a creative.
        preprocessing: The inputs of the towers.
        reference: By target, the 0th to 100th percentiles of the predicted mean over the
            reference creatives, 101 rising numbers.
        familiarity: By tower, `headline` or `image`, the distance from the training's creatives
            beyond which a creative counts as unfamiliar.
        training: How the model was trained.
        metrics: By target, metrics on groups left out, and ``NAME_lower`` and ``NAME_upper``, the
            ends of the 90 % interval of each that is not a count; None for metrics that the data
            do not define, or with too few cases.
        agreement: The same for headline-image agreement; empty if it was not trained.
        spreads: By target, the spreads of predictions for new groups, without binomial noise; a
            target is absent if there were too few groups left out.
    """

    targets: tuple[str, ...]
    limits: InputLimits
    preprocessing: Preprocessing
    reference: Mapping[str, tuple[float, ...]]
    familiarity: Mapping[str, float]
    training: TrainingSummary
    metrics: Mapping[str, Mapping[str, float | int | None]]
    agreement: Mapping[str, float | int | None] = field(default_factory=dict)
    spreads: Mapping[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A creative and the scores that the model gave it when it was written.

    Attributes:
        headline: The headline.
        image: The image file, encoded.
        means: Predicted mean rate by target.
        agreement: Headline-image agreement, or None.
    """

    headline: str
    image: bytes
    means: Mapping[str, float]
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle read into memory, with every checksum verified.

    Attributes:
        name: Name of the model: its folder's name.
        version: Version of the model: the name of the bundle's own folder, a number.
        manifest: Its manifest.
        files: Contents by file name, the manifest excluded.
    """

    name: str
    version: str
    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """The layout of manifest.json.

    Attributes:
        format_version: Tells a reader how to read the rest.
        manifest: A `Manifest`.
        manifest_sha256: SHA-256 of `manifest` without white space.
        sha256: SHA-256 of each other file, by name.
    """

    format_version: int
    manifest: msgspec.Raw
    manifest_sha256: str
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormatVersion:
    """The only entry of manifest.json common to all formats."""

    format_version: int


def group_digest(group: str) -> str:
    """The digest of a group in `training_groups.txt`: enough to recognise it, not to read it."""
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def manifest_digest(manifest: msgspec.Raw) -> str:
    """The value of `manifest_sha256`; white space does not count."""
    return hashlib.sha256(msgspec.json.format(bytes(manifest), indent=-1)).hexdigest()

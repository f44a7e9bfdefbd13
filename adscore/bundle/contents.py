"""What a bundle holds."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from adscore.creative import Columns, InputLimits

# Format 3 names the preprocessing, which adscore 0.1 would take for its own.
FORMAT_VERSION = 3
READABLE_FORMATS = (2, 3)
# Of new models: n-grams of every script, beside what version 2 changed.
PREPROCESSING_VERSION = 3
MANIFEST = "manifest.json"
HEADLINE_ENCODER = "headline_encoder.onnx"
IMAGE_ENCODER = "image_encoder.onnx"
HEAD = "head.onnx"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"
KERAS_MODEL = "model.keras"
TRAINING_GROUPS = "training_groups.txt"
# By tower, its embedding of the training's headlines or images on average; optional.
MEAN_EMBEDDINGS = "mean_embeddings.json"
MODEL_CARD = "MODEL_CARD.md"
REPORT = "report.html"

# The head's output of the calibrated logit of each member, (batch, members, targets); optional.
MEMBER_LOGITS = "logit"


class Present(IntEnum):
    """Columns of the head's input `present`, (batch, 3) float32: 1 where it is known, else 0."""

    HEADLINE = 0
    IMAGE = 1
    CONTEXT = 2


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What the towers read.

    Attributes:
        headline_tokens: Number of token ids of a headline, padding included; with a frozen
            encoder, the number that it is cut to, special tokens included.
        image_height: Height of the image tower's input, in pixels.
        image_width: Width of the image tower's input, in pixels.
        image_resampling: How an image is stretched: a number of `PIL.Image.Resampling`.
        headline_padding_id: Id that fills up a headline.
        headline_padding_left: Whether padding stands before the headline, or after it.
        headlines_apart: Whether the text tower reads headlines one by one, because its
            arithmetic would let the others of a batch change a headline's embedding.
        ngram_buckets: Number of ids of the hashed n-grams; 0 for a tower that reads none.
        context: By context name, the values that were seen in training.
        version: Of the steps from file to pixels and from headline to text. Version 1 is that of
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
    """What groups left out chose of a target's parts.

    Attributes:
        parts: By what the model reads, the deviation of what it adds, in logits; near 0 for what
            told nothing of groups left out.
        learns: Whether they were predicted better than by the mean rate; if not, that is what every
            creative is scored.
    """

    parts: Mapping[str, float]
    learns: bool = True

    def describe(self, target: str) -> str:
        """A sentence for people."""
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
        columns: The columns of its table, which are read unless others are named; None in bundles
            of adscore 0.2 and before.
        folds: Models that the metrics come from, each fitted without some of the groups, which it
            then predicted. 0 in models of adscore 0.2, which were themselves fitted without the
            groups of the metrics.
        left_out: Creatives that were so predicted.
        choices: By target, what groups left out chose; empty where nothing was chosen.
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
        """Targets that every creative is scored the mean of."""
        return tuple(name for name, choice in self.choices.items() if not choice.learns)


@dataclass(frozen=True, slots=True)
class Spread:
    """How far predictions for new groups are off, in standard deviations of logits.

    Attributes:
        between_groups: Of what all creatives of a group share and the model does not know.
        residual: Of what the model leaves between the creatives of one group.
        slope: By which differences of predicted logits inside a group are multiplied first: below
            1 where the model sets creatives further apart than they are.
    """

    between_groups: float
    residual: float
    slope: float = 1.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, apart from its checksums.

    Attributes:
        targets: Names of the predicted rates, in the order of the head's columns.
        limits: What the model accepts of a creative.
        preprocessing: What the towers read.
        reference: By target, the 0th to 100th percentiles of the predicted mean over the
            reference creatives, 101 rising numbers.
        familiarity: By tower, `headline` or `image`, the distance from the training's creatives
            from which on a creative counts as unfamiliar.
        training: How the model was trained.
        metrics: By target, metrics on groups that were left out, and ``NAME_lower`` and
            ``NAME_upper``, the ends of the 90 % interval of each that is no count; None for what
            has no meaning for the data, or too few cases.
        agreement: The same of headline-image agreement; empty where it was not trained.
        spreads: By target, how far predictions for new groups are off, binomial noise aside;
            a target is absent where groups left out were too few to say.
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
        manifest: What it says of itself.
        files: Contents by file name, the manifest excluded.
    """

    name: str
    version: str
    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """manifest.json as it is written.

    Attributes:
        format_version: What a reader must know to read the rest.
        manifest: A `Manifest`.
        manifest_sha256: Of `manifest` without white space.
        sha256: Of each other file, by name.
    """

    format_version: int
    manifest: msgspec.Raw
    manifest_sha256: str
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormatVersion:
    """The one entry of manifest.json that every format has."""

    format_version: int


def group_digest(group: str) -> str:
    """What `training_groups.txt` holds of a group: enough to recognise it, not to read it."""
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def manifest_digest(manifest: msgspec.Raw) -> str:
    """What `manifest_sha256` holds: white space does not count."""
    return hashlib.sha256(msgspec.json.format(bytes(manifest), indent=-1)).hexdigest()

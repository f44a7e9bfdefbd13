"""The bundle: a trained model as a folder, `NAME/VERSION/`, that can be checked and trusted.

    manifest.json           what the model is, and the SHA-256 of every other file
    headline_encoder.onnx   headline inputs -> embedding
    image_encoder.onnx      pixels -> embedding
    head.onnx               embeddings -> mean and concentration of each target, and the logit of
                            each member
    mean_embeddings.json    mean embeddings of the training's headlines and images
    tokenizer.json          headline -> token ids
    golden.json             a few creatives with their scores, scored again at every load
    model.keras             the trained parts for Keras: everything but frozen encoders
    training_groups.txt     digests of the groups it has seen, so that evaluation can avoid them
    MODEL_CARD.md           the manifest for people
    report.html             the evaluation as a report, added last; it has no checksum and may be
                            deleted
    model.sig               the signature, if it was signed: see `bundle.signing`

There are no pickles. A bundle is written under a temporary name and renamed, so that a process
that polls the folder sees every file with a checksum, or nothing.
"""

from adscore.bundle.contents import (
    FORMAT_VERSION,
    GOLDEN,
    HEAD,
    HEADLINE_ENCODER,
    IMAGE_ENCODER,
    KERAS_MODEL,
    MANIFEST,
    MEAN_EMBEDDINGS,
    MEMBER_LOGITS,
    MODEL_CARD,
    PREPROCESSING_VERSION,
    REPORT,
    TOKENIZER,
    TRAINING_GROUPS,
    Bundle,
    Choice,
    GoldenCase,
    Manifest,
    Preprocessing,
    Present,
    Spread,
    TrainingSummary,
    group_digest,
)
from adscore.bundle.folder import is_version, list_versions, require_model_dir, resolve_bundle
from adscore.bundle.read import BundleCheck, read_bundle, read_manifest
from adscore.bundle.write import write_bundle

__all__ = [
    "FORMAT_VERSION",
    "GOLDEN",
    "HEAD",
    "HEADLINE_ENCODER",
    "IMAGE_ENCODER",
    "KERAS_MODEL",
    "MANIFEST",
    "MEAN_EMBEDDINGS",
    "MEMBER_LOGITS",
    "MODEL_CARD",
    "PREPROCESSING_VERSION",
    "REPORT",
    "TOKENIZER",
    "TRAINING_GROUPS",
    "Bundle",
    "BundleCheck",
    "Choice",
    "GoldenCase",
    "Manifest",
    "Preprocessing",
    "Present",
    "Spread",
    "TrainingSummary",
    "group_digest",
    "is_version",
    "list_versions",
    "read_bundle",
    "read_manifest",
    "require_model_dir",
    "resolve_bundle",
    "write_bundle",
]

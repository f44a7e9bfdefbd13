"""Trains a model from a table of creatives and their results; only this package uses TensorFlow.

TensorFlow is imported when a training begins, not with this package.
"""

from adscore.training.encoders.published import require_encoders
from adscore.training.presets import PRESETS, Preset
from adscore.training.problem import TrainingOptions
from adscore.training.train import TrainingResult, train

__all__ = ["PRESETS", "Preset", "TrainingOptions", "TrainingResult", "require_encoders", "train"]

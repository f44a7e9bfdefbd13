"""Heads on frozen features, fitted to fitting rows and judged on validation rows alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from adscore.creative import InputLimits
from adscore.scoring.image import ImageSize
from adscore.training.additive import AdditiveOptions, Design, Outcomes
from adscore.training.additive_network import context_encodings, read_design, read_outcomes
from adscore.training.data import load_training_data, split_groups
from adscore.training.presets import DEFAULT
from adscore.training.representation import Encoders, represent
from comparison.bench import TEST_SHARE, VALIDATION_SHARE
from comparison.figures import Figures, Rates, of_rates
from comparison.tasks import Prepared

Floats = NDArray[np.float64]
Predict = Callable[[Design], Floats]  # rows -> logits, (rows,)


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows as the heads see them."""

    design: Design
    outcomes: Outcomes


Head = Callable[[Part, AdditiveOptions, int], Predict]  # fitting rows, options and seed


@dataclass(frozen=True, slots=True)
class Rig:
    """One task and seed, read once for all heads. The test rows of the seed are not in it.

    Attributes:
        prepared: All rows.
        fitting: What heads are fitted to.
        validation: What they are judged on.
        rows: Which rows the latter are.
        seed: Of the split and the folds.
    """

    prepared: Prepared
    fitting: Part
    validation: Part
    rows: NDArray[np.int64]
    seed: int

    @property
    def offers(self) -> frozenset[str]:
        """The parts that its rows have, and `groups` where rows share them."""
        groups = {"groups"} if self.fitting.outcomes.grouped else set()
        return frozenset(self.fitting.design.dense) | groups

    def judge(self, head: Head, options: AdditiveOptions) -> Figures:
        """Fits a head and measures it on the validation rows."""
        predict = head(self.fitting, options, self.seed)
        mean = expit(predict(self.validation.design))
        return of_rates(self.prepared, Rates(self.rows, mean))


def build_rig(prepared: Prepared, encoders: Encoders, seed: int) -> Rig:
    """Reads features as a training does, from its cache where they are there already."""
    preset = encoders.adapt(DEFAULT)
    read = preset.preprocessing
    size = ImageSize(read.image_height, read.image_width, read.image_resampling)
    data = load_training_data(prepared.table, size, InputLimits(), complete=False)
    split = split_groups(data.groups, test=TEST_SHARE, validation=VALIDATION_SHARE, seed=seed)
    towers = represent(preset, encoders.only(data.modalities), data, split.fitting)
    encodings = context_encodings(data, split.fitting)

    def part(rows: NDArray[np.int64]) -> Part:
        return Part(read_design(towers, encodings, data, rows), read_outcomes(data, rows))

    return Rig(prepared, part(split.fitting), part(split.validation), split.validation, seed)

"""What the tests of training share: tables made in memory, and presets of a few weights."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training.likelihood import Start
from adscore.training.network import Network, build_network, deep_core
from adscore.training.presets import BASELINE, NETWORK, Preset
from adscore.training.towers import (
    assemble_tower,
    conv_trunk,
    lstm_trunk,
    trained_projection,
)


@pytest.fixture(scope="session")
def tiny_presets() -> dict[str, Preset]:
    """The presets that are trained in passes, with few weights and few of these."""
    alignment = dataclasses.replace(NETWORK.alignment, epochs=2, min_steps=4)
    network = dataclasses.replace(NETWORK, conv_filters=(4, 4), lstm_width=8, alignment=alignment)
    return {
        "network": dataclasses.replace(network, max_epochs=2),
        "baseline": dataclasses.replace(BASELINE, conv_filters=(4,), lstm_width=8, max_epochs=2),
    }


@pytest.fixture(scope="session")
def sample_table(sample_dir: Path) -> CreativeTable:
    """The simulated log with two targets, `ctr` and `cvr`."""
    targets = [Target.parse("ctr=clicks/impressions"), Target.parse("cvr=conversions/clicks")]
    return read_table(sample_dir / "creatives.csv", Columns(), targets)


MakeTable = Callable[..., CreativeTable]
Untrained = Callable[[Preset, int, Start], Network]


@pytest.fixture(scope="session")
def untrained() -> Untrained:
    """Builds a network of both towers, trained from scratch, without context."""

    def build(preset: Preset, vocabulary_size: int, start: Start) -> Network:
        trunks = {"headline": lstm_trunk(preset, vocabulary_size), "image": conv_trunk(preset)}
        towers = {
            name: assemble_tower(
                f"{name}_encoder", trunk, trained_projection(preset, trunk, f"{name}_projection")
            )
            for name, trunk in trunks.items()
        }
        return build_network(towers, deep_core(preset, towers, {}, start), len(start.logit))

    return build


@pytest.fixture
def make_table(sample_table: CreativeTable) -> MakeTable:
    """Makes a table of the first rows of the simulated log, some of its columns replaced."""

    def make(
        rows: int = 12,
        *,
        headlines: Sequence[str] | None = None,
        images: Sequence[str | bytes] | None = None,
        groups: Sequence[str] | None = None,
        successes: Sequence[int] | None = None,
        trials: Sequence[int] | None = None,
    ) -> CreativeTable:
        counts = [
            {"ctr": np.array(given if given is not None else whole["ctr"][:rows], dtype=np.int64)}
            for given, whole in (
                (successes, sample_table.successes),
                (trials, sample_table.trials),
            )
        ]
        return dataclasses.replace(
            sample_table,
            ids=sample_table.ids[:rows],
            headlines=headlines or sample_table.headlines[:rows],
            images=images or sample_table.images[:rows],
            groups=groups,
            target_columns={"ctr": "clicks/impressions"},
            successes=counts[0],
            trials=counts[1],
        )

    return make

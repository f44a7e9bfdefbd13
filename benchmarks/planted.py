"""How much of each planted effect a model learns from a simulated campaign log.

    make bench ONLY=planted

A model is trained on `adscore sample`, and scores the creatives of campaigns that it has never
seen. The logits that it gives them are regressed on the traits that were planted, inside
campaigns; an effect's share is its coefficient over the planted one. A sum of headline and image
cannot learn what only the two together do: what an interaction adds on average counts for the
trait itself.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adscore.sample import write_sample
from adscore.sample.effects import PLANTED_EFFECTS, Part, traits
from adscore.sample.simulation import SimulationSettings, simulate_log
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training import PRESETS, TrainingOptions, train
from shared.table import format_table

Floats = NDArray[np.float64]

CREATIVES_A_CAMPAIGN = 10
UNSEEN_SEED = 1_000  # far from those that a model is trained with


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        shares = [
            _learned(Path(folder) / str(seed), options.creatives, options.preset, seed)
            for seed in options.seeds
        ]
    values = np.array(shares)
    rows = [["trait", "planted", "expected of a sum", "learned", "share of the expected"]]
    for number, (name, planted, expected) in enumerate(_effects()):
        learned, share = values[:, number], values[:, number] / expected
        rows.append([name, f"{planted:.2f}", f"{expected:.2f}", _spread(learned), _spread(share)])
    print(format_table(rows, markdown=options.markdown))
    seeds = ", ".join(map(str, options.seeds))
    print(
        f"{options.creatives} creatives, preset {options.preset}, seeds {seeds}; logits of clicks"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures which planted effects are learned.")
    add = parser.add_argument
    add("--creatives", type=int, default=900, help="to train on (%(default)s)")
    add("--preset", choices=PRESETS, default="default")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--markdown", action="store_true", help="print the table for a document")
    return parser


def _effects() -> list[tuple[str, float, float]]:
    """Traits of one part, the planted effect, and what of it a sum of parts can learn."""
    found = {effect.trait: effect.click for effect in PLANTED_EFFECTS}
    centres = {effect.trait: effect.centre for effect in PLANTED_EFFECTS}
    beside = {
        "price_badge": found["badge_with_discount"] * centres["discount"],
        "discount": found["badge_with_discount"] * centres["price_badge"],
    }
    return [
        (effect.trait, effect.click, effect.click + beside.get(effect.trait, 0.0))
        for effect in PLANTED_EFFECTS
        if effect.part is not Part.INTERACTION
    ]


def _learned(folder: Path, creatives: int, preset: str, seed: int) -> Floats:
    """Logits that a model gives one unit of each trait, (traits,)."""
    table = _sample(folder / "known", creatives, seed)
    path = train(table, folder / "model", TrainingOptions(PRESETS[preset], seed)).path
    unseen = _sample(folder / "unseen", creatives, UNSEEN_SEED + seed)
    scorer = Scorer.open(path)
    prepared = (scorer.preparer.creative(unseen.creative(row)) for row in range(len(unseen)))
    mean = scorer.predict(prepared).mean[:, 0]
    campaigns = max(3, creatives // CREATIVES_A_CAMPAIGN)
    log = simulate_log(creatives, campaigns, UNSEEN_SEED + seed, SimulationSettings())
    names = [name for name, _, _ in _effects()]
    planted = np.array([[traits(c.banner, c.headline)[name] for name in names] for c in log])
    group = np.array([creative.position[0] for creative in log])
    logits = np.log(mean / (1 - mean))
    inside = _centred(planted, group), _centred(logits[:, None], group)
    coefficients: Floats = np.linalg.lstsq(*inside)[0][:, 0]
    return coefficients


def _sample(folder: Path, creatives: int, seed: int) -> CreativeTable:
    campaigns = max(3, creatives // CREATIVES_A_CAMPAIGN)
    summary = write_sample(folder, creatives=creatives, campaigns=campaigns, seed=seed)
    return read_table(summary.creatives_path, Columns(), [Target.parse("ctr=clicks/impressions")])


def _centred(values: Floats, group: NDArray[np.int64]) -> Floats:
    sums = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(sums, group, values)
    centred: Floats = values - (sums / np.bincount(group)[:, None])[group]
    return centred


def _spread(values: Floats) -> str:
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


if __name__ == "__main__":
    sys.exit(main())

"""Groups of `adscore sample`, whose true rates are known, and a model trained on other ones."""

import csv
from pathlib import Path

import numpy as np
from scipy.special import logit

from adscore.bundle import Spread
from adscore.creative import Creative
from adscore.sample.simulation import SimulationSettings, simulate_log
from adscore.scoring.scorer import Scorer
from deciding_bench.replay import Tests
from shared.model import run_adscore, train_model

_GROUPS, _ARMS, _SEED = 300, 4, 1
_BATCH = 64


def sample_tests(folder: Path) -> tuple[Tests, Spread]:
    """Trains on a log of one seed; gives groups of another one, and the bundle's spreads."""
    scorer = Scorer.open(train_model(folder))
    log = folder / "groups"
    counts = ("--creatives", _GROUPS * _ARMS, "--campaigns", _GROUPS, "--seed", _SEED)
    run_adscore("sample", log, *counts)
    rates = []
    with (log / "creatives.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for start in range(0, len(rows), _BATCH):
        creatives = [
            Creative(row["headline"], (log / row["image"]).read_bytes(), "", {})
            for row in rows[start : start + _BATCH]
        ]
        rates += [score.targets["ctr"].mean for score in scorer.score(creatives)]
    settings = SimulationSettings()
    simulated = simulate_log(_GROUPS * _ARMS, _GROUPS, _SEED, settings)
    true = np.array([one.true_ctr for one in simulated])
    # What a creative realises scatters around its true rate, as its counts in the log do.
    concentration = (1 - true) / (true * settings.overdispersion**2) - 1
    realised = np.random.default_rng(_SEED).beta(true * concentration, (1 - true) * concentration)
    columns = [logit(np.array(rates)), realised]
    columns += [[float(row[name]) for row in rows] for name in ("impressions", "clicks")]
    tests = Tests(*(np.array(column).reshape(_GROUPS, _ARMS) for column in columns))
    return tests, scorer.manifest.spreads["ctr"]

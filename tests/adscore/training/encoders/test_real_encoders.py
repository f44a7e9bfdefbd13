"""Published encoders on real banners: a training goes through, and serving repeats it."""

import csv
import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from adscore.scoring.scorer import Scorer
from adscore.table import Columns, Target, read_table
from adscore.training import TrainingOptions, train
from adscore.training.presets import DEFAULT

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[5] / "shared" / "data"))
ENCODERS = DATA.parent / "encoders"
ROWS = 48

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not (DATA / "banners").is_dir() or not ENCODERS.is_dir(),
        reason="ADSCORE_DATA names no folder with banners, and encoders beside it",
    ),
]


def test_banners_are_scored_as_they_were_trained(tmp_path, cache):
    with (DATA / "banners" / "creatives.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:ROWS]
    with (tmp_path / "few.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    table = read_table(
        tmp_path / "few.csv",
        Columns(image="asset_file"),
        [Target.parse("ctr=first_7d_clicks/first_7d_impressions")],
        DATA / "banners",
    )
    options = TrainingOptions(
        dataclasses.replace(DEFAULT, max_epochs=3),
        text_encoder=str(ENCODERS / "minilm-l6"),
        image_encoder=str(ENCODERS / "mobilenet-v2"),
    )
    result = train(table, tmp_path / "model", options)
    scorer = Scorer.open(result.path)
    assert dict(scorer.manifest.training.encoders) == {
        "headline": "minilm-l6",
        "image": "mobilenet-v2",
    }
    creatives = [table.creative(row) for row in range(12)]
    together = [score.targets["ctr"].mean for score in scorer.score(creatives)]
    alone = [scorer.score([creative])[0].targets["ctr"].mean for creative in creatives]
    assert together == pytest.approx(alone, rel=1e-4)
    assert np.ptp(together) > 0

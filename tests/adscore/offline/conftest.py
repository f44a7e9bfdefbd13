"""Tables that offline scoring reads, and how the tests score them."""

from pathlib import Path

import pyarrow as pa
import pytest

from adscore.creative import Creative
from adscore.offline.core import BatchScorer
from adscore.offline.options import ScoringOptions
from adscore.table import Columns

COLUMNS = Columns(group=None)


@pytest.fixture(scope="session")
def mixed(creatives: list[Creative]) -> pa.Table:
    """Eight rows with image bytes, of which every second has something wrong with it."""
    good = creatives[0]
    rows = [
        (good.headline, good.image),
        ("x" * 2_000, good.image),
        (good.headline, good.image),
        (good.headline, b"no image"),
        ("long " * 150, good.image),
        (good.headline, b"GIF89a"),
        (good.headline, good.image),
        ("a\0b", good.image),
    ]
    return pa.table(
        {
            "creative_id": [f"c{number}" for number in range(len(rows))],
            "headline": [headline for headline, _ in rows],
            "image": pa.array([image for _, image in rows], pa.binary()),
            "impressions": list(range(len(rows))),
        }
    )


@pytest.fixture(scope="session")
def options(sample_dir: Path) -> ScoringOptions:
    return ScoringOptions(COLUMNS, image_root=str(sample_dir))


@pytest.fixture(scope="session")
def batch_scorer(model_dir: Path, options: ScoringOptions) -> BatchScorer:
    return BatchScorer(model_dir, options)

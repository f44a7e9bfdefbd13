"""Scores of a table that no model had to make, for reports of any size."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adscore.bundle import Spread
from adscore.creative import Columns, InputLimits
from adscore.offline.options import ScoringOptions
from adscore.report import write_score_report
from adscore.table import open_stream

PRODUCTS = ("tea", "bread")
_ERROR = "image: expected an image. Received: none"


@pytest.fixture
def score_page(tmp_path: Path) -> Callable[..., Path]:
    """Writes the report of so many made-up scores, in groups of a size."""

    def write(
        rows: int = 24,
        size: int = 6,
        targets: Sequence[str] = ("ctr",),
        *,
        limits: InputLimits | None = None,
        errors: Sequence[int] = (),
        images: int = 40,
        residual: float | None = None,
        **columns: Sequence[Any],
    ) -> Path:
        limits = limits or InputLimits()
        rng = np.random.default_rng(rows)
        table = {
            "creative_id": [f"c{row:05}" for row in range(rows)],
            "campaign_id": [f"campaign-{row // size}" for row in range(rows)],
            "headline": [
                f"Headline {row} of {'bread' if row % 2 else 'tea'}" for row in range(rows)
            ],
            "image": [_picture(row % images) for row in range(rows)],
            **columns,
        }
        pq.write_table(pa.table(table), tmp_path / "table.parquet")
        failed = np.isin(np.arange(rows), errors)
        scores: dict[str, Any] = {"creative_id": table["creative_id"]}
        for target in targets:
            mean = 0.01 * np.exp(rng.normal(0, 0.5, rows))
            figures = (mean, mean * 0.7, mean * 1.4, rng.uniform(0, 100, rows))
            for name, values in zip(("mean", "lower", "upper", "percentile"), figures, strict=True):
                scores[f"{target}_{name}"] = pa.array(values, mask=failed)
        scores |= {
            "agreement": pa.array(rng.uniform(-1, 1, rows), mask=failed | bool(targets)),
            "warnings": ["UNFAMILIAR_CREATIVE" if row % 7 == 3 else "" for row in range(rows)],
            "error": [
                "image: expected an image. Received: none" if bad else None for bad in failed
            ],
            "model": ["made-up"] * rows,
            "model_version": ["1"] * rows,
        }
        pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
        spreads = {} if residual is None else dict.fromkeys(targets, Spread(0.5, residual))
        manifest = SimpleNamespace(targets=tuple(targets), limits=limits, spreads=spreads)
        options = ScoringOptions(Columns())
        write_score_report(
            tmp_path / "scores.html",
            tmp_path / "scores.parquet",
            open_stream(str(tmp_path / "table.parquet"), options.read),
            options,
            SimpleNamespace(manifest=manifest, limits=limits),
        )
        return tmp_path / "scores.html"

    return write


def _picture(number: int) -> bytes:
    """A small image that no other number gives."""
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (number % 250, 90, 250 - number % 250)).save(file, "PNG")
    return file.getvalue()

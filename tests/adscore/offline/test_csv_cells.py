"""Texts of a .csv that a spreadsheet would run as formulas."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.creative import Creative
from adscore.offline.local import score_to
from adscore.offline.options import ScoringOptions
from adscore.table import Columns

COLUMNS = Columns(group=None)

FORMULAS = ["=1+1", "+49", "-2+3", "@SUM(1)", "\t=1", "\r=1", "'=1", "a=1", "", None]


@pytest.mark.parametrize("raw", [False, True])
def test_a_spreadsheet_runs_no_text_of_a_csv_unless_it_is_raw(
    model_dir: Path, creatives: list[Creative], tmp_path: Path, raw: bool
) -> None:
    count = len(FORMULAS)
    table = pa.table(
        {
            "creative_id": [f"{text}" for text in FORMULAS],
            "headline": ["Buy"] * count,
            "image": pa.array([creatives[0].image] * count, pa.binary()),
            "note": FORMULAS,
            "=kind": pa.array(FORMULAS).dictionary_encode(),
            "number": [-number for number in range(count)],
        }
    )
    out = tmp_path / "scores.csv"
    options = ScoringOptions(COLUMNS, keep=("note", "=kind", "number"), raw=raw)
    summary = score_to(out, model_dir, table, options)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["creative_id"] for row in rows] == [f"{text}" for text in FORMULAS]
    assert [row["number"] for row in rows] == [str(-number) for number in range(count)]
    quote = "" if raw else "'"
    expected = [quote + str(text) for text in FORMULAS[:6]] + ["'=1", "a=1", "", ""]
    assert [row["note"] for row in rows] == expected
    assert [row[f"{quote}=kind"] for row in rows] == expected
    assert summary.formula_ids == (0 if raw else 6)
    assert summary.formula_examples == (() if raw else tuple(FORMULAS[:3]))

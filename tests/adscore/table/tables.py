"""Small tables of each format, and what reading one says."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.errors import TableError
from adscore.table import Columns, CreativeTable, Target, read_table

HEADER = "creative_id,campaign_id,headline,image,impressions,clicks"
ROW = "c1,summer,Buy now,a.png,100,7"
CTR = Target.parse("ctr=clicks/impressions")
TEXT_ALONE = Columns(id="id", headline="headline", image=None, group=None)


def write_csv(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def write_parquet(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def write_json_lines(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refusal(path: Path, columns: Columns | None = None, *targets: Target) -> str:
    with pytest.raises(TableError) as caught:
        read_table(path, columns or Columns(), targets)
    message = str(caught.value)
    assert str(path) in message
    return message


def assert_text(table: CreativeTable, ids: list[str], headlines: list[str]) -> None:
    assert list(table.ids) == ids
    assert list(table.headlines) == headlines

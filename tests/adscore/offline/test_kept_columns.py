"""Columns that the result carries along, of the types that tables bring."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.errors import TableError
from adscore.offline.files import new_file
from adscore.table import open_stream


def write(path: Path, column: pa.Array) -> None:
    batch = pa.record_batch({"kept": column})
    with new_file(path, batch.schema) as writer:
        writer.write(batch)


def test_times_in_nanoseconds_are_carried_along_to_the_last_digit(tmp_path: Path) -> None:
    times = pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns"))
    write(tmp_path / "scores.jsonl", times)
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert rows == [{"kept": "2023-11-14 22:13:20.123456789"}, {"kept": None}]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("scores.csv", pa.array([b"\x89PNG"])),
        ("scores.jsonl", pa.array([b"\xff"]).cast(pa.string(), safe=False)),
    ],
)
def test_bytes_where_text_belongs_are_refused_with_a_way_out(
    name: str, column: pa.Array, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=r"Received: .*(?i:utf).*; write \.parquet or do not keep"):
        write(tmp_path / name, column)
    assert list(tmp_path.iterdir()) == []


def test_views_as_other_libraries_write_them_reach_a_csv(tmp_path: Path) -> None:
    views = pa.table({"kept": pa.array(["a", "b"], pa.string_view())})
    pyarrow.parquet.write_table(views, tmp_path / "t.parquet")
    (batch,) = open_stream(str(tmp_path / "t.parquet"), ["kept"]).batches(10)
    write(tmp_path / "scores.csv", batch.column("kept"))
    assert (tmp_path / "scores.csv").read_text() == '"kept"\n"a"\n"b"\n'

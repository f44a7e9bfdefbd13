import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.errors import InvalidCreativeError, Reason, TableError
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


# === What is read ===


def test_a_row_becomes_a_creative_with_counts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    columns = Columns(context=("placement",))
    path = write_csv(tmp_path, f"{ROW},feed", f"c2,winter,,,0,0,{''}", header=f"{HEADER},placement")
    table = read_table(path, columns, [CTR])
    assert len(table) == 2
    creative = table.creative(0)
    assert (creative.id, creative.headline, creative.image) == ("c1", "Buy now", b"pixels")
    assert creative.context == {"placement": "feed"}
    assert table.creative(1).image == b""
    assert table.creative(1).context == {}
    assert table.successes["ctr"].tolist() == [7, 0]
    assert table.trials["ctr"].tolist() == [100, 0]
    assert table.group_names == ["summer", "winter"]


def test_columns_may_be_missing_where_the_user_says_so(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "Buy", "Sell", header="headline")
    table = read_table(path, Columns(id=None, image=None, group=None))
    assert_text(table, ["1", "2"], ["Buy", "Sell"])
    assert table.creative(0).image == b""
    assert table.group_names == table.ids


def test_image_root_is_another_folder_than_the_tables(tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    root.mkdir()
    (root / "a.png").write_bytes(b"pixels")
    table = read_table(write_csv(tmp_path, ROW), Columns(), image_root=root)
    assert table.creative(0).image == b"pixels"


def test_an_image_file_that_is_empty_is_not_an_image_that_is_absent(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    table = read_table(write_csv(tmp_path, ROW), Columns())
    with pytest.raises(InvalidCreativeError, match=r"a\.png': an empty file"):
        table.creative(0)


def test_csv_keeps_texts_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,headline\r\n007,"two\nlines, ""quoted"""\r\n'
        b"NA,2024-01-01\r\n1e5, null \r\n"
    )
    expected = ['two\nlines, "quoted"', "2024-01-01", " null "]
    assert_text(read_table(path, TEXT_ALONE), ["007", "NA", "1e5"], expected)


def test_json_lines_keep_texts_as_they_stand(tmp_path: Path) -> None:
    path = write_json_lines(
        tmp_path,
        {"id": "2024-01-01", "headline": "2024-01-01T10:00:00"},
        {"id": "2024-01-02", "headline": None},
        {"id": "2024-01-03"},
    )
    ids = ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert_text(read_table(path, TEXT_ALONE), ids, ["2024-01-01T10:00:00", "", ""])


def test_json_lines_with_counts(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path, {"id": 7, "headline": "Buy", "clicks": 1, "impressions": 9})
    table = read_table(path, TEXT_ALONE, [CTR])
    assert_text(table, ["7"], ["Buy"])
    assert table.trials["ctr"].tolist() == [9]


def test_json_lines_with_labels(tmp_path: Path) -> None:
    rows = [{"id": str(row), "headline": "Buy", "liked": row % 2 == 0} for row in range(3)]
    table = read_table(write_json_lines(tmp_path, *rows), TEXT_ALONE, [Target.parse("like=liked")])
    assert table.successes["like"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(3)])
def test_parquet_may_hold_the_images_themselves(tmp_path: Path, kind: pa.DataType) -> None:
    images = pa.array([b"abc", None], kind)
    path = write_parquet(tmp_path, {"id": ["1", "2"], "headline": ["a", "b"], "image": images})
    table = read_table(path, Columns("id", "headline", "image", None))
    assert [table.creative(row).image for row in (0, 1)] == [b"abc", b""]


def test_parquet_may_hold_categories_and_numbers(tmp_path: Path) -> None:
    headlines = pa.array(["a", "b"]).dictionary_encode()
    path = write_parquet(
        tmp_path,
        {"id": [7, 8], "headline": headlines, "clicks": [1.0, 2.0], "impressions": [5, 6]},
    )
    table = read_table(path, TEXT_ALONE, [CTR])
    assert_text(table, ["7", "8"], ["a", "b"])
    assert table.successes["ctr"].tolist() == [1, 2]


@pytest.mark.parametrize(("cell", "expected"), [("0", 0), ("1", 1), ("1.0", 1)])
def test_a_label_is_a_rate_with_one_trial(tmp_path: Path, cell: str, expected: int) -> None:
    path = write_csv(tmp_path, f"1,a,{cell}", header="id,headline,liked")
    table = read_table(path, TEXT_ALONE, [Target.parse("like=liked")])
    assert table.successes["like"].tolist() == [expected]
    assert table.trials["like"].tolist() == [1]


# === The file ===


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "missing.jsonl", "table.xlsx"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\xff\xfe\x00", b"PAR1junkPAR1", b'{"id": 1', b"\0" * 9]
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    refusal(tmp_path / name)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_zero_rows_of_csv_are_refused(tmp_path: Path, end: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes((HEADER + end).encode())
    assert "at least one row" in refusal(path)


def test_zero_rows_of_other_files_are_refused(tmp_path: Path) -> None:
    empty = pa.array([], pa.string())
    path = write_parquet(tmp_path, {"id": empty, "headline": empty})
    assert "at least one row" in refusal(path, TEXT_ALONE)
    assert "at least one row" in refusal(write_json_lines(tmp_path), TEXT_ALONE)


def test_rows_of_another_length_are_refused(tmp_path: Path) -> None:
    assert "Expected 6 columns, got 7" in refusal(write_csv(tmp_path, ROW, f"{ROW},8"))


@pytest.mark.parametrize("rows_before", [0, 20_000])
def test_csv_of_another_encoding_is_refused(tmp_path: Path, rows_before: int) -> None:
    path = write_csv(tmp_path, *(f"{n},a" for n in range(rows_before)), header="id,headline")
    path.write_bytes(path.read_bytes() + "x,café\n".encode("latin-1"))
    assert "UTF" in refusal(path, TEXT_ALONE)


def test_parquet_text_of_another_encoding_is_refused_with_its_row(tmp_path: Path) -> None:
    offsets = np.array([0, 1, 2], dtype=np.int32)
    headlines = pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(b"a\xff"))
    path = write_parquet(tmp_path, {"id": ["1", "2"], "headline": headlines})
    message = refusal(path, TEXT_ALONE)
    assert "row 2, column 'headline'" in message


def test_json_lines_with_half_a_surrogate_pair_are_refused(tmp_path: Path) -> None:
    refusal(write_json_lines(tmp_path, {"id": "1", "headline": "\ud800"}), TEXT_ALONE)


# === The columns ===


@pytest.mark.parametrize("name", HEADER.split(","))
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path, ROW, header=HEADER.replace(name, "other"))
    message = refusal(path, None, CTR)
    assert repr(name) in message
    assert "other" in message


def test_repeated_columns_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, f"{ROW},Buy", header=f"{HEADER},headline")
    assert "headline" in refusal(path)
    array = pa.array(["x"])
    repeated = pa.Table.from_arrays([array] * 3, ["id", "headline", "headline"])
    pyarrow.parquet.write_table(repeated, tmp_path / "table.parquet")
    assert "headline" in refusal(tmp_path / "table.parquet", TEXT_ALONE)
    (tmp_path / "table.jsonl").write_text('{"id": "1", "headline": "a", "headline": "b"}')
    assert "headline" in refusal(tmp_path / "table.jsonl", TEXT_ALONE)


@pytest.mark.parametrize("headlines", [pa.array([["a"]]), pa.array([b"a"], pa.large_binary())])
def test_a_column_of_another_kind_is_refused(tmp_path: Path, headlines: pa.Array) -> None:
    path = write_parquet(tmp_path, {"id": ["1"], "headline": headlines})
    assert "column 'headline': expected text" in refusal(path, TEXT_ALONE)


def test_repeated_ids_are_refused_with_both_rows(tmp_path: Path) -> None:
    message = refusal(write_csv(tmp_path, ROW, ROW.replace("c1", "c2"), ROW))
    assert "row 3, column 'creative_id'" in message
    assert "'c1', which row 1 has too" in message


# === The counts ===


@pytest.mark.parametrize("cell", ["-1", "1.5", "nan", "NaN", "inf", "", "many", "1e300", "0x10"])
@pytest.mark.parametrize("column", ["clicks", "impressions"])
def test_what_is_no_count_is_refused_with_its_cell(tmp_path: Path, cell: str, column: str) -> None:
    counts = f"{cell},7" if column == "impressions" else f"100,{cell}"
    path = write_csv(tmp_path, ROW, f"c2,summer,Buy,a.png,{counts}")
    message = refusal(path, None, CTR)
    assert f"row 2, column {column!r}: expected a whole number" in message
    assert repr(cell) in message


@pytest.mark.parametrize("value", [None, float("nan"), -1, 0.5])
def test_what_is_no_count_is_refused_in_parquet(tmp_path: Path, value: float | None) -> None:
    columns = {"id": ["1"], "headline": ["a"], "impressions": [9]}
    path = write_parquet(tmp_path, {**columns, "clicks": pa.array([value], pa.float64())})
    assert "row 1, column 'clicks'" in refusal(path, TEXT_ALONE, CTR)


def test_more_successes_than_trials_are_refused(tmp_path: Path) -> None:
    message = refusal(write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,10,11"), None, CTR)
    assert "row 2" in message
    assert "'clicks' to be at most 'impressions'. Received: 11 of 10" in message


def test_a_label_beyond_one_is_refused(tmp_path: Path) -> None:
    message = refusal(write_csv(tmp_path, ROW), None, Target.parse("like=clicks"))
    assert "'clicks' to be 0 or 1. Received: 7" in message


def test_two_targets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        read_table(write_csv(tmp_path, ROW), Columns(), [CTR, Target.parse("ctr=clicks")])


@pytest.mark.parametrize("text", ["", "ctr", "ctr=", "=clicks", "ctr=/n", "ctr=clicks/"])
def test_a_target_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=SUCCESSES/TRIALS or NAME=LABEL"):
        Target.parse(text)


@given(st.text(), st.text(), st.none() | st.text())
def test_a_target_is_read_as_it_is_written(name: str, successes: str, trials: str | None) -> None:
    target = Target(name.replace("=", "") or "a", successes.replace("/", "") or "b", trials or None)
    assert Target.parse(f"{target.name}={target.columns}") == target


# === The images ===


@pytest.mark.parametrize("cell", ["missing.png", "folder", "x" * 5_000, "nul\0.png"])
def test_an_image_file_that_cannot_be_read_is_named(tmp_path: Path, cell: str) -> None:
    (tmp_path / "folder").mkdir()
    path = write_csv(tmp_path, f"1,a,{cell}", header="id,headline,image")
    table = read_table(path, Columns("id", "headline", "image", None))
    with pytest.raises(InvalidCreativeError, match="expected an image file") as caught:
        table.creative(0)
    assert caught.value.reason is Reason.IMAGE_UNREADABLE


def test_many_broken_rows_make_one_error_of_the_first_few(tmp_path: Path) -> None:
    path = write_csv(tmp_path, *(f"id{n},a" for n in range(8)), header="id,headline")
    error = read_table(path, TEXT_ALONE).broken_rows(
        [(row, "broken") for row in reversed(range(8))]
    )
    lines = str(error).splitlines()
    assert lines[0] == f"{path}, row 1 (id id0): broken"
    assert lines[-1] == "and 3 more rows"

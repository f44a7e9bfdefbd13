from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.errors import BrokenRowsError, InvalidCreativeError, Reason
from adscore.table import Columns, Target, read_table

from .tables import (
    CTR,
    HEADER,
    ROW,
    TEXT_ALONE,
    assert_text,
    refusal,
    write_csv,
    write_json_lines,
    write_parquet,
)

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
    message = refusal(write_csv(tmp_path, ROW, f"{ROW},8"))
    assert "a row of 7 cells where the header has 6" in message
    assert "adscore prepare passes over empty cells" in message


def test_counts_that_a_spreadsheet_shows_rounded_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ROW, "c2,c,Buy,i.png,1.3E+06,4")
    message = refusal(path, Columns(), CTR)
    assert "Received: '1.3E+06'\nA spreadsheet has rounded it" in message


@pytest.mark.parametrize("rows_before", [0, 20_000])
def test_csv_of_western_windows_is_read_and_said_to_be_guessed(
    tmp_path: Path, rows_before: int
) -> None:
    path = write_csv(tmp_path, *(f"{n},a" for n in range(rows_before)), header="id,headline")
    path.write_bytes(path.read_bytes() + "x,café: 5 €\n".encode("cp1252"))
    table = read_table(path, TEXT_ALONE)
    assert table.headlines[-1] == "café: 5 €"
    assert table.remarks == (f"{path}: read as cp1252, since it is not in UTF-8",)


@pytest.mark.parametrize("before", ["x" * 300_000, "né,1\n" * 9])
def test_a_byte_that_is_no_utf_8_in_a_file_of_utf_8_is_refused_with_its_row(
    tmp_path: Path, before: str
) -> None:
    path = tmp_path / "table.csv"
    lines = before if "\n" in before else "".join(f"{n},a\n" for n in range(60_000))
    path.write_bytes(f"id,headline\n{lines}".encode() + b"x,caf\xe9\n")
    row = lines.count("\n") + 1
    columns = Columns(None, "headline", None, None)
    assert f"row {row}, column 'headline': expected text in UTF-8" in refusal(path, columns)


def test_text_of_a_rarer_encoding_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    text = "id,headline\n" + "".join(f"{n},Скидка 20% на лампы сегодня\n" for n in range(50))
    path.write_bytes(text.encode("cp1251"))
    message = refusal(path, TEXT_ALONE)
    assert "what may be cp1251" in message
    assert "adscore prepare read it with --encoding" in message


def test_parquet_text_of_another_encoding_is_refused_with_its_row(tmp_path: Path) -> None:
    offsets = np.array([0, 1, 2], dtype=np.int32)
    headlines = pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(b"a\xff"))
    path = write_parquet(tmp_path, {"id": ["1", "2"], "headline": headlines})
    message = refusal(path, TEXT_ALONE)
    assert "row 2, column 'headline'" in message


def test_json_lines_with_half_a_surrogate_pair_are_refused(tmp_path: Path) -> None:
    refusal(write_json_lines(tmp_path, {"id": "1", "headline": "\ud800"}), TEXT_ALONE)


# === Faults ===


def test_all_faults_of_a_kind_stand_in_one_message_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "id\theadline\timpressions\tclicks\n"
        + "".join(f"{n}\ta\t100\t{'1,625' if n % 2 else ''}\n" for n in range(20))
    )
    message = refusal(path, TEXT_ALONE, CTR)
    assert message.count("column 'clicks'") == 6
    assert message.count("and 7 more rows like these") == 2
    assert "Numbers with thousands separators are read by adscore prepare" in message
    assert "adscore prepare do so with --blank-is-zero" in message


@pytest.mark.parametrize("value", ["1.2E+17", "3e+05"])
def test_an_id_that_a_spreadsheet_has_rounded_is_refused(tmp_path: Path, value: str) -> None:
    message = refusal(write_csv(tmp_path, f"{value},a", header="id,headline"), TEXT_ALONE)
    assert f"Received: {value!r}, which a spreadsheet has rounded" in message


@pytest.mark.parametrize("label", [("Total: Account", "--"), ("", ""), (" --", "Total: Ads")])
def test_a_row_of_totals_is_refused_by_name(tmp_path: Path, label: tuple[str, str]) -> None:
    rows = [f"c{n},summer,Buy {n},,{100 + n},{n}" for n in range(5)]
    total = f"{label[0]},{label[1]},,,510,10"
    message = refusal(write_csv(tmp_path, *rows, total), Columns(image=None), CTR)
    assert "row 6, totals: expected a creative. Received: " in message
    assert "the sum of all other rows" in message
    twice = refusal(write_csv(tmp_path, *rows, total, total), Columns(image=None), CTR)
    assert "row 7, totals" in twice
    path = write_csv(tmp_path, *rows, total)
    assert len(read_table(path, Columns(image=None), [CTR], skip_bad_rows=True)) == 5


def test_a_creative_that_is_called_total_is_none_of_the_totals(tmp_path: Path) -> None:
    rows = [f"c{n},summer,Total comfort {n},,{100 + n},{n}" for n in range(5)]
    assert len(read_table(write_csv(tmp_path, *rows), Columns(image=None), [CTR])) == 5


def test_bad_rows_are_left_out_where_the_user_says_so_and_listed(tmp_path: Path) -> None:
    rows = [ROW, ROW, "c3,summer,Buy,a.png,10,11", "c4,summer,Buy,a.png,many,1", "c5,w,Buy,,9,3"]
    path = write_csv(tmp_path, *rows)
    with pytest.raises(BrokenRowsError) as caught:
        read_table(path, Columns(), [CTR])
    assert caught.value.rows == {1, 2, 3}
    table = read_table(path, Columns(), [CTR], skip_bad_rows=True)
    assert (list(table.ids), table.trials["ctr"].tolist()) == (["c1", "c5"], [100, 9])
    (remark,) = table.remarks
    assert remark.startswith("rows left out: 3\n")
    assert "row 4, column 'impressions'" in remark
    assert "row 4, target" not in remark


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

import gzip
import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.errors import BrokenRowsError, InvalidCreativeError, Reason, TableError
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


# === Tables as people have them ===

GERMAN = "Größe wählen, jetzt 5 € sparen"


@pytest.mark.parametrize(
    ("name", "encoding", "separator"),
    [
        ("t.csv", "utf-8", ";"),
        ("t.tsv", "utf-8", "\t"),
        ("t.tab", "utf-8-sig", "\t"),
        ("t.txt", "utf-16", "\t"),
        ("t.csv", "utf-16-le", ","),
        ("t.csv", "cp1252", ";"),
        ("t.csv.gz", "utf-8", ","),
        ("t.tsv.GZ", "utf-16", "\t"),
    ],
)
def test_encodings_separators_and_packing_are_told_from_the_file(
    tmp_path: Path, name: str, encoding: str, separator: str
) -> None:
    lines = [["id", "headline", "impressions", "clicks"]]
    lines += [[f"{n}", f"{GERMAN}, {n}", "100", "7"] for n in range(3)]
    text = "".join(separator.join(f'"{cell}"' for cell in line) + "\r\n" for line in lines)
    data = text.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    table = read_table(tmp_path / name, TEXT_ALONE, [CTR])
    assert_text(table, ["0", "1", "2"], [f"{GERMAN}, {n}" for n in range(3)])
    assert table.successes["ctr"].tolist() == [7, 7, 7]
    assert bool(table.remarks) is (encoding == "cp1252")


def test_a_separator_that_excel_names_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sep=;\nid;headline, long\n1;Buy, now\n")
    table = read_table(path, Columns("id", "headline, long", None, None))
    assert_text(table, ["1"], ["Buy, now"])


def test_packed_json_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "headline": "Buy"}\n'))
    assert_text(read_table(tmp_path / "t.jsonl.gz", TEXT_ALONE), ["1"], ["Buy"])


@pytest.mark.parametrize("kept", [5, -12])
def test_a_packed_file_that_is_broken_is_refused(tmp_path: Path, kept: int) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"id,headline\n1,a\n")[:kept])
    refusal(tmp_path / "t.csv.gz", TEXT_ALONE)


def test_case_and_blanks_of_a_header_are_no_difference(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "1,Buy,9", header=" ID ,HeadLine,headline ")
    table = read_table(path, Columns(" id", "HeadLine", None, None))
    assert_text(table, ["1"], ["Buy"])
    assert table.remarks == (f"{path}: columns are read: ' id' from ' ID '",)
    assert "expected a column 'headline'" in refusal(path, TEXT_ALONE)  # which of the two?
    rows = pa.table({"Id": ["1"], "HEADLINE": ["Buy"]})
    pyarrow.parquet.write_table(rows, tmp_path / "t.parquet")
    assert_text(read_table(tmp_path / "t.parquet", TEXT_ALONE), ["1"], ["Buy"])


def test_all_missing_columns_are_named_with_what_may_be_meant(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "1,Buy,9,9", header="creative-id,headlines,impresions,ctr")
    message = refusal(path, Columns(image=None, group=None), CTR)
    assert "expected the columns 'creative_id', 'headline', 'clicks', 'impressions'" in message
    assert "Did you mean 'creative-id' for 'creative_id'?" in message
    assert "Did you mean 'impresions' for 'impressions'?" in message


def test_a_rate_alone_is_told_to_be_no_target(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "1,Buy,9,2 %", header="id,headline,impressions,ctr")
    assert "a rate or per cent alone is none" in refusal(path, TEXT_ALONE, CTR)


@pytest.mark.parametrize("above", ["Ad report\nSeptember\n", "# of autumn\n# a, b\n"])
def test_lines_above_the_header_point_to_prepare(tmp_path: Path, above: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{above}{HEADER}\n{ROW}\n")
    assert "header seems to be line 3" in refusal(path, None, CTR)
    assert "adscore prepare" in refusal(path, None, CTR)


@pytest.mark.parametrize("end", ["", ",,,,,\n" * 3, "\n,,,,,\n\n", ',,"",,,\n'])
def test_rows_of_separators_at_the_end_are_no_rows(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{HEADER}\n{ROW}\n,,,,,\n{ROW.replace('c1', 'c2')}\n{end}")
    table = read_table(path, Columns("creative_id", "headline", None, None))
    assert list(table.ids) == ["c1", "", "c2"]


def test_a_last_row_that_only_seems_empty_is_kept(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "1,Buy", "2,", "3,", header="id,headline")
    assert len(read_table(path, Columns(None, "headline", None, None))) == 3


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_labels_may_be_words_of_truth(tmp_path: Path, words: tuple[str, str]) -> None:
    path = write_csv(tmp_path, *(f"{n},a,{w}" for n, w in enumerate(words)), header="id,headline,y")
    table = read_table(path, TEXT_ALONE, [Target.parse("y=y")])
    assert table.successes["y"].tolist() == [1, 0]
    assert table.remarks == ("column 'y': True and False are 1 and 0",)


def test_paths_that_windows_wrote_are_found(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"pixels")
    (tmp_path / "b\\c.png").write_bytes(b"of a name with a backslash")
    rows = ["1,a,pictures\\a.png", "2,a,b\\c.png"]
    path = write_csv(tmp_path, *rows, header="id,headline,image")
    table = read_table(path, Columns("id", "headline", "image", None))
    assert table.creative(0).image == b"pixels"
    assert table.creative(1).image == b"of a name with a backslash"


def test_images_may_be_structs_as_data_sets_have_them(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"of a file")
    images = [{"bytes": b"abc", "path": "x.png"}, {"bytes": None, "path": "a.png"}, None]
    path = write_parquet(tmp_path, {"id": ["1", "2", "3"], "headline": ["a"] * 3, "image": images})
    table = read_table(path, Columns("id", "headline", "image", None))
    assert [table.creative(row).image for row in range(3)] == [b"abc", b"of a file", b""]


def test_an_image_may_be_behind_a_url_or_stand_in_its_cell(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/pictures/a.png", b"far away")
    rows = ["1,a,memory://pictures/a.png", '2,a,"data:image/png;base64,YWJj"']
    path = write_csv(tmp_path, *rows, header="id,headline,image")
    table = read_table(path, Columns("id", "headline", "image", None))
    assert [table.creative(row).image for row in range(2)] == [b"far away", b"abc"]


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


# === The counts ===


@pytest.mark.parametrize("cell", ["-1", "1.5", "nan", "NaN", "inf", "", "many", "1e300", "0x10"])
@pytest.mark.parametrize("column", ["clicks", "impressions"])
def test_what_is_no_count_is_refused_with_its_cell(tmp_path: Path, cell: str, column: str) -> None:
    counts = f"{cell},7" if column == "impressions" else f"100,{cell}"
    path = write_csv(tmp_path, ROW, f"c2,summer,Buy,a.png,{counts}")
    message = refusal(path, None, CTR)
    assert f"row 2, column {column!r}: expected a whole number" in message
    assert repr(cell) in message


def test_parts_of_a_conversion_are_read_where_the_target_says_so(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,100,12.5")
    assert '--target "ctr=clicks/impressions:fractional"' in refusal(path, None, CTR)
    target = Target.parse("ctr=clicks/impressions:fractional")
    assert Target.parse(f"ctr={target.columns}") == target
    table = read_table(path, Columns(), [target])
    assert table.successes["ctr"][1] == 12.5
    assert table.trials["ctr"].dtype == np.int64
    trials = write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,100.5,12.5")
    assert "column 'impressions': expected a whole number" in refusal(trials, None, target)


def test_a_label_is_never_fractional() -> None:
    with pytest.raises(ValueError, match="expected NAME=SUCCESSES/TRIALS:fractional"):
        Target.parse("liked=is_liked:fractional")


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

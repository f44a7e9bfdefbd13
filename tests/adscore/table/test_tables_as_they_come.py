"""Tables as people have them: encodings, separators, headers, words, paths."""

import gzip
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.table import Columns, Target, read_table

from .tables import CTR, HEADER, ROW, TEXT_ALONE, assert_text, refusal, write_csv, write_parquet

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

import json
import os
import tempfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.errors import InvalidCreativeError, TableError
from adscore.table import (
    Columns,
    ImageSource,
    cell_text,
    open_stream,
    read_table,
    rebatched,
    texts,
)

ROWS = [{"id": f"{number:03}", "text": f'line\n{number}, "é" 🚀'} for number in range(25)]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    table = pa.Table.from_pylist(rows)
    match path.suffix:
        case ".csv":
            pyarrow.csv.write_csv(table, path)
        case ".parquet":
            pyarrow.parquet.write_table(table, path, row_group_size=4)
        case _:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_a_folder_reads_as_its_files_one_after_another(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    write(folder / f"b{ending}", ROWS[10:])
    write(folder / f"a{ending}", ROWS[:10])
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.txt").touch()
    stream = open_stream(str(folder), ["text", "id"])
    batches = list(stream.batches(7, skip=3))
    assert [batch.num_rows for batch in batches] == [7, 7, 7, 1]
    assert pa.Table.from_batches(batches).select(["id", "text"]).to_pylist() == ROWS[3:]


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 10), st.integers(0, 40))
def test_rebatching_loses_and_doubles_nothing(sizes: list[int], rows: int, skip: int) -> None:
    schema = pa.schema([("n", pa.int64())])
    numbers = list(range(sum(sizes)))
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    batches = [
        pa.record_batch([pa.array(numbers[start : start + size], pa.int64())], schema=schema)
        for start, size in zip(starts, sizes, strict=True)
    ]
    weighed = ((batch, 10.0 * batch.num_rows) for batch in batches)
    pieces = list(rebatched(weighed, schema, rows, skip))
    cut = [batch["n"].to_pylist() for batch, _ in pieces]
    assert sum(weight for _, weight in pieces) == pytest.approx(10 * len(numbers) if cut else 0)
    assert [number for part in cut for number in part] == numbers[skip:]
    assert all(len(part) == rows for part in cut[:-1])


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", ROWS)
    with pytest.raises(TableError, match=r"t\.csv: expected a column 'image'\. Received: id, text"):
        open_stream(str(tmp_path / "t.csv"), ["id", "image"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "expected a header line"),
        ("a.csv", b"id,id\n1,2\n", "expected distinct columns"),
        ("a.csv", b"id,b\n1,2\n1,2,3\n", "a row of 3 cells where the header has 2: '1,2,3'"),
        ("a.csv", b"<!DOCTYPE html>\n<html>log in</html>", "Received: a web page"),
        ("a.csv", b"PK\x03\x04" + bytes(20), "adscore prepare reads it"),
        ("a.csv", b"PAR1" + bytes(20), "name it .parquet"),
        ("a.csv", b"\xef\xbb\xbf\n%PDF-1.7\n", "Received: a PDF"),
        (
            "a.csv",
            "id,é,\udcff\n1,2,3\n".encode("utf-8", "surrogateescape"),
            "a header that is not",
        ),
        ("a.csv", b"id,b\n1,2\n3," + b"x" * 600_000 + b"\n", "a row of more than 262144 bytes; "),
        ("a.parquet", b"no parquet", "Parquet"),
        ("a.jsonl", b"", "expected at least one row"),
        ("a.jsonl", b'{"id": 1}\n[2]\n', "line 2: expected an object"),
        ("a.jsonl", b'{"id": 1}\n{"id": NaN}\n', "line 2: expected JSON. Received: NaN"),
        ("a.jsonl", b'{"id": 1, "id": 2}\n', "'id' twice"),
        ("a.jsonl", b'{"id": 1}\n{"id": \n', "line 2"),
        ("a.xlsx", b"", r"expected a \.csv, \.parquet or \.jsonl table"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message) as caught:
        list(open_stream(str(tmp_path / name), ["id"]).batches(10))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"id,text,other\n1,fine,\xc3\xa9\n2,caf\xe9,\n3,fine,\n"),
        ("a.jsonl", b'{"id": 1, "text": "fine"}\n{"id": 2, "text": "\\ud83d"}\n{"id": 3}\n'),
        ("a.jsonl", b'{"id": 1}\n{"id": 2, "text": "caf\xe9", "\\udc00": 0}\n{"id": 3}\n'),
    ],
)
def test_text_that_is_none_is_an_error_of_its_row_alone(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    (batch,) = open_stream(tmp_path / name, ["id", "text"]).batches(10)
    assert texts(batch, "id") == ["1", "2", "3"]
    first, error, last = texts(batch, "text")
    assert isinstance(error, InvalidCreativeError)
    assert {str(first), str(last)} <= {"fine", ""}
    assert str(error).startswith("text: expected text in UTF-8. Received: b'")
    with pytest.raises(TableError, match="row 2, column 'text': expected text in UTF-8"):
        read_table(tmp_path / name, Columns("id", "text", None, None))


def test_a_time_that_no_calendar_has_is_an_error_of_its_row() -> None:
    times = pa.array([0, 10**15], pa.timestamp("s"))
    first, error = texts(pa.record_batch({"when": times}), "when")
    assert first == "1970-01-01 00:00:00"
    assert isinstance(error, InvalidCreativeError)


@pytest.mark.parametrize("url", [False, True])
def test_a_pipe_is_refused_at_once_as_a_table_and_as_an_image(tmp_path: Path, url: bool) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    name = pipe.as_uri() if url else str(pipe)
    with pytest.raises(TableError, match="cannot be read: a pipe, a device or a socket"):
        open_stream(name, ["id"])
    with pytest.raises(InvalidCreativeError, match="a pipe, a device or a socket"):
        ImageSource(str(tmp_path), 100).read(name)


def test_how_much_was_read_rises_to_the_whole(tmp_path: Path) -> None:
    for ending in (".csv", ".parquet", ".jsonl"):
        folder = tmp_path / ending[1:]
        folder.mkdir()
        write(folder / f"a{ending}", ROWS[:10])
        write(folder / f"b{ending}", ROWS[10:])
        pieces = list(open_stream(folder, ["id"]).pieces(7, skip=3))
        assert [piece.first_row for piece in pieces] == [3, 10, 17, 24]
        shares = [piece.share for piece in pieces]
        assert shares == sorted(shares)
        assert 0 < shares[0] < shares[-1] == 1


def test_a_table_may_be_in_memory() -> None:
    table = pa.table({"id": ["1", "2"], "text": pa.array(["a", "b"], pa.string_view())})
    read = read_table(table, Columns("id", "text", None, None))
    assert (list(read.ids), list(read.headlines)) == (["1", "2"], ["a", "b"])
    assert read.where(1) == "the data frame, row 2 (id 2)"


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_what_reads_tables_agrees_whatever_the_text(cells: list[str]) -> None:
    kept = [cell.encode("utf-8", "replace").decode() for cell in cells]
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".parquet", ".jsonl", ".csv"):
            path = Path(folder, f"t{ending}")
            rows = [{"id": str(row), "text": cell} for row, cell in enumerate(kept)]
            write(path, rows)
            streamed = [t for b in open_stream(path, ["text"]).batches(2) for t in texts(b, "text")]
            table = read_table(path, Columns("id", "text", None, None))
            assert list(table.headlines) == streamed == kept


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.csv: cannot be read: No such file"):
        open_stream(str(tmp_path / "none.csv"), ["id"])


def test_rows_of_json_may_lack_columns_and_hold_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 7, "a": null}\n\n{"b": 1.5, "id": "x"}\n')
    (batch,) = open_stream(str(tmp_path / "a.jsonl"), ["id", "a", "b"]).batches(10)
    assert batch.to_pylist() == [
        {"id": "7", "a": None, "b": None},
        {"id": "x", "a": None, "b": "1.5"},
    ]


@pytest.mark.parametrize(("ending", "text"), [(".csv", "id\n1\n"), (".jsonl", '{"id": "1"}\n')])
def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_text(text, encoding="utf-8-sig")
    (batch,) = open_stream(str(path), ["id"]).batches(10)
    assert batch.to_pylist() == [{"id": "1"}]
    assert list(read_table(path, Columns("id", None, None, None)).ids) == ["1"]


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        (["true", "false", "null"], ["true", "false", ""]),
        (["1", "2.5", "1.0"], ["1", "2.5", "1.0"]),
        (["1", '"1"', "2.50"], ["1", "1", "2.50"]),
        (['"2024-01-01"', "1e5", "-0"], ["2024-01-01", "1e5", "0"]),
        (["[1, 2.5]", '{"a": null}', '""'], ["[1, 2.5]", '{"a": null}', ""]),
    ],
)
def test_a_context_value_is_the_same_to_training_and_to_scoring(
    tmp_path: Path, written: list[str], texts: list[str]
) -> None:
    path = tmp_path / "a.jsonl"
    lines = [f'{{"id": "{row}", "slot": {value}}}\n' for row, value in enumerate(written)]
    path.write_text("".join(lines))
    columns = Columns("id", None, None, None, ("slot",))
    (batch,) = open_stream(str(path), ["slot"]).batches(10)
    assert [cell_text(value) for value in batch.column(0).to_pylist()] == texts
    assert read_table(path, columns).context["slot"] == texts


def test_rows_with_large_images_come_in_smaller_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("formats", "stream"):
        monkeypatch.setattr(f"adscore.table.{module}.BATCH_BYTES", 1_000)
    images = [bytes([row]) * 400 for row in range(10)]
    table = pa.table({"id": [str(row) for row in range(10)], "image": pa.array(images)})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", use_dictionary=False)
    batches = list(open_stream(str(tmp_path / "t.parquet"), ["id", "image"]).batches(8))
    assert max(batch.nbytes for batch in batches) < 2_000
    assert [image for batch in batches for image in batch["image"].to_pylist()] == images
    small = list(open_stream(str(tmp_path / "t.parquet"), ["id"]).batches(8))
    assert [batch.num_rows for batch in small] == [8, 2]


def test_the_fingerprint_follows_the_content_not_the_time(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n")
    before = open_stream(str(path), ["id"]).fingerprint()
    path.touch()
    assert open_stream(str(path), ["id"]).fingerprint() == before
    path.write_text("id\n2\n")
    assert open_stream(str(path), ["id"]).fingerprint() != before


# === URLs ===


def test_a_table_behind_a_url_is_read_like_a_file() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/rows/a.csv", b"id,text\n1,one\n")
    memory.pipe("/rows/b.csv", b"id,text\n2,two\n")
    for url, ids in (("memory://rows", ["1", "2"]), ("memory://rows/b.csv", ["2"])):
        stream = open_stream(url, ["id"])
        assert [i for batch in stream.batches(9) for i in batch["id"].to_pylist()] == ids
        assert stream.folder.rstrip("/").endswith("rows")
        assert len(stream.fingerprint()) == len(ids)


def test_a_url_of_an_unknown_filesystem_says_what_to_install() -> None:
    with pytest.raises(TableError, match="pip install fsspec"):
        open_stream("nosuch://bucket/t.csv", ["id"])


class _ShortFile:
    """What a filesystem gives when a connection ends early without an error."""

    size = 1_000

    def __enter__(self) -> "_ShortFile":
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing to close."""

    def read(self, count: int) -> bytes:
        return b"half of it"


def test_a_download_that_ends_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "open", lambda self, path, mode: _ShortFile())
    with pytest.raises(InvalidCreativeError, match="broke off after 10 of 1000 bytes"):
        ImageSource("memory://images", 10_000).read("a.png")


def test_an_image_may_stand_in_its_cell() -> None:
    source = ImageSource("memory://images", 100)
    assert source.read("data:image/png;base64,YWJj") == b"abc"
    assert source.read("data:image/png;charset=utf-8;BASE64,YW Jj\n") == b"abc"
    for uri, cause in [
        ("data:image/svg+xml,<svg/>", "not in base64"),
        ("data:image/png;base64,Y", "base64 is broken"),
        ("data:image/png;base64," + "A" * 4_000, "at most 100 bytes. Received: 3000 bytes"),
        ("data:image/png;base64", "not in base64"),
    ]:
        with pytest.raises(InvalidCreativeError, match=cause) as caught:
            source.read(uri)
        assert len(str(caught.value)) < 300


def test_a_long_cell_is_cut_in_its_error() -> None:
    with pytest.raises(InvalidCreativeError, match=r"'xxx.*\.\.\.'") as caught:
        ImageSource(".", 100).read("x" * 100_000)
    assert len(str(caught.value)) < 300
    with pytest.raises(InvalidCreativeError) as caught:
        ImageSource(".", 100).read("nosuch://" + "x" * 100_000)
    assert len(str(caught.value)) < 500


def test_images_are_read_below_a_url_and_by_url() -> None:
    fsspec.filesystem("memory").pipe("/images/a.png", b"content")
    assert ImageSource("memory://images", 100).read("a.png") == b"content"
    assert ImageSource("/elsewhere", 100).read("memory://images/a.png") == b"content"
    with pytest.raises(InvalidCreativeError, match="at most 3 bytes"):
        ImageSource("memory://images", 3).read("a.png")
    with pytest.raises(InvalidCreativeError, match="gone"):
        ImageSource("memory://images", 3).read("gone.png")

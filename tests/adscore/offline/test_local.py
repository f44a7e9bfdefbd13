import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.creative import Creative
from adscore.errors import TableError
from adscore.offline import local
from adscore.offline.local import require_new_output, score_table, write_table
from adscore.scorer import Scorer
from adscore.table import Columns, CreativeTable, read_table

COLUMNS = [
    "creative_id",
    "ctr_mean",
    "ctr_lower",
    "ctr_upper",
    "ctr_percentile",
    "agreement",
    "warnings",
    "error",
    "model",
    "model_version",
]


@pytest.fixture(scope="module")
def mixed(creatives: list[Creative], tmp_path_factory: pytest.TempPathFactory) -> CreativeTable:
    """A table of which every second row has something wrong with it."""
    folder = tmp_path_factory.mktemp("mixed")
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
    columns = {
        "creative_id": [f"c{number}" for number in range(len(rows))],
        "headline": [headline for headline, _ in rows],
        "image": pa.array([image for _, image in rows], pa.binary()),
    }
    path = folder / "mixed.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    return read_table(path, Columns(group=None))


def scored(scorer: Scorer, table: CreativeTable, id_column: str = "creative_id") -> pa.Table:
    return score_table(scorer, table, id_column, lambda done: None)


# === Scoring ===


def test_the_columns_are_those_of_the_contract(scorer: Scorer, mixed: CreativeTable) -> None:
    table = scored(scorer, mixed)
    assert table.column_names == COLUMNS
    kinds = {name: str(table.schema.field(name).type) for name in COLUMNS}
    assert kinds == {
        name: "double" if name.startswith("ctr_") or name == "agreement" else "string"
        for name in COLUMNS
    }


def test_rows_with_an_error_stop_nothing_and_keep_their_place(
    scorer: Scorer, mixed: CreativeTable
) -> None:
    rows = scored(scorer, mixed).to_pylist()
    assert [row["creative_id"] for row in rows] == [f"c{number}" for number in range(8)]
    for number, row in enumerate(rows):
        is_broken = number % 2 == 1
        assert (row["error"] is not None) is is_broken
        for name in ("ctr_mean", "ctr_lower", "ctr_upper", "ctr_percentile", "warnings"):
            assert (row[name] is None) is is_broken
        assert (row["model"], row["model_version"]) == ("sample", "1")
    assert [row["error"].partition(":")[0] for row in rows[1::2]] == [
        "headline",
        "image",
        "image",
        "headline",
    ]
    assert "HEADLINE_TRUNCATED" in str(rows[4]["warnings"]).split(";")
    assert rows[0]["ctr_mean"] == rows[2]["ctr_mean"] == rows[6]["ctr_mean"]


def test_scores_are_those_of_the_scorer(
    scorer: Scorer, creatives: list[Creative], sample_dir: Path
) -> None:
    table = read_table(sample_dir / "creatives.csv", Columns())
    received = scored(scorer, table)["ctr_mean"].to_pylist()
    expected = [score.targets["ctr"].mean for score in scorer.score(creatives)]
    assert received == pytest.approx(expected, rel=1e-4)


def test_chunks_change_neither_scores_nor_order(
    scorer: Scorer, mixed: CreativeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(scorer, mixed).to_pylist()
    monkeypatch.setattr(local, "CHUNK_ROWS", 3)
    done: list[int] = []
    chunked = score_table(scorer, mixed, "creative_id", done.append).to_pylist()
    assert done == [3, 6, 8]
    for name in ("creative_id", "warnings", "error"):
        assert [row[name] for row in chunked] == [row[name] for row in whole]
    for received, expected in zip(chunked, whole, strict=True):
        assert (received["ctr_mean"] or 0) == pytest.approx(expected["ctr_mean"] or 0, rel=1e-4)


def test_a_table_of_broken_rows_alone_has_the_same_columns(
    scorer: Scorer, mixed: CreativeTable, tmp_path: Path
) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("creative_id,headline,image\n1,a,missing.png\n2,,\n")
    table = scored(scorer, read_table(path, Columns(group=None)))
    assert table.schema == scored(scorer, mixed).schema
    assert table["error"].null_count == 0
    assert "missing.png" in table["error"][0].as_py()


def test_an_id_column_named_as_a_result_is_refused(scorer: Scorer, mixed: CreativeTable) -> None:
    for name in ("ctr_mean", "error", "model"):
        with pytest.raises(TableError, match=f"Received: {name!r}"):
            scored(scorer, mixed, name)


# === Writing ===


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".parquet", ".jsonl"])
def test_what_is_written_is_what_was_scored(
    scorer: Scorer, mixed: CreativeTable, tmp_path: Path, ending: str
) -> None:
    table = scored(scorer, mixed)
    path = tmp_path / f"scores{ending}"
    write_table(table, path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    expected = table.to_pylist()
    match ending:
        case ".parquet":
            received = pyarrow.parquet.read_table(path).to_pylist()
        case ".jsonl":
            received = [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            with path.open(newline="") as file:
                received = list(csv.DictReader(file))
            expected = [
                {name: "" if value is None else str(value) for name, value in row.items()}
                for row in expected
            ]
            for row in (*received, *expected):
                for name in COLUMNS[1:5]:
                    row[name] = row[name] and float(row[name])
    assert received == expected
    assert list(received[0]) == COLUMNS


def test_texts_survive_every_format(tmp_path: Path) -> None:
    texts = ['a "quoted", cell', "two\nlines", "🚀", "عكشيو", " space "]
    table = pa.table({"id": texts})
    for ending in (".csv", ".parquet", ".jsonl"):
        write_table(table, tmp_path / f"texts{ending}")
        ids = read_table(tmp_path / f"texts{ending}", Columns("id", None, None, None)).ids
        assert list(ids) == texts


@pytest.mark.parametrize("name", ["scores.xlsx", "scores", "missing/scores.csv", "there.csv"])
def test_an_output_that_cannot_be_new_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.csv").write_text("mine")
    for check in (require_new_output, lambda path: write_table(pa.table({"a": [1]}), path)):
        with pytest.raises(TableError, match="expected"):
            check(tmp_path / name)
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["there.csv"]


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    # Found after the file was opened: a .csv has no lists.
    with pytest.raises(pa.ArrowInvalid):
        write_table(pa.table({"a": [[1]]}), tmp_path / "scores.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises((TableError, OSError), match="too long"):
        write_table(pa.table({"a": [1]}), tmp_path / ("x" * 300 + ".csv"))
    longest = tmp_path / ("x" * 251 + ".csv")
    write_table(pa.table({"a": [1]}), longest)
    assert list(tmp_path.iterdir()) == [longest]

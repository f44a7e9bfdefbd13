import base64
import os
from pathlib import Path

import pyarrow as pa
import pytest

from adscore.creative import Creative
from adscore.errors import TableError
from adscore.offline.core import BatchScorer
from adscore.offline.options import ScoringOptions
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, open_stream

COLUMNS = Columns(group=None)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    (batch,) = table.combine_chunks().to_batches()
    return batch


def test_the_columns_are_those_of_the_contract(
    batch_scorer: BatchScorer, mixed: pa.Table, score_columns: list[str]
) -> None:
    scores = batch_scorer.score(one_batch(mixed))
    assert scores.schema == batch_scorer.result_schema(mixed.schema)
    assert scores.schema.names == score_columns
    for name in score_columns:
        expected = "double" if name.startswith("ctr_") or name == "agreement" else "string"
        assert str(scores.schema.field(name).type) == expected


def test_rows_with_an_error_stop_nothing_and_keep_their_place(
    batch_scorer: BatchScorer, mixed: pa.Table
) -> None:
    rows = batch_scorer.score(one_batch(mixed)).to_pylist()
    assert [row["creative_id"] for row in rows] == [f"c{number}" for number in range(8)]
    for number, row in enumerate(rows):
        is_broken = number % 2 == 1
        assert (row["error"] is not None) is is_broken
        for name in ("ctr_mean", "ctr_lower", "ctr_upper", "ctr_percentile", "warnings"):
            assert (row[name] is None) is is_broken
        assert (row["model"], row["model_version"]) == ("sample", "1")
    fields = [row["error"].partition(":")[0] for row in rows[1::2]]
    assert fields == ["headline", "image", "image", "headline"]
    assert "HEADLINE_TRUNCATED" in rows[4]["warnings"].split(";")
    assert rows[0]["ctr_mean"] == rows[2]["ctr_mean"] == rows[6]["ctr_mean"]


def test_scores_are_those_of_the_scorer(
    batch_scorer: BatchScorer, scorer: Scorer, creatives: list[Creative], sample_dir: Path
) -> None:
    (batch,) = open_stream(str(sample_dir / "creatives.csv"), COLUMNS.named()).batches(1_000)
    received = batch_scorer.score(batch)["ctr_mean"].to_pylist()
    expected = [score.targets["ctr"].mean for score in scorer.score(creatives)]
    assert received == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_a_score_does_not_depend_on_its_batch_to_the_last_bit(
    model_dir: Path, options: ScoringOptions, sample_dir: Path, rows: int
) -> None:
    stream = open_stream(str(sample_dir / "creatives.csv"), COLUMNS.named())
    (whole,) = (BatchScorer(model_dir, options).score(batch) for batch in stream.batches(1_000))
    for cache_bytes in (0, 1 << 20):
        scorer = BatchScorer(model_dir, options, cache_bytes=cache_bytes)
        parts = [scorer.score(batch) for batch in stream.batches(rows)]
        assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([whole]))


def test_kept_columns_stay_what_they_are(
    model_dir: Path, mixed: pa.Table, score_columns: list[str]
) -> None:
    options = ScoringOptions(COLUMNS, keep=("impressions", "headline", "creative_id"))
    scores = BatchScorer(model_dir, options).score(one_batch(mixed))
    assert scores.schema.names == [
        "creative_id",
        "impressions",
        "headline",
        *score_columns[1:],
    ]
    assert scores["impressions"].equals(one_batch(mixed)["impressions"])


def test_rows_without_an_id_are_numbered_by_their_place(model_dir: Path, mixed: pa.Table) -> None:
    options = ScoringOptions(Columns(id=None, group=None))
    scores = BatchScorer(model_dir, options).score(one_batch(mixed), first_row=100)
    assert scores["row"].to_pylist() == [str(number) for number in range(101, 109)]


def test_a_missing_and_an_oversized_image_are_errors_of_their_rows(
    batch_scorer: BatchScorer, tmp_path: Path
) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 33)
    batch = pa.record_batch(
        {
            "creative_id": ["1", "2", "3"],
            "headline": ["a", "b", "c"],
            "image": ["gone.png", str(tmp_path / "huge.png"), "nul\0.png"],
        }
    )
    gone, huge, nul = batch_scorer.score(batch)["error"].to_pylist()
    assert "'gone.png': No such file" in gone
    assert "Received: 8589934592 bytes" in huge
    assert "null" in nul


def test_text_that_is_not_utf_8_is_an_error_of_its_row(
    batch_scorer: BatchScorer, creatives: list[Creative]
) -> None:
    broken = pa.array([b"fine", b"\xff\xfe"], pa.binary()).view(pa.string())
    image = pa.array([creatives[0].image] * 2, pa.binary())
    batch = pa.record_batch({"creative_id": ["1", "2"], "headline": broken, "image": image})
    fine, refused = batch_scorer.score(batch)["error"].to_pylist()
    assert fine is None
    assert refused.startswith("headline: expected text in UTF-8")


@pytest.mark.parametrize("name", ["ctr_mean", "error", "model"])
def test_an_id_or_kept_column_named_as_a_result_is_refused(
    model_dir: Path, mixed: pa.Table, name: str
) -> None:
    table = mixed.append_column(name, mixed["headline"])
    for options in (
        ScoringOptions(Columns(id=name, group=None)),
        ScoringOptions(COLUMNS, keep=(name,)),
    ):
        with pytest.raises(TableError, match=f"Received: {name!r}"):
            BatchScorer(model_dir, options).result_schema(table.schema)


@pytest.mark.parametrize(
    ("column", "values"), [("headline", [["a"]]), ("headline", [b"a"]), ("image", [{"a": 1}])]
)
def test_a_column_of_a_wrong_type_is_refused_at_once(
    batch_scorer: BatchScorer, column: str, values: list[object]
) -> None:
    cells = {"creative_id": ["1"], "headline": ["a"], "image": ["a.png"]} | {column: values}
    with pytest.raises(TableError, match=f"column '{column}': expected"):
        batch_scorer.result_schema(pa.table(cells).schema)


def test_the_model_is_opened_when_it_is_first_needed(options: ScoringOptions) -> None:
    BatchScorer(Path("no-such-model"), options)  # says nothing yet


def test_a_kept_cell_that_is_no_text_is_an_error_of_its_row(
    model_dir: Path, creatives: list[Creative]
) -> None:
    kept = pa.array([b"fine", b"\xff", None], pa.binary()).view(pa.string())
    image = pa.array([creatives[0].image] * 3, pa.binary())
    batch = pa.record_batch(
        {"creative_id": list("abc"), "headline": ["Buy"] * 3, "image": image, "note": kept}
    )
    options = ScoringOptions(COLUMNS, keep=("note",))
    rows = BatchScorer(model_dir, options).score(batch).to_pylist()
    assert [row["note"] for row in rows] == ["fine", None, None]
    errors = [row["error"] for row in rows]
    assert errors == [None, "note: expected text in UTF-8. Received: b'\\xff' in it", None]
    assert [row["ctr_mean"] is None for row in rows] == [False, True, False]


def test_what_is_no_file_is_an_error_of_its_row(
    model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    image = sorted((sample_dir / "images").iterdir())[0]
    uri = "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()
    cells = ["pipe.png", "/dev/zero", ".", uri, str(image), "data:text/html,<b>", "x" * 9_000]
    batch = pa.record_batch(
        {"creative_id": list("abcdefg"), "headline": ["Buy now"] * 7, "image": cells}
    )
    scorer = BatchScorer(model_dir, ScoringOptions(COLUMNS, image_root=str(tmp_path)))
    rows = scorer.score(batch).to_pylist()
    assert [row["error"] is None for row in rows] == [False] * 3 + [True] * 2 + [False] * 2
    assert rows[3]["ctr_mean"] == rows[4]["ctr_mean"]
    assert "a pipe, a device or a socket, no regular file" in rows[0]["error"]
    assert max(len(row["error"] or "") for row in rows) < 400

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import adscore
from adscore.errors import BundleError, TableError


def test_a_path_gives_an_arrow_table(model_dir: Path, sample_dir: Path) -> None:
    scores = adscore.score_table(sample_dir / "creatives.csv", model_dir, keep=["campaign_id"])
    assert scores.num_rows == 60
    assert scores.column_names[:3] == ["creative_id", "campaign_id", "ctr_mean"]
    assert scores["error"].null_count == 60


def test_a_data_frame_gives_a_data_frame_with_the_same_scores(
    model_dir: Path, sample_dir: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(sample_dir / "creatives.csv").iloc[::-1]
    scores = adscore.score_table(frame, str(model_dir), image_root=sample_dir)
    assert isinstance(scores, pandas.DataFrame)
    assert list(scores.creative_id) == list(frame.creative_id)
    expected = adscore.score_table(sample_dir / "creatives.csv", model_dir)["ctr_mean"]
    assert list(scores.ctr_mean[::-1]) == expected.to_pylist()


def placed(placements: list[str]) -> pa.Table:
    """Creatives with a placement."""
    count = len(placements)
    return pa.table(
        {
            "creative_id": [f"c{number}" for number in range(count)],
            "headline": [f"Save {number} % today" for number in range(count)],
            "placement": placements,
        }
    )


def test_context_that_no_column_holds_is_said_once(model_with_context: Path) -> None:
    table = placed(["feed"] * 300)
    with pytest.warns(UserWarning, match="reads the context placement, and no column") as said:
        scores = adscore.score_table(table, model_with_context, image_column="none")
    assert len(said) == 1
    assert all("MISSING_CONTEXT" in text for text in scores["warnings"].to_pylist())


@pytest.mark.filterwarnings("error")
def test_context_that_is_there_is_not_missed(model_with_context: Path) -> None:
    scores = adscore.score_table(
        placed(["feed", "stories", "moon", ""]),
        model_with_context,
        image_column="none",
        context_columns=["placement"],
    )
    contexts = [
        [name for name in text.split(";") if "CONTEXT" in name]
        for text in scores["warnings"].to_pylist()
    ]
    assert contexts == [[], [], ["UNKNOWN_CONTEXT"], ["MISSING_CONTEXT"]]


def indexes(pandas):  # type: ignore[no-untyped-def]
    """Frames whose rows are not numbered from 0, by what was done to them."""
    frame = pandas.DataFrame(
        {
            "creative_id": [f"c{number}" for number in range(12)],
            "headline": [f"Save {number} % today" for number in range(12)],
            "image": None,
        }
    )
    return {
        "filtered": frame[frame.creative_id > "c3"],
        "shuffled": frame.iloc[[7, 2, 11, 0, 5, 9, 1, 3]],
        "duplicate": frame.set_index(pandas.Index([1, 1, 2, 2] * 3, name="day")),
        "multi": frame.set_index(["creative_id", "headline"], drop=False),
        "dates": frame.set_index(pandas.date_range("2026-01-01", periods=12, tz="UTC")),
        "empty": frame.iloc[:0],
    }


@pytest.mark.parametrize(
    "kind", ["filtered", "shuffled", "duplicate", "multi", "dates", "empty", "subclass"]
)
def test_scores_have_the_index_of_their_frame(model_dir: Path, kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    frames = indexes(pandas)
    frame = frames.get(kind)
    if frame is None:
        frame = type("Frame", (pandas.DataFrame,), {})(frames["shuffled"])
    given = frame.copy()
    scores = adscore.score_table(frame, model_dir)
    assert scores.index.equals(frame.index)
    assert scores.index.names == frame.index.names
    assert list(scores.creative_id) == list(frame.creative_id)
    assert scores.error.isna().all()
    assert frame.equals(given)
    if kind in ("filtered", "shuffled", "subclass"):
        frame = frame.assign(score=scores["ctr_mean"])
        whole = adscore.score_table(frames["shuffled"].reset_index(drop=True), model_dir)
        known = dict(zip(whole.creative_id, whole.ctr_mean, strict=True))
        rows = zip(frame.creative_id, frame.score, strict=True)
        assert all(known.get(identity, score) == score for identity, score in rows)


def test_a_data_frame_may_hold_paths_of_images(model_dir: Path, sample_dir: Path) -> None:
    pandas = pytest.importorskip("pandas")
    images = sorted((sample_dir / "images").iterdir())[:3]
    frame = pandas.DataFrame({"headline": ["Buy now"] * 4, "image": [*images, None]})
    named = frame.assign(image=[*map(str, images), None])
    scores, expected = (
        adscore.score_table(one, model_dir, id_column="none") for one in (frame, named)
    )
    assert scores.error.isna().all()
    assert scores.equals(expected)
    assert list(frame.image[:3]) == images


def test_an_arrow_table_with_bytes_and_broken_rows(model_dir: Path, mixed: pa.Table) -> None:
    scores = adscore.score_table(mixed, model_dir, id_column="none")
    assert scores["row"].to_pylist() == [str(number) for number in range(1, 9)]
    assert [error is None for error in scores["error"].to_pylist()] == [True, False] * 4


class _Frame:
    """A frame of another library, which says how Arrow reads it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_a_frame_that_arrow_can_read_gives_an_arrow_table(model_dir: Path, mixed: pa.Table) -> None:
    scores = adscore.score_table(_Frame(mixed), model_dir)
    assert scores.equals(adscore.score_table(mixed, model_dir))


def test_a_data_frame_with_a_column_of_two_types_is_refused_by_name(model_dir: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"headline": pandas.Series(["Buy", 7], dtype=object)})
    with pytest.raises(TableError, match="Conversion failed for column headline"):
        adscore.score_table(frame, model_dir, id_column="none", image_column="none")


def test_what_cannot_be_scored_is_refused(model_dir: Path, mixed: pa.Table) -> None:
    with pytest.raises(TableError, match="expected a column 'title'"):
        adscore.score_table(mixed, model_dir, headline_column="title")
    with pytest.raises(BundleError, match="is not a folder"):
        adscore.score_table(mixed, "no-such-model")
    with pytest.raises(TableError, match=r"expected a data frame.*Received: int"):
        adscore.score_table(7, model_dir)
    with pytest.raises(TableError, match="No such file"):
        adscore.score_table("no-such-table.csv", model_dir)


def test_importing_adscore_loads_nothing_else() -> None:
    code = "import sys, adscore; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pyarrow", "onnxruntime", "PIL", "scipy"} & set(done.stdout.split())
    assert adscore.__all__ == ["decide_table", "score_table"]
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        adscore.other  # noqa: B018

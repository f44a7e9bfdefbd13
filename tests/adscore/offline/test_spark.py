"""Skipped where pyspark is missing: `make test-spark` has it, in an environment of its own."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.errors import BundleError, TableError
from adscore.offline.local import score_to
from adscore.offline.options import ScoringOptions
from adscore.table import Columns

pytest.importorskip("pyspark")

from pyspark.errors import PythonException
from pyspark.sql import SparkSession

from adscore.offline import spark as engine

COLUMNS = Columns(group=None)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def frame(spark: Any, sample_dir: Path) -> Any:
    """The simulated log, with an image that is not there, in three partitions."""
    with (sample_dir / "creatives.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[7]["image"] = "images/gone.png"
    return spark.createDataFrame(rows).repartition(3)


@pytest.fixture(scope="module")
def expected(
    frame: Any, model_dir: Path, sample_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What the local engine says."""
    folder = tmp_path_factory.mktemp("expected")
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, frame.columns)
        writer.writeheader()
        writer.writerows(row.asDict() for row in frame.collect())
    options = ScoringOptions(COLUMNS, keep=("campaign_id",), image_root=str(sample_dir))
    score_to(folder / "scores.parquet", model_dir, folder / "t.csv", options)
    rows = pyarrow.parquet.read_table(folder / "scores.parquet").to_pylist()
    return sorted(rows, key=lambda row: str(row["creative_id"]))


@pytest.mark.parametrize("ship", [True, False])
def test_scores_are_those_of_the_local_engine_to_the_last_bit(
    frame: Any, model_dir: Path, sample_dir: Path, expected: list[dict[str, Any]], ship: bool
) -> None:
    scores = engine.score(
        frame, model=model_dir, keep=["campaign_id"], image_root=sample_dir, ship=ship
    )
    rows = [row.asDict() for row in scores.collect()]
    assert sorted(rows, key=lambda row: str(row["creative_id"])) == expected
    assert sum(row["error"] is not None for row in rows) == 1


def test_an_image_that_changed_is_read_again_by_the_next_run(
    spark: Any, model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    first, second = sorted((sample_dir / "images").iterdir())[:2]
    frame = spark.createDataFrame([{"creative_id": "1", "headline": "Buy", "image": "banner"}])
    means = []
    for image in (first, second, first):
        shutil.copy(image, tmp_path / "banner")
        [row] = engine.score(frame, model=model_dir, image_root=tmp_path).collect()
        means.append(row.ctr_mean)
    assert means[0] == means[2] != means[1]


def test_image_bytes_and_two_models_in_one_session(
    spark: Any, model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    image = next(iter(sorted((sample_dir / "images").iterdir()))).read_bytes()
    rows = [{"creative_id": str(n), "headline": f"Buy {n}", "image": image} for n in range(5)]
    frame = spark.createDataFrame(rows)
    copy = tmp_path / "other" / "1"
    copy.mkdir(parents=True)
    for file in (model_dir / "1").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    for model, name in ((model_dir, "sample"), (tmp_path / "other", "other")):
        scores = engine.score(frame, model=model).collect()
        assert [row.error for row in scores] == [None] * 5
        assert {row.model for row in scores} == {name}


def test_images_of_a_table_that_is_a_folder_lie_beside_its_files(
    spark: Any, model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.mkdir()
    image = next(iter(sorted((sample_dir / "images").iterdir())))
    (table / "_banner").write_bytes(image.read_bytes())  # not read as a part of the table
    (table / "part-0.csv").write_text("creative_id,headline,image\n1,Buy now,_banner\n")
    summary = engine.score_to(tmp_path / "out", model_dir, str(table), ScoringOptions(COLUMNS))
    assert summary.rows == 1
    (row,) = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert row["error"] is None


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_tables_are_read_and_failures_counted_as_by_the_local_engine(
    spark: Any, model_dir: Path, sample_dir: Path, tmp_path: Path, ending: str
) -> None:
    with (sample_dir / "creatives.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[3]["image"] = "images/gone.png"
    table = tmp_path / f"t{ending}"
    if ending == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), table, row_group_size=17)
    else:
        rows[5]["headline"] = "half of a pair: \ud83d"
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ScoringOptions(COLUMNS, keep=("campaign_id",), image_root=str(sample_dir))
    local = score_to(tmp_path / "local.parquet", model_dir, table, options)
    there = engine.score_to(tmp_path / "spark", model_dir, str(table), options)
    assert (there.rows, dict(there.reasons)) == (local.rows, dict(local.reasons))
    scores, expected = (
        pyarrow.parquet.read_table(tmp_path / name).sort_by("creative_id").to_pylist()
        for name in ("spark", "local.parquet")
    )
    assert scores == expected
    no_ids = ScoringOptions(Columns(id=None, group=None))
    with pytest.raises(TableError, match="expected an id column"):
        engine.score_to(tmp_path / "other", model_dir, str(table), no_ids)


def test_what_is_wrong_with_the_columns_is_said_before_any_work(
    frame: Any, model_dir: Path
) -> None:
    with pytest.raises(TableError, match="expected a column 'picture'"):
        engine.score(frame, model=model_dir, columns=Columns(image="picture", group=None))
    with pytest.raises(TableError, match="expected an id column"):
        engine.score(frame, model=model_dir, columns=Columns(id=None, group=None))
    with pytest.raises(BundleError, match="is not a folder"):
        engine.score(frame, model="no-such-model")


def test_a_model_that_an_executor_cannot_open_is_named(
    frame: Any, model_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "model" / "1"
    copy.mkdir(parents=True)
    for file in (model_dir / "1").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    scores = engine.score(frame, model=tmp_path / "model", ship=False)
    (copy / "head.onnx").write_bytes(b"changed after the driver looked")
    with pytest.raises(PythonException, match=r"executor on .*/model/1 cannot be opened.*changed"):
        scores.collect()


def test_the_command_scores_on_spark(
    model_dir: Path, sample_dir: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "adscore", "score", str(sample_dir / "creatives.csv")]
    command += ["--model", str(model_dir), "--out", "scores", "--engine", "spark"]
    done = subprocess.run(
        [*command, "--keep", "campaign_id"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    assert "wrote 60 rows: scores" in done.stdout
    rows = pyarrow.parquet.read_table(tmp_path / "scores").to_pylist()
    by_id = {row["creative_id"]: row for row in rows}
    assert len(by_id) == 60
    for row in expected:
        if row["error"] is None:
            assert by_id[row["creative_id"]] == row


def test_decisions_are_those_of_the_local_engine(
    spark: Any,
    sample_dir: Path,
    model_dir: Path,
) -> None:
    from adscore.decision.table import TableDecisions, TableQuestion

    table = str(sample_dir / "creatives.csv")
    here, there = (
        list(TableDecisions(table, model_dir, TableQuestion(Columns(), engine=engine_name)))
        for engine_name in ("local", "spark")
    )
    by_group = {decision.group: decision for decision in there}
    assert len(by_group) == len(here)
    for decision in here:
        other = by_group[decision.group]
        assert (other.status, other.leader) == (decision.status, decision.leader)
        shares = {arm.id: arm.share for arm in other.arms}
        assert {arm.id: arm.share for arm in decision.arms} == pytest.approx(shares, rel=1e-9)

"""Skipped where pyspark is missing: `make test-spark` has it, in an environment of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from adscore.bundle import GOLDEN, HEAD, HEADLINE_ENCODER, IMAGE_ENCODER
from adscore.errors import BrokenRowsError, TrainingError
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, CreativeTable, Target, read_table
from adscore.training import PRESETS, TrainingOptions, cluster, train
from adscore.training.problem import Problem, read_problem

pytest.importorskip("pyspark")

from adscore.offline import spark as engine

pytestmark = pytest.mark.slow  # starts a JVM

CTR = Target.parse("ctr=clicks/impressions")


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[Any]:
    session = (
        engine.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_session", lambda _: session.getOrCreate())
        yield session
    session.getOrCreate().stop()


@pytest.fixture
def table(sample_dir: Path) -> CreativeTable:
    return read_table(sample_dir / "creatives.csv", Columns(), [CTR])


@pytest.fixture
def read_on(
    cache: Path, text_encoder: Path, image_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, CreativeTable], Problem]:
    """Reads a table with one engine, whose features are in a folder of its own."""

    def read(engine_name: str, table: CreativeTable) -> Problem:
        monkeypatch.setenv("ADSCORE_CACHE", str(cache / engine_name))
        options = TrainingOptions(
            text_encoder=str(text_encoder), image_encoder=str(image_encoder), engine=engine_name
        )
        return read_problem(table, options)

    return read


def kept_in(folder: Path) -> dict[bytes, bytes]:
    """All features of a folder, by their keys."""
    cache = cluster.FeatureCache(folder)
    widths = [int(file.stem.partition("-")[2]) for file in folder.rglob("*.f16")]
    assert len(widths) == 2  # of headlines and of images
    return {
        key: row.tobytes()
        for width in widths
        for keys in [sorted(cache.keys(width))]
        for key, row in zip(keys, cache.stored(keys, width).read(), strict=True)
    }


def test_features_are_those_of_the_local_engine_to_the_last_bit(
    read_on: Callable[[str, CreativeTable], Problem],
    table: CreativeTable,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "ROWS_A_TASK", 11)  # several pieces
    here = read_on("local", table).data
    # Some images as files, as a table of bytes has them.
    files = [
        (Path(table.image_root) / str(image)).read_bytes() if row % 3 == 0 else image
        for row, image in enumerate(table.images)
    ]
    there = read_on("spark", replace(table, images=files)).data
    assert np.array_equal(here.images[here.image_index], there.images[there.image_index])
    local = cluster.FeatureCache(cache / "local")
    from adscore.training.inputs import read_inputs

    read_inputs(read_on("local", table))  # headlines are encoded here
    assert kept_in(cache / "local") == kept_in(cache / "spark")
    del local


def test_a_bundle_is_that_of_the_local_engine(table: CreativeTable, tmp_path: Path) -> None:
    scores, files = [], []
    for name in ("local", "spark"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ADSCORE_CACHE", str(tmp_path / f"cache of {name}"))
            path = train(table, tmp_path / name / "model", TrainingOptions(engine=name)).path
        scorer = Scorer.open(path)
        prepared = map(scorer.preparer.creative, map(table.creative, range(20)))
        scores.append(scorer.predict(list(prepared)).mean)
        names = (GOLDEN, HEAD, HEADLINE_ENCODER, IMAGE_ENCODER)
        files.append({file: (path / file).read_bytes() for file in names})
    assert np.array_equal(*scores)
    assert files[0][GOLDEN] == files[1][GOLDEN]


def test_features_that_are_there_are_not_computed_again(
    read_on: Callable[[str, CreativeTable], Problem],
    table: CreativeTable,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_on("local", table)
    before = {file: file.stat().st_size for file in cache.rglob("*.f16")}
    shutil.copytree(cache / "local", cache / "spark")
    kept = []
    keep = cluster._keep
    monkeypatch.setattr(
        cluster, "_keep", lambda found, *rest: (kept.append(found), keep(found, *rest))
    )
    read_on("spark", table)
    images = kept[-1]
    assert images.num_rows == 60
    assert images["features"].null_count == 60
    assert all(
        (cache / "spark" / file.relative_to(cache / "local")).stat().st_size == size
        for file, size in before.items()
    )


def test_rows_that_cannot_be_read_are_named_as_by_the_local_engine(
    read_on: Callable[[str, CreativeTable], Problem], table: CreativeTable
) -> None:
    images = list(table.images)
    images[4], images[9] = "images/gone.png", b"no image"
    broken = replace(table, images=images)
    errors = []
    for name in ("local", "spark"):
        with pytest.raises(BrokenRowsError, match=r"row 5 .*gone.png") as caught:
            read_on(name, broken)
        errors.append((str(caught.value), caught.value.rows))
    assert errors[0] == errors[1]
    assert errors[0][1] == {4, 9}


def test_a_preset_without_features_is_refused(table: CreativeTable) -> None:
    with pytest.raises(TrainingError, match=r"--engine spark: expected features to compute"):
        read_problem(table, TrainingOptions(PRESETS["network"], engine="spark"))


def test_the_command_trains_on_spark(sample_dir: Path, tmp_path: Path, cache: Path) -> None:
    from adscore.cli.app import app

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    log = str(sample_dir / "creatives.csv")
    done = CliRunner().invoke(app, ["train", log, str(tmp_path / "m"), "--engine", "spark"])
    assert done.exit_code == 0, done.output
    assert list(cache.rglob("*.f16"))
    assert (tmp_path / "m" / "1").is_dir()

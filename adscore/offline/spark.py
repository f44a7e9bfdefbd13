"""Scoring on Spark: a thin adapter over the core that every engine runs; and other work there.

Each Python worker of an executor opens the model once, when its first batch comes, and scores on
the one core that Spark gives to a task. The result is that of the local engine, to the last bit.
"""

import atexit
import functools
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import Broadcast, SparkFiles
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from adscore.bundle import MANIFEST, read_bundle, read_manifest, resolve_bundle
from adscore.errors import BundleError, TableError
from adscore.offline.core import BATCH_ROWS, CACHE_BYTES, BatchScorer, result_schema
from adscore.offline.options import ScoringOptions
from adscore.offline.summary import Failures, Summary, merged, warn_of_left_out_context
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.preparation import context_left_out
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, TableStream, open_stream, require_columns, require_types


def score(
    df: DataFrame,
    *,
    model: str | Path,
    columns: Columns | None = None,
    keep: Sequence[str] = (),
    image_root: str | Path = ".",
    ship: bool = True,
) -> DataFrame:
    """Scores a DataFrame; a row that cannot be scored carries its error and stops nothing.

    The file of an image is taken to stay what it was when the result is first computed.

    Args:
        df: The creatives.
        model: Folder of a model or of one of its versions, which the driver can read.
        columns: Which column holds what; as the model was trained unless given. An id column is
            needed, since rows have no numbers.
        keep: Further columns to carry along.
        image_root: Folder or URL that all executors can read, to which image paths are relative.
        ship: Whether the model travels to the executors with the job; otherwise they open it at
            the same path, as on a shared disk.

    Returns:
        As many rows, with the columns of `adscore score`.

    Raises:
        TableError: A column is not there, of a wrong type, or named as one of the result's.
        BundleError: The model cannot be read.
    """
    if columns is None:
        trained = read_manifest(resolve_bundle(Path(model))).training.columns
        columns = replace(trained or Columns(), group=None)
    options = ScoringOptions(columns, tuple(keep), str(image_root))
    _require_ids(options)
    require_columns("the DataFrame", options.read, df.columns)
    rows = df.select(*(f"`{name}`" for name in options.read))
    task = _Task.of(df.sparkSession, Path(model), options, ship=ship)
    warn_of_left_out_context(task.context_left_out)
    return task.run(rows, to_arrow_schema(rows.schema))


def score_to(out: Path, model: Path, table: str, options: ScoringOptions) -> Summary:
    """Scores a table into a new folder of Parquet files, which Spark writes.

    The tasks of Spark read the table themselves, a file or row group of Parquet each. Runs in the
    session that there is, e.g. of spark-submit, or else in one of its own with a worker for each
    core.

    Raises:
        TableError: The table cannot be read, has no rows or no ids, or the folder exists.
        BundleError: The model cannot be read.
    """
    if out.exists():
        raise TableError(f"{out}: expected a new folder. Received: one that exists; remove it")
    _require_ids(options)
    stream = open_stream(table, options.read)
    stream.require_rows()
    pieces = [piece for source in stream.sources for piece in source.pieces()]
    spark = _session("adscore score")
    task = replace(
        _Task.of(spark, model, options.below(stream.folder)),
        table=replace(stream, sources=tuple(pieces)),
    )
    numbers = spark.range(0, len(pieces), 1, len(pieces))
    task.run(numbers, stream.schema).write.parquet(str(out))
    summary = _summary(spark.read.parquet(str(out)), task)
    return replace(summary, remarks=stream.remarks)


def _summary(scores: DataFrame, task: "_Task") -> Summary:
    failed = scores.filter("error is not null")
    by_reason = failed.selectExpr(
        "split(error, '[.] Received')[0] as reason",
        f"concat(`{scores.columns[0]}`, ': ', error) as example",
    )
    found = by_reason.groupBy("reason").agg({"*": "count", "example": "min"})
    reasons = ({row[0]: Failures(row["count(1)"], row["min(example)"])} for row in found.collect())
    left_out = task.context_left_out
    return Summary(task.bundle, scores.count(), merged(reasons), context_left_out=left_out)


def _session(name: str) -> SparkSession:
    """The session that there is, e.g. of spark-submit, or else one with a worker for each core."""
    # Executors must run the Python, and so the packages, of the driver.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkSession.builder.appName(name).getOrCreate()


def _require_ids(options: ScoringOptions) -> None:
    if options.columns.id is None:
        raise TableError("expected an id column: rows on Spark have no numbers")


@dataclass(frozen=True)
class _Task:
    """What executors do to each partition; it travels to them.

    A run is one call of `score`; by the next one the files of images may have changed.

    Attributes:
        bundle: Path of the model's version.
        shipped: Name of its archive, where it travels with the job.
        options: What is read and carried along.
        table: Where partitions hold no rows, but the numbers of sources of this table.
        run_id: Different for each run.
    """

    bundle: Path
    shipped: str | None
    options: ScoringOptions
    table: TableStream | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(
        cls, spark: SparkSession, model: Path, options: ScoringOptions, *, ship: bool = True
    ) -> "_Task":
        """A task with the newest version of a model, which the driver can read."""
        bundle = resolve_bundle(model).absolute()
        return cls(bundle, _ship(spark, bundle) if ship else None, options)

    @property
    def context_left_out(self) -> tuple[str, ...]:
        """Context names that the model reads and that no column holds."""
        return context_left_out(read_bundle(self.bundle).manifest, self.options.columns.context)

    def run(self, partitions: DataFrame, schema: pa.Schema) -> DataFrame:
        """The scores of rows with some columns, once somebody asks for them.

        Raises:
            TableError: A column is of a wrong type, or named as one of the result's.
        """
        require_types(schema, self.options.columns)
        result = result_schema(read_bundle(self.bundle).manifest.targets, self.options, schema)
        return partitions.mapInArrow(self._score, from_arrow_schema(result))

    def _score(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scorer = _begin(self.bundle, self.shipped, self.options, self.run_id)
        for batch in batches:
            for rows in self._rows(batch):
                yield scorer.score(rows)

    def _rows(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        if self.table is None:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
        else:
            for number in batch.column(0).to_pylist():
                piece = replace(self.table, sources=(self.table.sources[number],))
                yield from piece.batches(BATCH_ROWS)


# === For other work than scoring ===

# What is done to some rows on an executor: what all tasks share, rows -> rows.
Work = Callable[[Any, pa.RecordBatch], pa.RecordBatch]


class Cluster:
    """Does work on the executors of a session, some rows of the driver's at a time.

    Args:
        name: Of a session that is begun where there is none, and ended by `close`.
    """

    def __init__(self, name: str) -> None:
        self._is_new = SparkSession.getActiveSession() is None
        self._spark = _session(name)
        self.tasks = max(1, self._spark.sparkContext.defaultParallelism)

    def close(self) -> None:
        """Frees executors and the JVM, where nobody else has begun the session."""
        if self._is_new:
            self._spark.stop()

    def shared(self, value: Any) -> Broadcast[Any]:
        """Sends to all executors, once, what every task needs."""
        return self._spark.sparkContext.broadcast(value)

    def run(
        self, rows: pa.Table, work: Work, shared: Broadcast[Any], schema: pa.Schema
    ) -> pa.Table:
        """Does work to rows, an equal part of them in each task.

        Args:
            rows: As many as the driver has memory for, their results too.
            work: Sees at most `BATCH_ROWS` of them at a time.
            shared: What else it needs.
            schema: Of what it gives.
        """

        def parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield work(shared.value, batch.slice(start, BATCH_ROWS))

        frame = self._spark.createDataFrame(rows).repartition(self.tasks)
        return frame.mapInArrow(parts, from_arrow_schema(schema)).toArrow()


# === On the driver ===


def _ship(spark: SparkSession, bundle: Path) -> str:
    """Sends a bundle to all executors as one file; returns its name there."""
    # A session's files share one folder, so that two models need two names.
    content = str(bundle).encode() + (bundle / MANIFEST).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    archive = _archive(bundle, f"adscore-{digest}.zip")
    spark.sparkContext.addFile(str(archive))
    return archive.name


@functools.lru_cache(maxsize=16)
def _archive(bundle: Path, name: str) -> Path:
    """A bundle as one file, which the driver serves for as long as it lives."""
    folder = Path(tempfile.mkdtemp(prefix="adscore-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file in sorted(path for path in bundle.iterdir() if path.is_file()):
            archive.write(file, f"{bundle.parent.name}/{bundle.name}/{file.name}")
    return folder / name


# === On an executor ===


@functools.lru_cache(maxsize=1)
def _begin(
    bundle: Path,
    shipped: str | None,
    options: ScoringOptions,
    run_id: str,  # noqa: ARG001 - a key of the cache
) -> BatchScorer:
    """What this worker scores the partitions of one run with."""
    return BatchScorer(bundle, options, opened=_open(bundle, shipped))


@functools.lru_cache(maxsize=4)
def _open(bundle: Path, shipped: str | None) -> Scorer:
    """The model of this worker, which Spark keeps for later tasks.

    Raises:
        BundleError: It cannot be opened here.
    """
    try:
        path = bundle if shipped is None else _unpack(SparkFiles.get(shipped))
        return Scorer.open(path, RuntimeOptions(threads=1, cache_bytes=CACHE_BYTES))
    except (OSError, zipfile.BadZipFile, BundleError) as error:
        raise BundleError(
            f"executor on {socket.gethostname()}: model {bundle} cannot be opened: {error}"
        ) from error


def _unpack(archive: str) -> Path:
    """Unpacks a shipped bundle beside it, in a folder that Spark removes with the application."""
    with zipfile.ZipFile(archive) as files:
        folder = tempfile.mkdtemp(dir=SparkFiles.getRootDirectory())
        files.extractall(folder)
        return Path(folder, files.namelist()[0]).parent

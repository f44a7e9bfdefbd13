"""Scoring on Spark: a thin adapter over the core that every engine runs.

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
from pathlib import Path

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from adscore.bundle import MANIFEST, read_bundle, resolve_bundle
from adscore.errors import BundleError, TableError
from adscore.offline.core import BatchScorer
from adscore.offline.local import BATCH_ROWS
from adscore.offline.options import CACHE_BYTES, ScoringOptions, require_types
from adscore.offline.result import result_schema
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from adscore.table import Columns, Location

# How the local engine reads them: columns of text, apart from Parquet.
_READERS: dict[str, Callable[[SparkSession, str], DataFrame]] = {
    ".csv": lambda spark, path: spark.read.csv(
        path, header=True, multiLine=True, quote='"', escape='"'
    ),
    ".jsonl": lambda spark, path: spark.read.json(path, primitivesAsString=True),
    ".ndjson": lambda spark, path: spark.read.json(path, primitivesAsString=True),
    ".parquet": lambda spark, path: spark.read.parquet(path),
}


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
        columns: Which column holds what; an id column is needed, since rows have no numbers.
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
    options = ScoringOptions(columns or Columns(group=None), tuple(keep), str(image_root))
    if options.columns.id is None:
        raise TableError("expected an id column: rows of a DataFrame have no numbers")
    missing = [name for name in options.read if name not in df.columns]
    if missing:
        raise TableError(
            f"expected a column {missing[0]!r}. Received: {', '.join(df.columns)}. Name another"
        )
    bundle = resolve_bundle(Path(model)).absolute()
    rows = df.select(*(f"`{name}`" for name in options.read))
    schema = to_arrow_schema(rows.schema)
    require_types(schema, options.columns)
    result = result_schema(read_bundle(bundle).manifest.targets, options, schema)
    shipped = _ship(df.sparkSession, bundle) if ship else None
    task = functools.partial(_score_partition, str(bundle), shipped, options, uuid.uuid4().hex)
    return rows.mapInArrow(task, from_arrow_schema(result))


def score_table(table: str, out: Path, *, model: Path, options: ScoringOptions) -> int:
    """Scores a table that Spark reads into a new folder of Parquet files, which Spark writes.

    Runs in the session that there is, e.g. of spark-submit, or else in one of its own with a
    worker for each core.

    Returns:
        The number of rows.

    Raises:
        TableError: The table's ending is none that Spark reads here, or the folder exists.
    """
    if out.exists():
        raise TableError(f"{out}: expected a new folder. Received: one that exists; remove it")
    kind = "." + table.rstrip("/").rpartition(".")[2].lower()
    if kind not in _READERS:
        raise TableError(f"{table}: expected a name that ends in {', '.join(_READERS)}")
    # Executors must run the Python, and so the packages, of the driver.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("adscore score").getOrCreate()
    rows = _READERS[kind](spark, table)
    scores = score(
        rows,
        model=model,
        columns=options.columns,
        keep=options.keep,
        image_root=options.image_root or _folder(Location.parse(table)),
    )
    scores.write.parquet(str(out))
    return int(spark.read.parquet(str(out)).count())


# === On the driver ===


def _folder(table: Location) -> str:
    """The folder of a table's files, to which image paths are relative as of `TableStream`."""
    return table.name if table.is_folder() else table.parent


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


def _score_partition(
    bundle: str,
    shipped: str | None,
    options: ScoringOptions,
    run: str,
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    scorer = _begin(bundle, shipped, options, run)
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield scorer.score(batch.slice(start, BATCH_ROWS))


@functools.lru_cache(maxsize=1)
def _begin(
    bundle: str,
    shipped: str | None,
    options: ScoringOptions,
    run: str,  # noqa: ARG001 - a key of the cache
) -> BatchScorer:
    """What this worker scores the partitions of one run with.

    A run is one call of `score`; by the next one the files of images may have changed.
    """
    return BatchScorer(Path(bundle), options, opened=_open(bundle, shipped))


@functools.lru_cache(maxsize=4)
def _open(bundle: str, shipped: str | None) -> Scorer:
    """The model of this worker, which Spark keeps for later tasks.

    Raises:
        BundleError: It cannot be opened here.
    """
    try:
        path = Path(bundle) if shipped is None else _unpack(SparkFiles.get(shipped))
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

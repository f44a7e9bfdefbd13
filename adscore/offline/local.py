"""Scoring a table on this machine, with all its cores and bounded memory."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from adscore import bundle
from adscore.bundle import resolve_bundle
from adscore.cores import usable_cores
from adscore.errors import TableError
from adscore.offline.core import BatchScorer
from adscore.offline.files import new_file, require_new_file
from adscore.offline.in_order import in_order
from adscore.offline.journal import Run
from adscore.offline.options import ScoringOptions
from adscore.offline.parts import PART_ROWS, open_folder
from adscore.table import TableStream

# Rows that one thread works on at a time: enough for full blocks of the graphs, few enough that
# their images, and those of the batches that wait to be written, take little memory.
BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Rows that were scored, those of earlier runs included.
        before: Rows of earlier runs.
        total: Rows of the table.
    """

    done: int
    before: int
    total: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run wrote.

    Attributes:
        rows: Rows of the result.
        errors: Rows of it that have no score.
        before: Rows that earlier runs had scored.
    """

    rows: int
    errors: int
    before: int = 0


def is_folder_output(out: Path) -> bool:
    """Whether an output is a folder of parts, which can be gone on with."""
    return out.is_dir() or not out.suffix


def scored_batches(
    scorer: BatchScorer,
    batches: Iterable[pa.RecordBatch],
    *,
    first_row: int = 0,
) -> Iterator[pa.RecordBatch]:
    """Scores batches on a thread for each usable core; results keep their order.

    Few batches are ahead of the one that is waited for, so that memory is bounded whatever the
    speed of the reader.

    Args:
        scorer: The model.
        batches: What `BatchScorer.score` takes.
        first_row: Place of the first row in the table.
    """
    threads = usable_cores()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
    try:
        numbered = _numbered(batches, first_row)
        yield from in_order(pool, lambda batch: scorer.score(*batch), numbered, threads + 1)
    finally:
        pool.shutdown(cancel_futures=True)


def _numbered(
    batches: Iterable[pa.RecordBatch], first_row: int
) -> Iterator[tuple[pa.RecordBatch, int]]:
    for batch in batches:
        yield batch, first_row
        first_row += batch.num_rows


def score_to(
    out: Path,
    model: Path,
    table: TableStream,
    options: ScoringOptions,
    *,
    part_rows: int = PART_ROWS,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores a table into a new file, or into a folder of parts that a later run goes on with.

    Args:
        out: A .parquet, .csv or .jsonl file, or a folder.
        model: Folder of a model or of one of its versions.
        table: The creatives.
        options: What is read and carried along.
        part_rows: Rows of a part of a folder.
        progress: Told how far it is, after each batch.

    Raises:
        TableError: The table cannot be read or the output not be written.
        BundleError: The model cannot be opened.
    """
    # A version that appears meanwhile is not for this run.
    scorer = BatchScorer(resolve_bundle(model), options)
    told = progress or _tell_nobody
    if is_folder_output(out):
        return _score_to_folder(out, scorer, table, part_rows, told)
    return _score_to_file(out, scorer, table, told)


def _score_to_file(
    out: Path, scorer: BatchScorer, table: TableStream, progress: Callable[[Progress], None]
) -> Summary:
    schema = scorer.result_schema(table.schema)
    require_new_file(out, schema)
    total, done, errors = _count(table), 0, 0
    progress(Progress(done, 0, total))
    with new_file(out, schema) as writer:
        for batch in scored_batches(scorer, table.batches(BATCH_ROWS)):
            writer.write(batch)
            done += batch.num_rows
            errors += batch.num_rows - batch.column("error").null_count
            progress(Progress(done, 0, total))
    return Summary(done, errors)


def _score_to_folder(
    out: Path,
    scorer: BatchScorer,
    table: TableStream,
    part_rows: int,
    progress: Callable[[Progress], None],
) -> Summary:
    schema = scorer.result_schema(table.schema)
    total = _count(table)
    with open_folder(out, _run(scorer, table, part_rows)) as folder:
        before = done = folder.journal.rows
        progress(Progress(done, before, total))
        if not folder.journal.is_whole:
            batches = table.batches(BATCH_ROWS, skip=before)
            scored = scored_batches(scorer, batches, first_row=before)
            for rows in folder.write(scored, schema):
                done += rows
                progress(Progress(done, before, total))
        return Summary(folder.journal.rows, folder.journal.errors, before)


def _run(scorer: BatchScorer, table: TableStream, part_rows: int) -> Run:
    options, columns = scorer.options, scorer.options.columns
    manifest = (scorer.model / bundle.MANIFEST).read_bytes()
    return Run(
        input=table.fingerprint(),
        model=hashlib.sha256(manifest).hexdigest(),
        options={
            "id column": str(columns.id),
            "headline column": str(columns.headline),
            "image column": str(columns.image),
            "context columns": ", ".join(columns.context),
            "columns to keep": ", ".join(options.keep),
            "image root": options.image_root,
        },
        part_rows=part_rows,
    )


def _count(table: TableStream) -> int:
    total = table.count()
    if not total:
        raise TableError(f"{table.location.name}: expected at least one row. Received: none")
    return total


def _tell_nobody(progress: Progress) -> None:
    """What is done with progress that nobody asked for."""

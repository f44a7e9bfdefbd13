"""Scoring a table on this machine, with all its cores and bounded memory."""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import pyarrow as pa

from adscore.bundle import MANIFEST, read_manifest, resolve_bundle
from adscore.cores import in_order, usable_cores
from adscore.creative import NO_COLUMN, Columns, GivenColumns
from adscore.errors import TableError
from adscore.offline.core import BATCH_ROWS, BatchScorer, result_schema
from adscore.offline.files import FormulaGuard, new_file, require_new_file
from adscore.offline.folder import PartFolder, Run, open_folder
from adscore.offline.options import ScoringOptions
from adscore.offline.summary import (
    Failures,
    Summary,
    failures_of,
    merged,
    warn_of_left_out_context,
)
from adscore.table import Piece, TableStream, is_pandas, open_stream


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        done: Rows scored, including those of earlier runs.
        before: Rows of earlier runs.
        share: Share of the table that is done, from 0 to 1, by bytes or rows; None if its size
            is unknown.
    """

    done: int
    before: int
    share: float | None


ProgressCallback = Callable[[Progress], None]
KeptT = TypeVar("KeptT")


# === To files ===


def score_to(
    out: Path,
    model: Path,
    table: Any,
    options: ScoringOptions,
    progress: ProgressCallback = lambda _: None,
) -> Summary:
    """Scores a table into a new file, or into a folder of parts that a later run resumes.

    Args:
        out: A .parquet, .csv or .jsonl file, or a folder.
        model: Folder of a model or of one of its versions.
        table: Anything that `open_stream` accepts.
        options: Which columns are read and copied.
        progress: Called after each batch.

    Raises:
        TableError: The table cannot be read, or the output cannot be written.
        BundleError: The model cannot be opened.
    """
    in_parts = require_out(out)
    stream = open_stream(table, options.read)
    stream.require_rows()
    # Fix the version now: this run must ignore one that appears meanwhile.
    path = resolve_bundle(model)
    result_schema(read_manifest(path).targets, options, stream.schema)
    scorer = BatchScorer(path, options.below(stream.folder))
    write = _score_to_folder if in_parts else _score_to_file
    return replace(write(out, scorer, stream, progress), remarks=stream.remarks)


def require_out(out: Path) -> bool:
    """Checks that scores can be written, before anything is read; returns whether to a folder.

    Raises:
        TableError: They cannot be written.
    """
    in_parts = out.is_dir() or not out.suffix
    if not in_parts:
        require_new_file(out)
    elif not out.absolute().parent.is_dir():
        raise TableError(f"{out}: expected a folder {out.parent}. Received: none of that name")
    return in_parts


def _score_to_file(
    out: Path, scorer: BatchScorer, table: TableStream, progress: ProgressCallback
) -> Summary:
    done, reasons, guard = 0, dict[str, Failures](), FormulaGuard()
    is_guarded = out.suffix.lower() == ".csv" and not scorer.options.raw
    schema = scorer.result_schema(table.schema)
    with new_file(out, guard.schema(schema) if is_guarded else schema) as writer:
        progress(Progress(0, 0, 0.0))
        for scores, share in scored(scorer, table.pieces(BATCH_ROWS), _share):
            writer.write(guard.rows(scores) if is_guarded else scores)
            done += scores.num_rows
            reasons = merged([reasons, failures_of(scores)])
            progress(Progress(done, 0, share))
    return Summary(
        scorer.model,
        done,
        reasons,
        context_left_out=scorer.context_left_out,
        formula_ids=guard.ids,
        formula_examples=tuple(guard.examples),
    )


def _score_to_folder(
    out: Path, scorer: BatchScorer, table: TableStream, progress: ProgressCallback
) -> Summary:
    schema = scorer.result_schema(table.schema)
    with open_folder(out, _run(scorer, table)) as folder:
        before = done = folder.journal.rows
        if not folder.journal.is_whole:
            progress(Progress(done, before, None if before else 0.0))
            batches = scored(scorer, table.pieces(BATCH_ROWS, skip=before), _share)
            with _said_when_interrupted(out, folder):
                for rows, share in folder.write(batches, schema):
                    done += rows
                    progress(Progress(done, before, share))
        rows, reasons = folder.journal.rows, folder.journal.reasons
        return Summary(scorer.model, rows, reasons, before, scorer.context_left_out)


@contextmanager
def _said_when_interrupted(out: Path, folder: PartFolder) -> Iterator[None]:
    """On Ctrl-C, says what the folder keeps and how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        rows = folder.journal.rows
        raise KeyboardInterrupt(
            f"{rows:,} rows are kept in {out}; the same command resumes behind them"
        ) from None


def _run(scorer: BatchScorer, table: TableStream) -> Run:
    options, columns = scorer.options, scorer.options.columns
    manifest = (scorer.model / MANIFEST).read_bytes()
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
        part_rows=options.part_rows,
    )


# === From Python ===


class _TableOptions(TypedDict, total=False):
    id_column: str | None
    headline_column: str | None
    image_column: str | None
    context_columns: Sequence[str]
    keep: Sequence[str]
    image_root: str | Path | None


def score_table(table: Any, model: str | Path, **options: Unpack[_TableOptions]) -> Any:
    """Scores a table of creatives; a row that cannot be scored carries its error.

    Args:
        table: A pandas data frame, an Arrow table or what else Arrow makes one of, such as a frame
            of polars, or the path or fsspec URL of a .csv, .parquet or .jsonl file or of a folder
            of these.
        model: Folder of a model (its newest version) or of one version.
        options: Each may be left out; columns are then those that the model was trained with:

            - ``id_column``: Column that identifies a row; ``"none"`` numbers the rows.
            - ``headline_column``: Column of the headline; ``"none"`` where there is none.
            - ``image_column``: Column of the image, a path, URL or bytes; ``"none"`` where there
              is none.
            - ``context_columns``: Columns such as the placement.
            - ``keep``: Further columns to carry along.
            - ``image_root``: Folder or URL of the image paths; that of the table unless given, and
              for a data frame the current folder.

    Returns:
        A pandas data frame with the same index for one, otherwise an Arrow table; with the columns
        of `adscore score`.

    Raises:
        TableError: The table cannot be read, or a column is not there or of a wrong type.
        BundleError: The model cannot be opened.
    """
    unknown = options.keys() - _TableOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"score_table() got an unexpected keyword argument {min(unknown)!r}")
    path = resolve_bundle(Path(model))
    asked = ScoringOptions(
        _columns(options, read_manifest(path).training.columns),
        tuple(options.get("keep", ())),
        str(options.get("image_root") or ""),
    )
    stream = open_stream(table, asked.read)
    scorer = BatchScorer(path, asked.below(stream.folder))
    for remark in stream.remarks:
        warnings.warn(remark, stacklevel=2)
    result = scorer.result_schema(stream.schema)
    warn_of_left_out_context(scorer.context_left_out)
    batches = [scores for scores, _ in scored(scorer, stream.pieces(BATCH_ROWS), _share)]
    scores = pa.Table.from_batches(batches, result)
    if not is_pandas(table):
        return scores
    frame = scores.to_pandas()
    frame.index = table.index  # so that a column of scores joins the rows that it belongs to
    return frame


def _columns(options: _TableOptions, trained: Columns | None) -> Columns:
    """Columns as named, else those of the training, else the usual; None still means none."""

    def named(option: str | None) -> str:
        return option or NO_COLUMN

    given = GivenColumns(
        id=named(options["id_column"]) if "id_column" in options else None,
        headline=named(options["headline_column"]) if "headline_column" in options else None,
        image=named(options["image_column"]) if "image_column" in options else None,
        group=NO_COLUMN,
        context=options.get("context_columns"),
    )
    return given.over(trained)


# === On all cores ===


def scored(
    scorer: BatchScorer, pieces: Iterable[Piece], beside: Callable[[Piece], KeptT]
) -> Iterator[tuple[pa.RecordBatch, KeptT]]:
    """Scores pieces of a table on a thread per usable core; results keep their order.

    Only a few pieces are read ahead, so that memory is bounded however fast the reader is.

    Args:
        scorer: Scores each piece.
        pieces: Pieces of the table.
        beside: Extracts what to keep of a piece beside its scores; the rest is freed.
    """

    def score(piece: Piece) -> tuple[pa.RecordBatch, KeptT]:
        return scorer.score(piece.rows, piece.first_row), beside(piece)

    threads = usable_cores()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
    try:
        yield from in_order(pool, score, pieces, threads + 1)
    finally:
        pool.shutdown(cancel_futures=True)


def _share(piece: Piece) -> float | None:
    """The share of the table done after a piece."""
    return piece.share

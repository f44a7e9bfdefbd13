"""Scoring one table on this machine."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.creative import Score, TargetScore
from adscore.errors import TableError
from adscore.preparation import PreparedCreative
from adscore.rows import prepare_rows
from adscore.scorer import Scorer
from adscore.table import CreativeTable

# Rows that are decoded and scored together: enough to keep all cores busy, little memory.
CHUNK_ROWS = 256

FIGURES = tuple(field.name for field in fields(TargetScore))
COLUMNS_AFTER_TARGETS = ("agreement", "warnings", "error", "model", "model_version")

Outcome = Score | str  # the score of a row, or why it has none


def score_table(
    scorer: Scorer, table: CreativeTable, id_column: str, progress: Callable[[int], None]
) -> pa.Table:
    """Scores every row; a row that cannot be scored carries its error and stops nothing.

    Args:
        scorer: The model.
        table: The creatives.
        id_column: Name of the id's column in the result.
        progress: Told the number of rows done, after each chunk.

    Returns:
        The id; by target NAME_mean, NAME_lower, NAME_upper, NAME_percentile; agreement;
        warnings (joined by ";"); error; model; model_version. Rows keep their order.

    Raises:
        TableError: The id's column is named as another of the result.
    """
    targets = scorer.manifest.targets
    _require_other_names(table, id_column, targets)
    outcomes: list[Outcome] = []
    for outcome_chunk in _scored_chunks(scorer, table):
        outcomes += outcome_chunk
        progress(len(outcomes))
    text, count = pa.string(), len(outcomes)
    scores = [outcome if isinstance(outcome, Score) else None for outcome in outcomes]
    errors = [outcome if isinstance(outcome, str) else None for outcome in outcomes]
    values = (
        pa.array([score and score.agreement for score in scores], pa.float64()),
        pa.array([score and ";".join(score.warnings) for score in scores], text),
        pa.array(errors, text),
        pa.array([scorer.name] * count, text),
        pa.array([scorer.version] * count, text),
    )
    return pa.table(
        {id_column: pa.array(table.ids, text)}
        | _figure_columns(targets, scores)
        | dict(zip(COLUMNS_AFTER_TARGETS, values, strict=True))
    )


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a .parquet, .csv or .jsonl file; it appears under its name only when whole.

    Raises:
        TableError: The file exists, or its name has another ending.
    """
    require_new_output(path)
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        match path.suffix.lower():
            case ".parquet":
                pyarrow.parquet.write_table(table, partial)
            case ".csv":
                pyarrow.csv.write_csv(table, partial)
            case _:
                partial.write_bytes(msgspec.json.Encoder().encode_lines(table.to_pylist()))
        partial.rename(path)
    except OSError as error:
        raise TableError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def require_new_output(path: Path) -> None:
    """Checks that a result can be written, before the work for it is done.

    Raises:
        TableError: The file exists, its folder does not, or its name has another ending.
    """
    if path.suffix.lower() not in (".parquet", ".csv", ".jsonl"):
        raise TableError(f"{path}: expected an output named .parquet, .csv or .jsonl")
    if path.exists():
        raise TableError(f"{path}: expected a new file. Received: one that exists; remove it")
    if not path.parent.is_dir():
        raise TableError(f"{path}: expected a folder {path.parent}. Received: none of that name")


def _require_other_names(table: CreativeTable, id_column: str, targets: Sequence[str]) -> None:
    figures = [f"{target}_{figure}" for target in targets for figure in FIGURES]
    taken = (*figures, *COLUMNS_AFTER_TARGETS)
    if id_column in taken:
        raise TableError(
            f"{table.path}: expected an id column of another name than the columns of the result "
            f"({', '.join(taken)}). Received: {id_column!r}"
        )


def _figure_columns(targets: Sequence[str], scores: Sequence[Score | None]) -> dict[str, pa.Array]:
    return {
        f"{target}_{figure}": pa.array(
            [score and getattr(score.targets[target], figure) for score in scores], pa.float64()
        )
        for target in targets
        for figure in FIGURES
    }


def _scored_chunks(scorer: Scorer, table: CreativeTable) -> Iterator[list[Outcome]]:
    rows = iter(range(len(table)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
            prepared = prepare_rows(scorer, table, chunk, pool)
            scores = iter(
                scorer.score_prepared([p for p in prepared if isinstance(p, PreparedCreative)])
            )
            yield [next(scores) if isinstance(p, PreparedCreative) else str(p) for p in prepared]

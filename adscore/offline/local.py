"""Scoring one table on this machine."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from adscore.creative import Score, TargetScore
from adscore.errors import InvalidCreativeError, TableError
from adscore.scorer import PreparedCreative, Scorer
from adscore.table import CreativeTable

# Rows that are decoded and scored together: enough to keep all cores busy, little memory.
CHUNK_ROWS = 256

FIGURES = tuple(field.name for field in fields(TargetScore))

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
    """
    outcomes: list[Outcome] = []
    for outcome_chunk in _scored_chunks(scorer, table):
        outcomes += outcome_chunk
        progress(len(outcomes))
    columns: dict[str, pa.Array] = {id_column: pa.array(table.ids, pa.string())}
    for target in scorer.manifest.targets:
        for figure in FIGURES:
            values = [
                getattr(outcome.targets[target], figure) if isinstance(outcome, Score) else None
                for outcome in outcomes
            ]
            columns[f"{target}_{figure}"] = pa.array(values, pa.float64())
    scores = [outcome if isinstance(outcome, Score) else None for outcome in outcomes]
    errors = [outcome if isinstance(outcome, str) else None for outcome in outcomes]
    columns["agreement"] = pa.array([score and score.agreement for score in scores], pa.float64())
    columns["warnings"] = pa.array([score and ";".join(score.warnings) for score in scores])
    columns["error"] = pa.array(errors, pa.string())
    columns["model"] = pa.array([scorer.name] * len(outcomes))
    columns["model_version"] = pa.array([scorer.version] * len(outcomes))
    return pa.table(columns)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a .parquet, .csv or .jsonl file; it appears under its name only when whole.

    Raises:
        TableError: The file exists, or its name has another ending.
    """
    require_new_output(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
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


def _scored_chunks(scorer: Scorer, table: CreativeTable) -> Iterator[list[Outcome]]:
    def prepare(row: int) -> PreparedCreative | str:
        try:
            return scorer.prepare(table.creative(row))
        except InvalidCreativeError as error:
            return str(error)

    rows = iter(range(len(table)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
            prepared = list(pool.map(prepare, chunk))
            scores = iter(
                scorer.score_prepared([p for p in prepared if isinstance(p, PreparedCreative)])
            )
            yield [p if isinstance(p, str) else next(scores) for p in prepared]

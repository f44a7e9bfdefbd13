"""Scoring from Python: a table or data frame in, a table or data frame out."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from adscore.bundle import resolve_bundle
from adscore.errors import TableError
from adscore.offline.core import BatchScorer
from adscore.offline.local import BATCH_ROWS, scored_batches
from adscore.offline.options import ScoringOptions
from adscore.table import NO_COLUMN, Columns, open_stream


def score_table(
    table: Any,
    model: str | Path,
    *,
    id_column: str = "creative_id",
    headline_column: str = "headline",
    image_column: str = "image",
    context_columns: Sequence[str] = (),
    keep: Sequence[str] = (),
    image_root: str | Path | None = None,
) -> Any:
    """Scores a table of creatives; a row that cannot be scored carries its error.

    Args:
        table: A pandas data frame, an Arrow table or what else Arrow makes one of, such as a frame
            of polars, or the path or fsspec URL of a .csv, .parquet or .jsonl file or of a folder
            of these.
        model: Folder of a model (its newest version) or of one version.
        id_column: Column that identifies a row; ``"none"`` numbers the rows.
        headline_column: Column of the headline; ``"none"`` where there is none.
        image_column: Column of the image, a path, URL or bytes; ``"none"`` where there is none.
        context_columns: Columns such as the placement.
        keep: Further columns to carry along.
        image_root: Folder or URL of the image paths; that of the table unless given, and for a
            data frame the current folder.

    Returns:
        A pandas data frame for one, otherwise an Arrow table; columns as of `adscore score`.

    Raises:
        TableError: The table cannot be read, or a column is not there or of a wrong type.
        BundleError: The model cannot be opened.
    """
    columns = Columns(
        id=_given(id_column),
        headline=_given(headline_column),
        image=_given(image_column),
        group=None,
        context=tuple(context_columns),
    )
    options = ScoringOptions(columns, tuple(keep))
    if isinstance(table, str | Path):
        stream = open_stream(str(table), options.read)
        schema, batches, root = stream.schema, stream.batches(BATCH_ROWS), stream.folder
    else:
        rows = _arrow(table, options)
        schema, batches, root = rows.schema, iter(rows.to_batches(BATCH_ROWS)), "."
    options = ScoringOptions(columns, tuple(keep), str(image_root or root))
    scorer = BatchScorer(resolve_bundle(Path(model)), options)
    result = scorer.result_schema(schema)
    scores = pa.Table.from_batches(scored_batches(scorer, batches), result)
    return scores.to_pandas() if _is_pandas(table) else scores


def _given(name: str) -> str | None:
    return None if name == NO_COLUMN else name


def _arrow(table: Any, options: ScoringOptions) -> pa.Table:
    if _is_pandas(table):
        _require_columns(options, list(table.columns))
        return _from_pandas(table[options.read])
    try:
        rows = pa.table(table)
    except (TypeError, pa.ArrowException) as error:
        raise TableError(
            "expected a data frame, an Arrow table, a path or a URL. Received: "
            f"{type(table).__name__}"
        ) from error
    _require_columns(options, rows.column_names)
    return rows.select(options.read)


def _require_columns(options: ScoringOptions, names: Sequence[Any]) -> None:
    missing = [name for name in options.read if name not in names]
    if missing:
        raise TableError(
            f"expected a column {missing[0]!r}. Received: {', '.join(map(str, names))}"
        )


def _from_pandas(frame: Any) -> pa.Table:
    try:
        # What pandas says beside the columns, such as its index, is not part of them.
        rows = pa.Table.from_pandas(_with_text_paths(frame), preserve_index=False)
    except pa.ArrowException as error:
        causes = ": ".join(map(str, reversed(error.args))).partition("\n")[0]
        raise TableError(f"expected columns of one type each. Received: {causes}") from error
    return rows.replace_schema_metadata(None)


def _with_text_paths(frame: Any) -> Any:
    """The same with text where cells are `pathlib` paths, which Arrow does not know."""
    names = [name for name, kind in frame.dtypes.items() if str(kind) == "object"]
    return frame.assign(**{name: frame[name].map(_text_of_path) for name in names})


def _text_of_path(cell: Any) -> Any:
    return str(cell) if isinstance(cell, PurePath) else cell


def _is_pandas(table: Any) -> bool:
    # Without an import: pandas is the user's, and is there where this can be true.
    return type(table).__module__.partition(".")[0] == "pandas"

"""Results -> a table with a row for each, for pandas or Arrow."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adscore_client._exceptions import AdscoreError
from adscore_client._results import Score, TargetScore

if TYPE_CHECKING:
    import pandas
    import pyarrow

_FIGURES = tuple(field.name for field in dataclasses.fields(TargetScore))
_TEXTS = ("creative_id", "warnings", "error", "model", "model_version")


def to_pandas(results: Iterable[Score | AdscoreError]) -> "pandas.DataFrame":
    """Makes a table of scores and errors, e.g. of all that ``Client.score_many`` yields.

        table = to_pandas(client.score_many(creatives))
        table.sort_values("ctr_mean", ascending=False)

    It has the columns that ``adscore score`` writes: creative_id; for each target NAME_mean,
    NAME_lower, NAME_upper and NAME_percentile; agreement; warnings, joined by ";"; error,
    empty where there is a score; model; model_version. Needs pandas.

    Args:
        results: Scores and errors; rows keep their order.

    Raises:
        ImportError: pandas is not installed.
    """
    return columns_to_pandas(_columns(results), _TEXTS)


def to_arrow(results: Iterable[Score | AdscoreError]) -> "pyarrow.Table":
    """Makes an Arrow table with the columns of ``to_pandas``. Needs pyarrow.

    Args:
        results: Scores and errors; rows keep their order.

    Raises:
        ImportError: pyarrow is not installed.
    """
    return columns_to_arrow(_columns(results), _TEXTS)


def columns_to_pandas(columns: Mapping[str, list[Any]], texts: Sequence[str]) -> "pandas.DataFrame":
    """Makes a table of numeric columns, except for those that hold texts.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as exc:
        raise _missing("pandas") from exc
    # Explicit types, since pandas would guess, and an empty column would get none.
    kinds = {name: "object" if name in texts else "float64" for name in columns}
    return pandas.DataFrame(columns).astype(kinds)


def columns_to_arrow(columns: Mapping[str, list[Any]], texts: Sequence[str]) -> "pyarrow.Table":
    """Makes an Arrow table of the same columns.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError as exc:
        raise _missing("pyarrow") from exc
    kinds = {True: pyarrow.string(), False: pyarrow.float64()}
    return pyarrow.table(
        {name: pyarrow.array(values, kinds[name in texts]) for name, values in columns.items()}
    )


def _columns(results: Iterable[Score | AdscoreError]) -> dict[str, list[Any]]:
    rows = list(results)
    scores = [row if isinstance(row, Score) else None for row in rows]
    # In order of first appearance: a new model version may bring other targets.
    targets = list(dict.fromkeys(name for score in scores if score for name in score.targets))
    columns: dict[str, list[Any]] = {"creative_id": [row.creative_id for row in rows]}
    for target in targets:
        figures = [score.targets.get(target) if score else None for score in scores]
        for name in _FIGURES:
            columns[f"{target}_{name}"] = [one and getattr(one, name) for one in figures]
    return columns | {
        "agreement": [score and score.agreement for score in scores],
        "warnings": [score and ";".join(score.warnings) for score in scores],
        "error": [None if isinstance(row, Score) else str(row) for row in rows],
        "model": [score and score.model for score in scores],
        "model_version": [score and score.model_version for score in scores],
    }


def _missing(package: str) -> ImportError:
    return ImportError(
        f"expected {package} to be installed. Received: no such package. Install it with: "
        f"pip install {package}"
    )

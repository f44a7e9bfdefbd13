"""Counts, labels and targets of a table: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adscore.table import Columns, Target, read_table

from .tables import CTR, ROW, TEXT_ALONE, refusal, write_csv, write_parquet


@pytest.mark.parametrize("cell", ["-1", "1.5", "nan", "NaN", "inf", "", "many", "1e300", "0x10"])
@pytest.mark.parametrize("column", ["clicks", "impressions"])
def test_what_is_no_count_is_refused_with_its_cell(tmp_path: Path, cell: str, column: str) -> None:
    counts = f"{cell},7" if column == "impressions" else f"100,{cell}"
    path = write_csv(tmp_path, ROW, f"c2,summer,Buy,a.png,{counts}")
    message = refusal(path, None, CTR)
    assert f"row 2, column {column!r}: expected a whole number" in message
    assert repr(cell) in message


def test_parts_of_a_conversion_are_read_where_the_target_says_so(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,100,12.5")
    assert '--target "ctr=clicks/impressions:fractional"' in refusal(path, None, CTR)
    target = Target.parse("ctr=clicks/impressions:fractional")
    assert Target.parse(f"ctr={target.columns}") == target
    table = read_table(path, Columns(), [target])
    assert table.successes["ctr"][1] == 12.5
    assert table.trials["ctr"].dtype == np.int64
    trials = write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,100.5,12.5")
    assert "column 'impressions': expected a whole number" in refusal(trials, None, target)


def test_a_label_is_never_fractional() -> None:
    with pytest.raises(ValueError, match="expected NAME=SUCCESSES/TRIALS:fractional"):
        Target.parse("liked=is_liked:fractional")


@pytest.mark.parametrize("value", [None, float("nan"), -1, 0.5])
def test_what_is_no_count_is_refused_in_parquet(tmp_path: Path, value: float | None) -> None:
    columns = {"id": ["1"], "headline": ["a"], "impressions": [9]}
    path = write_parquet(tmp_path, {**columns, "clicks": pa.array([value], pa.float64())})
    assert "row 1, column 'clicks'" in refusal(path, TEXT_ALONE, CTR)


def test_more_successes_than_trials_are_refused(tmp_path: Path) -> None:
    message = refusal(write_csv(tmp_path, ROW, "c2,summer,Buy,a.png,10,11"), None, CTR)
    assert "row 2" in message
    assert "'clicks' to be at most 'impressions'. Received: 11 of 10" in message


def test_a_label_beyond_one_is_refused(tmp_path: Path) -> None:
    message = refusal(write_csv(tmp_path, ROW), None, Target.parse("like=clicks"))
    assert "'clicks' to be 0 or 1. Received: 7" in message


def test_two_targets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        read_table(write_csv(tmp_path, ROW), Columns(), [CTR, Target.parse("ctr=clicks")])


@pytest.mark.parametrize(
    "text", ["", "ctr", "ctr=", "=clicks", "ctr=/n", "ctr=clicks/", "a=b/:fractional"]
)
def test_a_target_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=SUCCESSES/TRIALS or NAME=LABEL"):
        Target.parse(text)


@given(st.text(), st.text(), st.none() | st.text(), st.booleans())
def test_a_target_is_read_as_it_is_written(
    name: str, successes: str, trials: str | None, fractional: bool
) -> None:
    # The end of a target says whether its successes are parts of one: no column is called so.
    assume(not any(column and column.endswith(":fractional") for column in (successes, trials)))
    target = Target(
        name.replace("=", "") or "a",
        successes.replace("/", "") or "b",
        trials or None,
        fractional and bool(trials),
    )
    assert Target.parse(f"{target.name}={target.columns}") == target

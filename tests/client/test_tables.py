import math
import sys

import pytest

from adscore_client import (
    InvalidCreativeError,
    Score,
    TargetScore,
    Warning,
    to_arrow,
    to_pandas,
)

RESULTS = [
    Score("a", {"ctr": TargetScore(0.5, 0.25, 0.75, 9.0)}, 0.5, model="m", model_version="3"),
    InvalidCreativeError("image: expected a JPEG", creative_id="b"),
    Score("c", {"cvr": TargetScore(0.1, 0.0, 0.2, 1.0)}, None, tuple(Warning)[:2]),
]
COLUMNS = [
    "creative_id",
    *(f"{target}_{f}" for target in ("ctr", "cvr") for f in TargetScore.__dataclass_fields__),
    "agreement",
    "warnings",
    "error",
    "model",
    "model_version",
]


def test_arrow_table_has_a_row_for_each_result():
    table = to_arrow(iter(RESULTS))
    assert table.column_names == COLUMNS
    first, second, third = table.to_pylist()
    assert (first["creative_id"], first["ctr_mean"], first["cvr_mean"]) == ("a", 0.5, None)
    assert (first["warnings"], first["error"], first["model"]) == ("", None, "m")
    assert (second["creative_id"], second["error"]) == ("b", "image: expected a JPEG")
    assert third["warnings"] == "MISSING_IMAGE;MISSING_HEADLINE"


def test_pandas_table_has_the_same():
    table = to_pandas(iter(RESULTS))
    assert list(table.columns) == COLUMNS
    assert table["ctr_upper"][0] == 0.75
    assert math.isnan(table["agreement"][2])
    assert str(table["agreement"].dtype) == "float64"
    assert table["error"][1] == "image: expected a JPEG"


@pytest.mark.parametrize("make", [to_arrow, to_pandas])
def test_no_results_make_an_empty_table(make):
    assert len(make([])) == 0


@pytest.mark.parametrize(("make", "package"), [(to_arrow, "pyarrow"), (to_pandas, "pandas")])
def test_missing_package_is_named(make, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        make(RESULTS)

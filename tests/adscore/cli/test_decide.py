"""The command `adscore decide`: files out, options and faults, with a tiny model and its log."""

import csv
import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adscore import decide_table
from adscore.cli.app import app
from adscore.decision import rows
from adscore.errors import DecisionError


@pytest.fixture
def run():
    def call(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["decide", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return call


@pytest.fixture
def log(sample_dir: Path, tmp_path: Path):
    """Writes a part of the sample as a table of its own, each row changed as a test asks."""

    def write(change: Any = lambda row: [row], campaigns: int = 2) -> Path:
        with (sample_dir / "creatives.csv").open(newline="") as file:
            found = list(csv.DictReader(file))
        names = sorted({row["campaign_id"] for row in found})[:campaigns]
        kept = [new for row in found if row["campaign_id"] in names for new in change(row)]
        for row in kept:
            row["image"] = str(sample_dir / row["image"])
        path = tmp_path / "log.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, kept[0])
            writer.writeheader()
            writer.writerows(kept)
        return path

    return write


def test_every_output_tells_the_same(run, log, model_dir, tmp_path):
    table = log()
    out, as_json, report = (tmp_path / name for name in ("d.parquet", "d.json", "d.html"))
    said = run(table, "--model", model_dir, "--out", out, "--json", as_json, "--report", report)
    written = json.loads(as_json.read_text())
    assert written["model"] == "sample"
    assert written["targets"] == ["ctr"]
    rows_out = pq.read_table(out).to_pylist()
    assert len(rows_out) == sum(len(group["arms"]) for group in written["groups"].values())
    assert len(written["groups"]) == 2
    for name, group in written["groups"].items():
        assert group["status"] in ("open", "leader", "tie")
        assert sum(arm["share"] for arm in group["arms"]) == pytest.approx(1)
        ours = [row for row in rows_out if row["campaign_id"] == name]
        assert [row["creative_id"] for row in ours] == [arm["id"] for arm in group["arms"]]
        assert [row["share"] for row in ours] == [arm["share"] for arm in group["arms"]]
        assert [row["ctr_trials"] for row in ours] == [arm["trials"] for arm in group["arms"]]
        assert name in said
        assert name in report.read_text()
    assert "2 groups:" in said


def test_python_gives_the_rows_of_the_command(run, log, model_dir, tmp_path):
    table, out = log(), tmp_path / "d.parquet"
    run(table, "--model", model_dir, "--out", out, "--horizon", 5_000, "--aim", "learn")
    result = decide_table(table, model_dir, horizon=5_000, aim="learn")
    assert result.equals(pq.read_table(out))
    frame = decide_table(result_frame(table), model_dir)
    assert list(frame.columns) == result.column_names
    unknown: Any = {"horizont": 5}
    with pytest.raises(TypeError, match="horizont"):
        decide_table(table, model_dir, **unknown)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"aim": "win"}, "aim: expected earn or learn. Received: 'win'"),
        ({"horizon": "many"}, "horizon: expected a number of at least 0. Received: 'many'"),
        ({"horizon": math.inf}, "horizon: expected a number of at least 0. Received: inf"),
        ({"tolerance": None}, "tolerance: expected a share between 0 and 1. Received: None"),
        ({"values": {"ctr": "x"}}, r"values\[ctr\]: expected a number of at least 0"),
        ({"half_life_days": 3}, "half-life: expected date_column with it"),
        ({"date_column": "day", "half_life_days": -1}, "half-life: expected days above 0"),
    ],
)
def test_python_refuses_bad_options(log, model_dir, options, text):
    with pytest.raises(DecisionError, match=text):
        decide_table(log(), model_dir, **options)


def result_frame(table: Path) -> Any:
    import pandas

    return pandas.read_csv(table)


def test_days_of_a_creative_add_up_and_old_ones_count_less(run, log, model_dir, tmp_path):
    today = date(2026, 1, 31)

    def two_days(row):
        return [
            {**row, "day": str(today - timedelta(days=age)), "impressions": "1000", "clicks": "20"}
            for age in (0, 10)
        ]

    table, out = log(two_days), tmp_path / "d.json"
    run(table, "--model", model_dir, "--json", out)
    assert counts(out) == {(2_000, 40)}
    run(table, "--model", model_dir, "--json", out, "--date-column", "day", "--half-life", 10)
    assert counts(out) == {(1_500, 30)}


def test_order_and_distance_of_days_do_not_matter(log, model_dir):
    days = ["2026-01-31", "2026-01-21", "2026-02-10", "1926-01-01", "2026-02-10"]

    def dated(row, order):
        return [{**row, "day": day, "impressions": "1000", "clicks": "20"} for day in order]

    answers = [
        decide_table(
            log(lambda row, order=order: dated(row, order)), model_dir,
            date_column="day", half_life_days=half_life,
        )
        for half_life in (10, 1e-3)
        for order in (days, days[::-1])
    ]  # fmt: skip
    expected = [2_000 + 500 + 250, 2_000 + 500 + 250, 2_000, 2_000]
    for answer, trials in zip(answers, expected, strict=True):
        assert answer["ctr_trials"].to_pylist() == pytest.approx([trials] * len(answer))
    assert answers[0]["share"].to_pylist() == pytest.approx(answers[1]["share"].to_pylist())


def counts(path: Path) -> set[tuple[float, float]]:
    groups = json.loads(path.read_text())["groups"].values()
    return {(arm["trials"], arm["successes"]) for group in groups for arm in group["arms"]}


def test_counts_from_after_the_training_do_not_count_twice(run, log, model_dir, tmp_path):
    def dated(day):
        return lambda row: [{**row, "day": day}]

    out = tmp_path / "d.json"
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    for day, expected in (("2020-01-01", True), (tomorrow.isoformat(), False)):
        run(
            log(dated(day), campaigns=10), "--model", model_dir, "--json", out,
            "--date-column", "day",
        )  # fmt: skip
        groups = json.loads(out.read_text())["groups"].values()
        assert any("GROUP_IN_TRAINING" in group["warnings"] for group in groups) == expected


def test_more_arms_than_are_held_give_the_same_answers(log, model_dir, monkeypatch):
    table = log(campaigns=6)
    whole = decide_table(table, model_dir).to_pylist()
    monkeypatch.setattr(rows.GroupsOfRows.__init__, "__defaults__", (5,))
    in_files = decide_table(table, model_dir).to_pylist()
    by_id = {row["creative_id"]: row for row in in_files}
    assert len(in_files) == len(whole)
    for row in whole:
        assert by_id[row["creative_id"]]["mean"] == pytest.approx(row["mean"], rel=1e-9)
        assert by_id[row["creative_id"]]["share"] == pytest.approx(row["share"], rel=1e-9)


def test_control_is_named_in_its_own_group_alone(run, log, model_dir):
    table = log(campaigns=1)
    with table.open() as file:
        first = next(csv.DictReader(file))["creative_id"]
    assert "1 groups" in run(table, "--model", model_dir, "--control", first)
    assert "control: expected the id of a creative of the table" in run(
        table, "--model", model_dir, "--control", "nobody", code=1
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--aim", "win"], "--aim: expected earn or learn. Received: win"),
        (["--value", "ctr"], "--value: expected NAME=X"),
        (["--value", "ctr=-1"], "--value: expected NAME=X, X at least 0"),
        (["--value", "sales=1"], "expected targets of the model: ctr. Received: 'sales'"),
        (["--half-life", "3"], "--half-life: expected --date-column with it"),
        (
            ["--date-column", "x", "--half-life", "0"],
            "half-life: expected days above 0. Received: 0",
        ),
        (["--date-column", "x", "--half-life", "nan"], "half-life: expected days above 0"),
        (["--date-column", "day"], "'day' is named by --date-column"),
        (["--tolerance", "2"], "tolerance: expected a share between 0 and 1"),
        (["--horizon", "-1"], "horizon: expected a number of at least 0"),
        (["--target", "x=clicks/impressions"], "expected targets of the model: ctr"),
        (["--json", "no folder/d.json"], "--json: expected a file to write"),
    ],
)
def test_bad_options_are_refused(run, log, model_dir, options, text):
    assert text in run(log(), "--model", model_dir, *options, code=1)


def test_bad_rows_are_named_together(run, log, model_dir):
    def more_clicks(row):
        return [{**row, "clicks": "99", "impressions": "10"}]

    assert "row 1, target 'ctr': expected at most as many 'clicks' as trials, 10. Received: 99" in (
        run(log(more_clicks), "--model", model_dir, code=1)
    )

    def unnamed(row):
        return [{**row, "campaign_id": "", "creative_id": "n/a"}]

    said = run(log(unnamed), "--model", model_dir, code=1)
    assert "row 1, column 'campaign_id': expected a name. Received: none" in said
    assert "row 1, column 'creative_id': expected a name. Received: none" in said

    for day, text in (("2226-01-01", "a day that has begun"), ("01/02/2026", "YYYY-MM-DD")):
        table = log(lambda row, day=day: [{**row, "day": day}])
        said = run(table, "--model", model_dir, "--date-column", "day", code=1)
        assert "row 1, column 'day': expected a da" in said
        assert text in said

    def no_image(row):
        return [{**row, "image": "/nowhere.png"}]

    said = run(log(no_image), "--model", model_dir, code=1)
    assert "row 1 (id" in said
    assert "more rows like these" in said

import csv
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import Result

Succeed = Callable[..., Result]
Refuse = Callable[..., str]


def read_rows(path: Path) -> list[dict[str, object]]:
    match path.suffix:
        case ".parquet":
            return pyarrow.parquet.read_table(path).to_pylist()
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            with path.open(newline="") as file:
                return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_score_writes_exactly_the_columns_of_the_contract(
    succeed: Succeed,
    model_dir: Path,
    spoiled_log: Path,
    score_columns: list[str],
    tmp_path: Path,
    ending: str,
) -> None:
    out = tmp_path / f"scores{ending}"
    result = succeed("score", spoiled_log, "--model", model_dir, "--out", out)
    assert f"wrote 60 rows, 2 of them with an error: {out}" in result.stdout
    rows = read_rows(out)
    assert [list(row) for row in rows] == [score_columns] * 60
    assert [row["creative_id"] for row in rows] == [
        r["creative_id"] for r in read_rows(spoiled_log)
    ]
    errors = {number: row["error"] for number, row in enumerate(rows) if row["error"]}
    assert errors.keys() == {2, 4}
    assert "gone.png" in str(errors[2])
    assert str(errors[4]).startswith("headline: expected at most 1000 characters")
    assert {(row["model"], row["model_version"]) for row in rows} == {("sample", "1")}


def test_score_and_evaluate_say_once_that_context_is_left_out(
    succeed: Succeed, model_with_context: Path, log: Path, tmp_path: Path
) -> None:
    text = "warning: the model reads the context placement, and no column is named for it"
    for command in (
        ("score", log, "--model", model_with_context, "--out", tmp_path / "scores.csv"),
        ("score", log, "--model", model_with_context, "--out", tmp_path / "parts"),
        ("evaluate", model_with_context, log),
    ):
        result = succeed(*command)
        assert result.stderr.count(text) == 1
        assert "--context-column placement" in result.stderr
    assert all(
        "MISSING_CONTEXT" in str(row["warnings"]) for row in read_rows(tmp_path / "scores.csv")
    )


def test_score_numbers_rows_that_have_no_id(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.jsonl"
    succeed("score", log, "--model", model_dir, "--out", out, "--id-column", "none")
    rows = read_rows(out)
    assert next(iter(rows[0])) == "row"
    assert [row["row"] for row in rows] == [str(number + 1) for number in range(60)]


def test_score_writes_a_folder_and_carries_columns_along(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    arguments = ("score", log, "--model", model_dir, "--out", tmp_path / "scores")
    keep = ("--keep", "campaign_id", "--keep", "clicks", "--part-rows", "25")
    succeed(*arguments, *keep)
    parts = sorted((tmp_path / "scores").glob("part-*.parquet"))
    rows = [row for part in parts for row in read_rows(part)]
    assert [list(row)[:3] for row in rows] == [["creative_id", "campaign_id", "clicks"]] * 60
    expected = [(row["campaign_id"], row["clicks"]) for row in read_rows(log)]
    assert [(row["campaign_id"], row["clicks"]) for row in rows] == expected
    assert "60 by an earlier run" in succeed(*arguments, *keep).stdout


def test_score_says_how_far_it_is_on_plain_lines(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adscore.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    result = succeed("score", log, "--model", model_dir, "--out", tmp_path / "scores.csv")
    assert re.search(r"scoring: 60 rows, [\d,]+ rows/s, 100%, 0 s left", result.stderr)


def test_score_refuses_an_unknown_engine(
    refuse: Refuse, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "scores.csv", "--engine", "abacus")
    assert "expected local or spark" in refuse("score", log, "--model", model_dir, *out)


def test_score_never_replaces_a_file(
    refuse: Refuse, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.csv"
    out.write_text("mine")
    assert "expected a new file" in refuse("score", log, "--model", model_dir, "--out", out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("name", ["scores.xlsx", "missing/scores.csv"])
def test_score_refuses_an_output_before_it_opens_the_model(
    refuse: Refuse, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    assert str(out) in refuse("score", "no.csv", "--model", tmp_path / "no", "--out", out)


def test_score_refuses_a_changed_model(
    refuse: Refuse, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(model_dir, tmp_path / "model"))
    with (copy / "1" / "head.onnx").open("ab") as file:
        file.write(b"\0")
    out = tmp_path / "scores.csv"
    assert "head.onnx: the file was changed" in refuse("score", log, "--model", copy, "--out", out)
    assert not out.exists()


def test_a_huge_image_is_an_error_of_its_row_and_no_noise(model_dir: Path, tmp_path: Path) -> None:
    # 12000 x 9000: beyond adscore's limit, and large enough that Pillow warns of it.
    header = b"IHDR" + struct.pack(">IIBBBBB", 12_000, 9_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT", b"IEND"]
    png = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    (tmp_path / "t.csv").write_text("creative_id,headline,image\n1,Buy now,huge.png\n")
    command = [sys.executable, "-m", "adscore", "score", "t.csv", "--model", str(model_dir)]
    result = subprocess.run(
        [*command, "--out", "scores.jsonl"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 1
    _, line = result.stderr.splitlines()
    assert line.startswith("error: all 1 rows have no score: 1 x image: expected at most")
    (row,) = read_rows(tmp_path / "scores.jsonl")
    assert "Received: 12000 x 9000 = 108000000 pixels" in str(row["error"])


def test_the_last_line_counts_the_rows_that_failed_and_says_why(
    succeed: Succeed, model_dir: Path, spoiled_log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.csv"
    result = succeed("score", spoiled_log, "--model", model_dir, "--out", out, "--max-errors", 2)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("2 of 60 rows have no score: 1 x image: expected an image file; 1 x")
    assert "1 x headline: expected at most 1000 characters. The first: " in last
    assert "gone.png': No such file or directory" in last


def test_more_failures_than_allowed_end_with_status_1_once_all_is_written(
    refuse: Refuse, model_dir: Path, spoiled_log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.csv"
    arguments = ("score", spoiled_log, "--model", model_dir, "--out", out)
    assert "2 of 60 rows have no score" in refuse(*arguments, "--max-errors", 1)
    assert len(read_rows(out)) == 60


@pytest.mark.parametrize("out", ["scores.jsonl", "scores"])
def test_a_fault_of_all_rows_is_no_success(
    refuse: Refuse, model_dir: Path, log: Path, tmp_path: Path, out: str
) -> None:
    arguments = ("score", log, "--model", model_dir, "--out", tmp_path / out)
    message = refuse(*arguments, "--image-root", tmp_path)
    assert "all 60 rows have no score: 60 x image: expected an image file. The first: " in message
    assert f"No such file or directory, in {tmp_path}" in message
    assert "another folder, name it with --image-root" in message


def test_one_bad_row_of_each_kind_stops_nothing(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    image = read_rows(log)[0]["image"]
    whole = str(log.parent / str(image))
    cells = [whole, "pipe.png", "gone.png", "data:image/png;base64,!!", whole, "no://such/thing"]
    rows = [{"creative_id": f"c{n}", "headline": "Buy", "image": c} for n, c in enumerate(cells)]
    rows[4]["headline"] = "half a pair: \ud83d"
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "scores.csv"
    succeed("score", table, "--model", model_dir, "--out", out)
    errors = [str(row["error"] or "") for row in read_rows(out)]
    assert [bool(error) for error in errors] == [False, True, True, True, True, True]
    assert max(map(len, errors)) < 400


def test_ids_that_a_spreadsheet_would_run_are_named_and_kept(
    succeed: Succeed, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    rows = read_rows(log)[:3]
    ids = ['=HYPERLINK("http://x.example","open")', "@SUM(1)", "plain"]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"creative_id": i} for row, i in zip(rows, ids, strict=True))
    arguments = ("score", tmp_path / "t.csv", "--model", model_dir, "--image-root", log.parent)
    result = succeed(*arguments, "--out", tmp_path / "a.csv")
    assert "warning: 2 ids begin as a formula does" in result.stderr
    assert ids[0] in result.stderr
    assert [row["creative_id"] for row in read_rows(tmp_path / "a.csv")] == ids
    assert succeed(*arguments, "--out", tmp_path / "b.csv", "--raw").stderr == ""


ESCAPE = "\x1b]0;other title\x07"


def test_no_text_of_a_table_steers_the_terminal(
    succeed: Succeed, refuse: Refuse, model_dir: Path, log: Path, tmp_path: Path
) -> None:
    rows = read_rows(log)
    header = [*rows[0], f"{ESCAPE}column"]
    rows[1]["image"] = f"{ESCAPE}.png"
    rows[1]["creative_id"] = f"={ESCAPE}"
    table = tmp_path / f"{ESCAPE}.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    out = ("--model", model_dir, "--out", tmp_path / f"{ESCAPE}.out.csv")
    scored = succeed("score", table, *out, "--image-root", log.parent)
    refused = refuse("score", table, *out[:-1], tmp_path / "b.csv", "--id-column", "none such")
    trained = refuse("train", table, tmp_path / "model", "--image-root", log.parent)
    for said in (scored.stdout, scored.stderr, refused, trained):
        assert "\x1b" not in said
        assert "\\x1b]0;other title\\x07" in said

import csv
import fcntl
import json
import os
import random
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from adscore.errors import TableError
from adscore.offline.files import new_file, require_new_file
from adscore.offline.folder import JOURNAL, LOCK
from adscore.offline.local import Progress, score_to
from adscore.offline.options import ScoringOptions
from adscore.offline.summary import MAX_REASONS, OTHER_REASONS, Failures, merged
from adscore.table import Columns

COLUMNS = Columns(group=None)


@pytest.fixture
def table(mixed: pa.Table, tmp_path: Path) -> Path:
    pyarrow.parquet.write_table(mixed, tmp_path / "mixed.parquet")
    return tmp_path / "mixed.parquet"


@pytest.fixture
def keeping() -> ScoringOptions:
    return ScoringOptions(COLUMNS, keep=("impressions",), part_rows=3)


def read_parts(folder: Path) -> list[dict[str, object]]:
    return pyarrow.parquet.read_table(folder).to_pylist()


# === One file ===


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".jsonl"])
def test_every_format_says_the_same(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    score_to(out / "scores.parquet", model_dir, table, keeping)
    summary = score_to(out / f"scores{ending}", model_dir, table, keeping)
    assert (summary.rows, summary.errors) == (8, 4)
    assert {p.name for p in out.iterdir()} == {"scores.parquet", f"scores{ending}"}
    expected = pyarrow.parquet.read_table(out / "scores.parquet").to_pylist()
    with (out / f"scores{ending}").open(newline="") as file:
        if ending == ".jsonl":
            received = [json.loads(line) for line in file]
        else:
            received = [_typed(row, expected[0]) for row in csv.DictReader(file)]
            expected = [{n: v or None for n, v in row.items()} for row in expected]
            received = [{n: v or None for n, v in row.items()} for row in received]
    assert received == expected


def _typed(row: dict[str, str], like: dict[str, object]) -> dict[str, object]:
    numbers = {name for name, value in like.items() if isinstance(value, float)}
    return {
        name: (float(cell) if name in numbers else int(cell) if name == "impressions" else cell)
        if cell
        else None
        for name, cell in row.items()
    }


@pytest.mark.parametrize("name", ["scores.xlsx", "missing/scores.csv", "there.csv"])
def test_an_output_that_cannot_be_new_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(TableError, match="expected"):
        require_new_file(tmp_path / name)
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_csv_refuses_a_kept_column_that_it_cannot_hold(
    model_dir: Path, mixed: pa.Table, tmp_path: Path
) -> None:
    listed = mixed.append_column("tags", [[["a"]] * 8])
    pyarrow.parquet.write_table(listed, tmp_path / "t.parquet")
    options = ScoringOptions(COLUMNS, keep=("tags",))
    table = tmp_path / "t.parquet"
    with pytest.raises(TableError, match="'tags' of type list"):
        score_to(tmp_path / "scores.csv", model_dir, table, options)
    assert score_to(tmp_path / "scores.jsonl", model_dir, table, options).rows == 8


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    def fail_midway() -> None:
        with new_file(tmp_path / "scores.parquet", pa.schema([("a", pa.int64())])) as writer:
            writer.write(pa.record_batch({"a": [1]}))
            raise RuntimeError("the machine caught fire")

    with pytest.raises(RuntimeError):
        fail_midway()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_never_write_one_file(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])
    out = tmp_path / "scores.csv"

    def open_again() -> None:
        with new_file(out, schema):
            pass

    with new_file(out, schema) as writer:
        writer.write(pa.record_batch({"a": [1]}))
        with pytest.raises(TableError, match="another one at work"):
            open_again()
    assert out.read_text() == '"a"\n1\n'


def test_a_file_left_by_a_killed_run_is_written_over(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    (tmp_path / ".scores.csv.partial").write_text("half")
    with new_file(out, pa.schema([("a", pa.int64())])) as writer:
        writer.write(pa.record_batch({"a": [1]}))
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    assert out.read_text() == '"a"\n1\n'


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"

    def write() -> None:
        with new_file(out, pa.schema([("a", pa.int64())])):
            out.write_text("mine")

    with pytest.raises(TableError, match="expected a new file"):
        write()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_progress_counts_to_the_end(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    told: list[Progress] = []
    score_to(tmp_path / "scores.csv", model_dir, table, keeping, progress=told.append)
    assert told[-1] == Progress(done=8, before=0, share=1.0)


# === A folder of parts ===


def test_a_folder_goes_on_where_a_run_was_ended(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out, whole = tmp_path / "scores", tmp_path / "whole"
    score_to(whole, model_dir, table, keeping)
    expected = read_parts(whole)

    class EndedError(Exception):
        pass

    def end(progress: Progress) -> None:
        if progress.done:
            raise EndedError

    with pytest.raises(EndedError):
        score_to(out, model_dir, table, keeping, progress=end)
    assert sorted(p.name for p in out.glob("part-*")) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    # A part that was written, but not noted, before the end came; and half a line of the journal.
    journal = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(b"".join(journal[:2]) + b'{"number":1,"ro')
    (out / "part-00001.parquet").write_bytes(b"not what it should be")
    summary = score_to(out, model_dir, table, keeping)
    assert (summary.rows, summary.before, summary.errors) == (8, 3, 4)
    assert read_parts(out) == expected
    again = score_to(out, model_dir, table, keeping)
    assert (again.rows, again.before, again.errors) == (8, 8, 4)


def test_a_part_that_was_removed_is_missed(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    (out / "part-00001.parquet").unlink()
    with pytest.raises(TableError, match=r"part-00001\.parquet: expected a part that an earlier"):
        score_to(out, model_dir, table, keeping)


@pytest.mark.parametrize("change", ["cut", "changed", "a pipe"])
def test_a_part_that_is_not_what_was_written_is_missed(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    part = out / "part-00001.parquet"
    content = part.read_bytes()
    part.unlink()
    if change == "a pipe":
        os.mkfifo(part)
    else:
        part.write_bytes(content[:-5] if change == "cut" else content[:-1] + b"x")
    expected = {"cut": f"{len(content) - 5} bytes", "changed": "other content", "a pipe": "a pipe"}
    with pytest.raises(TableError, match=rf"part-00001\.parquet: .*Received: .*{expected[change]}"):
        score_to(out, model_dir, table, keeping)


@pytest.mark.parametrize(
    ("order", "received"),
    [
        ((0, 2), "part 2 of 2 rows in place 1 of 2"),
        ((0, 0, 1, 2), "part 0 of 3 rows in place 1 of 4"),
        ((1, 2), "part 1 of 3 rows in place 0 of 2"),
        ((0, 1, 2, 2), "part 2 of 2 rows in place 2 of 4"),
    ],
)
def test_a_journal_whose_parts_are_out_of_order_is_refused(
    model_dir: Path,
    table: Path,
    keeping: ScoringOptions,
    tmp_path: Path,
    order: tuple[int, ...],
    received: str,
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    run, *parts = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(b"".join([run, *(parts[number] for number in order)]))
    with pytest.raises(TableError, match=f"of 3 rows in order. Received: {received}"):
        score_to(out, model_dir, table, keeping)


def test_a_folder_of_another_version_of_adscore_is_refused(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    run, *_ = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    old = run.replace(b'"format_version":2', b'"format_version":1')
    (out / JOURNAL).write_bytes(old + b'{"number":0,"rows":3,"errors":0,"last":false}\n')
    with pytest.raises(TableError, match="another version of adscore"):
        score_to(out, model_dir, table, keeping)


def test_a_resumed_run_counts_the_failures_of_all(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    first = score_to(out, model_dir, table, keeping)
    again = score_to(out, model_dir, table, keeping)
    assert first.reasons == again.reasons
    reasons = {reason: failures.rows for reason, failures in again.reasons.items()}
    assert sum(reasons.values()) == again.errors == 4
    assert reasons["headline: expected at most 1000 characters"] == 1
    assert again.reasons["headline: expected at most 1000 characters"].example.startswith("c1: ")


def test_many_reasons_are_counted_together() -> None:
    many = ({f"reason {number}": Failures(1, f"c{number}")} for number in range(100))
    reasons = merged(many)
    assert len(reasons) == MAX_REASONS + 1
    assert reasons[OTHER_REASONS] == Failures(100 - MAX_REASONS, f"c{MAX_REASONS}")


def test_a_changed_table_model_or_option_is_refused(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path, mixed: pa.Table
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    before = read_parts(out)
    with pytest.raises(TableError, match="columns to keep '' instead of 'impressions'"):
        score_to(out, model_dir, table, ScoringOptions(COLUMNS, part_rows=3))
    with pytest.raises(TableError, match=r"part_rows 4 instead of 3\. Remove the folder"):
        score_to(out, model_dir, table, replace(keeping, part_rows=4))
    pyarrow.parquet.write_table(mixed.slice(1), tmp_path / "mixed.parquet")
    with pytest.raises(TableError, match="a table that was changed"):
        score_to(out, model_dir, table, keeping)
    assert read_parts(out) == before


def test_a_folder_that_holds_anything_else_is_refused(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(TableError, match=r"one that holds 'mine\.txt'"):
        score_to(out, model_dir, table, keeping)
    assert [p.name for p in out.glob("part-*")] == []


def test_two_runs_never_write_one_folder(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    score_to(out, model_dir, table, keeping)
    with (out / LOCK).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TableError, match="another one at work"):
            score_to(out, model_dir, table, keeping)


@pytest.mark.parametrize("out", ["scores", "scores.parquet", "scores.csv", "scores.jsonl"])
def test_a_full_disk_names_the_file_and_loses_nothing(
    model_dir: Path, table: Path, keeping: ScoringOptions, tmp_path: Path, out: str
) -> None:
    # A limit on the size of files gives the errors of a full disk, and needs no disk of its own.
    script = textwrap.dedent(f"""
        import resource
        from pathlib import Path
        from adscore.errors import TableError
        from adscore.offline.local import score_to
        from adscore.offline.options import ScoringOptions
        from adscore.creative import Columns
        options = ScoringOptions(Columns(group=None), keep=("impressions",), part_rows=3)
        table = {str(table)!r}
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
        try:
            score_to(Path({out!r}), Path({str(model_dir)!r}), table, options)
        except TableError as error:
            print(error)
    """)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, capture_output=True, text=True, check=True
    )
    assert f"{out}" in done.stdout
    assert "cannot be written: File too large. Make room" in done.stdout
    left = {p.name for p in work.rglob("*") if p.is_file()}
    assert left <= {JOURNAL, LOCK}
    work_out = work / out
    if out == "scores":
        assert score_to(work_out, model_dir, table, keeping).rows == 8
        assert len(read_parts(work_out)) == 8


@pytest.mark.slow
def test_kills_at_random_moments_lose_and_double_no_row(
    model_dir: Path, sample_dir: Path, tmp_path: Path
) -> None:
    with (sample_dir / "creatives.csv").open(newline="") as file:
        rows = list(csv.DictReader(file)) * 20
    with (tmp_path / "many.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"creative_id": n} for n, row in enumerate(rows))
    command = [sys.executable, "-m", "adscore", "score", "many.csv", "--model", str(model_dir)]
    command += ["--out", "scores", "--part-rows", "40", "--image-root", str(sample_dir)]
    moments = random.Random(0)
    out = tmp_path / "scores"
    for _ in range(4):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        before = len(list(out.glob("part-*")))
        while process.poll() is None and len(list(out.glob("part-*"))) <= before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.wait()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "wrote 1200 rows" in done.stdout
    assert [row["creative_id"] for row in read_parts(out)] == [str(n) for n in range(1_200)]

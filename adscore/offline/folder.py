"""A folder of results in parts, and its journal: which run it belongs to and which parts are done.

A part is done once the journal says so, which happens after the part has its final name and is on
disk. After a kill, the next run therefore rescores the part that was not recorded and overwrites
what may be there, so that every row appears exactly once.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

from adscore.errors import TableError
from adscore.offline.files import exclusive, sync_folder, table_writer, writing
from adscore.offline.summary import Failures, failures_of, merged
from adscore.table import open_regular

# Readers of Parquet folders ignore names that begin with a dot.
JOURNAL = ".adscore.jsonl"
LOCK = ".adscore.lock"
FORMAT_VERSION = 2  # 1, of adscore 0.1, recorded no checksums


class Run(msgspec.Struct, frozen=True):
    """What must be the same for a run to resume another.

    Attributes:
        input: The table's files and their content.
        model: SHA-256 of the model's manifest, which holds the checksums of all its files.
        options: Columns and similar options.
        part_rows: Rows of a part.
        format_version: Format of the journal.
    """

    input: list[str]
    model: str
    options: dict[str, str]
    part_rows: int
    format_version: int = FORMAT_VERSION


class Part(msgspec.Struct, frozen=True):
    """A finished part.

    Attributes:
        number: From 0.
        rows: Number of rows.
        reasons: By reason, the rows without a score.
        last: Whether it is the last part of the table.
        size: Bytes of its file.
        sha256: Checksum of its file.
    """

    number: int
    rows: int
    reasons: dict[str, Failures]
    last: bool
    size: int
    sha256: str


@dataclass
class Journal:
    """The journal of one folder, whose lock the caller holds.

    Attributes:
        path: The file.
        parts: The finished parts, without a gap.
    """

    path: Path
    parts: list[Part] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, run: Run) -> "Journal":
        """Starts a journal, or resumes one of the same run.

        Raises:
            TableError: The folder holds anything else.
        """
        journal = cls(folder / JOURNAL)
        if journal.path.exists():
            journal._resume(run)
            return journal
        others = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".adscore"))
        if others:
            raise TableError(
                f"{folder}: expected a new or empty folder, or one of an unfinished run. Received: "
                f"one that holds {others[0]!r}"
            )
        beginning = folder / f"{JOURNAL}.partial"
        with beginning.open("wb") as file:
            file.write(msgspec.json.encode(run) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beginning.rename(journal.path)
        sync_folder(folder)
        return journal

    @property
    def is_whole(self) -> bool:
        """Whether all parts are done."""
        return bool(self.parts) and self.parts[-1].last

    @property
    def rows(self) -> int:
        """Rows that are done."""
        return sum(part.rows for part in self.parts)

    @property
    def reasons(self) -> dict[str, Failures]:
        """By reason, the finished rows without a score."""
        return merged(part.reasons for part in self.parts)

    def append(self, part: Part) -> None:
        """Records a finished part; returns once the record would survive a power loss."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(part) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.parts.append(part)

    def _refused(self, expected: str) -> TableError:
        advice = "Remove the folder, or name a new one"
        return TableError(f"{self.path}: expected {expected}. {advice}")

    def _resume(self, run: Run) -> None:
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]  # a kill may have truncated the last line
        try:
            first, *lines = whole.splitlines()
            self._require_same(msgspec.json.decode(first, type=Run), run)
            self.parts = [msgspec.json.decode(line, type=Part) for line in lines]
        except (ValueError, msgspec.MsgspecError) as error:
            raise self._refused(f"a journal of adscore. Received: {error}") from error
        wrong = _first_out_of_order(self.parts, run.part_rows)
        if wrong is not None:
            raise self._refused(f"parts of {run.part_rows} rows in order. Received: {wrong}")
        if len(whole) < len(data):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))

    def _require_same(self, before: Run, run: Run) -> None:
        names = Run.__struct_fields__
        changed = [name for name in names if getattr(before, name) != getattr(run, name)]
        if changed:
            difference = _difference(changed[0], before, run)
            raise self._refused(f"the run that began this folder. Received: {difference}")


@contextmanager
def open_folder(folder: Path, run: Run) -> Iterator["PartFolder"]:
    """Starts a folder of results, or resumes it, and locks it against other runs.

    Raises:
        TableError: It belongs to another run, another run is active there, or it cannot be
            written.
    """
    with writing(folder):
        if not folder.parent.is_dir():
            raise TableError(
                f"{folder}: expected a folder {folder.parent}. Received: none of that name"
            )
        folder.mkdir(exist_ok=True)
        with exclusive(folder / LOCK):
            journal = Journal.open(folder, run)
            _require_parts(folder, journal)
            yield PartFolder(folder, journal, run.part_rows)


class PartFolder:
    """Results in parts of a fixed number of rows; `part-00000.parquet` is the first."""

    def __init__(self, folder: Path, journal: Journal, part_rows: int) -> None:
        self.folder = folder
        self.journal = journal
        self._part_rows = part_rows

    def write(
        self, batches: Iterator[tuple[pa.RecordBatch, float | None]], schema: pa.Schema
    ) -> Iterator[tuple[int, float | None]]:
        """Writes the rows after the finished parts.

        Args:
            batches: Batches of rows, each with the share of the table done after it.
            schema: Schema of all batches.

        Yields:
            The number of rows of each batch, once it is accepted, and its share.

        Raises:
            TableError: A part cannot be written; those before it stay.
        """
        held: list[pa.RecordBatch] = []
        count = 0
        for batch, share in batches:
            rest = batch
            while count + rest.num_rows > self._part_rows:  # so that the last part is known
                taken = self._part_rows - count
                self._write_part([*held, rest.slice(0, taken)], schema, last=False)
                rest, held, count = rest.slice(taken), [], 0
            held.append(rest)
            count += rest.num_rows
            yield batch.num_rows, share
        self._write_part(held, schema, last=True)

    def _write_part(self, batches: list[pa.RecordBatch], schema: pa.Schema, *, last: bool) -> None:
        number = len(self.journal.parts)
        path = _part_path(self.folder, number)
        partial = self.folder / f".adscore.{path.name}.partial"
        rows = sum(batch.num_rows for batch in batches)
        reasons = merged(map(failures_of, batches))
        with writing(path):
            try:
                with partial.open("wb") as file:
                    with table_writer(file, path.suffix, schema) as writer:
                        for batch in batches:
                            writer.write(batch)
                    file.flush()
                    os.fsync(file.fileno())
                size, sha256 = _content(partial)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            partial.replace(path)  # overwrites a part of a killed run that did not record it
            sync_folder(self.folder)
            self.journal.append(Part(number, rows, reasons, last, size, sha256))


def _first_out_of_order(parts: Sequence[Part], part_rows: int) -> str | None:
    """The first part that is missing, duplicated, of a wrong length, or after the last one."""
    for place, part in enumerate(parts):
        is_last = part.last and place == len(parts) - 1
        is_whole = part.rows == part_rows or (is_last and 0 < part.rows < part_rows)
        if part.number != place or part.last != is_last or not is_whole:
            return f"part {part.number} of {part.rows} rows in place {place} of {len(parts)}"
    return None


def _difference(name: str, before: Run, run: Run) -> str:
    match name:
        case "input":
            return "a table that was changed, or another one"
        case "model":
            return "another model"
        case "format_version":
            return "another version of adscore"
        case "options":
            options = [
                f"{key} {run.options.get(key)!r} instead of {before.options.get(key)!r}"
                for key in sorted(before.options.keys() | run.options.keys())
                if before.options.get(key) != run.options.get(key)
            ]
            return f"other options: {', '.join(options)}"
    return f"{name} {getattr(run, name)} instead of {getattr(before, name)}"


def _part_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.parquet"


def _content(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _require_parts(folder: Path, journal: Journal) -> None:
    """Checks that the finished parts are unchanged.

    Raises:
        TableError: A part is missing, truncated or changed.
    """
    for part in journal.parts:
        path = _part_path(folder, part.number)
        try:
            size, sha256 = _content(path)
        except OSError as error:
            received = "none of that name" if isinstance(error, FileNotFoundError) else str(error)
        else:
            if (size, sha256) == (part.size, part.sha256):
                continue
            received = f"{size} bytes" if size != part.size else "other content"
        raise TableError(
            f"{path}: expected a part that an earlier run wrote, of {part.size} bytes. Received: "
            f"{received}. Remove the folder, or name a new one"
        )

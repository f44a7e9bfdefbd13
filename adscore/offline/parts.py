"""A folder of results, written in parts, which a later run goes on with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from adscore.errors import TableError
from adscore.offline.files import exclusive, sync_folder, table_writer, writing
from adscore.offline.journal import Journal, Part, Run

LOCK = ".adscore.lock"
PART_ROWS = 8_192


@contextmanager
def open_folder(folder: Path, run: Run) -> Iterator["PartFolder"]:
    """Begins a folder of results, or goes on with it; no other run can meanwhile.

    Raises:
        TableError: It belongs to another run, one is at work there, or it cannot be written.
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

    def write(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[int]:
        """Writes the rows after those that are done, and tells the number of each batch.

        Raises:
            TableError: A part cannot be written; those before it stay.
        """
        held: list[pa.RecordBatch] = []
        count = 0
        for batch in batches:
            rest = batch
            while count + rest.num_rows > self._part_rows:  # so that the last part is known
                taken = self._part_rows - count
                self._write_part([*held, rest.slice(0, taken)], schema, last=False)
                rest, held, count = rest.slice(taken), [], 0
            held.append(rest)
            count += rest.num_rows
            yield batch.num_rows
        self._write_part(held, schema, last=True)

    def _write_part(self, batches: list[pa.RecordBatch], schema: pa.Schema, *, last: bool) -> None:
        number = len(self.journal.parts)
        path = _part_path(self.folder, number)
        partial = self.folder / f".adscore.{path.name}.partial"
        rows = sum(batch.num_rows for batch in batches)
        errors = sum(b.num_rows - b.column("error").null_count for b in batches)
        with writing(path):
            try:
                with partial.open("wb") as file:
                    with table_writer(file, path.suffix, schema) as writer:
                        for batch in batches:
                            writer.write(batch)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            partial.replace(path)  # of a run that was killed before it noted the part
            sync_folder(self.folder)
            self.journal.append(Part(number, rows, errors, last))


def _part_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05}.parquet"


def _require_parts(folder: Path, journal: Journal) -> None:
    """Checks that what is done is there: rows of a file that was removed would be missing."""
    for part in journal.parts:
        path = _part_path(folder, part.number)
        if not path.is_file():
            raise TableError(
                f"{path}: expected a part that an earlier run wrote. Received: none of that name. "
                "Remove the folder, or name a new one"
            )

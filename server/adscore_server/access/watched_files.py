"""Detects changes of files, such as tokens and certificates, that are replaced in place."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

# mtime, ctime, size and inode of each file; a replaced link has another inode, and a copy that
# keeps its mtime has a new ctime.
Signature = tuple[tuple[int, int, int, int], ...]


def read_file(path: Path, max_bytes: int) -> bytes:
    """Reads a file that the operator named, without blocking on a pipe.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a regular file, or is larger than allowed.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: expected a regular file. Received: another kind")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{path}: expected at most {max_bytes} bytes. Received: more")
    return data


class WatchedFiles:
    """Detects that one of several files was written, replaced or removed.

    Args:
        paths: The files; links are followed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._read: Signature | None = None

    def change(self) -> Signature | None:
        """The current signature if it differs from that of the last read, else None."""
        signature = tuple(_signature(path) for path in self._paths)
        return None if signature == self._read else signature

    def was_read(self, signature: Signature) -> None:
        """Marks a change as handled; until then `change` keeps reporting it."""
        self._read = signature


def _signature(path: Path) -> tuple[int, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0, 0
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

"""Files that are read again once they change: tokens and certificates are replaced in place."""

from collections.abc import Sequence
from pathlib import Path

# Time of change, size and inode of each file; a replaced link has another inode.
Signature = tuple[tuple[int, int, int], ...]


class WatchedFiles:
    """Notices that one of some files was written, replaced or removed.

    Args:
        paths: The files; links are followed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._read: Signature | None = None

    def change(self) -> Signature | None:
        """What they are now, where that is other than what was read last; else None."""
        signature = tuple(_signature(path) for path in self._paths)
        return None if signature == self._read else signature

    def was_read(self, signature: Signature) -> None:
        """Settles a change, once the files were read after it; until then it stays one."""
        self._read = signature


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino

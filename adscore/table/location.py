"""Files by path or URL: local ones, and those on any fsspec filesystem.

fsspec is imported only for a URL. Users install the package for their filesystem (s3fs for s3://,
gcsfs for gs://, ...) and configure its credentials.
"""

import errno
import hashlib
import os
import posixpath
import stat
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from adscore.errors import TableError, cut

_IGNORED = (".", "_")  # prefixes of journals, markers and unfinished files


def is_url(location: str) -> bool:
    """Whether a location is a URL, such as ``s3://bucket/table.csv``."""
    return "://" in location


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file to read; refuses anything else at once, since a pipe may never end.

    Raises:
        OSError: The file cannot be opened, or is not a regular file.
        ValueError: The path contains a NUL.
    """
    # Without O_NONBLOCK, opening a pipe blocks until a writer opens it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a device or a socket"
    raise OSError(errno.EINVAL, f"{kind}, no regular file")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder, on this machine or behind a URL.

    Attributes:
        name: Path or URL as given; errors name it.
        filesystem: An fsspec filesystem; None for a local path.
        path: Path on the filesystem.
    """

    name: str
    filesystem: Any = field(repr=False, default=None)
    path: str = ""

    @classmethod
    def parse(cls, name: str) -> "Location":
        """Resolves a URL to its filesystem; a path is local.

        Raises:
            TableError: fsspec or the package for the filesystem is not installed.
        """
        if not is_url(name):
            return cls(name, None, name)
        try:
            import fsspec

            filesystem, path = fsspec.core.url_to_fs(name)
        except (ImportError, ValueError) as error:
            raise TableError(
                f"{cut(name)}: expected a URL of an installed filesystem (pip install fsspec, and "
                f"the package of the filesystem, e.g. s3fs). Received: {cut(error)}"
            ) from error
        # Treat file:// as a local path, so that pipes are refused there too.
        return cls(name, None if "file" in filesystem.protocol else filesystem, path)

    @property
    def kind(self) -> str:
        """File extension in lower case, e.g. ``.csv``; of a .gz file, that of its content."""
        return posixpath.splitext(self.path.lower().removesuffix(".gz"))[1]

    @property
    def parent(self) -> str:
        """The parent folder, as a path or URL."""
        return self.name.rpartition("/")[0] if self.filesystem else str(Path(self.path).parent)

    def is_folder(self) -> bool:
        """Whether it is a folder."""
        if self.filesystem is None:
            return Path(self.path).is_dir()
        return bool(self.filesystem.isdir(self.path))

    def files(self) -> list["Location"]:
        """The files of a folder in order of name, without those that begin with "." or "_"."""
        if self.filesystem is None:
            paths = sorted(p for p in Path(self.path).iterdir() if p.is_file())
            return [Location(str(p), None, str(p)) for p in paths if p.name[0] not in _IGNORED]
        found = sorted(entry["name"] for entry in self.filesystem.ls(self.path, detail=True))
        return [
            Location(str(self.filesystem.unstrip_protocol(path)), self.filesystem, path)
            for path in found
            if posixpath.basename(path.rstrip("/"))[:1] not in ("", *_IGNORED)
        ]

    def open(self) -> BinaryIO:
        """Opens the file to read; raises the errors of its filesystem."""
        if self.filesystem is None:
            return open_regular(Path(self.path))
        return cast("BinaryIO", self.filesystem.open(self.path, "rb"))

    def size(self) -> int | None:
        """Size in bytes; None if the filesystem does not know it or the file is compressed."""
        if self.path.lower().endswith(".gz"):
            return None
        if self.filesystem is None:
            return Path(self.path).stat().st_size
        size = self.filesystem.size(self.path)
        return None if size is None else int(size)

    def fingerprint(self) -> str:
        """A string that changes with the content.

        For a local file its SHA-256; for a remote one what the filesystem reports without
        a download: size, time and entity tag.
        """
        if self.filesystem is not None:
            return str(self.filesystem.ukey(self.path))
        with open_regular(Path(self.path)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

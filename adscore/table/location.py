"""Files by path or URL: local ones, and those of any filesystem that fsspec knows.

fsspec is imported only for a URL. What reads s3:// or gs:// is a package of the user's (s3fs,
gcsfs, ...), and so are its credentials.
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

_IGNORED = (".", "_")  # how journals, markers and unfinished files begin


def is_url(location: str) -> bool:
    """Whether a location names a filesystem, as in ``s3://bucket/table.csv``."""
    return "://" in location


def open_regular(path: Path) -> BufferedReader:
    """Opens a file to read; anything else is refused at once, since a pipe may never end.

    Raises:
        OSError: It cannot be opened, or is no regular file.
        ValueError: The path holds a NUL.
    """
    # Without O_NONBLOCK the opening of a pipe waits for its writer.
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
        name: As it was given; errors name it.
        filesystem: An fsspec filesystem; None for a local path.
        path: Its path there.
    """

    name: str
    filesystem: Any = field(repr=False, default=None)
    path: str = ""

    @classmethod
    def parse(cls, name: str) -> "Location":
        """Finds the filesystem of a URL; a path is local.

        Raises:
            TableError: fsspec or the package of its filesystem is not installed.
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
        # What is local is read as such, so that a pipe is refused behind file:// too.
        return cls(name, None if "file" in filesystem.protocol else filesystem, path)

    @property
    def kind(self) -> str:
        """The ending of its name, e.g. ``.csv``, in small letters; that of what is in a .gz."""
        return posixpath.splitext(self.path.lower().removesuffix(".gz"))[1]

    @property
    def parent(self) -> str:
        """The folder that holds it, as a path or URL."""
        return self.name.rpartition("/")[0] if self.filesystem else str(Path(self.path).parent)

    def is_folder(self) -> bool:
        """Whether it is a folder."""
        if self.filesystem is None:
            return Path(self.path).is_dir()
        return bool(self.filesystem.isdir(self.path))

    def files(self) -> list["Location"]:
        """The files of a folder by name, those that begin with "." or "_" left out."""
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
        """Opens it to read; raises what its filesystem raises."""
        if self.filesystem is None:
            return open_regular(Path(self.path))
        return cast("BinaryIO", self.filesystem.open(self.path, "rb"))

    def size(self) -> int | None:
        """Its bytes; None where its filesystem does not know, or they are packed."""
        if self.path.lower().endswith(".gz"):
            return None
        if self.filesystem is None:
            return Path(self.path).stat().st_size
        size = self.filesystem.size(self.path)
        return None if size is None else int(size)

    def fingerprint(self) -> str:
        """Another one where the content is another.

        The SHA-256 of a local file; of a remote one what its filesystem tells without a download:
        size, time and entity tag.
        """
        if self.filesystem is not None:
            return str(self.filesystem.ukey(self.path))
        with open_regular(Path(self.path)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

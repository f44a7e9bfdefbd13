"""Turns the image cells of a table into encoded images, for training and scoring."""

import base64
import binascii
import errno
import os
import posixpath
from pathlib import Path

from adscore.errors import InvalidCreativeError, Reason, TableError, cut
from adscore.table.location import Location, is_url, open_regular

# The system's message for a missing file.
NO_FILE = os.strerror(errno.ENOENT)


def is_data_uri(name: str) -> bool:
    """Whether a cell holds the image itself, as in ``data:image/png;base64,...``."""
    return name[:5].lower() == "data:"


class ImageSource:
    """Reads images by path, URL or data URI; safe to use from many threads.

    Args:
        root: Folder (a path or URL) to which paths are relative.
        max_bytes: Limit on the file size, checked before or during the read.
    """

    def __init__(self, root: str, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def read(self, name: str) -> bytes:
        """Reads one image file.

        Args:
            name: A path, relative to the root, a URL or a data URI; ``""`` gives ``b""``.

        Raises:
            InvalidCreativeError: The file is missing, too large or not a regular file, or its
                download failed.
        """
        if not name:
            return b""
        try:
            if data := self._read(name):
                return data
            raise ValueError("an empty file")
        except InvalidCreativeError:
            raise
        except Exception as error:  # errors of remote filesystems share no base class
            cause = getattr(error, "strerror", None) or error
            raise InvalidCreativeError(
                "image",
                Reason.IMAGE_UNREADABLE,
                f"expected an image file. Received: {_cut_path(name)!r}: {cut(cause)}"
                f"{self._looked_in(name)}",
            ) from error

    def is_remote(self, name: str) -> bool:
        """Whether reading an image goes over the network, and so mostly waits."""
        return is_url(name) or (is_url(self._root) and not is_data_uri(name))

    def _read(self, name: str) -> bytes:
        if is_data_uri(name):
            return self._decode(name)
        return self._download(name) if self.is_remote(name) else self._read_file(name)

    def _decode(self, uri: str) -> bytes:
        head, comma, text = uri.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError("a data URI that is not in base64")
        if len(text) * 3 // 4 > self._max_bytes + 2:  # two characters may be padding
            raise self._too_large(len(text) * 3 // 4)
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"a data URI whose base64 is broken: {error}") from error

    def _read_file(self, name: str) -> bytes:
        with open_regular(self._path(name)) as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._max_bytes:
                raise self._too_large(size)
            # The file may grow meanwhile; one byte more shows whether it ends here.
            return file.read(size + 1)

    def _path(self, name: str) -> Path:
        path = Path(self._root, name)
        if "\\" in name and not path.exists():  # a Windows path
            return Path(self._root, name.replace("\\", "/"))
        return path

    def _looked_in(self, name: str) -> str:
        if is_url(name) or is_data_uri(name) or Path(name).is_absolute():
            return ""
        return f", in {Path(self._root).absolute()}"

    def _download(self, name: str) -> bytes:
        url = name if is_url(name) else posixpath.join(self._root, name)
        try:
            location = Location.parse(url)
        except TableError as error:
            raise InvalidCreativeError("image", Reason.IMAGE_UNREADABLE, str(error)) from error
        with location.open() as file:
            data = file.read(self._max_bytes + 1)
            size = getattr(file, "size", None)
        if len(data) > self._max_bytes:
            raise self._too_large(size or len(data))
        if size is not None and len(data) != size:
            raise OSError(f"the download broke off after {len(data)} of {size} bytes")
        return data

    def _too_large(self, size: int) -> InvalidCreativeError:
        return InvalidCreativeError(
            "image",
            Reason.IMAGE_TOO_MANY_BYTES,
            f"expected at most {self._max_bytes} bytes. Received: {size} bytes",
        )


def _cut_path(name: str, characters: int = 80) -> str:
    """A path for an error message; a long one keeps its end, which names the file."""
    end = name[3 - characters :]
    if is_data_uri(name) or len(name) <= characters or not {"/", "\\"} & set(end):
        return cut(name, characters)
    return f"...{end}"

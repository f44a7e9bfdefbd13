"""Bearer tokens: how they are made, and the file that knows them by their hash.

A line of the file is a name and the SHA-256 of a token; the file holds no secret. A plain hash is
right here and a slow one is not: a token has 256 random bits, which nobody guesses however
fast guesses are, and it is hashed for every call. (Passwords are short, hence bcrypt and the like.)
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from adscore_server.access.watched_files import WatchedFiles
from adscore_server.errors import StartError

TOKEN_PREFIX = "adscore_"  # noqa: S105 - lets scanners of leaked secrets know one

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})")
_TOKEN_BYTES = 32

_logger = logging.getLogger(__name__)


def new_token() -> str:
    """Draws a token of 256 random bits, 51 characters long."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def token_line(name: str, token: str) -> str:
    """The line of a token file for a token.

    Raises:
        ValueError: The name is not 1 to 64 letters, digits, dots, dashes and underscores.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "name: expected 1 to 64 letters, digits, dots, dashes and underscores, a letter or "
            f"digit first. Received: {name!r}"
        )
    return f"{name} sha256:{_digest(token).hex()}"


def add_token_line(path: Path, line: str) -> None:
    """Adds a line to a token file, or makes the file, readable for its owner alone.

    Raises:
        OSError: It cannot be written.
    """
    with contextlib.suppress(FileExistsError):
        path.touch(0o600, exist_ok=False)
    with path.open("rb+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # as editors may leave the last line
                file.write(b"\n")
        file.write(f"{line}\n".encode())


def parse_token_lines(text: str) -> dict[bytes, str]:
    """Reads a token file; empty lines and those that begin with # do not count.

    A name may have several tokens, so that its owner can go over to a new one.

    Returns:
        The name by the SHA-256 of the token, 32 bytes.

    Raises:
        ValueError: A line is none; the text has its number, and nothing of what it holds.
    """
    names: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        match = _LINE.fullmatch(entry)
        if match is None:
            raise ValueError(
                f"line {number}: expected NAME sha256:HASH, as `adscore token NAME` prints it. "
                "Received: something else"
            )
        names[bytes.fromhex(match[2])] = match[1]
    return names


class TokenFile:
    """The tokens that a server accepts; safe to use from many threads.

    The file is read again when it changes. One that cannot be read then leaves the tokens
    as they were, with a line in the log; one without a token lets nobody in.

    Args:
        path: The file.

    Raises:
        StartError: It cannot be read, or holds no token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = WatchedFiles([path])
        self._lock = threading.Lock()
        self._files.changed()
        try:
            self._names: Mapping[bytes, str] = self._read()
        except (OSError, ValueError) as error:
            raise StartError(_unreadable(path, error)) from error
        if not self._names:
            raise StartError(
                f"--tokens {path}: expected at least one token. Received: none. "
                f"Make one: adscore token NAME --add-to {path}"
            )

    def name_of(self, token: str) -> str | None:
        """The name of a token; None where there is no such token."""
        self._refresh()
        digest, name = _digest(token), None
        # Compared with all of them, each in constant time: how long it takes tells nothing.
        for known, owner in self._names.items():
            if hmac.compare_digest(digest, known):
                name = owner
        return name

    def _refresh(self) -> None:
        with self._lock:
            if not self._files.changed():
                return
            try:
                self._names = self._read()
            except (OSError, ValueError) as error:
                _logger.error("%s. The tokens stay as they were", _unreadable(self._path, error))
                return
        _logger.info("Read %d tokens again from %s", len(self._names), self._path)

    def _read(self) -> dict[bytes, str]:
        return parse_token_lines(self._path.read_text(encoding="utf-8"))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _unreadable(path: Path, error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, UnicodeDecodeError):
        cause = "expected text in UTF-8. Received: bytes that are none"
    return f"--tokens {path}: {cause}"

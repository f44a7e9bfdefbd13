"""Bearer tokens: how they are made, and the file of their hashes.

A line of the file is a name and the SHA-256 of a token; the file holds no secret. A fast hash is
right here: a token has 256 random bits, which cannot be guessed at any speed, and it is hashed on
every call. (Slow hashes such as bcrypt are for passwords, which are short.)
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from adscore_server.access.watched_files import WatchedFiles, read_file
from adscore_server.errors import StartError

TOKEN_PREFIX = "adscore_"  # noqa: S105 - recognised by secret scanners

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})")
_TOKEN_BYTES = 32
_MAX_BYTES = 4 * 1024 * 1024  # 40,000 tokens
# Longer than an edit or a shortage of open files lasts, and short enough for a revoked token to be
# still accepted.
_GRACE_SECONDS = 60.0
# Longer than it takes to finish writing a file that is partly readable.
_WRITING_SECONDS = 3.0

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
    """Appends a line to a token file; a new file is readable by its owner only.

    Raises:
        OSError: The file cannot be written.
    """
    with contextlib.suppress(FileExistsError):
        path.touch(0o600, exist_ok=False)
    with path.open("rb+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # some editors omit the final newline
                file.write(b"\n")
        file.write(f"{line}\n".encode())


def parse_token_lines(text: str) -> dict[bytes, str]:
    """Parses a token file; empty lines and those that begin with # are ignored.

    A name may have several tokens, so that its owner can switch to a new one.

    Returns:
        Names by the SHA-256 of the token, 32 bytes.

    Raises:
        ValueError: A line is malformed; the text gives its number and none of its contents.
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
    """The tokens that a server accepts; thread-safe.

    When the file changes, it is reloaded at the next call, and at each further one until that
    works. Until then the server logs an error and accepts the readable lines and the previous
    tokens; these last a minute, or three seconds if the file itself can be read. With a file
    without tokens it accepts no one.

    Args:
        path: The file.
        clock: Monotonic seconds.

    Raises:
        StartError: It cannot be read, or holds no token.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._files = WatchedFiles([path])
        self._lock = threading.Lock()
        self._failing_since: float | None = None
        self._told = ""
        change = self._files.change()
        try:
            self._read: Mapping[bytes, str] = parse_token_lines(_text_of(path))
        except (OSError, ValueError) as error:
            raise StartError(_unreadable(path, error)) from error
        if not self._read:
            raise StartError(
                f"--tokens {path}: expected at least one token. Received: none. "
                f"Make one: adscore token NAME --add-to {path}"
            )
        self._names: Mapping[bytes, str] = self._read
        if change is not None:
            self._files.was_read(change)

    def name_of(self, token: str) -> str | None:
        """The name of a token; None if it is unknown."""
        self._refresh()
        digest, name = _digest(token), None
        # Compared with every hash, each in constant time, so that the time reveals nothing.
        for known, owner in self._names.items():
            if hmac.compare_digest(digest, known):
                name = owner
        return name

    def _refresh(self) -> None:
        with self._lock:
            change = self._files.change()
            if change is None and self._failing_since is None:
                return
            text = None
            try:
                text = _text_of(self._path)
                self._read = self._names = parse_token_lines(text)
            except (OSError, ValueError) as error:
                self._fall_back(text, _unreadable(self._path, error))
                return
            self._failing_since, self._told = None, ""
            if change is not None:
                self._files.was_read(change)
        _logger.info("Read %d tokens again from %s", len(self._read), self._path)

    def _fall_back(self, text: str | None, problem: str) -> None:
        """Accepts the readable lines and, for a while, the previous tokens."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        grace = _GRACE_SECONDS if text is None else _WRITING_SECONDS
        readable = _whole_lines(text or "")
        if now - self._failing_since < grace:
            self._names = {**self._read, **readable}
            problem += f". The tokens from before are let in for {grace:g} s more at most"
        else:  # one of them may have been revoked
            self._names = readable
            problem += f". The {len(readable)} tokens of lines that can be read are let in"
        if problem != self._told:
            _logger.error("%s", problem)
        self._told = problem


def _text_of(path: Path) -> str:
    return read_file(path, _MAX_BYTES).decode("utf-8")


def _whole_lines(text: str) -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            names |= parse_token_lines(line)
    return names


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _unreadable(path: Path, error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, UnicodeDecodeError):
        cause = "expected text in UTF-8. Received: bytes that are none"
    return f"--tokens {path}: {cause}"

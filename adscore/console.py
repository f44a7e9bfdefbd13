"""What the command line prints, and where."""

import contextlib
import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of text's direction


class _Terminal(Console):
    """Shows control characters as text: names and cells of a table may come from anywhere."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Makes text of a string, as rich asks for each one that it prints."""
        return super().render_str(printable(text), **options)


def printable(text: str) -> str:
    r"""The text with escapes, e.g. ``\x1b``, for what would steer a terminal or turn text round."""
    return "".join(char if _is_shown(char) else ascii(char)[1:-1] for char in text)


def _is_shown(char: str) -> bool:
    kept = char.isprintable() or char in "\n\t"
    # A space or a joiner of emoji is no control character; what turns the direction of text is.
    return kept or (unicodedata.category(char) in ("Zs", "Cf") and char not in _TURNS)


def results() -> Console:
    """Where results go: standard output."""
    return _Terminal()


def notes() -> Console:
    """Where progress and warnings go, so that a result can be piped: standard error."""
    return _Terminal(stderr=True)


def note(remarks: Iterable[str]) -> None:
    """Prints what a user should know."""
    for remark in remarks:
        notes().print(f"note: {remark}")


def fail(error: Exception) -> NoReturn:
    """Ends the command with one clear message and exit status 1."""
    notes().print(f"error: {error}")
    raise typer.Exit(1) from error


def interrupted(stop: KeyboardInterrupt, kept: str) -> NoReturn:
    """Ends a command after Ctrl-C with exit status 130, and says what is kept.

    Args:
        stop: Its text says what is kept, where whoever worked knew.
        kept: What to say otherwise.
    """
    notes().print(f"interrupted: {str(stop) or kept}")
    raise typer.Exit(130) from stop


def without_image_noise() -> None:
    """Keeps Pillow's warnings about strange images off the terminal, for the whole process.

    They come before adscore has judged the image: one that is too large or broken is refused
    with a message of its own, and the others are scored.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


@contextlib.contextmanager
def without_import_noise() -> Iterator[None]:
    """Keeps TensorFlow's start-up lines, which no setting of its own stops, off the terminal."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="keras")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

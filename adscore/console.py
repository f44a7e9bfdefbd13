"""What the command line prints, and where."""

import contextlib
import os
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of text's direction
CHANCE = 0.5  # of ranking a pair right by throwing a coin

# They stay what they are, whatever is predicted.
FIGURES_OF_THE_TABLE = ("pairwise_noise_ceiling", "pairs", "pairs_significant")

Figures = Mapping[str, float | int | None]


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


def fail(error: Exception) -> NoReturn:
    """Ends the command with one clear message and exit status 1."""
    notes().print(f"error: {error}")
    raise typer.Exit(1) from error


def print_metrics(title: str, metrics: Mapping[str, Figures]) -> None:
    """Prints one column of figures for each target, then in words how well each ranks."""
    if not metrics:
        return
    grid = Table(title=title, title_justify="left")
    grid.add_column("figure")
    for name in metrics:
        grid.add_column(name, justify="right")
    for figure in next(iter(metrics.values()), {}):
        values = [row[figure] for row in metrics.values()]
        grid.add_row(figure, *("-" if value is None else f"{value:.5g}" for value in values))
    results().print(grid)
    for name, row in metrics.items():
        _print_ranking(name, row)


def print_agreement(title: str, figures: Figures) -> None:
    """Prints how well headlines find their images; nothing where there are no figures."""
    if all(value is None for value in figures.values()):
        return
    grid = Table(title=f"agreement, {title}", title_justify="left")
    grid.add_column("figure")
    grid.add_column("headline to image", justify="right")
    for name, value in figures.items():
        grid.add_row(name, "-" if value is None else f"{value:.5g}")
    results().print(grid)


def print_ablation(
    part: str, given: Mapping[str, Figures], exchanged: Mapping[str, Figures]
) -> None:
    """Prints the figures with one part of every creative another's, and what that changes."""
    grid = Table(title=f"with the {part} of another creative", title_justify="left")
    grid.add_column("figure")
    for name in given:
        grid.add_column(name, justify="right")
        grid.add_column("change", justify="right")
    for figure in next(iter(given.values()), {}):
        if figure not in FIGURES_OF_THE_TABLE:
            pairs = [(row[figure], exchanged[name][figure]) for name, row in given.items()]
            grid.add_row(figure, *(cell for pair in pairs for cell in _change(*pair)))
    results().print(grid)


def _change(before: float | None, after: float | None) -> tuple[str, str]:
    if before is None or after is None:
        return "-", "-"
    return f"{after:.5g}", f"{after - before:+.2g}"


def _print_ranking(name: str, figures: Figures) -> None:
    reached, reachable = figures["pairwise_accuracy"], figures["pairwise_noise_ceiling"]
    if reached is None or reachable is None or reachable <= CHANCE:
        return
    share = (reached - CHANCE) / (reachable - CHANCE)
    results().print(
        f"{name}: ranks {reached:.1%} of the pairs inside a group right. Chance would rank "
        f"{CHANCE:.0%}, the true rates about {reachable:.1%}: {share:.0%} of the way."
    )


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

"""Arguments that several commands share: the table, its columns and targets, files to write."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.console import note, notes
from adscore.creative import NO_COLUMN, Columns, GivenColumns, InputLimits, Target, Warning

if TYPE_CHECKING:
    from adscore.table import CreativeTable

_USUAL = Columns()
ROLES = ("id", "headline", "image", "group")  # of columns, each with its option

Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="A .csv, .parquet or .jsonl table, a folder of these, or a URL."
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model or one version of it.")]


_ID = "Column that identifies a row;"
_HEADLINE = "Column of the headline;"
_IMAGE = "Column of the image: a path, a URL, or its bytes (Parquet);"
_GROUP = "Column of the group whose rows are compared;"
_CONTEXT = "A column such as the placement; may be repeated."
_AS_TRAINED = "as the model was trained"


def _column(help_: str, default: str | None) -> object:
    """An option whose absence differs from naming the usual column."""
    text = f"{help_} {NO_COLUMN!r} where there is none."
    return typer.Option(metavar="NAME", help=text, show_default=default or False)


IdColumn = Annotated[str | None, _column(_ID, _USUAL.id)]
HeadlineColumn = Annotated[str | None, _column(_HEADLINE, _USUAL.headline)]
ImageColumn = Annotated[str | None, _column(_IMAGE, _USUAL.image)]
GroupColumn = Annotated[str | None, _column(_GROUP, _USUAL.group)]
ContextColumns = Annotated[list[str] | None, typer.Option(metavar="NAME", help=_CONTEXT)]

# The same for commands with a model, whose manifest keeps the columns of its training.
TrainedIdColumn = Annotated[str | None, _column(_ID, _AS_TRAINED)]
TrainedHeadlineColumn = Annotated[str | None, _column(_HEADLINE, _AS_TRAINED)]
TrainedImageColumn = Annotated[str | None, _column(_IMAGE, _AS_TRAINED)]
TrainedGroupColumn = Annotated[str | None, _column(_GROUP, _AS_TRAINED)]
TrainedContextColumns = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help=_CONTEXT, show_default=_AS_TRAINED)
]
ImageRoot = Annotated[
    str | None,
    typer.Option(help="Folder or URL of the image paths.", show_default="the table's folder"),
]


@contextmanager
def columns_in_use(
    given: GivenColumns,
    trained: Columns | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[Columns]:
    """The columns that a command reads: those named, else those of the training, else the usual.

    If a table lacks one of them, the error raised inside the block gets the option to use.

    Args:
        given: The columns that options name.
        trained: The columns of the model's training, from its manifest; None where the manifest has
            none, or without a model.
        options: Option names by further column, such as a column of counts.
    """
    from adscore.table import MissingColumnsError

    columns = given.over(trained)
    _note_remembered(given, trained)
    try:
        yield columns
    except MissingColumnsError as error:
        origins = {name: _origin(given, trained, columns, name) for name in error.missing}
        advice = ". ".join(
            origin or f"{name!r} is named by {(options or {}).get(name, 'an option')}"
            for name, origin in origins.items()
        )
        raise MissingColumnsError(error.missing, error.what, error.hint or advice) from error


def given_targets(texts: Sequence[str]) -> list[Target]:
    """Parses the values of `--target`.

    Raises:
        ValueError: A value is malformed, or two share a name.
    """
    try:
        targets = [Target.parse(text) for text in texts]
    except ValueError as error:
        raise ValueError(f"--target: {error}") from error
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise ValueError(f"--target: expected distinct names. Received: {', '.join(names)}")
    return targets


def options_of_counts(targets: Sequence[Target]) -> dict[str, str]:
    """The option that names each column of counts, by column."""
    return {name: "--target" for target in targets for name in target.count_columns}


def _note_remembered(given: GivenColumns, trained: Columns | None) -> None:
    """Prints which columns came from the model's manifest, leaving out the usual ones."""
    if trained is None:
        return
    found = [
        f"{role} {getattr(trained, role) or NO_COLUMN}"
        for role in ROLES
        if getattr(given, role) is None and getattr(trained, role) != getattr(_USUAL, role)
    ]
    if given.context is None:
        found += [f"context {name}" for name in trained.context]
    if found:
        note([f"columns as the model was trained: {', '.join(found)}"])


def _origin(given: GivenColumns, trained: Columns | None, columns: Columns, name: str) -> str:
    """Says what a column is for and which option changes it; empty for any other column."""
    held = {getattr(columns, role): role for role in ROLES} | dict.fromkeys(
        columns.context, "context"
    )
    role = held.get(name)
    if role is None:
        return ""
    is_kept = trained is not None and getattr(given, role) is None
    of_training = ", as in the model's training" if is_kept else ""
    return (
        f"{name!r} is the {role} column{of_training}: name another with --{role}-column, or "
        f"{NO_COLUMN!r} where there is none"
    )


def warn_of_left_out_context(names: Sequence[str]) -> None:
    """Warns once if the model reads context for which no column is named."""
    if names:
        options = " ".join(f"--context-column {name}" for name in names)
        notes().print(
            f"warning: the model reads the context {', '.join(names)}, and no column is named for "
            f"it: all rows are scored without, and ranked worse ({Warning.MISSING_CONTEXT}). "
            f"Name it: {options}"
        )


def read_creatives(
    table: str,
    columns: Columns,
    targets: Sequence[Target],
    image_root: str | None,
    *,
    skip_bad_rows: bool = False,
) -> "CreativeTable":
    """Reads and checks a whole table and shows progress; see `table.read_table`."""
    from adscore.cli.progress import shown_progress
    from adscore.table import read_table

    with shown_progress(notes(), f"reading {table}") as progress:
        return read_table(
            table, columns, targets, image_root, skip_bad_rows=skip_bad_rows, progress=progress
        )


def require_choice(option: str, received: str, choices: Iterable[str]) -> None:
    """Checks that an option's value is one of its choices.

    Raises:
        ValueError: It is not; the message suggests a close match.
    """
    words = list(choices)
    if received not in words:
        near = get_close_matches(received, words, 1)
        hint = f". Did you mean {near[0]}?" if near else ""
        expected = f"{', '.join(words[:-1])} or {words[-1]}"
        raise ValueError(f"{option}: expected {expected}. Received: {received}{hint}")


def require_image_root(root: str | None) -> None:
    """Checks that the folder of images exists; URLs are not checked.

    Raises:
        ValueError: It does not exist.
    """
    if root and "://" not in root and not Path(root).is_dir():
        raise ValueError(f"--image-root: expected a folder. Received: {root}")


def require_parts(limits: InputLimits, columns: Columns) -> None:
    """Checks that the table has a column for each part the model requires.

    Raises:
        ValueError: The model requires a headline or an image that has no column.
    """
    for part, is_optional, column in (
        ("headline", limits.headline_optional, columns.headline),
        ("image", limits.image_optional, columns.image),
    ):
        if part in limits.modalities and not is_optional and column is None:
            raise ValueError(
                f"--{part}-column: expected a column, since the model cannot do without the "
                f"{part}. Received: {NO_COLUMN}"
            )


def require_writable(option: str, path: Path | None) -> None:
    """Checks that a file can be written, before the work for it starts.

    Raises:
        ValueError: It is a folder, its folder does not exist, or it is not writable.
    """
    if path is None:
        return
    problem = "a folder" if path.is_dir() else ""
    if not path.parent.is_dir():
        problem = f"no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = "it may not be written to"
    if problem:
        raise ValueError(f"{option}: expected a file to write. Received: {path}: {problem}")


def write_json(path: Path, document: Mapping[str, object]) -> None:
    """Writes indented JSON."""
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")

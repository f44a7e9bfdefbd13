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
_GROUP = "Column of what rows are compared within;"
_CONTEXT = "A column such as the placement; may be repeated."
_AS_TRAINED = "as the model was trained"


def _column(help_: str, default: str | None) -> object:
    """An option whose absence can be told from the usual name."""
    text = f"{help_} {NO_COLUMN!r} where there is none."
    return typer.Option(metavar="NAME", help=text, show_default=default or False)


IdColumn = Annotated[str | None, _column(_ID, _USUAL.id)]
HeadlineColumn = Annotated[str | None, _column(_HEADLINE, _USUAL.headline)]
ImageColumn = Annotated[str | None, _column(_IMAGE, _USUAL.image)]
GroupColumn = Annotated[str | None, _column(_GROUP, _USUAL.group)]
ContextColumns = Annotated[list[str] | None, typer.Option(metavar="NAME", help=_CONTEXT)]

# The same where a model is at hand, which keeps the columns of its training.
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
    """The columns that a command reads: as named, else as in the model's training, else the usual.

    Inside the block, a table without one of them is refused with the option that names another.

    Args:
        given: What the options of columns name.
        trained: The columns of the model's training, which its manifest keeps; None where it keeps
            none, or where there is no model.
        options: By further column that is read, such as one of counts, the option that names it.
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
    """Targets as options name them.

    Raises:
        ValueError: One has another form, or two have one name.
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
    """By column of counts, the option that names it."""
    return {name: "--target" for target in targets for name in target.count_columns}


def _note_remembered(given: GivenColumns, trained: Columns | None) -> None:
    """Says which columns a model's manifest gave, as far as they are not the usual ones."""
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
    """What a column is for, and how to name another; empty where it is none of these."""
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
    """Says once that a model reads context which no column holds; nothing where it is all there."""
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
    """Reads and checks a whole table, and shows how far that is; see `table.read_table`."""
    from adscore.cli.progress import shown_progress
    from adscore.table import read_table

    with shown_progress(notes(), f"reading {table}") as progress:
        return read_table(
            table, columns, targets, image_root, skip_bad_rows=skip_bad_rows, progress=progress
        )


def require_choice(option: str, received: str, choices: Iterable[str]) -> None:
    """Refuses a word that is none of an option's.

    Raises:
        ValueError: It is none; a near one is named.
    """
    words = list(choices)
    if received not in words:
        near = get_close_matches(received, words, 1)
        hint = f". Did you mean {near[0]}?" if near else ""
        expected = f"{', '.join(words[:-1])} or {words[-1]}"
        raise ValueError(f"{option}: expected {expected}. Received: {received}{hint}")


def require_image_root(root: str | None) -> None:
    """Refuses a folder of images that is not there.

    Raises:
        ValueError: It is not.
    """
    if root and "://" not in root and not Path(root).is_dir():
        raise ValueError(f"--image-root: expected a folder. Received: {root}")


def require_parts(limits: InputLimits, columns: Columns) -> None:
    """Refuses a table without what a model must read of a creative.

    Raises:
        ValueError: Headline or image have no column, and the model needs them.
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
    """Refuses a file that cannot be written, before the work for it is done.

    Raises:
        ValueError: It is a folder, or its folder is not there.
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
    """Writes a document for people and programs to read."""
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")

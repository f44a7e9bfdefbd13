"""Finds the versions of models under a root and detects changes to them."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from adscore.bundle import MANIFEST, is_version, list_versions

# Name, size, mtime, inode and mode of each file. The mode makes a file that could not be read be
# tried again once permission is granted.
Fingerprint = tuple[tuple[str, int, int, int, int], ...]

# Temporary shortages of the process, machine or volume, which say nothing about the files.
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
)


class Layout(StrEnum):
    """The layout of a root; the value describes it to people."""

    VERSION = "one version's folder"
    MODEL = "one model's folder"
    MODELS = "a folder of models"


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """The current state of one version's folder.

    Attributes:
        path: The folder, NAME/VERSION.
        fingerprint: Identity of its files without their contents; changes when a file does.
    """

    path: Path
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.path.parent.name

    @property
    def version(self) -> str:
        """Version of the model, a number in decimal."""
        return self.path.name


def read_root(
    root: Path, skip: Callable[[Path, PermissionError], None] | None = None
) -> dict[Layout, list[list[VersionFolder]]]:
    """Finds the versions of each model under a root, newest first, for each possible layout.

    A version's folder without a manifest is still being copied and does not count. Links are
    followed and keep their own names, so a root may be a link that is swapped.

    Args:
        root: ROOT/NAME/VERSION, or one model's folder, or one version's folder.
        skip: Called with each folder under the root that may not be read, such as `lost+found`;
            the folder is left out unless this raises.

    Returns:
        The models by layout, for each layout that finds any: one, unless files lie in the wrong
        place.

    Raises:
        OSError: The root cannot be read.
    """
    root = absolute(root)
    # Raises if the root is gone or may not be read. The name of a model is never a number.
    models = [
        entry
        for entry in sorted(root.iterdir())
        if not (entry.name.startswith(".") or is_version(entry.name))
    ]
    paths = {
        Layout.VERSION: [[root]],
        Layout.MODEL: [_newest_first(root)],
        Layout.MODELS: [_newest_first_or_none(model, skip) for model in models],
    }
    found = {layout: _look_at_all(versions) for layout, versions in paths.items()}
    return {layout: folders for layout, folders in found.items() if folders}


def is_passing(error: BaseException | None) -> bool:
    """Whether an error, or its cause, is temporary and may go away without a change of files."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False


def absolute(path: Path) -> Path:
    """The absolute path, so that "." gets its folder's name; links are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def _newest_first(model_dir: Path) -> list[Path]:
    return [model_dir / str(version) for version in reversed(list_versions(model_dir))]


def _newest_first_or_none(
    model_dir: Path, skip: Callable[[Path, PermissionError], None] | None
) -> list[Path]:
    try:
        return _newest_first(model_dir)
    except PermissionError as error:
        if skip is not None:
            skip(model_dir, error)
        return []


def _look_at_all(models: list[list[Path]]) -> list[list[VersionFolder]]:
    found = ([folder for path in versions if (folder := _look_at(path))] for versions in models)
    return [folders for folders in found if folders]


def _look_at(path: Path) -> VersionFolder | None:
    try:
        with os.scandir(path) as entries:
            files = [(entry.name, entry.stat()) for entry in entries]
    except OSError as error:
        if is_passing(error):  # it exists, and must not count as removed
            raise
        return None  # it is being removed right now
    if MANIFEST not in (name for name, _ in files):
        return None
    told = (
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_mode) for name, stat in files
    )
    return VersionFolder(path, tuple(sorted(told)))

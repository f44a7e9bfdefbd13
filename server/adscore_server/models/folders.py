"""Finds the versions of models under a root, and tells when one of them has changed."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from adscore.bundle import MANIFEST, is_version, list_versions

# Of each file: its name, size, time of change, inode and mode, so that what could not be read for
# want of permission is tried again once it is granted.
Fingerprint = tuple[tuple[str, int, int, int, int], ...]

# What the process, the machine or the volume lacks for a moment; it says nothing about the files.
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
)


class Layout(StrEnum):
    """What a root is; the text says it to people."""

    VERSION = "one version's folder"
    MODEL = "one model's folder"
    MODELS = "a folder of models"


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """One version's folder as it lies there now.

    Attributes:
        path: The folder, NAME/VERSION.
        fingerprint: What its files are, without their contents: another when one has changed.
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
    """Finds the versions of each model under a root, newest first, by each way to read it.

    A version's folder without a manifest is one that is still being copied: it does not count.
    Links are followed and keep their own names, so that a root may be a link that is swapped.

    Args:
        root: ROOT/NAME/VERSION, or one model's folder, or one version's folder.
        skip: Told of each folder under the root that may not be read, such as `lost+found`; it
            is left out unless this raises.

    Returns:
        The models of each layout that finds any: one layout, unless files lie where they should
        not.

    Raises:
        OSError: The root cannot be read.
    """
    root = absolute(root)
    # A root that is gone or may not be read raises here. The name of a model is no number.
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
    """Whether an error, or what caused it, may pass although no file changes."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False


def absolute(path: Path) -> Path:
    """A path that names its folder, which "." does not, with links left as they are."""
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
        if is_passing(error):  # it is there, and must not be taken for one that was removed
            raise
        return None  # it is going away this moment
    if MANIFEST not in (name for name, _ in files):
        return None
    told = (
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_mode) for name, stat in files
    )
    return VersionFolder(path, tuple(sorted(told)))

"""Opens the folder that a server is given, and the models in it."""

import logging
import time
import traceback
from pathlib import Path

from adscore.bundle import MANIFEST, list_versions
from adscore.errors import BundleError
from adscore.scorer import Scorer
from adscore_server.errors import StartError
from adscore_server.models import LoadedModel, ModelEntry, ModelRegistry, RefusedModel

_logger = logging.getLogger(__name__)


def open_models(root: Path, default_model: str = "") -> ModelRegistry:
    """Opens the newest version of each model under a root.

    Where the newest version fails a check, the one before it is opened, so that a server
    that starts again serves what it served before the bad version came.

    Args:
        root: ROOT/NAME/VERSION, or one model's folder, or one version's folder. The name of
            a model is no number.
        default_model: Name of the model that calls without a name mean; empty means the
            only one there is.

    Raises:
        StartError: The folder holds no model, cannot be read, or no model in it can be served.
    """
    try:
        candidates = _find_versions(root)
    except OSError as error:
        raise StartError(f"{error.filename or root}: cannot be read: {error.strerror}") from error
    if not candidates:
        raise StartError(
            f"expected a folder with models (NAME/VERSION), one model's folder or one version's "
            f"folder. Received: {root}, which "
            f"{'holds none' if root.is_dir() else 'is not a folder'}. Train one: adscore train"
        )
    entries = [entry for versions in candidates for entry in _open_newest(versions, root)]
    return ModelRegistry(entries, default_model)


def _find_versions(root: Path) -> list[list[Path]]:
    """The versions' folders of each model under a root, newest first."""
    root = root.resolve()  # a model is named by its folder, which "." does not say
    if (root / MANIFEST).is_file():
        return [[root]]
    if list_versions(root):
        return [_newest_first(root)]
    if not root.is_dir():
        return []
    models = (entry for entry in sorted(root.iterdir()) if not entry.name.startswith("."))
    return [versions for model in models if (versions := _newest_first(model))]


def _newest_first(model_dir: Path) -> list[Path]:
    return [model_dir / str(version) for version in reversed(list_versions(model_dir))]


def _open_newest(versions: list[Path], root: Path) -> list[ModelEntry]:
    """Opens the first version that can be; those before it are refused."""
    entries: list[ModelEntry] = []
    for path in versions:
        start = time.monotonic()
        try:
            scorer = Scorer.open(path)
        except Exception as error:  # a graph can fail in as many ways as its runtime
            entries.append(_refused(path, error, root))
            continue
        return [*entries, LoadedModel(scorer, time.monotonic() - start)]
    return entries


def _refused(path: Path, error: Exception, root: Path) -> RefusedModel:
    reason = str(error)
    if not isinstance(error, BundleError):
        _logger.error("".join(traceback.format_exception(error)).rstrip())
        reason = f"{path}: the model cannot be run: {type(error).__name__}: {error}"
    # Callers read the reason too; where the server keeps its models is the operator's affair.
    reason = reason.replace(f"{root.resolve()}/", "")
    _logger.warning("Model %s version %s is refused: %s", path.parent.name, path.name, reason)
    return RefusedModel(path.parent.name, path.name, reason)

"""Loads the models of a folder and follows its changes.

The rules, per model:

- The newest `keep_versions` versions that pass every check are served; newer ones that failed are
  shown as refused. Removing or renaming a version's folder restores the version before it.
- A version is read once its files have been unchanged for one poll, so that one that is still being
  copied is not refused; one without a manifest does not count yet. At the start, all are read.
- When the files of a version change, it is opened again, whether it failed or is served: the new
  contents replace the old if they pass. A version that failed for a temporary shortage, such as of
  open files, is tried again at every scan.
- A version is unloaded only when others of its model serve, or when the model's folder has none
  left. A root without any model counts as a fault, such as a volume that is not mounted, and the
  served models stay.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adscore.bundle import MANIFEST, is_version
from adscore_server.config import ModelRootOptions
from adscore_server.errors import StartError
from adscore_server.models.folders import (
    Fingerprint,
    Layout,
    VersionFolder,
    absolute,
    read_root,
)
from adscore_server.models.opener import ModelOpener
from adscore_server.models.registry import (
    LoadedModel,
    LoadingModel,
    ModelEntry,
    ModelRegistry,
    RefusedModel,
)

_logger = logging.getLogger(__name__)

Publish = Callable[[ModelRegistry], None]


@dataclass(frozen=True, slots=True)
class UpdateCounts:
    """Counts of events since the start.

    Attributes:
        loaded: Versions loaded.
        refused: Versions that failed a check.
        dropped: Loaded versions that were unloaded.
    """

    loaded: int = 0
    refused: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """The outcome for a version's folder, and the state of the folder at that time.

    Attributes:
        fingerprint: Identity of the files then.
        entry: The entry that is served or shown.
        refused: Why these files were refused, if they were; `entry` may still be from the files
            before.
    """

    fingerprint: Fingerprint
    entry: LoadedModel | RefusedModel
    refused: RefusedModel | None = None

    def is_of(self, folder: VersionFolder) -> bool:
        """Whether the folder is unchanged since then."""
        return self.fingerprint == folder.fingerprint

    @property
    def may_pass(self) -> bool:
        """Whether these files were refused for a temporary reason and may pass later."""
        return self.refused is not None and self.refused.passing


class ModelRoot:
    """The models of one folder; used by one thread at a time.

    Args:
        root: ROOT/NAME/VERSION, or one model's folder, or one version's folder. The name of
            a model must not be a number.
        options: Which of them are served.
        opener: Opens one version; None uses the default one.
    """

    def __init__(
        self,
        root: Path,
        options: ModelRootOptions | None = None,
        opener: ModelOpener | None = None,
    ) -> None:
        self._root = root
        self._options = options or ModelRootOptions()
        self._opener = opener or ModelOpener(root)
        self._known: dict[Path, _Known] = {}
        self._last_seen: dict[Path, Fingerprint] = {}
        self._published: tuple[ModelEntry, ...] = ()
        self._complaint = ""
        self._layout: Layout | None = None
        self._strays = ""
        self._default = self._options.default_model
        self._names: frozenset[str] = frozenset()
        self._skipped: set[Path] = set()
        self.counts = UpdateCounts()

    def open(self) -> ModelRegistry:
        """Opens the models that exist now.

        Raises:
            StartError: The folder cannot be read or its layout is ambiguous, or it has no model,
                none that can be served, or none with the default's name.
        """
        try:
            found = self._find()
        except OSError as error:
            problem = f"{error.filename or self._root}: cannot be read: {error.strerror}"
            raise StartError(f"expected a folder with models. Received: {problem}") from error
        if not found:
            raise StartError(
                "expected a folder with models (NAME/VERSION), one model's folder or one version's "
                f"folder. Received: {self._root}, which holds none. Train one: adscore train"
            )
        registry = self._update(found, lambda _: True, lambda _: None)
        try:
            self._require_served(registry)
        except StartError:
            self._published = ()  # undelivered; a waiting server gets it at the next scan
            raise
        return registry

    def poll(self, publish: Publish, may_go_on: Callable[[], bool] = lambda: True) -> None:
        """Scans the folder again and opens new versions.

        Args:
            publish: Called with each new set of models: when one starts to load, and once it has.
            may_go_on: Called before each version is opened; False leaves it unopened.
        """
        try:
            found = self._find()
        except OSError as error:
            self._complain(f"{error.filename or self._root}: cannot be read: {error.strerror}")
            return
        except StartError as error:
            self._complain(str(error))
            return
        if not found:
            # Without a first model the server may be waiting for it, so there is nothing to report.
            if self._known:
                self._complain(f"{self._root}: expected models. Received: a folder without any")
            return
        self._complain(self._strays)
        self._update(found, lambda folder: may_go_on() and self._rests(folder), publish)

    def _find(self) -> list[list[VersionFolder]]:
        """Reads the root in the layout that was settled when models were first found.

        Raises:
            OSError: The root cannot be read.
            StartError: The layout is not settled yet and is ambiguous.
        """
        ways = read_root(self._root, self._skip)
        if self._layout is None and ways:
            self._layout = self._settle(ways)
        if self._layout is None:
            return []
        others = " and ".join(layout for layout in ways if layout is not self._layout)
        self._strays = others and (
            f"{self._root}: expected {self._layout}, as when it was first read. Received: files "
            f"that read as {others}; they are not served. Move them away"
        )
        return ways.get(self._layout, [])

    def _settle(self, ways: Mapping[Layout, Sequence[Sequence[VersionFolder]]]) -> Layout:
        if len(ways) > 1:
            examples = "; ".join(f"{layout}: {found[0][0].path}" for layout, found in ways.items())
            raise StartError(
                "expected a folder with models (NAME/VERSION), one model's folder or one version's "
                f"folder. Received: {self._root}, which reads as each of {examples}. Move what "
                "does not belong there away"
            )
        [layout] = ways
        name = absolute(self._root).name
        if layout is Layout.VERSION and not is_version(name):
            raise StartError(
                "expected the name of a version's folder to be a number, as in NAME/1. Received: "
                f"{self._root}, which is one version since it holds {MANIFEST}. Rename the folder, "
                f"or remove {MANIFEST} where it is a folder of models"
            )
        return layout

    def _update(
        self,
        found: Sequence[Sequence[VersionFolder]],
        may_open: Callable[[VersionFolder], bool],
        publish: Publish,
    ) -> ModelRegistry:
        """Opens versions to serve that are not open yet; forgets those no longer served."""
        for folders in found:
            for folder in self._to_open(folders, may_open):
                self._publish(self._registry(found, opening=folder), publish)
                self._known[folder.path] = self._open(folder)
        self._last_seen = {folder.path: folder.fingerprint for one in found for folder in one}
        self._settle_default(self._registry(found).loaded_names)
        registry = self._registry(found)
        self._forget_all_but(registry)
        self._publish(registry, publish)
        return registry

    def _publish(self, registry: ModelRegistry, publish: Publish) -> None:
        if registry.entries != self._published:
            self._published = registry.entries
            publish(registry)

    def _to_open(
        self, folders: Sequence[VersionFolder], may_open: Callable[[VersionFolder], bool]
    ) -> Iterator[VersionFolder]:
        """Yields versions newest first, until enough serve; open each one before the next."""
        serving = 0
        for folder in folders:
            known = self._known.get(folder.path)
            settled = known is not None and known.is_of(folder) and not known.may_pass
            if not settled and may_open(folder):
                yield folder
                known = self._known[folder.path]
            serving += known is not None and isinstance(known.entry, LoadedModel)
            if serving == self._options.keep_versions:
                return

    def _rests(self, folder: VersionFolder) -> bool:
        return self._last_seen.get(folder.path) == folder.fingerprint

    def _open(self, folder: VersionFolder) -> _Known:
        entry = self._opener.open(folder)
        model = f"Model {folder.name} version {folder.version}"
        if isinstance(entry, LoadedModel):
            self.counts = replace(self.counts, loaded=self.counts.loaded + 1)
            _logger.info("%s is loaded after %.2f s", model, entry.load_seconds)
            return _Known(folder.fingerprint, entry)
        before = self._known.get(folder.path)
        told = before is not None and before.is_of(folder) and before.may_pass and entry.passing
        if not told:  # once, however often it is retried
            self.counts = replace(self.counts, refused=self.counts.refused + 1)
            _logger.warning("%s is refused: %s", model, entry.reason)
        if before is not None and isinstance(before.entry, LoadedModel):
            if not told:
                _logger.warning("%s serves on as it was before its files changed", model)
            return _Known(folder.fingerprint, before.entry, entry)
        return _Known(folder.fingerprint, entry, entry)

    def _registry(
        self, found: Sequence[Sequence[VersionFolder]], opening: VersionFolder | None = None
    ) -> ModelRegistry:
        entries = [entry for folders in found for entry in self._entries(folders, opening)]
        return ModelRegistry(entries, self._default)

    def _entries(
        self, folders: Sequence[VersionFolder], opening: VersionFolder | None
    ) -> list[ModelEntry]:
        """The entries of a model's versions, down to the oldest one to serve."""
        entries: list[ModelEntry] = []
        serving = 0
        for folder in folders:
            known = self._known.get(folder.path)
            if known is not None and isinstance(known.entry, LoadedModel):
                entries.append(known.entry)
                serving += 1
            elif folder == opening:
                entries.append(LoadingModel(folder.name, folder.version))
            elif known is not None:
                entries.append(known.entry)
            if serving == self._options.keep_versions:
                return entries
        return entries if serving else [*entries, *self._without_folder(folders)]

    def _without_folder(self, folders: Sequence[VersionFolder]) -> list[LoadedModel]:
        """Versions of a model that still serve although their folders are gone."""
        there = {folder.path for folder in folders}
        return [
            known.entry
            for path, known in self._known.items()
            if isinstance(known.entry, LoadedModel)
            and known.entry.name == folders[0].name
            and path not in there
        ]

    def _forget_all_but(self, registry: ModelRegistry) -> None:
        """Drops every version that a registry does not hold."""
        entries = set(registry.entries)
        for path, known in list(self._known.items()):
            if known.entry not in entries:
                del self._known[path]
                if isinstance(known.entry, LoadedModel):
                    self.counts = replace(self.counts, dropped=self.counts.dropped + 1)
                    _logger.info("Model %s version %s unloaded", path.parent.name, path.name)

    def _settle_default(self, names: Sequence[str]) -> None:
        """Keeps the model for calls without a name; warns when other models appear."""
        came, default = sorted(set(names) - self._names), self._default
        self._names = frozenset(names)
        if self._options.default_model:
            return
        if default in names and came and default not in came:
            _logger.warning(
                "Calls that name no model still get %s, although %s appeared, but only until "
                "a restart. Have them name one, or start with --default-model %s",
                *(default, " and ".join(came), default),
            )
        elif default not in names and len(names) == 1:
            [self._default] = names
            if default:
                _logger.warning("Calls that name no model get %s now: %s is gone", *names, default)

    def _skip(self, folder: Path, error: PermissionError) -> None:
        """Skips a folder that may not be read, unless models from it are loaded; warns once."""
        if any(path.parent == folder for path in self._known):
            raise error
        if folder not in self._skipped:
            _logger.warning("%s: cannot be read: %s. It is left out", folder, error.strerror)
        self._skipped.add(folder)

    def _complain(self, problem: str) -> None:
        """Warns of a fault of the root, if any; once, however often it is scanned."""
        if problem and problem != self._complaint:
            _logger.warning("%s. What is served stays", problem)
        self._complaint = problem

    def _require_served(self, registry: ModelRegistry) -> None:
        names, default = registry.loaded_names, self._options.default_model
        if not names:
            refusals = "; ".join(
                f"{entry.name} version {entry.version}, refused: {entry.reason}"
                for entry in registry.entries
                if isinstance(entry, RefusedModel)
            )
            raise StartError(f"expected a model that can be served. Received: {refusals}")
        if default and default not in names:
            raise StartError(
                f"expected the default model to be one of: {', '.join(names)}. "
                f"Received: {default!r}"
            )

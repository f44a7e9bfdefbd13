"""The models that a server holds, found by name and version."""

from collections.abc import Iterable
from dataclasses import dataclass

from adscore.scoring.scorer import Scorer
from adscore_server.errors import ModelNotFoundError, ServerStartingError


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One version of a model, ready to score.

    Attributes:
        scorer: The model.
        load_seconds: How long opening and verifying took, in seconds.
    """

    scorer: Scorer
    load_seconds: float = 0.0

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.scorer.name

    @property
    def version(self) -> str:
        """Version of the model, a number in decimal."""
        return self.scorer.version


@dataclass(frozen=True, slots=True)
class LoadingModel:
    """One version of a model that is being verified and warmed.

    Attributes:
        name: Name of the model.
        version: Version of the model, a number in decimal.
    """

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RefusedModel:
    """One version of a model that failed a check and is not used.

    Attributes:
        name: Name of the model.
        version: Version of the model, a number in decimal.
        reason: What is wrong with it, as text for a person.
        passing: Whether the failure is temporary, such as too many open files, so that it may pass
            later with the same files.
    """

    name: str
    version: str
    reason: str
    passing: bool = False


ModelEntry = LoadedModel | LoadingModel | RefusedModel


class ModelRegistry:
    """An immutable set of models; a change makes a new registry.

    Args:
        entries: The versions found, in any order.
        default_model: Name of the model for calls that do not name one; empty means the only
            model.
    """

    def __init__(self, entries: Iterable[ModelEntry] = (), default_model: str = "") -> None:
        newest_first = sorted(entries, key=lambda entry: int(entry.version), reverse=True)
        self._entries = tuple(sorted(newest_first, key=lambda entry: entry.name))
        names = self.loaded_names
        self._by_name_and_version = self._index(
            default_model or (names[0] if len(names) == 1 else "")
        )

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Every version of every model, by name, then newest first."""
        return self._entries

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """The entries that score, in the same order."""
        return tuple(entry for entry in self._entries if isinstance(entry, LoadedModel))

    @property
    def loaded_names(self) -> tuple[str, ...]:
        """Names of the models that score, without duplicates, in order."""
        return tuple(dict.fromkeys(model.name for model in self.loaded))

    def find(self, name: str, version: str) -> ModelEntry:
        """Finds the entry of one version of a model.

        Args:
            name: Name of the model; empty means the default.
            version: Version of the model; empty means the newest that scores.

        Raises:
            ModelNotFoundError: There is no such entry.
            ServerStartingError: No model scores yet.
        """
        entry = self._by_name_and_version.get((name, version))
        if entry is not None:
            return entry
        if not self.loaded:
            raise ServerStartingError
        served = ", ".join(f"{model.name} version {model.version}" for model in self.loaded)
        remedy = "" if name else ". Name one in the call, or start the server with --default-model"
        raise ModelNotFoundError(
            f"expected one of: {served}. Received: {_asked(name, version)}{remedy}"
        )

    def resolve(self, name: str, version: str) -> Scorer:
        """Finds the model for a call; arguments as in `find`.

        Raises:
            ModelNotFoundError: There is no such model, or it was refused or is not ready yet.
            ServerStartingError: No model scores yet.
        """
        entry = self.find(name, version)
        if isinstance(entry, LoadedModel):
            return entry.scorer
        if not self.loaded:
            raise ServerStartingError
        problem = (
            "failed a check and is not served. ModelService.GetModel says why"
            if isinstance(entry, RefusedModel)
            else "is still being verified. Call later, or name another version"
        )
        raise ModelNotFoundError(f"model {entry.name} version {entry.version} {problem}")

    def _index(self, default_model: str) -> dict[tuple[str, str], ModelEntry]:
        """Entries by name and version as calls give them; either may be empty."""
        index: dict[tuple[str, str], ModelEntry] = {}
        for entry in (*self.loaded, *self._entries):
            index.setdefault((entry.name, entry.version), entry)
            index.setdefault((entry.name, ""), entry)
            if entry.name == default_model:
                index.setdefault(("", entry.version), entry)
                index.setdefault(("", ""), entry)
        return index


class ServedModels:
    """The registry that a server currently answers from; thread-safe.

    A call takes what it needs from one registry and keeps it, so a replacement does not affect
    calls in flight. Models that only the old registry held are freed with the last such call.

    Args:
        registry: The first one.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self.registry = registry

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """`ModelRegistry.entries` of the current registry."""
        return self.registry.entries

    def find(self, name: str, version: str) -> ModelEntry:
        """`ModelRegistry.find` in the current registry."""
        return self.registry.find(name, version)

    def resolve(self, name: str, version: str) -> Scorer:
        """`ModelRegistry.resolve` in the current registry."""
        return self.registry.resolve(name, version)


def _asked(name: str, version: str) -> str:
    # Escaped and cut: the caller's text goes into a status, which is limited to a few kB.
    model = f"model {name[:80]!a}" if name else "no name of a model"
    return f"{model}, version {version[:20]!a}" if version else model

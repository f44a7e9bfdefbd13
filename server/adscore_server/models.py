"""The models that a server holds, found by name and version."""

from collections.abc import Iterable
from dataclasses import dataclass

from adscore.scorer import Scorer
from adscore_server.errors import ModelNotFoundError, StartError


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One version of one model that scores.

    Attributes:
        scorer: The model.
        load_seconds: How long it took to open and verify it, in seconds.
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
class RefusedModel:
    """One version of one model that failed a check and is not used.

    Attributes:
        name: Name of the model.
        version: Version of the model, a number in decimal.
        reason: What is wrong with it, for a person.
    """

    name: str
    version: str
    reason: str


ModelEntry = LoadedModel | RefusedModel


class ModelRegistry:
    """An unchanging set of models; a changed set is another registry.

    Args:
        entries: What was found, in any order.
        default_model: Name of the model that calls without a name mean; empty means the
            only one there is.

    Raises:
        StartError: No entry scores, or none that scores has the default's name.
    """

    def __init__(self, entries: Iterable[ModelEntry], default_model: str = "") -> None:
        newest_first = sorted(entries, key=lambda entry: int(entry.version), reverse=True)
        self._entries = tuple(sorted(newest_first, key=lambda entry: entry.name))
        loaded_names = list(dict.fromkeys(model.name for model in self.loaded))
        if not loaded_names:
            raise StartError(f"expected a model that can be served. Received: {self._refusals()}")
        if default_model and default_model not in loaded_names:
            raise StartError(
                f"expected the default model to be one of: {', '.join(loaded_names)}. "
                f"Received: {default_model!r}"
            )
        only_model = loaded_names[0] if len(loaded_names) == 1 else ""
        self._by_name_and_version = self._index(default_model or only_model)

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Every version of every model, by name, then from the newest to the oldest."""
        return self._entries

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """The entries that score, in the same order."""
        return tuple(entry for entry in self._entries if isinstance(entry, LoadedModel))

    def find(self, name: str, version: str) -> ModelEntry:
        """Finds what is known of one version of one model.

        Args:
            name: Name of the model; empty means the default.
            version: Version of the model; empty means the newest that scores.

        Raises:
            ModelNotFoundError: There is no such entry.
        """
        entry = self._by_name_and_version.get((name, version))
        if entry is None:
            served = ", ".join(f"{model.name} version {model.version}" for model in self.loaded)
            raise ModelNotFoundError(
                f"expected one of: {served}. Received: {_asked(name, version)}"
            )
        return entry

    def resolve(self, name: str, version: str) -> Scorer:
        """Finds the model that a call is for; arguments as of `find`.

        Raises:
            ModelNotFoundError: There is no such model, or it was refused.
        """
        entry = self.find(name, version)
        if isinstance(entry, RefusedModel):
            raise ModelNotFoundError(
                f"model {entry.name} version {entry.version} failed a check and is not served. "
                "ModelService.GetModel says why"
            )
        return entry.scorer

    def _index(self, default_model: str) -> dict[tuple[str, str], ModelEntry]:
        """By name and version as calls give them, where either may be empty."""
        index: dict[tuple[str, str], ModelEntry] = {}
        for entry in (*self.loaded, *self._entries):
            index.setdefault((entry.name, entry.version), entry)
            index.setdefault((entry.name, ""), entry)
            if entry.name == default_model:
                index.setdefault(("", entry.version), entry)
                index.setdefault(("", ""), entry)
        return index

    def _refusals(self) -> str:
        refused = [entry for entry in self._entries if isinstance(entry, RefusedModel)]
        texts = (
            f"{entry.name} version {entry.version}, refused: {entry.reason}" for entry in refused
        )
        return "; ".join(texts) or "none"


def _asked(name: str, version: str) -> str:
    # Escaped and cut: a caller's text goes into a status, which has room for a few kB.
    model = f"model {name[:80]!a}" if name else "no name of a model"
    return f"{model}, version {version[:20]!a}" if version else model

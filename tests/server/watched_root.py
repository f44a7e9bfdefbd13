"""A folder of models, and what a server makes of it."""

import shutil
from pathlib import Path

from adscore_server.config import ModelRootOptions
from adscore_server.models.registry import LoadedModel, LoadingModel, ModelRegistry, RefusedModel
from adscore_server.models.root import ModelRoot

STATES = {LoadedModel: "ready", LoadingModel: "loading", RefusedModel: "refused"}


class Watched:
    """A root, and each set of models that it published as texts such as `sample 2 ready`."""

    def __init__(self, root: Path, **options: object) -> None:
        self.root = ModelRoot(root, ModelRootOptions(**options))  # type: ignore[arg-type]
        self.now = self.root.open()
        self.published: list[list[str]] = []

    def poll(self, times: int = 1) -> list[str]:
        """Looks that many times; returns what is held then."""
        for _ in range(times):
            self.root.poll(self._publish)
        return held(self.now)

    def _publish(self, registry: ModelRegistry) -> None:
        self.now = registry
        self.published.append(held(registry))


def held(registry: ModelRegistry) -> list[str]:
    return [f"{one.name} {one.version} {STATES[type(one)]}" for one in registry.entries]


def add(model: Path, version: int) -> Path:
    """Copies version 1 as another one."""
    return Path(shutil.copytree(model / "1", model / str(version)))

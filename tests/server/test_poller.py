"""The thread that looks for models: when it stops."""

import shutil
import threading
from pathlib import Path

from adscore_server.config import ModelRootOptions
from adscore_server.models.folders import VersionFolder
from adscore_server.models.opener import ModelOpener
from adscore_server.models.poller import ModelPoller
from adscore_server.models.registry import LoadedModel, ModelRegistry, RefusedModel
from adscore_server.models.root import ModelRoot


class StoppingOpener(ModelOpener):
    """Has the poller stop while the first version is opened that it finds."""

    poller: ModelPoller | None = None

    def open(self, folder: VersionFolder) -> LoadedModel | RefusedModel:
        if self.poller is not None:
            self.poller.stop_looking()
        return super().open(folder)


def test_of_several_new_models_none_is_opened_after_the_one_at_hand(copied_model: Path) -> None:
    root = copied_model.parent
    opener = StoppingOpener(root)
    models = ModelRoot(root, ModelRootOptions(), opener)
    models.open()
    for name in ("first", "second"):
        shutil.copytree(copied_model, root / name)
    published: list[ModelRegistry] = []
    poller = ModelPoller(models, published.append, seconds=0.01)
    opener.poller = poller
    with poller:
        poller._thread.join(60)
    assert published[-1].loaded_names == ("first", "sample")
    assert models.counts.loaded == 2


class HeldOpener(ModelOpener):
    """Opens nothing until it is let go, as from a volume that has gone."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.entered, self.released = threading.Event(), threading.Event()

    def open(self, folder: VersionFolder) -> LoadedModel | RefusedModel:
        self.entered.set()
        self.released.wait(60)
        return super().open(folder)


def test_model_that_takes_for_ever_to_open_does_not_hold_up_the_end(copied_model: Path) -> None:
    opener = HeldOpener(copied_model.parent)
    models = ModelRoot(copied_model.parent, ModelRootOptions(), opener)
    poller = ModelPoller(models, lambda _: None, seconds=0.01, patience_seconds=0.01)
    with poller:
        assert opener.entered.wait(60)
    assert poller.is_stuck
    opener.released.set()
    poller._thread.join(60)
    assert not poller.is_stuck

"""The thread that looks for models: when it stops."""

import shutil
from pathlib import Path

from adscore_server.models.folders import VersionFolder
from adscore_server.models.opener import ModelOpener
from adscore_server.models.options import ModelRootOptions
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

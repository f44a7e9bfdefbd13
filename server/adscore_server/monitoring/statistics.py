"""What a server has done and holds now, apart from single calls."""

from dataclasses import dataclass

from adscore_server.models.registry import ModelEntry
from adscore_server.scoring.batcher import BatcherStatistics


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A server at one moment.

    Attributes:
        models: Every version of every model.
        model_changes: How often those of them that score became others.
        batcher: Of the creatives of single scores, which are scored in batches.
        calls: Calls that each kind of threads holds, those that wait included.
    """

    models: tuple[ModelEntry, ...]
    model_changes: int
    batcher: BatcherStatistics
    calls: dict[str, int]

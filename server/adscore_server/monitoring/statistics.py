"""What a server has done and holds now, apart from single calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adscore_server.calls.queue import QueueStatistics
from adscore_server.models.registry import ModelEntry


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A server at one moment.

    Attributes:
        models: Every version of every model.
        model_changes: How often those of them that score became others.
        queue: Of calls for scores.
        calls: Calls of each kind that are held, those that wait included.
        expiries: When the first certificate of each TLS file expires, in seconds since 1970.
    """

    models: tuple[ModelEntry, ...]
    model_changes: int
    queue: QueueStatistics
    calls: dict[str, int]
    expiries: Mapping[str, float] = field(default_factory=dict)

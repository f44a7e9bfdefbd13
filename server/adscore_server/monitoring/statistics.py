"""Totals and current state of a server, apart from single calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adscore_server.calls.queue import QueueStatistics
from adscore_server.models.registry import ModelEntry


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A snapshot of a server.

    Attributes:
        models: Every version of every model.
        model_changes: How often the set of loaded models has changed.
        queue: Statistics of the scoring queue.
        calls: Calls held, by kind, including those that wait.
        expiries: When the first certificate of each TLS file expires, in seconds since 1970.
    """

    models: tuple[ModelEntry, ...]
    model_changes: int
    queue: QueueStatistics
    calls: dict[str, int]
    expiries: Mapping[str, float] = field(default_factory=dict)

"""adscore predicts how an ad creative will perform, and says how sure it is."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adscore.decision.table import decide_table
    from adscore.offline.local import score_table

__all__ = ["decide_table", "score_table"]

_MODULES = {"decide_table": "adscore.decision.table", "score_table": "adscore.offline.local"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `import adscore` needs and loads nothing else."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("adscore")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

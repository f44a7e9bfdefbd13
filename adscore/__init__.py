"""adscore predicts how an ad creative will perform, and says how sure it is."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adscore.offline.local import score_table

__all__ = ["score_table"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `import adscore` needs and loads nothing else."""
    if name == "score_table":
        from adscore.offline.local import score_table

        return score_table
    if name == "__version__":
        from importlib import metadata

        return metadata.version("adscore")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

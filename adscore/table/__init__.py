"""A table of creatives and their results, read and checked once for all who use it."""

from adscore.table.columns import NO_COLUMN, Columns, Target
from adscore.table.creatives import CreativeTable
from adscore.table.read import read_table

__all__ = ["NO_COLUMN", "Columns", "CreativeTable", "Target", "read_table"]

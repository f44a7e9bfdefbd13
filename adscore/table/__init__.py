"""A table of creatives and their results, read and checked once for all who use it."""

from adscore.table.cells import cell_text, is_bytes
from adscore.table.columns import NO_COLUMN, Columns, Target
from adscore.table.creatives import CreativeTable
from adscore.table.images import ImageSource
from adscore.table.location import Location, is_url
from adscore.table.read import read_table
from adscore.table.stream import TableStream, open_stream, rebatched

__all__ = [
    "NO_COLUMN",
    "Columns",
    "CreativeTable",
    "ImageSource",
    "Location",
    "TableStream",
    "Target",
    "cell_text",
    "is_bytes",
    "is_url",
    "open_stream",
    "read_table",
    "rebatched",
]

"""Tables of creatives and their results; every part of adscore reads tables with this package."""

from adscore.creative import NO_COLUMN, Columns, Target
from adscore.table.cells import (
    ImageCell,
    Text,
    cell_text,
    holds_images,
    image_cells,
    require_types,
    texts,
    values,
)
from adscore.table.creatives import CreativeTable, read_table
from adscore.table.frames import is_pandas
from adscore.table.images import ImageSource, is_data_uri
from adscore.table.location import Location, is_url, open_regular
from adscore.table.stream import (
    MissingColumnsError,
    Piece,
    TableStream,
    open_stream,
    rebatched,
    require_columns,
)

__all__ = [
    "NO_COLUMN",
    "Columns",
    "CreativeTable",
    "ImageCell",
    "ImageSource",
    "Location",
    "MissingColumnsError",
    "Piece",
    "TableStream",
    "Target",
    "Text",
    "cell_text",
    "holds_images",
    "image_cells",
    "is_data_uri",
    "is_pandas",
    "is_url",
    "open_regular",
    "open_stream",
    "read_table",
    "rebatched",
    "require_columns",
    "require_types",
    "texts",
    "values",
]

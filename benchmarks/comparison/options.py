"""Options that the scripts on tables of one's own share."""

import argparse
import os
from pathlib import Path

DATA_VARIABLE = "ADSCORE_DATA"
NO_DATA = f"skipped: it needs tables of your own: --data DIR, or {DATA_VARIABLE}=DIR"


def data_parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows where tables and encoders are."""
    parser = argparse.ArgumentParser(description=description)
    data = os.environ.get(DATA_VARIABLE)
    add = parser.add_argument
    add("--data", type=Path, default=Path(data) if data else None, help="folder of the tables")
    add("--encoders", type=Path, help="folder of the encoders; by default beside that of the data")
    add("--text-encoder", default="minilm-l6", help="folder in it (%(default)s)")
    add("--image-encoder", default="mobilenet-v2", help="folder in it (%(default)s)")
    add("--markdown", action="store_true", help="print the table for a document")
    add("--max-rows", type=int, help="first rows only: to try the script, not for figures")
    return parser


def encoder_folders(options: argparse.Namespace) -> tuple[str, str]:
    """Those of text and image."""
    folder = options.encoders or (options.data or Path()).resolve().parent / "encoders"
    return str(folder / options.text_encoder), str(folder / options.image_encoder)

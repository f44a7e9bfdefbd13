"""The frozen encoders that a benchmark trains with, as its command line names them."""

import argparse
from pathlib import Path


def add_encoder_names(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which folders of `--encoders` are meant."""
    for kind, name in (("text", "minilm-l6"), ("image", "mobilenet-v2")):
        parser.add_argument(f"--{kind}-encoder", default=name, help="folder in it (%(default)s)")


def encoder_choices(options: argparse.Namespace, folder: Path) -> dict[str, str]:
    """The same as options of a training, by name.

    Args:
        options: With those of `add_encoder_names`.
        folder: Where the folders are.
    """
    names = ("text_encoder", "image_encoder")
    return {name: str(folder / getattr(options, name)) for name in names}

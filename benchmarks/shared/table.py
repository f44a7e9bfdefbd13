"""A table as Markdown."""

from collections.abc import Sequence


def format_table(rows: Sequence[Sequence[str]], *, markdown: bool = True) -> str:
    """Lines of equal columns, the first the header; with pipes where Markdown is wanted."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        for row in (rows[0], ["-" * width for width in widths], *rows[1:])
    ]
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in lines)

"""Ranks the creatives of a table by their predicted rate, best first.

python examples/rank.py creatives.csv 127.0.0.1:50051
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from adscore_client import AdscoreError, Client, Creative, Score


def read_creatives(table: Path) -> Iterator[Creative]:
    """Yields the creatives of a CSV table with the columns that `adscore sample` writes."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            image = table.parent / row["image"] if row["image"] else None
            yield Creative(row["headline"], image, id=row["creative_id"])


def main() -> None:
    """Reads the command line; a failure is one line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path, help="a .csv table as `adscore sample` writes it")
    parser.add_argument("address", help="of an adscore server, HOST:PORT")
    options = parser.parse_args()
    try:
        rank(options.table, options.address)
    except KeyError as error:
        parser.exit(1, f"error: expected a column {error} in {options.table}\n")
    except (AdscoreError, OSError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")


def rank(table: Path, address: str) -> None:
    """Scores every creative, and prints those that have a score."""
    scores: list[Score] = []
    with Client(address) as client:
        (target, *_) = client.model().targets
        for result in client.score_many(read_creatives(table)):
            if isinstance(result, AdscoreError):
                print(f"{result.creative_id}: {result}", file=sys.stderr)
            else:
                scores.append(result)
    for score in sorted(scores, key=lambda score: score.targets[target].mean, reverse=True):
        print(score.creative_id, score.targets[target])


if __name__ == "__main__":
    main()

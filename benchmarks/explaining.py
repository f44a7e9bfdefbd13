"""Do explanations say what a model does, and what was planted? See docs/explaining.md.

    make bench ONLY=explaining ARGS="--encoders DIR"

Models are trained on `adscore sample`; the creatives that are explained are of another sample,
whose campaigns no model has seen. Elements are blotted out, and beside it drawn without.
"""

import argparse
import csv
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from adscore.explanation import can_find_text
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from explaining_bench import measures, serving
from explaining_bench.planted import planted_creatives
from shared.model import run_adscore
from shared.table import format_table

TARGET = "ctr=clicks/impressions"
MODELS = ("default", "encoders", "network", "baseline")
# Of these nothing but sums is measured unless it is asked for: they learn too little of a sample,
# or take too long to.
SUMS_ALONE = ("network", "baseline")
MEASURES = ("sums", "boxes", "text", "words", "ideas", "shuffled", "seconds", "server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each model and prints the table; returns the exit status."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        rows = [("model", "what", "figure")]
        for name in options.model:
            if name == "encoders" and options.encoders is None:
                print("encoders: skipped: --encoders DIR names their folder", file=sys.stderr)
                continue
            for line in _measure(name, folder, options):
                rows.append((name, *line))
                print(*rows[-1], sep=" | ", flush=True)
    print(format_table(rows, markdown=options.markdown))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures explanations against planted effects.")
    add = parser.add_argument
    add("--encoders", type=Path, help="folder of minilm-l6 and mobilenet-v2")
    add("--model", nargs="+", choices=MODELS, default=list(MODELS))
    add("--creatives", type=int, default=1_000, help="that are explained (%(default)s)")
    add("--each", type=int, default=200, help="of each other measure (%(default)s)")
    add("--shuffles", type=int, default=5, help="of the labels, each a model (%(default)s)")
    add("--keep", type=Path, help="folder of models, which are trained where it lacks them")
    add("--only", nargs="+", choices=MEASURES, help="a part of what is measured")
    add("--markdown", action="store_true", help="print the table for a document")
    return parser


def _measure(name: str, folder: Path, options: argparse.Namespace) -> Iterator[measures.Line]:
    path = _model(name, folder, options.encoders)
    scorer = Scorer.open(path, RuntimeOptions())
    sample = planted_creatives(options.creatives, options.creatives // 10, seed=1)
    some = sample[: options.each]

    def controls() -> list[Scorer]:
        numbers = range(1, options.shuffles + 1)
        return [Scorer.open(_model(name, folder, options.encoders, one)) for one in numbers]

    lines: dict[str, Callable[[], Iterator[measures.Line]]] = {
        "sums": lambda: measures.sums(scorer, [one.creative for one in sample]),
        "boxes": lambda: measures.true_boxes(scorer, sample, options.each),
        "text": lambda: measures.found_text(scorer, sample, options.each),
        "words": lambda: measures.planted_words(scorer, sample),
        "ideas": lambda: measures.ideas(scorer, some),
        "shuffled": lambda: measures.shuffled(scorer, controls(), some),
        "seconds": lambda: measures.seconds(scorer, some),
        "server": lambda: serving.score_latency(path, some),
    }
    for measure in options.only or (("sums",) if name in SUMS_ALONE else MEASURES):
        if measure == "text" and not can_find_text():
            print("text: skipped: the extra [check] finds it", file=sys.stderr)
            continue
        yield from lines[measure]()


def _model(name: str, folder: Path, encoders: Path | None, shuffle: int = 0) -> Path:
    """A model of the sample, trained unless the folder has it; of shuffled labels, of any but 0."""
    log = folder / "log"
    if not log.exists():
        run_adscore("sample", log)
    path = folder / (f"{name}-shuffled-{shuffle}" if shuffle else name)
    if path.exists():
        return path
    print(f"training {path.name} ...", file=sys.stderr, flush=True)
    table = _shuffled(log / "creatives.csv", shuffle) if shuffle else log / "creatives.csv"
    extra: list[object] = []
    if name == "encoders":
        assert encoders is not None
        extra += ["--text-encoder", encoders / "minilm-l6"]
        extra += ["--image-encoder", encoders / "mobilenet-v2"]
    preset = "default" if name == "encoders" else name
    run_adscore("train", table, path, "--preset", preset, "--target", TARGET, *extra)
    return path


def _shuffled(table: Path, seed: int) -> Path:
    """The table with the counts of its rows exchanged at random."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts = [(row["impressions"], row["clicks"]) for row in rows]
    random.Random(seed).shuffle(counts)  # noqa: S311
    for row, (impressions, clicks) in zip(rows, counts, strict=True):
        row["impressions"], row["clicks"] = impressions, clicks
    path = table.with_name(f"shuffled-{seed}.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    sys.exit(main())

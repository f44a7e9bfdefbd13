"""How should the graphs be run? Settings of ONNX Runtime, and int8 towers.

    make bench ONLY=runtime                         # about 2 minutes, training included
    make bench ONLY=runtime ARGS="--model DIR --table FILE.csv"

Runs the three graphs of a model on prepared creatives in one process, each variant in turn, and
prints its processor time for a creative as a ratio to the server's own settings, the median over
rounds. For int8 towers it prints what the scores of campaigns that were held out lose too, so a
model of yours must have been trained with `--hold-out`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from adscore import bundle as files
from adscore.bundle import Bundle, read_bundle, resolve_bundle
from adscore.evaluation.table import evaluate_table, rows_not_trained_on
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from adscore.scoring.text import HeadlineReader
from adscore.table import Columns, CreativeTable, Target, read_table
from shared.model import train_model

SIZES = (1, 16)
# Banners from which int8 takes the ranges of what passes between layers.
CALIBRATION_ROWS = 64
TOWERS = (files.HEADLINE_ENCODER, files.IMAGE_ENCODER)
Feeds = dict[str, NDArray[np.generic]]
Settings = Callable[[onnxruntime.SessionOptions], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both tables; returns the exit status."""
    parser = argparse.ArgumentParser(description="Measures settings of the graphs' runtime.")
    parser.add_argument("--model", type=Path, help="by default one is trained on `adscore sample`")
    parser.add_argument("--table", type=Path, help="the model's own table, with ctr")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=60, help="of a variant in a round")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="runtime-") as folder:
        model, table = options.model, options.table
        if model is None or table is None:
            model = train_model(Path(folder), "--hold-out", "0.2")
            table = Path(folder) / "log" / "creatives.csv"
        bundle = read_bundle(resolve_bundle(model))
        creatives = read_table(table, Columns(), [Target.parse("ctr=clicks/impressions")])
        int8 = _with_int8_towers(bundle, creatives, Path(folder))
        _print_times(bundle, int8, creatives, options.rounds, options.runs)
        _print_cost(bundle, int8, creatives, resolve_bundle(model))
    return 0


def _with_int8_towers(bundle: Bundle, creatives: CreativeTable, folder: Path) -> Bundle:
    """The same model with towers in int8.

    The headline's weights are quantised, and what passes between its layers as it is run. For
    convolutions the latter has ranges of its own, taken from some banners: else int8 is slower.
    """
    quantised = {}
    for name in TOWERS:
        source, target = folder / name, folder / f"int8-{name}"
        source.write_bytes(bundle.files[name])
        if name == files.HEADLINE_ENCODER:
            quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        else:
            quantize_static(source, target, _Banners(bundle, creatives), per_channel=True)
        quantised[name] = target.read_bytes()
    return replace(bundle, files={**bundle.files, **quantised})


class _Banners(CalibrationDataReader):
    """Banners of a table, one by one."""

    def __init__(self, bundle: Bundle, creatives: CreativeTable) -> None:
        scorer = Scorer(bundle)
        rows = range(min(CALIBRATION_ROWS, len(creatives)))
        self._prepared = (scorer.preparer.creative(creatives.creative(row)) for row in rows)

    def get_next(self) -> Feeds | None:
        """What the tower reads of the next; None behind the last."""
        for prepared in self._prepared:
            if prepared.image is not None and prepared.image.pixels is not None:
                return {"pixels": prepared.image.pixels[np.newaxis]}
        return None


# === Time ===


def _threads(threads: int) -> Settings:
    def apply(options: onnxruntime.SessionOptions) -> None:
        options.intra_op_num_threads = threads

    return apply


def _and(then: Settings) -> Settings:
    def apply(options: onnxruntime.SessionOptions) -> None:
        _threads(1)(options)
        then(options)

    return apply


def _set(name: str, value: object) -> Settings:
    return _and(lambda options: setattr(options, name, value))


def _entry(name: str, value: str) -> Settings:
    return _and(lambda options: options.add_session_config_entry(name, value))


_LEVELS = onnxruntime.GraphOptimizationLevel
VARIANTS: dict[str, Settings] = {
    "one thread a graph, as in the server": _threads(1),
    "without a memory arena": _set("enable_cpu_mem_arena", False),
    "without memory-pattern planning": _set("enable_mem_pattern", False),
    "only basic graph optimisation": _set("graph_optimization_level", _LEVELS.ORT_ENABLE_BASIC),
    "no graph optimisation": _set("graph_optimization_level", _LEVELS.ORT_DISABLE_ALL),
    "denormal numbers as zero": _entry("session.set_denormal_as_zero", "1"),
}


class Pass:
    """One pass of the three graphs on some creatives, as a server makes it for a batch."""

    def __init__(self, bundle: Bundle, settings: Settings, creatives: CreativeTable, size: int):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        settings(options)
        self._headline, self._image, self._head = (
            onnxruntime.InferenceSession(bundle.files[name], options)
            for name in (*TOWERS, files.HEAD)
        )
        self._headlines, self._pixels = _inputs(bundle, self._headline, creatives, size)
        self._known = {
            "context_ids": np.zeros((size, 0), np.int32),
            "present": np.tile(np.array([1, 1, 0], np.float32), (size, 1)),
        }
        self._names = [node.name for node in self._head.get_inputs()]

    def __call__(self) -> None:
        """Runs both towers and the head once."""
        known = dict(self._known)
        for name, session, feeds in (
            ("headline_embedding", self._headline, self._headlines),
            ("image_embedding", self._image, self._pixels),
        ):
            [known[name]] = session.run(["embedding"], feeds)
        self._head.run(None, {name: known[name] for name in self._names})


def _inputs(
    bundle: Bundle, headline: onnxruntime.InferenceSession, creatives: CreativeTable, size: int
) -> tuple[Feeds, Feeds]:
    names = [node.name for node in headline.get_inputs()]
    tokenizer = bundle.files.get(files.TOKENIZER)
    reader = HeadlineReader(
        None if tokenizer is None else tokenizer.decode(), bundle.manifest.preprocessing, names
    )
    scorer = Scorer(bundle)
    prepared = [scorer.preparer.creative(creatives.creative(row)) for row in range(size)]
    texts, _ = reader.read([one.headline.text for one in prepared if one.headline])
    pixels = [one.image.pixels for one in prepared if one.image and one.image.pixels is not None]
    return texts, {"pixels": np.stack(pixels)}


def _print_times(
    bundle: Bundle, int8: Bundle, creatives: CreativeTable, rounds: int, runs: int
) -> None:
    print("\n| variant | " + " | ".join(f"batch of {size}" for size in SIZES) + " |")
    print("| --- |" + " --- |" * len(SIZES))
    columns = []
    for size in SIZES:
        passes = {
            name: Pass(bundle, settings, creatives, size) for name, settings in VARIANTS.items()
        }
        passes["int8 towers"] = Pass(int8, _threads(1), creatives, size)
        columns.append(_ratios(passes, rounds, max(1, runs // size), size))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")


def _ratios(passes: dict[str, Pass], rounds: int, runs: int, size: int) -> dict[str, str]:
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds):
        for name, run in passes.items():
            run()  # what the variant before left in the caches is not its own
            start = time.process_time()
            for _ in range(runs):
                run()
            seconds[name].append((time.process_time() - start) / runs / size)
    first = next(iter(passes))
    texts = {first: f"{median(seconds[first]) * 1e6:.0f} us of CPU a creative"}
    for name in list(passes)[1:]:
        pairs = zip(seconds[name], seconds[first], strict=True)
        texts[name] = f"{median(a / b for a, b in pairs):.2f} x"
    return texts


# === Accuracy ===


def _print_cost(bundle: Bundle, int8: Bundle, creatives: CreativeTable, path: Path) -> None:
    unseen = rows_not_trained_on(creatives, (path / files.TRAINING_GROUPS).read_text())
    print("\n| towers | MB | pairs ranked right | significant pairs | rates change by |")
    print("| --- | --- | --- | --- | --- |")
    means = []
    for name, model in (("float32", bundle), ("int8", int8)):
        evaluation = evaluate_table(Scorer(model, RuntimeOptions(1)), creatives, unseen)
        figures = evaluation.target_metrics["ctr"]
        means.append(evaluation.predictions.mean[:, 0])
        change = np.abs(means[-1] / means[0] - 1)
        size = sum(len(model.files[tower]) for tower in TOWERS) / 1e6
        print(
            f"| {name} | {size:.2f} | {figures['pairwise_accuracy']:.3f} "
            f"| {figures['pairwise_accuracy_significant']:.3f} "
            f"| {np.median(change):.2%} in the median, {change.max():.2%} at most |"
        )


if __name__ == "__main__":
    sys.exit(main())

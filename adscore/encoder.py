"""The graphs of a bundle on ONNX Runtime, each behind the words of the domain."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adscore.headline_reader import HeadlineReader
from adscore.image import Pixels

# From 1.29 on, ONNX Runtime tells its maker which models it runs, by name and hash, and keeps
# a database for that in the home folder. It reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

# What a tower says of a batch, by name: `embedding` (batch, width) for the head; `aligned`
# (batch, width) of unit length, for agreement; `distance` (batch, 1) from what it was trained on.
Encodings = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How graphs are run.

    Attributes:
        threads: Threads that work on one graph; 0 means one for each core.
    """

    threads: int = 0


class Graph:
    """One ONNX graph with named inputs and outputs; safe to run from many threads.

    Args:
        data: The graph, serialised.
        options: How it is run.

    Raises:
        onnxruntime's own exceptions: The bytes are no graph that this runtime knows.
    """

    def __init__(self, data: bytes, options: RuntimeOptions) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = 3  # errors; its warnings are about its own optimiser
        self._session = onnxruntime.InferenceSession(
            data, settings, providers=["CPUExecutionProvider"]
        )
        self.input_names = [node.name for node in self._session.get_inputs()]
        self.output_names = [node.name for node in self._session.get_outputs()]
        self.output_widths = {node.name: node.shape[-1] for node in self._session.get_outputs()}

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Runs the graph on a batch and returns its outputs by name."""
        outputs = self._session.run(self.output_names, inputs)
        return dict(zip(self.output_names, outputs, strict=True))


class HeadlineEncoder:
    """The text tower: normalised headlines -> encodings.

    Args:
        graph: Its graph.
        reader: Makes the graph's inputs.
        apart: Whether headlines are run one by one; see `bundle.Preprocessing`.
    """

    def __init__(self, graph: Graph, reader: HeadlineReader, *, apart: bool = False) -> None:
        self.widths = graph.output_widths
        self._graph = graph
        self._reader = reader
        self._apart = apart

    def encode(self, headlines: Sequence[str]) -> tuple[Encodings, NDArray[np.bool_]]:
        """Encodes a batch.

        Returns:
            The encodings; and whether each headline was cut, (batch,).
        """
        batches = [[headline] for headline in headlines] if self._apart else [headlines]
        encodings, truncated = zip(*map(self._encode_together, batches), strict=True)
        joined = {
            name: np.concatenate([encoding[name] for encoding in encodings]) for name in self.widths
        }
        return joined, np.concatenate(truncated)

    def _encode_together(self, headlines: Sequence[str]) -> tuple[Encodings, NDArray[np.bool_]]:
        inputs, truncated = self._reader.read(headlines)
        return self._graph.run(inputs), truncated


class ImageEncoder:
    """The image tower: pixels -> encodings."""

    def __init__(self, graph: Graph) -> None:
        self.widths = graph.output_widths
        self._graph = graph

    def encode(self, pixels: Pixels) -> Encodings:
        """Encodes a batch of shape (batch, height, width, 3), uint8."""
        return self._graph.run({"pixels": pixels})


class Head:
    """Fusion, feature extraction and output: what is known of a creative -> rates."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def predict(
        self, known: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicts from row i of every input that the graph names.

        Args:
            known: `headline_embedding` and `image_embedding`, (batch, width) float32;
                `context_ids` (batch, names) int32; `present` (batch, 3) float32, whether
                headline, image and any context are known.

        Returns:
            Mean rate and concentration of a beta distribution, both (batch, targets): the
            rate is Beta(mean * concentration, (1 - mean) * concentration).
        """
        outputs = self._graph.run({name: known[name] for name in self._graph.input_names})
        return outputs["mean"], outputs["concentration"]

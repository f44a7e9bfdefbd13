"""What the towers say of the training's creatives on average: explanations compare with it."""

import msgspec
import numpy as np

from adscore.training.model import Model
from adscore.training.problem import Problem

MAX_ROWS = 2_000  # more change nothing but the time


def mean_embeddings(problem: Problem, model: Model) -> bytes:
    """The mean embedding of each tower over the rows that have its part; JSON, by tower."""
    means = {}
    for name, tower in model.towers.items():
        rows = problem.data.rows_with(name, problem.fitted)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).astype(np.int64)]
        # Called rather than compiled, which would take longer than this one use of it.
        sums = [
            np.sum(tower(batch, training=False)["embedding"], axis=0, dtype=np.float64)
            for batch in model.inputs.batches(tower, rows)
        ]
        means[name] = (np.sum(sums, axis=0) / len(rows)).astype(np.float32).tolist()
    return msgspec.json.encode(means)

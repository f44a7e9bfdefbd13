"""What a fitted network predicts for the rows of its table."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from adscore.errors import TrainingError
from adscore.scorer import GOLDEN_RELATIVE_TOLERANCE, Predictions, PreparedCreative, Scorer
from adscore.training.data import TrainingData
from adscore.training.inputs import TowerInputs
from adscore.training.network import Network

Predict = Callable[[NDArray[np.int64]], Predictions]

ROWS_AT_ONCE = 256
ROWS_COMPARED = 8


def predict_with_graphs(scorer: Scorer, data: TrainingData, rows: NDArray[np.int64]) -> Predictions:
    """Predicts with the finished graphs: the path that serving takes."""
    return scorer.predict(
        PreparedCreative(data.headlines[row], data.pixels[data.image_index[row]]) for row in rows
    )


def predict_with_features(
    network: Network, inputs: TowerInputs, rows: NDArray[np.int64]
) -> Predictions:
    """Predicts with Keras from features at hand, so that no frozen encoder is run again."""
    batches = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
    outputs = [network.whole.predict_on_batch(inputs.batch(batch)) for batch in batches]
    mean, concentration = (
        np.concatenate([output[name] for output in outputs]).astype(np.float64)
        for name in ("mean", "concentration")
    )
    return Predictions(mean, concentration, np.zeros(len(rows), dtype=bool))


def predictor(
    scorer: Scorer,
    network: Network,
    inputs: TowerInputs,
    data: TrainingData,
    *,
    use_features: bool,
) -> Predict:
    """The quicker of both ways, rows -> predictions: features where encoders made them."""
    if use_features:
        return partial(predict_with_features, network, inputs)
    return partial(predict_with_graphs, scorer, data)


def require_agreement(
    scorer: Scorer, network: Network, inputs: TowerInputs, data: TrainingData
) -> None:
    """Compares both ways on a few rows, before anybody trusts the graphs.

    Raises:
        TrainingError: They differ by more than floating point does.
    """
    rows = np.linspace(0, len(data) - 1, ROWS_COMPARED).astype(np.int64)
    served = predict_with_graphs(scorer, data, rows).mean
    fitted = predict_with_features(network, inputs, rows).mean
    if not np.allclose(served, fitted, rtol=GOLDEN_RELATIVE_TOLERANCE, atol=0):
        worst = float(np.max(np.abs(served / fitted - 1)))
        raise TrainingError(
            "expected the exported graphs to predict what was fitted. Received: predictions that "
            f"differ by {worst:.1%}; the encoder may not give a creative the same features twice"
        )

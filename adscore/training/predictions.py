"""What a fitted network predicts for the rows of its table."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from adscore.bundle.golden import RELATIVE_TOLERANCE
from adscore.errors import TrainingError
from adscore.evaluation.table import agreement_metrics, compared_rows
from adscore.scoring.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Predictions, Scorer
from adscore.training.data import TrainingData
from adscore.training.inputs import TowerInputs
from adscore.training.network import Network

Predict = Callable[[NDArray[np.int64]], Predictions]

ROWS_AT_ONCE = 256
ROWS_COMPARED = 8


def prepared_rows(data: TrainingData, rows: NDArray[np.int64]) -> Iterator[PreparedCreative]:
    """The rows as serving would prepare them."""
    for row in rows:
        headline = data.headlines[row]
        has_image = data.present[row, 1] > 0
        yield PreparedCreative(
            PreparedHeadline(headline) if headline else None,
            PreparedImage(data.pixels[data.image_index[row]]) if has_image else None,
            tuple(data.context_ids[row].tolist()),
        )


def predict_with_graphs(scorer: Scorer, data: TrainingData, rows: NDArray[np.int64]) -> Predictions:
    """Predicts with the finished graphs: the path that serving takes."""
    return scorer.predict(prepared_rows(data, rows))


def predict_with_features(
    network: Network, inputs: TowerInputs, rows: NDArray[np.int64]
) -> Predictions:
    """Predicts rates with Keras from features at hand, so that no frozen encoder is run again."""
    batches = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
    outputs = [network.whole.predict_on_batch(inputs.batch(batch)) for batch in batches]
    mean, concentration = (
        np.concatenate([output[name] for output in outputs]).astype(np.float64)
        for name in ("mean", "concentration")
    )
    not_asked = np.zeros(len(rows), dtype=bool)
    return Predictions(mean, concentration, not_asked, not_asked, np.full(len(rows), np.nan))


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
    if not np.allclose(served, fitted, rtol=RELATIVE_TOLERANCE, atol=0):
        worst = float(np.max(np.abs(served / fitted - 1)))
        raise TrainingError(
            "expected the exported graphs to predict what was fitted. Received: predictions that "
            f"differ by {worst:.1%}; the encoder may not give a creative the same features twice"
        )


def held_out_agreement(
    scorer: Scorer, data: TrainingData, rows: NDArray[np.int64]
) -> dict[str, float | None]:
    """Metrics of agreement among rows that have headline and image."""
    rows = compared_rows(rows[data.present[rows, :2].all(axis=1)])
    return agreement_metrics(scorer, prepared_rows(data, rows)).to_dict() if rows.size else {}

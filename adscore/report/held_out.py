"""The page that a training leaves beside its model."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from adscore.evaluation.table import evaluate_table
from adscore.report.evaluation_page import Report
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable

# A frozen encoder takes its time for each row: beyond these, a random part of the rows is.
MOST_ROWS = 2_000


def held_out_report(
    scorer: Scorer, table: CreativeTable, rows: NDArray[np.int64], seed: int = 0
) -> Report:
    """Evaluates held-out rows, for their page.

    Args:
        scorer: The model, with the percentiles of its reference.
        table: The table that it was trained on.
        rows: Rows of the held-out groups, counted from 0, (n,).
        seed: Decides which are taken, where there are too many.

    Raises:
        TableError: There is no row, or one cannot be scored.
    """
    drawn_from = 0
    if len(rows) > MOST_ROWS:
        drawn_from = len(rows)
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    evaluation = evaluate_table(scorer, table, rows)
    today = datetime.now(UTC).date()
    return Report(scorer, table, evaluation, today, drawn_from=drawn_from)

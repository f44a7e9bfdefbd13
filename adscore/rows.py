"""Rows of a table -> creatives ready to score, decoded in parallel."""

from collections.abc import Sequence
from concurrent.futures import Executor

from adscore.errors import InvalidCreativeError
from adscore.preparation import PreparedCreative
from adscore.scorer import Scorer
from adscore.table import CreativeTable


def prepare_rows(
    scorer: Scorer, table: CreativeTable, rows: Sequence[int], pool: Executor
) -> list[PreparedCreative | InvalidCreativeError]:
    """Reads, checks and decodes rows (counted from 0), in their order.

    Args:
        scorer: The model, which knows what it accepts.
        table: The creatives.
        rows: Which of them.
        pool: Threads to decode on: Pillow releases the GIL.

    Returns:
        For each row the prepared creative, or why there is none.
    """

    def prepare(row: int) -> PreparedCreative | InvalidCreativeError:
        try:
            return scorer.prepare(table.creative(row))
        except InvalidCreativeError as error:
            return error

    return list(pool.map(prepare, rows))

"""Rows of sums that say nothing of it: totals without a label."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.prepare.sift import LeftOut
from adscore.table.totals import rows_of_sums


def without_sums(
    ads: pa.Table, left_out: Sequence[LeftOut], counts: Sequence[str]
) -> tuple[pa.Table, list[LeftOut]]:
    """Leaves out rows that hold, in every count, the sum of others: totals without a label.

    Args:
        ads: Ads, with a column `suspect`.
        left_out: Rows that were left out already; those that are sums are called so.
        counts: Columns of counts.

    Returns:
        Ads without the column `suspect`, and all rows that were left out, in their order.
    """
    suspects = ads["suspect"].to_numpy().astype(bool)
    found = list(left_out)
    if counts and ads.num_rows:
        held = np.stack([ads[name].to_numpy() for name in counts])  # (counts, rows)
        rest = held[:, ~suspects].sum(axis=1)
        found = [_named_total(one, rest) for one in found]
        sums = rows_of_sums(held, suspects)
        rows = ads["row"].to_numpy()
        found += [LeftOut(int(rows[at]), "totals", text, {}) for at, text in sorted(sums.items())]
        if sums:
            kept = np.ones(ads.num_rows, bool)
            kept[list(sums)] = False
            ads = ads.filter(pa.array(kept))
    return ads.drop_columns(["suspect"]), sorted(found, key=lambda one: one.row)


def _named_total(one: LeftOut, total: NDArray[np.float64]) -> LeftOut:
    counts = list(one.counts.values())
    is_total = one.reason == "no ad" and np.allclose(counts, total, rtol=1e-9) and total.any()
    return replace(one, reason="totals", label="the sum of all ads") if is_total else one

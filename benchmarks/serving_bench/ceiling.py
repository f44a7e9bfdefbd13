"""The ceiling: the decode and the graphs of a model, called in one process on all cores.

Run by `workers.py` as `python -m serving_bench.ceiling MODEL PICTURES [PART]`. Nothing is received,
put into words or sent: what remains is what no server can save. With PART it does less or more of
it: `decode` stops after the files are read, `words` goes on to finished scores.
"""

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from adscore.creative import Creative
from adscore.scoring.graphs import RuntimeOptions
from adscore.scoring.scorer import Scorer
from serving_bench.load import Done, Send, run_load
from serving_bench.orders import Order, obey
from serving_bench.pictures import Ad, Pictures


def main() -> None:
    """Obeys until the input ends."""
    model, folder = map(Path, sys.argv[1:3])
    # One thread for each caller: measured beside all cores for each, which is slower at every
    # size of a batch, even with a single caller.
    send = _in_process(Scorer.open(model, RuntimeOptions(threads=1)), *sys.argv[3:])
    streams = itertools.count(1)

    def prepare(order: Order) -> Callable[[], Done]:
        stream = next(streams)
        ads = Pictures(folder, order.kind).ads(stream)
        return lambda: run_load(send, ads, order.load, stream)

    obey(prepare)


def _in_process(scorer: Scorer, part: str = "graphs") -> Send:
    steps = {
        "decode": lambda _: None,
        "graphs": scorer.predict,
        "words": scorer.score_prepared,
    }
    finish = steps[part]

    def send(ads: Sequence[Ad]) -> None:
        finish([scorer.preparer.creative(Creative(ad.headline, ad.image)) for ad in ads])

    return send


if __name__ == "__main__":
    main()

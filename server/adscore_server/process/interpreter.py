"""Settings of the process that a server runs in; they hold for everything in it."""

import gc
import os

# Of objects that are made and not yet freed. A call makes some hundred that are freed when it ends,
# without the collector; with Python's own 700 it would look through all that call after call.
_GC_THRESHOLDS = (50_000, 20, 20)


def settle_process() -> None:
    """To be called once what a server needs is imported, before models are opened.

    What is there now stays for good, so the garbage collector need never look at it again.
    """
    # Headlines are tokenised where calls are worked on, which is on all cores already; threads of
    # the tokenizer's own would only take turns with theirs.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)

"""Settings of the process that a server runs in; they hold for everything in it."""

import contextlib
import ctypes
import gc
import os

# Of objects that are made and not yet freed. A call makes some hundred that are freed when it ends,
# without the collector; with Python's own 700 it would look through all that call after call.
_GC_THRESHOLDS = (50_000, 20, 20)
_M_MMAP_THRESHOLD = -3  # of malloc.h
# Larger than what usual images and their batches take, which is used again sooner than given back.
_LARGE_BYTES = 4 * 1024 * 1024


def settle_process() -> None:
    """To be called once what a server needs is imported, before models are opened.

    What is there now stays for good, so the garbage collector need never look at it again.
    """
    # Headlines are tokenised where calls are worked on, which is on all cores already; threads of
    # the tokenizer's own would only take turns with theirs.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _give_large_blocks_back()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _give_large_blocks_back() -> None:
    """Has the allocator give back at once what is large, where it can; glibc learns to keep it.

    Requests of 16 MB, and images, would otherwise leave a server several times as large.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)

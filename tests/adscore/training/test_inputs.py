"""What is kept of every row while a model is trained."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adscore.scoring.ngrams import ngram_ids
from adscore.training.inputs import ROWS_AT_ONCE, NgramIds


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.data())
def test_ngrams_of_any_rows_are_those_of_all_rows_at_once(headlines: list[str], data) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(headlines) - 1), max_size=8)), np.int64)
    np.testing.assert_array_equal(NgramIds(headlines, 64)[rows], ngram_ids(headlines, 64)[rows])


def bytes_kept(headlines: list[str]) -> tuple[int, NgramIds]:
    tracemalloc.start()
    try:
        ids = NgramIds(headlines, 2**15)
        return tracemalloc.get_traced_memory()[0], ids
    finally:
        tracemalloc.stop()


def test_one_long_headline_costs_the_others_no_memory() -> None:
    headlines = [f"shoes {number}" for number in range(2 * ROWS_AT_ONCE)]
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), (110, 8))
    long = " ".join("".join(word) for word in letters)
    short_bytes, short = bytes_kept(headlines)
    bytes_of_both, both = bytes_kept([*headlines, long])
    first = np.array([0])
    assert both[first].shape[1] > 50 * short[first].shape[1]
    assert bytes_of_both < 2 * short_bytes
    assert both[np.array([len(headlines)])].all()

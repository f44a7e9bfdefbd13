"""Hashed n-grams: the same everywhere, padded with 0."""

from hypothesis import given, settings
from hypothesis import strategies as st

from adscore.scoring.text import PADDING_ID, ngram_ids


def test_ids_never_change():
    # A bundle's table of n-grams is worthless if another release hashes them differently.
    assert ngram_ids(["Ad up"], 2**15).tolist() == [
        [4198, 6083, 12970, 13759, 19226, 22840, 25241, 26065, 28546]
    ]


def test_case_and_compatibility_forms_do_not_count():
    plain, styled = ngram_ids(["fine shoes", "\ufb01ne Shoes"], 2**15)
    assert plain.tolist() == styled.tolist()


def test_order_of_words_counts():
    one, other = ngram_ids(["shoes run", "run shoes"], 2**15)
    assert one.tolist() != other.tolist()


def test_empty_headline_is_padding_alone():
    assert ngram_ids([""], 64).tolist() == [[PADDING_ID]]
    assert ngram_ids([], 64).shape == (0, 1)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=4), st.sampled_from([2, 64, 2**15]))
def test_a_row_depends_on_its_own_headline(headlines, buckets):
    ids = ngram_ids(headlines, buckets)
    assert ids.dtype == "int32"
    assert ids.min() >= 0
    assert ids.max() < buckets
    for row, headline in zip(ids, headlines, strict=True):
        (alone,) = ngram_ids([headline], buckets)
        kept = row[row != PADDING_ID].tolist()
        assert kept == sorted(set(kept)) == alone[alone != PADDING_ID].tolist()

"""Fuzzes the way of a headline: normalised text within its limit, or a refusal; then tokens."""

import sys

import atheris

with atheris.instrument_imports(include=["adscore"]):
    from adscore.creative import InputLimits
    from adscore.errors import InvalidCreativeError
    from adscore.scoring.ngrams import ngram_ids
    from adscore.scoring.text import (
        HeadlineTokenizer,
        is_placeholder,
        normalise,
        train_tokenizer,
    )

BUCKETS = 64
TOKENIZER = HeadlineTokenizer(train_tokenizer(["Run a little further", "Fresh air"], 300), 32)
VOCABULARY = TOKENIZER.vocabulary_size
LIMITS = InputLimits(max_headline_characters=200)
ROOMY = InputLimits(max_headline_characters=1_000)  # three dots for one sign


def read_any(data: bytes) -> None:
    """One headline; whatever else it raises is a finding."""
    headline = data.decode("utf-8", "surrogateescape")
    try:
        text = normalise(headline, LIMITS)
    except InvalidCreativeError as error:
        if error.field != "headline":
            raise AssertionError(error.field) from error
        return
    if normalise(text, ROOMY) != text:
        raise AssertionError("normalised twice is not normalised once")
    is_placeholder(text)
    ids = ngram_ids([text], BUCKETS)
    if ids.shape[0] != 1 or not 0 <= ids.min() <= ids.max() < BUCKETS:
        raise AssertionError(ids)
    tokens, _ = TOKENIZER.encode([text])
    if tokens.shape != (1, 32) or not 0 <= tokens.min() <= tokens.max() < VOCABULARY:
        raise AssertionError(tokens)


if __name__ == "__main__":
    atheris.Setup(sys.argv, read_any)
    atheris.Fuzz()

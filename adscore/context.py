"""Circumstances of an ad -> numbers: one for each context name that a model reads.

0 stands for a value that is absent or was never seen in training: either way the model knows
nothing of it. The values of training are numbered from 1.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

Vocabulary = Mapping[str, tuple[str, ...]]  # by context name, the values seen in training

# A column with more values is an identifier rather than a circumstance; the rarest are left out.
MOST_VALUES = 1_000


def learn_values(values: Iterable[str]) -> tuple[str, ...]:
    """The values of one context name, the most frequent at most, in order; ``""`` is absent."""
    counted = Counter(value for value in values if value)
    return tuple(sorted(value for value, _ in counted.most_common(MOST_VALUES)))


def context_ids(context: Mapping[str, str], vocabulary: Vocabulary) -> tuple[int, ...]:
    """The numbers of a creative's context, in the order of the vocabulary's names."""
    return tuple(_number(context.get(name, ""), values) for name, values in vocabulary.items())


def unknown_context(context: Mapping[str, str], vocabulary: Vocabulary) -> bool:
    """Whether a value of the context was never seen in training."""
    return any(
        value and name in vocabulary and value not in vocabulary[name]
        for name, value in context.items()
    )


def _number(value: str, values: tuple[str, ...]) -> int:
    return values.index(value) + 1 if value in values else 0

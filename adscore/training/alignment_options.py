"""How headline-image agreement is trained, as plain numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlignmentOptions:
    """Sizes of the aligned towers and how they are fitted.

    Attributes:
        width: Width of the space that both towers end in.
        hidden_width: Units of the path beside the linear one.
        ngram_buckets: Number of ids of the hashed n-grams beside a frozen text encoder.
        ngram_step: Step size of an n-gram's row against that of other weights: rows of rare
            n-grams are met in few steps.
        input_dropout: Share of a trunk's output dropped in a step.
        hidden_dropout: Share of the hidden units dropped in a step.
        ngram_dropout: Share of a headline's n-grams dropped in a step.
        logit_scale: What a cosine is multiplied with at the start (one over the temperature);
            it is learned.
        batch_size: Pairs in a step, about; every other pair of the step is a negative.
        epochs: Passes over the fitted rows, as far as the limits below allow.
        least_steps: Steps at least: a few hundred rows make one step a pass.
        most_steps: Steps at most, for logs of hundreds of thousands of rows.
        learning_rate: Step size of AdamW at the start; it falls to zero along a cosine.
        weight_decay: Of AdamW, for all weights but biases and the logit scale.
        validation_rows: Rows of the validation groups that are looked at, at most: the
            similarities of all pairs are held at once.
    """

    width: int = 256
    hidden_width: int = 512
    ngram_buckets: int = 2**15
    ngram_step: float = 12.0
    input_dropout: float = 0.4
    hidden_dropout: float = 0.5
    ngram_dropout: float = 0.2
    logit_scale: float = 15.0
    batch_size: int = 768
    epochs: int = 40
    least_steps: int = 120
    most_steps: int = 4_000
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    validation_rows: int = 4_096

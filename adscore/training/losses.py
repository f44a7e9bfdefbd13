"""What a network is fitted to: counts of successes in trials."""

from typing import Any

import tensorflow as tf

Tensor = Any  # tf.Tensor, of which the stubs know nothing


def beta_binomial_loss(
    logit: Tensor, log_concentration: Tensor, successes: Tensor, trials: Tensor
) -> Tensor:
    """Negative log likelihood of counts whose rate is beta-distributed, in nats.

    The binomial coefficient is left out: it does not depend on the network. Skellam
    (1948), "A probability distribution derived from the binomial distribution by regarding
    the probability of success as variable between the sets of trials".

    All arguments and the result have one shape. Computed in float64: the gamma function
    of millions of trials leaves nothing of a float32's digits.
    """
    logit, log_concentration, successes, trials = (
        tf.cast(value, tf.float64) for value in (logit, log_concentration, successes, trials)
    )
    concentration = tf.exp(log_concentration)
    alpha = tf.sigmoid(logit) * concentration
    beta = tf.sigmoid(-logit) * concentration
    log_likelihood = _log_beta(alpha + successes, beta + trials - successes) - _log_beta(
        alpha, beta
    )
    return tf.cast(-log_likelihood, tf.float32)


def binary_crossentropy_loss(logit: Tensor, successes: Tensor, trials: Tensor) -> Tensor:
    """Binary cross-entropy of the rate, weighted by trials over their mean; in nats.

    All arguments and the result have one shape, (batch, targets). A creative with no trials
    weighs nothing.
    """
    successes, trials = (tf.cast(counts, logit.dtype) for counts in (successes, trials))
    rate = tf.math.divide_no_nan(successes, trials)
    return trials * tf.nn.sigmoid_cross_entropy_with_logits(labels=rate, logits=logit)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return tf.math.lgamma(a) + tf.math.lgamma(b) - tf.math.lgamma(a + b)

"""What aligned towers are fitted to: each headline beside its own image, away from the others.

Radford et al. (2021), "Learning transferable visual models from natural language supervision".
"""

import tensorflow as tf

from adscore.training.losses import Tensor


def contrastive_loss(headline: Tensor, image: Tensor, alike: Tensor, logit_scale: Tensor) -> Tensor:
    """Cross-entropy of finding the image of a headline and the headline of an image, in nats.

    Where several pairs of a batch are alike, any of them is as right as another: the mass of
    a row is shared among them.

    Args:
        headline: Places of the headlines, (b, a) of unit length.
        image: Places of their images, the same.
        alike: Which pairs count as the same, (b, b) bool, symmetric, true on the diagonal.
        logit_scale: What a cosine is multiplied with, a scalar.

    Returns:
        Mean of both directions for each pair, (b,).
    """
    logits = logit_scale * tf.matmul(headline, image, transpose_b=True)
    share = tf.cast(alike, logits.dtype)
    share /= tf.reduce_sum(share, axis=1, keepdims=True)
    to_image = tf.nn.softmax_cross_entropy_with_logits(share, logits)
    to_headline = tf.nn.softmax_cross_entropy_with_logits(share, tf.transpose(logits))
    return (to_image + to_headline) / 2


def alike_pairs(names: Tensor, images: Tensor) -> Tensor:
    """Which pairs of a batch are no negatives of each other: equal in name or in image.

    Args:
        names: A number for each distinct name, (b,).
        images: A number for each distinct image, (b,).

    Returns:
        (b, b) bool.
    """
    return (names[:, None] == names[None, :]) | (images[:, None] == images[None, :])

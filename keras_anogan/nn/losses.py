"""Losses of a batch, as pure functions: each returns a float32 scalar, each has a closed-form test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops


def wasserstein_critic_loss(real: Any, generated: Any) -> Any:
    """E[D(generated)] - E[D(real)], what a Wasserstein critic minimises (Arjovsky et al. 2017, eq. 2).

    Args:
        real, generated: critic values, shape (batch, 1).
    """
    return ops.mean(generated) - ops.mean(real)


def wasserstein_generator_loss(generated: Any) -> Any:
    """-E[D(generated)], what the generator minimises against a Wasserstein critic.

    Args:
        generated: critic values, shape (batch, 1).
    """
    return -ops.mean(generated)


def gradient_penalty(
    critic: Callable[[Any], Any], real: Any, generated: Any, alpha: Any, epsilon: float = 1e-12
) -> Any:
    """E[(||grad D(x_mix)||_2 - 1)^2] at x_mix = real + alpha (generated - real) (Gulrajani et al. 2017, eq. 3).

    The norm runs over every axis but the batch's; `epsilon` stands inside the root, so that its gradient
    stays finite where the critic is flat.

    Args:
        critic: maps (batch, ...) to critic values (batch, 1); each value may depend on its own row only.
        real, generated: shape (batch, ...).
        alpha: mixing weights in [0, 1], one per sample: shape (batch,).
        epsilon: added to the squared norm.
    """
    alpha = ops.reshape(alpha, (-1, *(1,) * (len(real.shape) - 1)))
    mixed = real + alpha * (generated - real)
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        value = critic(mixed)
    slope = ops.cast(tape.gradient(value, mixed), "float32")
    norm = ops.sqrt(ops.sum(ops.square(slope), axis=tuple(range(1, len(slope.shape)))) + epsilon)
    return ops.mean(ops.square(norm - 1.0))


def binary_cross_entropy(logit: Any, real: bool) -> Any:
    """E[-log sigmoid(logit)] for what is to be called real, E[-log(1 - sigmoid(logit))] for what is not.

    With `real` turned round it is the non-saturating loss of the generator (Goodfellow et al. 2014, section 3).

    Args:
        logit: what a discriminator says, shape (batch, 1), before any sigmoid.
        real: whether these are to be called real.
    """
    return ops.mean(ops.softplus(-logit if real else logit))


def contrastive_loss(z: Any, y: Any, margin: float = 1.0) -> Any:
    """Contrastive loss over all pairs of a batch (Hadsell, Chopra, LeCun 2006, eq. 4).

    Half the mean of d^2 over pairs of one class, plus half the mean of max(0, margin - d)^2 over pairs of two, where d
    is the distance of the two embeddings. The two kinds weigh the same however many pairs of each a batch has; a kind
    that it has none of counts as zero.

    Args:
        z: embeddings, shape (batch, latent_dim).
        y: integer classes, shape (batch,).
        margin: > 0.
    """
    squares = ops.sum(ops.square(ops.expand_dims(z, 1) - ops.expand_dims(z, 0)), axis=-1)  # (batch, batch)
    upper = ops.cast(ops.triu(ops.ones_like(squares), 1), squares.dtype)  # every pair once
    same = upper * ops.cast(ops.equal(ops.expand_dims(y, 1), ops.expand_dims(y, 0)), squares.dtype)
    apart = upper - same
    distance = ops.sqrt(squares + 1e-12)  # inside the root: its gradient at zero is finite
    pull = ops.sum(same * squares) / ops.maximum(ops.sum(same), 1.0)
    push = ops.sum(apart * ops.square(ops.relu(margin - distance))) / ops.maximum(ops.sum(apart), 1.0)
    return 0.5 * (pull + push)

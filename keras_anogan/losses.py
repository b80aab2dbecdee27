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

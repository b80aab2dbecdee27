"""Several replicas of a model, each on its share of a batch: how many there are, and what they have to agree on."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def replicas() -> int:
    """How many replicas train together under the strategy in whose scope this is called; one without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def agree_on_overflow(gradients: list[Any]) -> list[Any]:
    """Make an overflow on one replica an overflow on all; call it on each replica.

    Keras decides whether an overflow skips the step before the gradients are added up, and asks the first replica only,
    or each replica alone. Without agreement some replicas would skip a step that others take.

    Args:
        gradients: this replica's, None where a variable has none.

    Returns:
        The same gradients if they are finite on all replicas; NaN on all of them otherwise.
    """
    zero = tf.add_n([tf.reduce_sum(tf.cast(g, "float32") * 0.0) for g in gradients if g is not None])  # or NaN
    zero = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, zero)
    return [None if g is None else g + tf.cast(zero, g.dtype) for g in gradients]

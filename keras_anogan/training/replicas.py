"""Several replicas of a model, each on its share of a batch: how many there are, and what they have to agree on."""

from __future__ import annotations

import functools
import pathlib
import tempfile
from typing import Any

import keras
import tensorflow as tf

DEVICES = ("one", "all")


def replicas() -> int:
    """How many replicas train together under the strategy in whose scope this is called; one without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def strategy_of(devices: str) -> tf.distribute.Strategy:
    """What trains on one device, or on all of this machine: its GPUs, or without any its logical CPU devices.

    A batch is divided between the devices, so that a step is that of the whole batch. Batch normalisation and dropout
    see a device's own share, and so do the pairs of `Siamese`. With a single device "all" is "one".

    Args:
        devices: "one" or "all".

    Raises:
        ValueError: for something else.
    """
    if devices not in DEVICES:
        raise ValueError(f"Expected devices to be one of {', '.join(DEVICES)}. Received: {devices!r}.")
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices == "one" or len(found) == 1:
        return tf.distribute.get_strategy()
    return _mirrored(tuple(device.name for device in found))


@functools.lru_cache(maxsize=1)
def _mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy for all that a process trains: TensorFlow takes the collectives of a second one for the first's."""
    return tf.distribute.MirroredStrategy(list(names))


def on_one_device(model: keras.Model) -> keras.Model:
    """A model that several devices trained, as one that any device runs, without the optimizers' state; another as it
    is."""
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return model
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path, include_optimizer=False)
        return keras.models.load_model(path)


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

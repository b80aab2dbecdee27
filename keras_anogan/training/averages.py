"""Exponential moving averages of whole networks: every weight, batch-norm statistics included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class NetworkAverages:
    """A copy of every weight of some networks that follows them: average <- m average + (1 - m) weight, every step.

    m is `momentum`, but (1 + t) / (10 + t) at the beginning, t the steps so far, so that an average forgets the
    initial weights however few steps there are (as in `tf.train.ExponentialMovingAverage` with `num_updates`).

    Args:
        networks: the Keras models, built.
        momentum: in [0, 1).

    Raises:
        ValueError: for a momentum outside [0, 1).
    """

    def __init__(self, networks: Sequence[keras.Model], momentum: float) -> None:
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"Expected 0 <= momentum < 1. Received: momentum={momentum!r}.")
        self.momentum = momentum
        self.loaded = self.swapped = False
        unique = {id(weight): weight for network in networks for weight in network.weights if _is_float(weight)}
        self.weights = list(unique.values())
        self.values = [
            keras.Variable(copy, trainable=False, dtype=weight.dtype, aggregation="only_first_replica")
            for weight in self.weights
            for copy in [keras.ops.convert_to_numpy(weight)]  # given weight.value, Keras would not copy it
        ]

    def update(self, step: tf.Tensor) -> None:
        """Follow the networks after a training step; `step` counts those before it."""
        t = tf.cast(step, "float32")
        keep = tf.minimum(self.momentum, (1.0 + t) / (10.0 + t))
        for value, weight in zip(self.values, self.weights, strict=True):
            old = tf.convert_to_tensor(value)
            value.assign(old + tf.cast(1.0 - keep, old.dtype) * (tf.convert_to_tensor(weight) - old))

    def swap(self) -> None:
        """Exchange averages and weights."""
        self.swapped = not self.swapped
        for value, weight in zip(self.values, self.weights, strict=True):
            held = keras.ops.convert_to_numpy(value)
            value.assign(weight.value)
            weight.assign(held)

    def save(self, store: Any) -> None:
        """Write the averages into a mapping of arrays."""
        for i, value in enumerate(self.values):
            store[f"{PREFIX}{i}"] = keras.ops.convert_to_numpy(value)

    def load(self, store: Any) -> None:
        """Read what `save` wrote, if there is any."""
        self.loaded = f"{PREFIX}0" in store
        if self.loaded:
            for i, value in enumerate(self.values):
                value.assign(store[f"{PREFIX}{i}"])

    def restart(self) -> None:
        """Begin anew with the weights as they are."""
        for value, weight in zip(self.values, self.weights, strict=True):
            value.assign(weight.value)


PREFIX = "average_"


def _is_float(weight: Any) -> bool:
    return str(weight.dtype).startswith(("float", "bfloat"))


class NetworkEMA(keras.callbacks.Callback):
    """Keeps an exponential moving average of every weight while a model trains, and leaves the model with it.

    Batch-norm statistics are averaged too, and the average follows after every single step, inside the compiled
    training step. Validation scores (`val_score`) and the scores of `BestEpoch` and `TensorBoardLogs` are those of the
    averages; when `fit` ends, they take the place of the weights; a `fit` that is interrupted forgets them.
    `EpochBackup` keeps both, so that a resumed run goes on exactly. Keras's own `EarlyStopping` and `ModelCheckpoint`
    would keep the weights that are not averaged: `BestEpoch` takes their place.

    Args:
        momentum: of the average, in [0, 1); 0.999 looks back about 1,000 steps.
        networks: names of the networks to average; default: all of the model's.

    Raises:
        ValueError: for a momentum outside [0, 1), an unknown network, or a model without `average_networks`.
    """

    def __init__(self, momentum: float = 0.999, networks: Sequence[str] | None = None) -> None:
        super().__init__()
        self.momentum = momentum
        self.networks = networks

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if not hasattr(model, "average_networks"):
            raise ValueError(f"Expected a model of this package to average. Received: {type(model).__name__}.")
        model.average_networks(self.momentum, self.networks)

    def on_test_begin(self, logs: dict | None = None) -> None:
        if self.model.averages is not None:
            self.model.averages.swap()

    def on_test_end(self, logs: dict | None = None) -> None:
        if self.model.averages is not None:
            self.model.averages.swap()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.model.take_averages()

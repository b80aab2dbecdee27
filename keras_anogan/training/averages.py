"""Exponential moving averages of whole networks: every weight, batch-norm statistics included."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

PREFIX = "average_"  # of the names of averages in a saved file


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


def _is_float(weight: Any) -> bool:
    return str(weight.dtype).startswith(("float", "bfloat"))


class AveragedModel(keras.Model):
    """A `keras.Model` over named networks that can be followed by averages of their weights (see `NetworkEMA`).

    Attributes:
        averages: the averages that follow, or None.
    """

    networks: ClassVar[tuple[str, ...]] = ()

    averages: NetworkAverages | None = None

    def average_networks(self, momentum: float, networks: Sequence[str] | None = None) -> None:
        """From the next training step on, follow the weights of some networks with an average.

        Args:
            momentum: of the average, in [0, 1).
            networks: names of the networks; default: all of them.

        Raises:
            ValueError: for a momentum outside [0, 1) or an unknown network.
        """
        chosen = self.networks if networks is None else tuple(networks)
        if unknown := [key for key in chosen if key not in self.networks]:
            raise ValueError(f"Expected some of the networks {self.networks}. Received: {unknown[0]!r}.")
        with self.distribute_strategy.scope():
            self.averages = NetworkAverages([getattr(self, key) for key in chosen], momentum)
        self.train_function = None  # the traced step does not know of them

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """A context in which the networks have their averages for weights; without averages it changes nothing."""
        held, self.averages = self.averages, None
        if held is None:
            yield
            return
        held.swap()
        try:
            yield
        finally:
            held.swap()
            self.averages = held

    def drop_averages(self) -> None:
        """Forget the averages, where there are any; the weights stay those that training arrived at."""
        if self.averages is not None:
            if self.averages.swapped:
                self.averages.swap()
            self.averages = None
            self.train_function = None

    def take_averages(self) -> None:
        """Put the averages, where there are any, in the place of the weights for good, and stop following."""
        if self.averages is not None:
            self.averages.swap()
            self.averages = None
            self.train_function = None

    def save_own_variables(self, store: Any) -> None:
        """Keras's hook: the averages are saved after the model's own variables."""
        super().save_own_variables(store)
        if self.averages is not None:
            self.averages.save(store)

    def load_own_variables(self, store: Any) -> None:
        """Keras's hook: averages in the file are loaded where they are followed, and left alone elsewhere."""
        super().load_own_variables({key: store[key] for key in list(store.keys()) if not key.startswith(PREFIX)})
        if self.averages is not None:
            self.averages.load(store)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Keras's `load_weights`; averages that are followed are loaded too, or begin anew."""
        super().load_weights(filepath, *args, **kwargs)
        if self.averages is not None and not self.averages.loaded:
            self.averages.restart()


class NetworkEMA(keras.callbacks.Callback):
    """Keeps an exponential moving average of every weight while a model trains, and leaves the model with it.

    The average follows after every single step, and covers batch-norm statistics too. While training goes on,
    `val_score` and the scores of `BestEpoch` and `TensorBoardLogs` are those of the averages. When `fit` ends, the
    averages take the place of the weights; a `fit` that is interrupted forgets them. `EpochBackup` keeps both, so that
    a resumed run goes on exactly. Use `BestEpoch` in place of Keras's `EarlyStopping` and `ModelCheckpoint`, which
    would keep the weights that are not averaged.

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

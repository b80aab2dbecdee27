"""Averaged weights for scoring."""

from __future__ import annotations

from collections.abc import Sequence

import keras


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

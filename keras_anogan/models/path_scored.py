"""What detectors with an encoder and a reconstruction share that can be scored along a path (see `nn.paths`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.nn.paths import PathWhitening, hidden_network, path_difference, sap
from keras_anogan.nn.scores import mean_squared_error
from keras_anogan.training.batches import EpochBatches, KerasData, Rows, data_of, in_batches

PATHS = ("sap", "nap")
MOST_ON_PATH = 8192  # numbers that are whitened together; their covariance takes half a gigabyte then


class PathScored(AnomalyDetector):
    """A detector that may `follow` a network: its `explain` then gives `sap`, and `nap` where that is the score.

    `fit` ends with the whitening of NAP, by the rows that it was given.
    """

    whitening: PathWhitening | None = None
    _hidden: Any = None

    def follow(self, network: keras.Model, score: str) -> None:
        """Measure differences in the hidden layers of a network.

        Raises:
            ValueError: for a network without hidden layers, or with too many numbers in them for "nap".
        """
        hidden = hidden_network(network)
        size = hidden.output_shape[1]
        if score == "nap":
            if size > MOST_ON_PATH:
                raise ValueError(
                    f"{type(self).__name__} expected at most {MOST_ON_PATH:,} numbers in the hidden layers of its "
                    f"{network.name} for the score nap, which whitens them together. Received: {size:,}; fewer filters "
                    "have fewer, and the score sap takes any number."
                )
            self.whitening = PathWhitening(size, name="whitening")
        self._hidden = hidden.__call__  # no attribute of Keras's: its layers are the network's own

    def path_scores(self, x: tf.Tensor, x_hat: tf.Tensor) -> dict[str, tf.Tensor]:
        """`sap`, and `nap` where that is the score, (batch,); nothing for a detector that follows no network."""
        if self._hidden is None:
            return {}
        difference = path_difference(self._hidden, x, x_hat)
        found = {"sap": sap(difference)}
        return found if self.whitening is None else {**found, "nap": self.whitening(difference)}

    def monitor(self, x: tf.Tensor) -> tf.Tensor:
        """A(x); for a path score the mean of (x - x_hat)^2, as the path has no meaning before training ends."""
        if self._hidden is None:
            return super().monitor(x)
        return mean_squared_error(x, self.explain(x)["reconstruction"])

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Train as every detector does, then whiten the path by the training rows.

        Raises:
            ValueError: as for every detector, and for a generator, which can't be read twice, where a path is whitened.
        """
        if self.whitening is None:
            return super().fit(x, y=y, batch_size=batch_size, **kwargs)
        batches = batches_again(x, y, kwargs.get("steps_per_epoch"), type(self).__name__)
        history = super().fit(x, y=y, batch_size=batch_size, **kwargs)
        self.whiten(batches)
        return history

    def whiten(self, batches: Iterable[Any]) -> None:
        """Adapt NAP to batches of training rows, (batch, *sample_shape); not where training has ended in NaN."""
        if self.whitening is None or not all(np.isfinite(weight).all() for weight in self.get_weights()):
            return

        @tf.function(reduce_retracing=True)
        def difference(x: tf.Tensor) -> tf.Tensor:
            return path_difference(self._hidden, x, self.explain(x)["reconstruction"])

        self.whitening.adapt(np.asarray(difference(batch)) for batch in batches)


def batches_again(x: Any, y: Any, steps: int | None, owner: str) -> Iterator[Any]:
    """What `fit` was given once more, batch by batch: all rows, or so many batches of a data set without an end.

    Raises:
        ValueError: at once, for a generator, which can't be read twice.
    """
    data = data_of(x, y)
    if isinstance(data, Rows) or data.rows is not None:
        return in_batches(tf.constant, data.rows, 256)
    if isinstance(data, KerasData) and not isinstance(data.x, tf.data.Dataset):
        raise ValueError(
            f"{owner} expected an array, rows or a tf.data.Dataset, which can be read again when training ends, to "
            f"whiten the path by. Received: {type(data.x).__name__}."
        )
    batches: Any = data.as_dataset(steps) if isinstance(data, EpochBatches) else data.x
    if batches.cardinality() == tf.data.INFINITE_CARDINALITY:
        batches = batches.take(steps or 1)
    return (batch[0] if isinstance(batch, tuple) else batch for batch in batches)

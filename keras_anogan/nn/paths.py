"""Path scores: how a sample and its reconstruction differ on their way through a network.

"RaPP: Novelty Detection with Reconstruction along Projection Pathway" (Kim et al., ICLR 2020). A reconstruction may
look right and still be taken for something else by the hidden layers. So the difference of x and x_hat is measured in
all of them: SAP is its squared length, NAP its squared length after whitening by the differences of training rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

MOST_NUMBERS = 2**24  # in the matrix that whitens
PLACES = 4  # along a side of a map
FLOOR = 1e-3  # standard deviations below this share of the largest count as none


def hidden_network(network: keras.Model) -> keras.Model:
    """x (batch, ...) -> (batch, n) float32: the hidden layers of a functional network, flattened, side by side.

    A hidden layer ends where the next layer with a kernel begins. The input is none of them; the output is, where the
    network has one only. RaPP has dense layers; maps of convolutions are averaged to at most 4 x 4 places, since all of
    their pixels would be too many to whiten.

    Raises:
        ValueError: for a network without hidden layers.
    """
    readers = [layer for layer in network.layers if hasattr(layer, "kernel")]
    tensors = [layer.input for layer in readers[1:]] + (list(network.outputs) if len(network.outputs) == 1 else [])
    if not tensors:
        raise ValueError(
            f"Expected a functional network with hidden layers for a path score. Received: {network.name}, which has "
            "none."
        )
    flat = [keras.layers.Flatten(dtype="float32")(_coarse(tensor)) for tensor in tensors]
    h = keras.layers.Concatenate(dtype="float32")(flat) if len(flat) > 1 else flat[0]
    return keras.Model(network.inputs[0], h, name=f"{network.name}_path")


def _coarse(tensor: Any) -> Any:
    if len(tensor.shape) != 4:
        return tensor
    size = tuple(math.ceil(side / PLACES) for side in tensor.shape[1:3])
    return keras.layers.AveragePooling2D(size, padding="same", dtype="float32")(tensor) if max(size) > 1 else tensor


def path_difference(hidden: Any, x: Any, x_hat: Any) -> Any:
    """h(x_hat) - h(x), float32 (batch, n); `hidden` is a `hidden_network`, x and x_hat are (batch, ...)."""
    return hidden(x_hat, training=False) - hidden(x, training=False)


def sap(difference: Any) -> Any:
    """Simple aggregation along the pathway: the squared length of each difference (batch, n), shape (batch,)."""
    return ops.sum(ops.square(difference), axis=1)


@keras.saving.register_keras_serializable("keras_anogan")
class PathWhitening(keras.layers.Layer):
    """Normalised aggregation along the pathway, NAP: differences (batch, n) to (batch,).

    The squared length of a difference that is centred and whitened, so that training rows have a length of 1 in every
    direction. Directions in which they hardly vary, with a standard deviation below 0.001 of the largest, are left out;
    so are those of least variance where the matrix would have more than 16,777,216 numbers. Before `adapt` it is SAP.

    Args:
        size: n.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = int(size)
        kept = min(self.size, MOST_NUMBERS // self.size)
        self.mean = self.add_weight(shape=(self.size,), initializer="zeros", trainable=False, name="mean")
        self.directions = self.add_weight(
            shape=(self.size, kept), initializer="identity", trainable=False, name="directions"
        )

    def adapt(self, batches: Iterable[np.ndarray]) -> None:
        """Learn centre and directions from the differences of training rows, (batch, n) each.

        Raises:
            ValueError: for fewer than two rows.
        """
        moments = _Moments(self.size)
        for batch in batches:
            moments.add(np.asarray(batch, "float64"))
        mean, variances, vectors = moments.solved()
        kept = int(self.directions.shape[1])
        variances, vectors = variances[:kept], vectors[:, :kept]
        some = variances > FLOOR**2 * max(float(variances[0]), 1e-30)
        directions = np.zeros(self.directions.shape)
        directions[:, : len(some)] = vectors * np.where(some, 1.0 / np.sqrt(np.where(some, variances, 1.0)), 0.0)
        self.mean.assign(mean)
        self.directions.assign(directions)

    def call(self, difference: Any) -> Any:
        return ops.sum(ops.square(ops.matmul(difference - self.mean, self.directions)), axis=1)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}


class _Moments:
    """Mean and covariance of rows that come in batches; few rows are kept as they are, which is sooner solved."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.rows: list[np.ndarray] = []
        self.origin = self.total = np.zeros(size)
        self.products: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Take a batch (batch, size), float64."""
        self.count += len(rows)
        self.rows.append(rows)
        if self.products is None and self.count <= self.size:
            return
        if self.products is None:
            self.origin = self.rows[0].mean(axis=0)  # near the mean: little is lost when it is taken away in the end
            self.products = np.zeros((self.size, self.size))
        for part in self.rows:
            moved = part - self.origin
            self.total = self.total + moved.sum(axis=0)
            self.products += moved.T @ moved
        self.rows = []

    def solved(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean (size,), variances in descending order, and their directions (size, as many)."""
        if self.count < 2:
            raise ValueError(f"Expected at least two rows to whiten by. Received: {self.count}.")
        if self.products is None:
            rows = np.concatenate(self.rows)
            mean = rows.mean(axis=0)
            _, lengths, directions = np.linalg.svd(rows - mean, full_matrices=False)
            return mean, lengths**2 / self.count, directions.T
        mean = self.total / self.count
        variances, vectors = np.linalg.eigh(self.products / self.count - np.outer(mean, mean))
        return self.origin + mean, variances[::-1], vectors[:, ::-1]

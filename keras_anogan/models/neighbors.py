"""Nearest neighbours: what lies far from every normal row is anomalous. With PCA it stands beside every result.

Ramaswamy, Rastogi and Shim, Efficient Algorithms for Mining Outliers from Large Data Sets, SIGMOD 2000. It has no
parameter to train, and on many data sets nothing trained beats it.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import scores

MOST_BYTES = 2**28  # of the rows that are kept


@keras.saving.register_keras_serializable("keras_anogan")
class Bank(keras.layers.Layer):
    """The rows that are searched, float32 (rows, size): a layer of its own, because their number is known in `fit`."""

    def build(self, input_shape: Any) -> None:
        self.rows = self.add_weight(shape=tuple(input_shape), initializer="zeros", trainable=False, name="rows")
        self.built = True


@keras.saving.register_keras_serializable("keras_anogan")
class Neighbors(AnomalyDetector):
    """Distance to the nearest normal rows: A(x) = mean over the k nearest b of sqrt(mean (x - b)^2).

    The search is exact: one matrix product finds the k nearest rows, and their distances are then taken from the
    differences themselves, since the product loses digits between rows that are nearly equal.

    Args:
        shape: shape of one sample, e.g. (28, 28, 1).
        k: neighbours that are averaged.
        n_components: distances are taken between the coordinates of so many principal components; None for all entries.
        coreset: share of the rows that are kept, in (0, 1]: those that leave no row far from a kept one (greedy
            k-centre, Sener and Savarese 2018). Default: all. Where more than 256 MiB would be kept, rows are drawn.
        seed: integer; of the rows that are drawn, the first row of a coreset, and scikit-learn's randomised solver.

    Raises:
        ValueError: for k < 1, n_components < 1, or a coreset outside (0, 1].
    """

    tags = Tags(closed_form=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        k: int = 1,
        n_components: int | None = None,
        coreset: float | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        if k < 1:
            raise ValueError(f"Expected k >= 1. Received: k={k!r}.")
        if n_components is not None and n_components < 1:
            raise ValueError(f"Expected n_components >= 1. Received: n_components={n_components!r}.")
        if coreset is not None and not 0.0 < coreset <= 1.0:
            raise ValueError(f"Expected 0 < coreset <= 1. Received: coreset={coreset!r}.")
        self.shape, self.k, self.n_components, self.coreset = tuple(shape), k, n_components, coreset
        entries = math.prod(self.shape)
        self.size = entries if n_components is None else min(n_components, entries)
        self.mean = self.add_weight(shape=(entries,), initializer="zeros", trainable=False, name="mean")
        self.components: Any = None
        if n_components is not None:
            self.components = self.add_weight(
                shape=(self.size, entries), initializer="zeros", trainable=False, name="components"
            )
        self.bank = Bank(name="bank", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the rows that are kept are known in `fit`."""
        self.built = True

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.shape

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Keep the rows, or their coreset; takes what `PCA.fit` takes, and holds them in memory.

        Raises:
            ValueError: for fewer than two rows or than k, a wrong shape, NaN or infinite values, or another number of
                rows than in an earlier `fit`.
        """
        x = self.rows_to_solve(x)
        most = max(self.k, MOST_BYTES // (4 * self.mean.shape[0]))
        drawn = np.arange(len(x))
        if len(x) > most:
            drawn = np.sort(np.random.default_rng(self.seed).permutation(len(x))[:most])
        x = np.asarray(x[drawn], "float32").reshape(len(drawn), -1)
        if len(x) < self.k:
            raise ValueError(f"Neighbors expected at least k = {self.k} rows. Received: {len(x)}.")
        mean = x.mean(axis=0)
        self.mean.assign(mean)
        kept = self._projected(x - mean)
        if self.coreset is not None:
            count = max(self.k, math.ceil(self.coreset * len(kept)))
            kept = kept[farthest(kept, count, self.seed)]
        if not self.bank.built:
            self.bank.build(kept.shape)
        if len(kept) != (rows := self.bank.rows.shape[0]):
            raise ValueError(
                f"Expected as many rows as in the first fit, {rows}. Received: {len(kept)}; make a new Neighbors."
            )
        self.bank.rows.assign(kept)
        self.predict_function = None  # traced, perhaps, when there were no rows
        return self.solved()

    def _projected(self, centred: np.ndarray) -> np.ndarray:
        """Rows (n, entries) less their mean as coordinates (n, size)."""
        if self.components is None:
            return centred
        from sklearn.decomposition import PCA as Solver

        rank = min(self.size, *centred.shape)
        components = np.zeros(self.components.shape, "float32")
        components[:rank] = Solver(rank, random_state=self.seed).fit(centred).components_
        self.components.assign(components)
        return centred @ components.T

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `reconstruction`, the nearest normal row, and `anomaly_map` for images, unless in a PCA space."""
        centred = tf.reshape(x, (-1, math.prod(self.shape))) - self.mean
        z = centred if self.components is None else tf.matmul(centred, self.components, transpose_b=True)
        bank = tf.convert_to_tensor(self.bank.rows) if self.bank.built else tf.zeros((self.k, self.size))
        distances, nearest = nearest_rows(z, bank, self.k)
        explained = {"score": tf.reduce_mean(distances, axis=1)}
        if self.components is None:
            explained["reconstruction"] = x_hat = tf.reshape(nearest[:, 0] + self.mean, (-1, *self.shape))
            if len(self.shape) == 3:
                explained["anomaly_map"] = scores.residual_map(x, x_hat)
        return explained

    def get_config(self) -> dict:
        return {**super().get_config(), "rows": self.bank.rows.shape[0] if self.bank.built else None}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Neighbors:
        rows = config.pop("rows")
        detector = cls(**config)
        if rows is not None:
            detector.bank.build((rows, detector.size))
        return detector


def nearest_rows(z: tf.Tensor, bank: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k nearest rows of a bank (rows, size) to each of z (batch, size), exactly.

    Returns:
        Their distances sqrt(mean (z - b)^2), (batch, k), the nearest first, and themselves, (batch, k, size).
    """
    # |z - b|^2 = |z|^2 - 2 z b + |b|^2, of which the first is the same for every b
    near = tf.reduce_sum(tf.square(bank), axis=1) - 2.0 * tf.matmul(z, bank, transpose_b=True)  # (batch, rows)
    nearest = tf.gather(bank, tf.math.top_k(-near, k).indices)
    return tf.sqrt(tf.reduce_mean(tf.square(z[:, None] - nearest), axis=-1)), nearest


def farthest(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of `count` rows (n, size), each the farthest from those before it."""
    chosen = [int(np.random.default_rng(seed).integers(len(rows)))]
    squares = np.square(rows).sum(axis=1)
    away = np.full(len(rows), np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        away = np.minimum(away, squares - 2.0 * (rows @ rows[last]) + squares[last])
        away[last] = -np.inf  # never twice
        chosen.append(int(np.argmax(away)))
    return np.array(chosen)


@register(
    "neighbors",
    Neighbors,
    inputs=("image", "table", "window"),
    paper="Ramaswamy, Rastogi and Shim, Mining Outliers from Large Data Sets, SIGMOD 2000; a baseline",
)
def build(shape: tuple[int, ...], *, seed: int = 0, **params: Any) -> Phases:
    """Nearest neighbours alone; `params` are the class's."""
    return {"neighbors": Neighbors(shape, seed=seed, **params)}

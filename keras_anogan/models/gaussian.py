"""One Gaussian, a trivial baseline: what is unlikely under the mean and covariance of normal samples is anomalous.

A public MNIST notebook with one anomalous digit calls it the "dummy approach".
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, register

MOST_FEATURES = 4096


@keras.saving.register_keras_serializable("keras_anogan")
class Gaussian(AnomalyDetector):
    """Mean and covariance of normal data; the anomaly score is A(x) = -log N(x; mean, covariance), in nats.

    The covariance is shrunk towards a multiple of the identity by as much as its own error asks for (Ledoit and Wolf
    2004): without that the pixels that are black in every training image have no variance, and no density.

    Args:
        shape: of one sample, e.g. (28, 28, 1) or (121,); at most 4,096 numbers.
        seed: kept for the contract; nothing here is random.

    Raises:
        ValueError: for more numbers in a sample.
    """

    tags = Tags(closed_form=True)

    def __init__(self, shape: tuple[int, ...], seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        self.shape = tuple(shape)
        self.size = math.prod(self.shape)
        if self.size > MOST_FEATURES:
            raise ValueError(
                f"Gaussian expected at most {MOST_FEATURES:,} numbers in a sample: it keeps a square matrix of that "
                f"side. Received: {self.size:,}, shape {self.shape}."
            )
        self.mean = self.add_weight(shape=(self.size,), initializer="zeros", trainable=False, name="mean")
        self.whitener = self.add_weight(  # precision = whitener whitener^T
            shape=(self.size, self.size), initializer="identity", trainable=False, name="whitener"
        )

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.shape

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Solve for mean and covariance; takes what `PCA.fit` takes, and reads all rows into memory.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values.
        """
        from sklearn.covariance import LedoitWolf

        x = self.rows_to_solve(x, kwargs)
        x = np.asarray(x[np.arange(len(x))]).reshape(len(x), -1)
        solved = LedoitWolf(store_precision=False).fit(x)
        values, vectors = np.linalg.eigh(solved.covariance_.astype("float64"))
        least = max(float(values[-1]), 1e-6) * 1e-6  # rows that are all alike have no variance to shrink towards
        self.mean.assign(solved.location_)
        self.whitener.assign(vectors / np.sqrt(np.maximum(values, least)))
        return self.solved()

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and `latent`: x in the Gaussian's own coordinates, N(0, I) for normal data."""
        centred = tf.reshape(x, (-1, self.size)) - self.mean
        z = tf.matmul(centred, self.whitener)  # (batch, size)
        # |det whitener| from its columns, which are orthogonal
        log_det = 0.5 * tf.reduce_sum(tf.math.log(tf.reduce_sum(tf.square(self.whitener), axis=0)))
        log_likelihood = -0.5 * (tf.reduce_sum(tf.square(z), axis=1) + self.size * math.log(2.0 * math.pi)) + log_det
        return {"score": -log_likelihood, "log_likelihood": log_likelihood, "latent": z}


@register(
    "gaussian",
    Gaussian,
    inputs=("image", "table"),
    paper="Ledoit and Wolf, A Well-Conditioned Estimator for Large Covariance Matrices, 2004; a baseline",
)
def build(shape: tuple[int, ...], *, seed: int = 0) -> Phases:
    """One Gaussian alone."""
    return {"gaussian": Gaussian(shape, seed=seed)}

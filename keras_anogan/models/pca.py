"""PCA: what lies far from the best linear subspace is anomalous. It is the baseline that stands beside every result."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import scores

MOST_BYTES = 2**28  # of rows that are solved for at a time


@keras.saving.register_keras_serializable("keras_anogan")
class PCA(AnomalyDetector):
    """Distance to the best linear subspace: A(x) = mean (x - x_hat)^2 over the entries of x.

    `fit` solves in closed form with scikit-learn: at once for an array, incrementally for rows that do not
    fit into memory. With fewer rows (or entries) than `n_components` the subspace is as large as they allow.

    Args:
        shape: shape of one sample, e.g. (28, 28, 1).
        n_components: dimension of the subspace; default: 32, or half of the entries where they are fewer than 64. A
            subspace of all directions in which the training rows vary reproduces every row, and scores by rounding
            errors: the default is then half of these directions, and a number of yours that large is warned of.
        seed: integer, for scikit-learn's randomised solver.

    Raises:
        ValueError: for n_components < 1.
    """

    tags = Tags(closed_form=True)

    def __init__(
        self, shape: tuple[int, ...], n_components: int | None = None, seed: int = 0, name: str | None = None
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.is_default = n_components is None
        n_components = max(1, min(32, int(np.prod(shape)) // 2)) if n_components is None else n_components
        if n_components < 1:
            raise ValueError(f"Expected n_components >= 1. Received: n_components={n_components!r}.")
        self.shape = tuple(shape)
        self.n_components = int(n_components)
        size = int(np.prod(self.shape))
        self.mean = self.add_weight(shape=(size,), initializer="zeros", trainable=False, name="mean")
        self.components = self.add_weight(
            shape=(self.n_components, size), initializer="zeros", trainable=False, name="components"
        )

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.shape

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Solve for mean and components; takes what `AnomalyDetector.fit` takes, in memory or as rows.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values.
        """
        from sklearn.decomposition import PCA as Solver
        from sklearn.decomposition import IncrementalPCA

        x = self.rows_to_solve(x, kwargs)
        rank = min(self.n_components, len(x), int(np.prod(self.shape)))
        if isinstance(x, np.ndarray):
            solver = Solver(rank, random_state=self.seed).fit(x.reshape(len(x), -1))
        else:
            solver = IncrementalPCA(rank)
            least = max(rank, min(256, MOST_BYTES // (4 * int(np.prod(self.shape)))))  # rows of a part
            parts = max(1, len(x) // least)
            for part in np.array_split(np.arange(len(x)), parts):
                solver.partial_fit(np.asarray(x[part]).reshape(len(part), -1))
        rank = self._kept(rank, solver.explained_variance_, float(solver.noise_variance_), len(x))
        components = np.zeros(self.components.shape, "float32")
        components[:rank] = solver.components_[:rank]
        self.mean.assign(solver.mean_)
        self.components.assign(components)
        return self.solved()

    def _kept(self, rank: int, variances: np.ndarray, left: float, rows: int) -> int:
        """How many of the components leave something of new rows to be scored.

        Args:
            rank: components that were solved for.
            variances: along each of them.
            left: mean variance along all other directions.
            rows: that were solved for; few of them don't show all directions, and new ones vary along others.
        """
        least = 1e-10 * max(float(variances[0]), 1e-30)
        directions = int((variances > least).sum())
        if left > least or directions >= rows - 1:
            return rank
        if not self.is_default:
            warnings.warn(
                f"PCA keeps all {directions:,} directions in which the training rows vary: what is left to score are "
                f"rounding errors. Fewer components than that leave something. Received: {self.n_components}.",
                stacklevel=3,
            )
            return rank
        return max(1, directions // 2)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, `latent` (coordinates in the subspace), `reconstruction`, and `anomaly_map` for images."""
        centred = tf.reshape(x, (-1, int(np.prod(self.shape)))) - self.mean
        z = tf.matmul(centred, self.components, transpose_b=True)  # (batch, n_components)
        x_hat = tf.reshape(tf.matmul(z, self.components) + self.mean, (-1, *self.shape))
        explained = {"score": scores.mean_squared_error(x, x_hat), "latent": z, "reconstruction": x_hat}
        if len(self.shape) == 3:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)
        return explained


@register(
    "pca",
    PCA,
    inputs=("image", "table", "window"),
    paper="Pearson, On Lines and Planes of Closest Fit, 1901; a baseline",
)
def build(shape: tuple[int, ...], *, seed: int = 0, **params: Any) -> Phases:
    """PCA alone; `params` are the class's."""
    return {"pca": PCA(shape, seed=seed, **params)}

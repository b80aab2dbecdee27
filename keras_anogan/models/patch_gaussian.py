"""A Gaussian at each place of an image, or of a grid of features: PaDiM's idea, with one covariance for all places.

Defard et al., PaDiM, ICPR Workshops 2021 (arXiv 2011.08785). There every place has a covariance of its own, which asks
for more normal images than channels; here places have their own means and share the covariance.
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
from keras_anogan.training.batches import in_batches

MOST_CHANNELS = 2048


@keras.saving.register_keras_serializable("keras_anogan")
class PatchGaussian(AnomalyDetector):
    """Distance of each place from the mean there: A(x) is the mean over the places that are furthest.

    The map has the Mahalanobis distance of every place divided by the root of the channels, so that a normal place has
    about 1. It is made for grids of features (see `FeatureDetector`); of plain images it compares colours.

    Args:
        shape: (h, w, d) of a grid, or (H, W, C) of an image; at most 2,048 channels.
        share: of the places that count in the score, in (0, 1].
        ridge: added to the covariance's diagonal, as a share of its mean; PaDiM adds 0.01 to it.
        seed: kept for the contract; nothing here is random.

    Raises:
        ValueError: for more channels, a share outside (0, 1], or ridge <= 0.
    """

    tags = Tags(input="image", closed_form=True)

    def __init__(
        self, shape: tuple[int, ...], share: float = 0.1, ridge: float = 0.01, seed: int = 0, name: str | None = None
    ) -> None:
        super().__init__(seed=seed, name=name)
        if len(shape) != 3 or shape[-1] > MOST_CHANNELS:
            raise ValueError(
                f"PatchGaussian expected (height, width, channels), at most {MOST_CHANNELS:,} of the last. "
                f"Received: {tuple(shape)}."
            )
        if not 0.0 < share <= 1.0:
            raise ValueError(f"Expected 0 < share <= 1. Received: share={share!r}.")
        if not 0.0 < ridge < math.inf:
            raise ValueError(f"Expected a finite ridge > 0. Received: ridge={ridge!r}.")
        self.shape, self.share, self.ridge = tuple(shape), share, ridge
        channels = self.shape[-1]
        self.mean = self.add_weight(shape=self.shape, initializer="zeros", trainable=False, name="mean")
        self.whitener = self.add_weight(  # precision = whitener whitener^T
            shape=(channels, channels), initializer="identity", trainable=False, name="whitener"
        )

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.shape

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Solve for the means and the covariance, in two passes over the rows; takes what `PCA.fit` takes.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values.
        """
        x = self.rows_to_solve(x, kwargs)
        channels = self.shape[-1]
        mean = sum(in_batches(lambda rows: np.asarray(rows, "float64").sum(axis=0), x)) / len(x)

        def products(rows: Any) -> np.ndarray:
            flat = (np.asarray(rows, "float64") - mean).reshape(-1, channels)
            return flat.T @ flat

        places = math.prod(self.shape[:2])
        covariance = sum(in_batches(products, x)) / (places * (len(x) - 1))
        scale = max(float(np.trace(covariance)) / channels, 1e-12)  # rows that are all alike have no variance
        values, vectors = np.linalg.eigh(covariance + self.ridge * scale * np.eye(channels))
        self.mean.assign(mean)
        self.whitener.assign(vectors / np.sqrt(values))
        return self.solved()

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and `anomaly_map` (batch, h, w)."""
        z = tf.tensordot(x - self.mean, tf.convert_to_tensor(self.whitener), axes=1)
        found = tf.sqrt(tf.reduce_mean(tf.square(z), axis=-1))
        return {"score": scores.reduced_map(found, "top", self.share), "anomaly_map": found}


@register(
    "patch_gaussian",
    PatchGaussian,
    inputs=("image",),
    paper="Defard et al., PaDiM, ICPR Workshops 2021; one covariance for all places",
)
def build(shape: tuple[int, ...], *, seed: int = 0, **params: Any) -> Phases:
    """A Gaussian at each place alone; `params` are the class's."""
    return {"patch_gaussian": PatchGaussian(shape, seed=seed, **params)}

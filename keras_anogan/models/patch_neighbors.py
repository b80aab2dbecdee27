"""The nearest normal place to each place of an image, or of a grid of features: PatchCore's idea.

Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022 (arXiv 2106.08265). Unlike a Gaussian at
each place it does not ask parts to lie where they lay in training.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.neighbors import Bank, farthest, nearest_rows
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import scores
from keras_anogan.training.batches import in_batches

MOST_DRAWN = 40_000  # places of training images, of which the coreset is chosen
PROJECTED = 32  # numbers of a place while it is chosen


@keras.saving.register_keras_serializable("keras_anogan")
class PatchNeighbors(AnomalyDetector):
    """Distance of each place to the nearest normal place anywhere: A(x) is the mean over the places that are furthest.

    The map has sqrt(mean (x - b)^2) of every place x to the nearest b of the bank. It is made for grids of features
    (see `FeatureDetector`); of plain images it compares colours. PatchCore takes the furthest place alone, and weighs
    it by how crowded its neighbourhood is; here `share` is as in `PatchGaussian`, so that the two can be compared.

    Args:
        shape: (h, w, d) of a grid, or (H, W, C) of an image.
        k: neighbours that are averaged.
        coreset: share of the places that the bank keeps, in (0, 1]: those that leave no place far from a kept one
            (greedy k-centre, among random projections). At most 40,000 places are drawn before.
        share: of the places that count in the score, in (0, 1].
        seed: integer; of what is drawn.

    Raises:
        ValueError: for another shape, k < 1, or a share or a coreset outside (0, 1].
    """

    tags = Tags(input="image", closed_form=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        k: int = 1,
        coreset: float = 0.1,
        share: float = 0.1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        if len(shape) != 3:
            raise ValueError(f"PatchNeighbors expected (height, width, channels). Received: {tuple(shape)}.")
        if k < 1:
            raise ValueError(f"Expected k >= 1. Received: k={k!r}.")
        for key, value in (("coreset", coreset), ("share", share)):
            if not 0.0 < value <= 1.0:
                raise ValueError(f"Expected 0 < {key} <= 1. Received: {key}={value!r}.")
        self.shape, self.k, self.coreset, self.share = tuple(shape), k, coreset, share
        self.bank = Bank(name="bank", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        """Nothing: how many places are kept is known in `fit`."""
        self.built = True

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.shape

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Draw places of the rows and keep their coreset, in one pass; takes what `PCA.fit` takes.

        Raises:
            ValueError: for fewer than two rows, fewer places than k, a wrong shape, NaN or infinite values, or another
                number of places than in an earlier `fit`.
        """
        x = self.rows_to_solve(x, kwargs)
        draw = np.random.default_rng(self.seed)
        height, width, channels = self.shape
        each = min(height * width, max(1, MOST_DRAWN // len(x)))  # of a row

        def drawn(rows: Any) -> np.ndarray:
            flat = np.asarray(rows, "float32").reshape(-1, height * width, channels)
            return np.concatenate([row[draw.permutation(height * width)[:each]] for row in flat])

        places = np.concatenate(list(in_batches(drawn, x)))
        count = max(self.k, math.ceil(self.coreset * len(places)))
        if len(places) < self.k:
            raise ValueError(f"PatchNeighbors expected at least k = {self.k} places. Received: {len(places)}.")
        if count < len(places):
            size = min(PROJECTED, channels)
            projected = places @ draw.standard_normal((channels, size)).astype("float32") / math.sqrt(size)
            places = places[farthest(projected, count, self.seed)]
        if not self.bank.built:
            self.bank.build(places.shape)
        if len(places) != (rows := self.bank.rows.shape[0]):
            raise ValueError(
                f"Expected as many places as in the first fit, {rows}. Received: {len(places)}; make a new "
                "PatchNeighbors."
            )
        self.bank.rows.assign(places)
        self.predict_function = None  # traced, perhaps, when there were no rows
        return self.solved()

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and `anomaly_map` (batch, h, w); one row at a time, whose distances to the bank are many."""
        channels = self.shape[-1]
        bank = tf.convert_to_tensor(self.bank.rows) if self.bank.built else tf.zeros((self.k, channels))

        def distances(row: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(nearest_rows(tf.reshape(row, (-1, channels)), bank, self.k)[0], axis=1)

        size = self.shape[0] * self.shape[1]
        spec = tf.TensorSpec((size,), "float32")
        found = tf.reshape(tf.map_fn(distances, x, fn_output_signature=spec), (-1, *self.shape[:2]))
        return {"score": scores.reduced_map(found, "top", self.share), "anomaly_map": found}

    def get_config(self) -> dict:
        return {**super().get_config(), "places": self.bank.rows.shape[0] if self.bank.built else None}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> PatchNeighbors:
        places = config.pop("places")
        detector = cls(**config)
        if places is not None:
            detector.bank.build((places, detector.shape[-1]))
        return detector


@register(
    "patch_neighbors",
    PatchNeighbors,
    inputs=("image",),
    paper="Roth et al., PatchCore, CVPR 2022; without its reweighting",
)
def build(shape: tuple[int, ...], *, seed: int = 0, **params: Any) -> Phases:
    """The nearest normal place alone; `params` are the class's."""
    return {"patch_neighbors": PatchNeighbors(shape, seed=seed, **params)}

"""A detector of features: what sees an image through a network that was trained on other images."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.models.composed import DetectorOfParts
from keras_anogan.nn.features import Features
from keras_anogan.training.batches import gathered, in_batches


@keras.saving.register_keras_serializable("keras_anogan")
class FeatureDetector(DetectorOfParts):
    """A detector of rows, or of grids, that is given features of images: standardised, so that none has a unit.

    Training computes the features of all images once; that is why a detector on them trains in seconds. A score takes
    one pass through the backbone.

    Args:
        features: from images to what the detector sees (see `nn.features`).
        detector: an `AnomalyDetector` of `features.shape`: of rows (d,), or of grids (h, w, d).
        seed: kept for the contract; the detector has its own.

    Raises:
        ValueError: for a detector of another shape.
    """

    def __init__(self, features: Features, detector: AnomalyDetector, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(features, Features) or not isinstance(detector, AnomalyDetector):
            raise ValueError(f"Expected features and a detector. Received: {features!r} and {detector!r}.")
        shape = tuple(detector.sample_shape)
        if shape != features.shape:
            raise ValueError(f"Expected a detector of the features' shape {features.shape}. Received: {shape}.")
        self.features, self.detector = features, detector
        self.tags = dataclasses.replace(detector.tags, input="image", scores_map=False)  # type: ignore[misc]
        size = features.shape[-1]
        self.mean = self.add_weight(shape=(size,), initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=(size,), initializer="ones", trainable=False, name="deviation")

    @property
    def call_shape(self) -> tuple[int, ...]:
        return self.features.image_shape

    @property
    def fits_at_once(self) -> bool:
        """True: the features' mean and deviation come before any training."""
        return True

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """Standardised features (batch, ...) of images (batch, H, W, C) in [-1, 1]."""
        return (self.features(x) - self.mean) / self.deviation

    def adapt(self, x: Any) -> np.ndarray:
        """Learn mean and deviation of each feature of normal images, and return their standardised features (n, ...).

        Args:
            x: images (n, H, W, C), an array or an object with `__len__` and `rows[indices]`.
        """
        raw = features_of(self.features, self.check_rows(x))
        for weight, values in zip((self.mean, self.deviation), moments(raw), strict=True):
            weight.assign(values)
        return (raw - self.mean.numpy()) / self.deviation.numpy()

    def standardised(self, x: Any) -> np.ndarray:
        """Standardised features (n, ...) of many images, as `adapt` takes them."""
        return (features_of(self.features, self.check_rows(x)) - self.mean.numpy()) / self.deviation.numpy()

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Compute the features of all images, and train the detector on them.

        Args:
            x: images, an array or an object with `__len__` and `rows[indices]`; with classes (x, classes) for a
                detector that learns from them.
            y, batch_size, **kwargs: as in every detector's `fit`; images as `validation_data` are turned to features.
        """
        images, classes = x if isinstance(x, tuple) else (x, None)
        rows: Any = self.adapt(images)
        held_out = kwargs.pop("validation_data", None)
        if held_out is not None:
            kwargs["validation_data"] = self.standardised(held_out)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*expected images in", UserWarning)  # grids of features are none
            return self.detector.fit(rows if classes is None else (rows, classes), y, batch_size, **kwargs)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the detector says of the features, without a reconstruction; its map is enlarged to the image."""
        explained = self.detector.explain(self.parts(x))
        explained.pop("reconstruction", None)
        if "anomaly_map" in explained:
            maps = tf.image.resize(explained["anomaly_map"][..., None], self.call_shape[:2], method="bilinear")
            explained["anomaly_map"] = maps[..., 0]
        return explained

    def get_config(self) -> dict:
        return {
            "features": keras.saving.serialize_keras_object(self.features),
            "detector": keras.saving.serialize_keras_object(self.detector),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> FeatureDetector:
        read = keras.saving.deserialize_keras_object
        parts = {key: read(config[key], custom_objects=custom_objects) for key in ("features", "detector")}
        return cls(**{**config, **parts})


def features_of(features: Features, rows: Any, size: int = 32) -> np.ndarray:
    """The features of many images, (n, *features.shape).

    Args:
        features: the layer.
        rows: images, an array or an object with `__len__` and `rows[indices]`.
        size: images in a batch.
    """
    graph = tf.function(features, reduce_retracing=True)
    return gathered(in_batches(lambda x: np.asarray(graph(tf.constant(x, "float32"))), rows, size))


def moments(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (d,) of features (n, ..., d); a channel that hardly moves gets a hundredth of the others'."""
    axes = tuple(range(raw.ndim - 1))
    deviation = raw.std(axis=axes)
    return raw.mean(axis=axes), np.maximum(deviation, max(0.01 * float(np.median(deviation)), 1e-6))

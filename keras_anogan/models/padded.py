"""A detector around another one that leaves the padding beside a photograph out."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.composed import DetectorOfParts
from keras_anogan.nn.scaling import PADDING

LIMIT = (PADDING - 1.0) / 2.0  # halfway between padding and black


def without_padding(x: Any) -> Any:
    """Images (batch, H, W, C) whose padding is mid-grey, 0, which a network takes as it takes pixels."""
    return tf.where(x > LIMIT, x, 0.0)


@keras.saving.register_keras_serializable("keras_anogan")
class PaddedDetector(DetectorOfParts):
    """Gives the detector images of any shape on a canvas of one, and keeps the canvas out of its map.

    An image comes as `image_preprocessing(..., pad=True)` makes it: in the middle, -3 beside it. The detector sees
    mid-grey there, in training too. Its map is 0 there; `inside` tells `MapDetector` which pixels count in the score.
    The detector's own `score` may still depend on the padding.

    Args:
        detector: an `AnomalyDetector` of images; `fit` trains it.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for a detector of something else than images.
    """

    tags = Tags(input="image")

    def __init__(self, detector: AnomalyDetector, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(detector, AnomalyDetector) or len(detector.sample_shape) != 3:
            raise ValueError(f"Expected a detector of images (height, width, channels). Received: {detector!r}.")
        self.detector = detector
        self.tags = dataclasses.replace(detector.tags, input="image")  # type: ignore[misc]

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.detector.sample_shape)

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """The images, mid-grey where nothing is."""
        return without_padding(x)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the detector says, its map 0 beside the image; `inside`, bool (batch, H, W), is where the image is."""
        inside = tf.reduce_all(x > LIMIT, axis=-1)
        explained = self.detector.explain(self.parts(x))
        if "anomaly_map" in explained:
            explained = {**explained, "anomaly_map": tf.where(inside, explained["anomaly_map"], 0.0)}
        return {**explained, "inside": inside}

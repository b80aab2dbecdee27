"""A detector around another one that looks at each image in its mirrored views too."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.composed import DetectorOfParts

VIEWS = {"horizontal": ((), (2,)), "vertical": ((), (1,)), "both": ((), (1,), (2,), (1, 2))}  # axes that are reversed


@keras.saving.register_keras_serializable("keras_anogan")
class ViewsDetector(DetectorOfParts):
    """Scores an image by the mean over its mirrored views, and turns their maps back before it averages them.

    What one view happens to say is averaged out; DifferNet (Rudolph et al., WACV 2021) does so with turned views. It
    is for things that are as normal when mirrored, and costs a pass of the detector for each view.

    Args:
        detector: an `AnomalyDetector` of images; `fit` trains it on all views.
        mirror: "horizontal", "vertical", or "both", which makes four views.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for a detector of something else than images, or another `mirror`.
    """

    tags = Tags(input="image")

    def __init__(self, detector: AnomalyDetector, mirror: str = "both", seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(detector, AnomalyDetector) or len(detector.sample_shape) != 3:
            raise ValueError(f"Expected a detector of images (height, width, channels). Received: {detector!r}.")
        if mirror not in VIEWS:
            raise ValueError(f"Expected mirror to be one of {tuple(VIEWS)}. Received: mirror={mirror!r}.")
        self.detector, self.mirror = detector, mirror
        self.tags = dataclasses.replace(detector.tags, input="image")  # type: ignore[misc]

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.detector.sample_shape)

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """All views (batch * views, H, W, C), view by view of the whole batch."""
        return tf.concat([tf.reverse(x, axes) if axes else x for axes in VIEWS[self.mirror]], axis=0)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and `anomaly_map` and `reconstruction` where the detector has them: means over the views."""
        views = VIEWS[self.mirror]
        explained = self.detector.explain(self.parts(x))
        scores = tf.reshape(explained["score"], (len(views), -1))
        found: dict[str, tf.Tensor] = {"score": tf.reduce_mean(scores, axis=0)}
        for key in ("anomaly_map", "reconstruction"):
            if key in explained:
                parts = tf.split(explained[key], len(views), axis=0)
                turned = [tf.reverse(part, axes) if axes else part for part, axes in zip(parts, views, strict=True)]
                found[key] = tf.add_n(turned) / len(views)
        return found

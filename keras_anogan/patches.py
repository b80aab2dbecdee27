"""Any detector of small images, on patches of a larger one: score and map of the whole from those of its parts."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.parts import DetectorOfParts


@keras.saving.register_keras_serializable("keras_anogan")
class PatchDetector(DetectorOfParts):
    """Scores an image by its most anomalous patch; all patches of all images go through the detector in one graph.

    Patches of the detector's input size lie on a grid, `stride` apart; the last row and column is moved in so that it
    ends with the image. `fit` trains the detector on patches, all of them in each image of a batch; a trained detector
    is as welcome.

    Args:
        detector: an `AnomalyDetector` of images (size, size, C) or (h, w, C).
        size: (height, width) of the images; their channels are the detector's.
        stride: pixels from one patch to the next, (rows, columns) or one number; default: half a patch.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for a detector of something else than images, images smaller than a patch, a stride below 1 or
            beyond a patch.
    """

    tags = Tags(input="image")

    def __init__(
        self,
        detector: AnomalyDetector,
        size: tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(detector, AnomalyDetector) or len(detector.sample_shape) != 3:
            raise ValueError(f"Expected a detector of images (height, width, channels). Received: {detector!r}.")
        patch, sides = tuple(detector.sample_shape), tuple(int(side) for side in np.atleast_1d(size))
        if len(sides) != 2 or sides[0] < patch[0] or sides[1] < patch[1]:
            raise ValueError(
                f"Expected the size (height, width) of images, at least {patch[:2]}. Received: size={size!r}."
            )
        steps = stride if isinstance(stride, (tuple, list)) else (stride,) * 2
        steps = tuple(
            max(1, side // 2) if step is None else int(step) for step, side in zip(steps, patch, strict=False)
        )
        if not all(1 <= step <= side for step, side in zip(steps, patch, strict=False)):
            raise ValueError(f"Expected a stride from 1 to a patch's side, {patch[:2]}. Received: stride={stride!r}.")
        self.detector = detector
        self.size = sides
        self.stride = steps
        self.corners = [
            (top, left)
            for top in _places(sides[0], patch[0], steps[0])
            for left in _places(sides[1], patch[1], steps[1])
        ]

    @property
    def call_shape(self) -> tuple[int, ...]:
        """(H, W, C) of a whole image."""
        return (*self.size, self.detector.sample_shape[2])

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """Patches (batch * patches, h, w, C) of images (batch, H, W, C), image by image."""
        height, width, channels = self.detector.sample_shape
        cut = [x[:, top : top + height, left : left + width] for top, left in self.corners]
        return tf.reshape(tf.stack(cut, axis=1), (-1, height, width, channels))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`: the largest score of a patch; `patch_scores` (batch, patches) in the order of `corners`.

        `anomaly_map` and `reconstruction` are stitched, averaged where patches overlap; a detector without a map has
        its patches' scores for one.
        """
        height, width, channels = self.detector.sample_shape
        batch, count = tf.shape(x)[0], len(self.corners)
        explained = self.detector.explain(self.parts(x))
        scores = tf.reshape(explained["score"], (batch, count))
        maps = explained.get("anomaly_map")
        if maps is None:
            maps = tf.broadcast_to(explained["score"][:, None, None], (batch * count, height, width))
        result = {
            "score": tf.reduce_max(scores, axis=1),
            "patch_scores": scores,
            "anomaly_map": self._stitched(tf.reshape(maps, (batch, count, height, width, 1)))[..., 0],
        }
        if "reconstruction" in explained:
            parts = tf.reshape(explained["reconstruction"], (batch, count, height, width, channels))
            result["reconstruction"] = self._stitched(parts)
        return result

    def _stitched(self, parts: tf.Tensor) -> tf.Tensor:
        """The mean, pixel by pixel, of overlapping parts (batch, patches, h, w, C): (batch, H, W, C)."""
        (height, width), (rows, columns) = parts.shape[2:4], self.size
        total, weight = 0.0, 0.0
        for i, (top, left) in enumerate(self.corners):
            padding = [[0, 0], [top, rows - top - height], [left, columns - left - width], [0, 0]]
            total += tf.pad(parts[:, i], padding)
            weight += tf.pad(tf.ones((1, height, width, 1)), padding)
        return total / tf.maximum(weight, 1.0)


def _places(side: int, size: int, stride: int) -> list[int]:
    """Where patches begin along a side, the last one moved in so that it ends there."""
    return sorted({*range(0, side - size + 1, stride), side - size})

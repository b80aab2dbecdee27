"""Any detector of windows of frames, its score averaged over a few windows in a row."""

from __future__ import annotations

import numbers
from typing import Any

import keras
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.parts import DetectorOfParts


@keras.saving.register_keras_serializable("keras_anogan")
class SmoothedDetector(DetectorOfParts):
    """Scores a sequence by the mean of a detector's scores of its last `length` windows, each a frame after the other.

    The temporal smoothing of anomaly scores that is usual for video, in its causal form: an anomaly is in view for many
    frames, noise is not. It stays a pure function of a sample, which has the frames of all windows, T + length - 1 of
    them: thresholds, `IFTM`, its streams, files and SavedModels take it like any detector. What it costs: `length`
    forward passes, and their memory, for every score. Means find more; but what a busy hour adds to every frame it adds
    to their mean too, so that a threshold from quiet ones is passed by all of it (benchmarks/RESULTS.md, False alarms).

    Train the detector before, on its own windows; `fit` works too, and takes all windows of each sample in a batch.

    Args:
        detector: an `AnomalyDetector` of windows (T, ...), such as `CVGAN`, or `PCA` of such a shape.
        length: windows that are averaged, >= 1.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for a detector of images or of rows of a table, or a length that is no integer >= 1.
    """

    tags = Tags(input="window")

    def __init__(self, detector: AnomalyDetector, length: int = 4, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        if (
            not isinstance(detector, AnomalyDetector)
            or detector.tags.input not in ("window", "any")
            or len(detector.sample_shape) not in (2, 4)
        ):
            raise ValueError(
                "Expected a detector of windows (frames, height, width, channels) or (steps, features). "
                f"Received: {detector!r}."
            )
        if not isinstance(length, numbers.Integral) or length < 1:
            raise ValueError(f"Expected length to be an integer >= 1. Received: length={length!r}.")
        self.detector = detector
        self.length = int(length)

    @property
    def call_shape(self) -> tuple[int, ...]:
        """(T + length - 1, ...), where the detector's windows are (T, ...)."""
        frames, *rest = self.detector.sample_shape
        return (frames + self.length - 1, *rest)

    @property
    def past(self) -> int:
        """Frames before those that the detector forecasts; all, where it forecasts none."""
        return self.call_shape[0] - self.horizon

    @property
    def horizon(self) -> int:
        """Frames that the detector forecasts; 0 where it does not."""
        return getattr(self.detector, "horizon", 0)

    @property
    def scaled(self) -> bool:
        """Whether the detector's score is relative to how much moved before."""
        return getattr(self.detector, "scaled", False)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train the detector on the windows of whole samples (n, T + length - 1, ...), or `VideoWindows` of them.

        Raises:
            ValueError: for `VideoWindows` of pairs, besides what every detector refuses.
        """
        _check_whole(x)
        return super().fit(x, *args, **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Scores (n,) of whole samples, in arrays 256 windows at a time by default; raises what `fit` does."""
        _check_whole(x)
        if isinstance(x, list) or hasattr(x, "__array__"):
            batch_size = batch_size or max(1, 256 // self.length)
        return super().predict(x, batch_size=batch_size, **kwargs)

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """The windows, in order: (batch * length, T, ...) of sequences (batch, T + length - 1, ...)."""
        shape = self.detector.sample_shape
        windows = tf.stack([x[:, i : i + shape[0]] for i in range(self.length)], axis=1)
        return tf.reshape(windows, (-1, *shape))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`: the mean over the windows; `window_scores` (batch, length), the last one's last.

        Anything else the detector says is of the last window; a reconstruction is not told, as it has fewer frames than
        the sample.
        """
        explained = self.detector.explain(self.parts(x))
        last = {
            key: value[self.length - 1 :: self.length]
            for key, value in explained.items()
            if key not in ("score", "reconstruction")
        }
        scores = tf.reshape(explained["score"], (-1, self.length))
        return {**last, "score": tf.reduce_mean(scores, axis=1), "window_scores": scores}


def _check_whole(x: Any) -> None:
    if getattr(x, "subsample_size", None) is not None:
        raise ValueError(
            "Expected whole windows, VideoWindows(..., subsample_size=None). "
            f"Received: pairs of {x.subsample_size} and {x.sample_size} frames."
        )

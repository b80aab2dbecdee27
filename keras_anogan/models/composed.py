"""Detectors around another detector: its map becomes the score, it sees patches of an image, or windows in a row."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.path_scored import PathScored, batches_again
from keras_anogan.nn import scores

TOP = 0.003  # of the pixels that a detector sees count in the score of a map
AT_ONCE = 256  # patches in one pass of their detector, where an image has more


class DetectorOfParts(AnomalyDetector):
    """A detector around another one, `detector`, that sees equally large parts of each sample.

    A subclass writes `parts`, and `explain` over what the detector says of them.
    """

    detector: AnomalyDetector

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """Parts (batch * count, *detector.sample_shape) of samples (batch, *sample_shape), sample by sample."""
        raise NotImplementedError(f"{type(self).__name__} has to define parts(x).")

    def compile(self, optimizers: dict[str, Any] | None = None, jit_compile: bool | None = None, **kwargs: Any) -> None:
        """Configure training; arguments go to the detector's own `compile`, left as it is if there are none."""
        if optimizers is not None or not self.detector.compiled:
            self.detector.compile(optimizers=optimizers, jit_compile=jit_compile, **kwargs)
        super().compile(jit_compile=False, run_eagerly=kwargs.get("run_eagerly", False))

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train the detector on the parts of samples (n, *sample_shape); arguments as in every detector's `fit`."""
        if not (self.detector.tags.closed_form or self.fits_at_once):
            return self._fit_on_parts(x, *args, **kwargs)
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = self._all_parts(kwargs["validation_data"])
        return self.detector.fit(self._all_parts(x[0] if isinstance(x, tuple) else x), *args, **kwargs)

    @property
    def fits_at_once(self) -> bool:
        """Whether the detector has to see all parts of all samples before it is trained on any."""
        return getattr(self.detector, "fits_at_once", False)

    def _all_parts(self, x: Any) -> np.ndarray:
        rows = self.check_rows(x)
        return np.concatenate([np.asarray(self.parts(rows[np.array([i])])) for i in range(len(rows))])

    def _fit_on_parts(self, x: Any, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        detector = self.detector
        if not isinstance(detector, PathScored) or detector.whitening is None:
            return super().fit(x, *args, **kwargs)
        batches = batches_again(x, None, kwargs.get("steps_per_epoch"), type(self).__name__)
        history = super().fit(x, *args, **kwargs)
        detector.whiten(map(self.parts, batches))
        return history

    def check_solved(self) -> None:
        """Refuse a detector of closed form that has seen no rows."""
        self.detector.check_solved()

    def forget_training(self) -> None:
        """Drop the optimizers, the detector's too."""
        super().forget_training()
        self.detector.forget_training()

    def _remember(self, x: Any) -> None:
        self.detector._remember(x)

    @property
    def fitted_on(self) -> list[Any]:
        """Days of video that the detector was trained on."""
        return getattr(self.detector, "fitted_on", [])

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        losses = self.detector.train_step((self.parts(x),))
        self.log()
        return losses

    def _seed_layers(self) -> None:
        self.detector._seed_layers()

    def reset_metrics(self) -> None:
        super().reset_metrics()
        self.detector.reset_metrics()


@keras.saving.register_keras_serializable("keras_anogan")
class MapDetector(DetectorOfParts):
    """Scores an image by its anomaly map: by the mean of the largest 0.3 % of its pixels, after a small blur.

    A paper's own score is a mean over the whole image, in which a small defect drowns. Here it does not: with the
    default reduction the score is as large as the map where the map is largest. Since the score is a mean of pixels of
    the map, one threshold serves both: an image above it has at least one pixel above it (see `FittedDetector`).

    Args:
        detector: an `AnomalyDetector` of images whose `explain` has an `anomaly_map`; `fit` trains it.
        reduction: "top", "max" or "mean" (see `nn.scores.reduced_map`).
        share: of "top", in (0, 1]; default: 0.003 of what the detector sees, which is a patch for a `PatchDetector`, so
            that a defect weighs the same in an image of any size.
        sigma: of the blur, in pixels; default: 1/128 of the shorter side of what the detector sees.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for a detector without maps, an unknown reduction, a share outside (0, 1], or sigma < 0.
    """

    tags = Tags(input="image", scores_map=True)

    def __init__(
        self,
        detector: AnomalyDetector,
        reduction: str = "top",
        share: float | None = None,
        sigma: float | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(detector, AnomalyDetector) or len(detector.sample_shape) != 3:
            raise ValueError(f"Expected a detector of images (height, width, channels). Received: {detector!r}.")
        if share is not None and not 0.0 < share <= 1.0:
            raise ValueError(f"Expected 0 < share <= 1. Received: share={share!r}.")
        if sigma is not None and not 0.0 <= sigma < np.inf:
            raise ValueError(f"Expected a finite sigma >= 0. Received: sigma={sigma!r}.")
        self.detector = detector
        seen = _patched(detector).sample_shape[:2]
        self.reduction = reduction
        self.share = TOP * math.prod(seen) / math.prod(detector.sample_shape[:2]) if share is None else float(share)
        self.sigma = min(seen) / 128.0 if sigma is None else float(sigma)
        self.tags = dataclasses.replace(detector.tags, input="image", scores_map=True)  # type: ignore[misc]
        shape = tf.TensorSpec((None, *detector.sample_shape), "float32")
        if "anomaly_map" not in tf.function(detector.explain).get_concrete_function(shape).structured_outputs:
            raise ValueError(f"Expected a detector with an anomaly map. Received: {type(detector).__name__}.")
        scores.reduced_map(tf.zeros((1, 2, 2)), reduction)

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.detector.sample_shape)

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """The images themselves."""
        return x

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train the detector; arguments as in its own `fit`."""
        return self.detector.fit(x, *args, **kwargs)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the detector says, with its `anomaly_map` blurred and `score` taken from it; its own is `own_score`."""
        explained = self.detector.explain(x)
        inside = explained.get("inside")
        anomaly_map = scores.blurred(explained["anomaly_map"], self.sigma, inside)
        score = scores.reduced_map(anomaly_map, self.reduction, self.share, inside)
        return {**explained, "anomaly_map": anomaly_map, "score": score, "own_score": explained["score"]}


def _patched(detector: AnomalyDetector) -> AnomalyDetector:
    """The detector of patches in a detector around it; where there are no patches the detector itself."""
    inner: Any = detector
    while not isinstance(inner, PatchDetector):
        if not hasattr(inner, "detector"):
            return detector
        inner = inner.detector
    return inner.detector


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
        given = stride if isinstance(stride, (tuple, list)) else (stride,) * 2
        steps = tuple(
            max(1, side // 2) if step is None else int(step) for step, side in zip(given, patch, strict=False)
        )
        if not all(1 <= step <= side for step, side in zip(steps, patch, strict=False)):
            raise ValueError(f"Expected a stride from 1 to a patch's side, {patch[:2]}. Received: stride={stride!r}.")
        self.detector = detector
        self.size = sides
        self.stride = steps
        self.tops, self.lefts = (places(*each) for each in zip(sides, patch[:2], steps, strict=True))

    @property
    def corners(self) -> list[tuple[int, int]]:
        """(top, left) of each patch, row by row."""
        return [(top, left) for top in self.tops for left in self.lefts]

    @property
    def call_shape(self) -> tuple[int, ...]:
        """(H, W, C) of a whole image."""
        return (*self.size, self.detector.sample_shape[2])

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """Patches (batch * patches, h, w, C) of images (batch, H, W, C), image by image."""
        height, width, channels = self.detector.sample_shape
        rows = tf.gather(x, _spans(self.tops, height), axis=1)  # (batch, rows, h, W, C)
        both = tf.gather(rows, _spans(self.lefts, width), axis=3)  # (batch, rows, h, columns, w, C)
        return tf.reshape(tf.transpose(both, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`: the largest score of a patch; `patch_scores` (batch, patches) in the order of `corners`.

        `anomaly_map` and `reconstruction` are stitched, averaged where patches overlap; a detector without a map has
        its patches' scores for one. Of many patches some 256 at a time go through the detector.
        """
        height, width, channels = self.detector.sample_shape
        batch, count = tf.shape(x)[0], len(self.tops) * len(self.lefts)
        explained = self._explain_parts(self.parts(x), count)
        found = tf.reshape(explained["score"], (batch, count))
        maps = explained.get("anomaly_map")
        if maps is None:
            maps = tf.broadcast_to(explained["score"][:, None, None], (batch * count, height, width))
        result = {
            "score": tf.reduce_max(found, axis=1),
            "patch_scores": found,
            "anomaly_map": self._stitched(tf.reshape(maps, (batch, count, height, width, 1)))[..., 0],
        }
        if "reconstruction" in explained:
            parts = tf.reshape(explained["reconstruction"], (batch, count, height, width, channels))
            result["reconstruction"] = self._stitched(parts)
        return result

    def _explain_parts(self, parts: tf.Tensor, count: int) -> dict[str, tf.Tensor]:
        """What the detector says of patches: all at once where an image has few, else some at a time."""
        keys = ("score", "anomaly_map", "reconstruction")
        if count <= AT_ONCE:
            return {key: value for key, value in self.detector.explain(parts).items() if key in keys}
        spec = tf.TensorSpec((AT_ONCE, *self.detector.sample_shape), "float32")
        outputs = tf.function(self.detector.explain).get_concrete_function(spec).structured_outputs
        signature = {key: tf.TensorSpec(value.shape, value.dtype) for key, value in outputs.items() if key in keys}
        total = tf.shape(parts)[0]
        missing = -total % AT_ONCE  # the last group is filled up with black patches
        padded = tf.pad(parts, [[0, missing], [0, 0], [0, 0], [0, 0]])
        groups = tf.reshape(padded, (-1, AT_ONCE, *self.detector.sample_shape))

        def said(group: tf.Tensor) -> dict[str, tf.Tensor]:
            explained = self.detector.explain(group)
            return {key: explained[key] for key in signature}

        found = tf.map_fn(said, groups, fn_output_signature=signature, parallel_iterations=1)
        return {key: tf.reshape(value, (-1, *value.shape[2:]))[:total] for key, value in found.items()}

    def _stitched(self, parts: tf.Tensor) -> tf.Tensor:
        """The mean, pixel by pixel, of overlapping parts (batch, patches, h, w, C): (batch, H, W, C)."""
        height, width, channels = parts.shape[2:]
        rows, columns = _spans(self.tops, height), _spans(self.lefts, width)
        grid = (-1, len(self.tops), len(self.lefts), height, width, channels)
        # along the columns, then along the rows: the sum over all patches is that of a product of two grids
        first = tf.transpose(tf.reshape(parts, grid), (2, 4, 0, 1, 3, 5))  # (columns, w, batch, rows, h, C)
        lines = tf.math.unsorted_segment_sum(first, columns, self.size[1])  # (W, batch, rows, h, C)
        second = tf.transpose(lines, (2, 3, 1, 0, 4))  # (rows, h, batch, W, C)
        total = tf.transpose(tf.math.unsorted_segment_sum(second, rows, self.size[0]), (1, 0, 2, 3))
        covered = [
            np.bincount(spans.ravel(), minlength=side) for spans, side in zip((rows, columns), self.size, strict=True)
        ]
        return total / np.maximum(np.outer(*covered), 1).astype("float32")[..., None]


def places(side: int, size: int, stride: int) -> list[int]:
    """Where patches begin along a side, the last one moved in so that it ends there."""
    return sorted({*range(0, side - size + 1, stride), side - size})


def _spans(starts: list[int], size: int) -> np.ndarray:
    """The places (count, size) that patches cover along a side."""
    return np.add.outer(np.array(starts), np.arange(size)).astype("int32")


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
    length: int

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

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, **kwargs: Any) -> np.ndarray:
        """Scores (n,) of whole samples, in arrays 256 windows at a time by default; raises what `fit` does."""
        _check_whole(x)
        if isinstance(x, list) or hasattr(x, "__array__"):
            batch_size = batch_size or max(1, 256 // self.length)
        return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)

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
        found = tf.reshape(explained["score"], (-1, self.length))
        return {**last, "score": tf.reduce_mean(found, axis=1), "window_scores": found}


def _check_whole(x: Any) -> None:
    if getattr(x, "subsample_size", None) is not None:
        raise ValueError(
            "Expected whole windows, VideoWindows(..., subsample_size=None). "
            f"Received: pairs of {x.subsample_size} and {x.sample_size} frames."
        )

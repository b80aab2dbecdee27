"""Days of camera footage: folders of video files or frames, as one row of frames, and windows of it as batches.

    footage = open_footage("days/")                        # folders of frames, video files, .npy; or a prepared store
    windows = VideoWindows(footage, sample_size=8, subsample_size=7, batch_size=64)
    model.fit(windows)                                     # x: 7 frames, y: all 8, float32 in [-1, 1]

`window_starts` first makes an index of where windows may begin, so that no window crosses a day, a file, a gap in the
numbers of frames, or a frame that can't be read. Frames are read when a batch needs them, each once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.nn.scaling import to_float
from keras_anogan.video.opening import open_footage

SAMPLINGS = ("uniform", "sliding")


def window_starts(segments: Any, sample_size: int, stride: int = 1) -> np.ndarray:
    """Where windows of consecutive frames may begin: int64, ascending.

    Args:
        segments: integers (n,), one for each frame: frames with the same number follow one another without a gap; a
            negative one is a frame that can't be used.
        sample_size: frames of a window, >= 1.
        stride: frames from one start to the next in a segment, >= 1.

    Raises:
        ValueError: for sizes below 1, or segments that are not (n,).
    """
    segments = np.asarray(segments)
    if segments.ndim != 1:
        raise ValueError(f"Expected segments of shape (n,). Received: shape {segments.shape}.")
    if sample_size < 1 or stride < 1:
        raise ValueError(f"Expected sample_size >= 1 and stride >= 1. Received: {sample_size} and {stride}.")
    if len(segments) == 0:
        return np.empty(0, "int64")
    edges = np.concatenate([[0], np.flatnonzero(np.diff(segments)) + 1, [len(segments)]])
    first, last = edges[:-1], edges[1:] - sample_size
    usable = (segments[first] >= 0) & (last >= first)
    first, count = first[usable], (last[usable] - first[usable]) // stride + 1
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return (np.repeat(first, count) + stride * within).astype("int64")


class VideoWindows(keras.utils.PyDataset):
    """Windows of footage as batches, float32 in [-1, 1]: for `fit`, `predict`, IFTM, and loops of your own.

    Sampling "uniform" is for training. Windows do not overlap. A batch comes from one day and mixes its hours: the day
    is cut into `batch_size` equal parts, and each gives one window. Every window is seen once an epoch; where parts are
    not equally long, some windows are seen twice, so that all batches have `batch_size` windows. The order is a
    function of (seed, epoch).

    Sampling "sliding" is for scoring: every window, in order; the last batch may be short.

    Args:
        footage: what `open_footage` takes, or gives.
        sample_size: frames of a window.
        subsample_size: frames of x; batches are then pairs (x, y), y all `sample_size` frames. None: batches are whole
            windows, as detectors take them.
        batch_size: windows in a batch.
        sampling: "uniform" or "sliding".
        stride: frames from one window to the next; default: `sample_size` (uniform), 1 (sliding).
        days: names of the days to take; default all.
        seed: of the order.
        **kwargs: of `keras.utils.PyDataset`, such as workers.

    Attributes:
        starts: where in the footage each window begins, int64 (windows,).
        day_numbers: number of the day that each window is from, int (windows,).
        epoch: the epoch whose order the batches have; `fit` sets it.
        error: the exception that kept a batch of `as_dataset` from being read, which TensorFlow doesn't pass on.

    Raises:
        ValueError: one sentence, for sizes that make no sense, or footage without a single window.
    """

    def __init__(
        self,
        footage: Any,
        sample_size: int = 8,
        subsample_size: int | None = None,
        batch_size: int = 32,
        sampling: str = "uniform",
        stride: int | None = None,
        days: Sequence[str] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sampling not in SAMPLINGS:
            raise ValueError(f"Expected the sampling to be one of {SAMPLINGS}. Received: sampling={sampling!r}.")
        if subsample_size is not None and not 1 <= subsample_size <= sample_size:
            raise ValueError(
                f"Expected 1 <= subsample_size <= sample_size. Received: {subsample_size} and {sample_size}."
            )
        if batch_size < 1:
            raise ValueError(f"Expected batch_size >= 1. Received: batch_size={batch_size!r}.")
        footage = open_footage(footage)
        self.footage = footage if days is None else footage.of_days(days)
        self.sample_size, self.subsample_size = sample_size, subsample_size
        self.batch_size, self.sampling, self.seed = int(batch_size), sampling, int(seed)
        stride = stride or (sample_size if sampling == "uniform" else 1)
        self.starts = window_starts(self.footage.segments, sample_size, stride)
        if len(self.starts) == 0:
            raise ValueError(
                f"Expected at least {sample_size} frames in a row. Received: {len(self.footage)} frames without such a "
                "run; a number that is missing in the names of image files is a gap."
            )
        self.epoch = 0
        self.error: Exception | None = None
        self._orders: dict[int, list[np.ndarray]] = {}
        self.day_numbers = self.footage.day_of(self.starts)

    def __len__(self) -> int:
        if self.sampling == "sliding":
            return -(-len(self.starts) // self.batch_size)
        return int(sum(-(-count // self.batch_size) for count in np.bincount(self.day_numbers) if count))

    def order(self, epoch: int) -> list[np.ndarray]:
        """For each batch of an epoch the numbers of its windows, int (k,), indices into `starts`."""
        if self.sampling == "sliding":
            return np.split(np.arange(len(self.starts)), range(self.batch_size, len(self.starts), self.batch_size))
        draw = np.random.default_rng((self.seed, epoch))
        batches: list[np.ndarray] = []
        for day in np.unique(self.day_numbers):
            windows = np.flatnonzero(self.day_numbers == day)
            count = -(-len(windows) // self.batch_size)
            edges = np.arange(self.batch_size + 1) * len(windows) // self.batch_size
            columns = []
            for first, last in itertools.pairwise(edges.tolist()):
                part = draw.permutation(windows[first:last]) if last > first else draw.choice(windows, 1)
                columns.append(np.resize(part, count))  # a shorter part repeats what it began with
            batches += list(np.stack(columns, axis=1))
        return [batches[i] for i in draw.permutation(len(batches))]

    def _order_of(self, epoch: int) -> list[np.ndarray]:
        """`order`, remembered for two epochs."""
        if epoch not in self._orders:
            self._orders = {kept: numbers for kept, numbers in self._orders.items() if kept == epoch - 1}
            self._orders[epoch] = self.order(epoch)
        return self._orders[epoch]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}. Received: {index}.")
        windows = self.load(self._order_of(self.epoch)[index])
        return windows if self.subsample_size is None else (windows[:, : self.subsample_size], windows)

    def load(self, numbers: Any) -> np.ndarray:
        """The windows of these numbers, float32 (k, sample_size, H, W, C) in [-1, 1]; each frame is read once."""
        places = self.starts[np.asarray(numbers)][:, None] + np.arange(self.sample_size)
        return to_float(self.footage.read(places.ravel())).reshape(*places.shape, *self.footage.frame_shape)

    @property
    def used(self) -> dict[str, tuple[str, np.ndarray]]:
        """Which frames of which recordings these windows have: see `Footage.used`."""
        return self.footage.used

    def used_by(self, model: Any) -> None:
        """Record in a model, as `fitted_on`, that it is trained on these windows; `fit` calls it."""
        model.__dict__["fitted_on"] = [*getattr(model, "fitted_on", []), self.used]

    def days_known_to(self, model: Any, trained_on: Any = None) -> list[str]:
        """Names of days of which a model was trained on frames that these windows have too, in order.

        Args:
            model: a model of this package, which knows what it was trained on, or any other.
            trained_on: the windows that another model was trained on, or None.
        """
        seen = [*getattr(model, "fitted_on", []), getattr(trained_on, "used", {})]
        return sorted(
            {
                day
                for contents, (day, usable) in self.used.items()
                if any(contents in used and (used[contents][1] & usable).any() for used in seen)
            }
        )

    def on_epoch_end(self) -> None:
        """Move on to the order of the next epoch; Keras calls it."""
        if self.sampling == "uniform":
            self.epoch += 1

    def as_dataset(self, steps: int | None = None) -> tf.data.Dataset:
        """The batches of epoch `self.epoch` as a `tf.data.Dataset`; the epoch is read when iteration begins.

        Args:
            steps: batches in an epoch: its first ones, or, where it has fewer, over again; default: all.
        """
        count = steps or len(self)
        shape = (None, self.sample_size, *self.footage.frame_shape)
        size = self.batch_size if self.sampling == "uniform" else None

        def batch(index: Any, epoch: Any) -> np.ndarray:
            try:
                return self.load(self._order_of(int(epoch))[int(index) % len(self)])
            except Exception as error:
                self.error = error
                raise

        def load(index: tf.Tensor, epoch: tf.Tensor) -> Any:
            windows = tf.ensure_shape(tf.numpy_function(batch, [index, epoch], tf.float32), (size, *shape[1:]))
            return windows if self.subsample_size is None else (windows[:, : self.subsample_size], windows)

        epoch = tf.data.Dataset.range(1).map(lambda _: tf.numpy_function(lambda: np.int64(self.epoch), [], tf.int64))
        dataset = epoch.flat_map(lambda e: tf.data.Dataset.range(count).map(lambda i: (i, tf.ensure_shape(e, ()))))
        dataset = dataset.map(load, num_parallel_calls=2)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False  # with it on, short fits stall for seconds at their end
        return dataset.with_options(options)


def scores_by_frame(windows: VideoWindows, scores: Any, at: int = -1) -> np.ndarray:
    """Scores of windows as scores of frames, float32 (frames,): NaN where no window judges a frame.

    Args:
        windows: whose `starts` the scores belong to.
        scores: (len(windows.starts),), in order.
        at: which frame of its window a score judges; -1 the last, the forecast.

    Raises:
        ValueError: for another number of scores.
    """
    scores = np.asarray(scores, "float32")
    if scores.shape != windows.starts.shape:
        raise ValueError(f"Expected {len(windows.starts)} scores. Received: shape {scores.shape}.")
    frames = np.full(len(windows.footage), np.nan, "float32")
    frames[windows.starts + at % windows.sample_size] = scores
    return frames


# The thesis's names.


class UniformBatchGenerator(VideoWindows):
    """The thesis's generator for training: `VideoWindows` with sampling "uniform", from paths of days.

    Unlike there a day may have any number of files of any length.

    Args:
        day_paths: a folder for each day.
        batch_size, sample_size, subsample_size: as in `VideoWindows`.
        **kwargs: `size`, `grey`, `every` of `open_footage`, and what else `VideoWindows` takes.
    """

    def __init__(
        self, day_paths: Sequence[Any], batch_size: int, sample_size: int, subsample_size: int, **kwargs: Any
    ) -> None:
        opening = {key: kwargs.pop(key) for key in ("size", "grey", "every") if key in kwargs}
        footage = open_footage(list(day_paths), **opening)
        super().__init__(footage, sample_size, subsample_size, batch_size, sampling="uniform", **kwargs)


class SlidingWindowBatchGenerator(VideoWindows):
    """The thesis's generator for evaluation: `VideoWindows` with sampling "sliding", file by file.

    Args:
        file_paths: video files, .npy files or folders of frames.
        batch_size, sample_size, subsample_size: as in `VideoWindows`.
        **kwargs: as in `UniformBatchGenerator`.
    """

    def __init__(
        self, file_paths: Sequence[Any], batch_size: int, sample_size: int, subsample_size: int, **kwargs: Any
    ) -> None:
        opening = {key: kwargs.pop(key) for key in ("size", "grey", "every") if key in kwargs}
        footage = open_footage(list(file_paths), **opening)
        super().__init__(footage, sample_size, subsample_size, batch_size, sampling="sliding", **kwargs)

"""What `fit` is given, and rows batch by batch: in an order that (seed, epoch) decides, or simply in their own.

Keras shuffles with a generator that is neither saved nor keyed by the epoch, so a resumed `fit` sees other batches than
the undisturbed one. `Batches` draws the permutation of every epoch from (seed, epoch): whoever knows those two numbers
knows the batches.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.training.given import as_array, checked_batches

Made = TypeVar("Made")


class Batches:
    """Shuffled batches of equal size over an indexable set of rows.

    The last batch of an epoch is filled up with rows of a second permutation, so that every batch has
    `batch_size` rows: no tiny last batch for batch normalisation, one compiled shape for XLA, equal
    shares for several replicas. An epoch has `ceil(len(rows) / batch_size)` batches, unless `steps` says otherwise.

    Args:
        rows: an array of shape (n, ...), or any object with `__len__`, whose `rows[indices]` with an
            integer array of shape (k,) returns an array of shape (k, ...) (see `datasets.ImageRows`).
        batch_size: rows per batch, >= 1; may exceed `len(rows)`, then rows repeat inside a batch.
        seed: integer; together with the epoch it decides the order.
        labels: optional array (n,); batches are then pairs (x, y).
        steps: batches in an epoch; default: as many as it takes to see every row.

    Raises:
        ValueError: if there are no rows, or `batch_size` or `steps` is not a positive integer.
    """

    def __init__(self, rows: Any, batch_size: int, seed: int = 0, labels: Any = None, steps: int | None = None) -> None:
        if len(rows) == 0:
            raise ValueError("Expected at least one row of training data. Received: 0 rows.")
        if int(batch_size) != batch_size or batch_size < 1:
            raise ValueError(f"Expected `batch_size` to be a positive integer. Received: batch_size={batch_size!r}.")
        if steps is not None and (int(steps) != steps or steps < 1):
            raise ValueError(f"Expected `steps` to be a positive integer. Received: steps={steps!r}.")
        if labels is not None and len(labels) != len(rows):
            raise ValueError(f"Expected one label per row. Received: {len(labels)} labels, {len(rows)} rows.")
        self.rows = rows
        self.labels = labels
        self.batch_size = int(batch_size)
        self.seed = int(seed)
        self.steps = steps or math.ceil(len(rows) / self.batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def order(self, epoch: int, steps: int | None = None) -> np.ndarray:
        """Row indices of one epoch, int64 of shape (steps * batch_size,); `steps` defaults to `len(self)`."""
        n = len(self.rows)
        total = (steps or len(self)) * self.batch_size
        rounds = math.ceil(total / n)
        parts = [np.random.default_rng((self.seed, epoch, k)).permutation(n) for k in range(rounds)]
        return np.concatenate(parts)[:total].astype("int64")

    def as_dataset(self, steps: int | None = None) -> tf.data.Dataset:
        """The batches of epoch `self.epoch` as a `tf.data.Dataset`; the epoch is read when iteration begins.

        Args:
            steps: batches in an epoch; default: `len(self)`.
        """
        steps = steps or len(self)
        order = tf.data.Dataset.range(1).flat_map(
            lambda _: tf.data.Dataset.from_tensor_slices(
                tf.ensure_shape(
                    tf.numpy_function(lambda: self.order(self.epoch, steps), [], tf.int64), (steps * self.batch_size,)
                )
            )
        )
        dataset = order.batch(self.batch_size, drop_remainder=True)
        first = np.asarray(self.rows[np.zeros(1, "int64")])
        shape = (self.batch_size, *first.shape[1:])
        dataset = dataset.map(
            lambda i: (tf.ensure_shape(tf.numpy_function(self._load, [i], first.dtype), shape), i),
            num_parallel_calls=2,
        )
        if self.labels is None:
            dataset = dataset.map(lambda x, i: x)
        else:
            labels = tf.constant(np.asarray(self.labels))
            dataset = dataset.map(lambda x, i: (x, tf.gather(labels, i)))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False  # with it on, short fits stall for seconds at their end
        return dataset.with_options(options)

    def _load(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.rows[indices])


# What `fit` is given.


@dataclasses.dataclass(frozen=True)
class KerasData:
    """Anything that only Keras knows how to read, such as a `tf.data.Dataset`; its order is its own.

    Attributes:
        x, y: as given.
    """

    x: Any
    y: Any = None

    @property
    def rows(self) -> Any:
        """Rows (n, ...) that can be asked for by number, or None where there are none."""
        return None

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""

    def tell(self, model: Any) -> None:
        """Record that a model is trained on these data."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows that can be asked for by number, in memory or not.

    Attributes:
        rows: an array (n, ...), or an object with `__len__` and `rows[indices]`; not checked yet.
        labels: (n,), or None.
    """

    rows: Any
    labels: Any = None


@dataclasses.dataclass(frozen=True)
class EpochBatches:
    """Batches whose order is a function of the epoch: `Batches`, `video.VideoWindows`, or a class of yours.

    Attributes:
        batches: an object with an attribute `epoch`, that is set before each one, and `as_dataset(steps)`, which gives
            so many batches of this epoch as a `tf.data.Dataset`, None for all. It may also have `used_by(model)`,
            which is told of every network that is trained on it, and `error`, the exception that stopped it.
    """

    batches: Any

    @property
    def rows(self) -> Any:
        """Rows (n, ...) that the batches are made of, or None where there are none."""
        return getattr(self.batches, "rows", None)

    @property
    def error(self) -> Exception | None:
        """Why the last batch could not be read, or None."""
        return getattr(self.batches, "error", None)

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        self.batches.epoch = epoch

    def tell(self, model: Any) -> None:
        """Record that a model is trained on these data."""
        if hasattr(self.batches, "used_by"):
            self.batches.used_by(model)

    def as_dataset(self, steps: int | None = None) -> tf.data.Dataset:
        """The batches of the epoch; `steps` of them, or all."""
        return self.batches.as_dataset(steps)


def data_of(x: Any, y: Any = None) -> Rows | EpochBatches | KerasData:
    """Which kind of training data `fit(x, y)` was given; the only place that asks.

    Args:
        x: data; without `y` a pair of data and labels too.
        y: labels, or None.
    """
    if isinstance(x, tuple) and len(x) == 2 and y is None:
        x, y = x
    if hasattr(x, "epoch") and hasattr(x, "as_dataset"):
        return EpochBatches(x)
    x = as_array(x)
    return Rows(x, y) if hasattr(x, "__array__") or _is_read_by_number(x) else KerasData(x, y)


def with_batches_of_validation(kwargs: dict[str, Any], shape: tuple[int | None, ...], owner: str) -> dict[str, Any]:
    """Arguments of Keras's `fit` with checked `validation_data`; those that are read by number become batches.

    Raises:
        ValueError: for data that are none, of another shape than `shape`, or with sample weights.
    """
    held_out = kwargs.get("validation_data")
    if held_out is None:
        return kwargs
    owner = f"{owner}'s validation_data"
    data = data_of(held_out)
    if not isinstance(data, Rows):
        checked = checked_batches(held_out, shape, owner) if isinstance(data, KerasData) else held_out
        return {**kwargs, "validation_data": checked}
    if hasattr(data.rows, "__array__"):
        x = check_rows(data.rows, shape, owner)
        pair = x if data.labels is None else (x, data.labels)
        return {"validation_batch_size": 256, **kwargs, "validation_data": pair}
    size = kwargs.pop("validation_batch_size", None) or 256
    return {**kwargs, "validation_data": in_order(data.rows, size)}


def _is_read_by_number(x: Any) -> bool:
    """Whether `x` has a length and `x[indices]`, and is none of Keras's own kinds of data."""
    others = (tuple, dict, str, bytes, keras.utils.PyDataset, tf.data.Dataset)
    return hasattr(x, "__len__") and hasattr(x, "__getitem__") and not isinstance(x, others)


def in_order(rows: Any, batch_size: int) -> tf.data.Dataset:
    """Every row once, in order, as batches: for validation on rows that are read as they are needed."""
    first = np.asarray(rows[np.zeros(1, "int64")])

    def load(indices: tf.Tensor) -> tf.Tensor:
        batch = tf.numpy_function(lambda i: np.asarray(rows[i]), [indices], first.dtype)
        return tf.ensure_shape(batch, (None, *first.shape[1:]))

    return tf.data.Dataset.range(len(rows)).batch(batch_size).map(load)


def in_batches(function: Callable[[Any], Made], rows: Any, size: int = 256) -> Iterator[Made]:
    """What a function makes of rows, one batch after the other, so that all rows are never in memory at once.

        scores = gathered(in_batches(detector.predict_on_batch, rows))
        for explained in in_batches(graph, rows, size=64): ...

    Args:
        function: takes a batch: rows in the form of `rows`, of which there are `size`, in the last batch fewer.
        rows: an array (n, ...), a list, an object with `__len__` and `rows[indices]` (see `Batches`), or a dict or a
            tuple of these with n rows each, such as the columns of a table; batches are then dicts or tuples too.
        size: rows in a batch, >= 1.

    Yields:
        What `function` returns, in the order of the rows; nothing where there are no rows.

    Raises:
        ValueError: when the first batch is asked for, for a size below 1, or parts with different numbers of rows.
    """
    if size < 1:
        raise ValueError(f"Expected size >= 1. Received: size={size!r}.")
    for first in range(0, _count(rows), size):
        yield function(_between(rows, first, first + size))


def read_ahead(parts: Iterable[Made]) -> Iterator[Made]:
    """The same parts, each made by a thread while whoever asks is busy with the one before.

    Args:
        parts: made one after the other, such as batches that are read from disk.

    Raises:
        whatever making a part raises, when that part is asked for.
    """
    made = iter(parts)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, made, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, made, None)
            yield part


def gathered(parts: Iterable[Any]) -> Any:
    """The results of batches as one result: arrays put together along their first axis, dicts key by key.

    Args:
        parts: arrays or tensors (k, ...), or dicts of them with the same keys; at least one.

    Raises:
        ValueError: for no parts.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("Expected at least one batch of rows. Received: none.")
    if isinstance(parts[0], dict):
        return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}
    return np.concatenate([np.asarray(part) for part in parts])


def _count(rows: Any) -> int:
    """How many rows there are, of a dict or tuple in each part."""
    if not isinstance(rows, (dict, tuple)):
        return len(rows)
    counts = [len(part) for part in (rows.values() if isinstance(rows, dict) else rows)]
    if len(set(counts)) != 1:
        raise ValueError(f"Expected parts with the same number of rows. Received: {counts}.")
    return counts[0]


def _between(rows: Any, first: int, last: int) -> Any:
    """Rows `first` to `last`, which may lie beyond the end; of an array a view."""
    if isinstance(rows, dict):
        return {key: _between(part, first, last) for key, part in rows.items()}
    if isinstance(rows, tuple):
        return tuple(_between(part, first, last) for part in rows)
    if isinstance(rows, (np.ndarray, list, tf.Tensor)):
        return rows[first:last]
    return np.asarray(rows[np.arange(first, min(last, len(rows)))])


def check_rows(x: Any, shape: tuple[int | None, ...], owner: str) -> np.ndarray:
    """An array of shape (n, *shape) as finite float32, or a sentence that says what is wrong.

    Args:
        x: array-like.
        shape: expected shape of a row; None matches any size.
        owner: who expects it, for the sentence.

    Raises:
        ValueError: for no rows, a wrong shape, a dtype that is not a number, images that are not floats
            (they would have to be scaled to the networks' range first), NaN or infinite values.
    """
    x = np.asarray(x)
    check_shape(x, shape, owner)
    if len(shape) >= 3 and x.dtype.kind != "f":
        raise ValueError(
            f"{owner} expected float images, scaled to the range of its networks. Received: dtype {x.dtype}; "
            "a FittedDetector with a preprocessing takes raw images."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        value = x[bad].ravel()[~np.isfinite(x[bad].ravel())][0]
        raise ValueError(f"{owner} expected finite values. Received: {value} in row {bad}.")
    return x.astype("float32", copy=False)


def check_shape(x: np.ndarray, shape: tuple[int | None, ...], owner: str) -> None:
    """Refuse an array that is not numbers of shape (n, *shape), n >= 1 and no side empty, with a sentence.

    Raises:
        ValueError: for no rows, a wrong or empty shape, a dtype that is not a number.
    """
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{owner} expected rows of numbers. Received: dtype {x.dtype}.")
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{owner} expected at least one row. Received: an array of shape {x.shape}.")
    fits = x.ndim == len(shape) + 1 and all(e in (None, r) for e, r in zip(shape, x.shape[1:], strict=True))
    if not fits or 0 in x.shape:
        expected = ", ".join(["n", *("any" if e is None else str(e) for e in shape)])
        raise ValueError(f"{owner} expected rows of shape ({expected}). Received: shape {x.shape}.")

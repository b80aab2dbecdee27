"""Items one after the other: rolling windows, a loader that works ahead, a feed with a limit on waiting."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from keras_anogan.nn.scaling import to_float

ALIGNMENT = 64  # bytes

KEEPING = ("Assign", "Scatter", "PyFunc", "Push", "Enqueue", "Insert")  # in the names of operations


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a model's input x, and `actual`, what its output is compared with, are cut from a window of a sequence.

    Attributes:
        form: "sample": no sequence, both are one item; "judged": both are the whole window; "window", "future" and
            "next": x is the past, and `actual` all of the window, all of what follows the past, or the one next item.
        past, horizon: items of the past, and items that follow it.
    """

    form: str
    past: int = 0
    horizon: int = 0

    @property
    def length(self) -> int:
        """Items in a window."""
        return max(1, self.past + self.horizon)

    def item_shape(self, sample_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of one item of the sequence, for the shape of one x."""
        return sample_shape if self.form == "sample" else sample_shape[1:]

    def __call__(self, window: Any) -> tuple[Any, Any]:
        """(x, actual), each with a batch axis of one, of a window (1, length, ...)."""
        if self.form == "sample":
            return window[0], window[0]
        if self.form == "judged":
            return window, window
        past, future = window[:, : self.past], window[:, self.past :]
        return past, {"window": window, "future": future, "next": future[:, 0]}[self.form]


def sample_shape_of(model: Any) -> tuple[int | None, ...]:
    """Shape of one x of a detector or of any other Keras model with one input, without the batch axis."""
    return tuple(model.sample_shape if hasattr(model, "sample_shape") else model.input_shape[1:])


def cut_of(model: Any) -> Cut:
    """How windows are cut for a model: told by a detector, and for any other by the shapes of input and output.

    Raises:
        ValueError: for a `FittedDetector`, a model of several inputs or outputs, one that is not built, or an output
            that is neither a reconstruction of the input nor what follows it.
    """
    if hasattr(model, "explain") and not hasattr(model, "sample_shape"):
        raise ValueError(
            "Expected a detector, or any model of arrays. Received: a FittedDetector; pass its `.detector`."
        )
    if hasattr(model, "explain"):
        past, horizon = getattr(model, "past", 0), getattr(model, "horizon", 0)
        return Cut("judged", past, horizon) if past + horizon else Cut("sample")
    try:
        given, made = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
        one = len(model.inputs) == len(model.outputs) == 1
    except (AttributeError, TypeError, RuntimeError, ValueError):
        one = False
    if not one:
        raise ValueError(
            "Expected an identity function with one input and one output of known shapes (a functional or Sequential "
            f"model that is built). Received: {type(model).__name__} {model.name!r}."
        )
    if given == made:
        return Cut("sample")
    if len(given) == len(made) and given[1:] == made[1:] and None not in (given[0], made[0]):
        if made[0] > given[0]:
            return Cut("window", given[0], made[0] - given[0])
        return Cut("future", given[0], made[0])
    if given[1:] == made and given[0] is not None:
        return Cut("next", given[0], 1)
    raise ValueError(
        "Expected an identity function that reconstructs (the same shape), continues, (past, ...) to (past + horizon, "
        f"...), or forecasts, (past, ...) to (...). Received: {given} to {made}."
    )


class RollingWindow:
    """The last items of a stream in one piece of memory, so that a window is a view of it and nothing is copied.

    Args:
        length: items in a window.
    """

    def __init__(self, length: int) -> None:
        self.length, self.count = length, 0
        self.items: np.ndarray | None = None

    def clear(self) -> None:
        """Forget all items: the next window fills up with new ones."""
        self.count = 0

    def add(self, item: np.ndarray) -> np.ndarray | None:
        """The window that ends with this item, (length, ...), valid until the next call; None while it fills up."""
        if self.items is None or self.items.shape[1:] != item.shape:  # a side of any size may change
            self.items, self.count = _aligned((8 * self.length, *item.shape)), 0
        if self.count == len(self.items):
            self.items[: self.length - 1] = self.items[self.count - self.length + 1 :]
            self.count = self.length - 1
        self.items[self.count] = item
        self.count += 1
        return self.items[self.count - self.length : self.count] if self.count >= self.length else None


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty float32 array that begins where TensorFlow can use memory as it is."""
    size = 4 * math.prod(shape)
    memory = np.empty(size + ALIGNMENT, "uint8")
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view("float32").reshape(shape)


def keeps(function: Any, array: np.ndarray) -> bool:
    """Whether a call of a tf.function may keep its argument, an array like this one.

    It may if it assigns variables or calls Python; memory that is used again must not be given to it as it is.
    """
    graph = function.get_concrete_function(tf.TensorSpec(array.shape, array.dtype)).graph.as_graph_def()
    nodes = [*graph.node, *(node for part in graph.library.function for node in part.node_def)]
    return any(word in node.op for node in nodes for word in KEEPING)


def as_tensor(array: np.ndarray) -> tf.Tensor:
    """The array as a tensor: where it is aligned a view, so do not change the array while the tensor is in use."""
    if array.ctypes.data % ALIGNMENT == 0:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.constant(array)


def scaled_bytes(array: np.ndarray, rank: int) -> np.ndarray:
    """Bytes of images as float32 in [-1, 1]; an array that is none, by its dtype or its samples' rank, as it is.

    Args:
        array: one sample, or many.
        rank: axes of one sample; images have three, windows of frames four.
    """
    return to_float(array) if array.dtype == np.uint8 and rank >= 3 else array


def value_of(item: Any, shape: tuple[int | None, ...]) -> tuple[Any, str]:
    """An item of a stream as an array, or why it is of no use.

    Args:
        item: an array, a nested list of numbers, a `Frame`, or None. Images of bytes are scaled to [-1, 1].
        shape: that is expected; None matches any size.

    Returns:
        (float32 array, ""), or (None, the reason).
    """
    image = item.image if isinstance(item, Frame) else item
    if image is None:
        return None, item.problem if isinstance(item, Frame) else "no data"
    try:
        value = np.asarray(image)
    except ValueError:
        return None, "not an array"
    if value.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, value.shape, strict=True)):
        return None, f"shape {value.shape} instead of {shape}"
    value = scaled_bytes(value, len(shape))
    if value.dtype.kind not in "fiub":
        return None, f"dtype {value.dtype} instead of numbers"
    value = value.astype("float32", copy=False)
    return (value, "") if np.isfinite(value).all() else (None, "NaN or infinity")


AHEAD_BYTES = 2**30  # of batches that wait in a `BatchLoader`


class BatchLoader:
    """Batches of a generator in order, made ahead by threads: the thesis's loader.

    Unlike there, an error in a thread is raised by `get_batch`, which would otherwise wait for ever.

    Args:
        generator: an object with `len` and `generator[i]`, such as `VideoWindows`.
        max_queue_size: batches that may be ready before they are taken; fewer where they would be over 1 GiB.
        no_workers: threads.

    Raises:
        ValueError: for sizes below 1.
    """

    def __init__(self, generator: Any, max_queue_size: int = 32, no_workers: int = 4) -> None:
        if max_queue_size < 1 or no_workers < 1:
            raise ValueError(
                f"Expected max_queue_size >= 1 and no_workers >= 1. Received: {max_queue_size} and {no_workers}."
            )
        self.generator = generator
        self._pool = ThreadPoolExecutor(no_workers, thread_name_prefix="batches")
        self._waiting: list[Any] = []
        self._submitted, self._taken, self._total = 0, 0, len(generator)
        self._most = max_queue_size
        self._ahead = min(no_workers, max_queue_size)  # until the first batch says how large they are
        self._submit()

    def _submit(self) -> None:
        while self._submitted < self._total and len(self._waiting) < self._ahead:
            self._waiting.append(self._pool.submit(self.generator.__getitem__, self._submitted))
            self._submitted += 1

    def __len__(self) -> int:
        return self._total

    def get_batch(self) -> Any:
        """The next batch.

        Raises:
            StopIteration: when all have been taken.
        """
        if self._taken == self._total:
            raise StopIteration
        waiting = self._waiting.pop(0)
        self._taken += 1
        try:
            batch = waiting.result()
            arrays = batch if isinstance(batch, (tuple, list)) else (batch,)
            size = sum(getattr(array, "nbytes", 0) for array in arrays)
            self._ahead = max(1, min(self._most, AHEAD_BYTES // max(1, size)))
        finally:
            self._submit()
        return batch

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._total - self._taken):
            yield self.get_batch()

    def shutdown_workers(self) -> None:
        """Stop the threads; batches that are not begun are dropped."""
        self._total = self._taken
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.shutdown_workers()


def loaded(batches: Any, max_queue_size: int, no_workers: int, stack: contextlib.ExitStack) -> Iterator[Any]:
    """Batches one after the other: of an array or a pair of arrays only itself, of a sequence by a `BatchLoader`.

    Args:
        batches: an array, a tuple of arrays, an object with `len` and `batches[i]`, or an iterable.
        max_queue_size, no_workers: of the `BatchLoader`.
        stack: stops the loader's threads when it is closed.
    """
    if hasattr(batches, "shape") or (isinstance(batches, tuple) and all(hasattr(part, "shape") for part in batches)):
        return iter([batches])
    if hasattr(batches, "__len__") and hasattr(batches, "__getitem__"):
        return iter(stack.enter_context(BatchLoader(batches, max_queue_size, no_workers)))
    return iter(batches)


# Live sources.


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a stream.

    Attributes:
        index: its number in the source; a jump means that frames between were dropped.
        image: uint8 (H, W, C), or None where it can't be used.
        problem: why it can't, or "".
        recording: day and name of the recording that it is from; "" for a camera.
        seconds: its time after the first frame of its recording; None where nobody knows.
        time: when it came from a camera, with an offset from UTC; None for a recording.
    """

    index: int
    image: np.ndarray | None
    problem: str = ""
    recording: str = ""
    seconds: float | None = None
    time: datetime.datetime | None = None


class Feed:
    """Items of a source, read by a thread: a slow model holds no camera up, and a silent camera no model for ever.

    Args:
        source: an iterable.
        timeout: seconds to wait for the next item; None for ever.
        max_queue: items that may wait; the source waits then.
        drop: whether the oldest waiting item is dropped instead, so that what is read is never long ago.

    Attributes:
        index: number in the source of the item that was given last.
        item: that item.
        dropped: how many were dropped.

    Raises:
        TimeoutError: while iterating, if the source gives nothing for `timeout` seconds.
    """

    def __init__(self, source: Iterable[Any], timeout: float | None = 10.0, max_queue: int = 8, drop: bool = False):
        self.timeout, self.drop = timeout, drop
        self.dropped, self.index = 0, -1
        self.item: Any = None
        self._queue: queue.Queue = queue.Queue(max_queue)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(source,), daemon=True, name="feed")

    def _read(self, source: Iterable[Any]) -> None:
        try:
            for number, item in enumerate(source):
                if not self._put((number, item, None)):
                    return
            self._put((-1, None, StopIteration()))
        except BaseException as error:  # told to whoever iterates
            self._put((-1, None, error))

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1 if not self.drop else 0.001)
                return True
            except queue.Full:
                if self.drop and item[2] is None:
                    with contextlib.suppress(queue.Empty):
                        self._queue.get_nowait()
                        self.dropped += 1
        return False

    def __iter__(self) -> Iterator[Any]:
        if self._thread.ident is not None:
            raise ValueError("Expected a feed to be read once. Received: one that was read before.")
        self._thread.start()
        try:
            while True:
                try:
                    number, item, error = self._queue.get(timeout=self.timeout)
                except queue.Empty:
                    raise TimeoutError(
                        f"Expected a frame within {self.timeout:g} s. Received: none; the source has stalled."
                    ) from None
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                self.index, self.item = number, item
                yield item
        finally:
            self._stopped.set()

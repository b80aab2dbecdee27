"""Items one after the other: a loader that works ahead, a feed that a slow reader does not hold up, rolling windows."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from keras_anogan.pictures import to_float

ALIGNMENT = 64  # bytes


KEEPING = ("Assign", "Scatter", "PyFunc", "Push", "Enqueue", "Insert")  # in the names of operations


class RollingWindow:
    """The last items of a stream in one piece of memory, so that a window is a view of it."""

    def __init__(self, length: int) -> None:
        self.length, self.count = length, 0
        self.items: np.ndarray | None = None

    def clear(self) -> None:
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
    """Whether a call of a tf.function may keep what it is given: it assigns variables, or calls Python."""
    graph = function.get_concrete_function(tf.TensorSpec(array.shape, array.dtype)).graph.as_graph_def()
    nodes = [*graph.node, *(node for part in graph.library.function for node in part.node_def)]
    return any(word in node.op for node in nodes for word in KEEPING)


def as_tensor(array: np.ndarray) -> tf.Tensor:
    """The array as a tensor; without a copy where it is aligned, so that it must not change while that is in use."""
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
    """(float32 array of that shape, "") of an item, or (None, why not)."""
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
    """Batches of a generator, made by threads in the background, in order: the thesis's loader without its traps.

    A worker that fails raises its error in `get_batch`, where the thesis's would wait for ever.

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


# Live sources.


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a stream.

    Attributes:
        index: its number in the source; a jump means that frames between were dropped.
        image: uint8 (H, W, C), or None where it can't be used.
        problem: why it can't, or "".
    """

    index: int
    image: np.ndarray | None
    problem: str = ""


class Feed:
    """Items of a source, read by a thread of its own, with a limit on waiting and on what may wait.

    Args:
        source: an iterable.
        timeout: seconds to wait for the next item; None for ever.
        max_queue: items that may wait; the source waits then.
        drop: whether the oldest waiting item is dropped instead, so that a live source is never far behind.

    Attributes:
        index: number in the source of the item that was given last.
        dropped: how many were dropped.

    Raises:
        TimeoutError: while iterating, if the source gives nothing for `timeout` seconds.
    """

    def __init__(self, source: Iterable[Any], timeout: float | None = 10.0, max_queue: int = 8, drop: bool = False):
        self.timeout, self.drop = timeout, drop
        self.dropped, self.index = 0, -1
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
                self.index = number
                yield item
        finally:
            self._stopped.set()

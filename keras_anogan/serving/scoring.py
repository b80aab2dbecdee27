"""Rows to results, batch by batch: what calibrates, tests, scores and watches is what is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.training.batches import gathered, in_batches, read_ahead

MOST_ROWS = 256
MOST_BYTES = 2**23  # of float32 input in one batch: networks need some fifty times as much for their feature maps


class WindowRows:
    """Windows of footage in order, as rows: `len` of them, read by `rows[indices]`."""

    def __init__(self, windows: Any) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows.starts)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        return self.windows.load(indices)


def as_rows(data: Any) -> Any:
    """Windows as `WindowRows`; anything else, which is rows already, as it is."""
    return WindowRows(data) if hasattr(data, "starts") else data


def batch_size(shape: tuple[int, ...]) -> int:
    """How many samples of a shape are scored in one pass: at most 256, and at most 8 MiB of input."""
    return int(max(1, min(MOST_ROWS, MOST_BYTES // (4 * np.prod(shape, dtype="int64")))))


def explain_rows(explain: Callable, rows: Any, size: int) -> Iterator[dict[str, np.ndarray]]:
    """`explain` over the detector's input, batch by batch, so that maps of many images are never all in memory."""
    traced = hasattr(explain, "get_concrete_function")
    graph = explain if traced else tf.function(explain, reduce_retracing=True)
    batches = in_batches(np.asarray, as_rows(rows), size)
    for x in batches if isinstance(rows, np.ndarray) else read_ahead(batches):
        yield {key: np.asarray(value) for key, value in graph(tf.constant(x)).items()}


def numbers_of(explain: Callable, rows: Any, size: int) -> dict[str, np.ndarray]:
    """Every term of `explain` that is one number per row, (n,), and `peak`, the highest value of each row's map."""
    return gathered(numbers_in(batch) for batch in explain_rows(explain, rows, size))


def numbers_in(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What of a batch of `explain_rows` is one number for each row, and `peak`."""
    numbers = {key: value for key, value in batch.items() if value.ndim == 1}
    if "anomaly_map" in batch and "peak" not in numbers:
        numbers["peak"] = batch["anomaly_map"].max(axis=(1, 2))
    return numbers


class Scorer:
    """A fitted detector over many rows: the function that `FittedDetector.detect` and the SavedModel compute.

    Args:
        fitted: a `FittedDetector`.
    """

    def __init__(self, fitted: FittedDetector) -> None:
        self.fitted = fitted
        shape = fitted.detector.sample_shape
        self.size = batch_size(shape)
        spec = tf.TensorSpec((None, *shape), "float32")
        self._graph = tf.function(fitted.explain_encoded, input_signature=[spec])  # traced once for all that is asked

    def explain(self, rows: Any) -> Iterator[dict[str, np.ndarray]]:
        """Everything that is known of each row, batch by batch.

        Args:
            rows: input of the detector, as `fitted.preprocess` makes it: an array, rows that are read as they are
                needed, or windows of footage.
        """
        return explain_rows(self._graph, rows, self.size)

    def numbers(self, rows: Any) -> dict[str, np.ndarray]:
        """Terms of one number per row: `score`, `is_anomaly`, `p_value` and `peak` where known, further ones."""
        return gathered(numbers_in(batch) for batch in self.explain(rows))

    def names(self) -> set[str]:
        """Names of what is known of a row, without computing any of it."""
        return set(self._graph.get_concrete_function().structured_outputs)


def explained_names(detector: Any) -> set[str]:
    """Names of what the detector's `explain` gives, without computing any of it."""
    shape = tf.TensorSpec((None, *detector.sample_shape), "float32")
    return set(tf.function(detector.explain).get_concrete_function(shape).structured_outputs)


def column_deviations(fitted: FittedDetector, x: np.ndarray, most: int = 4) -> list[list[tuple[str, float]]]:
    """For each encoded row the columns in which it deviates most, and their shares of all its deviations.

    They are those of `ColumnDeviations`, or, in files of before, of |x - x_hat|; then there is no list at all for a
    detector that reconstructs nothing.
    """
    deviations = getattr(fitted.preprocessing, "deviations", None)
    if deviations is not None:
        names, found = deviations.names, deviations.measure(x)
    elif "reconstruction" not in explained_names(fitted.detector):
        return []
    else:
        columns = fitted.preprocessing.feature_columns
        names = list(dict.fromkeys(columns))
        x_hat = gathered(part["reconstruction"] for part in explain_rows(fitted.detector.explain, x, MOST_ROWS))
        found = np.abs(x - x_hat) @ (np.array(columns)[:, None] == np.array(names)[None, :])
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
    return [[(names[i], float(share[i])) for i in np.argsort(-share, kind="stable")[:most]] for share in shares]

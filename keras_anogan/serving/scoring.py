"""Rows to results, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video.windows import VideoWindows

SCORE_BATCH = 256


def explain_rows(explain: Callable, rows: Any) -> Iterator[dict[str, np.ndarray]]:
    """`explain` over rows, batch by batch, so that maps of many images are never all in memory."""
    graph = tf.function(explain, reduce_retracing=True)
    for first in range(0, len(rows), SCORE_BATCH):
        x = rows[np.arange(first, min(first + SCORE_BATCH, len(rows)))]
        yield {key: np.asarray(value) for key, value in graph(tf.constant(x)).items()}


def per_sample(fitted: FittedDetector, rows: Any) -> dict[str, np.ndarray]:
    """Every term of one number per row, for preprocessed rows."""
    batches = [
        {key: value for key, value in batch.items() if value.ndim == 1}
        for batch in explain_rows(lambda x: fitted.judge(fitted.detector.explain(x)), rows)
    ]
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def explained_names(detector: Any) -> set[str]:
    """Names of what the detector's `explain` gives, without computing any of it."""
    shape = tf.TensorSpec((None, *detector.sample_shape), "float32")
    return set(tf.function(detector.explain).get_concrete_function(shape).structured_outputs)


def column_deviations(
    detector: Any, x: np.ndarray, columns: tuple[str, ...], most: int = 4
) -> list[list[tuple[str, float]]]:
    """For each row the columns in which it differs most from its reconstruction, and their shares of |x - x_hat|.

    No list at all for a detector that reconstructs nothing.
    """
    if "reconstruction" not in explained_names(detector):
        return []
    x_hat = np.concatenate([part["reconstruction"] for part in explain_rows(detector.explain, x)])
    names = list(dict.fromkeys(columns))
    belongs = np.array(columns)[:, None] == np.array(names)[None, :]  # (features, columns)
    by_column = np.abs(x - x_hat) @ belongs
    shares = by_column / np.maximum(by_column.sum(axis=1, keepdims=True), 1e-12)
    return [[(names[i], float(share[i])) for i in np.argsort(-share, kind="stable")[:most]] for share in shares]


def judge_windows(function: Callable, windows: VideoWindows) -> dict[str, np.ndarray]:
    """Numbers of each window, and the highest value of its map, for windows in order."""
    graph = tf.function(function, reduce_retracing=True)
    parts: dict[str, list[np.ndarray]] = {}
    for i in range(len(windows)):
        explained = {key: value.numpy() for key, value in graph(tf.constant(windows[i])).items()}
        explained["peak"] = explained["anomaly_map"].max(axis=(1, 2))
        for key, value in explained.items():
            if value.ndim == 1:
                parts.setdefault(key, []).append(value)
    return {key: np.concatenate(values) for key, values in parts.items()}

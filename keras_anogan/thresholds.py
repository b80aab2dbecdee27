"""Thresholds: Keras layers from anomaly scores to alarms, with their state in weights, fitted by `adapt`."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_anogan")
class QuantileThreshold(keras.Layer):
    """Alarm where a score exceeds a high order statistic of the scores of calibration data.

    With n calibration scores the threshold is their k-th largest, k = floor(alpha (n + 1)): if calibration
    and future normal scores are exchangeable, the probability of a false alarm is at most alpha (split
    conformal prediction; Vovk et al. 2005). A score that is NaN or infinite is an alarm. Before `adapt`
    the threshold is -inf: everything is anomalous.

    Args:
        alpha: false-alarm rate the user accepts, 0 < alpha < 1.
        capacity: how many calibration scores the layer can hold. `adapt` raises it to the number of scores
            it gets, unless the layer was built before; its shape is part of the saved file.

    Raises:
        ValueError: for an alpha outside (0, 1) or a capacity below 1.
    """

    def __init__(self, alpha: float = 0.01, capacity: int = 10_000, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"Expected 0 < alpha < 1. Received: alpha={alpha!r}.")
        if capacity < 1:
            raise ValueError(f"Expected capacity >= 1. Received: capacity={capacity!r}.")
        self.alpha = float(alpha)
        self.capacity = int(capacity)

    def build(self, input_shape: Any = None) -> None:
        self.calibration = self._state("calibration", (self.capacity,), "float32", math.inf)  # ascending, then +inf
        self.count = self._state("count", (), "int32", 0)
        self.boundary = self._state("boundary", (), "float32", -math.inf)
        self.built = True

    def _state(self, name: str, shape: tuple[int, ...], dtype: str, value: float) -> keras.Variable:
        initializer = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False)

    @property
    def threshold(self) -> float:
        """The number a score is compared with: an alarm is a score above it."""
        return float(self.boundary) if self.built else -math.inf

    @property
    def adapted(self) -> bool:
        """Whether the layer has seen calibration scores."""
        return bool(self.built and int(self.count) > 0)

    def adapt(self, scores: Any) -> QuantileThreshold:
        """Forget earlier scores and fit the threshold to `scores` of normal calibration data, shape (n,).

        Raises:
            ValueError: for NaN or infinite scores, a shape that is not (n,), more scores than a built layer
                can hold, or too few for `alpha` (n < 1/alpha - 1: no threshold could keep that rate).
        """
        return self._fit(self._check(scores))

    def update_state(self, scores: Any) -> QuantileThreshold:
        """Add `scores`, shape (n,), to the calibration scores and fit again; raises as `adapt` does."""
        seen = np.asarray(self.calibration)[: int(self.count)] if self.built else np.empty(0, "float32")
        return self._fit(np.concatenate([seen, self._check(scores)]))

    def _check(self, scores: Any) -> np.ndarray:
        scores = np.asarray(scores)
        if scores.ndim != 1:
            raise ValueError(f"{type(self).__name__} expected scores of shape (n,). Received: shape {scores.shape}.")
        if not np.isfinite(scores).all():
            bad = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise ValueError(f"{type(self).__name__} expected finite scores. Received: {scores[bad]} at index {bad}.")
        return scores.astype("float32")

    def _fit(self, scores: np.ndarray) -> QuantileThreshold:
        n = len(scores)
        rank = _alarm_rank(self.alpha, n)
        if rank < 1:
            needed = math.ceil(1.0 / self.alpha - 1.0 - 1e-9)
            raise ValueError(
                f"{type(self).__name__} expected at least {needed} calibration scores for alpha={self.alpha:g} "
                f"(n >= 1/alpha - 1). Received: {n}."
            )
        if not self.built:
            self.capacity = max(self.capacity, n)
            self.build()
        if n > self.capacity:
            raise ValueError(
                f"{type(self).__name__} was built for at most {self.capacity} calibration scores. Received: {n}; "
                f"make it with capacity={n}."
            )
        ordered = np.sort(scores)
        padding = np.full(self.capacity - n, np.inf, "float32")
        self.calibration.assign(np.concatenate([ordered, padding]))
        self.count.assign(n)
        self.boundary.assign(ordered[n - rank])
        return self

    def call(self, scores: Any) -> Any:
        """Alarms, bool of shape (batch,), for scores of shape (batch,)."""
        return ops.logical_or(scores > self.boundary, ops.logical_not(ops.isfinite(scores)))

    def compute_output_spec(self, scores: Any) -> keras.KerasTensor:
        return keras.KerasTensor(scores.shape, dtype="bool")

    def get_config(self) -> dict:
        return {**super().get_config(), "alpha": self.alpha, "capacity": self.capacity}


@keras.saving.register_keras_serializable("keras_anogan")
class ConformalThreshold(QuantileThreshold):
    """Quantile threshold that also tells how unusual a score is: a conformal p-value.

    p = (1 + #{calibration scores >= score}) / (n + 1), and there is an alarm exactly where p <= alpha
    (Bates et al. 2023). Under exchangeability P(p <= alpha) <= alpha for a normal sample.

    Args:
        alpha, capacity: as in `QuantileThreshold`.
    """

    def p_value(self, scores: Any) -> Any:
        """Conformal p-values in (0, 1], float32 (batch,), for scores (batch,); the smallest for NaN or infinity.

        Before `adapt` there is nothing to compare with, and p is 1.
        """
        below = ops.searchsorted(self.calibration, scores, side="left")
        n = ops.cast(self.count, "float32")
        at_least = ops.maximum(n - ops.cast(below, "float32"), 0.0)
        return (1.0 + ops.where(ops.isfinite(scores), at_least, 0.0)) / (n + 1.0)


def _alarm_rank(alpha: float, n: int) -> int:
    """The k for which an alarm means: fewer than k of n calibration scores reach this score."""
    return min(n, math.floor(alpha * (n + 1) + 1e-9))

"""Thresholds of held-out normal scores: a quantile, and the same with p-values."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_anogan.thresholds.base import check_scores, check_share


@keras.saving.register_keras_serializable("keras_anogan")
class QuantileThreshold(keras.Layer):
    """Alarm where a score exceeds a high order statistic of the scores of calibration data.

    With n calibration scores the threshold is their k-th largest, k = floor(alpha (n + 1)): if calibration
    and future normal scores are exchangeable, the probability of a false alarm is at most alpha (split
    conformal prediction; Vovk et al. 2005). A score that is NaN or infinite is an alarm. Before `adapt`
    the threshold is -inf: everything is anomalous.

    Scores of a day, a clip or a person are alike, and those of the next may not be. With K such groups the threshold is
    the highest of the K that each group would have by itself: if groups are exchangeable, a new one keeps to the rate
    alpha with a probability of K/(K + 1), since that is the chance that its own threshold is not the highest.

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
        self.groups = self._state("groups", (self.capacity,), "int32", 0)  # of each of these
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

    def adapt(self, scores: Any, groups: Any = None) -> QuantileThreshold:
        """Forget earlier scores and fit the threshold to `scores` of normal calibration data, shape (n,).

        Args:
            scores: shape (n,).
            groups: integers (n,), of which day or clip each score is; default: all of one.

        Raises:
            ValueError: for NaN or infinite scores, a shape that is not (n,), more scores than a built layer
                can hold, or too few for `alpha` in any group (n < 1/alpha - 1: no threshold could keep that rate).
        """
        scores = self._check(scores)
        return self._fit(scores, self._check_groups(groups, len(scores)))

    def update_state(self, scores: Any, groups: Any = None) -> QuantileThreshold:
        """Add `scores`, shape (n,), to the calibration scores and fit again.

        Args:
            scores, groups: as in `adapt`; where there are groups already, these have to be told too.

        Raises:
            ValueError: as `adapt` does.
        """
        scores = self._check(scores)
        n = int(self.count) if self.adapted else 0
        if groups is None and n and np.asarray(self.groups)[:n].any():
            raise ValueError(
                f"{type(self).__name__} expected groups: it was adapted to scores of several. Received: groups=None."
            )
        groups = self._check_groups(groups, len(scores))
        if n:
            scores = np.concatenate([np.asarray(self.calibration)[:n], scores])
            groups = np.concatenate([np.asarray(self.groups)[:n], groups])
        return self._fit(scores, groups)

    def _check(self, scores: Any) -> np.ndarray:
        return check_scores(type(self).__name__, scores).astype("float32")

    def _check_groups(self, groups: Any, n: int) -> np.ndarray:
        groups = np.zeros(n, "int32") if groups is None else np.asarray(groups)
        if groups.shape != (n,) or groups.dtype.kind not in "iub":
            raise ValueError(
                f"{type(self).__name__} expected groups to be integers of shape ({n},), one for each score. "
                f"Received: {groups.dtype} of shape {groups.shape}."
            )
        return groups.astype("int32")

    def _fit(self, scores: np.ndarray, groups: np.ndarray) -> QuantileThreshold:
        n = len(scores)
        order = np.argsort(scores, kind="stable")
        scores, groups = scores[order], groups[order]
        parts = {int(group): scores[groups == group] for group in np.unique(groups)} or {0: scores}
        for group, part in parts.items():
            if _alarm_rank(self.alpha, len(part)) < 1:
                needed = math.ceil(1.0 / self.alpha - 1.0 - 1e-9)
                of = f" of group {group}" if len(parts) > 1 else ""
                raise ValueError(
                    f"{type(self).__name__} expected at least {needed} calibration scores{of} for "
                    f"alpha={self.alpha:g} (n >= 1/alpha - 1). Received: {len(part)}."
                )
        if not self.built:
            self.capacity = max(self.capacity, n)
            self.build()
        if n > self.capacity:
            raise ValueError(
                f"{type(self).__name__} was built for at most {self.capacity} calibration scores. Received: {n}; "
                f"make it with capacity={n}."
            )
        self.calibration.assign(np.concatenate([scores, np.full(self.capacity - n, np.inf, "float32")]))
        self.groups.assign(np.concatenate([groups, np.zeros(self.capacity - n, "int32")]))
        self.count.assign(n)
        self.boundary.assign(max(part[len(part) - _alarm_rank(self.alpha, len(part))] for part in parts.values()))
        return self

    def call(self, scores: Any) -> Any:
        """Alarms, bool of shape (batch,), for scores of shape (batch,)."""
        return ops.logical_or(scores > self.boundary, ops.logical_not(ops.isfinite(scores)))

    def compute_output_spec(self, scores: Any) -> keras.KerasTensor:
        return keras.KerasTensor(scores.shape, dtype="bool")

    def load_own_variables(self, store: Any) -> None:
        """Files of before there were groups hold the scores, their count and the boundary."""
        if len(store.keys()) != 3:
            super().load_own_variables(store)
            return
        count = int(np.asarray(store["1"]))
        if count:
            self._fit(np.asarray(store["0"])[:count], np.zeros(count, "int32"))

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

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.p_values = self._state("p_values", (self.capacity + 1,), "float32", 1.0)  # by how many scores are smaller

    def _fit(self, scores: np.ndarray, groups: np.ndarray) -> QuantileThreshold:
        super()._fit(scores, groups)
        n = int(self.count)
        groups = np.asarray(self.groups)[:n]
        largest = np.zeros(self.capacity + 1)
        for group in np.unique(groups):
            of_it = groups == group
            smaller = np.concatenate([[0], np.cumsum(of_it), np.full(self.capacity - n, of_it.sum())])
            largest = np.maximum(largest, (1.0 + of_it.sum() - smaller) / (of_it.sum() + 1.0))
        self.p_values.assign(largest)
        return self

    def p_value(self, scores: Any) -> Any:
        """Conformal p-values in (0, 1], float32 (batch,), for scores (batch,); the smallest for NaN or infinity.

        Of several groups the largest p-value counts. Before `adapt` there is nothing to compare with, and p is 1.
        """
        scores = ops.cast(scores, "float32")
        smaller = ops.searchsorted(self.calibration, scores, side="left")
        return ops.take(self.p_values, ops.where(ops.isfinite(scores), smaller, self.capacity))


def false_discovery_control(p_values: Any, alpha: float = 0.05, method: str = "bh") -> np.ndarray:
    """Alarms, bool (n,), of which at most a share `alpha` is expected to be false (Benjamini and Hochberg 1995).

    It depends on the whole batch of p-values, so it is no part of a model.

    Args:
        p_values: shape (n,), in [0, 1], such as `ConformalThreshold.p_value` gives.
        alpha: accepted share of false alarms among the alarms.
        method: "bh", or "by" for p-values of any dependence.

    Raises:
        ValueError: for p-values outside [0, 1], another shape, an alpha outside (0, 1) or another method.
    """
    from scipy.stats import false_discovery_control as adjusted

    p_values = np.asarray(p_values, "float64")
    if p_values.ndim != 1 or len(p_values) == 0 or not ((p_values >= 0.0) & (p_values <= 1.0)).all():
        raise ValueError(
            f"Expected p-values in [0, 1], shape (n,). Received: shape {p_values.shape}, or outside [0, 1]."
        )
    if method not in ("bh", "by"):
        raise ValueError(f"Expected the method 'bh' or 'by'. Received: method={method!r}.")
    return adjusted(p_values, method=method) <= check_share("alpha", alpha)


def _alarm_rank(alpha: float, n: int) -> int:
    """The k for which an alarm means: fewer than k of n calibration scores reach this score."""
    return min(n, math.floor(alpha * (n + 1) + 1e-9))

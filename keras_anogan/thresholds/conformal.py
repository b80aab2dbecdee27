"""Thresholds of held-out normal scores: a quantile, and the same with p-values."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_anogan.thresholds.base import Threshold, check_share, read

LEAST_ALPHA = 0.01  # that is proposed


def calibration_needed(alpha: float) -> int:
    """How many calibration scores a false-alarm rate takes: the smallest n with n >= 1/alpha - 1, at least one.

    With fewer, even the largest calibration score is exceeded by a new normal score more often than `alpha`.

    >>> calibration_needed(0.01)
    99

    Args:
        alpha: false-alarm rate, 0 < alpha < 1.

    Raises:
        ValueError: for another alpha.
    """
    return max(1, math.ceil(1.0 / check_share("alpha", alpha) - 1.0 - 1e-9))  # 1e-9: 1/0.01 may be a little over 100


def lowest_alpha(n: int, digits: int = 4) -> float:
    """The lowest false-alarm rate that n calibration scores allow, 1/(n + 1), rounded up to so many digits.

    >>> lowest_alpha(19), lowest_alpha(17, digits=3)
    (0.05, 0.056)
    """
    return math.ceil(10.0**digits / (n + 1.0) - 1e-6) / 10.0**digits


def proposed_alpha(n: int) -> float:
    """The false-alarm rate to ask for with n calibration scores: 1 %, or the lowest that they allow.

    It is rounded up to a tenth of a percent.

    >>> proposed_alpha(1000), proposed_alpha(17)
    (0.01, 0.056)

    Raises:
        ValueError: for no scores at all.
    """
    if n < 1:
        raise ValueError(f"Expected at least one calibration score. Received: {n}.")
    return max(LEAST_ALPHA, lowest_alpha(n, digits=3))


def calibration_interval(alpha: float, n: int) -> tuple[float, float]:
    """95 % interval of the false-alarm rate of a threshold that n calibration scores set for the rate alpha.

    The threshold is their k-th largest, k = floor(alpha (n + 1)); over all draws of n normal scores the probability
    that a further one exceeds it has the distribution Beta(k, n + 1 - k).

    Args:
        alpha: rate that was asked for, in (0, 1).
        n: calibration scores, n >= 1/alpha - 1.
    """
    from scipy import stats

    above = max(1, int(alpha * (n + 1) + 1e-9))
    low, high = stats.beta.ppf((0.025, 0.975), above, n + 1 - above)
    return float(low), float(high)


@keras.saving.register_keras_serializable("keras_anogan")
class QuantileThreshold(Threshold):
    """Alarm where a score exceeds a high order statistic of the scores of calibration data.

    With n calibration scores the threshold is their k-th largest, k = floor(alpha (n + 1)). If calibration
    and future normal scores are exchangeable, the probability of a false alarm is at most alpha (split
    conformal prediction; Vovk et al. 2005).

    >>> layer = QuantileThreshold(alpha=0.05).adapt(np.arange(1.0, 100.0))  # 99 scores: the fifth largest
    >>> layer.threshold
    95.0
    >>> np.asarray(layer(np.array([94.0, 95.5, np.nan], "float32"))).tolist()
    [False, True, True]

    Scores of one day resemble each other more than those of another day; the same holds for scores of one clip, or of
    one person. A threshold over all of them can then fail on the next day. So tell the layer with `groups` which day
    each score is from: the threshold becomes the highest of those that each day would have by itself. If the K days and
    a new one are exchangeable, the new day's rate of false alarms stays within alpha with a probability of K/(K + 1),
    which is the chance that its own threshold is not the highest of all.

    >>> days = np.repeat([0, 1], 99)
    >>> quiet_and_busy = np.concatenate([np.arange(1.0, 100.0), np.arange(1.0, 100.0) + 20.0])
    >>> QuantileThreshold(alpha=0.05).adapt(quiet_and_busy, groups=days).threshold
    115.0

    Args:
        alpha: false-alarm rate the user accepts, 0 < alpha < 1.
        capacity: how many calibration scores the layer can hold. `adapt` raises it to the number of scores
            it gets, unless the layer was built before; its shape is part of the saved file.

    Raises:
        ValueError: for an alpha outside (0, 1) or a capacity below 1.
    """

    keeps_alpha = True
    takes_groups = True

    def __init__(self, alpha: float = 0.01, capacity: int = 10_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if capacity < 1:
            raise ValueError(f"Expected capacity >= 1. Received: capacity={capacity!r}.")
        self.alpha = check_share("alpha", alpha)
        self.capacity = int(capacity)

    def build(self, input_shape: Any = None) -> None:
        self.calibration = self.add_state("calibration", (self.capacity,), "float32", math.inf)  # ascending, then +inf
        self.groups = self.add_state("groups", (self.capacity,), "int32")  # of each of these
        self.count = self.add_state("count", (), "int32")
        self.boundary = self.add_state("boundary", (), "float32", -math.inf)
        self.built = True

    @property
    def seen(self) -> int:
        """How many calibration scores there are."""
        return int(read(self.count))

    def adapt(self, scores: Any, groups: Any = None) -> QuantileThreshold:
        """Forget earlier scores and fit the threshold to `scores` of normal calibration data, shape (n,).

        Args:
            scores: shape (n,).
            groups: integers (n,), of which day or clip each score is; default: all of one.

        Raises:
            ValueError: for NaN or infinite scores, a shape that is not (n,), more scores than a built layer
                can hold, or too few for `alpha` in any group (see `calibration_needed`).
        """
        scores = self.check_scores(scores).astype("float32")
        return self._fit(scores, self._check_groups(groups, len(scores)))

    def update_state(self, scores: Any, groups: Any = None) -> QuantileThreshold:
        """Add `scores`, shape (n,), to the calibration scores and fit again.

        Args:
            scores, groups: as in `adapt`; where there are groups already, these have to be told too.

        Raises:
            ValueError: as `adapt` does.
        """
        scores = self.check_scores(scores).astype("float32")
        n = self.seen if self.adapted else 0
        if groups is None and n and np.asarray(self.groups)[:n].any():
            raise ValueError(
                f"{type(self).__name__} expected groups: it was adapted to scores of several. Received: groups=None."
            )
        groups = self._check_groups(groups, len(scores))
        if n:
            scores = np.concatenate([np.asarray(self.calibration)[:n], scores])
            groups = np.concatenate([np.asarray(self.groups)[:n], groups])
        return self._fit(scores, groups)

    def at(self, alpha: float) -> QuantileThreshold:
        """The threshold for another rate of false alarms: a new layer that has learned from the same scores.

        >>> layer = QuantileThreshold(alpha=0.05).adapt(np.arange(1.0, 100.0))
        >>> layer.at(0.10).threshold
        90.0

        Raises:
            ValueError: for an alpha outside (0, 1), too few scores for it, or a layer that is not adapted.
        """
        if not self.adapted:
            raise ValueError(f"Expected a threshold that is adapted. Received: {type(self).__name__} without scores.")
        scores, groups = np.asarray(self.calibration)[: self.seen], np.asarray(self.groups)[: self.seen]
        return type(self)(alpha, self.capacity).adapt(scores, groups)

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
        needed = calibration_needed(self.alpha)
        for group, part in parts.items():
            if len(part) < needed:
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

    def load_own_variables(self, store: Any) -> None:
        """Read the weights; a file from before there were groups has three: scores, count and boundary."""
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

    >>> layer = ConformalThreshold(alpha=0.05).adapt(np.arange(1.0, 100.0))
    >>> [round(float(p), 2) for p in layer.p_value(np.array([50.0, 98.5], "float32"))]
    [0.51, 0.02]

    Args:
        alpha, capacity: as in `QuantileThreshold`.
    """

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.p_values = self.add_state("p_values", (self.capacity + 1,), "float32", 1.0)  # by how many are smaller

    def _fit(self, scores: np.ndarray, groups: np.ndarray) -> QuantileThreshold:
        super()._fit(scores, groups)
        n = self.seen
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

    Whether one row is an alarm depends on the p-values of all rows, so this is a function and no layer of a model.

    >>> false_discovery_control([0.001, 0.02, 0.04, 0.6], alpha=0.05).tolist()
    [True, True, False, False]

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

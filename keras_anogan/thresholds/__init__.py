"""Thresholds: Keras layers that learn from normal scores when a score is an alarm."""

from __future__ import annotations

from collections.abc import Callable

from keras_anogan.thresholds.base import Threshold
from keras_anogan.thresholds.conformal import (
    LEAST_ALPHA,
    ConformalThreshold,
    QuantileThreshold,
    calibration_interval,
    calibration_needed,
    false_discovery_control,
    lowest_alpha,
    proposed_alpha,
)
from keras_anogan.thresholds.running import (
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    SlidingWindowThreshold,
)

# Name -> how to make it of (alpha, k, capacity): by a rate of false alarms, or by standard deviations above the mean.
THRESHOLDS: dict[str, Callable[[float, float, int], Threshold]] = {
    "conformal": lambda alpha, k, capacity: ConformalThreshold(alpha, capacity),
    "quantile": lambda alpha, k, capacity: QuantileThreshold(alpha, capacity),
    "peaks": lambda alpha, k, capacity: PeaksOverThreshold(alpha),
    "cumulative": lambda alpha, k, capacity: CumulativeAggregation(k),
    "exponential": lambda alpha, k, capacity: ExponentialThreshold(k),
    "double_exponential": lambda alpha, k, capacity: DoubleExponentialThreshold(k),
    "sliding": lambda alpha, k, capacity: SlidingWindowThreshold(k),
}


def build_threshold(name: str, alpha: float = 0.01, k: float = 3.0, capacity: int | None = None) -> Threshold:
    """A new threshold by its name in `THRESHOLDS`.

    >>> build_threshold("exponential", k=2.0).k
    2.0

    Args:
        name: "conformal", "quantile" or "peaks", which are set by `alpha`; "cumulative", "exponential",
            "double_exponential" or "sliding", which are set by `k`.
        alpha: rate of false alarms, 0 < alpha < 1, of "peaks" below 0.1.
        k: standard deviations above the mean.
        capacity: calibration scores that "conformal" and "quantile" can hold; default: 10,000.

    Raises:
        ValueError: for an unknown name, or an alpha or k that the threshold can't have.
    """
    if name not in THRESHOLDS:
        raise ValueError(f"Expected the threshold to be one of {tuple(THRESHOLDS)}. Received: {name!r}.")
    return THRESHOLDS[name](alpha, k, 10_000 if capacity is None else capacity)


__all__ = [
    "LEAST_ALPHA",
    "THRESHOLDS",
    "ConformalThreshold",
    "CumulativeAggregation",
    "DoubleExponentialThreshold",
    "ExponentialThreshold",
    "PeaksOverThreshold",
    "QuantileThreshold",
    "SlidingWindowThreshold",
    "Threshold",
    "build_threshold",
    "calibration_interval",
    "calibration_needed",
    "false_discovery_control",
    "lowest_alpha",
    "proposed_alpha",
]

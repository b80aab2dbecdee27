"""Thresholds: Keras layers that learn from normal scores when a score is an alarm."""

from keras_anogan.thresholds.conformal import ConformalThreshold, QuantileThreshold, false_discovery_control
from keras_anogan.thresholds.running import (
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    SlidingWindowThreshold,
)

__all__ = [
    "ConformalThreshold",
    "CumulativeAggregation",
    "DoubleExponentialThreshold",
    "ExponentialThreshold",
    "PeaksOverThreshold",
    "QuantileThreshold",
    "SlidingWindowThreshold",
    "false_discovery_control",
]

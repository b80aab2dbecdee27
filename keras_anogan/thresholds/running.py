"""Thresholds: Keras layers from anomaly scores to alarms, with their state in weights, fitted by `adapt`."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_anogan.thresholds.base import check_scores, check_share


class _RunningThreshold(keras.Layer):
    """Threshold with a state of a few numbers that every score moves on: what IFTM calls a threshold model.

    A score that is NaN or infinite is an alarm and moves nothing. Before the first score the threshold is -inf:
    everything is anomalous. State is float64, so that a long stream adds up.
    """

    states: dict[str, tuple[int, ...]] = {}  # name -> shape

    def __init__(self, k: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        if not math.isfinite(k):
            raise ValueError(f"Expected a finite k. Received: k={k!r}.")
        self.k = float(k)

    def build(self, input_shape: Any = None) -> None:
        size = sum(math.prod(shape) for shape in self._places().values())
        self.state = self.add_weight(  # one vector: a stream assigns it for every score
            name="state", shape=(size,), dtype="float64", initializer="zeros", trainable=False
        )
        self.boundary = self.add_weight(
            name="boundary",
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(-math.inf),
            trainable=False,
        )
        self.built = True

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return self.states

    def _places(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each part of the state, in order."""
        return {"count": (), **self._shapes()}

    def _unpacked(self, vector: np.ndarray) -> dict[str, Any]:
        parts, first = {}, 0
        for name, shape in self._places().items():
            size = math.prod(shape)
            parts[name] = vector[first : first + size].reshape(shape) if shape else vector[first]
            first += size
        return parts

    @property
    def threshold(self) -> float:
        """The number a score is compared with: an alarm is a score above it."""
        return float(_read(self.boundary)) if self.built else -math.inf

    @property
    def adapted(self) -> bool:
        """Whether the layer has seen scores."""
        return bool(self.built and _read(self.state)[0] > 0)

    def adapt(self, scores: Any) -> Any:
        """Forget earlier scores and begin with `scores`, shape (n,), in their order.

        Raises:
            ValueError: for NaN or infinite scores, or a shape that is not (n,) with n >= 1.
        """
        scores = check_scores(type(self).__name__, scores)
        if len(scores) == 0:
            raise ValueError(f"{type(self).__name__} expected at least one score. Received: none.")
        if not self.built:
            self.build()
        return self._move(np.zeros(self.state.shape), scores)

    def update_state(self, scores: Any) -> Any:
        """Go on with `scores`, shape (n,), in their order; raises as `adapt` does, but for n = 0."""
        scores = check_scores(type(self).__name__, scores)
        if not self.built:
            self.build()
        return self._move(_read(self.state).copy(), scores)

    def _move(self, vector: np.ndarray, scores: np.ndarray) -> Any:
        if len(scores):
            parts = self._unpacked(vector)
            mean, std = self._learn(parts, scores.astype("float64"))
            _write(self.state, np.concatenate([np.ravel(part) for part in parts.values()]))
            _write(self.boundary, mean + self.k * std)
        return self

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        """Move `state` on in place; returns the mean and the standard deviation it now stands for."""
        raise NotImplementedError

    def call(self, scores: Any) -> Any:
        """Alarms, bool of shape (batch,), for scores of shape (batch,)."""
        return ops.logical_or(scores > self.boundary, ops.logical_not(ops.isfinite(scores)))

    def compute_output_spec(self, scores: Any) -> keras.KerasTensor:
        return keras.KerasTensor(scores.shape, dtype="bool")

    def get_config(self) -> dict:
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("keras_anogan")
class CumulativeAggregation(_RunningThreshold):
    """Mean + k standard deviations (n - 1) of all scores so far: IFTM's CA, Welford's recurrence.

    Scores may come in any order and in batches of any size. Normal scores that were Gaussian would raise 15.9 % false
    alarms at k = 1, the thesis's and the published code's default, 2.3 % at 2, 0.13 % at 3.

    Args:
        k: standard deviations above the mean.
    """

    states = {"mean": (), "squares": ()}

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        seen, more = float(state["count"]), len(scores)
        step = scores.mean() - state["mean"]  # two samples joined (Chan et al. 1979); of one score: Welford's
        state["mean"] = state["mean"] + step * more / (seen + more)
        state["squares"] = (
            state["squares"] + np.square(scores - scores.mean()).sum() + step**2 * seen * more / (seen + more)
        )
        state["count"] = seen + more
        return float(state["mean"]), math.sqrt(state["squares"] / max(1.0, seen + more - 1.0))


@keras.saving.register_keras_serializable("keras_anogan")
class ExponentialThreshold(_RunningThreshold):
    """Mean + k standard deviations that forget exponentially (`ExponentialMovingAvgStd` of IFTM's published code).

    The first score is the mean, with no variance; then d = e - mean, mean += alpha d,
    variance = (1 - alpha) (variance + alpha d^2).

    Args:
        k: standard deviations above the mean.
        alpha: how fast it forgets, 0 < alpha < 1.
    """

    states = {"mean": (), "variance": ()}

    def __init__(self, k: float = 3.0, alpha: float = 0.1, **kwargs: Any) -> None:
        super().__init__(k, **kwargs)
        self.alpha = check_share("alpha", alpha)

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        count, mean, variance = (float(state[key]) for key in ("count", "mean", "variance"))
        for score in scores.tolist():
            difference = score - mean if count else 0.0
            mean = mean + self.alpha * difference if count else score
            variance = (1.0 - self.alpha) * (variance + self.alpha * difference**2)
            count += 1.0
        state.update(count=count, mean=mean, variance=variance)
        return mean, math.sqrt(variance)

    def get_config(self) -> dict:
        return {**super().get_config(), "alpha": self.alpha}


@keras.saving.register_keras_serializable("keras_anogan")
class DoubleExponentialThreshold(_RunningThreshold):
    """Level and trend that forget exponentially (Holt's method), and k standard deviations around them.

    The first score is the level. Then level' = a e + (1 - a) (level + trend), trend' = b (level' - level) +
    (1 - b) trend, mean = level' + trend', variance = (1 - b) (variance + b (e - mean)^2): IFTM's published code.

    Args:
        k: standard deviations above the mean.
        level_smoothing, trend_smoothing: a and b, in (0, 1).
    """

    states = {"level": (), "trend": (), "variance": ()}

    def __init__(
        self, k: float = 3.0, level_smoothing: float = 0.1, trend_smoothing: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(k, **kwargs)
        self.level_smoothing = check_share("level_smoothing", level_smoothing)
        self.trend_smoothing = check_share("trend_smoothing", trend_smoothing)

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        count, level, trend, variance = (float(state[key]) for key in ("count", "level", "trend", "variance"))
        a, b = self.level_smoothing, self.trend_smoothing
        for score in scores.tolist():
            before = level
            level = a * score + (1.0 - a) * (level + trend) if count else score
            trend = b * (level - before) + (1.0 - b) * trend if count else 0.0
            variance = (1.0 - b) * (variance + b * (score - level - trend) ** 2)
            count += 1.0
        state.update(count=count, level=level, trend=trend, variance=variance)
        return level + trend, math.sqrt(variance)

    def get_config(self) -> dict:
        smoothing = {"level_smoothing": self.level_smoothing, "trend_smoothing": self.trend_smoothing}
        return {**super().get_config(), **smoothing}


@keras.saving.register_keras_serializable("keras_anogan")
class SlidingWindowThreshold(_RunningThreshold):
    """Mean + k standard deviations (n - 1) of the last `window` scores.

    Args:
        k: standard deviations above the mean.
        window: scores that are remembered, >= 2.
    """

    def __init__(self, k: float = 3.0, window: int = 1000, **kwargs: Any) -> None:
        super().__init__(k, **kwargs)
        if int(window) != window or window < 2:
            raise ValueError(f"Expected an integer window >= 2. Received: window={window!r}.")
        self.window = int(window)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"last": (self.window,)}  # a ring: score number i is at i % window

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        seen = int(state["count"])
        kept = scores[-self.window :]
        first = seen + len(scores) - len(kept)
        state["last"][(first + np.arange(len(kept))) % self.window] = kept
        state["count"] = np.float64(seen + len(scores))
        last = state["last"][: min(self.window, seen + len(scores))]
        return float(last.mean()), float(last.std(ddof=1)) if len(last) > 1 else 0.0

    def get_config(self) -> dict:
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("keras_anogan")
class PeaksOverThreshold(_RunningThreshold):
    """A quantile beyond the calibration scores, from the shape of their tail (Siffer et al. 2017).

    Scores above the `level` quantile of the first calibration, the peaks, are fitted with SciPy's generalised Pareto
    distribution; the threshold is z = t + sigma/xi ((alpha n / N_t)^-xi - 1), with t that quantile, N_t peaks among n
    scores. Further scores add to n and, above t, to the peaks; t stays. For small alpha and few scores, where a
    conformal threshold needs n >= 1/alpha - 1.

    Args:
        alpha: false-alarm rate, below 1 - level.
        level: of the quantile above which the tail begins.
        capacity: peaks that are remembered, the last ones.
    """

    least = 10

    def __init__(self, alpha: float = 1e-3, level: float = 0.9, capacity: int = 1000, **kwargs: Any) -> None:
        kwargs.pop("k", None)
        super().__init__(0.0, **kwargs)
        self.alpha, self.level = check_share("alpha", alpha), check_share("level", level)
        if not alpha < 1.0 - level:
            raise ValueError(f"Expected alpha < 1 - level. Received: alpha={alpha!r}, level={level!r}.")
        if capacity < self.least:
            raise ValueError(f"Expected capacity >= {self.least}. Received: capacity={capacity!r}.")
        self.capacity = int(capacity)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"start": (), "peak_count": (), "shape": (), "scale": (), "peaks": (self.capacity,)}

    def _learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        from scipy.stats import genpareto

        first = not state["count"]
        if first:
            state["start"] = np.quantile(scores, self.level)
        start = float(state["start"])
        excess = scores[scores > start] - start
        if first and len(excess) < self.least:
            raise ValueError(
                f"PeaksOverThreshold expected at least {self.least} calibration scores above their {self.level:g} "
                f"quantile. Received: {len(excess)} of {len(scores)}."
            )
        seen = int(state["peak_count"])
        kept = excess[-self.capacity :]
        places = (seen + len(excess) - len(kept) + np.arange(len(kept))) % self.capacity
        state["peaks"][places] = kept
        state["peak_count"] = np.float64(seen + len(excess))
        state["count"] = np.float64(state["count"] + len(scores))
        if len(excess):
            peaks = state["peaks"][: min(self.capacity, seen + len(excess))]
            shape, _, scale = genpareto.fit(peaks, floc=0.0)
            state.update(shape=np.float64(shape), scale=np.float64(scale))
        share = self.alpha * float(state["count"]) / float(state["peak_count"])
        return start + float(genpareto.isf(min(share, 1.0), state["shape"], scale=state["scale"])), 0.0

    def get_config(self) -> dict:
        config = {**super().get_config(), "alpha": self.alpha, "level": self.level, "capacity": self.capacity}
        config.pop("k")
        return config


def _read(variable: keras.Variable) -> np.ndarray:
    """What `np.array(variable)` does, and below `variable.assign`, in a fraction of the time; a stream does both."""
    held = variable.value
    if isinstance(held, tf.distribute.DistributedValues):
        return held.numpy()
    return tf.raw_ops.ReadVariableOp(resource=held.handle, dtype=held.dtype).numpy()


def _write(variable: keras.Variable, value: Any) -> None:
    held = variable.value
    if isinstance(held, tf.distribute.DistributedValues):
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=held.handle, value=tf.constant(value, held.dtype))

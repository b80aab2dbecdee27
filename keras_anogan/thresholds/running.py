"""Thresholds that go on learning: mean and spread of the scores so far, moved on by every further score."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
import numpy as np

from keras_anogan.thresholds.base import Threshold, check_share, read, write


class RunningThreshold(Threshold):
    """Mean + k standard deviations of scores, from a state of a few numbers: what IFTM calls a threshold model.

    Scores may come one by one. The state is float64, so that small steps still count after a long stream.

    A subclass names the parts of its state and writes `learn`.
    """

    learns_one_by_one = True
    needs_calibration = False
    states: ClassVar[dict[str, tuple[int, ...]]] = {}  # name -> shape

    def __init__(self, k: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not math.isfinite(k):
            raise ValueError(f"Expected a finite k. Received: k={k!r}.")
        self.k = float(k)

    def build(self, input_shape: Any = None) -> None:
        size = sum(math.prod(shape) for shape in self._places().values())
        self.state = self.add_state("state", (size,), "float64")  # one vector: a stream assigns it for every score
        self.boundary = self.add_state("boundary", (), "float32", -math.inf)
        self.built = True

    @property
    def seen(self) -> int:
        """How many scores the layer has learned from."""
        return int(read(self.state)[0])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each part of the state but the count of scores."""
        return self.states

    def _places(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each part of the state, in order."""
        return {"count": (), **self.shapes()}

    def _unpacked(self, vector: np.ndarray) -> dict[str, Any]:
        """The parts of the state by name, from the one vector that holds them."""
        parts, first = {}, 0
        for name, shape in self._places().items():
            size = math.prod(shape)
            parts[name] = vector[first : first + size].reshape(shape) if shape else vector[first]
            first += size
        return parts

    def adapt(self, scores: Any) -> Any:
        """Forget earlier scores and learn from `scores`, shape (n,), in their order; returns the layer itself.

        Raises:
            ValueError: for NaN or infinite scores, or a shape that is not (n,) with n >= 1.
        """
        scores = self.check_scores(scores)
        if len(scores) == 0:
            raise ValueError(f"{type(self).__name__} expected at least one score. Received: none.")
        if not self.built:
            self.build()
        return self._move(np.zeros(self.state.shape), scores)

    def update_state(self, scores: Any) -> Any:
        """Learn from further `scores`, shape (n,), in their order; returns the layer itself.

        Raises:
            ValueError: for NaN or infinite scores, or a shape that is not (n,); no scores move nothing.
        """
        scores = self.check_scores(scores)
        if not self.built:
            self.build()
        return self._move(read(self.state).copy(), scores)

    def _move(self, vector: np.ndarray, scores: np.ndarray) -> Any:
        if len(scores):
            parts = self._unpacked(vector)
            mean, std = self.learn(parts, scores.astype("float64"))
            write(self.state, np.concatenate([np.ravel(part) for part in parts.values()]))
            write(self.boundary, mean + self.k * std)
        return self

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        """Change `state` in place by what `scores`, float64 (n,), n >= 1, tell.

        Args:
            state: parts by name, as in `shapes`, and the "count" of scores before these, which has to be raised.
            scores: in their order.

        Returns:
            Mean and standard deviation that the state now stands for.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define learn(state, scores).")

    def get_config(self) -> dict:
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("keras_anogan")
class CumulativeAggregation(RunningThreshold):
    """Mean + k standard deviations (n - 1) of all scores so far: IFTM's CA, by Welford's recurrence.

    Scores may come in any order and in batches of any size.

    >>> layer = CumulativeAggregation(k=2.0).adapt([1.0, 2.0, 3.0])  # mean 2, standard deviation 1
    >>> layer.threshold
    4.0
    >>> layer.update_state([2.0]).threshold < 4.0  # one score more in the middle: they spread less
    True

    If normal scores were Gaussian, 15.9 % of them would be alarms at k = 1, 2.3 % at k = 2, and 0.13 % at k = 3. The
    thesis and IFTM's published code take k = 1.

    Args:
        k: standard deviations above the mean.
    """

    states = {"mean": (), "squares": ()}

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
        seen, more = float(state["count"]), len(scores)
        step = scores.mean() - state["mean"]  # two samples joined (Chan et al. 1979); of one score: Welford's
        state["mean"] = state["mean"] + step * more / (seen + more)
        state["squares"] = (
            state["squares"] + np.square(scores - scores.mean()).sum() + step**2 * seen * more / (seen + more)
        )
        state["count"] = seen + more
        return float(state["mean"]), math.sqrt(state["squares"] / max(1.0, seen + more - 1.0))


@keras.saving.register_keras_serializable("keras_anogan")
class ExponentialThreshold(RunningThreshold):
    """Mean + k standard deviations that forget exponentially (`ExponentialMovingAvgStd` of IFTM's published code).

    The first score is the mean, with no variance. For every further score e: d = e - mean, mean += alpha d,
    variance = (1 - alpha) (variance + alpha d^2).

    >>> layer = ExponentialThreshold(k=1.0, alpha=0.5).adapt([0.0, 2.0])  # mean 1, variance 1
    >>> layer.threshold
    2.0

    Args:
        k: standard deviations above the mean.
        alpha: the share of the new score in the mean, 0 < alpha < 1; it forgets faster the larger it is.

    Raises:
        ValueError: for an alpha outside (0, 1), or a k that is not finite.
    """

    states = {"mean": (), "variance": ()}

    def __init__(self, k: float = 3.0, alpha: float = 0.1, **kwargs: Any) -> None:
        super().__init__(k, **kwargs)
        self.alpha = check_share("alpha", alpha)

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
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
class DoubleExponentialThreshold(RunningThreshold):
    """Level and trend that forget exponentially (Holt's method), and k standard deviations above them.

    It suits scores that rise or fall for long. The first score is the level. Then, for every further score e,
    level' = a e + (1 - a) (level + trend), trend' = b (level' - level) + (1 - b) trend, mean = level' + trend',
    variance = (1 - b) (variance + b (e - mean)^2), as in IFTM's published code.

    >>> line = np.arange(400.0)
    >>> layer = DoubleExponentialThreshold(k=0.0).adapt(line)
    >>> round(layer.threshold)  # the score that comes next on the line
    400

    Args:
        k: standard deviations above the mean.
        level_smoothing, trend_smoothing: a and b, in (0, 1).

    Raises:
        ValueError: for an a or b outside (0, 1), or a k that is not finite.
    """

    states = {"level": (), "trend": (), "variance": ()}

    def __init__(
        self, k: float = 3.0, level_smoothing: float = 0.1, trend_smoothing: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(k, **kwargs)
        self.level_smoothing = check_share("level_smoothing", level_smoothing)
        self.trend_smoothing = check_share("trend_smoothing", trend_smoothing)

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
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
class SlidingWindowThreshold(RunningThreshold):
    """Mean + k standard deviations (n - 1) of the last `window` scores.

    >>> layer = SlidingWindowThreshold(k=2.0, window=3).adapt([100.0, 1.0, 2.0, 3.0])  # 100 is forgotten
    >>> layer.threshold
    4.0

    Args:
        k: standard deviations above the mean.
        window: scores that are remembered, >= 2.

    Raises:
        ValueError: for a window that is no integer >= 2, or a k that is not finite.
    """

    def __init__(self, k: float = 3.0, window: int = 1000, **kwargs: Any) -> None:
        super().__init__(k, **kwargs)
        if int(window) != window or window < 2:
            raise ValueError(f"Expected an integer window >= 2. Received: window={window!r}.")
        self.window = int(window)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"last": (self.window,)}  # a ring: score number i is at i % window

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
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
class PeaksOverThreshold(RunningThreshold):
    """A quantile beyond the calibration scores, from the shape of their tail (Siffer et al. 2017).

    It is for few scores and a small alpha, where a conformal threshold lacks scores (see `calibration_needed`).

    >>> scores = np.random.default_rng(0).exponential(size=2000)
    >>> layer = PeaksOverThreshold(alpha=1e-4).adapt(scores)
    >>> bool(7.0 < layer.threshold < 11.0)  # an exponential distribution exceeds 9.2 with a probability of 1e-4
    True

    Of the first calibration scores t is the `level` quantile; scores above it are the peaks. SciPy's generalised
    Pareto distribution, of shape xi and scale sigma, is fitted to what they exceed t by. With N_t peaks among n scores
    the threshold is z = t + sigma/xi ((alpha n / N_t)^-xi - 1). Further scores add to n and, above t, to the peaks;
    t stays as it is.

    Args:
        alpha: false-alarm rate, 0 < alpha < 1 - level.
        level: of the quantile above which the tail begins, in (0, 1).
        capacity: peaks that are remembered, the last ones, >= 10.

    Raises:
        ValueError: for an alpha or level outside its range, or a capacity below 10.
    """

    keeps_alpha = True
    needs_calibration = True
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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"start": (), "peak_count": (), "shape": (), "scale": (), "peaks": (self.capacity,)}

    def learn(self, state: dict[str, Any], scores: np.ndarray) -> tuple[float, float]:
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

"""What every threshold is: a layer from scores to alarms, and the checks of what it learns from."""

from __future__ import annotations

import math
import pathlib
import zipfile
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_anogan.files import replacing


class Threshold(keras.Layer):
    """A layer from scores (batch,) to alarms, bool (batch,): an alarm is a score above `threshold`.

    A score that is NaN or infinite is an alarm too. Before `adapt` the threshold is -inf, so that everything is an
    alarm. What the layer learned is in its weights, so that a saved model keeps it.

    A subclass makes the weight `boundary`, float32 (), in `build`, and writes `adapt`, `update_state` and `seen`.

    Attributes:
        learns_one_by_one: whether `update_state` may be called with one score after the other, as a stream does.
        needs_calibration: whether `adapt` has to come before the first `update_state`.
        keeps_alpha: whether it is set by a rate of false alarms, and not by standard deviations above a mean.
        takes_groups: whether `adapt` and `update_state` take `groups`, which tell of which day or clip a score is.
    """

    learns_one_by_one: ClassVar[bool] = False
    needs_calibration: ClassVar[bool] = True
    keeps_alpha: ClassVar[bool] = False
    takes_groups: ClassVar[bool] = False

    boundary: keras.Variable

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})

    def add_state(self, name: str, shape: tuple[int, ...], dtype: str, value: float = 0.0) -> keras.Variable:
        """A weight that no optimizer moves, filled with `value`."""
        initializer = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer=initializer, trainable=False)

    @property
    def threshold(self) -> float:
        """The number that a score is compared with, in the unit of the scores."""
        return float(read(self.boundary)) if self.built else -math.inf

    @property
    def seen(self) -> int:
        """How many scores the layer has learned from; only asked when it is built."""
        raise NotImplementedError(f"{type(self).__name__} has to say how many scores it has learned from.")

    @property
    def adapted(self) -> bool:
        """Whether the layer has learned from any score."""
        return bool(self.built and self.seen > 0)

    @property
    def can_learn(self) -> bool:
        """Whether the layer can learn from one score now: it does so at all, and is calibrated where it has to be."""
        return self.learns_one_by_one and (self.adapted or not self.needs_calibration)

    def adapt(self, scores: Any) -> Any:
        """Forget everything and learn from the scores, shape (n,), of normal data; returns the layer itself."""
        raise NotImplementedError(f"{type(self).__name__} has to define adapt(scores).")

    def update_state(self, scores: Any) -> Any:
        """Learn from more scores, shape (n,), of normal data; returns the layer itself."""
        raise NotImplementedError(f"{type(self).__name__} has to define update_state(scores).")

    def at(self, alpha: float) -> Threshold:
        """The threshold for another rate of false alarms: a new layer that has learned from the same scores.

        Raises:
            ValueError: for a threshold that does not keep the scores, or too few of them for `alpha`.
        """
        raise ValueError(
            f"Expected a threshold that keeps its calibration scores, conformal or quantile, for another alpha. "
            f"Received: {type(self).__name__}; train again with --alpha {alpha:g}."
        )

    def save_state(self, path: Any) -> None:
        """Write what was learned: a small file, whatever model the layer is part of."""
        if not self.built:
            self.build()
        arrays: dict[str, Any] = {f"weight_{i}": np.asarray(weight) for i, weight in enumerate(self.weights)}
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, made_by=np.array(self._made_by()), **arrays)

    def load_state(self, path: Any) -> Threshold:
        """Go on with what `save_state` of a threshold with the same settings wrote; returns the layer itself.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is damaged, or the state of another threshold.
        """
        if not pathlib.Path(path).exists():
            raise FileNotFoundError(f"Expected a state in {path}. Received: no such file.")
        try:
            with np.load(path, allow_pickle=False) as stored:
                made_by = str(stored["made_by"])
                arrays = [stored[f"weight_{i}"] for i in range(len(stored.files) - 1)]
        except (OSError, ValueError, KeyError, EOFError, TypeError, IndexError, zipfile.BadZipFile) as error:
            raise ValueError(f"Could not read the state {path}: it is damaged, or no state.") from error
        if not self.built:
            self.build()
        if made_by != self._made_by() or [a.shape for a in arrays] != [tuple(w.shape) for w in self.weights]:
            version = " of another version" if made_by == self._made_by() else ""
            raise ValueError(f"Expected a state of {self._made_by()}. Received: {path}, of {made_by}{version}.")
        for weight, array in zip(self.weights, arrays, strict=True):
            weight.assign(array)
        return self

    def _made_by(self) -> str:
        """Class and settings, as words."""
        config = {k: v for k, v in self.get_config().items() if k not in ("name", "dtype", "trainable")}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in sorted(config.items()))})"

    def call(self, scores: Any) -> Any:
        """Alarms, bool of shape (batch,), for scores of shape (batch,)."""
        return ops.logical_or(scores > self.boundary, ops.logical_not(ops.isfinite(scores)))

    def compute_output_spec(self, scores: Any) -> keras.KerasTensor:
        return keras.KerasTensor(scores.shape, dtype="bool")

    def check_scores(self, scores: Any) -> np.ndarray:
        """Scores as an array (n,).

        Raises:
            ValueError: for another shape, or NaN or infinity among them.
        """
        owner, scores = type(self).__name__, np.asarray(scores)
        if scores.ndim != 1:
            raise ValueError(f"{owner} expected scores of shape (n,). Received: shape {scores.shape}.")
        if not np.isfinite(scores).all():
            bad = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise ValueError(f"{owner} expected finite scores. Received: {scores[bad]} at index {bad}.")
        return scores


def check_share(name: str, value: float) -> float:
    """The value as a float.

    Raises:
        ValueError: if it is not between 0 and 1, both excluded.
    """
    if not 0.0 < value < 1.0:
        raise ValueError(f"Expected 0 < {name} < 1. Received: {name}={value!r}.")
    return float(value)


def read(variable: keras.Variable) -> np.ndarray:
    """What `np.array(variable)` gives, in a fraction of the time: a stream reads for every single score."""
    held = variable.value
    if isinstance(held, tf.distribute.DistributedValues):
        return held.numpy()
    return tf.raw_ops.ReadVariableOp(resource=held.handle, dtype=held.dtype).numpy()


def write(variable: keras.Variable, value: Any) -> None:
    """What `variable.assign(value)` does, in a fraction of the time."""
    held = variable.value
    if isinstance(held, tf.distribute.DistributedValues):
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=held.handle, value=tf.constant(value, held.dtype))

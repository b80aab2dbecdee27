"""IFTM: "Unsupervised Anomaly Detection for Virtualized Network Function Services" (Schmidt et al., ICWS 2018).

An identity function (any Keras model that reconstructs what it sees, or forecasts what comes), an error function, and a
threshold model: an alarm is an error above the threshold.

    iftm = IFTM(c_vgan_generator, PredictionError(frames=-1), CumulativeAggregation(k=3.0))
    iftm.train_threshold(held_out_days)                  # normal data that the model was not trained on
    errors, labels = iftm.detect(x, actual)
    for result in iftm.stream(frames): ...               # one frame after the other; the result comes before learning
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import warnings
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_anogan import thresholds
from keras_anogan.nn.scores import l1_error, l2_error
from keras_anogan.streams import BatchLoader, Feed, Frame, RollingWindow, as_tensor, keeps, scaled_bytes, value_of

ERRORS = ("l1_error", "l2_error")


BATCH = 256


@dataclasses.dataclass(frozen=True)
class Result:
    """What IFTM says of one item of a stream.

    Attributes:
        index: number of the item that is judged: of a window, its last frame.
        error: its error; NaN where there is none.
        threshold: that it was compared with.
        anomaly: whether there is an alarm; None where nothing can be said.
        learned: whether the threshold model learned from it, afterwards.
        problem: why nothing can be said, or "".
        predicted: what the identity function expected, an array, or None.
        actual: what it was compared with, or None.
    """

    index: int
    error: float
    threshold: float
    anomaly: bool | None
    learned: bool
    problem: str = ""
    predicted: np.ndarray | None = None
    actual: np.ndarray | None = None


@keras.saving.register_keras_serializable("keras_anogan")
class IFTM(keras.Model):
    """Identity function + error function + threshold model around any Keras model.

    The identity function may be

    - a model whose output has its input's shape: it reconstructs a sample, `actual` is the sample;
    - a model of `past` steps (batch, past, ...) that gives all of past + horizon of them, as C-VGAN's generator:
      `actual` are all of them;
    - a model of `past` steps that gives fewer next ones, (batch, horizon, ...), or the next one, (batch, ...): `actual`
      are those;
    - a detector of this package: it judges `actual`, whole samples, by its own score, or by the error function on its
      reconstruction.

    Scoring is pure; learning is a separate call, or part of `stream`. Calibrate the threshold on normal data that the
    identity function was not trained on: on its training data its errors are too small, and so is the threshold.

    Args:
        identity: keras.Model.
        error_function: (predicted, actual) -> (batch,): "l1_error", "l2_error", a `PredictionError`, or a function
            registered with Keras. Default: "l1_error"; of a detector, its score.
        threshold: a threshold layer; default `CumulativeAggregation(k=3.0)`. The thesis and the published code have
            k = 1, which calls 16 % of Gaussian errors anomalous.
        name: name of the model.

    Raises:
        ValueError: for something else than a model, an unknown error function, or one for a detector that does not
            reconstruct.
    """

    def __init__(
        self,
        identity: keras.Model,
        error_function: str | Callable[[Any, Any], Any] | None = None,
        threshold: keras.Layer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        if not isinstance(identity, keras.Model):
            raise ValueError(f"Expected `identity` to be a keras.Model. Received: {identity!r}.")
        self.judges = hasattr(identity, "explain")
        if error_function is None and not self.judges:
            error_function = "l1_error"
        if isinstance(error_function, str):
            if error_function not in ERRORS:
                raise ValueError(f"Expected one of the errors {ERRORS}, or a function. Received: {error_function!r}.")
            chosen: Any = {"l1_error": l1_error, "l2_error": l2_error}[error_function]
        else:
            chosen = error_function
        self.form, self.past, self.horizon = _form(identity)
        if self.judges and chosen is not None and not _reconstructs(identity):
            raise ValueError(
                "Expected a detector that reconstructs, for an error function; leave it out to take the detector's "
                f"own score. Received: {type(identity).__name__}."
            )
        self.identity = identity
        self.error_function: Callable[[Any, Any], Any] | None = chosen
        self.threshold_model = threshold if threshold is not None else thresholds.CumulativeAggregation()
        self.jit_compile = False
        if not self.threshold_model.built:
            self.threshold_model.build((None,))
        self.__dict__["_graph"] = tf.function(self._judge, reduce_retracing=True)
        self.__dict__["_stream_graph"] = tf.function(self._judge_window)
        self.__dict__["_kept"] = {}  # shape of a window -> whether it may be kept
        self(self._symbolic())

    def _symbolic(self) -> dict[str, Any]:
        shape = _sample_shape(self.identity)
        actual = shape if self.judges else tuple(self.identity.output_shape[1:])
        dtype = "float32" if self.judges else self.identity.inputs[0].dtype
        return {"x": keras.Input(shape, dtype=dtype), "actual": keras.Input(actual)}

    # Scoring.

    def _judge(self, x: Any, actual: Any) -> tuple[Any, Any]:
        """(predicted, errors (batch,))."""
        if not self.judges:
            predicted = ops.cast(self.identity(x, training=False), "float32")
            return predicted, ops.cast(self.error_function(predicted, actual), "float32")  # type: ignore[misc]
        explained = self.identity.explain(actual)
        if self.error_function is None:
            return explained.get("reconstruction", actual), explained["score"]
        return explained["reconstruction"], ops.cast(
            self.error_function(explained["reconstruction"], actual), "float32"
        )

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """{"x", "actual"} -> {"error" (batch,), "threshold" (batch,), "anomaly" (batch,) bool}."""
        _, error = self._judge(inputs["x"], inputs["actual"])
        threshold = ops.broadcast_to(ops.convert_to_tensor(self.threshold_model.boundary), ops.shape(error))
        return {"error": error, "threshold": threshold, "anomaly": self.threshold_model(error)}

    @property
    def threshold(self) -> float:
        """The number an error is compared with; -inf before `train_threshold`: everything is anomalous."""
        return self.threshold_model.threshold

    def errors(self, x: Any, actual: Any = None, batch_size: int = BATCH) -> np.ndarray:
        """Errors, float32 (n,); arguments as in `detect`."""
        x, actual = self._checked(x, actual)
        parts = [
            self._graph(tf.constant(x[i : i + batch_size]), tf.constant(actual[i : i + batch_size]))[1].numpy()
            for i in range(0, len(x), batch_size)
        ]
        return np.concatenate(parts)

    def detect(self, x: Any, actual: Any = None, batch_size: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
        """Errors, float32 (n,), and labels, int64 (n,): 1 for an anomaly, 0 for normal.

        Args:
            x: what the identity function is given, (n, ...); images of bytes are scaled to [-1, 1], as in `stream`.
            actual: what its prediction is compared with, (n, ...); default: x.
            batch_size: samples in one pass.

        Raises:
            ValueError: for shapes that do not fit, no rows, or NaN.
        """
        errors = self.errors(x, actual, batch_size)
        return errors, np.asarray(self.threshold_model(errors)).astype("int64")

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras's `predict` for {"x", "actual"}; for two arrays use `detect`.

        Raises:
            ValueError: if it is given two arrays, as the thesis's `predict(x, y)` was: Keras takes y for a batch size.
        """
        if args and hasattr(args[0], "__len__"):
            raise ValueError(
                "Expected {'x': ..., 'actual': ...} in predict. Received: two arrays; use detect(x, actual)."
            )
        return super().predict(x, *args, **kwargs)

    def _checked(self, x: Any, actual: Any) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x)
        actual = x if actual is None else np.asarray(actual)
        symbolic = {"x": _sample_shape(self.identity)}
        symbolic["actual"] = symbolic["x"] if self.judges else tuple(self.identity.output_shape[1:])
        x = actual if self.judges and x.shape[1:] != symbolic["x"] else x
        for name, array in (("x", x), ("actual", actual)):
            want = symbolic[name]
            if array.ndim != len(want) + 1 or any(
                w not in (None, g) for w, g in zip(want, array.shape[1:], strict=True)
            ):
                raise ValueError(f"Expected {name} of shape (n, {str(want)[1:-1]}). Received: shape {array.shape}.")
        if len(x) == 0 or len(x) != len(actual):
            raise ValueError(f"Expected as many x as actual, at least one. Received: {len(x)} and {len(actual)}.")
        arrays = []
        for name, array in (("x", x), ("actual", actual)):
            if array.dtype.kind not in "fiub":
                raise ValueError(f"Expected {name} of numbers. Received: dtype {array.dtype}.")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"Expected finite values. Received: NaN or infinity in {name}.")
            array = scaled_bytes(array, array.ndim - 1)
            arrays.append(array.astype("float32", copy=False) if array.dtype.kind == "f" else array)
        return arrays[0], arrays[1].astype("float32", copy=False)

    # Learning.

    def train_threshold(
        self,
        batches: Any,
        max_queue_size: int = 32,
        no_workers: int = 4,
        trained_on: Any = None,
        groups: Any = None,
    ) -> IFTM:
        """Forget the threshold and fit it to the errors of normal data.

        Args:
            batches: pairs (x, actual), or x alone: an object with `len` and `batches[i]`, such as `VideoWindows`,
                which threads load in order; an iterable; or one pair of arrays.
            max_queue_size, no_workers: batches that may wait, and threads that load them.
            trained_on: the windows that the identity function was trained on, if it was not a model of this package,
                which remembers them itself: a warning comes if `batches` have days in common with them.
            groups: integers (n,), of which day or clip each sample is, for a `QuantileThreshold` or a
                `ConformalThreshold`: `VideoWindows.day_numbers`, of windows in order.

        Returns:
            Itself.

        Raises:
            ValueError: for no batches, errors that are not finite, or groups for another threshold model.
        """
        if groups is not None and not isinstance(self.threshold_model, thresholds.QuantileThreshold):
            raise ValueError(
                "Expected a QuantileThreshold or ConformalThreshold for groups. "
                f"Received: {type(self.threshold_model).__name__}."
            )
        if groups is not None and getattr(batches, "sampling", "sliding") != "sliding":
            raise ValueError(
                "Expected windows in order, sampling='sliding', for groups. "
                f"Received: sampling={batches.sampling!r}, which mixes them."
            )
        _warn_of_training_data(batches, trained_on, self.identity)
        errors: list[np.ndarray] = []
        with contextlib.ExitStack() as stack:
            for batch in _loaded(batches, max_queue_size, no_workers, stack):
                x, actual = batch if isinstance(batch, (tuple, list)) else (batch, None)
                errors.append(self.errors(x, actual))
        if not errors:
            raise ValueError("Expected at least one batch to train the threshold on. Received: none.")
        grouped = {} if groups is None else {"groups": groups}
        self.threshold_model.adapt(np.concatenate(errors), **grouped)
        return self

    def update_threshold(self, errors: Any, groups: Any = None) -> IFTM:
        """Go on learning from `errors` (n,) of data that are known to be normal; `groups` as in `train_threshold`."""
        self.threshold_model.update_state(errors, **({} if groups is None else {"groups": groups}))
        return self

    def for_camera(self, name: str) -> IFTM:
        """Another IFTM around the same identity function, with a threshold model of its own that has seen nothing."""
        config = keras.saving.serialize_keras_object(self.threshold_model)
        other = IFTM(self.identity, self.error_function, keras.saving.deserialize_keras_object(config), name=name)
        for graph in ("_graph", "_stream_graph", "_kept"):  # the errors are the same function: nothing is traced again
            other.__dict__[graph] = self.__dict__[graph]
        return other

    # A stream.

    def stream(
        self,
        source: Iterable[Any],
        learn: bool = True,
        protect: bool = True,
        warm_up: int = 100,
        timeout: float | None = 10.0,
        keep_frames: bool = False,
    ) -> Generator[Result, None, None]:
        """Judge one item after the other as it comes; a result comes before anything is learned from it.

        Of a model of windows an item is a frame (a step), and the first results come when a window is full. An item
        that is None, or a `video.Frame` without an image, or of another shape, or not finite, is reported and skipped,
        and windows begin anew; so they do where `Frame.index` jumps, because frames were dropped.

        Args:
            source: an iterable of arrays, or of `video.Frame`. Images of bytes are scaled to [-1, 1].
            learn: whether the threshold model learns from each error.
            protect: whether it learns only from what it called normal.
            warm_up: so many results it learns from whatever it calls them, if it has not seen any before.
            timeout: seconds to wait for an item; None for ever.
            keep_frames: whether results hold `predicted` and `actual`.

        Returns:
            An iterator of `Result`: one for every window that is full, at its last item, and one for every item that
            is of no use; none for the items with which a window fills up.

        Raises:
            TimeoutError: while iterating, if the source gives nothing for `timeout` seconds.
            ValueError: for a negative warm_up, or `learn` with a threshold model that can't learn from one error.
        """
        if warm_up < 0:
            raise ValueError(f"Expected warm_up >= 0. Received: warm_up={warm_up!r}.")
        if learn and not self._learns_in_a_stream():
            raise ValueError(
                "Expected a threshold model that learns from one error at a time, such as CumulativeAggregation (or "
                f"PeaksOverThreshold after train_threshold). Received: {type(self.threshold_model).__name__}; "
                "learn=False leaves it as it is."
            )
        items = source if isinstance(source, Feed) else Feed(source, timeout=timeout)
        return self._stream(items, learn, protect, warm_up, keep_frames)

    def _learns_in_a_stream(self) -> bool:
        model = self.threshold_model
        if isinstance(model, thresholds.QuantileThreshold):
            return False
        return model.adapted or not isinstance(model, thresholds.PeaksOverThreshold)

    def _stream(
        self, items: Feed, learn: bool, protect: bool, warm_up: int, keep_frames: bool
    ) -> Generator[Result, None, None]:
        warming = 0 if self.threshold_model.adapted else warm_up
        shape = self._item_shape()
        waiting = RollingWindow(max(1, self.past + self.horizon))
        expected: int | None = None
        for item in items:
            index = item.index if isinstance(item, Frame) else items.index
            value, problem = value_of(item, shape)
            if expected is not None and index != expected:
                waiting.clear()
            expected = index + 1
            if problem:
                waiting.clear()
                yield Result(index, float("nan"), self.threshold, None, False, problem)
                continue
            window = waiting.add(value)
            if window is None:
                continue
            predicted, error = self._stream_graph(self._as_tensor(window[None]))
            error = float(error)
            threshold = self.threshold
            anomaly = not error <= threshold
            learns = learn and np.isfinite(error) and (warming > 0 or not (protect and anomaly))
            kept = (predicted.numpy(), np.array(self._cut(window[None])[1][0])) if keep_frames else (None, None)
            problem = "" if np.isfinite(error) else "the error is not finite"
            try:
                yield Result(index, error, threshold, anomaly, bool(learns), problem, *kept)
            finally:  # whoever stops here has been told that this was learned
                if learns:
                    self.threshold_model.update_state(np.array([error]))
                    warming -= warming > 0

    def _as_tensor(self, window: np.ndarray) -> tf.Tensor:
        """A window as a tensor: a view of its memory, unless the identity function may keep what it is given."""
        if window.shape not in self._kept:
            self._kept[window.shape] = keeps(self._stream_graph, window)
        return tf.constant(window) if self._kept[window.shape] else as_tensor(window)

    def _item_shape(self) -> tuple[int | None, ...]:
        shape = _sample_shape(self.identity)
        return shape[1:] if self.form != "sample" else shape

    def _cut(self, window: Any) -> tuple[Any, Any]:
        """(x, actual), each with a batch axis of one, of (1, past + horizon, ...), or of one sample (1, 1, ...)."""
        if self.form == "sample":
            return window[0], window[0]
        if self.form == "judged":
            return window, window
        past, future = window[:, : self.past], window[:, self.past :]
        return past, {"window": window, "future": future, "next": future[:, 0]}[self.form]

    def _judge_window(self, window: Any) -> tuple[Any, Any]:
        """(predicted, error) of one window, without a batch axis."""
        predicted, error = self._judge(*self._cut(window))
        return predicted[0], error[0]

    # State and files.

    def save_state(self, path: Any) -> None:
        """Write the threshold model's state, small, apart from the identity function: one file for each camera."""
        path = pathlib.Path(path)
        partial = path.with_name(f".{path.name}.partial")
        with open(partial, "wb") as file:
            arrays: dict[str, Any] = {f"weight_{i}": np.asarray(w) for i, w in enumerate(self.threshold_model.weights)}
            np.savez(file, made_by=np.array(self._made_by()), **arrays)
        os.replace(partial, path)

    def load_state(self, path: Any) -> IFTM:
        """Go on with a state that `save_state` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is the state of another threshold model.
        """
        if not pathlib.Path(path).exists():
            raise FileNotFoundError(f"Expected a state in {path}. Received: no such file.")
        try:
            with np.load(path, allow_pickle=False) as stored:
                made_by = str(stored["made_by"])
                arrays = [stored[f"weight_{i}"] for i in range(len(stored.files) - 1)]
        except (OSError, ValueError, KeyError, EOFError, TypeError, IndexError, zipfile.BadZipFile) as error:
            raise ValueError(f"Could not read the state {path}: it is damaged, or no state.") from error
        weights = self.threshold_model.weights
        if made_by != self._made_by() or [a.shape for a in arrays] != [tuple(w.shape) for w in weights]:
            version = " of another version" if made_by == self._made_by() else ""
            raise ValueError(f"Expected a state of {self._made_by()}. Received: {path}, of {made_by}{version}.")
        for weight, array in zip(weights, arrays, strict=True):
            weight.assign(array)
        return self

    def _made_by(self) -> str:
        """Class and settings of the threshold model, as words."""
        config = {k: v for k, v in self.threshold_model.get_config().items() if k not in ("name", "dtype", "trainable")}
        return f"{type(self.threshold_model).__name__}({', '.join(f'{k}={v}' for k, v in sorted(config.items()))})"

    def get_config(self) -> dict:
        return {
            "identity": keras.saving.serialize_keras_object(self.identity),
            "error_function": keras.saving.serialize_keras_object(self.error_function),
            "threshold": keras.saving.serialize_keras_object(self.threshold_model),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> IFTM:
        parts = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects=custom_objects)
            for key in ("identity", "error_function", "threshold")
        }
        return cls(**parts, name=config["name"])


def _sample_shape(identity: keras.Model) -> tuple[int | None, ...]:
    return tuple(identity.sample_shape if hasattr(identity, "sample_shape") else identity.input_shape[1:])


def _reconstructs(detector: keras.Model) -> bool:
    """Whether `explain` has a reconstruction; a detector is asked once, which traces its graph."""
    if "_reconstructs" not in detector.__dict__:
        told = tf.function(detector.explain).get_concrete_function(tf.TensorSpec((None, *_sample_shape(detector))))
        detector.__dict__["_reconstructs"] = "reconstruction" in told.structured_outputs
    return detector.__dict__["_reconstructs"]


def _form(identity: keras.Model) -> tuple[str, int, int]:
    """How x and actual are cut from a sequence: (form, past, horizon); "sample" is no sequence."""
    if hasattr(identity, "explain") and not hasattr(identity, "sample_shape"):
        raise ValueError(
            "Expected a detector, or any model of arrays. Received: a FittedDetector; pass its `.detector`."
        )
    if hasattr(identity, "explain"):
        past, horizon = getattr(identity, "past", 0), getattr(identity, "horizon", 0)
        return ("judged" if past + horizon else "sample"), past, horizon
    try:
        given, made = tuple(identity.input_shape[1:]), tuple(identity.output_shape[1:])
        one = len(identity.inputs) == len(identity.outputs) == 1
    except (AttributeError, TypeError, RuntimeError, ValueError):
        one = False
    if not one:
        raise ValueError(
            "Expected an identity function with one input and one output of known shapes (a functional or Sequential "
            f"model that is built). Received: {type(identity).__name__} {identity.name!r}."
        )
    if given == made:
        return "sample", 0, 0
    if len(given) == len(made) and given[1:] == made[1:] and None not in (given[0], made[0]):
        if made[0] > given[0]:
            return "window", given[0], made[0] - given[0]
        return "future", given[0], made[0]
    if given[1:] == made and given[0] is not None:
        return "next", given[0], 1
    raise ValueError(
        "Expected an identity function that reconstructs (the same shape), continues, (past, ...) to (past + horizon, "
        f"...), or forecasts, (past, ...) to (...). Received: {given} to {made}."
    )


def _loaded(batches: Any, max_queue_size: int, no_workers: int, stack: contextlib.ExitStack) -> Iterator[Any]:
    if isinstance(batches, tuple) and all(hasattr(part, "shape") for part in batches):
        return iter([batches])
    if hasattr(batches, "shape"):
        return iter([batches])
    if hasattr(batches, "__len__") and hasattr(batches, "__getitem__"):
        return iter(stack.enter_context(BatchLoader(batches, max_queue_size, no_workers)))
    return iter(batches)


def _warn_of_training_data(batches: Any, trained_on: Any, identity: keras.Model) -> None:
    seen = [*getattr(identity, "fitted_on", []), getattr(trained_on, "used", {})]
    days = sorted(
        {
            day
            for contents, (day, usable) in getattr(batches, "used", {}).items()
            if any(contents in used and (used[contents][1] & usable).any() for used in seen)
        }
    )
    if days or (trained_on is not None and batches is trained_on):
        shared = f" (days {', '.join(days)})" if days else ""
        warnings.warn(
            f"The threshold is calibrated on data that the identity function was trained on{shared}: its errors are "
            "smaller there than they will be on new normal data, and so is the threshold. Use held-out normal days.",
            stacklevel=3,
        )

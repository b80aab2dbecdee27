"""IFTM: "Unsupervised Anomaly Detection for Virtualized Network Function Services" (Schmidt et al., ICWS 2018).

An identity function is any Keras model that reconstructs what it sees, or forecasts what comes. An error function says
how far its output is from what really happened, and a threshold model which errors are alarms: those above it.

    iftm = IFTM(c_vgan_generator, PredictionError(frames=-1), CumulativeAggregation(k=3.0))
    iftm.train_threshold(held_out_days)                  # normal data that the model was not trained on
    errors, labels = iftm.detect(x, actual)
    for result in iftm.stream(frames): ...               # one frame after the other; the result comes before learning
"""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_anogan import streams
from keras_anogan.nn.scores import l1_error, l2_error
from keras_anogan.thresholds import CumulativeAggregation, Threshold
from keras_anogan.training.batches import gathered, in_batches

ERRORS = {"l1_error": l1_error, "l2_error": l2_error}
BATCH = 256


@dataclasses.dataclass(frozen=True)
class Result:
    """What IFTM says of one item of a stream.

    Attributes:
        index: number of the item that is judged; a window is judged at its last item.
        error: its error; NaN where there is none.
        threshold: the number that the error was compared with.
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
        threshold: one of `thresholds`; default `CumulativeAggregation(k=3.0)`. The thesis and the published code have
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
        threshold: Threshold | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        if not isinstance(identity, keras.Model):
            raise ValueError(f"Expected `identity` to be a keras.Model. Received: {identity!r}.")
        self.judges = hasattr(identity, "explain")
        error_function = "l1_error" if error_function is None and not self.judges else error_function
        if isinstance(error_function, str) and error_function not in ERRORS:
            raise ValueError(
                f"Expected one of the errors {tuple(ERRORS)}, or a function. Received: {error_function!r}."
            )
        chosen = ERRORS[error_function] if isinstance(error_function, str) else error_function
        self.cut = streams.cut_of(identity)
        if self.judges and chosen is not None and not _reconstructs(identity):
            raise ValueError(
                "Expected a detector that reconstructs, for an error function; leave it out to take the detector's "
                f"own score. Received: {type(identity).__name__}."
            )
        self.identity = identity
        self.error_function: Callable[[Any, Any], Any] | None = chosen
        self.threshold_model = threshold if threshold is not None else CumulativeAggregation()
        self.jit_compile = False
        if not self.threshold_model.built:
            self.threshold_model.build((None,))
        self.__dict__["_graph"] = tf.function(self._judge, reduce_retracing=True)
        self.__dict__["_stream_graph"] = tf.function(self._judge_window)
        self.__dict__["_kept"] = {}  # shape of a window -> whether it may be kept
        self(self._symbolic())

    def _shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Shapes of one x and of one actual."""
        shape = streams.sample_shape_of(self.identity)
        return {"x": shape, "actual": shape if self.judges else tuple(self.identity.output_shape[1:])}

    def _symbolic(self) -> dict[str, Any]:
        shapes = self._shapes()
        dtype = "float32" if self.judges else self.identity.inputs[0].dtype
        return {"x": keras.Input(shapes["x"], dtype=dtype), "actual": keras.Input(shapes["actual"])}

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
    def form(self) -> str:
        """How samples are cut from a sequence: see `streams.Cut`; "sample" is no sequence."""
        return self.cut.form

    @property
    def threshold(self) -> float:
        """The number an error is compared with; -inf before `train_threshold`: everything is anomalous."""
        return self.threshold_model.threshold

    def errors(self, x: Any, actual: Any = None, batch_size: int = BATCH) -> np.ndarray:
        """Errors, float32 (n,); arguments as in `detect`."""
        return gathered(
            in_batches(lambda pair: self._graph(*map(tf.constant, pair))[1], self._checked(x, actual), batch_size)
        )

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
        """Both as arrays of numbers that fit, images of bytes scaled, or a sentence."""
        shapes, x = self._shapes(), np.asarray(x)
        actual = x if actual is None else np.asarray(actual)
        x = actual if self.judges and x.shape[1:] != shapes["x"] else x
        for name, array in (("x", x), ("actual", actual)):
            want = shapes[name]
            fits = array.ndim == len(want) + 1
            if not fits or any(w not in (None, got) for w, got in zip(want, array.shape[1:], strict=True)):
                raise ValueError(f"Expected {name} of shape (n, {str(want)[1:-1]}). Received: shape {array.shape}.")
            if array.dtype.kind not in "fiub":
                raise ValueError(f"Expected {name} of numbers. Received: dtype {array.dtype}.")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"Expected finite values. Received: NaN or infinity in {name}.")
        if len(x) == 0 or len(x) != len(actual):
            raise ValueError(f"Expected as many x as actual, at least one. Received: {len(x)} and {len(actual)}.")
        x, actual = (streams.scaled_bytes(array, array.ndim - 1) for array in (x, actual))
        x = x.astype("float32", copy=False) if x.dtype.kind == "f" else x  # numbers of tokens stay integers
        return x, actual.astype("float32", copy=False)

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
            trained_on: the windows that the identity function was trained on; a model of this package remembers them
                itself. If `batches` have days in common with them, there is a warning.
            groups: integers (n,): which day or clip each sample is from, for a `QuantileThreshold` or a
                `ConformalThreshold`. `VideoWindows.day_numbers` are those of windows in order.

        Returns:
            Itself.

        Raises:
            ValueError: for no batches, errors that are not finite, or groups for another threshold model.
        """
        if groups is not None and not self.threshold_model.takes_groups:
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
            for batch in streams.loaded(batches, max_queue_size, no_workers, stack):
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

        A model of windows is given frames (steps) one by one, and the first result comes when a window is full. An item
        that is None, a `Frame` without an image, of another shape, or not finite is reported and skipped; the next
        window begins after it. Where `Frame.index` jumps, frames were dropped, and a new window begins too.

        With `protect` an anomaly doesn't raise the threshold, so that a long one stays an alarm. But the threshold then
        never learns that normal data have changed for good: for a scene that drifts set protect=False.

        Args:
            source: an iterable of arrays, or of `streams.Frame`. Images of bytes are scaled to [-1, 1].
            learn: whether the threshold model learns from each error.
            protect: whether it learns only from what it called normal.
            warm_up: how many first results it learns from, alarms or not, if it has learned from none before.
            timeout: seconds to wait for an item; None for ever.
            keep_frames: whether results hold `predicted` and `actual`.

        Returns:
            An iterator of `Result`: one at the last item of every full window, and one for every item that is of no
            use. Items with which a window fills up have none.

        Raises:
            TimeoutError: while iterating, if the source gives nothing for `timeout` seconds.
            ValueError: for a negative warm_up, or `learn` with a threshold model that can't learn from one error.
        """
        if warm_up < 0:
            raise ValueError(f"Expected warm_up >= 0. Received: warm_up={warm_up!r}.")
        if learn and not self.threshold_model.can_learn:
            raise ValueError(
                "Expected a threshold model that learns from one error at a time (PeaksOverThreshold: after "
                f"train_threshold). Received: {type(self.threshold_model).__name__}; learn=False leaves it as it is."
            )
        items = source if isinstance(source, streams.Feed) else streams.Feed(source, timeout=timeout)
        return self._stream(items, learn, protect, warm_up, keep_frames)

    def _stream(
        self, items: streams.Feed, learn: bool, protect: bool, warm_up: int, keep_frames: bool
    ) -> Generator[Result, None, None]:
        warming = 0 if self.threshold_model.adapted else warm_up
        shape = self.cut.item_shape(streams.sample_shape_of(self.identity))
        waiting = streams.RollingWindow(self.cut.length)
        expected: int | None = None
        for item in items:
            index = item.index if isinstance(item, streams.Frame) else items.index
            value, problem = streams.value_of(item, shape)
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
            kept = (predicted.numpy(), np.array(self.cut(window[None])[1][0])) if keep_frames else (None, None)
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
            self._kept[window.shape] = streams.keeps(self._stream_graph, window)
        return tf.constant(window) if self._kept[window.shape] else streams.as_tensor(window)

    def _judge_window(self, window: Any) -> tuple[Any, Any]:
        """(predicted, error) of one window, without a batch axis."""
        predicted, error = self._judge(*self.cut(window))
        return predicted[0], error[0]

    # State and files.

    def save_state(self, path: Any) -> None:
        """Write what the threshold model has learned: a small file for each camera, without the identity function."""
        self.threshold_model.save_state(path)

    def load_state(self, path: Any) -> IFTM:
        """Go on with a state that `save_state` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is damaged, or the state of another threshold model.
        """
        self.threshold_model.load_state(path)
        return self

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


def _reconstructs(detector: keras.Model) -> bool:
    """Whether `explain` has a reconstruction; asked once of each detector, since it traces a graph."""
    if "_reconstructs" not in detector.__dict__:
        told = tf.function(detector.explain).get_concrete_function(
            tf.TensorSpec((None, *streams.sample_shape_of(detector)))
        )
        detector.__dict__["_reconstructs"] = "reconstruction" in told.structured_outputs
    return detector.__dict__["_reconstructs"]


def _warn_of_training_data(batches: Any, trained_on: Any, identity: keras.Model) -> None:
    """Warn if a threshold is about to be calibrated on what the identity function was trained on."""
    days = batches.days_known_to(identity, trained_on) if hasattr(batches, "days_known_to") else []
    if days or (trained_on is not None and batches is trained_on):
        shared = f" (days {', '.join(days)})" if days else ""
        warnings.warn(
            f"The threshold is calibrated on data that the identity function was trained on{shared}: its errors are "
            "smaller there than they will be on new normal data, and so is the threshold. Use held-out normal days.",
            stacklevel=3,
        )

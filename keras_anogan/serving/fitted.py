"""FittedDetector: preprocessing, detector and threshold as one model that takes raw input and gives alarms."""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.training.batches import check_rows, check_shape

SCORE_TOLERANCE = 1e-5  # relative, float32, one pass


SEARCH_TOLERANCE = 1e-3  # after an iterative search at query time


PARTS = ("preprocessing", "detector", "threshold", "map_threshold")


@keras.saving.register_keras_serializable("keras_anogan")
class FittedDetector(keras.Model):
    """What a user deploys: raw input in; scores, p-values, alarms and maps out; one file, one SavedModel.

    Args:
        preprocessing: Keras layer or model from raw input to the detector's input, or None.
        detector: an `AnomalyDetector`.
        threshold: a threshold layer (see `thresholds`); `detect` and `export` refuse one that is not adapted.
        raw_shape: shape of one raw sample; None for an axis of any size. Default: the detector's own shape,
            height and width free where a preprocessing of images resizes them.
            For a table, whose preprocessing is a `datasets.TableEncoder`, raw input is a DataFrame or a dict of
            columns, and neither shape nor dtype is given.
        raw_dtype: dtype of raw input. Default: "uint8" for images with a preprocessing, else "float32".
            Another dtype is refused: float images in [0, 1] given to a uint8 model would turn black.
        map_threshold: a threshold layer for pixels, or None. Adapted to the largest value in the anomaly map of each
            calibration image, it marks any pixel of a normal image with probability at most its alpha.
    """

    def __init__(
        self,
        preprocessing: keras.Layer | None,
        detector: AnomalyDetector,
        threshold: keras.Layer,
        raw_shape: tuple[int | None, ...] | None = None,
        raw_dtype: str | None = None,
        map_threshold: keras.Layer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)  # columns of a table come as float64
        if not isinstance(detector, AnomalyDetector):
            raise ValueError(f"Expected `detector` to be an AnomalyDetector. Received: {detector!r}.")
        image = len(detector.sample_shape) == 3 and preprocessing is not None
        self.raw_columns = getattr(preprocessing, "dtypes", None)
        if raw_shape is None:
            raw_shape = (None, None, detector.sample_shape[2]) if image else detector.sample_shape
        self.preprocessing = preprocessing
        self.detector = detector
        self.threshold = threshold
        self.map_threshold = map_threshold
        self.raw_shape = tuple(raw_shape)
        self.raw_dtype = raw_dtype or ("uint8" if image else "float32")
        self.jit_compile = False  # Keras would choose XLA on a GPU, where nobody measured it
        for layer in self._thresholds():
            if not layer.built:
                layer.build((None,))
        self(self._raw_inputs())
        self.__dict__["_graphs"] = {}

    def _raw_inputs(self) -> Any:
        """Symbolic raw input: one tensor, or a dict of columns."""
        if self.raw_columns is None:
            return keras.Input(self.raw_shape, dtype=self.raw_dtype)
        return {
            name: keras.Input((), dtype=dtype, name=f"column_{i}")
            for i, (name, dtype) in enumerate(self.raw_columns.items())
        }

    def preprocess(self, raw: Any) -> Any:
        """The detector's input, float32, for raw input of shape (batch, *raw_shape), or a dict of columns (batch,)."""
        if self.raw_columns is not None:
            return self.preprocessing(raw)
        x = keras.ops.cast(raw, "float32")
        return x if self.preprocessing is None else self.preprocessing(x)

    def call(self, raw: Any) -> Any:
        """Anomaly scores, float32 (batch,), for raw input."""
        return self.detector(self.preprocess(raw))

    def explain(self, raw: Any) -> dict[str, Any]:
        """Everything the detector's `explain` gives for raw input, and `is_anomaly`, and `p_value` where known."""
        return self.judge(self.detector.explain(self.preprocess(raw)))

    def judge(self, explained: dict[str, Any]) -> dict[str, Any]:
        """Add alarms to a dict that has `score`.

        That is `is_anomaly` (bool), `p_value` where the threshold knows one, and `anomaly_mask` (bool (batch, H, W))
        where there is a `map_threshold`.
        """
        result = {**explained, "is_anomaly": self.threshold(explained["score"])}
        if hasattr(self.threshold, "p_value"):
            result["p_value"] = self.threshold.p_value(explained["score"])
        if self.map_threshold is not None and "anomaly_map" in explained:
            result["anomaly_mask"] = self.map_threshold(explained["anomaly_map"])
        return result

    def check_raw(self, raw: Any) -> Any:
        """Raw input as an array, or dict of columns, or a sentence that says what is wrong with it.

        Raises:
            ValueError: for no rows, another dtype or shape than the model was built for, NaN or infinity; for a table,
                a missing column or text where a number was.
        """
        if self.raw_columns is not None:
            return self.preprocessing.check_raw(raw)
        try:
            raw = np.asarray(raw)
        except ValueError:
            raise ValueError("Expected samples of one size in a call. Received: samples of several shapes.") from None
        if self.raw_dtype == "uint8":
            if raw.dtype != np.uint8:
                span = f" in [{raw.min():g}, {raw.max():g}]" if raw.size and raw.dtype.kind in "fiu" else ""
                raise ValueError(f"Expected raw images of dtype uint8 in [0, 255]. Received: dtype {raw.dtype}{span}.")
            check_shape(raw, self.raw_shape, "The model")
            return raw
        return check_rows(raw, self.raw_shape, "The model")

    def predict(self, raw: Any, batch_size: int = 256, verbose: Any = 0, **kwargs: Any) -> np.ndarray:
        """Anomaly scores, float32 (n,), for raw input of shape (n, *raw_shape)."""
        if self.raw_columns is not None:
            return self._batched(self.call, self.check_raw(raw), batch_size)
        raw = self.check_raw(raw) if hasattr(raw, "__array__") or isinstance(raw, list) else raw
        return super().predict(raw, batch_size=batch_size, verbose=verbose, **kwargs)

    def detect(self, raw: Any, batch_size: int = 256) -> dict[str, np.ndarray]:
        """Scores, alarms, p-values and maps for raw input.

        Args:
            raw: array of shape (n, *raw_shape) and dtype `raw_dtype`.
            batch_size: rows in one pass.

        Returns:
            A dict of arrays of length n: `score`, `is_anomaly`, and `p_value`, `anomaly_map`, `anomaly_mask`,
            `reconstruction`, ... where thresholds and detector have them.

        Raises:
            ValueError: for bad raw input (see `check_raw`) or a threshold that is not adapted.
        """
        self._check_adapted()
        raw = self.check_raw(raw)
        return self._batched(self.explain, raw, batch_size)

    def _batched(self, function: Callable, raw: Any, batch_size: int) -> Any:
        """A method of raw input, compiled once, batch by batch: an array, or a dict of arrays."""
        graph = self._graphs.setdefault(function.__name__, tf.function(function, reduce_retracing=True))
        parts = [graph(_rows(raw, i, i + batch_size)) for i in range(0, _count(raw), batch_size)]
        if not isinstance(parts[0], dict):
            return np.concatenate([np.asarray(part) for part in parts])
        return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}

    def _thresholds(self) -> list[keras.Layer]:
        return [layer for layer in (self.threshold, self.map_threshold) if layer is not None]

    def _check_adapted(self) -> None:
        if not all(layer.adapted for layer in self._thresholds()):
            raise ValueError(
                "Expected a threshold that has seen calibration scores. Received: one that is not adapted; "
                "call threshold.adapt(detector.predict(calibration_data))."
            )

    def save(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Keras's `save`; a threshold that is not adapted is refused."""
        self._check_adapted()
        super().save(path, *args, **kwargs)

    def export(self, path: Any, sample: Any = None) -> None:
        """Write a SavedModel that runs where keras_anogan is not installed, and prove that it scores alike.

        Endpoints: `serving_default` gives `score`; `explain` gives `score`, `is_anomaly` and, where they
        exist, `p_value`, `anomaly_map`, `anomaly_mask`, `reconstruction` and the further terms of the score.

        Args:
            path: folder to write, e.g. "serving/1" (servers expect a number as its last part).
            sample: raw rows on which the exported model has to agree with `predict` and `detect`; default: 16
                seeded random ones, larger than the detector's input where their size is free.

        Raises:
            FileExistsError: if `path` exists and is not an empty folder.
            ValueError: if the threshold is not adapted.
            RuntimeError: if scores or alarms differ by more than the tolerance; nothing is left at `path`.
        """
        self._check_adapted()
        path = pathlib.Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise FileExistsError(f"Expected a new or empty folder to export to. Received: {path}, which is not empty.")
        sample = self._random_raw() if sample is None else self.check_raw(sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as work:
            target = pathlib.Path(work) / "model"
            self._write_saved_model(target)
            self._check_exported(target, sample)
            if path.exists():
                path.rmdir()
            shutil.move(target, path)

    def _write_saved_model(self, target: pathlib.Path) -> None:
        archive = keras.export.ExportArchive()
        archive.track(self)
        for endpoint, function in (("serving_default", lambda raw: {"score": self(raw)}), ("explain", self.explain)):
            archive.add_endpoint(endpoint, *self._served(function))
        archive.write_out(str(target), verbose=False)

    def _served(self, function: Callable) -> tuple[Callable, list]:
        """A function of raw input for an endpoint, and its signature; each column of a table is an input."""
        if self.raw_columns is None:
            return function, [tf.TensorSpec((None, *self.raw_shape), self.raw_dtype, name="raw")]
        specs = [
            tf.TensorSpec((None,), dtype, name=self.served_names[name]) for name, dtype in self.raw_columns.items()
        ]
        return lambda *columns: function(dict(zip(self.raw_columns, columns, strict=True))), specs

    @property
    def served_names(self) -> dict[str, str]:
        """For each column of a table the name of the exported model's input: word characters only, no name twice."""
        names: dict[str, str] = {}
        for column in self.raw_columns or {}:
            name = re.sub(r"\W", "_", column, flags=re.ASCII)
            name = name if name[:1].isalpha() else f"column_{name}"
            while name.lower() in {"self", *(taken.lower() for taken in names.values())}:
                name += "_"
            names[column] = name
        return names

    def _check_exported(self, target: pathlib.Path, sample: Any) -> None:
        signatures = tf.saved_model.load(str(target)).signatures
        given = {"raw": sample}
        if self.raw_columns is not None:
            given = {self.served_names[name]: values for name, values in sample.items()}
        given = {name: tf.constant(values) for name, values in given.items()}
        served = signatures["explain"](**given)
        plain = signatures["serving_default"](**given)["score"].numpy()
        want = self.detect(sample)
        tolerance = SEARCH_TOLERANCE if self.detector.tags.search_at_query else SCORE_TOLERANCE
        scale = np.maximum(np.abs(want["score"]), 1e-6)
        error = max(
            float(np.max(np.abs(got - score) / scale))
            for got, score in (
                (plain, self.predict(sample)),
                (served["score"].numpy(), want["score"]),
            )
        )
        clear = np.abs(want["score"] - self.threshold.threshold) > tolerance * scale
        alarms_differ = (served["is_anomaly"].numpy() != want["is_anomaly"])[clear].any()
        if not error <= tolerance or alarms_differ:
            raise RuntimeError(
                f"The exported model's scores differ from predict's by {error:.2g} (relative; at most {tolerance:g} is "
                f"allowed){', and so do its alarms' if alarms_differ else ''}. Nothing was exported."
            )

    def _random_raw(self, rows: int = 16) -> Any:
        """Seeded random raw rows; a side of any size is half as long again as the detector's."""
        if self.raw_columns is not None:
            return self.preprocessing.random_raw(rows)
        inner = self.detector.sample_shape
        inner = inner if len(inner) == len(self.raw_shape) else (8,) * len(self.raw_shape)
        sizes = [side or own + own // 2 + 1 for side, own in zip(self.raw_shape, inner, strict=True)]
        draw = np.random.default_rng(0)
        if self.raw_dtype == "uint8":
            return draw.integers(0, 256, (rows, *sizes), dtype="uint8")
        return draw.uniform(-1.0, 1.0, (rows, *sizes)).astype(self.raw_dtype)

    def get_config(self) -> dict:
        parts = {key: getattr(self, key) for key in PARTS}
        return {
            **{key: keras.saving.serialize_keras_object(part) for key, part in parts.items()},
            "raw_shape": list(self.raw_shape),
            "raw_dtype": self.raw_dtype,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> FittedDetector:
        parts = {
            key: keras.saving.deserialize_keras_object(config.get(key), custom_objects=custom_objects) for key in PARTS
        }
        return cls(**{**config, **parts, "raw_shape": tuple(config["raw_shape"])})


def _count(raw: Any) -> int:
    return len(next(iter(raw.values()))) if isinstance(raw, dict) else len(raw)


def _rows(raw: Any, first: int, last: int) -> Any:
    return {name: values[first:last] for name, values in raw.items()} if isinstance(raw, dict) else raw[first:last]

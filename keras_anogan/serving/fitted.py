"""What a user deploys: raw input in, scores and alarms out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.serving import export
from keras_anogan.serving.preprocessing import raw_input
from keras_anogan.training.adversarial import check_keras_file
from keras_anogan.training.batches import gathered, in_batches

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
            For a table, whose preprocessing is a `serving.tables.TableEncoder`, raw input is a DataFrame or a dict of
            columns, and neither shape nor dtype is given.
        raw_dtype: dtype of raw input. Default: "uint8" for images with a preprocessing, else "float32".
            Another dtype is refused: float images in [0, 1] given to a uint8 model would turn black.
        map_threshold: a threshold layer for pixels, or None. Adapted to the largest value in the anomaly map of each
            calibration image, it marks any pixel of a normal image with probability at most its alpha. A detector whose
            score is a mean of pixels (`Tags.scores_map`, see `MapDetector`) needs none: one threshold is for both.
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
        self.preprocessing: Any = preprocessing
        self.detector = detector
        self.threshold: Any = threshold
        self.map_threshold: Any = map_threshold
        self.raw: Any  # what Keras does not track: the layers in it are tracked above
        self.__dict__["raw"] = raw_input(preprocessing, detector.sample_shape, raw_shape, raw_dtype)
        self.raw_shape: tuple[int | None, ...] = self.raw.shape
        self.raw_dtype: str = self.raw.dtype
        self.jit_compile = False  # Keras would choose XLA on a GPU, where nobody measured it
        for layer in self._thresholds():
            if not layer.built:
                layer.build((None,))
        self(self.raw.inputs())
        self.__dict__["_graphs"] = {}

    @property
    def raw_columns(self) -> dict[str, str] | None:
        """For a table the columns that it reads, name to "float64" or "string"; else None."""
        return self.raw.columns

    @property
    def served_names(self) -> dict[str, str]:
        """For each column of a table the name of the exported model's input."""
        return self.raw.names

    def preprocess(self, raw: Any) -> Any:
        """The detector's input, float32, for raw input of shape (batch, *raw_shape), or a dict of columns (batch,)."""
        return self.raw.encode(raw)

    def call(self, raw: Any) -> Any:
        """Anomaly scores, float32 (batch,), for raw input."""
        return self.detector(self.preprocess(raw))

    def explain(self, raw: Any) -> dict[str, Any]:
        """Everything the detector's `explain` gives for raw input, and `is_anomaly`, and `p_value` where known."""
        return self.explain_encoded(self.preprocess(raw))

    def explain_encoded(self, x: Any) -> dict[str, Any]:
        """`explain` of input that `preprocess` has seen already, float32 (batch, *detector.sample_shape)."""
        return self.judge(self.detector.explain(x))

    def judge(self, explained: dict[str, Any]) -> dict[str, Any]:
        """Add alarms to a dict that has `score`.

        That is `is_anomaly` (bool), `p_value` where the threshold knows one, and `anomaly_mask` (bool (batch, H, W))
        where there is a threshold for pixels. A mask marks nothing in an image that is no alarm. So an image without an
        alarm has no marked pixel, and the rate of false alarms that was asked for is that of masks too.
        """
        alarm = self.threshold(explained["score"])
        result = {**explained, "is_anomaly": alarm}
        if hasattr(self.threshold, "p_value"):
            result["p_value"] = self.threshold.p_value(explained["score"])
        layer = self._pixel_layer
        if layer is not None and "anomaly_map" in explained:
            result["anomaly_mask"] = layer(explained["anomaly_map"]) & keras.ops.reshape(alarm, (-1, 1, 1))
        return result

    @property
    def _pixel_layer(self) -> Any:
        """What pixels of the map are judged by: the score's own threshold where the score is a mean of pixels."""
        return self.threshold if self.detector.tags.scores_map else self.map_threshold

    @property
    def pixel_threshold(self) -> float | None:
        """The number that a pixel of the map is compared with; None where pixels are not judged."""
        return None if self._pixel_layer is None else self._pixel_layer.threshold

    def at(self, alpha: float) -> FittedDetector:
        """The same detector for another rate of false alarms, from the calibration scores that its thresholds keep.

        Args:
            alpha: false-alarm rate, 0 < alpha < 1.

        Returns:
            A new `FittedDetector` that shares detector and preprocessing.

        Raises:
            ValueError: for a threshold that does not keep its scores, or too few of them for `alpha`.
        """
        return FittedDetector(
            self.preprocessing,
            self.detector,
            self.threshold.at(alpha),
            raw_shape=None if self.raw.columns is not None else self.raw_shape,
            raw_dtype=None if self.raw.columns is not None else self.raw_dtype,
            map_threshold=None if self.map_threshold is None else self.map_threshold.at(alpha),
        )

    def check_raw(self, raw: Any) -> Any:
        """Raw input as an array, or dict of columns, or a sentence that says what is wrong with it.

        Raises:
            ValueError: for no rows, another dtype or shape than the model was built for, NaN or infinity; for a table,
                a missing column or text where a number was.
        """
        return self.raw.check(raw)

    def predict(self, raw: Any, batch_size: int = 256, verbose: Any = 0, **kwargs: Any) -> np.ndarray:
        """Anomaly scores, float32 (n,), for raw input of shape (n, *raw_shape)."""
        if self.raw.columns is not None:  # Keras's predict takes no DataFrame
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
        return gathered(in_batches(graph, raw, batch_size))

    def _thresholds(self) -> list[keras.Layer]:
        return [layer for layer in (self.threshold, self.map_threshold) if layer is not None]

    def _check_adapted(self) -> None:
        if not all(layer.adapted for layer in self._thresholds()):
            raise ValueError(
                "Expected a threshold that has seen calibration scores. Received: one that is not adapted; "
                "call threshold.adapt(detector.predict(calibration_data))."
            )

    def save(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Keras's `save`, to a `.keras` file; a threshold that is not adapted is refused.

        Raises:
            ValueError: for another suffix, or a threshold that is not adapted.
        """
        check_keras_file(path, type(self).__name__, **kwargs)
        self._check_adapted()
        super().save(path, *args, **kwargs)

    def export(self, path: Any, sample: Any = None) -> None:
        """Write a SavedModel that runs where keras_anogan is not installed, and prove that it scores alike.

        Endpoints: `serving_default` gives `score`; `explain` gives `score`, `is_anomaly` and, where they
        exist, `p_value`, `anomaly_map`, `anomaly_mask`, `reconstruction` and the further terms of the score.

        Args:
            path: folder to write, e.g. "serving/1" (servers expect a number as its last part).
            sample: raw rows on which the exported model has to agree with `predict` and `detect`; default: 16
                seeded random ones, of large images fewer, larger than the detector's input where their size is free.

        Raises:
            FileExistsError: if `path` exists and is not an empty folder.
            ValueError: if the threshold is not adapted.
            RuntimeError: if scores or alarms differ by more than the tolerance; nothing is left at `path`.
        """
        self._check_adapted()
        export.export(self, path, sample)

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

"""What detectors have in common that show parts of a sample to another detector: patches, or windows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector


class DetectorOfParts(AnomalyDetector):
    """A detector around another one, `detector`, that sees equally large parts of each sample.

    A subclass writes `parts`, and `explain` over what the detector says of them.
    """

    detector: AnomalyDetector

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """Parts (batch * count, *detector.sample_shape) of samples (batch, *sample_shape), sample by sample."""
        raise NotImplementedError(f"{type(self).__name__} has to define parts(x).")

    def compile(self, **kwargs: Any) -> None:
        """Configure training; arguments go to the detector's own `compile`, if it is not compiled yet."""
        if not self.detector.compiled:
            self.detector.compile(**kwargs)
        super().compile(jit_compile=False, run_eagerly=kwargs.get("run_eagerly", False))

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train the detector on the parts of samples (n, *sample_shape); arguments as in every detector's `fit`."""
        if not self.detector.tags.closed_form:
            return super().fit(x, *args, **kwargs)
        rows = self.check_rows(np.asarray(x[0] if isinstance(x, tuple) else x))
        return self.detector.fit(np.concatenate([np.asarray(self.parts(row[None])) for row in rows]))

    def _remember(self, x: Any) -> None:
        self.detector._remember(x)

    @property
    def fitted_on(self) -> list[Any]:
        """Days of video that the detector was trained on."""
        return getattr(self.detector, "fitted_on", [])

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        losses = self.detector.train_step((self.parts(x),))
        self.log()
        return losses

    def _seed_layers(self) -> None:
        self.detector._seed_layers()

    def reset_metrics(self) -> None:
        super().reset_metrics()
        self.detector.reset_metrics()

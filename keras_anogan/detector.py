"""The contract of every detector: `explain(x)` says why, `call(x)` is the anomaly score."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.catalogue import Tags as Tags
from keras_anogan.training.adversarial import AdversarialModel, check_keras_file
from keras_anogan.training.batches import KerasData, data_of, with_batches_of_validation
from keras_anogan.training.given import checked_batches, refuse_arguments, warn_of_range


class AnomalyDetector(AdversarialModel):
    """A model whose `call` is the anomaly score: higher means more anomalous.

    The score is a pure function of (weights, x): one sample gets the same score alone, in a batch, in any
    order, after saving and loading, and after export. A subclass writes `explain`, and `train_step` unless
    it is solved in closed form.
    """

    tags: ClassVar[Tags] = Tags()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.score_mean = keras.metrics.Mean(name="score")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.uses_labels = cls.tags.uses_normal_labels

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The score and every tensor behind it, in inference mode.

        Args:
            x: float32 of shape (batch, *sample_shape).

        Returns:
            A dict: `score` (batch,) always; `reconstruction` like x, `latent` (batch, latent_dim),
            `anomaly_map` (batch, H, W) and further per-sample terms (batch,) where the paper has them.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define explain(x).")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """The anomaly score A(x), float32 of shape (batch,)."""
        self.check_shape(x)
        return self.explain(x)["score"]

    def check_shape(self, x: tf.Tensor) -> None:
        """Refuse a tensor that is not (batch, *sample_shape) with a sentence.

        Raises:
            ValueError: if rank or size of an axis differ from `sample_shape`.
        """
        shape = tuple(x.shape[1:])
        fits = len(shape) == len(self.sample_shape) and all(
            got is None or want is None or got == want for got, want in zip(shape, self.sample_shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{type(self).__name__} expected a batch of shape {(None, *self.sample_shape)}. "
                f"Received: shape {tuple(x.shape)}."
            )

    def monitor(self, x: tf.Tensor) -> tf.Tensor:
        """What training is watched by, float32 (batch,): A(x), unless that takes a search (see `AnoGAN`)."""
        return self(x)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Mean of `monitor` over held-out normal data, so that `validation_data` logs `val_score`."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.score_mean.update_state(self.monitor(x))
        return {"score": self.score_mean.result()}

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, **kwargs: Any) -> np.ndarray:
        """Keras's `predict`: anomaly scores, float32 of shape (n,); arrays go in batches of 256 by default.

        Raises:
            ValueError: for no rows, a wrong shape, NaN or infinite values in an array, or a detector that is solved in
                closed form and was not.
        """
        self.check_solved()
        x = np.asarray(x) if isinstance(x, list) else x
        if hasattr(x, "__array__"):
            x, batch_size = self.check_rows(x), batch_size or 256
        return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)

    def check_solved(self) -> None:
        """Refuse a detector of closed form that has seen no rows.

        Raises:
            ValueError: one sentence.
        """
        if self.tags.closed_form and not int(keras.ops.convert_to_numpy(self.step)):
            raise ValueError(f"Expected {type(self).__name__} after fit. Received: one that has seen no rows.")

    # What `fit` of a detector that is solved in closed form begins and ends with.

    def rows_to_solve(self, x: Any, kwargs: dict[str, Any] | None = None) -> Any:
        """The checked rows of what `fit` was given, without labels: an array, or rows to be read with integer arrays.

        Args:
            x: as in `fit`; a finite `tf.data.Dataset` is read into memory.
            kwargs: what else `fit` was given, in which nothing may be that means something else.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values, weights of samples or classes.
        """
        owner = type(self).__name__
        refuse_arguments(owner, kwargs or {})
        with_batches_of_validation(dict(kwargs or {}), self.sample_shape, owner)
        data = data_of(x)
        if isinstance(data, KerasData):
            x = self._gathered(checked_batches(data.x, self.sample_shape, owner), owner)
        else:
            x = data.rows
        x = self.check_rows(x)
        if len(x) < 2:
            raise ValueError(f"{owner} expected at least two rows. Received: {len(x)}.")
        if isinstance(x, np.ndarray):
            warn_of_range(float(x.min()), float(x.max()), self.sample_shape, owner)
        return x

    def _gathered(self, batches: Any, owner: str) -> np.ndarray:
        """The rows of a data set of batches, whose end is known."""
        if not isinstance(batches, tf.data.Dataset) or batches.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{owner} expected rows that have an end, as it solves for its weights at once. Received: "
                f"{type(batches).__name__}, which may have none; give an array."
            )
        parts = [batch[0] if isinstance(batch, tuple) else batch for batch in batches.as_numpy_iterator()]
        return np.concatenate(parts) if parts else np.zeros((0, *self.sample_shape), "float32")

    def solved(self) -> keras.callbacks.History:
        """Count one step, and answer as Keras's `fit` does: a history, here without losses."""
        self.step.assign(1)
        history = keras.callbacks.History()
        history.set_model(self)
        history.on_train_begin()
        return history


@keras.saving.register_keras_serializable("keras_anogan")
class Explainer(keras.Model):
    """A model whose `call` is `explain`: `.predict(x)` for maps and reconstructions, `.export(path)` to serve them.

    Args:
        detector: an `AnomalyDetector`; the weights are shared.
    """

    def __init__(self, detector: AnomalyDetector, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.detector = detector
        self.jit_compile = False  # Keras would choose XLA on a GPU, where nobody measured it
        if not detector.built:
            detector(keras.Input(detector.sample_shape))
        self(keras.Input(detector.sample_shape))

    def call(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        self.detector.check_shape(x)
        return self.detector.explain(x)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, **kwargs: Any) -> dict[str, np.ndarray]:
        """The dict of `explain` as NumPy arrays; arrays go in batches of 256 by default."""
        x = np.asarray(x) if isinstance(x, list) else x
        if hasattr(x, "__array__"):
            x, batch_size = self.detector.check_rows(x), batch_size or 256
        return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Keras's `save`, to a `.keras` file; raises ValueError for another suffix."""
        check_keras_file(filepath, type(self).__name__, **kwargs)
        super().save(filepath, *args, **kwargs)

    def get_config(self) -> dict:
        return {"detector": keras.saving.serialize_keras_object(self.detector), "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Explainer:
        detector = keras.saving.deserialize_keras_object(config["detector"], custom_objects=custom_objects)
        return cls(detector, name=config["name"])

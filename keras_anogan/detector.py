"""The contract of every detector: `explain(x)` says why, `call(x)` is the anomaly score."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.training.adversarial import AdversarialModel
from keras_anogan.training.batches import Batches


@dataclasses.dataclass(frozen=True)
class Tags:
    """What kind of detector a class is; `testing.check_detector`, runs and wrappers read it and never ask for a name.

    Attributes:
        input: "image" (H, W, C), "table" (features,), "window" (frames, H, W, C), or "any".
        uses_normal_labels: the class trains on labels of normal data (never on labels of anomalies).
        closed_form: `fit` solves for the weights; there are no players and no optimizers.
        search_at_query: scoring runs an iterative search, so rounding is amplified.
        averaged: momentum of the averaged weights that its authors score with (see `callbacks.NetworkEMA`), or None.
        least_steps: fewest training steps of an epoch on tables, for a paper that takes thousands of steps however few
            the rows are; 0 where one pass over the rows will do.
        scores_map: whether the score is a mean of pixels of `anomaly_map`, so that one threshold serves both.
        watchable: whether the score of held-out normal data tells when to stop; False where it falls as the network
            learns, however well it tells samples apart.
    """

    input: str = "any"
    uses_normal_labels: bool = False
    closed_form: bool = False
    search_at_query: bool = False
    averaged: float | None = None
    least_steps: int = 0
    scores_map: bool = False
    watchable: bool = True


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
            ValueError: for no rows, a wrong shape, NaN or infinite values in an array.
        """
        x = np.asarray(x) if isinstance(x, list) else x
        if hasattr(x, "__array__"):
            x, batch_size = self.check_rows(x), batch_size or 256
        return super().predict(x, batch_size=batch_size, verbose=verbose, **kwargs)

    # What `fit` of a detector that is solved in closed form begins and ends with.

    def rows_to_solve(self, x: Any) -> Any:
        """The checked rows of what `fit` was given, without labels: an array, or rows to be read with integer arrays.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values.
        """
        x = x[0] if isinstance(x, tuple) else x
        x = np.asarray(x) if isinstance(x, (list, tf.Tensor)) else x
        x = self.check_rows(x.rows if isinstance(x, Batches) else x)
        if len(x) < 2:
            raise ValueError(f"{type(self).__name__} expected at least two rows. Received: {len(x)}.")
        return x

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

    def get_config(self) -> dict:
        return {"detector": keras.saving.serialize_keras_object(self.detector), "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Explainer:
        detector = keras.saving.deserialize_keras_object(config["detector"], custom_objects=custom_objects)
        return cls(detector, name=config["name"])

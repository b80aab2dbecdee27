"""Nearest normal rows in what a detector has learned to see, as an anomaly score."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.models.composed import DetectorOfParts
from keras_anogan.models.neighbors import Neighbors
from keras_anogan.models.path_scored import batches_again


@keras.saving.register_keras_serializable("keras_anogan")
class Memory(DetectorOfParts):
    """Scores by the distance to the nearest normal rows among a detector's features of them.

    A detector that was trained on normal data sees what matters in them. What lies far from every normal row there is
    anomalous, whether it is reconstructed well or not. The features are the detector's `latent`, or the last output of
    one of its networks, such as a critic's features.

    Args:
        detector: an `AnomalyDetector`; `fit` trains it, and remembers the rows then.
        k: neighbours that are averaged.
        coreset: share of the rows that are remembered, in (0, 1] (see `Neighbors`); default: all.
        network: name of the network whose last output is compared, such as "critic"; default: the `latent` that the
            detector explains.
        neighbors: what remembers; for loading.
        seed: of what is drawn for the coreset.

    Raises:
        ValueError: for a detector without a latent, or without such a network of one input.
    """

    def __init__(
        self,
        detector: AnomalyDetector,
        k: int = 1,
        coreset: float | None = None,
        network: str | None = None,
        neighbors: Neighbors | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        if not isinstance(detector, AnomalyDetector):
            raise ValueError(f"Expected a detector. Received: {detector!r}.")
        if network is not None and (network not in detector.networks or len(getattr(detector, network).inputs) != 1):
            single = [key for key in detector.networks if len(getattr(detector, key).inputs) == 1]
            raise ValueError(f"Expected one of the networks {single} of one input. Received: network={network!r}.")
        self.detector = detector
        self.k, self.coreset, self.network = k, coreset, network
        self.tags = dataclasses.replace(detector.tags, scores_map=False)  # type: ignore[misc]
        shape = tf.TensorSpec((None, *detector.sample_shape), "float32")
        found = tf.function(self.features).get_concrete_function(shape).structured_outputs
        self.neighbors = neighbors or Neighbors(tuple(found.shape[1:]), k=k, coreset=coreset, seed=seed)

    def build(self, input_shape: Any = None) -> None:
        """Nothing: what is remembered is known in `fit`."""
        self.built = True

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.detector.sample_shape)

    def parts(self, x: tf.Tensor) -> tf.Tensor:
        """The samples themselves."""
        return x

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """What is compared, float32 (batch, n)."""
        if self.network is not None:
            h = keras.tree.flatten(getattr(self.detector, self.network)(x, training=False))[-1]
        else:
            explained = self.detector.explain(x)
            if "latent" not in explained:
                raise ValueError(
                    f"Expected a detector with a latent, or the name of a network. Received: "
                    f"{type(self.detector).__name__} and network=None."
                )
            h = explained["latent"]
        return tf.cast(tf.reshape(h, (-1, math.prod(h.shape[1:]))), "float32")

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure training; arguments go to the detector's own `compile`, if it is not compiled yet."""
        super().compile(*args, **kwargs)
        self.neighbors.compile()

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train the detector, then remember the rows; arguments as in its own `fit`.

        Raises:
            ValueError: as the detector does, and for a generator, which can't be read twice.
        """
        batches = batches_again(x, None, kwargs.get("steps_per_epoch"), type(self).__name__)
        history = self.detector.fit(x, *args, **kwargs)
        self._keep(batches)
        return history

    def remember(self, x: Any) -> None:
        """Remember normal rows, (n, ...) or an object with `__len__` and `rows[indices]`, by a trained detector.

        Raises:
            ValueError: for fewer than two rows or than k, or another number of rows than before.
        """
        self.detector.check_solved()
        self._keep(batches_again(self.check_rows(x), None, None, type(self).__name__))

    def _keep(self, batches: Any) -> None:
        features = tf.function(self.features, reduce_retracing=True)
        self.neighbors.fit(np.concatenate([np.asarray(features(batch)) for batch in batches]))
        self.predict_function = None  # traced, perhaps, when nothing was remembered

    def check_solved(self) -> None:
        """Refuse a detector that has seen no rows, or a memory that holds none."""
        self.detector.check_solved()
        self.neighbors.check_solved()

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the detector says, with the distance as `score`; its own is `own_score`."""
        explained = self.detector.explain(x)
        return {
            **explained,
            "score": self.neighbors.explain(self.features(x))["score"],
            "own_score": explained["score"],
        }

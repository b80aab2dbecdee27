"""Noise that a resumed training repeats: every draw is a function of (seed, step, name) and of nothing else."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_anogan.training.replicas import replicas


class SeededModel(keras.Model):
    """A `keras.Model` over named networks whose random numbers are a function of (seed, step, name).

    TensorFlow's own generators have a state that Keras doesn't save, so a resumed training would draw other numbers.
    Here the draws of a step are the same after a resume, and the same rows on any number of replicas.

    Attributes:
        seed: integer.
        step: int64 variable (), training steps so far.
    """

    networks: ClassVar[tuple[str, ...]] = ()

    seed: int
    step: keras.Variable

    def random_normal(self, name: str, rows: Any, shape: tuple[int, ...]) -> tf.Tensor:
        """N(0, 1) noise, float32 of shape (rows, *shape); `name` tells the draws of one step apart."""
        return self._draw(tf.random.stateless_normal, name, rows, shape)

    def random_uniform(self, name: str, rows: Any, shape: tuple[int, ...]) -> tf.Tensor:
        """U[0, 1) noise, float32 of shape (rows, *shape); `name` tells the draws of one step apart."""
        return self._draw(tf.random.stateless_uniform, name, rows, shape)

    def mirror_half(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """Images (batch, H, W, C), or windows of frames, each mirrored left to right with probability 1/2."""
        chosen = self.random_uniform(name, tf.shape(x)[0], (1,) * (len(x.shape) - 1)) < 0.5
        return tf.where(chosen, tf.reverse(x, axis=[len(x.shape) - 2]), x)

    def check_mirrored(self, mirror: bool) -> None:
        """Refuse `mirror` for rows that are neither images nor windows of frames.

        Raises:
            ValueError: if it is set and a row is not (H, W, C) or (frames, H, W, C).
        """
        if mirror and len(self.sample_shape) not in (3, 4):
            raise ValueError(
                f"Expected images (H, W, C) to mirror. Received: mirror=True for rows {self.sample_shape}."
            )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one row of training data, without the batch axis."""
        raise NotImplementedError(f"{type(self).__name__} has to tell the shape of a row.")

    def _draw(self, distribution: Any, name: str, rows: Any, shape: tuple[int, ...]) -> tf.Tensor:
        """This replica's rows of what all replicas draw together."""
        count = replicas()
        seed = tf.stack([_salt(f"{self.seed}/{name}"), tf.convert_to_tensor(self.step)])
        noise = distribution((rows * count, *shape), seed=seed, alg="philox")
        if count == 1:
            return noise
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * rows
        return noise[first : first + rows]

    def _seed_layers(self) -> None:
        """Make the noise of dropout and the like a function of (seed, step) too: Keras does not save its state."""
        layers = [layer for key in self.networks for layer in getattr(self, key)._flatten_layers()]
        for i, generator in enumerate(g for layer in layers for g in layer._seed_generators):
            first = 256 * tf.convert_to_tensor(self.step)  # a layer may draw up to 256 times a step
            seed = tf.stack([_salt(f"{self.seed}/layer{i}"), first % 2**32])
            generator.state.assign(tf.cast(seed, "uint32"))


def _salt(name: str) -> tf.Tensor:
    """A number that stands for a name, int64 ()."""
    return tf.constant(zlib.crc32(name.encode()), "int64")

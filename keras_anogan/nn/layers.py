"""Layers that two or more networks use."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_anogan")
class LeakyReLUWithoutCurvature(layers.LeakyReLU):
    """LeakyReLU whose second derivative is told to be zero, which saves a gradient penalty work.

    In training it computes x times its slope, and the slope counts as a constant. Values and gradients are the same;
    but the gradient of a gradient doesn't run back through the slope, where it would only add zeros. That saves a sixth
    of the work of a critic's update.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return super().call(inputs)
        slope = ops.where(inputs > 0, 1.0, self.negative_slope)
        return inputs * ops.stop_gradient(ops.cast(slope, inputs.dtype))


class _SpectralNormalization:
    """Divides a layer's kernel by its largest singular value (Miyato et al. 2018).

    The singular value is followed by one step of power iteration whenever the layer is called in training; scoring
    changes nothing. The gradient runs through the division.
    """

    _sigma: Any = None

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)  # type: ignore[misc]
        self.u = self.add_weight(  # type: ignore[attr-defined]
            shape=(1, super().kernel.shape[-1]),  # type: ignore[misc]
            initializer=keras.initializers.RandomNormal(seed=0),
            trainable=False,
            name="u",
            dtype="float32",
        )

    @property
    def kernel(self) -> Any:
        """The kernel; while the layer is called, divided by its largest singular value."""
        raw = super().kernel  # type: ignore[misc]
        return raw if self._sigma is None else raw / ops.cast(self._sigma, raw.dtype)

    def call(self, inputs: Any, training: bool = False) -> Any:
        raw = ops.convert_to_tensor(super().kernel)  # type: ignore[misc]
        matrix = ops.cast(ops.reshape(raw, (-1, raw.shape[-1])), "float32")  # (inputs, outputs)
        fixed = ops.stop_gradient(matrix)
        u = _unit(ops.convert_to_tensor(self.u))  # a mean of unit vectors (`NetworkEMA`) is shorter than one
        v = _unit(ops.matmul(u, ops.transpose(fixed)))
        if training:
            u = _unit(ops.matmul(v, fixed))
            self.u.assign(u)
            v = _unit(ops.matmul(u, ops.transpose(fixed)))
        sigma = ops.sum(ops.matmul(v, matrix) * u)
        self._sigma = sigma
        try:
            return super().call(inputs)  # type: ignore[misc]
        finally:
            self._sigma = None

    def save_own_variables(self, store: Any) -> None:
        layers.Layer.save_own_variables(self, store)  # the layer's own way knows of kernel and bias only

    def load_own_variables(self, store: Any) -> None:
        layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable("keras_anogan")
class SpectralDense(_SpectralNormalization, layers.Dense):
    """Dense layer with a spectrally normalised kernel (Miyato et al. 2018)."""


@keras.saving.register_keras_serializable("keras_anogan")
class SpectralConv2D(_SpectralNormalization, layers.Conv2D):
    """Convolution with a spectrally normalised kernel, a matrix (k k channels, filters) (Miyato et al. 2018)."""


# Keras's layers, computed faster on a CPU.


@keras.saving.register_keras_serializable("keras_anogan")
class FusedBatchNormalization(layers.BatchNormalization):
    """`BatchNormalization` that takes TensorFlow's fused operation for maps in training.

    It is the same function with the same weights, in less than half the time on a CPU. What the operation can't do is
    left to Keras: no scale or offset, statistics over replicas, renormalisation, weights that aren't float32.
    """

    def call(self, x: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        maps = len(x.shape) == 4 and self.axis in (-1, 3) and mask is None
        plain = self.scale and self.center and not (self.synchronized or getattr(self, "renorm", False))
        if not (training and self.trainable and maps and plain and self.variable_dtype == "float32"):
            return super().call(x, training=training, mask=mask)
        none = tf.zeros((0,))
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.cast(self.gamma, "float32"),
            offset=tf.cast(self.beta, "float32"),
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(x) / tf.size(mean), "float32")
        variance *= (count - 1.0) / count  # the operation's is that of a sample
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return y


@keras.saving.register_keras_serializable("keras_anogan")
class SmallConv2DTranspose(layers.Conv2DTranspose):
    """`Conv2DTranspose` 4x4 of stride 2, "same", without bias, as one matrix product and a sum of its pieces.

    The same function and weights, without padding of the output or dilation, channels last. From 2x2 x 512 maps to
    4x4 x 256 it takes, with its gradients, a third of the time of TensorFlow's convolution on a CPU; for larger maps
    that one is better.

    Raises:
        ValueError: for anything else.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        found = (tuple(self.kernel_size), tuple(self.strides), self.padding, self.use_bias)
        others = (getattr(self, "output_padding", None), tuple(self.dilation_rate), self.data_format)
        if (*found, *others) != ((4, 4), (2, 2), "same", False, None, (1, 1), "channels_last"):
            raise ValueError(
                'Expected a 4x4 kernel of stride 2, "same", without bias, output_padding or dilation, channels last. '
                f"Received: {(*found, *others)}."
            )
        super().build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.activation(_transposed_convolution(tf.convert_to_tensor(x), tf.convert_to_tensor(self.kernel)))


@tf.custom_gradient
def _transposed_convolution(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """x (batch, h, w, read) and kernel (4, 4, made, read) -> (batch, 2 h, 2 w, made); its gradient gathers patches."""
    height, width, read = x.shape[1:]
    made = kernel.shape[2]
    rows, taps = tf.reshape(x, (-1, read)), tf.reshape(kernel, (-1, read))
    pieces = tf.reshape(tf.matmul(rows, taps, transpose_b=True), (-1, height, width, 4, 4, made))
    # tap k of pixel i falls on 2 i + k - 1: taps 1 and 2 on its own two pixels, 3 on the next one's first, 0 on the
    # last one's second
    rows_of = lambda tap: pieces[:, :, :, tap]  # noqa: E731
    even, odd = rows_of(1) + _shifted(rows_of(3), 1, 1), rows_of(2) + _shifted(rows_of(0), 1, -1)
    merged = tf.stack([even, odd], 2)  # (batch, h, 2, w, 4, made)
    columns_of = lambda tap: merged[..., tap, :]  # noqa: E731
    even, odd = columns_of(1) + _shifted(columns_of(3), 3, 1), columns_of(2) + _shifted(columns_of(0), 3, -1)
    y = tf.reshape(tf.stack([even, odd], 4), (-1, 2 * height, 2 * width, made))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        padded = tf.pad(upstream, ((0, 0), (1, 1), (1, 1), (0, 0)))
        patches = [padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] for i in range(height) for j in range(width)]
        patches = tf.reshape(tf.stack(patches, 1), (-1, 16 * made))  # (batch x h x w, 16 x made)
        towards_x = tf.reshape(tf.matmul(patches, taps), (-1, height, width, read))
        return towards_x, tf.reshape(tf.matmul(patches, rows, transpose_a=True), (4, 4, made, read))

    return y, gradient


def _shifted(x: tf.Tensor, axis: int, by: int) -> tf.Tensor:
    """x moved by one along an axis, with zeros for what comes in."""
    size = x.shape[axis]
    kept = tf.split(x, [size - 1, 1] if by > 0 else [1, size - 1], axis)[0 if by > 0 else 1]
    return tf.pad(kept, [(int(by > 0), int(by < 0)) if i == axis else (0, 0) for i in range(len(x.shape))])


def _unit(row: Any) -> Any:
    return ops.stop_gradient(row / ops.maximum(ops.sqrt(ops.sum(ops.square(row))), 1e-12))

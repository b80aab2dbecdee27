"""VGAN: "Generating Videos with Scene Dynamics" (Vondrick et al., NIPS 2016, arXiv 1609.02612).

A two-stream generator: a moving foreground f, a still background b and a mask m, video = m f + (1 - m) b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from keras_anogan.nn import losses
from keras_anogan.nn.networks import check_judge, dtype_of_3d_convolutions, float32_outputs, initializers
from keras_anogan.training.adversarial import AdversarialModel


@keras.saving.register_keras_serializable("keras_anogan")
class CombineStreams(layers.Layer):
    """[f (batch, T, H, W, C), m (batch, T, H, W, 1), b (batch, H, W, C)] -> m f + (1 - m) b, shape of f."""

    def call(self, streams: Sequence[Any]) -> Any:
        foreground, mask, background = streams
        return mask * foreground + (1.0 - mask) * ops.expand_dims(background, 1)

    def compute_output_shape(self, shapes: Sequence[Any]) -> Any:
        return shapes[0]


def combine_streams(foreground: Any, mask: Any, background: Any, name: str = "video") -> Any:
    """m f + (1 - m) b, the video of a two-stream generator (section 3.2 of the paper), by a layer of that name."""
    return CombineStreams(dtype="float32", name=name)([foreground, mask, background])


# The unconditional VGAN of the paper: 100 numbers to 32 frames of 64 x 64 pixels.


def build_vgan_generator(
    latent_dim: int = 100, channels: int = 3, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """VGAN's generator z (batch, latent_dim) -> video (batch, 32, 64, 64, C) in [-1, 1].

    Transposed convolutions 4x4(x4) from 2 frames of 4 x 4 with 8 to 1 times `filters` channels, batch normalisation,
    ReLU; N(0, 0.01^2) initial weights, as in cvondrick/videogan.
    """
    init = initializers(keras.initializers.RandomNormal(0.0, 0.01), seed)
    scale = initializers(keras.initializers.RandomNormal(1.0, 0.02), None if seed is None else seed + 500)

    def decoded(h: Any, kind: Any, widths: Sequence[int]) -> Any:
        for width in widths:
            h = layers.ReLU()(layers.BatchNormalization(epsilon=1e-3, gamma_initializer=next(scale))(h))
            h = kind(width, 4, 2, "same", kernel_initializer=next(init), dtype=convolution_dtype(kind))(h)
        return h

    z = keras.Input((latent_dim,), name="z")
    deep = layers.Dense(2 * 4 * 4 * 8 * filters, kernel_initializer=next(init))(z)
    deep = decoded(layers.Reshape((2, 4, 4, 8 * filters))(deep), layers.Conv3DTranspose, [4 * filters, 2 * filters])
    deep = decoded(deep, layers.Conv3DTranspose, [filters])
    deep = layers.ReLU()(layers.BatchNormalization(epsilon=1e-3, gamma_initializer=next(scale))(deep))
    dtype = dtype_of_3d_convolutions()
    heads = [
        layers.Conv3DTranspose(k, 4, 2, "same", kernel_initializer=next(init), dtype=dtype)(deep) for k in (channels, 1)
    ]
    flat = layers.Dense(4 * 4 * 8 * filters, kernel_initializer=next(init))(z)
    flat = decoded(
        layers.Reshape((4, 4, 8 * filters))(flat),
        layers.Conv2DTranspose,
        [4 * filters, 2 * filters, filters, channels],
    )
    foreground = layers.Activation("tanh", dtype="float32", name="foreground")(heads[0])
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(heads[1])
    background = layers.Activation("tanh", dtype="float32", name="background")(flat)
    return keras.Model(z, combine_streams(foreground, mask, background), name="generator")


def build_vgan_discriminator(channels: int = 3, filters: int = 64, seed: int | None = None) -> keras.Model:
    """VGAN's discriminator video (batch, 32, 64, 64, C) -> (logit (batch, 1), features).

    Four 3D convolutions 4x4x4 with stride 2 of 1 to 8 times `filters`, LeakyReLU(0.2), batch normalisation from the
    second on. The paper's two-class softmax is one logit here: the same function.
    """
    init = initializers(keras.initializers.RandomNormal(0.0, 0.01), seed)
    scale = initializers(keras.initializers.RandomNormal(1.0, 0.02), None if seed is None else seed + 500)
    x = h = keras.Input((32, 64, 64, channels), name="x")
    for i in range(4):
        h = layers.Conv3D(
            filters * 2**i, 4, 2, "same", kernel_initializer=next(init), dtype=dtype_of_3d_convolutions()
        )(h)
        h = h if i == 0 else layers.BatchNormalization(epsilon=1e-3, gamma_initializer=next(scale))(h)
        h = layers.LeakyReLU(0.2)(h)
    features = layers.Flatten()(h)
    logit = layers.Dense(1, kernel_initializer=next(init))(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


@keras.saving.register_keras_serializable("keras_anogan")
class VGAN(AdversarialModel):
    """The unconditional video GAN of the paper: a generator of videos from noise. It scores nothing.

    Discriminator loss: cross-entropy of real and generated videos, halved; generator loss: non-saturating, plus
    `mask_weight` times the mean of the mask, so that it marks little (section 3.3). Both from one forward pass.

    Args:
        generator: keras.Model z (batch, latent_dim) -> video, with a layer "video" (`combine_streams`).
        discriminator: keras.Model video -> (logit (batch, 1), features).
        mask_weight: 0.1 in the authors' code.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for networks whose shapes do not meet, a negative weight, or no mask to weigh.
    """

    networks = ("generator", "discriminator")
    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = ("discriminator_loss", "generator_loss", "mask_mean")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        mask_weight: float = 0.1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, seed=seed, name=name)
        check_judge(discriminator, "discriminator", [("the generator", generator.output_shape)], ("logit", "features"))
        self.mask_weight = check_weight("mask_weight", mask_weight)
        self.__dict__["_streams"] = two_streams(generator, needed=mask_weight > 0.0)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(frames, H, W, C) of a real video."""
        return tuple(self.generator.output_shape[1:])

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), as in the authors' code."""
        return self.adam_optimizers(2e-4)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = self.random_normal("z", tf.shape(x)[0], self.generator.input_shape[1:])
        with tf.GradientTape(persistent=True) as tape:
            made = self._streams(z, training=True)
            real, _ = self.discriminator(x, training=True)
            fake, _ = self.discriminator(made["video"], training=True)
            discriminator_loss = 0.5 * (
                losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(fake, False)
            )
            generator_loss = losses.binary_cross_entropy(fake, True)
            logged = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}
            if self.mask_weight > 0.0:
                logged["mask_mean"] = tf.reduce_mean(made["mask"])
                generator_loss += self.mask_weight * logged["mask_mean"]
        self.update("discriminator", tape, discriminator_loss)
        self.update("generator", tape, generator_loss)
        return self.log(**logged)

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Videos in [-1, 1] for z (batch, latent_dim), in inference mode."""
        return self.generator(z, training=False)


def two_streams(generator: keras.Model, needed: bool) -> keras.Model:
    """The generator with its streams as outputs beside the video, where it combines any.

    Raises:
        ValueError: if they are needed and it does not.
    """
    combined = [layer for layer in generator.layers if isinstance(layer, CombineStreams)]
    if not combined:
        if needed:
            raise ValueError(
                "Expected a generator with a mask (`combine_streams`) for mask_weight > 0. Received: none."
            )
        return keras.Model(generator.input, {"video": generator.outputs[0]})
    foreground, mask, background = combined[-1].input
    outputs = {"video": generator.outputs[0], "foreground": foreground, "mask": mask, "background": background}
    return keras.Model(generator.input, outputs)


def check_weight(name: str, value: float) -> float:
    if not value >= 0.0:
        raise ValueError(f"Expected {name} >= 0. Received: {name}={value!r}.")
    return value


def convolution_dtype(kind: Any) -> str | None:
    """What a convolution computes in: 3D ones have a say of their own, 2D ones follow the policy."""
    return dtype_of_3d_convolutions() if kind in (layers.Conv3D, layers.Conv3DTranspose) else None

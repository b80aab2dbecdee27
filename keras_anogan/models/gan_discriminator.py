"""A GAN's discriminator as the detector: what it calls generated is anomalous.

The GAN is a DCGAN (Radford et al. 2016, arXiv 1511.06434) that learns the normal images. The idea is "approach A" of a
public MNIST notebook with one anomalous digit. That notebook scores with batch normalisation over the whole test set at
once, feeds the first 2,048 images for ever, and shows the discriminator real images in [0, 1] and generated ones in
[-1, 1]. Here it is inference mode, batches drawn from the whole training set, and one range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import losses
from keras_anogan.nn.layers import FusedBatchNormalization, SmallConv2DTranspose
from keras_anogan.nn.networks import check_judge, float32_outputs, initializers


def build_gan_generator(
    shape: Sequence[int], latent_dim: int = 32, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """Generator z (batch, latent_dim) -> image (batch, H, W, C) in [-1, 1]: 2, 4, 8, 14, 28 pixels a side at 28.

    Transposed convolutions 4x4 of stride 2 without bias, batch normalisation and ReLU, tanh at the end; 8, 4, 2 and 1
    times `filters` maps at 28 pixels. The published first layer, a transposed convolution 4x4 of which padding leaves
    2x2 pixels, is a dense layer here: the same function, without the 12 of 16 taps that padding cuts off.
    """
    shape = _check_square(shape)
    init, scale = _normal(seed)
    sides = _sides_up(shape[0])
    widths = [filters * min(8, 2**i) for i in reversed(range(len(sides) - 1))]
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(sides[0] ** 2 * widths[0], use_bias=False, kernel_initializer=next(init))(z)
    h = layers.Reshape((sides[0], sides[0], widths[0]))(h)
    for side, width in zip(sides[1:], [*widths[1:], shape[-1]], strict=True):
        h = layers.ReLU()(_batch_norm(next(scale))(h))
        before = h.shape[1]
        kind = SmallConv2DTranspose if before == 2 else layers.Conv2DTranspose
        h = kind(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = layers.Cropping2D((2 * before - side) // 2)(h) if side < 2 * before else h
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(h), name="generator")


def build_gan_discriminator(shape: Sequence[int], filters: int = 64, seed: int | None = None) -> keras.Model:
    """Discriminator image (batch, H, W, C) -> (logit (batch, 1), features (batch, n)): 28, 14, 7, 3, 1 pixels a side.

    Convolutions 4x4 of stride 2 without bias down to one pixel, LeakyReLU(0.2), batch normalisation from the second on;
    1, 2, 4 and 8 times `filters` maps at 28 pixels; `features` are the last of these. The last convolution, of which
    padding leaves 3x3 taps or 2x2 for the only pixel, is a dense layer here: the same function, without the taps that
    padding cuts off.
    """
    shape = _check_square(shape)
    init, scale = _normal(seed)
    x = h = keras.Input(shape, name="x")
    stage = 0
    while h.shape[1] > 3:
        width = filters * min(8, 2**stage)
        h = layers.ZeroPadding2D(1)(h)
        h = layers.Conv2D(width, 4, 2, use_bias=False, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(_batch_norm(next(scale))(h) if stage else h)
        stage += 1
    width = filters * min(8, 2**stage)
    h = layers.Dense(width, use_bias=False, kernel_initializer=next(init))(layers.Flatten()(h))
    f = layers.LeakyReLU(0.2)(_batch_norm(next(scale))(h))
    logit = layers.Dense(1, use_bias=False, kernel_initializer=next(init))(f)
    return keras.Model(x, float32_outputs(logit=logit, features=f), name="discriminator")


def _check_square(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] % 2 or shape[0] < 6 or shape[2] < 1:
        raise ValueError(f"Expected square images (side, side, channels) of an even side >= 6. Received: {shape}.")
    return shape


def _sides_up(side: int) -> list[int]:
    """Sides of the generator's maps: 2, then doubled, some with a border of one pixel cut off, up to `side`."""
    sides = [side]
    while sides[0] > 2:
        sides.insert(0, 2 * math.ceil(sides[0] / 4))
    return sides


def _normal(seed: int | None) -> tuple[Any, Any]:
    """Initialisers of kernels, N(0, 0.02^2), and of batch normalisation's scales, N(1, 0.02^2)."""
    draws = (keras.initializers.RandomNormal(mean, 0.02) for mean in (0.0, 1.0))
    seeds = (None, None) if seed is None else (2 * seed, 2 * seed + 1)
    kernels, scales = (initializers(draw, s) for draw, s in zip(draws, seeds, strict=True))
    return kernels, scales


def _batch_norm(scale: Any) -> keras.Layer:
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=scale)


@keras.saving.register_keras_serializable("keras_anogan")
class GANDiscriminator(AnomalyDetector):
    """Generator and discriminator; the anomaly score is A(x) = -D(x), with D's logit.

    One step: the discriminator learns to tell x + noise from G(z) + noise; then the generator learns, on the same z, to
    be called real, without noise. A logit orders images as its sigmoid does, without the ties of a saturated sigmoid.

    In the notebook real and generated images go through the discriminator's batch normalisation apart, so that neither
    is ever seen with the mixed statistics of inference mode: trained like that, D(x) says little on single images. Here
    both are one batch, and what is learnt is what scores; `one_batch=False` is the notebook's way.

    Args:
        generator: keras.Model z (batch, latent_dim) -> x (batch, ...).
        discriminator: keras.Model x -> (logit (batch, 1), features (batch, n)).
        noise_std: standard deviation of the noise on the discriminator's inputs, real and generated, in its own step.
        one_batch: whether real and generated images are one batch for the discriminator's batch normalisation.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for noise_std < 0 or networks whose shapes do not meet.
    """

    tags = Tags(input="any", watchable=False)  # the score falls as the logit grows
    networks = ("generator", "discriminator")
    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = ("discriminator_loss", "generator_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        noise_std: float = 0.05,
        one_batch: bool = True,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, seed=seed, name=name)
        if not 0.0 <= noise_std < math.inf:
            raise ValueError(f"Expected a finite noise_std >= 0. Received: noise_std={noise_std!r}.")
        reads = [("the generator", generator.output_shape)]
        check_judge(discriminator, "discriminator", reads, ("logit", "features"))
        self.noise_std = noise_std
        self.one_batch = one_batch

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.discriminator.input_shape[1:])

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), as in the notebook."""
        return self.adam_optimizers(2e-4)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        rows = tf.shape(x)[0]
        with tf.GradientTape() as generator_tape:
            g_z = self.generator(self.random_normal("z", rows, self.generator.input_shape[1:]), training=True)

        with tf.GradientTape() as tape:
            real, generated = self._logits(self._noisy("real_noise", x), self._noisy("generated_noise", g_z))
            discriminator_loss = losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(generated, False)
        self.update("discriminator", tape, discriminator_loss)

        with generator_tape:  # goes on recording, with the discriminator as it is now
            _, generated = self._logits(x, g_z)
            generator_loss = losses.binary_cross_entropy(generated, True)
        self.update("generator", generator_tape, generator_loss)
        return self.log(discriminator_loss=discriminator_loss, generator_loss=generator_loss)

    def _logits(self, x: tf.Tensor, g_z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits (batch, 1) of real and of generated images."""
        if self.one_batch:
            real, generated = tf.split(self.discriminator(tf.concat([x, g_z], 0), training=True)[0], 2)
            return real, generated
        return tuple(self.discriminator(images, training=True)[0] for images in (x, g_z))

    def _noisy(self, name: str, x: tf.Tensor) -> tf.Tensor:
        return x + self.noise_std * self.random_normal(name, tf.shape(x)[0], tuple(x.shape[1:]))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` = -`logit`, and the discriminator's `features`."""
        logit, features = self.discriminator(x, training=False)
        return {"score": -logit[:, 0], "logit": logit[:, 0], "features": features}


@register(
    "gan_discriminator",
    GANDiscriminator,
    inputs=("image",),
    paper="Radford et al., Unsupervised Representation Learning with DCGANs, ICLR 2016; a notebook on MNIST",
)
def build(shape: tuple[int, ...], *, latent_dim: int = 32, filters: int = 64, seed: int = 0, **params: Any) -> Phases:
    """A GAN's discriminator, with the networks of the MNIST notebook.

    Args:
        shape: (side, side, C), side even.
        latent_dim: size of z.
        filters: of the discriminator's first convolution.
        seed: of the initial weights, the noise and the data order.
        **params: of `GANDiscriminator`.
    """
    generator = build_gan_generator(shape, latent_dim, filters, seed=2 * seed)
    discriminator = build_gan_discriminator(shape, filters, seed=2 * seed + 1)
    return {"gan_discriminator": GANDiscriminator(generator, discriminator, seed=seed, **params)}

"""Adversarial autoencoder (Makhzani et al. 2015, arXiv 1511.05644), scored along the encoder's path (RaPP, ICLR 2020).

An autoencoder whose codes a discriminator can't tell from Gaussian noise. Its reconstruction error alone is a weak
score: what is simple is copied well whatever it shows. The hidden layers still notice, so x and its reconstruction are
compared in each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_anogan.detector import Tags
from keras_anogan.models.path_scored import PATHS, PathScored
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import losses, networks, scores
from keras_anogan.nn.networks import check_inverse, check_judge, float32_outputs, initializers

SCORES = ("reconstruction", *PATHS)


def build_deep_encoder(
    shape: Sequence[int], latent_dim: int = 20, depth: int = 10, seed: int | None = None
) -> keras.Model:
    """Encoder x (batch, ...) -> z (batch, latent_dim) of RaPP's code: `depth` dense layers whose widths fall linearly.

    784, 707, 631, 554, 478, 402, 325, 249, 172, 96, 20 for an image of 28 x 28 pixels; batch normalisation after each,
    LeakyReLU(0.01) after all but the last.
    """
    widths, init = _widths(math.prod(shape), latent_dim, depth), initializers("glorot_uniform", seed)
    x = keras.Input(tuple(shape), name="x")
    h = _deep(layers.Flatten()(x), widths[1:], init)
    return keras.Model(x, float32_outputs(z=h)[0], name="encoder")


def build_deep_decoder(
    shape: Sequence[int], latent_dim: int = 20, depth: int = 10, seed: int | None = None
) -> keras.Model:
    """Decoder z (batch, latent_dim) -> x (batch, ...), linear: the encoder's widths the other way round."""
    widths, init = _widths(math.prod(shape), latent_dim, depth), initializers("glorot_uniform", seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Reshape(tuple(shape))(_deep(z, widths[-2::-1], init))
    return keras.Model(z, float32_outputs(x=h)[0], name="decoder")


def build_latent_discriminator(latent_dim: int = 20, depth: int = 10, seed: int | None = None) -> keras.Model:
    """Discriminator z (batch, latent_dim) -> (logit (batch, 1), features): dense layers down to one number."""
    init = initializers("glorot_uniform", seed)
    z = keras.Input((latent_dim,), name="z")
    h = z
    for width in _widths(latent_dim, 1, depth)[1:-1]:
        h = layers.LeakyReLU(0.01)(_batch_norm()(layers.Dense(width, kernel_initializer=next(init))(h)))
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model(z, float32_outputs(logit=logit, features=h), name="discriminator")


def _widths(first: int, last: int, depth: int) -> list[int]:
    return [int(width) for width in np.linspace(first, last, depth + 1)]


def _deep(h: Any, widths: Sequence[int], init: Any) -> Any:
    for width in widths[:-1]:
        h = layers.LeakyReLU(0.01)(_batch_norm()(layers.Dense(width, kernel_initializer=next(init))(h)))
    return _batch_norm()(layers.Dense(widths[-1], kernel_initializer=next(init))(h))


def _batch_norm() -> keras.Layer:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)  # PyTorch's


@keras.saving.register_keras_serializable("keras_anogan")
class AdversarialAutoencoder(PathScored):
    """Encoder, decoder and a discriminator of codes; the anomaly score compares x and its reconstruction.

    One step is three (section 2 of the paper): encoder and decoder lower E sum (x - x_hat)^2; the discriminator learns
    to tell z ~ N(0, I) from codes; the encoder learns to deceive it. The encoder's optimizer takes part in the first
    and in the third, as in RaPP's code.

    The score is

    - "nap": the squared length of the whitened difference of x and x_hat in all hidden layers of the encoder (RaPP);
    - "sap": its squared length as it is;
    - "reconstruction": the mean of (x - x_hat)^2.

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim).
        decoder: keras.Model z -> x.
        discriminator: keras.Model z -> (logit (batch, 1), features (batch, n)).
        score: which of the three.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for an unknown score, or networks whose shapes do not meet.
    """

    tags = Tags(input="any")
    networks = ("encoder", "decoder", "discriminator")
    players = {"encoder": ("encoder",), "decoder": ("decoder",), "discriminator": ("discriminator",)}
    logs = ("reconstruction_loss", "discriminator_loss", "adversarial_loss")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        discriminator: keras.Model,
        score: str = "nap",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder=encoder, decoder=decoder, discriminator=discriminator, seed=seed, name=name)
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: {score!r}.")
        check_inverse(encoder, decoder)
        check_judge(discriminator, "discriminator", [("the encoder", encoder.output_shape)], ("logit", "features"))
        self.score = score
        if score in PATHS:
            self.follow(encoder, score)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-3) for each, as in RaPP's code."""
        return {player: keras.optimizers.Adam(1e-3) for player in self.players}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            x_hat = self.decoder(self.encoder(x, training=True), training=True)
            reconstruction_loss = math.prod(self.sample_shape) * tf.reduce_mean(scores.mean_squared_error(x, x_hat))
        self.update("encoder", tape, reconstruction_loss)
        self.update("decoder", tape, reconstruction_loss)

        with tf.GradientTape() as encoder_tape:
            z = self.encoder(x, training=True)
        noise = self.random_normal("z", tf.shape(x)[0], tuple(z.shape[1:]))
        with tf.GradientTape() as tape:
            discriminator_loss = losses.binary_cross_entropy(self.discriminator(noise, training=True)[0], True)
            discriminator_loss += losses.binary_cross_entropy(self.discriminator(z, training=True)[0], False)
        self.update("discriminator", tape, discriminator_loss)
        with encoder_tape:  # goes on recording, with the discriminator as it is now
            adversarial_loss = losses.binary_cross_entropy(self.discriminator(z, training=True)[0], True)
        self.update("encoder", encoder_tape, adversarial_loss)
        return self.log(
            reconstruction_loss=reconstruction_loss,
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
        )

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `error`, the mean of (x - x_hat)^2; `sap` and `nap`, where the score is one of them; `latent`, z;
        `reconstruction`, x_hat, and for images `anomaly_map`, |x - x_hat|."""
        z = self.encoder(x, training=False)
        x_hat = self.decoder(z, training=False)
        error = scores.mean_squared_error(x, x_hat)
        explained = {"error": error, **self.path_scores(x, x_hat), "latent": z, "reconstruction": x_hat}
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return {"score": error if self.score == "reconstruction" else explained[self.score], **explained}


@register(
    "adversarial_autoencoder",
    AdversarialAutoencoder,
    inputs=("image", "table"),
    paper="Makhzani et al., Adversarial Autoencoders, 2015; scores: Kim et al., RaPP, ICLR 2020",
)
def build(
    shape: tuple[int, ...],
    *,
    architecture: str = "mlp",
    latent_dim: int | None = None,
    depth: int = 10,
    filters: int = 32,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """An adversarial autoencoder: RaPP's deep dense networks, or convolutional ones for images.

    Args:
        shape: (features,), or (H, W, C); with "dcgan" as `build_dcgan_generator` takes it.
        architecture: "mlp" or "dcgan"; tables have "mlp".
        latent_dim: size of z; default 20 for images, 8 for tables.
        depth: dense layers of each network.
        filters: of the first convolution, for "dcgan".
        seed: of the initial weights, the noise and the data order.
        **params: of `AdversarialAutoencoder`.
    """
    if architecture not in ("mlp", "dcgan") or (architecture == "dcgan" and kind_of(shape) == "table"):
        raise ValueError(
            f"Expected the architecture mlp, or dcgan for images. Received: {architecture!r} for shape {shape}."
        )
    latent_dim = latent_size(latent_dim, 8 if kind_of(shape) == "table" else 20)
    seeds = [3 * seed + i for i in range(3)]
    if architecture == "mlp":
        encoder = build_deep_encoder(shape, latent_dim, depth, seed=seeds[0])
        decoder = build_deep_decoder(shape, latent_dim, depth, seed=seeds[1])
    else:
        encoder = networks.build_dcgan_encoder(shape, latent_dim, filters, latent_activation="linear", seed=seeds[0])
        decoder = networks.build_dcgan_generator(shape, latent_dim, filters, seed=seeds[1])
    discriminator = build_latent_discriminator(latent_dim, depth, seed=seeds[2])
    detector = AdversarialAutoencoder(encoder, decoder, discriminator, seed=seed, **params)
    return {"adversarial_autoencoder": detector}

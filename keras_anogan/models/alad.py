"""ALAD: "Adversarially Learned Anomaly Detection" (Zenati et al., ICDM 2018, arXiv 1812.02288).

EfficientGAN's discriminator of pairs, and two more that make the cycles x -> z -> x and z -> x -> z consistent; the
score is a distance in the features of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import Tags
from keras_anogan.models.path_scored import PATHS, PathScored
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import losses, networks, scores
from keras_anogan.nn.layers import SpectralConv2D, SpectralDense
from keras_anogan.nn.networks import check_inverse, check_judge, float32_outputs, initializers

SCORES = ("features", "logits", "l1", "l2", *PATHS)


# Tables: the paper's KDD99 networks. No spectral normalisation there.


def build_table_encoder(features: int, latent_dim: int = 32, seed: int | None = None) -> keras.Model:
    """Encoder x (batch, features) -> z (batch, latent_dim): EfficientGAN's, with LeakyReLU(0.2).

    The generator is EfficientGAN's as it is, `networks.build_table_generator`.
    """
    return networks.build_table_encoder(features, latent_dim, slope=0.2, seed=seed)


def build_table_discriminator_xz(features: int, latent_dim: int = 32, seed: int | None = None) -> keras.Model:
    """Discriminator [x, z] -> logit (batch, 1): 128 units with batch normalisation for x, 128 with dropout 0.5 for z,
    128 with dropout 0.5 for both together, LeakyReLU(0.2)."""
    init = initializers("glorot_uniform", seed)
    x, z = keras.Input((features,), name="x"), keras.Input((latent_dim,), name="z")
    h = layers.Dense(128, kernel_initializer=next(init))(x)
    h = layers.LeakyReLU(0.2)(layers.BatchNormalization()(h))
    h = layers.Concatenate()([h, _hidden(z, 128, 0.5, next(init))])
    logit = layers.Dense(1, kernel_initializer=next(init))(_hidden(h, 128, 0.5, next(init)))
    return keras.Model([x, z], float32_outputs(logit=logit)[0], name="discriminator_xz")


def build_table_discriminator_xx(features: int, seed: int | None = None) -> keras.Model:
    """Discriminator [x, x_hat] -> (logit (batch, 1), features (batch, 128)): 128 units with LeakyReLU(0.2) and dropout
    0.2, which are f_xx."""
    init = initializers("glorot_uniform", seed)
    x, x_hat = keras.Input((features,), name="x"), keras.Input((features,), name="x_hat")
    f = _hidden(layers.Concatenate()([x, x_hat]), 128, 0.2, next(init))
    logit = layers.Dense(1, kernel_initializer=next(init))(f)
    return keras.Model([x, x_hat], float32_outputs(logit=logit, features=f), name="discriminator_xx")


def build_table_discriminator_zz(latent_dim: int = 32, seed: int | None = None) -> keras.Model:
    """Discriminator [z, z_hat] -> logit (batch, 1): 32 units with LeakyReLU(0.2) and dropout 0.2."""
    init = initializers("glorot_uniform", seed)
    z, z_hat = keras.Input((latent_dim,), name="z"), keras.Input((latent_dim,), name="z_hat")
    h = _hidden(layers.Concatenate()([z, z_hat]), 32, 0.2, next(init))
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model([z, z_hat], float32_outputs(logit=logit)[0], name="discriminator_zz")


# Images: the paper's CIFAR-10 and SVHN networks, for any sides that eight divides.


def build_image_encoder(shape: Sequence[int], latent_dim: int = 100, seed: int | None = None) -> keras.Model:
    """Encoder image (batch, H, W, C) -> z (batch, latent_dim).

    Convolutions 4x4 of stride 2 with 128, 256 and 512 filters, spectral and batch normalisation and LeakyReLU(0.2),
    then one convolution over all that is left, without.
    """
    shape, start = _eighth(shape)
    init = _narrow(seed)
    x = h = keras.Input(shape, name="x")
    for filters in (128, 256, 512):
        h = SpectralConv2D(filters, 4, 2, "same", kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(layers.BatchNormalization()(h))
    z = layers.Flatten()(layers.Conv2D(latent_dim, start, kernel_initializer=next(init))(h))
    return keras.Model(x, float32_outputs(z=z)[0], name="encoder")


def build_image_generator(shape: Sequence[int], latent_dim: int = 100, seed: int | None = None) -> keras.Model:
    """Generator z (batch, latent_dim) -> image (batch, H, W, C) in [-1, 1]: transposed convolutions to 512 maps of an
    eighth of the sides, then 4x4 of stride 2 to 256, 128 and the image; batch normalisation, ReLU, tanh at the end."""
    shape, start = _eighth(shape)
    init = _narrow(seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Reshape((1, 1, latent_dim))(z)
    h = layers.Conv2DTranspose(512, start, kernel_initializer=next(init))(h)
    for filters in (256, 128):
        h = layers.ReLU()(layers.BatchNormalization()(h))
        h = layers.Conv2DTranspose(filters, 4, 2, "same", kernel_initializer=next(init))(h)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    x = layers.Conv2DTranspose(shape[-1], 4, 2, "same", kernel_initializer=next(init))(h)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_image_discriminator_xz(shape: Sequence[int], latent_dim: int = 100, seed: int | None = None) -> keras.Model:
    """Discriminator [image, z] -> logit (batch, 1): convolutions 4x4 of stride 2 with 128, 256 and 512 filters for x,
    512 units twice for z, 1024 for both together, LeakyReLU(0.2); spectral normalisation but in the last layer."""
    shape, _ = _eighth(shape)
    init = _narrow(seed)
    x, z = keras.Input(shape, name="x"), keras.Input((latent_dim,), name="z")
    h = layers.LeakyReLU(0.2)(SpectralConv2D(128, 4, 2, "same", kernel_initializer=next(init))(x))
    for filters in (256, 512):
        h = SpectralConv2D(filters, 4, 2, "same", kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(layers.BatchNormalization()(h))
    g = z
    for _ in range(2):
        g = _hidden(g, 512, 0.2, next(init), SpectralDense)
    h = _hidden(layers.Concatenate()([layers.Flatten()(h), g]), 1024, 0.2, next(init), SpectralDense)
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model([x, z], float32_outputs(logit=logit)[0], name="discriminator_xz")


def build_image_discriminator_xx(shape: Sequence[int], seed: int | None = None) -> keras.Model:
    """Discriminator [image, image] -> (logit (batch, 1), features f_xx (batch, n)).

    The two images one above the other, as the authors' code joins them (along the height, not the channels);
    convolutions 5x5 of stride 2 with 64 and 128 filters, LeakyReLU(0.2), dropout 0.2, spectral normalisation.
    """
    shape, _ = _eighth(shape)
    init = _narrow(seed)
    x, x_hat = keras.Input(shape, name="x"), keras.Input(shape, name="x_hat")
    h = layers.Concatenate(axis=1)([x, x_hat])  # (batch, 2 H, W, C)
    for filters in (64, 128):
        h = SpectralConv2D(filters, 5, 2, "same", kernel_initializer=next(init))(h)
        h = layers.Dropout(0.2)(layers.LeakyReLU(0.2)(h))
    f = layers.Flatten()(h)
    logit = layers.Dense(1, kernel_initializer=next(init))(f)
    return keras.Model([x, x_hat], float32_outputs(logit=logit, features=f), name="discriminator_xx")


def build_image_discriminator_zz(latent_dim: int = 100, seed: int | None = None) -> keras.Model:
    """Discriminator [z, z_hat] -> logit (batch, 1): 64 and 32 units with LeakyReLU(0.2), dropout 0.2 and spectral
    normalisation."""
    init = _narrow(seed)
    z, z_hat = keras.Input((latent_dim,), name="z"), keras.Input((latent_dim,), name="z_hat")
    h = layers.Concatenate()([z, z_hat])
    for units in (64, 32):
        h = _hidden(h, units, 0.2, next(init), SpectralDense)
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model([z, z_hat], float32_outputs(logit=logit)[0], name="discriminator_zz")


def _hidden(
    x: Any, units: int, dropout: float, init: keras.initializers.Initializer, dense: type[layers.Dense] = layers.Dense
) -> Any:
    h = dense(units, kernel_initializer=init)(x)
    return layers.Dropout(dropout)(layers.LeakyReLU(0.2)(h))


def _narrow(seed: int | None) -> Any:
    return initializers(keras.initializers.RandomNormal(0.0, 0.01), seed)


def _eighth(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Checked (H, W, C), and (H, W) / 8."""
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or min(shape) < 1 or shape[0] % 8 or shape[1] % 8:
        raise ValueError(f"Expected images (height, width, channels) with sides that 8 divides. Received: {shape}.")
    return shape, (shape[0] // 8, shape[1] // 8)


@keras.saving.register_keras_serializable("keras_anogan")
class ALAD(PathScored):
    """Encoder, generator, and three discriminators: of (x, z), of (x, x_hat) and of (z, z_hat).

    One step: each discriminator learns to call its real pairs real, (x, E(x)), (x, x) and (z, z), and (G(z), z),
    (x, G(E(x))) and (z, E(G(z))) not; then, on the same batch, generator and encoder learn to have it the other way
    round, in all three (sections 3.2 and 3.3). The anomaly score (section 3.4 and its ablations) is one of

    - "features": ||f_xx(x, x) - f_xx(x, G(E(x)))||_1, where f_xx are the features of the (x, x_hat) discriminator;
    - "logits": -log sigmoid D_xx(x, G(E(x)));
    - "l1", "l2": ||x - G(E(x))||;
    - "sap", "nap": the difference of x and G(E(x)) in the hidden layers of E (`nn.paths`).

    The authors' code scores with averaged weights: `callbacks.NetworkEMA(0.999)`.

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim).
        generator: keras.Model z -> x.
        discriminator_xz: keras.Model [x, z] -> logit (batch, 1).
        discriminator_xx: keras.Model [x, x_hat] -> (logit (batch, 1), features (batch, n)).
        discriminator_zz: keras.Model [z, z_hat] -> logit (batch, 1).
        score: which of them.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for an unknown score, or networks whose shapes do not meet.
    """

    tags = Tags(input="any", averaged=0.999, least_steps=500)
    networks = ("encoder", "generator", "discriminator_xz", "discriminator_xx", "discriminator_zz")
    players = {
        "discriminator_xz": ("discriminator_xz",),
        "discriminator_xx": ("discriminator_xx",),
        "discriminator_zz": ("discriminator_zz",),
        "generator": ("generator",),
        "encoder": ("encoder",),
    }
    logs = ("xz_loss", "xx_loss", "zz_loss", "generator_loss", "encoder_loss", "cycle_loss")

    def __init__(
        self,
        encoder: keras.Model,
        generator: keras.Model,
        discriminator_xz: keras.Model,
        discriminator_xx: keras.Model,
        discriminator_zz: keras.Model,
        score: str = "features",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            encoder=encoder,
            generator=generator,
            discriminator_xz=discriminator_xz,
            discriminator_xx=discriminator_xx,
            discriminator_zz=discriminator_zz,
            seed=seed,
            name=name,
        )
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        check_inverse(encoder, generator)
        x, z = ("the generator", generator.output_shape), ("the encoder", encoder.output_shape)
        check_judge(discriminator_xz, "discriminator_xz", (x, z), ("logit",))
        check_judge(discriminator_xx, "discriminator_xx", (x, x), ("logit", "features"))
        check_judge(discriminator_zz, "discriminator_zz", (z, z), ("logit",))
        self.score = score
        if score in PATHS:
            self.follow(encoder, score)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(beta_1=0.5) with the authors' rates: 1e-5 for tables, 2e-4 for images."""
        rate = 1e-5 if len(self.call_shape) == 1 else 2e-4
        return {player: keras.optimizers.Adam(rate, beta_1=0.5) for player in self.players}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = self.random_normal("z", tf.shape(x)[0], self.generator.input_shape[1:])
        with tf.GradientTape(persistent=True) as tape:
            e_x = self.encoder(x, training=True)  # (batch, latent_dim)
            g_z = self.generator(z, training=True)  # (batch, ...)
            x_hat = self.generator(e_x, training=True)
            z_hat = self.encoder(g_z, training=True)

        own = {}
        for player, real, generated in (
            ("discriminator_xz", [x, e_x], [g_z, z]),
            ("discriminator_xx", [x, x], [x, x_hat]),
            ("discriminator_zz", [z, z], [z, z_hat]),
        ):
            with tf.GradientTape() as own_tape:
                own[player] = losses.binary_cross_entropy(self._logit(player, real), True)
                own[player] += losses.binary_cross_entropy(self._logit(player, generated), False)
            self.update(player, own_tape, own[player])

        with tape:  # goes on recording, with the discriminators as they are now
            cycle_loss = losses.binary_cross_entropy(  # the terms of (x, x) and (z, z) have no gradient here
                self._logit("discriminator_xx", [x, x_hat]), True
            ) + losses.binary_cross_entropy(self._logit("discriminator_zz", [z, z_hat]), True)
            generated = losses.binary_cross_entropy(self._logit("discriminator_xz", [g_z, z]), True)
            encoded = losses.binary_cross_entropy(self._logit("discriminator_xz", [x, e_x]), False)
            generator_loss, encoder_loss = generated + cycle_loss, encoded + cycle_loss
        self.update("generator", tape, generator_loss)
        self.update("encoder", tape, encoder_loss)
        return self.log(
            xz_loss=own["discriminator_xz"],
            xx_loss=own["discriminator_xx"],
            zz_loss=own["discriminator_zz"],
            generator_loss=generator_loss,
            encoder_loss=encoder_loss,
            cycle_loss=cycle_loss,
        )

    def _logit(self, discriminator: str, pair: list[tf.Tensor]) -> tf.Tensor:
        found = getattr(self, discriminator)(pair, training=True)
        return found[0] if isinstance(found, (list, tuple)) else found

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and all that there are: `features`, `logits`, `l1`, `l2`; `sap` and `nap` for a path score."""
        z = self.encoder(x, training=False)  # (batch, latent_dim)
        x_hat = self.generator(z, training=False)
        _, features = self.discriminator_xx([x, x], training=False)
        logit_hat, features_hat = self.discriminator_xx([x, x_hat], training=False)
        explained = {
            "features": scores.distance(features, features_hat),
            "logits": scores.cross_entropy(logit_hat),
            "l1": scores.distance(x, x_hat),
            "l2": scores.distance(x, x_hat, 2),
            **self.path_scores(x, x_hat),
        }
        explained |= {"score": explained[self.score], "latent": z, "reconstruction": x_hat}
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "alad",
    ALAD,
    inputs=("image", "table"),
    paper="Zenati et al., Adversarially Learned Anomaly Detection, ICDM 2018",
)
def build(shape: tuple[int, ...], *, latent_dim: int | None = None, seed: int = 0, **params: Any) -> Phases:
    """ALAD, with the paper's networks for tables, or for images.

    Args:
        shape: (features,), or (H, W, C) with sides that 8 divides.
        latent_dim: size of z; default 32 (tables), 100 (images).
        seed: of the initial weights, the noise and the data order.
        **params: of `ALAD`.
    """
    seeds = [5 * seed + i for i in range(5)]
    if kind_of(shape) == "table":
        n, latent_dim = shape[0], latent_size(latent_dim, 32)
        made = [
            build_table_encoder(n, latent_dim, seed=seeds[0]),
            networks.build_table_generator(n, latent_dim, seed=seeds[1]),
            build_table_discriminator_xz(n, latent_dim, seed=seeds[2]),
            build_table_discriminator_xx(n, seed=seeds[3]),
            build_table_discriminator_zz(latent_dim, seed=seeds[4]),
        ]
    else:
        latent_dim = latent_size(latent_dim, 100)
        made = [
            build_image_encoder(shape, latent_dim, seed=seeds[0]),
            build_image_generator(shape, latent_dim, seed=seeds[1]),
            build_image_discriminator_xz(shape, latent_dim, seed=seeds[2]),
            build_image_discriminator_xx(shape, seed=seeds[3]),
            build_image_discriminator_zz(latent_dim, seed=seeds[4]),
        ]
    parts = dict(zip(ALAD.networks, made, strict=True))
    return {"alad": ALAD(**parts, seed=seed, **params)}

"""EfficientGAN: "Efficient GAN-Based Anomaly Detection" (Zenati et al. 2018, arXiv 1802.06222), also called EGBAD.

A BiGAN (Donahue et al. 2017; Dumoulin et al. 2017): the discriminator tells pairs (x, E(x)) from pairs (G(z), z), so
that the encoder learns to invert the generator and no search is needed at query time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import Tags
from keras_anogan.models.path_scored import PATHS, PathScored
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import losses, networks, scores
from keras_anogan.nn.networks import check_inverse, check_judge, float32_outputs, initializers

SCORES = ("feature_matching", "cross_entropy", "cross_entropy_generated", *PATHS)


# Tables: the paper's KDD99 networks; encoder and generator are `networks.build_table_encoder`, `build_table_generator`.


def build_table_discriminator(features: int, latent_dim: int = 32, seed: int | None = None) -> keras.Model:
    """Discriminator [x (batch, features), z (batch, latent_dim)] -> (logit (batch, 1), features (batch, 128)).

    128 units for x, 128 for z, 128 for both together, LeakyReLU(0.1) and dropout 0.2 after each; `features` is f_D,
    the last of these.
    """
    init = initializers("glorot_uniform", seed)
    x, z = keras.Input((features,), name="x"), keras.Input((latent_dim,), name="z")
    hidden = lambda h: _hidden(h, 128, 0.2, next(init))  # noqa: E731
    f = hidden(layers.Concatenate()([hidden(x), hidden(z)]))
    logit = layers.Dense(1, kernel_initializer=next(init))(f)
    return keras.Model([x, z], float32_outputs(logit=logit, features=f), name="discriminator")


# Images: the paper's MNIST networks, for any sides that four divides.


def build_image_encoder(shape: Sequence[int], latent_dim: int = 200, seed: int | None = None) -> keras.Model:
    """Encoder image (batch, H, W, C) -> z (batch, latent_dim): convolutions 3x3 of 32, 64 and 128 filters, the last two
    with stride 2 and batch normalisation, LeakyReLU(0.1), then linear."""
    shape, _ = _quarter(shape)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    x = keras.Input(shape, name="x")
    h = layers.LeakyReLU(0.1)(layers.Conv2D(32, 3, padding="same", kernel_initializer=next(init))(x))
    for filters in (64, 128):
        h = layers.Conv2D(filters, 3, 2, "same", kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.1)(layers.BatchNormalization()(h))
    z = layers.Dense(latent_dim, kernel_initializer=next(init))(layers.Flatten()(h))
    return keras.Model(x, float32_outputs(z=z)[0], name="encoder")


def build_image_generator(shape: Sequence[int], latent_dim: int = 200, seed: int | None = None) -> keras.Model:
    """Generator z (batch, latent_dim) -> image (batch, H, W, C) in [-1, 1].

    1024 units, 128 maps of a quarter of the sides, transposed convolutions 4x4 of stride 2 to 64 maps and to the
    image; batch normalisation and ReLU between, tanh at the end.
    """
    shape, start = _quarter(shape)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    z = keras.Input((latent_dim,), name="z")
    h = z
    for units in (1024, math.prod(start) * 128):
        h = layers.Dense(units, kernel_initializer=next(init))(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))
    h = layers.Reshape((*start, 128))(h)
    h = layers.Conv2DTranspose(64, 4, 2, "same", kernel_initializer=next(init))(h)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    x = layers.Conv2DTranspose(shape[-1], 4, 2, "same", kernel_initializer=next(init))(h)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_image_discriminator(shape: Sequence[int], latent_dim: int = 200, seed: int | None = None) -> keras.Model:
    """Discriminator [image (batch, H, W, C), z (batch, latent_dim)] -> (logit (batch, 1), features (batch, 1024)).

    Two convolutions 4x4 of 64 filters and stride 2 for x, the second with batch normalisation; 512 units for z; 1024
    for both together; LeakyReLU(0.1) and dropout 0.5 after each. `features` is f_D, the last of these.
    """
    shape, _ = _quarter(shape)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    x, z = keras.Input(shape, name="x"), keras.Input((latent_dim,), name="z")
    h = layers.Conv2D(64, 4, 2, "same", kernel_initializer=next(init))(x)
    h = layers.Dropout(0.5)(layers.LeakyReLU(0.1)(h))
    h = layers.Conv2D(64, 4, 2, "same", kernel_initializer=next(init))(h)
    h = layers.Dropout(0.5)(layers.LeakyReLU(0.1)(layers.BatchNormalization()(h)))
    h = layers.Concatenate()([layers.Flatten()(h), _hidden(z, 512, 0.5, next(init))])
    f = _hidden(h, 1024, 0.5, next(init))
    logit = layers.Dense(1, kernel_initializer=next(init))(f)
    return keras.Model([x, z], float32_outputs(logit=logit, features=f), name="discriminator")


def _hidden(x: Any, units: int, dropout: float, init: keras.initializers.Initializer) -> Any:
    h = layers.Dense(units, kernel_initializer=init)(x)
    return layers.Dropout(dropout)(layers.LeakyReLU(0.1)(h))


def _quarter(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Checked (H, W, C), and (H, W) / 4."""
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or min(shape) < 1 or shape[0] % 4 or shape[1] % 4:
        raise ValueError(f"Expected images (height, width, channels) with sides that 4 divides. Received: {shape}.")
    return shape, (shape[0] // 4, shape[1] // 4)


@keras.saving.register_keras_serializable("keras_anogan")
class EfficientGAN(PathScored):
    """Encoder, generator, and a discriminator of pairs (x, z).

    One step: the discriminator learns to call pairs (x, E(x)) real and pairs (G(z), z) not; then, on the same batch,
    generator and encoder learn to have it the other way round. The anomaly score is

        A(x) = weight ||x - G(E(x))|| + (1 - weight) L_D(x)          (section 3.2)

    with one of three L_D:

    - "feature_matching": ||f_D(x, E(x)) - f_D(G(E(x)), E(x))||, where f_D are the discriminator's features;
    - "cross_entropy": -log sigmoid D(x, E(x)), as the paper writes it;
    - "cross_entropy_generated": -log sigmoid D(G(E(x)), E(x)), as its authors' code has it.

    Or it is "sap" or "nap": the difference of x and G(E(x)) in the hidden layers of E (`nn.paths`).

    The authors' code counts the weight the other way round: its w = 0.1 is weight = 0.9 here. It also scores with
    averaged weights: `callbacks.NetworkEMA(0.9999)` for KDD99, 0.999 for MNIST.

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim).
        generator: keras.Model z -> x.
        discriminator: keras.Model [x, z] -> (logit (batch, 1), features (batch, n)).
        score: which L_D, or which path score.
        weight: of the residual term, in [0, 1].
        degree: of both norms, >= 1.
        cycle: weight of the mean of ||x - G(E(x))||_1 in the loss of generator and encoder; 0 in the paper, whose
            training leaves it to the discriminator that E inverts G, and then does so on some seeds only.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for an unknown score, a weight outside [0, 1], a degree < 1, or networks whose shapes do not meet.
    """

    tags = Tags(input="any", averaged=0.999, least_steps=500)
    networks = ("encoder", "generator", "discriminator")
    players = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}
    logs = ("discriminator_loss", "generator_loss", "cycle_loss")

    def __init__(
        self,
        encoder: keras.Model,
        generator: keras.Model,
        discriminator: keras.Model,
        score: str = "feature_matching",
        weight: float = 0.9,
        degree: float = 1,
        cycle: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder=encoder, generator=generator, discriminator=discriminator, seed=seed, name=name)
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"Expected 0 <= weight <= 1. Received: weight={weight!r}.")
        if not degree >= 1:
            raise ValueError(f"Expected degree >= 1. Received: degree={degree!r}.")
        if not cycle >= 0.0:
            raise ValueError(f"Expected cycle >= 0. Received: cycle={cycle!r}.")
        check_inverse(encoder, generator)
        reads = (("the generator", generator.output_shape), ("the encoder", encoder.output_shape))
        check_judge(discriminator, "discriminator", reads, ("logit", "features"))
        self.score = score
        self.weight = weight
        self.degree = degree
        self.cycle = cycle
        if score in PATHS:
            self.follow(encoder, score)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-5, beta_1=0.5), as in the authors' code."""
        return {player: keras.optimizers.Adam(1e-5, beta_1=0.5) for player in self.players}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = self.random_normal("z", tf.shape(x)[0], self.generator.input_shape[1:])
        with tf.GradientTape() as generator_tape:
            e_x = self.encoder(x, training=True)  # (batch, latent_dim)
            g_z = self.generator(z, training=True)  # (batch, ...)

        with tf.GradientTape() as tape:
            encoded, _ = self.discriminator([x, e_x], training=True)  # (batch, 1)
            generated, _ = self.discriminator([g_z, z], training=True)
            discriminator_loss = losses.binary_cross_entropy(encoded, True) + losses.binary_cross_entropy(
                generated, False
            )
        self.update("discriminator", tape, discriminator_loss)

        with generator_tape:  # goes on recording, with the discriminator as it is now
            encoded, _ = self.discriminator([x, e_x], training=True)
            generated, _ = self.discriminator([g_z, z], training=True)
            generator_loss = losses.binary_cross_entropy(encoded, False) + losses.binary_cross_entropy(generated, True)
            logged = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}
            if self.cycle > 0.0:
                cycle_loss = tf.reduce_mean(scores.distance(x, self.generator(e_x, training=True)))
                logged["cycle_loss"] = cycle_loss
                generator_loss += self.cycle * cycle_loss
        self.update("generator", generator_tape, generator_loss)
        return self.log(**logged)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` = weight x `residual` + (1 - weight) x `discriminator_term`, and what they are made of.

        For a path score there are `sap` and `nap` too, and `discriminator_term` is that of feature matching.
        """
        z = self.encoder(x, training=False)  # (batch, latent_dim)
        x_hat = self.generator(z, training=False)
        logit, features = self.discriminator([x, z], training=False)
        logit_hat, features_hat = self.discriminator([x_hat, z], training=False)
        residual = scores.distance(x, x_hat, self.degree)
        if self.score in ("feature_matching", *PATHS):
            term = scores.distance(features, features_hat, self.degree)
        else:
            term = scores.cross_entropy(logit if self.score == "cross_entropy" else logit_hat)
        paths = self.path_scores(x, x_hat)
        explained = {
            "score": paths.get(self.score, self.weight * residual + (1.0 - self.weight) * term),
            **paths,
            "residual": residual,
            "discriminator_term": term,
            "latent": z,
            "reconstruction": x_hat,
        }
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "efficientgan",
    EfficientGAN,
    inputs=("image", "table"),
    paper="Zenati et al., Efficient GAN-Based Anomaly Detection, arXiv 1802.06222, 2018",
)
def build(
    shape: tuple[int, ...], *, latent_dim: int | None = None, cycle: float | None = None, seed: int = 0, **params: Any
) -> Phases:
    """EfficientGAN, with the paper's networks for tables or for images; for tables with a cycle term of our own.

    Without that term some seeds do not learn to invert the generator; cycle=0 is the paper.

    Args:
        shape: (features,), or (H, W, C) with sides that 4 divides.
        latent_dim: size of z; default 32 (tables), 200 (images).
        cycle: as in `EfficientGAN`; default 0.1 (tables), 0 (images).
        seed: of the initial weights, the noise and the data order.
        **params: of `EfficientGAN`.
    """
    size: Any = shape
    makers: list[Callable[..., keras.Model]]
    if kind_of(shape) == "table":
        size, latent_dim, default_cycle = shape[0], latent_size(latent_dim, 32), 0.1
        makers = [networks.build_table_encoder, networks.build_table_generator, build_table_discriminator]
    else:
        latent_dim, default_cycle = latent_size(latent_dim, 200), 0.0
        makers = [build_image_encoder, build_image_generator, build_image_discriminator]
    made = [make(size, latent_dim, seed=3 * seed + i) for i, make in enumerate(makers)]
    parts = dict(zip(EfficientGAN.networks, made, strict=True))
    cycle = default_cycle if cycle is None else cycle
    return {"efficientgan": EfficientGAN(**parts, cycle=cycle, seed=seed, **params)}

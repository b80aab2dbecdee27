"""GANomaly: "Semi-Supervised Anomaly Detection via Adversarial Training" (Akcay et al., ACCV 2018, arXiv 1805.06725).

An encoder, a decoder, and an encoder again: x to z to x_hat to z_hat. On normal images z_hat comes back to z. What
comes back badly is anomalous. The authors' code normalises the images of a test batch together, shows them sorted by
class, and keeps the epoch that is best on the test; here each image is scored by itself, after the last epoch.
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
from keras_anogan.nn.layers import FusedBatchNormalization
from keras_anogan.nn.networks import check_inverse, check_judge, dcgan_plan, float32_outputs, initializers
from keras_anogan.training.adversarial import AdversarialModel
from keras_anogan.training.replicas import replicas

NORMS = ("l2", "l1")
SCORES = ("latent", *PATHS)
NORMALIZATIONS = ("batch", "instance")


def build_ganomaly_encoder(
    shape: Sequence[int],
    latent_dim: int = 100,
    filters: int = 64,
    normalization: str = "batch",
    seed: int | None = None,
) -> keras.Model:
    """Encoder image (batch, H, W, C) -> z (batch, latent_dim), linear: 32, 16, 8, 4 pixels a side at 32.

    Convolutions 4x4 of stride 2 without bias and LeakyReLU(0.2), 1, 2, 4, ... times `filters` maps, normalised from the
    second on. The published last layer, a convolution over all of the smallest map, is a dense layer here: the same
    function. Kernels begin at N(0, 0.02^2), scales at N(1, 0.02^2).
    """
    x, h, init = _trunk(shape, filters, normalization, seed)
    z = layers.Dense(latent_dim, use_bias=False, kernel_initializer=next(init))(layers.Flatten()(h))
    return keras.Model(x, float32_outputs(z=z)[0], name="encoder")


def build_ganomaly_decoder(
    shape: Sequence[int],
    latent_dim: int = 100,
    filters: int = 64,
    normalization: str = "batch",
    seed: int | None = None,
) -> keras.Model:
    """Decoder z (batch, latent_dim) -> image (batch, H, W, C) in [-1, 1]: the encoder's layers the other way round,
    transposed, each but the last with normalisation and ReLU."""
    shape, start, widths = dcgan_plan(shape, filters)
    init, norm = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed), normalizers(normalization, seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(start[0] * start[1] * widths[-1], use_bias=False, kernel_initializer=next(init))(z)
    h = layers.Reshape((*start, widths[-1]))(h)
    for width in (*reversed(widths[:-1]), shape[-1]):
        h = layers.ReLU()(next(norm)(h))
        h = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(h), name="decoder")


def build_ganomaly_discriminator(
    shape: Sequence[int], filters: int = 64, normalization: str = "batch", seed: int | None = None
) -> keras.Model:
    """Discriminator image (batch, H, W, C) -> (logit (batch, 1), features): the encoder with one output; `features`
    are its last maps, flattened."""
    x, h, init = _trunk(shape, filters, normalization, seed)
    features = layers.Flatten()(h)
    logit = layers.Dense(1, use_bias=False, kernel_initializer=next(init))(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


def build_ganomaly_table_discriminator(features: int, seed: int | None = None) -> keras.Model:
    """Discriminator row (batch, features) -> (logit (batch, 1), features (batch, 64)): the table encoder's layer."""
    init = initializers("glorot_uniform", seed)
    x = keras.Input((features,), name="x")
    h = layers.LeakyReLU(0.1)(layers.Dense(64, kernel_initializer=next(init))(x))
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model(x, float32_outputs(logit=logit, features=h), name="discriminator")


def _trunk(shape: Sequence[int], filters: int, normalization: str, seed: int | None) -> tuple[Any, Any, Any]:
    """Input, last maps, and the initialisers that go on with them."""
    shape, _, widths = dcgan_plan(shape, filters)
    init, norm = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed), normalizers(normalization, seed)
    x = h = keras.Input(shape, name="x")
    for stage, width in enumerate(widths):
        h = layers.Conv2D(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(next(norm)(h) if stage else h)
    return x, h, init


def normalizers(normalization: str, seed: int | None) -> Any:
    """Fresh layers that normalise maps over the batch or each image by itself; scales begin at N(1, 0.02^2)."""
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"Expected the normalization to be one of {NORMALIZATIONS}. Received: {normalization!r}.")
    for scale in initializers(keras.initializers.RandomNormal(1.0, 0.02), None if seed is None else seed + 500):
        if normalization == "batch":
            yield FusedBatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=scale)
        else:
            yield layers.GroupNormalization(groups=-1, epsilon=1e-5, gamma_initializer=scale)


@keras.saving.register_keras_serializable("keras_anogan")
class GANomaly(PathScored):
    """Encoder, decoder, second encoder and discriminator; the anomaly score is the distance of z and z_hat.

    With x_hat = decoder(encoder(x)), z = encoder(x) and z_hat = second_encoder(x_hat) one step lowers, for encoders and
    decoder (means over pixels, features and numbers of z),

        w_adv E (f(x) - f(x_hat))^2 + w_con E |x - x_hat| + w_enc E (z - z_hat)^2

    where f are the discriminator's features, and for the discriminator (BCE(D(x), 1) + BCE(D(x_hat), 0)) / 2. Both
    gradients are taken at the same weights, as in the authors' code. The score is

    - "l2": the mean of (z - z_hat)^2, as in the authors' code;
    - "l1": the mean of |z - z_hat|, the paper's but for a constant factor.

    With score="sap" or "nap" it is the difference of x and x_hat in the hidden layers of the first encoder
    (`nn.paths`).

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim).
        decoder: keras.Model z -> x.
        second_encoder: keras.Model like the encoder, with weights of its own.
        discriminator: keras.Model x -> (logit (batch, 1), features (batch, n)).
        w_adv, w_con, w_enc: weights of the three losses, >= 0; 1, 50 and 1 as published.
        norm: of the score, "l2" or "l1".
        score: "latent", "sap" or "nap".
        reinit_below: where the discriminator's loss falls below this, its weights are drawn anew (`draw_anew`), as in
            the authors' code; 0 for never, and never on several replicas.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for negative numbers, an unknown norm or score, or networks whose shapes do not meet.
    """

    tags = Tags(input="any")
    networks = ("encoder", "decoder", "second_encoder", "discriminator")
    players = {"generator": ("encoder", "decoder", "second_encoder"), "discriminator": ("discriminator",)}
    logs = ("discriminator_loss", "adversarial_loss", "contextual_loss", "encoder_loss")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        second_encoder: keras.Model,
        discriminator: keras.Model,
        w_adv: float = 1.0,
        w_con: float = 50.0,
        w_enc: float = 1.0,
        norm: str = "l2",
        score: str = "latent",
        reinit_below: float = 1e-5,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            second_encoder=second_encoder,
            discriminator=discriminator,
            seed=seed,
            name=name,
        )
        for key, value in (("w_adv", w_adv), ("w_con", w_con), ("w_enc", w_enc), ("reinit_below", reinit_below)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"Expected a finite {key} >= 0. Received: {key}={value!r}.")
        if norm not in NORMS:
            raise ValueError(f"Expected the norm to be one of {NORMS}. Received: norm={norm!r}.")
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        for network in (encoder, second_encoder):
            check_inverse(network, decoder)
        check_judge(discriminator, "discriminator", [("the decoder", decoder.output_shape)], ("logit", "features"))
        self.w_adv = w_adv
        self.w_con = w_con
        self.w_enc = w_enc
        self.norm = norm
        self.score = score
        self.reinit_below = reinit_below
        if score in PATHS:
            self.follow(encoder, score)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), as in the authors' code."""
        return self.adam_optimizers(2e-4)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            z = self.encoder(x, training=True)
            x_hat = self.decoder(z, training=True)
            z_hat = self.second_encoder(x_hat, training=True)
            real, features = self.discriminator(x, training=True)
            made, features_hat = self.discriminator(x_hat, training=True)
            adversarial_loss = tf.reduce_mean(scores.mean_squared_error(features, features_hat))
            contextual_loss = tf.reduce_mean(scores.mean_absolute_error(x, x_hat))
            encoder_loss = tf.reduce_mean(scores.mean_squared_error(z, z_hat))
            loss = self.w_adv * adversarial_loss + self.w_con * contextual_loss + self.w_enc * encoder_loss
            discriminator_loss = losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(made, False)
            discriminator_loss *= 0.5
        self.update("generator", tape, loss)
        self.update("discriminator", tape, discriminator_loss)
        if self.reinit_below > 0.0 and replicas() == 1:
            draw_anew(self, self.discriminator, discriminator_loss < self.reinit_below)
        return self.log(
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
            contextual_loss=contextual_loss,
            encoder_loss=encoder_loss,
        )

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `error`, the mean of |x - x_hat|; `latent`, z, and `latent_hat`, z_hat; `reconstruction`, x_hat, and
        for images `anomaly_map`, |x - x_hat|; `sap` and `nap` where it is a path score."""
        z = self.encoder(x, training=False)  # (batch, latent_dim)
        x_hat = self.decoder(z, training=False)
        z_hat = self.second_encoder(x_hat, training=False)
        distance = scores.mean_squared_error if self.norm == "l2" else scores.mean_absolute_error
        paths = self.path_scores(x, x_hat)
        explained = {
            "score": paths.get(self.score, distance(z, z_hat)),
            **paths,
            "error": scores.mean_absolute_error(x, x_hat),
            "latent": z,
            "latent_hat": z_hat,
            "reconstruction": x_hat,
        }
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


def draw_anew(model: AdversarialModel, network: keras.Model, when: tf.Tensor) -> None:
    """Where `when` is true, give a network fresh weights, as the authors' code does with a discriminator that has won.

    Kernels are drawn from N(0, 0.02^2), scales of normalisation from N(1, 0.02^2); offsets and biases become 0. Moving
    statistics and the optimizer's state stay. The draw is a function of (seed, step).
    """
    variables = {v.path: v for v in network.trainable_variables if v.name in ("kernel", "gamma", "beta", "bias")}

    def fresh(path: str, variable: keras.Variable) -> tf.Tensor:
        if variable.name in ("beta", "bias"):
            return tf.zeros(variable.shape)
        noise = model.random_normal(f"anew/{path}", variable.shape[0], tuple(variable.shape[1:]))
        return 0.02 * noise + (1.0 if variable.name == "gamma" else 0.0)

    def draw() -> list[tf.Tensor]:
        return [fresh(path, variable) for path, variable in variables.items()]

    drawn = tf.cond(when, draw, lambda: [tf.convert_to_tensor(variable) for variable in variables.values()])
    for variable, value in zip(variables.values(), drawn, strict=True):
        variable.assign(value)


@register(
    "ganomaly",
    GANomaly,
    inputs=("image", "table"),
    paper="Akcay et al., GANomaly, ACCV 2018",
)
def build(
    shape: tuple[int, ...],
    *,
    latent_dim: int | None = None,
    filters: int = 64,
    normalization: str = "batch",
    seed: int = 0,
    **params: Any,
) -> Phases:
    """GANomaly with the authors' networks for images, fully connected ones for tables.

    Args:
        shape: (features,), or (H, W, C) as `build_dcgan_generator` takes it; 32 x 32 in the paper.
        latent_dim: size of z; default 100 for images, 8 for tables.
        filters: of the first convolution; for images.
        normalization: "batch", or "instance", which normalises each image by itself, in training as in scoring: the
            authors say that they train with a batch of one; for images.
        seed: of the initial weights and the data order.
        **params: of `GANomaly`.
    """
    seeds = [4 * seed + i for i in range(4)]
    if kind_of(shape) == "table":
        latent_dim = latent_size(latent_dim, 8)
        encoder, second = (networks.build_table_encoder(shape[0], latent_dim, seed=s) for s in (seeds[0], seeds[2]))
        decoder = networks.build_table_generator(shape[0], latent_dim, seed=seeds[1])
        discriminator = build_ganomaly_table_discriminator(shape[0], seed=seeds[3])
    else:
        latent_dim = latent_size(latent_dim, 100)
        size: dict[str, Any] = {"filters": filters, "normalization": normalization}
        encoder, second = (build_ganomaly_encoder(shape, latent_dim, seed=s, **size) for s in (seeds[0], seeds[2]))
        decoder = build_ganomaly_decoder(shape, latent_dim, seed=seeds[1], **size)
        discriminator = build_ganomaly_discriminator(shape, seed=seeds[3], **size)
    return {"ganomaly": GANomaly(encoder, decoder, second, discriminator, seed=seed, **params)}

"""Skip-GANomaly (Akcay et al., IJCNN 2019, arXiv 1901.08954): a U-Net in the place of GANomaly's three networks.

The generator copies an image through all scales. What it copies badly, and what the discriminator's last features find
changed, is anomalous.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.ganomaly import draw_anew, normalizers
from keras_anogan.models.registry import Phases, latent_size, register
from keras_anogan.nn import losses, scores
from keras_anogan.nn.networks import check_copier, check_judge, dcgan_plan, float32_outputs, initializers
from keras_anogan.training.replicas import replicas


def build_skip_generator(
    shape: Sequence[int], filters: int = 64, normalization: str = "batch", seed: int | None = None
) -> keras.Model:
    """U-Net image (batch, H, W, C) -> image in [-1, 1] of the same shape: 32, 16, 8, 4, 2, 1 pixels a side at 32.

    Convolutions 4x4 of stride 2 with LeakyReLU(0.2) before them, 1, 2, 4, 8, 8 times `filters` maps; transposed ones
    back with ReLU before them, each after the first reading the maps of its size on the way down too; normalisation
    after all but the first, the innermost and the last; a bias in the last alone (pix2pix's generator, of as many
    stages as halve the sides).
    """
    shape, stages = _check(shape), 0
    while all(side % 2 ** (stages + 1) == 0 for side in shape[:2]):
        stages += 1
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    norm = normalizers(normalization, seed)
    widths = [filters * min(8, 2**stage) for stage in range(stages)]
    x = h = keras.Input(shape, name="x")
    down = []
    for stage, width in enumerate(widths):
        h = layers.LeakyReLU(0.2)(h) if stage else h
        plain = stage in (0, stages - 1)
        h = layers.Conv2D(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = h if plain else next(norm)(h)
        down.append(h)
    for width, skip in zip(reversed(widths[:-1]), reversed(down[:-1]), strict=True):
        h = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(layers.ReLU()(h))
        h = layers.Concatenate()([skip, next(norm)(h)])
    h = layers.Conv2DTranspose(shape[-1], 4, 2, "same", kernel_initializer=next(init))(layers.ReLU()(h))
    return keras.Model(x, layers.Activation("tanh", dtype="float32")(h), name="generator")


def build_skip_discriminator(
    shape: Sequence[int],
    latent_dim: int = 100,
    filters: int = 64,
    normalization: str = "batch",
    seed: int | None = None,
) -> keras.Model:
    """Discriminator image (batch, H, W, C) -> (logit (batch, 1), features (batch, latent_dim)).

    GANomaly's encoder with a bias, and a linear logit of its output; the published last layer, a convolution 3x3 of a
    map of one pixel, is a dense layer here: the same function.
    """
    shape, _, widths = dcgan_plan(shape, filters)
    init, norm = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed), normalizers(normalization, seed)
    x = h = keras.Input(shape, name="x")
    for stage, width in enumerate(widths):
        h = layers.Conv2D(width, 4, 2, "same", use_bias=stage == 0, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(next(norm)(h) if stage else h)
    features = layers.Dense(latent_dim, kernel_initializer=next(init))(layers.Flatten()(h))
    logit = layers.Dense(1, kernel_initializer=next(init))(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


def _check(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4 or min(shape) < 1:
        raise ValueError(f"Expected images (height, width, channels) of sides that 4 divides. Received: shape {shape}.")
    return shape


@keras.saving.register_keras_serializable("keras_anogan")
class SkipGANomaly(AnomalyDetector):
    """U-Net and discriminator; the anomaly score is 0.9 E (x - x_hat)^2 + 0.1 E (f(x) - f(x_hat))^2.

    With x_hat = G(x) and the discriminator's features f one step lowers, for the generator,

        w_adv BCE(D(x_hat), 1) + w_con E |x - x_hat| + w_lat E (f(x) - f(x_hat))^2

    and for the discriminator BCE(D(x), 1) + BCE(D(x_hat), 0), both at the same weights. The authors' code adds the last
    term to the discriminator's loss too, which would teach it to see no difference; here it does not.

    Args:
        generator: keras.Model x (batch, H, W, C) -> image of the same shape.
        discriminator: keras.Model x -> (logit (batch, 1), features (batch, n)).
        w_adv, w_con, w_lat: weights of the three losses, >= 0; 1, 50 and 1 as in the authors' code.
        share: weight of the image in the score, in [0, 1]; the features have the rest. 0.9 as published.
        reinit_below: as in `GANomaly`.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for negative numbers, a share outside [0, 1], or networks whose shapes do not meet.
    """

    tags = Tags(input="image")
    networks = ("generator", "discriminator")
    players = {"generator": ("generator",), "discriminator": ("discriminator",)}
    logs = ("discriminator_loss", "adversarial_loss", "contextual_loss", "latent_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        w_adv: float = 1.0,
        w_con: float = 50.0,
        w_lat: float = 1.0,
        share: float = 0.9,
        reinit_below: float = 1e-5,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, seed=seed, name=name)
        for key, value in (("w_adv", w_adv), ("w_con", w_con), ("w_lat", w_lat), ("reinit_below", reinit_below)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"Expected a finite {key} >= 0. Received: {key}={value!r}.")
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"Expected share in [0, 1]. Received: share={share!r}.")
        check_copier(generator, "generator")
        check_judge(discriminator, "discriminator", [("the generator", generator.output_shape)], ("logit", "features"))
        self.w_adv = w_adv
        self.w_con = w_con
        self.w_lat = w_lat
        self.share = share
        self.reinit_below = reinit_below

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), as in the authors' code."""
        return self.adam_optimizers(2e-4)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            x_hat = self.generator(x, training=True)
            real, features = self.discriminator(x, training=True)
            made, features_hat = self.discriminator(x_hat, training=True)
            adversarial_loss = losses.binary_cross_entropy(made, True)
            contextual_loss = tf.reduce_mean(scores.mean_absolute_error(x, x_hat))
            latent_loss = tf.reduce_mean(scores.mean_squared_error(features, features_hat))
            loss = self.w_adv * adversarial_loss + self.w_con * contextual_loss + self.w_lat * latent_loss
            discriminator_loss = losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(made, False)
        self.update("generator", tape, loss)
        self.update("discriminator", tape, discriminator_loss)
        if self.reinit_below > 0.0 and replicas() == 1:
            draw_anew(self, self.discriminator, discriminator_loss < self.reinit_below)
        return self.log(
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
            contextual_loss=contextual_loss,
            latent_loss=latent_loss,
        )

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `error`, the mean of (x - x_hat)^2, and `feature_error`, that of the features, of which it is made;
        `reconstruction`, x_hat; `anomaly_map`, |x - x_hat|."""
        x_hat = self.generator(x, training=False)
        _, features = self.discriminator(x, training=False)
        _, features_hat = self.discriminator(x_hat, training=False)
        error = scores.mean_squared_error(x, x_hat)
        feature_error = scores.mean_squared_error(features, features_hat)
        return {
            "score": self.share * error + (1.0 - self.share) * feature_error,
            "error": error,
            "feature_error": feature_error,
            "reconstruction": x_hat,
            "anomaly_map": scores.residual_map(x, x_hat),  # (batch, H, W)
        }


@register(
    "skip_ganomaly",
    SkipGANomaly,
    inputs=("image",),
    paper="Akcay et al., Skip-GANomaly, IJCNN 2019",
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
    """Skip-GANomaly with the authors' networks.

    Args:
        shape: (H, W, C) as `build_dcgan_generator` takes it, sides that 4 divides; 32 x 32 in the paper.
        latent_dim: of the discriminator's features; default 100.
        filters: of the first convolution.
        normalization: "batch" or "instance", as for "ganomaly".
        seed: of the initial weights and the data order.
        **params: of `SkipGANomaly`.
    """
    generator = build_skip_generator(shape, filters, normalization, seed=2 * seed)
    discriminator = build_skip_discriminator(shape, latent_size(latent_dim, 100), filters, normalization, 2 * seed + 1)
    return {"skip_ganomaly": SkipGANomaly(generator, discriminator, seed=seed, **params)}

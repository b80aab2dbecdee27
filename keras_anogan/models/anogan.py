"""AnoGAN: "Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery"
(Schlegl et al., IPMI 2017, arXiv 1703.05921).

A DCGAN learns to make normal images from random numbers z. An image is judged by the nearest one that the generator can
make, found by a search over z. f-AnoGAN, by the same authors, has an encoder in place of the search.

Well-known implementations search with the generator's weights set free, with the last query's z and moments, or not
at all. Here scoring moves no weight, and every query begins at the same z with fresh moments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import losses, networks, scores
from keras_anogan.nn.folding import fold
from keras_anogan.nn.networks import check_inverse, check_judge, float32_outputs, initializers
from keras_anogan.nn.search import Found, Objective, check_search, search_path


def build_table_discriminator(features: int, seed: int | None = None) -> keras.Model:
    """Discriminator x (batch, features) -> (logit (batch, 1), features (batch, 128)): 256, 128 and 128 units with
    LeakyReLU(0.1) and dropout 0.2, as AnoGAN is run on KDD99 by the authors of EfficientGAN."""
    init = initializers("glorot_uniform", seed)
    x = h = keras.Input((features,), name="x")
    for units in (256, 128, 128):
        h = layers.Dense(units, kernel_initializer=next(init))(h)
        h = layers.Dropout(0.2)(layers.LeakyReLU(0.1)(h))
    logit = layers.Dense(1, kernel_initializer=next(init))(h)
    return keras.Model(x, float32_outputs(logit=logit, features=h), name="discriminator")


@keras.saving.register_keras_serializable("keras_anogan")
class AnoGAN(AnomalyDetector):
    """Generator and discriminator, and a search for z at query time.

    Training is a GAN's: the discriminator learns to tell x from G(z), then the generator, on the same z, to be called
    real. The anomaly score is the least value found, in `steps` steps on z alone, of

        A(x) = min over z of (1 - lambda_) R(z) + lambda_ D(z),   R = sum |x - G(z)|,   D = sum |f(x) - f(G(z))|

    (eq. 4 to 6), where f are the discriminator's features. The paper takes the value of the last step; the least one is
    never above it, and less at the mercy of a last step that overshoots. Networks that are trained already may be
    passed, and `fit` left out: a critic (x -> value, features) will do for a discriminator.

    Scoring costs `steps` passes through both networks and back, for all rows of a batch at once. An encoder, such as
    f-AnoGAN's, begins the search nearer to its end (notebook 05).

    Two additions of ours, off by default. `degree=2` measures R and D by Euclidean norms, which small differences along
    every edge weigh less in. `prior_weight` adds prior_weight x ||z||^2 to A(x), up to a constant the negative
    logarithm of the N(0, 1) that z is drawn from in training: nothing else keeps a search near the z that the
    generator knows.

    Args:
        generator: keras.Model z (batch, latent_dim) -> x (batch, ...).
        discriminator: keras.Model x -> (logit (batch, 1), features (batch, n)).
        encoder: trained keras.Model x -> z, where the search begins; None begins at the same random z for every query.
        lambda_: weight of D, in [0, 1]; 0.1 in the paper.
        degree: of the norms R and D, >= 1; 1 in the paper.
        prior_weight: weight of ||z||^2, >= 0; 0 in the paper.
        steps: of the search; 500 in the paper.
        learning_rate: of the search, see `search.latent_search`.
        restarts: searches from as many random z, the best of which counts; 1 with an encoder.
        patience: a row's search stops when so many steps have not lowered its value by 0.01 %; None never stops early.
        monitor_steps: of the search for `validation_data` and callbacks during `fit`, where all `steps` would take too
            long.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch), the first z of the seed.

    Raises:
        ValueError: for lambda_ outside [0, 1], degree < 1, prior_weight < 0, a search that can't be, or networks whose
            shapes do not meet.
    """

    tags = Tags(input="any", search_at_query=True)
    networks = ("generator", "discriminator")
    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = ("discriminator_loss", "generator_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        encoder: keras.Model | None = None,
        lambda_: float = 0.1,
        degree: float = 1,
        prior_weight: float = 0.0,
        steps: int = 500,
        learning_rate: float = 0.1,
        restarts: int = 1,
        patience: int | None = None,
        monitor_steps: int = 50,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, seed=seed, name=name)
        if not 0.0 <= lambda_ <= 1.0:
            raise ValueError(f"Expected 0 <= lambda_ <= 1. Received: lambda_={lambda_!r}.")
        if not 1 <= degree < math.inf:
            raise ValueError(f"Expected a finite degree >= 1. Received: degree={degree!r}.")
        if not 0.0 <= prior_weight < math.inf:
            raise ValueError(f"Expected a finite prior_weight >= 0. Received: prior_weight={prior_weight!r}.")
        check_search(steps, learning_rate, restarts, patience, tolerance=0.0)
        check_search(monitor_steps, learning_rate, restarts, patience, tolerance=0.0)
        if len(generator.input_shape) != 2:
            raise ValueError(
                f"Expected a generator that reads z (batch, latent_dim). Received: shape {generator.input_shape}."
            )
        check_judge(discriminator, "discriminator", [("the generator", generator.output_shape)], ("logit", "features"))
        if encoder is not None:
            check_inverse(encoder, generator)
            if restarts != 1:
                raise ValueError(f"Expected restarts=1 with an encoder. Received: restarts={restarts!r}.")
        self.encoder = encoder
        self.lambda_ = lambda_
        self.degree = degree
        self.prior_weight = prior_weight
        self.steps = int(steps)
        self.learning_rate = learning_rate
        self.restarts = int(restarts)
        self.patience = patience
        self.monitor_steps = int(monitor_steps)

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.discriminator.input_shape[1:])

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), DCGAN's."""
        return self.adam_optimizers(2e-4)

    def default_jit_compile(self) -> bool:
        """Never: a search inside XLA was measured ten times slower than outside it."""
        return False

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = self.random_normal("z", tf.shape(x)[0], self.generator.input_shape[1:])
        with tf.GradientTape() as generator_tape:
            g_z = self.generator(z, training=True)

        with tf.GradientTape() as tape:
            real, _ = self.discriminator(x, training=True)  # (batch, 1)
            generated, _ = self.discriminator(g_z, training=True)
            discriminator_loss = losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(generated, False)
        self.update("discriminator", tape, discriminator_loss)

        with generator_tape:  # goes on recording, with the discriminator as it is now
            generated, _ = self.discriminator(g_z, training=True)
            generator_loss = losses.binary_cross_entropy(generated, True)
        self.update("generator", generator_tape, generator_loss)
        return self.log(discriminator_loss=discriminator_loss, generator_loss=generator_loss)

    def monitor(self, x: tf.Tensor) -> tf.Tensor:
        """A(x) of a search of `monitor_steps`, by which `validation_data` and callbacks watch training."""
        return self._search(x, (min(self.monitor_steps, self.steps),))[-1].value

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` = (1 - lambda_) x `residual` + lambda_ x `discriminator_term` at the best z, and what makes them.

        With a `prior_weight`, `score` also has that times `prior_term`, ||z||^2.
        `search_steps` are the steps that each row took, `anomaly_map` is |x - G(z)|, for images.
        """
        return self._explain(x, self._search(x, (self.steps,))[-1])

    def trajectory(self, x: Any, at: Sequence[int] = (0, 10, 50, 500)) -> list[dict[str, np.ndarray]]:
        """What `explain` gives after each number of steps in `at`, of one search of `at[-1]` steps.

        Args:
            x: rows, float32 (n, ...), all in one batch.
            at: ascending numbers of steps.

        Raises:
            ValueError: for bad rows, or numbers that do not ascend.
        """
        rows = tf.constant(self.check_rows(np.asarray(x)))
        states = tf.function(lambda x: [self._explain(x, found) for found in self._search(x, tuple(at))])(rows)
        return [{key: np.asarray(value) for key, value in state.items()} for state in states]

    def _search(self, x: tf.Tensor, at: tuple[int, ...]) -> list[Found]:
        return search_path(
            self._objective(tf.repeat(x, self.restarts, axis=0) if self.restarts > 1 else x),
            self._start(x),
            at,
            learning_rate=self.learning_rate,
            restarts=self.restarts,
            patience=self.patience,
        )

    def _objective(self, x: tf.Tensor) -> Objective:
        folded = fold(self.generator, self.discriminator)
        x = folded.arrange(x)
        features = folded.features(x)  # (batch, n)

        def objective(z: tf.Tensor) -> tf.Tensor:
            x_hat = folded.generate(z)
            value = (1.0 - self.lambda_) * scores.distance(x, x_hat, self.degree)
            if self.lambda_ > 0.0:
                value += self.lambda_ * scores.distance(features, folded.features(x_hat), self.degree)
            if self.prior_weight > 0.0:
                value += self.prior_weight * tf.reduce_sum(tf.square(z), axis=-1)
            return value

        return objective

    def _start(self, x: tf.Tensor) -> tf.Tensor:
        """First z of every row, float32 (batch x restarts, latent_dim)."""
        if self.encoder is not None:
            return tf.cast(self.encoder(x, training=False), "float32")
        draw = np.random.default_rng(self.seed)
        z = draw.standard_normal((self.restarts, *self.generator.input_shape[1:])).astype("float32")
        return tf.tile(tf.constant(z), (tf.shape(x)[0], 1))

    def _explain(self, x: tf.Tensor, found: Found) -> dict[str, tf.Tensor]:
        x_hat = self.generator(found.z, training=False)
        _, features = self.discriminator(x, training=False)
        _, features_hat = self.discriminator(x_hat, training=False)
        explained = {
            "score": found.value,
            "residual": scores.distance(x, x_hat, self.degree),
            "discriminator_term": scores.distance(features, features_hat, self.degree),
            "prior_term": tf.reduce_sum(tf.square(found.z), axis=-1),
            "search_steps": found.steps,
            "latent": found.z,
            "reconstruction": x_hat,
        }
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "anogan",
    AnoGAN,
    inputs=("image", "table"),
    paper="Schlegl et al., Unsupervised Anomaly Detection with Generative Adversarial Networks, IPMI 2017",
)
def build(
    shape: tuple[int, ...], *, latent_dim: int | None = None, filters: int = 16, seed: int = 0, **params: Any
) -> Phases:
    """AnoGAN, with DCGAN's networks for images, with fully connected ones for tables.

    Args:
        shape: (features,), or (H, W, C) as `build_dcgan_generator` takes it.
        latent_dim: size of z; default 32 (tables), 16 (images): in a large one the search finds anomalies too.
        filters: at half of the image's size; 64 in DCGAN's paper, but every step of every search runs through them.
        seed: of the initial weights, the noise, the data order and the first z.
        **params: of `AnoGAN`.
    """
    if kind_of(shape) == "table":
        latent_dim = latent_size(latent_dim, 32)
        generator = networks.build_table_generator(shape[0], latent_dim, seed=2 * seed)
        discriminator = build_table_discriminator(shape[0], seed=2 * seed + 1)
    else:
        latent_dim = latent_size(latent_dim, 16)
        generator = networks.build_dcgan_generator(shape, latent_dim, filters, seed=2 * seed)
        discriminator = networks.build_dcgan_discriminator(shape, filters, seed=2 * seed + 1)
    return {"anogan": AnoGAN(generator, discriminator, seed=seed, **params)}

"""WGAN-GP: "Improved Training of Wasserstein GANs" (Gulrajani et al., NeurIPS 2017, arXiv 1704.00028)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_anogan.nn import losses
from keras_anogan.nn.networks import check_judge, has_batch_normalization
from keras_anogan.training.adversarial import AdversarialModel


@keras.saving.register_keras_serializable("keras_anogan")
class WGANGP(AdversarialModel):
    """Generator and critic, trained by algorithm 1 of the paper.

    One Keras step is one generator update and `n_critic` critic updates, each on its own batch of real
    images and its own fresh noise. So one step takes n_critic x batch rows: `fit(x, batch_size=64)` on rows
    in memory sees to it; a data set of your own has to yield that many. `call(z)` is the generator.

    Args:
        generator: keras.Model z (batch, latent_dim) -> x (batch, ...).
        critic: keras.Model x -> (value (batch, 1), features), without batch normalisation.
        lambda_: weight of the gradient penalty (eq. 3).
        n_critic: critic updates for one generator update.
        mirror: whether each real image is mirrored left to right with probability 1/2.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for a critic with batch normalisation, shapes that do not meet, lambda_ < 0, n_critic < 1.
    """

    networks = ("generator", "critic")
    players = {"critic": ("critic",), "generator": ("generator",)}
    logs = ("critic_loss", "generator_loss", "penalty")

    def __init__(
        self,
        generator: keras.Model,
        critic: keras.Model,
        lambda_: float = 10.0,
        n_critic: int = 5,
        mirror: bool = False,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, critic=critic, seed=seed, name=name)
        if has_batch_normalization(critic):
            raise ValueError(
                f"Expected a critic without batch normalisation: the penalty is a property of each sample. "
                f"Received: {critic.name!r}, which has it."
            )
        if not lambda_ >= 0.0:
            raise ValueError(f"Expected lambda_ >= 0. Received: lambda_={lambda_!r}.")
        if int(n_critic) != n_critic or n_critic < 1:
            raise ValueError(f"Expected n_critic to be a positive integer. Received: n_critic={n_critic!r}.")
        check_judge(critic, "critic", [("the generator", generator.output_shape)], ("value", "features"))
        self.lambda_ = lambda_
        self.n_critic = int(n_critic)
        self.check_mirrored(mirror)
        self.mirror = mirror

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-4, beta_1=0, beta_2=0.9) for both players (algorithm 1)."""
        return {player: keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9) for player in self.players}

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one real image."""
        return tuple(self.critic.input_shape[1:])

    def rows_per_step(self, batch_size: int) -> int:
        return self.n_critic * batch_size

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Generated images for z, in inference mode."""
        return self.generator(z, training=False)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = self.mirror_half("mirror", x) if self.mirror else x
        rows = x.shape[0] or tf.shape(x)[0]
        critic_losses, penalties = [], []
        for i in range(self.n_critic):
            real = x[i % rows :: self.n_critic]  # (batch, ...): every row once, and the same rows for any replicas
            batch = tf.shape(real)[0]
            generated = self.generator(
                self.random_normal(f"z{i}", batch, self.generator.input_shape[1:]), training=True
            )
            alpha = self.random_uniform(f"alpha{i}", batch, ())
            with tf.GradientTape() as tape:
                value, _ = self.critic(real, training=True)
                value_generated, _ = self.critic(generated, training=True)
                penalty = losses.gradient_penalty(
                    lambda mixed: self.critic(mixed, training=True)[0], real, generated, alpha
                )
                critic_loss = losses.wasserstein_critic_loss(value, value_generated) + self.lambda_ * penalty
            self.update("critic", tape, critic_loss)
            critic_losses.append(critic_loss)
            penalties.append(penalty)

        z = self.random_normal("z", tf.maximum(rows // self.n_critic, 1), self.generator.input_shape[1:])
        with tf.GradientTape() as tape:
            value_generated, _ = self.critic(self.generator(z, training=True), training=True)
            generator_loss = losses.wasserstein_generator_loss(value_generated)
        self.update("generator", tape, generator_loss)
        return self.log(
            critic_loss=tf.reduce_mean(critic_losses),
            generator_loss=generator_loss,
            penalty=tf.reduce_mean(penalties),
        )

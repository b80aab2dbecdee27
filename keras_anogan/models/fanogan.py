"""f-AnoGAN: "Fast unsupervised anomaly detection with GANs" (Schlegl et al., Medical Image Analysis 2019).

Phase 1 is a WGAN-GP on normal images (`WGANGP`); this file is phase 2, the encoder, and the score.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_anogan.detector import Tags
from keras_anogan.models.path_scored import PATHS, PathScored
from keras_anogan.models.registry import Phases, register
from keras_anogan.models.wgan_gp import WGANGP
from keras_anogan.nn import networks, scores
from keras_anogan.nn.networks import check_inverse, check_judge

SCORES = ("residual", *PATHS, *(f"critic_{path}" for path in PATHS))
MAPPINGS = ("izif", "izi", "ziz")
ARCHITECTURES = ("mlp", "dcgan", "resnet")


@keras.saving.register_keras_serializable("keras_anogan")
class FAnoGAN(PathScored):
    """Encoder for a trained generator and critic, by one of the paper's three mappings.

    - "izif", the paper's choice: image to z to image, with the loss MSE(x, G(E(x))) + kappa MSE(f(x), f(G(E(x)))),
      where f are the critic's features and MSE is a mean over pixels, or features;
    - "izi": the same without the features, MSE(x, G(E(x)));
    - "ziz": z to image to z, MSE(z, E(G(z))) for z ~ N(0, 1): the encoder sees generated images only.

    Generator and critic stay as they are, batch-norm statistics included. Whatever the mapping, the anomaly score
    is A(x) = residual + kappa x feature residual, the sum that izif minimises; kappa = 0 leaves the residual.

    Other scores: "sap" and "nap" compare x and G(E(x)) in the hidden layers of the encoder, "critic_sap" and
    "critic_nap" in those of the critic (`nn.paths`).

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim).
        generator: trained keras.Model z -> x.
        critic: trained keras.Model x -> (value (batch, 1), features (batch, n)).
        kappa: weight of the feature residual; 1 in the paper.
        mapping: "izif", "izi" or "ziz".
        score: "residual", "sap", "nap", "critic_sap" or "critic_nap".
        mirror: whether each training image is mirrored left to right with probability 1/2.
        seed: integer; decides the data order.

    Raises:
        ValueError: for kappa < 0, an unknown mapping or score, or networks whose shapes do not meet.
    """

    tags = Tags(input="image")
    networks = ("encoder", "generator", "critic")
    players = {"encoder": ("encoder",)}
    logs = ("loss", "image_loss", "feature_loss", "z_loss")

    def __init__(
        self,
        encoder: keras.Model,
        generator: keras.Model,
        critic: keras.Model,
        kappa: float = 1.0,
        mapping: str = "izif",
        mirror: bool = False,
        score: str = "residual",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder=encoder, generator=generator, critic=critic, seed=seed, name=name)
        if not kappa >= 0.0:
            raise ValueError(f"Expected kappa >= 0. Received: kappa={kappa!r}.")
        if mapping not in MAPPINGS:
            raise ValueError(f"Expected the mapping to be one of {MAPPINGS}. Received: mapping={mapping!r}.")
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        check_inverse(encoder, generator)
        check_judge(critic, "critic", [("the generator", generator.output_shape)], ("value", "features"))
        self.kappa = kappa
        self.mapping = mapping
        self.check_mirrored(mirror)
        self.mirror = mirror
        self.score = score
        if score != "residual":
            self.follow(critic if score.startswith("critic") else encoder, score.removeprefix("critic_"))

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """RMSprop(5e-5), as in the authors' code."""
        return {"encoder": keras.optimizers.RMSprop(5e-5)}

    def default_steps_per_execution(self) -> int:
        """At least 16 in one call where steps are short, without convolutions: 0.86 of the time of single ones."""
        least = 16 if self.default_jit_compile() else 1
        return max(least, super().default_steps_per_execution())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = self.mirror_half("mirror", x) if self.mirror else x
        losses = self._ziz(x) if self.mapping == "ziz" else self._izi(x)
        return self.log(**losses)

    def _izi(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            x_hat = self.generator(self.encoder(x, training=True), training=False)
            image_loss = tf.reduce_mean(scores.mean_squared_error(x, x_hat))
            losses = {"loss": image_loss, "image_loss": image_loss}
            if self.mapping == "izif":
                with tape.stop_recording():
                    _, features = self.critic(x, training=False)  # (batch, n)
                _, features_hat = self.critic(x_hat, training=False)
                feature_loss = tf.reduce_mean(scores.mean_squared_error(features, features_hat))
                losses |= {"loss": image_loss + self.kappa * feature_loss, "feature_loss": feature_loss}
        self.update("encoder", tape, losses["loss"])
        return losses

    def _ziz(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        z = self.random_normal("z", tf.shape(x)[0], self.generator.input_shape[1:])
        x_hat = self.generator(z, training=False)
        with tf.GradientTape() as tape:
            z_loss = tf.reduce_mean(scores.mean_squared_error(z, self.encoder(x_hat, training=True)))
        self.update("encoder", tape, z_loss)
        return {"loss": z_loss, "z_loss": z_loss}

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` = `img_distance` + kappa x `feature_distance`, and what they are made of.

        `z_distance` is the mean squared distance of E(x) and E(G(E(x))), which the authors log beside the
        score; `anomaly_map` is |x - G(E(x))|, for images; `sap` and `nap` where it is a path score.
        """
        z = self.encoder(x, training=False)  # (batch, latent_dim)
        x_hat = self.generator(z, training=False)
        z_hat = self.encoder(x_hat, training=False)
        _, features = self.critic(x, training=False)
        _, features_hat = self.critic(x_hat, training=False)
        img_distance = scores.mean_squared_error(x, x_hat)
        feature_distance = scores.mean_squared_error(features, features_hat)
        paths = self.path_scores(x, x_hat)
        explained = {
            "score": paths.get(self.score.removeprefix("critic_"), img_distance + self.kappa * feature_distance),
            **paths,
            "img_distance": img_distance,
            "feature_distance": feature_distance,
            "z_distance": scores.mean_squared_error(z, z_hat),
            "latent": z,
            "reconstruction": x_hat,
        }
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "fanogan",
    FAnoGAN,
    inputs=("image",),
    paper="Schlegl et al., f-AnoGAN, Medical Image Analysis 2019",
)
def build(
    shape: tuple[int, ...],
    *,
    architecture: str = "mlp",
    latent_dim: int | None = None,
    lambda_: float = 10.0,
    n_critic: int = 5,
    latent_activation: str | None = "tanh",
    filters: int = 64,
    batchnorm_epsilon: float = 1e-5,
    mirror: bool = False,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """WGAN-GP, then the encoder of f-AnoGAN.

    Args:
        shape: (H, W, C).
        architecture: "mlp", the fully connected networks of the MNIST exercise, "dcgan", or "resnet", the paper's.
        latent_dim: size of z; default 100 (mlp), 128 (dcgan, resnet).
        lambda_, n_critic: as in `WGANGP`.
        latent_activation: of the encoder's output; "tanh" as published.
        filters: at the image's size ("resnet") or half of it ("dcgan").
        batchnorm_epsilon: of the "mlp" generator; the exercise has 0.8.
        mirror: as in `WGANGP` and `FAnoGAN`.
        seed: of the initial weights, the noise and the data order.
        **params: of `FAnoGAN`.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"Expected the architecture to be one of {ARCHITECTURES}. Received: {architecture!r}.")
    latent_dim = latent_dim or (100 if architecture == "mlp" else 128)
    width = {} if architecture == "mlp" else {"filters": filters}
    epsilon = {"batchnorm_epsilon": batchnorm_epsilon} if architecture == "mlp" else {}
    role = {role: getattr(networks, f"build_{architecture}_{role}") for role in ("generator", "critic", "encoder")}
    generator = role["generator"](shape, latent_dim, **width, **epsilon, seed=3 * seed)
    critic = role["critic"](shape, **width, seed=3 * seed + 1)
    encoder = role["encoder"](shape, latent_dim, latent_activation=latent_activation, **width, seed=3 * seed + 2)
    return {
        "wgan_gp": WGANGP(generator, critic, lambda_=lambda_, n_critic=n_critic, mirror=mirror, seed=seed),
        "encoder": FAnoGAN(encoder, generator, critic, mirror=mirror, seed=seed, **params),
    }

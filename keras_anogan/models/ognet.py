"""OGNet: "Old is Gold" (Zaheer et al., CVPR 2020, arXiv 2004.07657).

ALOCC's discriminator tells normal images from reconstructed ones. The better the reconstructor, the less there is to
tell, and the score drifts for as long as training lasts. So phase 1 is ALOCC's training, which keeps a reconstructor
from its beginning (`ALOCCWithPast`). In phase 2 (`OGNet`) only the discriminator learns, and something else: to tell
good reconstructions from bad ones. The old reconstructor helps to make the bad ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.alocc import (
    ALOCC,
    build_alocc_discriminator,
    build_alocc_reconstructor,
    explain_by,
)
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import losses
from keras_anogan.nn.networks import check_copier, check_judge, float32_outputs, initializers


def build_ognet_reconstructor(shape: Sequence[int] = (45, 45, 1), seed: int | None = None) -> keras.Model:
    """The authors' reconstructor, image (batch, H, W, C) -> image in [-1, 1]: sides lose and regain 16 pixels.

    Convolutions 5x5 of stride 1 without padding, 64, 128, 256 and 512 maps, and transposed ones back, 256, 128, 64 and
    C; batch normalisation, which in the third and fourth layer comes after the ReLU. One image of 45 pixels takes some
    eight thousand million products, so the recipes here take ALOCC's strided network.

    Raises:
        ValueError: for images that are smaller than 17 pixels.
    """
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or min(shape[:2]) < 17 or shape[2] < 1:
        raise ValueError(f"Expected images (height, width, channels) of at least 17 pixels. Received: shape {shape}.")
    init = initializers(_like_torch(), seed)
    x = h = keras.Input(shape, name="x")
    for width in (64, 128):
        h = layers.ReLU()(_batch_norm()(layers.Conv2D(width, 5, kernel_initializer=next(init))(h)))
    for width in (256, 512):
        h = _batch_norm()(layers.ReLU()(layers.Conv2D(width, 5, kernel_initializer=next(init))(h)))
    for width in (256, 128, 64):
        h = layers.ReLU()(_batch_norm()(layers.Conv2DTranspose(width, 5, kernel_initializer=next(init))(h)))
    h = layers.Conv2DTranspose(shape[-1], 5, kernel_initializer=next(init))(h)
    return keras.Model(x, layers.Activation("tanh", dtype="float32")(h), name="reconstructor")


def build_ognet_discriminator(shape: Sequence[int] = (45, 45, 1), seed: int | None = None) -> keras.Model:
    """The authors' discriminator, image (batch, H, W, C) -> (logit (batch, 1), features): 45, 23, 12, 6, 3 pixels.

    Convolutions 5x5 of stride 2 with ReLU, 64, 128, 256 and 512 maps, batch normalisation in the first three.
    """
    init = initializers(_like_torch(), seed)
    x = h = keras.Input(tuple(shape), name="x")
    for width in (64, 128, 256, 512):
        h = layers.Conv2D(width, 5, 2, kernel_initializer=next(init))(layers.ZeroPadding2D(2)(h))
        h = layers.ReLU()(_batch_norm()(h) if width < 512 else h)
    features = layers.Flatten()(h)
    logit = layers.Dense(1, kernel_initializer=next(init))(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


def _like_torch() -> keras.initializers.Initializer:
    """PyTorch's own initial weights of a convolution: uniform with variance 1 / (3 fan_in)."""
    return keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")


def _batch_norm() -> keras.Layer:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


@keras.saving.register_keras_serializable("keras_anogan")
class ALOCCWithPast(ALOCC):
    """Phase 1 of OGNet: ALOCC's training, from whose beginning a copy of the reconstructor is kept.

    The copy follows R through the first `early_steps` steps and is left behind then. The authors keep R as it is after
    one epoch, some hundred steps on a digit of MNIST; a number of steps means the same for any number of images.

    Args:
        reconstructor, discriminator: as in `ALOCC`.
        old_reconstructor: keras.Model like the reconstructor; its weights are overwritten.
        early_steps: at least 1.
        lambda_, noise_std, reconstructor_steps, score, seed: as in `ALOCC`.

    Raises:
        ValueError: as `ALOCC` does, for early_steps < 1, and for an old reconstructor of other weights.
    """

    networks = ("reconstructor", "discriminator", "old_reconstructor")

    def __init__(
        self,
        reconstructor: keras.Model,
        discriminator: keras.Model,
        old_reconstructor: keras.Model,
        early_steps: int = 100,
        lambda_: float = 0.4,
        noise_std: float = 0.155,
        reconstructor_steps: int = 1,
        score: str = "refined",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            reconstructor=reconstructor,
            discriminator=discriminator,
            old_reconstructor=old_reconstructor,
            lambda_=lambda_,
            noise_std=noise_std,
            reconstructor_steps=reconstructor_steps,
            score=score,
            seed=seed,
            name=name,
        )
        if int(early_steps) != early_steps or early_steps < 1:
            raise ValueError(f"Expected early_steps to be a positive integer. Received: early_steps={early_steps!r}.")
        shapes = [[tuple(weight.shape) for weight in network.weights] for network in (old_reconstructor, reconstructor)]
        if shapes[0] != shapes[1]:
            raise ValueError("Expected an old reconstructor like the reconstructor. Received: one with other weights.")
        self.early_steps = int(early_steps)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        logs = super().train_step(data)
        follows = tf.convert_to_tensor(self.step) <= self.early_steps
        for old, weight in zip(self.old_reconstructor.weights, self.reconstructor.weights, strict=True):
            old.assign(tf.where(follows, tf.convert_to_tensor(weight), tf.convert_to_tensor(old)))
        return logs


@keras.saving.register_keras_serializable("keras_anogan")
class OGNet(AnomalyDetector):
    """Phase 2: the discriminator learns good reconstructions from bad ones; the anomaly score is -D(R(x)), D's logit.

    Both reconstructors stay as they are, batch-norm statistics included. One step takes three batches x, x1, x2 of
    normal images, adds no noise, and lowers

        alpha BCE(D(x), "good")         + (1 - alpha) BCE(D(R(x)), "good")
        + beta BCE(D(R_old(x)), "bad")  + (1 - beta)  BCE(D(R((R_old(x1) + R_old(x2)) / 2)), "bad")

    with the weights of the authors' code. The last one is the pseudo-anomaly: two images overlaid, then
    reconstructed by the R that will reconstruct at test. All four are one batch for D's batch normalisation, so that
    what is learnt is what scores.

    Args:
        reconstructor: trained keras.Model x (batch, H, W, C) -> image of the same shape.
        discriminator: trained keras.Model x -> (logit (batch, 1), features (batch, n)); it goes on learning.
        old_reconstructor: the reconstructor from the beginning of its training.
        alpha: weight of real images among the good, in [0, 1]; 0.1 as published.
        beta: weight of the old reconstructions among the bad, in [0, 1]; 0.001 as published.
        steps: that a training of this phase takes where nobody says otherwise; 75 as published.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for weights outside [0, 1], steps < 1, or networks whose shapes do not meet.
    """

    tags = Tags(input="image", watchable=False)  # as ALOCC's
    networks = ("reconstructor", "discriminator", "old_reconstructor")
    players = {"discriminator": ("discriminator",)}
    logs = ("loss", "good_loss", "bad_loss")

    def __init__(
        self,
        reconstructor: keras.Model,
        discriminator: keras.Model,
        old_reconstructor: keras.Model,
        alpha: float = 0.1,
        beta: float = 0.001,
        steps: int = 75,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            reconstructor=reconstructor,
            discriminator=discriminator,
            old_reconstructor=old_reconstructor,
            seed=seed,
            name=name,
        )
        for key, value in (("alpha", alpha), ("beta", beta)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"Expected {key} in [0, 1]. Received: {key}={value!r}.")
        if int(steps) != steps or steps < 1:
            raise ValueError(f"Expected steps to be a positive integer. Received: steps={steps!r}.")
        for network, called in ((reconstructor, "reconstructor"), (old_reconstructor, "old reconstructor")):
            check_copier(network, called)
            check_judge(
                discriminator, "discriminator", [(f"the {called}", network.output_shape)], ("logit", "features")
            )
        self.alpha = alpha
        self.beta = beta
        self.steps = int(steps)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(5e-5), half of the rate that the authors give D in phase 1."""
        return {"discriminator": keras.optimizers.Adam(5e-5)}

    def default_steps(self) -> int:
        return self.steps

    def rows_per_step(self, batch_size: int) -> int:
        return 3 * batch_size

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        rows, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        count = tf.shape(rows)[0]
        each = tf.maximum(count // 3, 1)
        x, x1, x2 = (tf.gather(rows, (i + 3 * tf.range(each)) % count) for i in range(3))  # (batch, H, W, C) each
        judged = tf.concat([x, self.reconstructor(x, training=False), self._old(x), self.pseudo_anomaly(x1, x2)], 0)
        with tf.GradientTape() as tape:
            real, good, old, pseudo = tf.split(self.discriminator(judged, training=True)[0], 4)
            good_loss = self.alpha * losses.binary_cross_entropy(real, True)
            good_loss += (1.0 - self.alpha) * losses.binary_cross_entropy(good, True)
            bad_loss = self.beta * losses.binary_cross_entropy(old, False)
            bad_loss += (1.0 - self.beta) * losses.binary_cross_entropy(pseudo, False)
            loss = good_loss + bad_loss
        self.update("discriminator", tape, loss)
        return self.log(loss=loss, good_loss=good_loss, bad_loss=bad_loss)

    def pseudo_anomaly(self, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
        """R((R_old(x1) + R_old(x2)) / 2) of normal images, like each of them."""
        return self.reconstructor((self._old(x1) + self._old(x2)) / 2.0, training=False)

    def _old(self, x: tf.Tensor) -> tf.Tensor:
        return self.old_reconstructor(x, training=False)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score` = -`refined`, and what ALOCC's `explain_by` says."""
        explained = explain_by(self.reconstructor, self.discriminator, x)
        return {"score": -explained["refined"], **explained}


@register(
    "ognet",
    OGNet,
    inputs=("image",),
    paper="Zaheer et al., Old is Gold, CVPR 2020",
)
def build(
    shape: tuple[int, ...],
    *,
    filters: int = 32,
    discriminator_filters: int = 16,
    batch_norm: bool = True,
    early_steps: int = 100,
    lambda_: float = 0.4,
    noise_std: float = 0.155,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """ALOCC's training, then the second one of its discriminator.

    Args:
        shape, filters, discriminator_filters, batch_norm: as for "alocc".
        early_steps: as in `ALOCCWithPast`.
        lambda_, noise_std: as in `ALOCC`.
        seed: of the initial weights, the noise and the data order.
        **params: of `OGNet`.
    """
    reconstructor, old = (build_alocc_reconstructor(shape, filters, seed=2 * seed) for _ in range(2))
    discriminator = build_alocc_discriminator(shape, discriminator_filters, batch_norm, seed=2 * seed + 1)
    first = ALOCCWithPast(reconstructor, discriminator, old, early_steps, lambda_, noise_std, seed=seed)
    return {"alocc": first, "ognet": OGNet(reconstructor, discriminator, old, seed=seed, **params)}

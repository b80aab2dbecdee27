"""ALOCC: "Adversarially Learned One-Class Classifier for Novelty Detection" (Sabokrou et al., CVPR 2018).

R learns to clean noisy normal images, D to tell R's images from normal ones. R refines what is normal and distorts what
is not, so D(R(x)) tells the two apart better than D(x). The paper gives no rule for when training has to end; public
code ends it where the labels of the test say. Here the last step is what scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, register
from keras_anogan.nn import losses, scores
from keras_anogan.nn.layers import FusedBatchNormalization
from keras_anogan.nn.networks import check_copier, check_judge, float32_outputs, initializers

SCORES = ("refined", "direct", "reconstruction")


def build_alocc_reconstructor(shape: Sequence[int], filters: int = 32, seed: int | None = None) -> keras.Model:
    """R, image (batch, H, W, C) -> image in [-1, 1] of the same shape; 28, 14, 7, 4 pixels a side and back at 28.

    Three convolutions 5x5 of stride 2 with batch normalisation and LeakyReLU(0.2), 1, 2 and 4 times `filters` maps;
    three transposed ones back, 1 and 1/2 times `filters` with batch normalisation and ReLU, then tanh. The code has
    no dense layer: it is a map of an eighth of the image's size (the authors' code, `models.py`).
    """
    shape = _check_image(shape)
    init = initializers(keras.initializers.TruncatedNormal(0.0, 0.02), seed)
    x = h = keras.Input(shape, name="x")
    sizes = []
    for width in (filters, 2 * filters, 4 * filters):
        sizes.append(h.shape[1:3])
        h = layers.Conv2D(width, 5, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(_batch_norm()(h))
    for width, size in zip((filters, max(1, filters // 2)), (sizes[2], sizes[1]), strict=True):
        h = _enlarged(h, width, size, next(init), use_bias=False)
        h = layers.ReLU()(_batch_norm()(h))
    h = _enlarged(h, shape[-1], sizes[0], next(init))
    return keras.Model(x, layers.Activation("tanh", dtype="float32")(h), name="reconstructor")


def build_alocc_discriminator(
    shape: Sequence[int], filters: int = 16, batch_norm: bool = True, seed: int | None = None
) -> keras.Model:
    """D, image (batch, H, W, C) -> (logit (batch, 1), features (batch, n)); the larger the logit, the more normal.

    Four convolutions 5x5 of stride 2 with LeakyReLU(0.2), 1, 2, 4 and 8 times `filters` maps; batch normalisation from
    the second on, if at all; `features` are the last maps, flattened (the authors' code, `models.py`). Images of 8
    pixels have three: of a map of one pixel there is nothing left to convolve.
    """
    shape = _check_image(shape)
    init = initializers(keras.initializers.TruncatedNormal(0.0, 0.02), seed)
    x = h = keras.Input(shape, name="x")
    for stage in range(4 if min(shape[:2]) > 8 else 3):
        normalised = batch_norm and stage > 0
        h = layers.Conv2D(filters * 2**stage, 5, 2, "same", use_bias=not normalised, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(_batch_norm()(h) if normalised else h)
    features = layers.Flatten()(h)
    logit = layers.Dense(1, kernel_initializer=next(init))(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


def _check_image(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or min(shape[:2]) < 8 or shape[0] % 2 or shape[1] % 2 or shape[2] not in (1, 3):
        raise ValueError(
            "Expected images (height, width, channels) of even sides >= 8 pixels and 1 or 3 channels. "
            f"Received: shape {shape}."
        )
    return shape


def _enlarged(h: Any, width: int, size: tuple[int, int], init: Any, use_bias: bool = True) -> Any:
    """A transposed convolution 5x5 of stride 2 to maps of `size`; where that is odd, without the first row or column,
    which is TensorFlow's own "same" for an odd size."""
    excess = [2 * before - after for before, after in zip(h.shape[1:3], size, strict=True)]
    h = layers.Conv2DTranspose(width, 5, 2, "same", use_bias=use_bias, kernel_initializer=init)(h)
    return layers.Cropping2D([(cut, 0) for cut in excess])(h) if any(excess) else h


def _batch_norm() -> keras.Layer:
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5)


@keras.saving.register_keras_serializable("keras_anogan")
class ALOCC(AnomalyDetector):
    """Reconstructor R and discriminator D; the anomaly score is -D(R(x)), with D's logit.

    One step, with noise drawn anew: D learns to tell x from R(x + noise), then R lowers

        BCE(D(R(x + noise)), "normal") + lambda_ E (x - R(x + noise))^2

    (lambda_ in eq. 5), where E is a mean over the image and x is the clean one. Scoring adds no noise.

    The score collapses when R copies whatever it is shown: D(R(x)) then asks D about x. So lambda_ weighs the mean
    squared error and not the sum. Weighed with 20 in a trial, D(R(x)) told held-out images of MNIST's digit 2 from
    spoilt copies of them with an AUROC of 0.61, and with 0.2 of 0.90. Rates that fall to zero and averaged weights
    (`NetworkEMA`) steady the rest, but on MNIST's ones the score still falls, from 0.99 after three epochs to 0.89
    after twenty.

    The score is

    - "refined": -D(R(x)), the paper's second classifier;
    - "direct": -D(x), its first;
    - "reconstruction": the mean squared error of x and R(x).

    Args:
        reconstructor: keras.Model x (batch, H, W, C) -> image of the same shape.
        discriminator: keras.Model x -> (logit (batch, 1), features (batch, n)).
        lambda_: weight of the reconstruction, >= 0; 0.4 in the paper.
        noise_std: standard deviation of the noise on R's input, >= 0, in units of x; 0.155 in the authors' code.
        reconstructor_steps: updates of R after one of D, each with noise of its own; the authors' code has 2.
        score: which of the three.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for negative weights or noise, fewer than one step, an unknown score, or networks whose shapes do
            not meet.
    """

    tags = Tags(input="image", averaged=0.995, watchable=False)  # the score falls as the logit grows
    networks: ClassVar[tuple[str, ...]] = ("reconstructor", "discriminator")
    players = {"discriminator": ("discriminator",), "reconstructor": ("reconstructor",)}
    logs = ("discriminator_loss", "adversarial_loss", "reconstruction_loss")

    def __init__(
        self,
        reconstructor: keras.Model,
        discriminator: keras.Model,
        lambda_: float = 0.4,
        noise_std: float = 0.155,
        reconstructor_steps: int = 1,
        score: str = "refined",
        seed: int = 0,
        name: str | None = None,
        **networks: keras.Model,
    ) -> None:
        super().__init__(reconstructor=reconstructor, discriminator=discriminator, seed=seed, name=name, **networks)
        for key, value in (("lambda_", lambda_), ("noise_std", noise_std)):
            if not 0.0 <= value < math.inf:
                raise ValueError(f"Expected a finite {key} >= 0. Received: {key}={value!r}.")
        if int(reconstructor_steps) != reconstructor_steps or reconstructor_steps < 1:
            raise ValueError(
                "Expected reconstructor_steps to be a positive integer. "
                f"Received: reconstructor_steps={reconstructor_steps!r}."
            )
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        check_copier(reconstructor, "reconstructor")
        reads = [("the reconstructor", reconstructor.output_shape)]
        check_judge(discriminator, "discriminator", reads, ("logit", "features"))
        self.lambda_ = lambda_
        self.noise_std = noise_std
        self.reconstructor_steps = int(reconstructor_steps)
        self.score = score

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """RMSprop, 2e-4 for R and 1e-4 for D, as in the public implementation with Keras; the paper tells none."""
        return {
            "discriminator": keras.optimizers.RMSprop(1e-4),
            "reconstructor": keras.optimizers.RMSprop(2e-4),
        }

    def adam_optimizers(self, rate: float) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(beta_1=0.5) at `rate` for R and half of that for D."""
        return {**super().adam_optimizers(rate), "discriminator": keras.optimizers.Adam(0.5 * rate, beta_1=0.5)}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as reconstructor_tape:
            x_hat = self.reconstructor(self.add_noise("noise", x), training=True)

        with tf.GradientTape() as tape:
            discriminator_loss = losses.binary_cross_entropy(self._logit(x), True)
            discriminator_loss += losses.binary_cross_entropy(self._logit(x_hat), False)
        self.update("discriminator", tape, discriminator_loss)

        for i in range(self.reconstructor_steps):
            if i:
                with tf.GradientTape() as reconstructor_tape:
                    x_hat = self.reconstructor(self.add_noise(f"noise{i}", x), training=True)
            with reconstructor_tape:  # goes on recording, with the discriminator as it is now
                adversarial_loss = losses.binary_cross_entropy(self._logit(x_hat), True)
                reconstruction_loss = tf.reduce_mean(scores.mean_squared_error(x, x_hat))
                loss = adversarial_loss + self.lambda_ * reconstruction_loss
            self.update("reconstructor", reconstructor_tape, loss)
        return self.log(
            discriminator_loss=discriminator_loss,
            adversarial_loss=adversarial_loss,
            reconstruction_loss=reconstruction_loss,
        )

    def add_noise(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """What R is given in this step: x and noise, like x; `name` tells the draws of one step apart."""
        return x + self.noise_std * self.random_normal(name, tf.shape(x)[0], tuple(x.shape[1:]))

    def _logit(self, x: tf.Tensor) -> tf.Tensor:
        """D's logits (batch, 1), normalised over these images alone."""
        return self.discriminator(x, training=True)[0]

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, and what `explain_by` says."""
        explained = explain_by(self.reconstructor, self.discriminator, x)
        signed = {
            "refined": -explained["refined"],
            "direct": -explained["direct"],
            "reconstruction": explained["error"],
        }
        return {"score": signed[self.score], **explained}


def explain_by(reconstructor: keras.Model, discriminator: keras.Model, x: tf.Tensor) -> dict[str, tf.Tensor]:
    """What R and D say of images (batch, H, W, C), in inference mode.

    Returns:
        A dict: the logits `direct`, D(x), and `refined`, D(R(x)), both (batch,); `error`, the mean squared error
        (batch,); `reconstruction`, R(x), like x; `anomaly_map`, |x - R(x)|, (batch, H, W).
    """
    x_hat = reconstructor(x, training=False)
    direct, refined = (discriminator(images, training=False)[0][:, 0] for images in (x, x_hat))
    return {
        "direct": direct,
        "refined": refined,
        "error": scores.mean_squared_error(x, x_hat),
        "reconstruction": x_hat,
        "anomaly_map": scores.residual_map(x, x_hat),  # (batch, H, W)
    }


@register(
    "alocc",
    ALOCC,
    inputs=("image",),
    paper="Sabokrou et al., Adversarially Learned One-Class Classifier, CVPR 2018",
)
def build(
    shape: tuple[int, ...],
    *,
    filters: int = 32,
    discriminator_filters: int = 16,
    batch_norm: bool = True,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """ALOCC with the networks of the authors' code.

    Args:
        shape: (H, W, C), even sides >= 8, 1 or 3 channels.
        filters: of R's first convolution.
        discriminator_filters: of D's first convolution.
        batch_norm: whether D has batch normalisation.
        seed: of the initial weights, the noise and the data order.
        **params: of `ALOCC`.
    """
    reconstructor = build_alocc_reconstructor(shape, filters, seed=2 * seed)
    discriminator = build_alocc_discriminator(shape, discriminator_filters, batch_norm, seed=2 * seed + 1)
    return {"alocc": ALOCC(reconstructor, discriminator, seed=seed, **params)}

"""An autoencoder: it learns to copy normal samples, and what it copies badly is anomalous.

The networks for images are those of a public MNIST notebook with one anomalous digit, "approach B".

Simple images are copied well whatever they show: on MNIST a one is easier to draw than any other digit, and its AUROC
lies under 0.5. That is a property of reconstruction errors, PCA's too, not of this network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.detector import Tags
from keras_anogan.models.path_scored import PATHS, PathScored
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import networks, scores
from keras_anogan.nn.networks import check_inverse, initializers

SCORES = ("reconstruction", *PATHS)
STAGES = (1, 2, 4, 8, 16)  # of the encoder, times `filters`


def build_autoencoder_encoder(shape: Sequence[int], filters: int = 32, seed: int | None = None) -> keras.Model:
    """Encoder image (batch, H, W, C) -> z (batch, n), the flattened map of the last layer: 3 x 3 x 512 at 28 pixels.

    Convolutions 3x3 with ReLU, of 1, 2, 4, 8 and 16 times `filters` maps; maximum over 2x2 after the first, second and
    last. With 4,608 numbers for 784 pixels the published network has no bottleneck.
    """
    shape, *_ = _plan(shape)
    init = initializers("glorot_uniform", seed)
    x = h = keras.Input(shape, name="x")
    for stage, times in enumerate(STAGES):
        h = layers.Conv2D(times * filters, 3, padding="same", activation="relu", kernel_initializer=next(init))(h)
        h = layers.MaxPooling2D(2)(h) if stage in (0, 1, 4) else h
    return keras.Model(x, layers.Activation("linear", dtype="float32")(layers.Flatten()(h)), name="encoder")


def build_autoencoder_decoder(shape: Sequence[int], filters: int = 32, seed: int | None = None) -> keras.Model:
    """Decoder z (batch, n) -> image (batch, H, W, C), linear: 3, 5, 6, 7, 14, 28 pixels a side at 28.

    Transposed convolutions with ReLU between: three of stride 1 and 8, 4, 2 times `filters` maps, which make up for the
    encoder's last pooling, then two 2x2 of stride 2.
    """
    shape, small, growth = _plan(shape)
    init = initializers("glorot_uniform", seed)
    z = keras.Input((math.prod(small) * STAGES[-1] * filters,), name="z")
    h = layers.Reshape((*small, STAGES[-1] * filters))(z)
    for times, kernel in zip((8, 4, 2), growth, strict=True):
        h = layers.Conv2DTranspose(times * filters, kernel, activation="relu", kernel_initializer=next(init))(h)
    h = layers.Conv2DTranspose(filters, 2, 2, activation="relu", kernel_initializer=next(init))(h)
    h = layers.Conv2DTranspose(shape[-1], 2, 2, kernel_initializer=next(init))(h)
    return keras.Model(z, layers.Activation("linear", dtype="float32")(h), name="decoder")


def _plan(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, int], list[tuple[int, ...]]]:
    """Checked shape, the sides of the smallest map, and the kernels of three layers that grow it to H/4 x W/4."""
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or shape[2] < 1 or min(shape[:2]) < 8 or shape[0] % 4 or shape[1] % 4:
        raise ValueError(f"Expected images (height, width, channels), sides >= 8 that 4 divides. Received: {shape}.")
    small = (shape[0] // 8, shape[1] // 8)
    missing = [side // 4 - less for side, less in zip(shape[:2], small, strict=True)]
    growth = [tuple(1 + (m + 2 - layer) // 3 for m in missing) for layer in range(3)]
    return shape, small, growth


@keras.saving.register_keras_serializable("keras_anogan")
class Autoencoder(PathScored):
    """Encoder and decoder, trained to reconstruct; the anomaly score is A(x) = ||x - x_hat||_2.

    The loss is the mean squared error of x and the reconstruction of x + noise; `noise_std=0` is the autoencoder of the
    notebook, above zero the denoising variant that it tried (Vincent et al. 2008). Scores are of images without noise.

    With score="sap" or "nap" the score is the difference of x and x_hat in the hidden layers of the encoder
    (`nn.paths`).

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, n).
        decoder: keras.Model z -> x.
        noise_std: standard deviation of the noise on the encoder's input in training, in the unit of x.
        score: "reconstruction", "sap" or "nap".
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for noise_std < 0, an unknown score, or networks whose shapes do not meet.
    """

    tags = Tags(input="any")
    networks = ("encoder", "decoder")
    players = {"autoencoder": ("encoder", "decoder")}
    logs = ("loss",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        noise_std: float = 0.0,
        score: str = "reconstruction",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder=encoder, decoder=decoder, seed=seed, name=name)
        if not 0.0 <= noise_std < math.inf:
            raise ValueError(f"Expected a finite noise_std >= 0. Received: noise_std={noise_std!r}.")
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        check_inverse(encoder, decoder)
        self.noise_std = noise_std
        self.score = score
        if score in PATHS:
            self.follow(encoder, score)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """AdamW(1e-3, weight_decay=1e-2), as in the notebook."""
        return {"autoencoder": keras.optimizers.AdamW(1e-3, weight_decay=1e-2)}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        seen = x
        if self.noise_std > 0.0:
            seen += self.noise_std * self.random_normal("noise", tf.shape(x)[0], tuple(x.shape[1:]))
        with tf.GradientTape() as tape:
            x_hat = self.decoder(self.encoder(seen, training=True), training=True)
            loss = tf.reduce_mean(scores.mean_squared_error(x, x_hat))
        self.update("autoencoder", tape, loss)
        return self.log(loss=loss)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, `latent`, `reconstruction`, `anomaly_map` for images; `sap` and `nap` for a path score."""
        z = self.encoder(x, training=False)  # (batch, n)
        x_hat = self.decoder(z, training=False)
        paths = self.path_scores(x, x_hat)
        score = paths.get(self.score, scores.distance(x, x_hat, degree=2))
        explained = {"score": score, **paths, "latent": z, "reconstruction": x_hat}
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "autoencoder",
    Autoencoder,
    inputs=("image", "table"),
    paper="a notebook on MNIST; with noise Vincent et al., Denoising Autoencoders, ICML 2008",
)
def build(
    shape: tuple[int, ...], *, filters: int = 32, latent_dim: int | None = None, seed: int = 0, **params: Any
) -> Phases:
    """An autoencoder: the convolutional one of the MNIST notebook for images, a fully connected one for tables.

    Args:
        shape: (features,), or (H, W, C) with sides >= 8 that 4 divides.
        filters: of the first convolution; for images.
        latent_dim: of tables, default 32; images have the published network without a bottleneck.
        seed: of the initial weights, the noise and the data order.
        **params: of `Autoencoder`.
    """
    if kind_of(shape) == "table":
        latent_dim = latent_size(latent_dim, 32)
        encoder = networks.build_table_encoder(shape[0], latent_dim, seed=2 * seed)
        decoder = networks.build_table_generator(shape[0], latent_dim, seed=2 * seed + 1)
    elif latent_dim is not None:
        raise ValueError(f"Expected a latent_dim for tables only. Received: latent_dim={latent_dim!r} for images.")
    else:
        encoder = build_autoencoder_encoder(shape, filters, seed=2 * seed)
        decoder = build_autoencoder_decoder(shape, filters, seed=2 * seed + 1)
    return {"autoencoder": Autoencoder(encoder, decoder, seed=seed, **params)}

"""VAE: "Auto-Encoding Variational Bayes" (Kingma and Welling, ICLR 2014, arXiv 1312.6114).

The encoder says a Gaussian over z for each x, q(z|x) = N(mean, diag exp(log_variance)); the decoder says x of z. Both
are trained to raise a lower bound of log p(x). What the decoder cannot make of the z that x is likely to come from is
anomalous. Unlike an autoencoder's, the codes of normal data fill N(0, I), so that the decoder knows no others.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, kind_of, latent_size, register
from keras_anogan.nn import networks, scores

SCORES = ("reconstruction", "elbo")


def kl_divergence(mean: Any, log_variance: Any) -> Any:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) in nats (appendix B): both (batch, latent_dim) to (batch,)."""
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0, axis=1)


@keras.saving.register_keras_serializable("keras_anogan")
class VAE(AnomalyDetector):
    """Encoder and decoder of a variational autoencoder.

    One step lowers the negative of the bound (eq. 10, one sample a row), divided by the numbers in a row so that one
    learning rate serves rows of any size:

        -ELBO(x) = E[-log p(x|z)] + KL(q(z|x) || N(0, I)),    p(x|z) = N(decoder(z), decoder_std^2 I)

    where z = mean + exp(log_variance / 2) epsilon, epsilon ~ N(0, I) (section 2.4). Scoring draws nothing: z is the
    mean of q(z|x). The anomaly score is one of

    - "reconstruction": mean squared error of x and decoder(mean), in squared units of x; no probability enters it;
    - "elbo": -ELBO(x) with that one z for the expectation, in nats; codes far from the normal ones count too.

    Args:
        encoder: keras.Model x (batch, ...) -> (batch, 2 latent_dim), the mean and then the log-variance of q(z|x).
        decoder: keras.Model z (batch, latent_dim) -> x.
        score: which of the two.
        decoder_std: standard deviation of p(x|z), > 0, in units of x: the smaller, the less the KL term weighs.
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for an unknown score, a decoder_std that is not finite and positive, or networks whose shapes do
            not meet.
    """

    tags = Tags(input="any")
    networks = ("encoder", "decoder")
    players = {"autoencoder": ("encoder", "decoder")}
    logs = ("loss", "reconstruction_loss", "kl_loss")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        score: str = "reconstruction",
        decoder_std: float = 0.2,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder=encoder, decoder=decoder, seed=seed, name=name)
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        if not 0.0 < decoder_std < math.inf:
            raise ValueError(f"Expected a finite decoder_std > 0. Received: decoder_std={decoder_std!r}.")
        said, read = tuple(encoder.output_shape), tuple(decoder.input_shape)
        if len(read) != 2 or said != (None, 2 * read[1]) or decoder.output_shape != encoder.input_shape:
            raise ValueError(
                "Expected an encoder of x to mean and log-variance, (None, 2 latent_dim), and a decoder of z, (None, "
                f"latent_dim), to x. Received: {encoder.input_shape} to {said}, and {read} to {decoder.output_shape}."
            )
        self.score = score
        self.decoder_std = decoder_std

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-3); the paper has Adagrad."""
        return {"autoencoder": keras.optimizers.Adam(1e-3)}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        size = math.prod(self.sample_shape)
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(x, training=True), 2, axis=1)  # (batch, latent_dim) each
            x_hat = self.decoder(self.reparameterise(mean, log_variance), training=True)
            reconstruction_loss = tf.reduce_mean(self._negative_log_likelihood(x, x_hat)) / size
            kl_loss = tf.reduce_mean(kl_divergence(mean, log_variance)) / size
            loss = reconstruction_loss + kl_loss
        self.update("autoencoder", tape, loss)
        return self.log(loss=loss, reconstruction_loss=reconstruction_loss, kl_loss=kl_loss)

    def reparameterise(self, mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
        """z ~ N(mean, diag exp(log_variance)), (batch, latent_dim), with a gradient: noise of this step, scaled."""
        epsilon = self.random_normal("epsilon", tf.shape(mean)[0], tuple(mean.shape[1:]))
        return mean + tf.exp(0.5 * log_variance) * epsilon

    def _negative_log_likelihood(self, x: tf.Tensor, x_hat: tf.Tensor) -> tf.Tensor:
        """-log N(x; x_hat, decoder_std^2 I) in nats, (batch,)."""
        variance = self.decoder_std**2
        per_number = scores.mean_squared_error(x, x_hat) / variance + math.log(2.0 * math.pi * variance)
        return 0.5 * math.prod(self.sample_shape) * per_number

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `error`, the mean squared error, and `elbo`, the bound in nats, one of which it is; `kl`;
        `latent`, the mean of q(z|x); `reconstruction`, and for images `anomaly_map`, |x - reconstruction|."""
        mean, log_variance = tf.split(self.encoder(x, training=False), 2, axis=1)
        x_hat = self.decoder(mean, training=False)
        error, kl = scores.mean_squared_error(x, x_hat), kl_divergence(mean, log_variance)
        elbo = -self._negative_log_likelihood(x, x_hat) - kl
        score = error if self.score == "reconstruction" else -elbo
        explained = {"score": score, "error": error, "elbo": elbo, "kl": kl, "latent": mean, "reconstruction": x_hat}
        if len(x.shape) == 4:
            explained["anomaly_map"] = scores.residual_map(x, x_hat)  # (batch, H, W)
        return explained


@register(
    "vae",
    VAE,
    inputs=("image", "table"),
    paper="Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014",
)
def build(
    shape: tuple[int, ...], *, latent_dim: int | None = None, filters: int = 32, seed: int = 0, **params: Any
) -> Phases:
    """A VAE, with DCGAN's networks for images, with fully connected ones for tables; the paper's have one hidden layer.

    Args:
        shape: (features,), or (H, W, C) as `build_dcgan_generator` takes it.
        latent_dim: size of z; default 8 (tables), 16 (images).
        filters: of the first convolution; for images.
        seed: of the initial weights, the noise and the data order.
        **params: of `VAE`.
    """
    if kind_of(shape) == "table":
        latent_dim = latent_size(latent_dim, 8)
        encoder = networks.build_table_encoder(shape[0], 2 * latent_dim, seed=2 * seed)
        decoder = networks.build_table_generator(shape[0], latent_dim, seed=2 * seed + 1)
    else:
        latent_dim = latent_size(latent_dim, 16)
        encoder = networks.build_dcgan_encoder(shape, 2 * latent_dim, filters, latent_activation=None, seed=2 * seed)
        decoder = networks.build_dcgan_generator(shape, latent_dim, filters, seed=2 * seed + 1)
    return {"vae": VAE(encoder, decoder, seed=seed, **params)}

"""A normalising flow: RealNVP couplings (Dinh, Sohl-Dickstein and Bengio 2017, arXiv 1605.08803) behind a whitening.

A flow is a bijection f from rows to Gaussian noise, so the likelihood is exact:

    log p(x) = log N(f(x); 0, I) + log |det df/dx|          (section 3.1, eq. 2 and 3)

The likelihood alone is a poor anomaly score of images: it is dominated by local texture and smoothness, so that simple
images of another kind (a plain wall, a thin digit 1) are often more likely than the training data (Nalisnick et al.
2019, arXiv 1810.09136). `Flow` therefore has corrected scores beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.registry import Phases, kind_of, register
from keras_anogan.nn.bijections import LOG_2, Bijection, Coupling, Permutation, Whitening
from keras_anogan.training.batches import data_of

SCORES = ("likelihood", "typicality", "complexity", "ratio")


MOST_VALUES = 2**25  # of the rows that a whitening is solved on: 128 MiB


def build_flow(
    shape: Sequence[int],
    components: int = 128,
    blocks: int = 4,
    units: Sequence[int] = (256, 256),
    bound: float = 2.0,
    seed: int | None = None,
) -> keras.Model:
    """Flow x (batch, *shape) -> [z (batch, size), log |det dz/dx| (batch,)], size the product of the shape.

    A whitening; then `blocks` times a permutation of the first `components` principal coordinates and two couplings
    that move either half of them; last a coupling, of one hidden layer, that moves the coordinates beyond.

    Args:
        shape: (features,) or (H, W, C), of at least two entries.
        components: principal coordinates that the couplings mix; all of them where there are fewer.
        blocks: pairs of couplings, >= 1.
        units: widths of the hidden layers of their networks.
        bound: of the log-scale of a coupling.
        seed: of the initial weights (None draws them anew) and of the permutations.

    Raises:
        ValueError: for a shape of fewer than two entries, components < 2, blocks < 1, units < 1 or bound <= 0.
    """
    shape = tuple(int(length) for length in shape)
    size = math.prod(shape)
    if not shape or min(shape) < 1 or size < 2:
        raise ValueError(f"Expected a shape of at least two entries. Received: {shape}.")
    if components < 2 or blocks < 1:
        raise ValueError(f"Expected components >= 2 and blocks >= 1. Received: {components} and {blocks}.")
    if not units or min(units) < 1 or not bound > 0.0:
        raise ValueError(f"Expected units >= 1 and bound > 0. Received: units={units!r}, bound={bound!r}.")
    k = min(components, size)
    first, second, rest = (0, k // 2), (k // 2, k), (k, size)
    plan = [(Permutation(k, seed=i), (first, second), (second, first)) for i in range(blocks)]
    number = iter(range(1000 * (seed or 0), 1000 * (seed or 0) + 1000))
    make = lambda given, moved, units: Coupling(  # noqa: E731
        given, moved, units, bound, seed=None if seed is None else next(number)
    )
    chain: list[Bijection] = [Whitening(k)]
    for permutation, *couplings in plan:
        chain += [permutation, *(make(given, moved, units) for given, moved in couplings)]
    if k < size:
        chain.append(make((0, k), rest, units[:1]))
    x = keras.Input(shape, name="x", dtype="float32")
    z, log_dets = layers.Reshape((size,), dtype="float32")(x), []
    for bijection in chain:
        z, log_det = bijection(z)
        log_dets.append(log_det)
    return keras.Model(x, [z, layers.Add(dtype="float32")(log_dets)], name="flow")


def code_length(x: Any, levels: int) -> Any:
    """Bits per entry of images (batch, H, W, C) in [-1, 1] in a simple lossless code: shape (batch,).

    Every grey level is predicted from its left, upper and upper left neighbours by the median edge detector of JPEG-LS
    (Weinberger et al. 2000); an error e costs 1 + 2 log2(1 + 2 |e|) bits, the length of its Elias gamma code before
    rounding.
    """
    grey = (x + 1.0) * ((levels - 1) / 2.0)
    padded = ops.pad(grey, ((0, 0), (1, 0), (1, 0), (0, 0)))
    left, upper, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    low, high = ops.minimum(left, upper), ops.maximum(left, upper)
    error = ops.absolute(grey - ops.minimum(ops.maximum(left + upper - corner, low), high))
    return ops.mean(1.0 + 2.0 * ops.log(1.0 + 2.0 * error) / LOG_2, axis=(1, 2, 3))


@keras.saving.register_keras_serializable("keras_anogan")
class Flow(AnomalyDetector):
    """A normalising flow, trained by maximum likelihood; exact log-likelihood and inverse.

    One step minimises the bits per dimension -log P(x + noise) / (size log 2). Noise of two kinds: uniform within the
    grey level (dequantisation, Theis et al. 2016), which makes the density bound the probability of grey levels, and
    Gaussian of standard deviation `noise`, which makes the flow learn p convolved with it: the more, the more the
    likelihood is about the shape of the whole and the less about texture. Scoring draws none: x is the bin's centre.

    The scores, all in bits per dimension b(x):

    - "likelihood": b(x) itself. On images it is misled by simple ones, see the top of this file;
    - "typicality": |b(x) - E b|, E over the training rows (Nalisnick et al. 2019, arXiv 1906.02994, for one row): too
      likely is anomalous too;
    - "complexity": b(x) less what its regression on a lossless code length c(x) says, the line fitted on training rows;
      Serrà et al. (2020, arXiv 1909.11480) subtract c(x) itself. Images only;
    - "ratio": b(x) - weight b_0(x), where b_0 are the bits of a background model (Ren et al. 2019, arXiv 1906.02845):
      here the Gaussian that the flow's own whitening is, which knows how bright, smooth and large an image is, and
      nothing of its shape. weight = 1 is the paper's ratio; a little less keeps some of the likelihood.

    Mean and covariance of b and c over the training rows are running ones, without noise, of a quarter of each batch.

    Args:
        flow: keras.Model x (batch, *shape) -> [z (batch, size), log |det dz/dx| (batch,)], made of `Bijection`s.
        score: which of the four.
        weight: of the background in the ratio, in [0, 1].
        levels: grey levels of images in [-1, 1], e.g. 256; None for entries that are not quantised, whose "bits" are
            those of the density and may be negative.
        noise: standard deviation of the Gaussian noise, >= 0, in units of x.
        momentum: of the running moments, in [0, 1).
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).

    Raises:
        ValueError: for an unknown score, a number out of its range, a network of other outputs, or a score that the
            network or the rows do not have.
    """

    tags = Tags(input="any", least_steps=50)  # 1,000 in twenty epochs, however few the rows
    networks = ("flow",)
    players = {"flow": ("flow",)}
    logs = ("bits_per_dim",)

    def __init__(
        self,
        flow: keras.Model,
        score: str = "ratio",
        weight: float = 0.85,
        levels: int | None = 256,
        noise: float = 0.4,
        momentum: float = 0.99,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(flow=flow, seed=seed, name=name)
        shape = tuple(flow.input_shape[1:])
        self.size = math.prod(shape)
        if score not in SCORES:
            raise ValueError(f"Expected the score to be one of {SCORES}. Received: score={score!r}.")
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"Expected 0 <= weight <= 1. Received: weight={weight!r}.")
        if levels is not None and levels < 2:
            raise ValueError(f"Expected levels >= 2, or None. Received: levels={levels!r}.")
        if not 0.0 <= noise < math.inf:
            raise ValueError(f"Expected noise >= 0. Received: noise={noise!r}.")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"Expected 0 <= momentum < 1. Received: momentum={momentum!r}.")
        made = [tuple(output.shape) for output in flow.outputs]
        if made != [(None, self.size), (None,)]:
            raise ValueError(f"Expected a flow of rows {shape} -> [(None, {self.size}), (None,)]. Received: {made}.")
        self._chain = [layer for layer in flow.layers if isinstance(layer, Bijection)]
        if not self._chain:
            raise ValueError("Expected a flow made of `Bijection` layers. Received: none of them.")
        if score == "complexity" and (len(shape) != 3 or levels is None):
            raise ValueError(f"Expected images (H, W, C) and levels for 'complexity'. Received: {shape}, {levels!r}.")
        if score == "ratio" and not isinstance(self._chain[0], Whitening):
            raise ValueError("Expected a flow that begins with a `Whitening` for 'ratio'. Received: another one.")
        self.score = score
        self.weight = weight
        self.levels = levels
        self.noise = noise
        self.momentum = momentum
        self.adapted = self._own((), "adapted")
        self.moments_mean = self._own((2,), "moments_mean")  # of bits and code length, per dimension
        self.moments_cov = self._own((2, 2), "moments_cov")

    def _own(self, shape: tuple[int, ...], name: str) -> keras.Variable:
        return self.add_weight(
            shape=shape, dtype="float32", initializer="zeros", trainable=False, name=name, aggregation="mean"
        )

    @property
    def bin_width(self) -> float:
        """Distance of two grey levels in x; 1 where entries are not quantised."""
        return 1.0 if self.levels is None else 2.0 / (self.levels - 1)

    def default_jit_compile(self) -> bool:
        """Off: XLA compiles for some twenty seconds, given back after a thousand steps, by `predict` never."""
        return False

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-3), the gradient's norm clipped to 1."""
        return {"flow": keras.optimizers.Adam(1e-3, global_clipnorm=1.0)}

    def adapt(self, x: Any) -> None:
        """Solve for the whitening on (a part of) these rows; `fit` does it once, before its first step.

        Args:
            x: float32 (n, ...), n >= 2, or an object with `__len__` and `rows[indices]`.

        Raises:
            ValueError: for fewer than two rows, a wrong shape, NaN or infinite values.
        """
        x = self.check_rows(x)
        count = min(len(x), max(2, MOST_VALUES // self.size))
        chosen = np.sort(np.random.default_rng(self.seed).permutation(len(x))[:count])
        rows = np.asarray(x[chosen], "float32").reshape(count, self.size)
        uniform = 0.0 if self.levels is None else self.bin_width**2 / 12.0
        if len(x) < 2:
            raise ValueError(f"Flow expected at least two rows to whiten by. Received: {len(x)}.")
        if isinstance(self._chain[0], Whitening):
            self._chain[0].adapt(rows, variance=self.noise**2 + uniform, seed=self.seed)
        self.adapted.assign(1.0)

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """`AnomalyDetector.fit`, after `adapt` on its rows where that was not done before.

        Rows that have no length or index (a `tf.data.Dataset`) are trained on without: call `adapt` yourself.
        """
        rows = data_of(x, y).rows
        if rows is not None and not float(tf.convert_to_tensor(self.adapted)):
            self.adapt(rows)
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        rows, shape = tf.shape(x)[0], self.sample_shape
        noisy = x + self.noise * self.random_normal("noise", rows, shape)
        if self.levels is not None:
            noisy += self.bin_width * (self.random_uniform("bin", rows, shape) - 0.5)
        with tf.GradientTape() as tape:
            z, log_det = self.flow(noisy, training=True)
            loss = tf.reduce_mean(self._bits(z, log_det))
        self.update("flow", tape, loss)
        self._update_moments(x[: tf.maximum(rows // 4, 1)])
        return self.log(bits_per_dim=loss)

    def _update_moments(self, x: tf.Tensor) -> None:
        """Follow mean and covariance of bits and code length: plain ones at first, then running ones.

        Two samples joined, of shares 1 - rate and rate (Chan et al. 1979), so that a batch of one row counts too.
        """
        terms = tf.stack([self._bits(*self.flow(x, training=False)), self._code_length(x)], axis=-1)  # (batch, 2)
        mean = tf.reduce_mean(terms, axis=0)
        centred = terms - mean
        cov = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(x)[0], "float32")
        rate = tf.maximum(1.0 - self.momentum, 1.0 / (1.0 + tf.cast(self.step, "float32")))
        step = mean - self.moments_mean
        between = (1.0 - rate) * step[:, None] * step[None, :]
        self.moments_cov.assign_add(rate * (cov + between - self.moments_cov))
        self.moments_mean.assign_add(rate * step)

    def _bits(self, z: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
        """-log P(x) per dimension, in bits: shape (batch,)."""
        log_normal = -0.5 * tf.reduce_sum(tf.square(z), axis=-1) - 0.5 * self.size * math.log(2.0 * math.pi)
        return -(log_normal + log_det + self.size * math.log(self.bin_width)) / (self.size * LOG_2)

    def _code_length(self, x: tf.Tensor) -> tf.Tensor:
        """c(x), or zeros (batch,) for what is no image of grey levels."""
        if self.levels is None or len(self.sample_shape) != 3:
            return tf.zeros_like(tf.reshape(x, (-1, self.size))[:, 0])
        return code_length(x, self.levels)

    def inverse(self, z: Any) -> tf.Tensor:
        """x of z: float32 (batch, size) to (batch, *shape). Of z drawn from N(0, I) it is a sample of the model."""
        y = tf.convert_to_tensor(z, "float32")
        for bijection in reversed(self._chain):
            y = bijection.inverse(y)
        return tf.reshape(y, (-1, *self.sample_shape))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, `latent` (batch, size), and the terms (batch,): `log_likelihood` in nats (of the grey levels where
        there are any, else of the density), `bits_per_dim`, `typicality`, and where they are defined `complexity`
        with its `code_length`, and `ratio` with its `background`."""
        z, log_det = self.flow(x, training=False)
        bits, mean = self._bits(z, log_det), tf.convert_to_tensor(self.moments_mean)
        terms = {"likelihood": bits, "typicality": tf.abs(bits - mean[0])}
        explained = {"latent": z, "log_likelihood": -bits * (self.size * LOG_2), "bits_per_dim": bits}
        if self.levels is not None and len(self.sample_shape) == 3:
            cov = tf.convert_to_tensor(self.moments_cov)
            explained["code_length"] = code_length(x, self.levels)
            slope = tf.math.divide_no_nan(cov[0, 1], cov[1, 1])
            terms["complexity"] = bits - mean[0] - slope * (explained["code_length"] - mean[1])
        if isinstance(self._chain[0], Whitening):
            explained["background"] = self._bits(*self._chain[0](tf.reshape(x, (-1, self.size))))
            ratio = bits - self.weight * explained["background"]
            terms["ratio"] = tf.where(tf.math.is_inf(bits), bits, ratio)  # not the difference of two infinities
        explained |= {key: term for key, term in terms.items() if key != "likelihood"}
        return {"score": terms[self.score], **explained}


@register(
    "flow",
    Flow,
    inputs=("image", "table"),
    paper="Dinh et al., Density Estimation Using Real NVP, ICLR 2017; ratio by Ren et al., NeurIPS 2019",
)
def build(
    shape: tuple[int, ...],
    *,
    components: int = 128,
    blocks: int = 4,
    units: tuple[int, ...] = (256, 256),
    score: str | None = None,
    levels: int | None = None,
    noise: float | None = None,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """A normalising flow for images or tables.

    Args:
        shape: (features,), or (H, W, C).
        components, blocks, units: as in `build_flow`.
        score: as in `Flow`; default "likelihood" (tables), "ratio" (images).
        levels: as in `Flow`; default None (tables), 256 (images).
        noise: as in `Flow`; default 0.1 (tables), 0.4 (images).
        seed: of the initial weights, the noise and the data order.
        **params: of `Flow`.
    """
    image = kind_of(shape) == "image"
    score = ("ratio" if image else "likelihood") if score is None else score
    levels = (256 if image else None) if levels is None else levels
    noise = (0.4 if image else 0.1) if noise is None else noise
    network = build_flow(shape, components, blocks, units, seed=seed)
    return {"flow": Flow(network, score=score, levels=levels, noise=noise, seed=seed, **params)}

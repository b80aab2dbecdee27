"""VGAN and C-VGAN: "Generating Videos with Scene Dynamics" (Vondrick et al., NIPS 2016, arXiv 1609.02612).

A two-stream generator: a moving foreground f, a still background b and a mask m, video = m f + (1 - m) b. VGAN draws
videos from noise; C-VGAN, here with the layers of the thesis behind IFTM for video (Hofmann 2020), continues the frames
that it is given, and its error on the frame it forecasts is the anomaly score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.vgan import check_weight, combine_streams, convolution_dtype, two_streams
from keras_anogan.nn import losses, scores
from keras_anogan.nn.networks import check_judge, float32_outputs, initializers

STAGES = 5  # each halves height and width


TIME_ORDER = (3, 1, 4, 2, 0)  # stages of a decoder that double the frames: the first of these, as many as it takes


# C-VGAN's generator: two encoders, two decoders; widths are multiples of `filters`, 64 in the thesis.


def build_foreground_encoder(
    shape: Sequence[int] = (7, 64, 128, 3),
    filters: int = 64,
    levels: bool = False,
    normalize: bool = True,
    seed: int | None = None,
) -> keras.Model:
    """Encoder of motion: frames (batch, past, H, W, C) -> code (batch, past/4, H/32, W/32, 16 filters).

    Five 3D convolutions that halve the sides; the second and the fourth halve the frames too. Batch normalisation from
    the second on, ReLU, no biases.

    Args:
        shape: (past, H, W, C), sides that 32 divides.
        filters: of the first convolution.
        normalize: whether there is batch normalisation.
        levels: whether the frames and the other four feature maps are outputs too, finest first, before the code.
        seed: of the initial weights.

    Raises:
        ValueError: for another shape.
    """
    shape = _check_video_shape(shape)
    init = initializers("he_normal", seed)
    x = h = keras.Input(shape, name="past")
    maps = [layers.Identity(name="frames")(x)]
    for i in range(STAGES):
        strides = (2 if i in (1, 3) else 1, 2, 2)
        h = _convolution(layers.Conv3D, filters * 2**i, _kernel(h), strides, init)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h) if i > 0 and normalize else h)
        maps.append(h)
    return keras.Model(x, maps if levels else h, name="foreground_encoder")


def build_background_encoder(
    shape: Sequence[int] = (7, 64, 128, 3), filters: int = 64, seed: int | None = None
) -> keras.Model:
    """Encoder of what stands still: frames (batch, past, H, W, C) -> code (batch, H/32, W/32, 16 filters).

    Three 3D convolutions that halve sides and frames, then two 2D ones; arguments as in `build_foreground_encoder`.
    """
    shape = _check_video_shape(shape)
    init = initializers("he_normal", seed)
    x = h = keras.Input(shape, name="past")
    for i in range(3):
        h = _convolution(layers.Conv3D, filters * 2**i, _kernel(h), 2, init)(h)
        h = layers.ReLU()(h if i == 0 else layers.BatchNormalization()(h))
    frames, height, width, channels = h.shape[1:]
    h = layers.Permute((2, 3, 1, 4))(h) if frames > 1 else h
    h = layers.Reshape((height, width, frames * channels))(h)
    for i in (3, 4):
        h = _convolution(layers.Conv2D, filters * 2**i, 3, 2, init)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))
    return keras.Model(x, h, name="background_encoder")


def build_foreground_stream(
    code_shape: Sequence[int],
    frames: int = 8,
    channels: int = 3,
    filters: int = 64,
    level_shapes: Sequence[Sequence[int]] = (),
    changes: bool = False,
    normalize: bool = True,
    seed: int | None = None,
) -> keras.Model:
    """Decoder of motion: code -> [foreground (batch, frames, H, W, C) in [-1, 1], mask (batch, frames, H, W, 1) in
    [0, 1]].

    Four transposed 3D convolutions with batch normalisation and ReLU, and one each for foreground (tanh) and mask
    (sigmoid); they double the sides, and some of them the frames. With `level_shapes` each stage also reads what the
    encoder saw at its size, and two plain convolutions make foreground and mask of that and of the frames themselves;
    no paper has these skip connections.

    Args:
        code_shape: (past/4, H/32, W/32, 16 filters).
        frames: to make; the decoder makes the next power of two times past/4 and cuts the first ones off.
        channels: of a frame.
        filters: as of the encoder.
        level_shapes: shapes of the frames and of the encoder's other feature maps, finest first; the inputs are then
            [*levels, code].
        normalize: whether there is batch normalisation.
        changes: whether the foreground is a change of something, at first zero, and not bounded by tanh; needs
            `level_shapes`.
        seed: of the initial weights.

    Raises:
        ValueError: for more frames than 32 times past/4.
    """
    doublings = max(0, math.ceil(math.log2(frames / code_shape[0])))
    if doublings > STAGES:
        most = code_shape[0] * 2**STAGES
        raise ValueError(f"Expected at most {most} frames from a code of {code_shape[0]}. Received: frames={frames}.")
    strides = [(2 if i in TIME_ORDER[:doublings] else 1, 2, 2) for i in range(STAGES)]
    init = initializers("he_normal", seed)
    heads = initializers("glorot_uniform", None if seed is None else seed + 500)
    code = h = keras.Input(code_shape, name="code")
    levels = [keras.Input(shape, name=f"level_{i}") for i, shape in enumerate(level_shapes)]
    for i in range(STAGES if levels else STAGES - 1):
        width, kernel = (filters * 2 ** (3 - i), 3) if i < STAGES - 1 else (max(1, filters // 2), (1, 3, 3))
        h = _convolution(layers.Conv3DTranspose, width, kernel, strides[i], init)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h) if normalize else h)
        if levels:
            level = levels[STAGES - 1 - i]
            late = h.shape[1] - level.shape[1]
            when = [max(0, frame - late) for frame in range(h.shape[1])]  # the last ones meet: a forecast sees motion
            h = layers.Concatenate()([h, ops.take(level, when, axis=1)])
    if levels:
        h = layers.ReLU()(_convolution(layers.Conv3D, filters, 3, 1, init)(h))
        y = _convolution(layers.Conv3D, channels + 1, (1, 3, 3), 1, itertools.repeat("zeros") if changes else heads)(h)
        streams = [y[..., :channels], y[..., channels:]]
    else:
        streams = [_convolution(layers.Conv3DTranspose, k, 3, strides[-1], heads)(h) for k in (channels, 1)]
    outputs = []
    for name, y, activation in zip(
        ("foreground", "mask"), streams, ("linear" if changes else "tanh", "sigmoid"), strict=True
    ):
        y = layers.Cropping3D(((y.shape[1] - frames, 0), (0, 0), (0, 0)))(y) if y.shape[1] > frames else y
        outputs.append(layers.Activation(activation, dtype="float32", name=name)(y))
    return keras.Model([*levels, code] if levels else code, outputs, name="foreground_stream")


def build_background_stream(
    code_shape: Sequence[int], channels: int = 3, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """Decoder of what stands still: code (batch, H/32, W/32, 16 filters) -> background (batch, H, W, C) in [-1, 1].

    Four transposed 2D convolutions with batch normalisation and ReLU, and one with tanh; arguments as in
    `build_foreground_stream`.
    """
    init = initializers("he_normal", seed)
    heads = initializers("glorot_uniform", None if seed is None else seed + 500)
    code = h = keras.Input(code_shape, name="code")
    for i in range(STAGES - 1):
        h = _convolution(layers.Conv2DTranspose, filters * 2 ** (3 - i), 3, 2, init)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))
    h = _convolution(layers.Conv2DTranspose, channels, 3, 2, heads)(h)
    return keras.Model(code, layers.Activation("tanh", dtype="float32", name="background")(h), name="background_stream")


def build_video_generator(
    shape: Sequence[int] = (64, 128, 3),
    past: int = 7,
    horizon: int = 1,
    filters: int = 64,
    skip_connections: bool = False,
    residual: bool = False,
    normalize: bool = True,
    seed: int | None = None,
) -> keras.Model:
    """C-VGAN's generator: frames (batch, past, H, W, C) -> video (batch, past + horizon, H, W, C) in [-1, 1].

    Its first `past` frames reconstruct the input, the others are the forecast. past=7, horizon=1 is the thesis;
    past=1, horizon=31 is the split of the paper's conditional variant, one frame in, 32 out, in the thesis's layers.
    The layer "video" combines the streams.

    Args:
        shape: of a frame, (H, W, C), sides that 32 divides.
        past, horizon: frames that are given, and that are forecast.
        filters: 64 in the thesis; widths are 1 to 16 times that.
        skip_connections: whether the foreground's decoder reads the encoder's finer maps; our addition.
        residual: whether the last frame that is given is the background, and the foreground is a change of it, at
            first none; our addition. A forecast then begins as "nothing moves", which is hard to beat.
        normalize: as in `build_foreground_encoder`, of the foreground's two networks.
        seed: of the initial weights.

    Raises:
        ValueError: for another shape, past or horizon below 1, or a horizon that is too long.
    """
    if residual and not skip_connections:
        raise ValueError("Expected skip_connections=True for residual=True. Received: skip_connections=False.")
    if past < 1 or horizon < 1:
        raise ValueError(f"Expected past >= 1 and horizon >= 1. Received: past={past!r}, horizon={horizon!r}.")
    shape = _check_video_shape((past, *shape))
    seeds: list[int | None] = [None if seed is None else 4 * seed + i for i in range(4)]
    foreground_encoder = build_foreground_encoder(
        shape, filters, levels=skip_connections, normalize=normalize, seed=seeds[0]
    )
    *level_shapes, code_shape = [tuple(output.shape[1:]) for output in foreground_encoder.outputs]
    foreground_stream = build_foreground_stream(
        code_shape,
        past + horizon,
        shape[-1],
        filters,
        level_shapes,
        changes=residual,
        normalize=normalize,
        seed=seeds[2],
    )
    x = keras.Input(shape, name="past")
    foreground, mask = foreground_stream(foreground_encoder(x))
    if residual:
        still = layers.Identity(dtype="float32", name="background")(x[:, -1])
        foreground = layers.Add(dtype="float32", name="changed")([foreground, ops.expand_dims(still, 1)])
    else:
        encoder = build_background_encoder(shape, filters, seed=seeds[1])
        still = build_background_stream(encoder.output_shape[1:], shape[-1], filters, seed=seeds[3])(encoder(x))
    return keras.Model(x, combine_streams(foreground, mask, still), name="generator")


def build_video_discriminator(
    shape: Sequence[int] = (8, 64, 128, 3),
    filters: int = 32,
    slope: float = 0.3,
    dropout: float = 0.0,
    seed: int | None = None,
) -> keras.Model:
    """Discriminator video (batch, T, H, W, C) -> (logit (batch, 1), features: the flattened last convolution).

    Five 3D convolutions of 1 to 16 times `filters` that halve the sides, the second and the fourth the frames too;
    batch normalisation from the second on; LeakyReLU with the thesis's slope, Keras's default.
    """
    shape = _check_video_shape(shape)
    init = initializers("he_normal", seed)
    x = h = keras.Input(shape, name="x")
    for i in range(STAGES):
        strides = (2 if i in (1, 3) else 1, 2, 2)
        h = _convolution(layers.Conv3D, filters * 2**i, _kernel(h), strides, init)(h)
        h = layers.LeakyReLU(slope)(h if i == 0 else layers.BatchNormalization()(h))
        h = layers.Dropout(dropout)(h) if dropout > 0.0 else h
    features = layers.Flatten()(h)
    head = keras.initializers.GlorotUniform(seed=None if seed is None else 1000 * seed + 900)
    logit = layers.Dense(1, kernel_initializer=head)(features)
    return keras.Model(x, float32_outputs(logit=logit, features=features), name="discriminator")


@keras.saving.register_keras_serializable("keras_anogan")
class CVGAN(AnomalyDetector):
    """Conditional video GAN: continues the frames that it is given, and is surprised by what it did not forecast.

    A sample is a window of past + horizon frames, (T, H, W, C) in [-1, 1]; the generator's shapes say how it is split.
    In training, pairs (first `past` frames, whole window), the form of IFTM and the thesis's generators, are taken
    too: the window is what counts. Losses, from one forward pass, then both players' steps:

        L_D = BCE(D(window), 1) + BCE(D(video), 0)
        L_G = BCE(D(video), 1) + lambda_ MAE(the first `past` frames) + lambda_forecast MSE(the others)
              + mask_weight mean(mask)

    The thesis has lambda_ = 10 and nothing else: its only frame that is scored, the forecast, is never compared with
    the real one in training. It also gives the mask an activity regulariser L1(0.1), which its training loop never
    adds; Keras would sum it over all mask values, some 65,000 a window, where Torch's takes the mean, as here. The
    error of the forecast is squared, because a generator that begins at the last frame stays there under an absolute
    one: most pixels do not move, and are best left alone.

    The score is the absolute error of the forecast, per pixel, in [-1, 1] units, reduced by

    - "mean": over all pixels, as in the thesis;
    - "top_blocks": mean of the `top` largest means of blocks of `block` x `block` pixels; anomalies are small;

    and, where `scaled`, divided by what "nothing moves" would have come to among the `past` frames
    (`scores.scaled_error`): errors are larger where more is going on, and a threshold holds for both.

    Args:
        generator: keras.Model frames (batch, past, H, W, C) -> video (batch, past + horizon, H, W, C).
        discriminator: keras.Model video -> (logit (batch, 1), features).
        lambda_: weight of the reconstruction of the past.
        lambda_forecast: weight of the forecast's squared error, some hundredths of an absolute one; 0 in the thesis.
        mask_weight: weight of the mean of the mask; 0 is what the thesis ran, 0.1 what VGAN has.
        reduction: "mean" or "top_blocks".
        block, top: of "top_blocks".
        scaled: whether the score is relative to the changes among the frames before, of which it takes two.
        offset: of `scaled`, in [-1, 1] units; 0.03 is four grey levels of 255.
        mirror: whether each training window is mirrored left to right with probability 1/2.
        seed: integer; data order is a function of (seed, epoch).

    Raises:
        ValueError: for an unknown reduction, a negative weight, an offset that is not finite and positive, block or top
            below 1, networks whose shapes do not meet, a mask_weight for a generator without a mask, or `scaled` with
            one frame given.
    """

    tags = Tags(input="window")
    networks = ("generator", "discriminator")
    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logs = ("discriminator_loss", "generator_loss", "past_loss", "forecast_loss", "mask_mean")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        lambda_: float = 10.0,
        lambda_forecast: float = 0.0,
        mask_weight: float = 0.0,
        reduction: str = "mean",
        block: int = 8,
        top: int = 4,
        scaled: bool = False,
        offset: float = 0.03,
        mirror: bool = False,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, seed=seed, name=name)
        self.past, self.horizon = _past_and_horizon(generator)
        check_judge(discriminator, "discriminator", [("the generator", generator.output_shape)], ("logit", "features"))
        self.lambda_ = check_weight("lambda_", lambda_)
        self.lambda_forecast = check_weight("lambda_forecast", lambda_forecast)
        self.mask_weight = check_weight("mask_weight", mask_weight)
        self.forecast_error = scores.PredictionError(1, -self.horizon, reduction, block, top, scaled, offset)
        if scaled and self.past < 2:
            raise ValueError("Expected a generator that is given two frames or more, for scaled=True. Received: one.")
        self.reduction = reduction
        self.block = block
        self.top = top
        self.scaled = scaled
        self.offset = offset
        self.check_mirrored(mirror)
        self.mirror = mirror
        self.__dict__["_streams"] = two_streams(generator, needed=mask_weight > 0.0)

    @property
    def call_shape(self) -> tuple[int, ...]:
        """(past + horizon, H, W, C)."""
        return tuple(self.generator.output_shape[1:])

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4, beta_1=0.5), as in the thesis."""
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in self.players}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        window = self._window(data)
        window = self.mirror_half("mirror", window) if self.mirror else window
        past, future = window[:, : self.past], window[:, self.past :]
        with tf.GradientTape(persistent=True) as tape:
            made = self._streams(past, training=True)
            video = made["video"]
            real, _ = self.discriminator(window, training=True)
            fake, _ = self.discriminator(video, training=True)
            discriminator_loss = losses.binary_cross_entropy(real, True) + losses.binary_cross_entropy(fake, False)
            past_loss = tf.reduce_mean(tf.abs(video[:, : self.past] - past))
            forecast_loss = tf.reduce_mean(tf.square(video[:, self.past :] - future))
            generator_loss = losses.binary_cross_entropy(fake, True) + self.lambda_ * past_loss
            if self.lambda_forecast > 0.0:
                generator_loss += self.lambda_forecast * forecast_loss
            logged = {"past_loss": past_loss, "forecast_loss": forecast_loss}
            if "mask" in made:
                logged["mask_mean"] = tf.reduce_mean(made["mask"])
                generator_loss += self.mask_weight * logged["mask_mean"]
        self.update("discriminator", tape, discriminator_loss)
        self.update("generator", tape, generator_loss)
        return self.log(discriminator_loss=discriminator_loss, generator_loss=generator_loss, **logged)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Mean score of held-out windows, or pairs."""
        return super().test_step((self._window(data),))

    def _window(self, data: Any) -> tf.Tensor:
        """The whole window of a batch of windows, windows and labels, or (past frames, whole window)."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return x if y is None or len(y.shape) != len(x.shape) else y

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Scores (n,) of whole windows: as in every detector.

        Raises:
            ValueError: for `VideoWindows` of pairs, besides.
        """
        if getattr(x, "subsample_size", None) is not None:
            raise ValueError(
                "Expected whole windows to score, VideoWindows(..., subsample_size=None). "
                f"Received: pairs of {x.subsample_size} and {x.sample_size} frames."
            )
        return super().predict(x, *args, **kwargs)

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, both reductions by name, neither of them scaled, and what they are made of.

        `naive` is what the score is relative to where it is scaled; `reconstruction` is the whole video, `forecast` its
        last `horizon` frames; `anomaly_map` (batch, H, W) is the absolute error of the forecast, averaged over its
        frames and channels; `mask`, `foreground` and `background` are there where the generator has two streams.
        """
        made = self._streams(x[:, : self.past], training=False)
        video = made.pop("video")
        terms = self.forecast_error.terms(video, x)
        error = tf.reduce_mean(terms["error"], axis=(1, 4))  # (batch, H, W)
        return {
            "mean": tf.reduce_mean(error, axis=(1, 2)),
            "top_blocks": scores.top_blocks(error, self.block, self.top),
            self.reduction: terms["reduced"],
            **{key: terms[key] for key in ("score", "naive") if key in terms},
            "reconstruction": video,
            "forecast": video[:, self.past :],
            "anomaly_map": error,
            **made,
        }


def _past_and_horizon(generator: keras.Model) -> tuple[int, int]:
    given, made = tuple(generator.input_shape[1:]), tuple(generator.output_shape[1:])
    if len(given) != 4 or len(made) != 4 or given[1:] != made[1:] or not 1 <= given[0] < made[0]:
        raise ValueError(
            "Expected a generator of frames (past, H, W, C) to videos (past + horizon, H, W, C). "
            f"Received: {given} to {made}."
        )
    return given[0], made[0] - given[0]


def _check_video_shape(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(size) for size in shape)
    if len(shape) != 4 or min(shape) < 1 or shape[1] % 2**STAGES or shape[2] % 2**STAGES:
        raise ValueError(
            f"Expected video (frames, height, width, channels) with sides that {2**STAGES} divides. Received: {shape}."
        )
    return shape


def _kernel(h: Any) -> tuple[int, int, int]:
    """3 x 3 x 3; 1 x 3 x 3 for a single frame, which has no neighbours."""
    return (3 if h.shape[1] > 1 else 1, 3, 3)


def _convolution(kind: Any, filters: int, kernel: Any, strides: Any, init: Any) -> keras.Layer:
    return kind(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer=next(init), dtype=convolution_dtype(kind)
    )

"""C-VGAN: "Generating Videos with Scene Dynamics" (Vondrick et al., NIPS 2016, arXiv 1609.02612), made conditional.

VGAN (`models/vgan.py`) draws videos from noise, as a moving foreground before a still background. C-VGAN, here with the
layers of the thesis behind IFTM for video (Hofmann 2020), continues the frames that it is given, and its error on the
frame it forecasts is the anomaly score. Its networks are in `models/cvgan_networks.py`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models.cvgan_networks import build_video_discriminator, build_video_generator
from keras_anogan.models.registry import Phases, register
from keras_anogan.models.vgan import check_weight, two_streams
from keras_anogan.nn import losses, scores
from keras_anogan.nn.networks import check_judge


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
        return self.adam_optimizers(2e-4)

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


@register(
    "cvgan",
    CVGAN,
    inputs=("window",),
    paper="Hofmann, a thesis on IFTM for video, 2020; on Vondrick et al., Generating Videos with Scene Dynamics, 2016",
)
def build(
    shape: tuple[int, ...],
    *,
    horizon: int = 1,
    filters: int = 16,
    lambda_forecast: float = 10_000.0,
    reduction: str = "top_blocks",
    scaled: bool | None = None,
    skip_connections: bool = True,
    residual: bool = True,
    seed: int = 0,
    **params: Any,
) -> Phases:
    """C-VGAN, with the additions that made it forecast better (see `CVGAN`, `build_video_generator`).

    filters=64, lambda_=10, lambda_forecast=0, reduction="mean", scaled=False, skip_connections=False, residual=False
    is the thesis.

    Args:
        shape: of a window, (past + horizon, H, W, C), sides that 32 divides.
        horizon: frames of it that are forecast.
        filters: of the generator; the discriminator has half of it.
        lambda_forecast, reduction: as in `CVGAN`.
        scaled: as in `CVGAN`; default: scaled where there are two frames before the forecast.
        skip_connections, residual: as in `build_video_generator`.
        seed: of the initial weights and the data order.
        **params: of `CVGAN`.
    """
    if len(shape) != 4:
        raise ValueError(f"Expected windows (frames, H, W, C). Received: shape {shape}.")
    past = shape[0] - horizon
    generator = build_video_generator(shape[1:], past, horizon, filters, skip_connections, residual, seed=2 * seed)
    discriminator = build_video_discriminator(shape, max(1, filters // 2), seed=2 * seed + 1)
    chosen: dict[str, Any] = {"lambda_forecast": lambda_forecast, "reduction": reduction}
    chosen["scaled"] = past >= 2 if scaled is None else scaled
    return {"cvgan": CVGAN(generator, discriminator, **chosen, seed=seed, **params)}

"""Per-sample errors, as pure functions: (batch, ...) and (batch, ...) to float32 (batch,); and residual maps."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_anogan")
def l1_error(predicted: Any, actual: Any) -> Any:
    """Mean absolute error of each sample, shape (batch,): what the thesis uses."""
    return mean_absolute_error(actual, predicted)


@keras.saving.register_keras_serializable("keras_anogan")
def l2_error(predicted: Any, actual: Any) -> Any:
    """Euclidean distance of each sample, shape (batch,): what the paper uses."""
    return distance(actual, predicted, degree=2)


@keras.saving.register_keras_serializable("keras_anogan")
class PredictionError:
    """An error function of video, or of any sequence: which frames count, and how their error becomes one number.

    C-VGAN scores by it, and so does IFTM around any model that forecasts. It is no exception, whatever its name says.

    Args:
        degree: 1 for the absolute error, 2 for the squared one.
        frames: frames that count: -1 the last one, as in the thesis, -3 the last three; None for all.
        reduction: "mean" over everything, or "top_blocks": mean of the `top` largest means of `block` x `block` pixels
            of the error map.
        block, top: of "top_blocks".
        scaled: whether the error is divided by that of "nothing changes" plus `offset` (see `scaled_error`), so that a
            threshold that was set while the scene was quiet holds when it is busy. "Nothing changes" is judged among
            the frames of `actual` before those that count, of which there have to be two, and reduced in the same way.
        offset: of `scaled`, in the unit of the error; 0.03 is four grey levels of 255, at degree 1.

    Raises:
        ValueError: for another degree or reduction, frames >= 0, `scaled` without `frames`, or an offset that is not
            finite and positive.
    """

    def __init__(
        self,
        degree: int = 1,
        frames: int | None = None,
        reduction: str = "mean",
        block: int = 8,
        top: int = 4,
        scaled: bool = False,
        offset: float = 0.03,
    ) -> None:
        if degree not in (1, 2):
            raise ValueError(f"Expected the degree 1 or 2. Received: degree={degree!r}.")
        if frames is not None and frames >= 0:
            raise ValueError(f"Expected frames=-n, the last n, or None. Received: frames={frames!r}.")
        check_reduction(reduction)
        if block < 1 or top < 1:
            raise ValueError(f"Expected block >= 1 and top >= 1. Received: block={block!r}, top={top!r}.")
        if scaled and frames is None:
            raise ValueError(
                "Expected frames=-n, the last n, for scaled=True: the others tell the scale. Received: None."
            )
        if not 0.0 < offset < math.inf:
            raise ValueError(f"Expected a finite offset > 0. Received: offset={offset!r}.")
        self.degree, self.frames, self.reduction, self.block, self.top = degree, frames, reduction, block, top
        self.scaled, self.offset = scaled, offset

    def __call__(self, predicted: Any, actual: Any) -> Any:
        """Errors (batch,) of predictions (batch, frames, ...) for what happened, of the same shape."""
        return self.terms(predicted, actual)["score"]

    def terms(self, predicted: Any, actual: Any) -> dict[str, Any]:
        """The errors, and what they are made of.

        Args:
            predicted, actual: shape (batch, frames, ...); for "top_blocks" (batch, frames, H, W, C).

        Returns:
            `score` (batch,), the errors; `reduced` (batch,), the same before scaling; `error`, of each element of the
            frames that count; and where it is `scaled`, `naive` (batch,), the error of "nothing changes".

        Raises:
            ValueError: for "top_blocks" of something else than video, or fewer than two frames to scale by.
        """
        before = actual[:, : self.frames]
        if self.scaled and before.shape[1] is not None and before.shape[1] < 2:
            raise ValueError(
                "Expected at least two frames before those that count, for scaled errors, in `actual`. "
                f"Received: {before.shape[1]} of {actual.shape[1]}."
            )
        if self.frames is not None:
            predicted, actual = predicted[:, self.frames :], actual[:, self.frames :]
        error = ops.absolute(predicted - actual)
        error = ops.square(error) if self.degree == 2 else error
        if self.reduction == "top_blocks" and len(error.shape) != 5:
            raise ValueError(
                "Expected video (batch, frames, height, width, channels) for top_blocks. "
                f"Received: shape {tuple(error.shape)}."
            )
        if self.reduction == "mean":
            reduced = ops.mean(error, axis=_sample_axes(error))
        else:
            reduced = top_blocks(ops.mean(error, axis=(1, 4)), self.block, self.top)
        if not self.scaled:
            return {"score": reduced, "reduced": reduced, "error": error}
        naive = naive_error(before, self.reduction, self.block, self.top, self.degree)
        return {
            "score": scaled_error(reduced, naive, self.offset),
            "reduced": reduced,
            "error": error,
            "naive": naive,
        }

    def get_config(self) -> dict:
        names = ("degree", "frames", "reduction", "block", "top", "scaled", "offset")
        return {key: getattr(self, key) for key in names}

    @classmethod
    def from_config(cls, config: dict) -> PredictionError:
        return cls(**config)


REDUCTIONS = ("mean", "top_blocks")  # of the error of video to one number


def mean_squared_error(x: Any, x_hat: Any) -> Any:
    """Mean of (x - x_hat)^2 over every axis but the batch's, shape (batch,)."""
    return ops.mean(ops.square(x - x_hat), axis=_sample_axes(x))


def mean_absolute_error(x: Any, x_hat: Any) -> Any:
    """Mean of |x - x_hat| over every axis but the batch's, shape (batch,)."""
    return ops.mean(ops.absolute(x - x_hat), axis=_sample_axes(x))


def distance(x: Any, x_hat: Any, degree: float = 1) -> Any:
    """||x - x_hat||_degree, the norm over every axis but the batch's, shape (batch,).

    Args:
        x, x_hat: shape (batch, ...).
        degree: 1 for the sum of absolute differences, 2 for the Euclidean norm, any p >= 1.
    """
    difference = ops.absolute(x - x_hat)
    if degree == 1:
        return ops.sum(difference, axis=_sample_axes(x))
    total = ops.sum(ops.power(difference, degree), axis=_sample_axes(x))
    away = total > 0.0  # the root has no slope at 0: a search that met x would see NaN
    return ops.where(away, ops.power(ops.where(away, total, 1.0), 1.0 / degree), 0.0)


def cross_entropy(logit: Any) -> Any:
    """-log sigmoid(logit), the cross-entropy of a discriminator's logit (batch, 1) with "real": shape (batch,)."""
    return ops.softplus(-logit)[:, 0]


def residual_map(x: Any, x_hat: Any) -> Any:
    """|x - x_hat| of images (batch, H, W, C), averaged over the channels: shape (batch, H, W)."""
    return ops.mean(ops.absolute(x - x_hat), axis=-1)


MAP_REDUCTIONS = ("mean", "max", "top")  # of an anomaly map to one number


def blurred(anomaly_map: Any, sigma: float, inside: Any = None) -> Any:
    """An anomaly map (batch, H, W) after a Gaussian blur of `sigma` pixels, mirrored at the edges; 0 for none.

    A single noisy pixel counts less then, a defect of several as much as before.

    Args:
        anomaly_map: shape (batch, H, W), H and W known.
        sigma: in pixels.
        inside: bool (batch, H, W): the other pixels are 0 and run into none; None for all.
    """
    if inside is not None:
        weight = ops.cast(inside, "float32")
        return weight * blurred(weight * anomaly_map, sigma) / ops.maximum(blurred(weight, sigma), 1e-6)
    if sigma == 0.0:
        return anomaly_map
    reach = min(int(np.ceil(3.0 * sigma)), *(side - 1 for side in anomaly_map.shape[1:]))
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    weights = (weights / weights.sum()).astype("float32")
    sides = ((0, 0), (reach, reach), (reach, reach))
    padded = ops.pad(anomaly_map, sides, mode="reflect")[..., None]
    down = ops.conv(padded, ops.reshape(weights, (-1, 1, 1, 1)))
    return ops.conv(down, ops.reshape(weights, (1, -1, 1, 1)))[..., 0]


def reduced_map(anomaly_map: Any, reduction: str = "top", share: float = 0.003, inside: Any = None) -> Any:
    """One number of an anomaly map: (batch, H, W) to (batch,).

    Args:
        anomaly_map: shape (batch, H, W), H and W known.
        reduction: "mean" over all pixels; "max", the largest; or "top", the mean of the largest `share` of the pixels,
            which a small defect moves and a single pixel does not.
        share: of "top", in (0, 1]; at least one pixel counts.
        inside: bool (batch, H, W): the other pixels do not count; None for all.

    Raises:
        ValueError: for another reduction.
    """
    if reduction not in MAP_REDUCTIONS:
        raise ValueError(f"Expected the reduction to be one of {MAP_REDUCTIONS}. Received: reduction={reduction!r}.")
    if reduction == "mean" and inside is None:
        return ops.mean(anomaly_map, axis=(1, 2))
    if reduction == "mean":
        weight = ops.cast(inside, "float32")
        return ops.sum(weight * anomaly_map, axis=(1, 2)) / ops.maximum(ops.sum(weight, axis=(1, 2)), 1.0)
    size = anomaly_map.shape[1] * anomaly_map.shape[2]
    count = 1 if reduction == "max" else max(1, int(np.ceil(share * size)))
    if inside is not None:
        anomaly_map = ops.where(inside, anomaly_map, -float("inf"))
    largest, _ = ops.top_k(ops.reshape(anomaly_map, (-1, size)), count)
    if inside is None or count == 1:
        return ops.mean(largest, axis=-1)
    own = ops.cast(ops.sum(ops.cast(inside, "int32"), axis=(1, 2), keepdims=True)[:, 0], "float32")
    counts = ops.arange(count, dtype="float32") < ops.maximum(1.0, ops.ceil(share * own))
    return ops.sum(ops.where(counts, largest, 0.0), axis=-1) / ops.sum(ops.cast(counts, "float32"), axis=-1)


def top_blocks(error_map: Any, block: int = 8, top: int = 4) -> Any:
    """Mean of the `top` largest means over blocks of a fixed grid: errors (batch, H, W) to (batch,).

    A block at the right or lower edge has the pixels that are left.

    Args:
        error_map: shape (batch, H, W), H and W known.
        block: side of a block in pixels.
        top: how many blocks; all of them where there are fewer.
    """
    sides = error_map.shape[1:]
    beyond = [-side % block for side in sides]
    padded = ops.pad(error_map, ((0, 0), (0, beyond[0]), (0, beyond[1])))
    means = ops.average_pool(padded[..., None], block, block)[..., 0]
    shares = [np.minimum(block, side - np.arange(0, side, block)) / block for side in sides]  # of a block inside
    means = means / ops.convert_to_tensor(np.outer(*shares).astype("float32"))
    count = means.shape[1] * means.shape[2]
    largest, _ = ops.top_k(ops.reshape(means, (-1, count)), min(top, count))
    return ops.mean(largest, axis=-1)


def check_reduction(reduction: str) -> None:
    """Refuse what is no way of `REDUCTIONS` to make one number of a video's error.

    Raises:
        ValueError: for an unknown reduction.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"Expected the reduction to be one of {REDUCTIONS}. Received: reduction={reduction!r}.")


def naive_error(steps: Any, reduction: str = "mean", block: int = 8, top: int = 4, degree: float = 1) -> Any:
    """Error of "nothing changes" within a sequence: each step as the forecast of the next, averaged, shape (batch,).

    Args:
        steps: shape (batch, T, ...), T >= 2; (batch, T, H, W, C) for "top_blocks".
        reduction: "mean" over everything, or "top_blocks" of each step's change, averaged over its channels.
        block, top: of `top_blocks`.
        degree: 1 for absolute changes, 2 for squared ones.

    Raises:
        ValueError: for a single step, or an unknown reduction.
    """
    if steps.shape[1] is not None and steps.shape[1] < 2:
        raise ValueError(f"Expected two steps or more. Received: shape {tuple(steps.shape)}.")
    check_reduction(reduction)
    steps = ops.cast(steps, "float32")  # bytes would go round
    changes = ops.power(ops.absolute(steps[:, 1:] - steps[:, :-1]), degree)
    if reduction == "mean":
        return ops.mean(changes, axis=_sample_axes(changes))
    maps = ops.mean(changes, axis=-1)  # (batch, T - 1, H, W)
    each = top_blocks(ops.reshape(maps, (-1, *maps.shape[2:])), block, top)
    return ops.mean(ops.reshape(each, (-1, maps.shape[1])), axis=1)


def scaled_error(error: Any, naive: Any, offset: float) -> Any:
    """error / (naive + offset), shape (batch,): how much worse, or better, than expecting no change.

    The mean absolute scaled error of forecasting (Hyndman and Koehler 2006), and in conformal prediction a normalised
    nonconformity (Papadopoulos et al. 2011): a busy scene has larger errors, whatever happens in it. `offset`, in the
    unit of the errors, keeps a scene where nothing moved from making an anomaly of the first that does.
    """
    return error / (naive + offset)


def _sample_axes(x: Any) -> tuple[int, ...]:
    return tuple(range(1, len(x.shape)))

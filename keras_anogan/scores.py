"""Per-sample errors, as pure functions: (batch, ...) and (batch, ...) to float32 (batch,); and residual maps."""

from __future__ import annotations

from typing import Any

from keras import ops


def mean_squared_error(x: Any, x_hat: Any) -> Any:
    """Mean of (x - x_hat)^2 over every axis but the batch's, shape (batch,)."""
    return ops.mean(ops.square(x - x_hat), axis=_sample_axes(x))


def mean_absolute_error(x: Any, x_hat: Any) -> Any:
    """Mean of |x - x_hat| over every axis but the batch's, shape (batch,)."""
    return ops.mean(ops.absolute(x - x_hat), axis=_sample_axes(x))


def residual_map(x: Any, x_hat: Any) -> Any:
    """|x - x_hat| of images (batch, H, W, C), averaged over the channels: shape (batch, H, W)."""
    return ops.mean(ops.absolute(x - x_hat), axis=-1)


def _sample_axes(x: Any) -> tuple[int, ...]:
    return tuple(range(1, len(x.shape)))

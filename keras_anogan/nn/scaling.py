"""Bytes as the values in [-1, 1] that networks take: one formula, before a model and in the model that is served."""

from __future__ import annotations

from typing import Any

import numpy as np

# A byte v is the value v * BYTE_SCALE + BYTE_OFFSET in [-1, 1]; a model that takes raw bytes has them in a `Rescaling`.
BYTE_SCALE, BYTE_OFFSET = 1.0 / 127.5, -1.0
BLOCK = 2**16
PADDING = -3.0  # beside a photograph on its canvas, for [-1, 1]: no pixel of it can be that


def content_size(height: Any, width: Any, sides: tuple[int, int], least: Any = min, most: Any = max) -> tuple[Any, Any]:
    """(height, width) of a photograph that keeps its shape and just fits into `sides`, at least one pixel each.

    Args:
        height, width: of the photograph, integers.
        sides: (height, width) of the canvas.
        least, most: of two integers; TensorFlow's for tensors.
    """
    return (
        least(sides[0], most(1, (2 * height * sides[1] + width) // (2 * width))),
        least(sides[1], most(1, (2 * width * sides[0] + height) // (2 * height))),
    )


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0 to 255, of any shape, as float32 in [-1, 1]: v / 127.5 - 1.

    It rounds exactly as `keras.layers.Rescaling(BYTE_SCALE, offset=BYTE_OFFSET)` does, so that a sample has the same
    score whether its bytes are scaled here, before a model, or in the model that serves them.
    """
    scaled = np.empty(pixels.shape, "float32")
    given, made = pixels.reshape(-1), scaled.reshape(-1)
    for i in range(0, len(given), BLOCK):  # a block stays in the processor's cache for all three steps
        block = made[i : i + BLOCK]
        block[:] = given[i : i + BLOCK]
        block *= np.float32(BYTE_SCALE)
        block += np.float32(BYTE_OFFSET)
    return scaled


def far_cells(values: np.ndarray) -> np.ndarray:
    """Which numbers of a column lie so far from nearly all others that they must not rule its scale, bool (n,).

    A sensor's glitch at 1e9 would shrink every other cell to the same number. The middle 90 % of the numbers give a
    centre and a width, of a column mostly of one value the others among them. A cell more than ten such widths away
    is far; normal and exponential columns have none. Rather than call a whole second level of a column far, none is
    where they are more than 5 %.

    Args:
        values: float (n,), finite or NaN, which is never far.
    """
    far = np.zeros(len(values), bool)
    known = values[np.isfinite(values)]
    if len(known) < 20:
        return far
    low, high = np.quantile(known, (0.05, 0.95))
    if not high > low:
        others = known[known != low]  # a column mostly of one value: counts, switches
        if len(others) < 20:
            return far
        low, high = (float(f(edge, low)) for f, edge in zip((min, max), np.quantile(others, (0.05, 0.95)), strict=True))
    width = high - low
    far = (values < low - 10.0 * width) | (values > high + 10.0 * width)
    return far if far.sum() <= 0.05 * len(known) else np.zeros(len(values), bool)


def is_constant(values: np.ndarray) -> bool:
    """Whether finite numbers differ by no more than rounding: the mean of 14.62 a thousand times is not quite 14.62."""
    return len(values) == 0 or float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max())


def centre_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a column without NaN and far cells; its value and 1 where it is constant."""
    near = values[np.isfinite(values) & ~far_cells(values)]
    if is_constant(near):
        return (float(near[0]) if len(near) else 0.0), 1.0
    return float(near.mean()), float(near.std())

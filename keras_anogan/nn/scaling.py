"""Bytes as the values in [-1, 1] that networks take: one formula, before a model and in the model that is served."""

from __future__ import annotations

import numpy as np

# A byte v is the value v * BYTE_SCALE + BYTE_OFFSET in [-1, 1]; a model that takes raw bytes has them in a `Rescaling`.
BYTE_SCALE, BYTE_OFFSET = 1.0 / 127.5, -1.0
BLOCK = 2**16


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

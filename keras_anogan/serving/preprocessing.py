"""From raw input to the input of a detector."""

from __future__ import annotations

import keras


def image_preprocessing(height: int, width: int) -> keras.Layer:
    """Raw images (batch, any, any, C) in [0, 255] to float32 (batch, height, width, C) in [-1, 1].

    Bilinear with anti-aliasing, so that a large photograph shrinks without speckles.
    """
    return keras.Sequential(
        [
            keras.layers.Resizing(height, width, antialias=True, dtype="float32"),
            keras.layers.Rescaling(1.0 / 127.5, offset=-1.0, dtype="float32"),
        ],
        name="preprocessing",
    )

"""From raw input to the input of a detector."""

from __future__ import annotations

import keras

from keras_anogan.pictures import BYTE_OFFSET, BYTE_SCALE


def image_preprocessing(height: int, width: int) -> keras.Layer:
    """Raw images (batch, any, any, C) in [0, 255] to float32 (batch, height, width, C) in [-1, 1].

    Bilinear with anti-aliasing, so that a large photograph shrinks without speckles.
    """
    return keras.Sequential(
        [
            keras.layers.Resizing(height, width, antialias=True, dtype="float32"),
            keras.layers.Rescaling(BYTE_SCALE, offset=BYTE_OFFSET, dtype="float32"),
        ],
        name="preprocessing",
    )

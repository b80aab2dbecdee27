"""From raw input to the input of a detector: what arrays and tables answer alike.

`RawArrays` (images, windows of frames, rows of numbers) and `RawColumns` (tables) have the same four answers: `check`
what a user gives, `encode` it for the detector, describe it to Keras and to a server, and draw a random `sample`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.nn.scaling import BYTE_OFFSET, BYTE_SCALE, content_size
from keras_anogan.training.batches import check_rows, check_shape

Shape = tuple[int | None, ...]


def image_preprocessing(height: int, width: int, white: int = 255, pad: bool = False) -> keras.Layer:
    """Raw images (batch, any, any, C) in [0, white] to float32 (batch, height, width, C) in [-1, 1].

    Bilinear with anti-aliasing, so that a large photograph shrinks without speckles. What is brighter than white
    becomes more than 1.

    Args:
        height, width: of what the detector takes.
        white: raw value that becomes 1.
        pad: an image keeps its shape in the middle, and the rest is -3, which `PaddedDetector` leaves out. Default:
            an image of another shape is squeezed.
    """
    if pad:
        resizing: keras.Layer = Letterbox(height, width, -float(white), dtype="float32")
    else:
        resizing = keras.layers.Resizing(height, width, antialias=True, data_format="channels_last", dtype="float32")
    return keras.Sequential([resizing, rescaling(white=white)], name="preprocessing")


@keras.saving.register_keras_serializable("keras_anogan")
class Letterbox(keras.layers.Layer):
    """Images (batch, any, any, C) in the middle of a canvas (batch, height, width, C), as large as they fit there.

    `keras.layers.Resizing` pads before it resizes, so that padding runs into the image's edge; here it does not.

    Args:
        height, width: of the canvas.
        value: of the padding.
    """

    def __init__(self, height: int, width: int, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height, self.width, self.value = height, width, value

    def call(self, images: Any) -> Any:
        shape = tf.shape(images)
        size = content_size(shape[1], shape[2], (self.height, self.width), tf.minimum, tf.maximum)
        resized = tf.image.resize(images, size, antialias=True)
        before = ((self.height - size[0]) // 2, (self.width - size[1]) // 2)
        after = (self.height - size[0] - before[0], self.width - size[1] - before[1])
        sides = [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]]
        return tf.ensure_shape(
            tf.pad(resized, sides, constant_values=self.value), self.compute_output_shape(images.shape)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.height, self.width, input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "height": self.height, "width": self.width, "value": self.value}


def rescaling(name: str | None = None, white: int = 255) -> keras.Layer:
    """Whole numbers in [0, white] to float32 in [-1, 1]."""
    scale = BYTE_SCALE if white == 255 else 2.0 / white
    return keras.layers.Rescaling(scale, offset=BYTE_OFFSET, dtype="float32", name=name)


def white_level(preprocessing: Any) -> int:
    """The value that `image_preprocessing` takes for white; 255 for another preprocessing."""
    for layer in getattr(preprocessing, "layers", ()):
        if isinstance(layer, keras.layers.Rescaling):
            return round(2.0 / float(layer.scale))
    return 255


def raw_input(preprocessing: keras.Layer | None, sample_shape: Shape, shape: Shape | None, dtype: str | None) -> Any:
    """The kind of raw input that a preprocessing takes.

    Args:
        preprocessing: a Keras layer, a `TableEncoder`, or None.
        sample_shape: of the detector's input.
        shape: of one raw sample, None for an axis of any size. Default: the detector's, height and width free where a
            preprocessing of images resizes them.
        dtype: of raw arrays. Default: "uint8" for images with a preprocessing, else "float32".
    """
    if getattr(preprocessing, "dtypes", None) is not None:
        return RawColumns(preprocessing, sample_shape)
    image = len(sample_shape) == 3 and preprocessing is not None
    shape = ((None, None, sample_shape[2]) if image else sample_shape) if shape is None else shape
    return RawArrays(preprocessing, sample_shape, tuple(shape), dtype or ("uint8" if image else "float32"))


class RawArrays:
    """Images, windows of frames, or rows of numbers, as one array (n, *shape)."""

    columns: dict[str, str] | None = None

    def __init__(self, preprocessing: keras.Layer | None, sample_shape: Shape, shape: Shape, dtype: str) -> None:
        self.preprocessing, self.sample_shape, self.shape, self.dtype = preprocessing, sample_shape, shape, dtype

    def inputs(self) -> Any:
        """Symbolic input for Keras."""
        return keras.Input(self.shape, dtype=self.dtype)

    def encode(self, raw: Any) -> Any:
        """The detector's input, float32 (batch, ...)."""
        x = keras.ops.cast(raw, "float32")
        return x if self.preprocessing is None else self.preprocessing(x)

    def check(self, raw: Any) -> np.ndarray:
        """`raw` as an array.

        Raises:
            ValueError: for no rows, another dtype or shape, NaN or infinity.
        """
        try:
            raw = np.asarray(raw)
        except ValueError:
            raise ValueError("Expected samples of one size in a call. Received: samples of several shapes.") from None
        if self.dtype not in ("uint8", "uint16"):
            return check_rows(raw, self.shape, "The model")
        if raw.dtype != self.dtype:
            span = f" in [{raw.min():g}, {raw.max():g}]" if raw.size and raw.dtype.kind in "fiu" else ""
            wanted = f"{self.dtype} in [0, {white_level(self.preprocessing)}]"
            raise ValueError(f"Expected raw images of dtype {wanted}. Received: dtype {raw.dtype}{span}.")
        check_shape(raw, self.shape, "The model")
        return raw

    def served(self, function: Callable) -> tuple[Callable, list[tf.TensorSpec]]:
        """A function of raw input for an endpoint of a SavedModel, and its signature."""
        return function, [tf.TensorSpec((None, *self.shape), self.dtype, name="raw")]

    def named(self, raw: np.ndarray) -> dict[str, tf.Tensor]:
        """Checked raw input under the names that an exported model's endpoint takes."""
        return {"raw": tf.constant(raw)}

    def sample(self, rows: int = 16) -> np.ndarray:
        """Seeded random raw samples; a side of any size is half as long again as the detector's."""
        inner = self.sample_shape if len(self.sample_shape) == len(self.shape) else (8,) * len(self.shape)
        sizes = [side or (own or 8) + (own or 8) // 2 + 1 for side, own in zip(self.shape, inner, strict=True)]
        draw = np.random.default_rng(0)
        if self.dtype in ("uint8", "uint16"):
            return draw.integers(0, white_level(self.preprocessing) + 1, (rows, *sizes), dtype=self.dtype)
        return draw.uniform(-1.0, 1.0, (rows, *sizes)).astype(self.dtype)


class RawColumns:
    """A table: a DataFrame, or a dict of columns (n,)."""

    dtype = "float32"

    def __init__(self, encoder: Any, sample_shape: Shape) -> None:
        self.encoder, self.shape = encoder, sample_shape
        self.columns: dict[str, str] = encoder.dtypes

    def inputs(self) -> Any:
        """Symbolic input for Keras: a dict of columns."""
        return {
            name: keras.Input((), dtype=dtype, name=f"column_{i}")
            for i, (name, dtype) in enumerate(self.columns.items())
        }

    def encode(self, raw: Any) -> Any:
        """The detector's input, float32 (batch, features)."""
        return self.encoder(raw)

    def check(self, raw: Any) -> dict[str, np.ndarray]:
        """`raw` as a dict of arrays (n,); raises what `TableEncoder.check_raw` does."""
        return self.encoder.check_raw(raw)

    def served(self, function: Callable) -> tuple[Callable, list[tf.TensorSpec]]:
        """A function of raw input for an endpoint of a SavedModel, whose inputs are the columns, and its signature."""
        specs = [tf.TensorSpec((None,), dtype, name=self.names[name]) for name, dtype in self.columns.items()]
        return lambda *columns: function(dict(zip(self.columns, columns, strict=True))), specs

    def named(self, raw: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
        """Checked raw input under the names that an exported model's endpoint takes."""
        return {self.names[name]: tf.constant(values) for name, values in raw.items()}

    def sample(self, rows: int = 16) -> dict[str, np.ndarray]:
        """Seeded random columns, some cells missing, some categories unseen."""
        return self.encoder.random_raw(rows)

    @property
    def names(self) -> dict[str, str]:
        """For each column the name of the exported model's input: word characters only, no name twice."""
        names: dict[str, str] = {}
        for column in self.columns:
            name = re.sub(r"\W", "_", column, flags=re.ASCII)
            name = name if name[:1].isalpha() else f"column_{name}"
            while name.lower() in {"self", *(taken.lower() for taken in names.values())}:
                name += "_"
            names[column] = name
        return names

"""Training images turned, mirrored and brightened at random, by Keras's own layers; nothing else sees such images."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

MODES = {"horizontal": ("horizontal",), "vertical": ("vertical",), "both": ("horizontal", "vertical")}


class Augmented:
    """Rows of images, each changed at random when it is read: `rows[indices]` as of the rows it is made of.

    What is drawn depends on (seed, indices) alone. So an image is changed otherwise in each batch that it comes into,
    and a training that was interrupted sees what the undisturbed one sees.

    Args:
        rows: images float32 (n, H, W, C) in [-1, 1]: an array, or an object with `__len__` and `rows[indices]`.
        mirror: "horizontal", "vertical" or "both": half of the images are mirrored, for both along each axis by itself;
            None for none.
        rotate: images are turned by up to so many degrees to either side; the border is reflected into the corners.
        brightness: up to so large a share of the range of grey levels is added or taken away.
        seed: integer.
        copies: the rows are counted so many times: for what reads each row once.

    Raises:
        ValueError: for another `mirror`, `rotate` outside [0, 180], `brightness` outside [0, 1], or copies < 1.
    """

    def __init__(
        self,
        rows: Any,
        mirror: str | None = None,
        rotate: float = 0.0,
        brightness: float = 0.0,
        seed: int = 0,
        copies: int = 1,
    ) -> None:
        check_augmentation(mirror, rotate, brightness)
        if copies < 1:
            raise ValueError(f"Expected copies >= 1. Received: {copies}.")
        self.rows, self.seed, self.copies = rows, int(seed), int(copies)
        import keras  # and TensorFlow with it, which whoever checks arguments does not need

        made = {"data_format": "channels_last", "dtype": "float32"}
        layers = keras.layers
        self.layers: list[Any] = []
        if mirror is not None:
            # one layer for each axis: Keras's "horizontal_and_vertical" draws once for both, which turns by 180 degrees
            self.layers += [layers.RandomFlip(axis, **made) for axis in MODES[mirror]]
        if rotate:
            self.layers.append(layers.RandomRotation(rotate / 360.0, fill_mode="reflect", **made))
        if brightness:
            self.layers.append(layers.RandomBrightness(brightness, value_range=(-1.0, 1.0), dtype="float32"))

    def __len__(self) -> int:
        return self.copies * len(self.rows)

    def __getitem__(self, indices: Any) -> np.ndarray:
        indices = np.asarray(indices, "int64")
        x: Any = np.asarray(self.rows[indices % len(self.rows)], "float32")
        for number, layer in enumerate(self.layers):
            seed = zlib.crc32(indices.tobytes(), zlib.crc32(f"{self.seed},{number}".encode())) % 2**31
            drawn = layer.get_random_transformation(x, training=True, seed=seed)
            x = layer.transform_images(x, drawn, training=True)
        return np.clip(np.asarray(x), -1.0, 1.0) if self.layers else np.asarray(x)


def check_augmentation(mirror: str | None, rotate: float, brightness: float) -> None:
    """Refuse changes that can't be made, with a sentence."""
    if mirror is not None and mirror not in MODES:
        raise ValueError(f"Expected --mirror {', '.join(list(MODES)[:-1])} or {list(MODES)[-1]}. Received: {mirror!r}.")
    if not 0.0 <= rotate <= 180.0:
        raise ValueError(f"Expected --rotate from 0 to 180 degrees. Received: {rotate}.")
    if not 0.0 <= brightness <= 1.0:
        raise ValueError(f"Expected --brightness from 0 to 1, a share of the range. Received: {brightness}.")

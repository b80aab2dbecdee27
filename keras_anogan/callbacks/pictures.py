"""Pictures of what a generator makes while it learns."""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.pictures import save_grid


def noise_generator(model: Any) -> keras.Model | None:
    """The model's `generator` if it makes samples of noise, z (batch, latent_dim) -> x, else None."""
    generator = getattr(model, "generator", None)
    return generator if generator is not None and len(generator.input_shape) == 2 else None


class ImageGrid(keras.callbacks.Callback):
    """Writes what the generator makes of the same z, again and again, as one PNG of `rows` x `columns` images.

    The model needs a `generator` z (batch, latent_dim) -> images in [-1, 1] of shape (batch, H, W, 1 or 3). With
    `of` it is a detector, and what it reconstructs of these images is written.

    Args:
        directory: folder for `epoch-0001.png` or `step-000100.png`.
        every_epochs: write after every so many epochs.
        every_steps: write after every so many steps instead; where Keras takes several steps in one call, after the
            call that reaches the number.
        rows, columns: images in the grid.
        seed: of z.
        of: images for a detector to reconstruct, float32 (n, H, W, 1 or 3) in [-1, 1]; the first rows x columns.
        keep: whether the images stay in `images` too.

    Attributes:
        images: with `keep`, what was written by file name without its suffix: (rows x columns, H, W, channels).

    Raises:
        ValueError: if both `every_epochs` and `every_steps` are given, or one is below 1.
    """

    def __init__(
        self,
        directory: Any,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        rows: int = 5,
        columns: int = 5,
        seed: int = 0,
        of: Any = None,
        keep: bool = False,
    ) -> None:
        super().__init__()
        if every_epochs is not None and every_steps is not None:
            raise ValueError("Expected every_epochs or every_steps. Received: both.")
        if every_steps is None and every_epochs is None:
            every_epochs = 1
        for period in (every_epochs, every_steps):
            if period is not None and period < 1:
                raise ValueError(f"Expected a period >= 1. Received: {period}.")
        self.directory = pathlib.Path(directory)
        self.every_epochs, self.every_steps = every_epochs, every_steps
        self.rows, self.columns, self.seed = rows, columns, seed
        self.of = None if of is None else tf.constant(of[: rows * columns], "float32")
        self.keep = keep
        self.images: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self.of is None:
            shape = (self.rows * self.columns, *self.model.generator.input_shape[1:])
            self.z = np.random.default_rng(self.seed).standard_normal(shape).astype("float32")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.periods: int | None = None  # how many are over; unknown here, since a backup may still move the step on

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.every_epochs and (epoch + 1) % self.every_epochs == 0:
            self._write(f"epoch-{epoch + 1:04d}.png")

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self.every_steps and self.periods is None:
            self.periods = self._step() // self.every_steps

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.every_steps:
            step = self._step()
            if self.periods is None or step // self.every_steps > self.periods:
                self.periods = step // self.every_steps
                self._write(f"step-{step:06d}.png")

    def _step(self) -> int:
        return int(keras.ops.convert_to_numpy(self.model.step))

    def _write(self, name: str) -> None:
        made = self.model.generator(self.z, training=False) if self.of is None else self._reconstructed()
        images = np.asarray(made)
        if self.keep:
            self.images[pathlib.Path(name).stem] = images
        save_grid(images, self.directory / name, self.columns)

    def _reconstructed(self) -> tf.Tensor:
        return self.model.explain(self.of)["reconstruction"]

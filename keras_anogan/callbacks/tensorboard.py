"""What TensorBoard shows of an adversarial training."""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.callbacks.backup import averaged, score_rows
from keras_anogan.callbacks.pictures import noise_generator
from keras_anogan.pictures import grid_pixels


class TensorBoardLogs(keras.callbacks.Callback):
    """Writes a training for TensorBoard, by epoch: `tensorboard --logdir DIRECTORY`.

    - scalars: everything in the logs (each loss; `diversity` and `balance` after a `CollapseMonitor`, so put this one
      behind it), the norm of each player's gradient, each player's learning rate;
    - images: `generated`, for the same z, where the model's `generator` makes images of noise; `real`, the first
      held-out images, and `reconstructed`, what a detector makes of them, unless it has to search for it;
    - histograms: scores of held-out normal rows, where the model is a detector.

    Args:
        directory: folder of this run's events.
        stop: held-out normal rows for histogram and reconstructions; None for none.
        rows, columns: images in the grid.
        seed: of z.
    """

    def __init__(self, directory: Any, stop: Any = None, rows: int = 5, columns: int = 5, seed: int = 0) -> None:
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.stop = stop
        self.rows, self.columns, self.seed = rows, columns, seed

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if hasattr(model, "log_gradient_norms"):
            model.log_gradient_norms()  # before `fit` traces its step

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.writer = tf.summary.create_file_writer(str(self.directory))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with self.writer.as_default(step=epoch + 1):
            for key, value in (logs or {}).items():
                tf.summary.scalar(f"epoch/{key}", float(value))
            for player, optimizer in getattr(self.model, "optimizers", {}).items():
                rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
                tf.summary.scalar(f"learning_rate/{player}", rate)
            for name, images in self._images().items():
                tf.summary.image(name, grid_pixels(images, self.columns)[None])
            if self.stop is not None and hasattr(self.model, "explain"):
                tf.summary.histogram("stop_score", score_rows(self.model, self.stop))
        self.writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.writer.close()

    def _images(self) -> dict[str, np.ndarray]:
        """Pictures (n, H, W, 1 or 3) by name."""
        found: dict[str, Any] = {}
        count = self.rows * self.columns
        if (generator := noise_generator(self.model)) is not None:
            z = np.random.default_rng(self.seed).standard_normal((count, *generator.input_shape[1:])).astype("float32")
            found["generated"] = generator(z, training=False)
        detector = hasattr(self.model, "explain") and not self.model.tags.search_at_query
        if self.stop is not None and detector and len(self.model.sample_shape) == 3:
            real = tf.constant(self.stop[np.arange(min(count, len(self.stop)))])
            with averaged(self.model):
                explained = self.model.explain(real)
            if "reconstruction" in explained:
                found |= {"real": real, "reconstructed": explained["reconstruction"]}
        pictures = {name: np.asarray(images) for name, images in found.items()}
        return {name: x for name, x in pictures.items() if x.ndim == 4 and x.shape[-1] in (1, 3)}

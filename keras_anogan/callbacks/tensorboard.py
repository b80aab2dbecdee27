"""What TensorBoard shows of an adversarial training."""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.callbacks.backup import score_rows
from keras_anogan.pictures import grid_pixels


class TensorBoardLogs(keras.callbacks.Callback):
    """Writes a training for TensorBoard, by epoch: `tensorboard --logdir DIRECTORY`.

    - scalars: everything in the logs (each loss; `diversity` and `balance` after a `CollapseMonitor`, so put this one
      behind it), the norm of each player's gradient, each player's learning rate;
    - images: generated images for the same z, where the model has a `generator` of images;
    - histograms: scores of held-out normal rows, where the model is a detector.

    Args:
        directory: folder of this run's events.
        stop: held-out normal rows for the histogram; None for none.
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
            generator = getattr(self.model, "generator", None)
            if generator is not None and len(generator.output_shape) == 4 and generator.output_shape[-1] in (1, 3):
                shape = (self.rows * self.columns, *generator.input_shape[1:])
                z = np.random.default_rng(self.seed).standard_normal(shape).astype("float32")
                images = np.asarray(generator(z, training=False))
                tf.summary.image("generated", grid_pixels(images, self.columns)[None])
            if self.stop is not None and hasattr(self.model, "explain"):
                tf.summary.histogram("stop_score", score_rows(self.model, self.stop))
        self.writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.writer.close()

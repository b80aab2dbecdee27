"""Callbacks that know about several players: image grids, a guard over every loss, an exact backup."""

from __future__ import annotations

import json
import math
import os
import pathlib
import time
from typing import Any

import keras
import numpy as np


class ImageGrid(keras.callbacks.Callback):
    """Writes generated images for the same z again and again, as one PNG of `rows` x `columns` images.

    The model needs a `generator` z (batch, latent_dim) -> images in [-1, 1] of shape (batch, H, W, 1 or 3).

    Args:
        directory: folder for `epoch-0001.png` or `step-000100.png`.
        every_epochs: write after every so many epochs.
        every_steps: write after every so many steps instead.
        rows, columns: images in the grid.
        seed: of z.

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
    ) -> None:
        super().__init__()
        if every_epochs is not None and every_steps is not None:
            raise ValueError("Expected every_epochs or every_steps. Received: both.")
        if every_steps is None:
            every_epochs = 1 if every_epochs is None else every_epochs
        period = every_steps if every_epochs is None else every_epochs
        if period < 1:
            raise ValueError(f"Expected a period >= 1. Received: {period}.")
        self.directory = pathlib.Path(directory)
        self.every_epochs, self.every_steps = every_epochs, every_steps
        self.rows, self.columns, self.seed = rows, columns, seed

    def on_train_begin(self, logs: dict | None = None) -> None:
        shape = self.model.generator.input_shape[1:]
        self.z = np.random.default_rng(self.seed).standard_normal((self.rows * self.columns, *shape)).astype("float32")
        self.directory.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.every_epochs and (epoch + 1) % self.every_epochs == 0:
            self._write(f"epoch-{epoch + 1:04d}.png")

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.every_steps:
            step = int(keras.ops.convert_to_numpy(self.model.step))
            if step % self.every_steps == 0:
                self._write(f"step-{step:06d}.png")

    def _write(self, name: str) -> None:
        images = np.asarray(self.model.generator(self.z, training=False))
        save_grid(images, self.directory / name, self.columns)


class TerminateOnNonFinite(keras.callbacks.Callback):
    """Stops training as soon as any logged loss is NaN or infinite, and says which one and at which step.

    Attributes:
        reason: the sentence, or None while all is well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason: str | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.reason = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for key, value in (logs or {}).items():
            if self.reason is None and not math.isfinite(float(value)):
                step = int(keras.ops.convert_to_numpy(getattr(self.model, "step", batch + 1)))
                self.reason = f"Training stopped: {key} became {float(value)} at step {step}."
                print(f"\n{self.reason}")
                self.model.stop_training = True


class EpochBackup(keras.callbacks.Callback):
    """Saves weights, optimizer slots and history after an epoch, so that a killed `fit` goes on exactly.

    A backup is complete or absent: weights are written under a new name, then `state.json` is replaced. When
    training begins on a folder with a backup, it is restored and `fit` continues with the next epoch.

    Args:
        directory: folder of the backup.
        every_seconds: save after an epoch only if the last backup is at least so old; the last epoch is always
            saved, and 0 saves every one.

    Attributes:
        restored_epochs: epochs that the backup had finished; 0 without one.
        history: list of one dict of logs per finished epoch, restored ones included.
        seconds: training time of these epochs, that of earlier processes included.
    """

    def __init__(self, directory: Any, every_seconds: float = 0.0) -> None:
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.every_seconds = every_seconds
        self.restored_epochs = 0
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.history, self._seconds_before = read_backup(self.directory)
        self.restored_epochs = len(self.history)
        self.seconds = self._seconds_before
        self._began = self._saved = time.perf_counter()
        if self.history:
            self.model.load_weights(self.directory / f"epoch-{len(self.history):04d}.weights.h5")
            self.model._initial_epoch = len(self.history)  # Keras's own hook for BackupAndRestore

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.model.stop_training and not all(math.isfinite(float(v)) for v in (logs or {}).values()):
            return  # a run that broke is not worth going on from
        now = time.perf_counter()
        self.history.append({key: float(value) for key, value in (logs or {}).items()})
        self.seconds = self._seconds_before + now - self._began
        if now - self._saved < self.every_seconds and len(self.history) < self.params["epochs"]:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        weights = self.directory / f"epoch-{len(self.history):04d}.weights.h5"
        partial = self.directory / "partial.weights.h5"
        self.model.save_weights(partial, overwrite=True)
        os.replace(partial, weights)
        state = self.directory / "state.json.partial"
        state.write_text(json.dumps({"seconds": self.seconds, "history": self.history}, indent=1))
        os.replace(state, self.directory / "state.json")
        for old in self.directory.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()
        self._saved = time.perf_counter()


def read_backup(directory: Any) -> tuple[list[dict[str, float]], float]:
    """(logs of every finished epoch, their seconds) of the `EpochBackup` in `directory`; ([], 0.0) without one."""
    state = pathlib.Path(directory) / "state.json"
    if not state.exists():
        return [], 0.0
    content = json.loads(state.read_text())
    return content["history"], content["seconds"]


def save_grid(images: np.ndarray, path: Any, columns: int) -> None:
    """Write images in [-1, 1], shape (n, H, W, 1 or 3), as one PNG with `columns` images a row."""
    from PIL import Image

    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, channels), 255, "uint8")
    pixels = np.round((np.clip(np.nan_to_num(images), -1.0, 1.0) + 1.0) * 127.5).astype("uint8")
    for i, image in enumerate(pixels):
        top, left = (i // columns) * (height + 1) + 1, (i % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    scale = max(1, 140 // max(height, width))
    sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    temporary = pathlib.Path(path).with_suffix(".partial")
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(temporary, format="PNG")
    os.replace(temporary, path)

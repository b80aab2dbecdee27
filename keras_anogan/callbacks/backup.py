"""Callbacks that keep weights: an exact backup to go on from, and the best epoch."""

from __future__ import annotations

import contextlib
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector
from keras_anogan.files import read_json, replacing, write_json
from keras_anogan.training.batches import gathered, in_batches


class EpochBackup(keras.callbacks.Callback):
    """Saves weights, optimizer slots and history after an epoch, so that a killed `fit` goes on exactly.

    A backup is complete or absent: weights are written under a new name, then `state.json` is replaced. When
    training begins on a folder with a backup, it is restored and `fit` continues with the next epoch.

    Args:
        directory: folder of the backup.
        every_seconds: save after an epoch only if the last backup is at least so old; the last epoch is always
            saved, and 0 saves every one.
        every_epochs: save after every so many epochs only, and after the last.
        say: takes a line of news: that training goes on from a backup, or is skipped because it was finished.

    Attributes:
        restored_epochs: epochs that the backup had finished; 0 without one.
        history: list of one dict of logs per finished epoch, restored ones included.
        seconds: training time of these epochs, that of earlier processes included.
    """

    def __init__(
        self,
        directory: Any,
        every_seconds: float = 0.0,
        every_epochs: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.every_seconds = every_seconds
        self.every_epochs = every_epochs
        self.say = say or (lambda line: None)
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
            stopped = read_json(self.directory / "state.json").get("stopped", False)
            self.model._initial_epoch = (  # Keras's own hook for BackupAndRestore
                self.params["epochs"] if stopped else len(self.history)
            )
            finished = stopped or len(self.history) >= self.params["epochs"]
            done = f"{len(self.history)} of {self.params['epochs']} epochs are done in {self.directory}"
            self.say(f"{done}; training is skipped." if finished else f"{done}; going on.")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.model.stop_training and not all(math.isfinite(float(v)) for v in (logs or {}).values()):
            return  # a run that broke is not worth going on from
        now = time.perf_counter()
        self.history.append({key: float(value) for key, value in (logs or {}).items()})
        self.seconds = self._seconds_before + now - self._began
        last = len(self.history) >= self.params["epochs"] or self.model.stop_training
        soon = now - self._saved < self.every_seconds or len(self.history) % self.every_epochs
        if soon and not last:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        weights = self.directory / f"epoch-{len(self.history):04d}.weights.h5"
        with replacing(weights) as partial:
            self.model.save_weights(partial, overwrite=True)
        stopped = bool(self.model.stop_training)  # early: a resumed fit has nothing left to do
        content = {"seconds": self.seconds, "stopped": stopped, "history": self.history}
        write_json(self.directory / "state.json", content)
        for old in self.directory.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()
        self._saved = time.perf_counter()


def read_backup(directory: Any) -> tuple[list[dict[str, float]], float]:
    """What an `EpochBackup` in a folder says of the training.

    Returns:
        (logs of every finished epoch, seconds that these took); ([], 0.0) without a backup.
    """
    state = pathlib.Path(directory) / "state.json"
    if not state.exists():
        return [], 0.0
    content = read_json(state)
    return content["history"], content["seconds"]


def averaged(model: keras.Model) -> contextlib.AbstractContextManager:
    """A context in which a model has its averaged weights, where it follows any (see `NetworkEMA`)."""
    return model.averaged() if hasattr(model, "averaged") else contextlib.nullcontext()


def score_rows(model: keras.Model, rows: Any, batch_size: int = 256) -> np.ndarray:
    """Scores of rows in the middle of a `fit`, with averaged weights where the model follows any.

    A detector with a `monitor` of its own is judged by that: its score takes a search, or a training that has ended.

    Args:
        model: a detector.
        rows: (n, ...), or an object with `__len__` and `rows[indices]`.
        batch_size: rows in one pass.

    Returns:
        float32 (n,).
    """
    score = model.predict_on_batch
    if isinstance(model, AnomalyDetector) and type(model).monitor is not AnomalyDetector.monitor:
        score = model.__dict__.setdefault("_monitor_graph", tf.function(model.monitor, reduce_retracing=True))
    with averaged(model):
        return gathered(in_batches(score, rows, batch_size))


class BestEpoch(keras.callbacks.Callback):
    """Goes back, at the end of `fit`, to the epoch that was best on held-out rows.

    Without labels: the epoch with the lowest mean score of held-out *normal* rows, the stop set. That is an honest
    choice as long as these rows calibrate and test nothing. With labels: the epoch with the highest AUROC, which
    nobody could choose without knowing the anomalies; every trace of it says `oracle`.

    Weights of the best epoch so far are `<directory>/best.weights.h5`, or `best-oracle.weights.h5`; each epoch logs
    `stop_score`, or `oracle_auroc`. Put it before `EpochBackup`: a resumed `fit` then knows the best epoch so far.

    Args:
        rows: held-out rows, (n, ...); normal ones unless `labels` are given.
        directory: folder for the weights.
        labels: (n,): 1 anomalous, 0 normal; makes the choice an oracle's.
        batch_size: rows in one pass.
        patience: stop training when so many epochs in a row were no better; None never.

    Attributes:
        epoch: number of the best epoch, from 1; 0 before the first.
        value: its criterion.

    Raises:
        ValueError: for no rows, another number of labels, labels of one kind, patience < 1, or a model that is no
            detector.
    """

    def __init__(
        self, rows: Any, directory: Any, labels: Any = None, batch_size: int = 256, patience: int | None = None
    ) -> None:
        super().__init__()
        rows = np.asarray(rows) if isinstance(rows, (list, tuple)) else rows
        if len(rows) == 0 or (labels is not None and len(labels) != len(rows)):
            count = "" if labels is None else f" and {len(labels)} labels"
            raise ValueError(
                f"Expected held-out rows, and one label for each or none. Received: {len(rows)} rows{count}."
            )
        if labels is not None and len(np.unique(np.asarray(labels).astype(bool))) < 2:
            raise ValueError("Expected labels of normal and anomalous rows. Received: labels of one kind only.")
        if patience is not None and patience < 1:
            raise ValueError(f"Expected patience >= 1. Received: patience={patience!r}.")
        self.rows, self.labels, self.batch_size, self.patience = rows, labels, batch_size, patience
        name = "best" if labels is None else "best-oracle"
        self.weights = pathlib.Path(directory) / f"{name}.weights.h5"
        self.state = pathlib.Path(directory) / f"{name}.json"
        self.epoch, self.value = 0, math.nan

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if not hasattr(model, "explain"):
            raise ValueError(f"Expected a detector, which has scores. Received: {type(model).__name__}.")

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.epoch, self.value, self._begun = 0, math.nan, False

    def _begin(self, finished: int) -> None:
        """Take up what an interrupted fit that had finished so many epochs left, or forget what another one left."""
        if self._begun:
            return
        self._begun = True
        if finished == 0:
            self.state.unlink(missing_ok=True)
        elif self.state.exists():
            state = read_json(self.state)
            if state["epoch"] <= finished:
                self.epoch, self.value = state["epoch"], state["value"]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        scores = score_rows(self.model, self.rows, self.batch_size)
        if self.labels is None:
            key, value, better = "stop_score", float(scores.mean()), lambda new, old: new < old
        else:
            from keras_anogan.evaluation import auroc

            key, value, better = "oracle_auroc", auroc(self.labels, scores), lambda new, old: new > old
        if logs is not None:
            logs[key] = value
        if math.isfinite(value) and (self.epoch == 0 or better(value, self.value)):
            self.epoch, self.value = epoch + 1, value
            self.weights.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.weights) as partial, averaged(self.model):
                self.model.save_weights(partial, overwrite=True)
            write_json(self.state, {"epoch": self.epoch, key: value, "value": value})
        elif self.patience is not None and epoch + 1 - self.epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        self._begin(self.model._initial_epoch or 0)  # of a fit whose last epoch had been finished before
        if self.epoch:
            if hasattr(self.model, "take_averages"):
                self.model.take_averages()  # they are what was saved, and end here
            self.model.load_weights(self.weights)
            chosen = "lowest mean score of the stop set" if self.labels is None else "oracle: highest AUROC with labels"
            print(f"Went back to epoch {self.epoch} ({chosen}, {self.value:.6g}).")


class OracleLoss(keras.callbacks.Callback):
    """Logs `oracle_loss` after every epoch: how well scores of labelled rows fit the labels, to be looked at only.

    It is `evaluation.scaled_cross_entropy`. Scripts on EfficientGAN stop by this loss; here it decides nothing, because
    nobody has labels of anomalies while training.

    Args:
        rows: (n, ...).
        labels: (n,): 1 anomalous, 0 normal.
        batch_size: rows in one pass.

    Raises:
        ValueError: for another number of labels, or labels of one kind.
    """

    def __init__(self, rows: Any, labels: Any, batch_size: int = 256) -> None:
        super().__init__()
        if len(rows) != len(labels) or len(np.unique(np.asarray(labels).astype(bool))) < 2:
            raise ValueError(
                f"Expected one label for each row, of both kinds. Received: {len(rows)} rows, {len(labels)} labels."
            )
        self.rows, self.labels, self.batch_size = rows, labels, batch_size

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        from keras_anogan.evaluation import scaled_cross_entropy

        if logs is not None:
            scores = score_rows(self.model, self.rows, self.batch_size)
            logs["oracle_loss"] = scaled_cross_entropy(self.labels, scores)

"""Scores and their parts of many rows."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_anogan import evaluation
from keras_anogan.callbacks.backup import score_rows
from keras_anogan.detector import AnomalyDetector, Explainer


def terms(detector: AnomalyDetector, rows: np.ndarray, keys: Sequence[str], chunk: int) -> dict[str, np.ndarray]:
    """What a detector explains of every row, for the terms that are asked for alone.

    An explanation holds images too. Those of one chunk are thrown away before the next is explained.

    Args:
        detector: compiled.
        rows: float32 (n, ...).
        keys: of `detector.explain`, each one number a row, such as "score".
        chunk: rows explained at once.

    Returns:
        Key -> (n,).
    """
    explainer = Explainer(detector)
    parts = [explainer.predict(rows[i : i + chunk]) for i in range(0, len(rows), chunk)]
    return {key: np.concatenate([part[key] for part in parts]) for key in keys}


class EpochAUROC(keras.callbacks.Callback):
    """The AUROC after every epoch, of the averaged weights where the model follows any; nothing is chosen by it."""

    def __init__(self, test: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.test, self.labels = test, labels
        self.numbers: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        scores = score_rows(self.model, self.test)
        self.numbers[f"AUROC after epoch {epoch + 1}"] = evaluation.auroc(self.labels, scores)

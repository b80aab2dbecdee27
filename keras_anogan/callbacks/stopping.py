"""A stopping rule that asks the reconstruction, not the labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_anogan.detector import Explainer


class ReconstructionStop(keras.callbacks.Callback):
    """Stops after the first epoch in which held-out normal images are reconstructed well enough: ALOCC's own rule.

    The paper stops when ||x - R(x)||^2 < rho (Sabokrou et al. 2018, section 3.3), tells no rho, and calls the criterion
    subjective. Here rho is a share of what the mean image would leave, so that it means the same for any images: 1 is
    an R that has learned nothing but the mean, 0 a perfect copy. Each epoch logs the share as `reconstruction_share`.

    The rule says when R is good. It doesn't say when D is: on digits the score was bad at any rho once R had won.

    Args:
        rows: held-out normal rows, an array (n, ...); at least two that differ.
        rho: the share to get below, in (0, 1].
        batch_size: rows in one pass.

    Attributes:
        share: the last epoch's share; NaN before the first.
        epoch: number of the epoch that got below rho, from 1; 0 while none did.

    Raises:
        ValueError: for a rho outside (0, 1], rows that don't differ, or a model that reconstructs nothing.
    """

    def __init__(self, rows: Any, rho: float = 0.3, batch_size: int = 256) -> None:
        super().__init__()
        if not 0.0 < rho <= 1.0:
            raise ValueError(f"Expected rho in (0, 1], a share of the mean image's error. Received: rho={rho!r}.")
        self.rows = np.asarray(rows, "float32")
        self.error_of_mean = float(np.mean(self.rows.var(axis=0))) if len(self.rows) else 0.0
        if not self.error_of_mean > 0.0:
            raise ValueError(f"Expected at least two held-out rows that differ. Received: {len(self.rows)} rows.")
        self.rho, self.batch_size = rho, batch_size
        self.share, self.epoch = float("nan"), 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.share, self.epoch = float("nan"), 0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        explained = Explainer(self.model).predict(self.rows, batch_size=self.batch_size)
        if "reconstruction" not in explained:
            raise ValueError(
                f"Expected a detector that reconstructs. Received: {type(self.model).__name__}, which doesn't."
            )
        error = float(np.mean(np.square(self.rows - explained["reconstruction"])))
        self.share = error / self.error_of_mean
        if logs is not None:
            logs["reconstruction_share"] = self.share
        if self.share < self.rho:
            self.epoch = epoch + 1
            self.model.stop_training = True

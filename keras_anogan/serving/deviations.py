"""In which columns a row of a table deviates: those whose cells fit worst with the row's other cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

MOST_FEATURES = 1_024  # a square matrix of that side is kept; beyond, each column is judged by itself
RIDGE = 1e-2  # of a variance of 1: what no training row varies in must not count without bounds


@keras.saving.register_keras_serializable("keras_anogan")
class ColumnDeviations(layers.Layer):
    """How far each column of encoded rows lies from what the other columns of its row suggest, (n, columns).

    A cell can be ordinary and yet wrong beside the others: much power at little load. So a Gaussian of the training
    rows says what the other columns lead one to expect of a column, all features of it together, and the deviation is
    the squared distance from that in standard deviations: by so much the squared Mahalanobis distance of the row would
    fall if the column were free. It depends on rows alone, whatever the detector.

    Args:
        columns: for each feature the column that it comes from.
    """

    def __init__(self, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.__dict__["columns"] = tuple(columns)
        size = len(self.columns)
        square = size <= MOST_FEATURES
        fixed: Any = {"trainable": False, "dtype": "float32"}
        self.centre = self.add_weight(shape=(size,), initializer="zeros", name="centre", **fixed)
        self.precision = self.add_weight(
            shape=(size, size) if square else (size,), initializer="ones", name="precision", **fixed
        )
        self.built = True

    columns: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The columns, each once."""
        return list(dict.fromkeys(self.columns))

    def adapt(self, rows: np.ndarray) -> ColumnDeviations:
        """Learn the Gaussian of encoded normal rows, float (n, features)."""
        rows = np.asarray(rows, "float64")
        self.centre.assign(rows.mean(axis=0))
        if self.precision.ndim == 1:
            self.precision.assign(1.0 / (rows.var(axis=0) + RIDGE))
        else:
            covariance = np.cov(rows.T, bias=True).reshape(self.precision.shape)
            self.precision.assign(np.linalg.inv(covariance + RIDGE * np.eye(len(covariance))))
        return self

    def measure(self, rows: np.ndarray) -> np.ndarray:
        """Deviation of each column of encoded rows, float64 (n, columns), in the order of `names`."""
        away = np.asarray(rows, "float64") - np.asarray(self.centre)
        precision = np.asarray(self.precision, "float64")
        own = np.array(self.columns, dtype=object)
        found = np.empty((len(away), len(self.names)))
        pulled = away * precision if precision.ndim == 1 else away @ precision
        for k, name in enumerate(self.names):
            features = np.flatnonzero(own == name)
            if precision.ndim == 1:
                found[:, k] = (pulled * away)[:, features].sum(axis=1)
            else:
                part = pulled[:, features]
                inner = np.linalg.solve(precision[np.ix_(features, features)], part.T).T
                found[:, k] = (part * inner).sum(axis=1)
        return found

    def get_config(self) -> dict:
        return {**super().get_config(), "columns": list(self.columns)}

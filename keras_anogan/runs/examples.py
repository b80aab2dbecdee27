"""The test rows that a report shows."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_anogan import pictures, plots
from keras_anogan.runs.tasks import Task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import column_deviations


@dataclasses.dataclass(frozen=True)
class Judged:
    """One test row: what it is, and what the detector said."""

    name: str
    label: int | None
    score: float
    p_value: float | None

    @property
    def kind(self) -> str:
        """What the label says."""
        return {None: "", 0: "normal", 1: "anomalous"}[self.label]


@dataclasses.dataclass(frozen=True)
class RowExample(Judged):
    """One row of a table in the report.

    Attributes:
        deviations: (column, its cell, its share of all deviations of the row), largest first.
    """

    deviations: list[tuple[str, str, float]]


@dataclasses.dataclass(frozen=True)
class Example(Judged):
    """One test image in the report, and what the detector saw; None where it has no such thing."""

    image: np.ndarray
    reconstruction: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    marked: np.ndarray | None = None
    mask: np.ndarray | None = None

    @property
    def pictures(self) -> list[tuple[str, str]]:
        """(What it shows, PNG data URI): input, reconstruction, map, marked pixels."""
        found = [("input", pictures.to_pixels(self.image))]
        if self.reconstruction is not None:
            found.append(("reconstruction", pictures.to_pixels(self.reconstruction)))
        if self.anomaly_map is not None:
            found.append(("difference", plots.heat_pixels(self.anomaly_map)))
        if self.marked is not None:
            found.append(("marked", pictures.marked_pixels(self.image, self.marked, self.mask)))
        return [(what, plots.pixels_uri(pixels)) for what, pixels in found]


def image_examples(order: np.ndarray, task: Task, fitted: FittedDetector, scores: dict) -> list[Any]:
    """An `Example` of each of the test images with these numbers."""
    explained = fitted.explain_encoded(keras.ops.convert_to_tensor(task.test[order]))
    tensor = lambda key, i: np.asarray(explained[key][i]) if key in explained else None  # noqa: E731
    return [
        Example(
            **_what_is_known(row, task, scores),
            image=np.asarray(task.test[order[i : i + 1]])[0],
            reconstruction=tensor("reconstruction", i),
            anomaly_map=tensor("anomaly_map", i),
            marked=tensor("anomaly_mask", i),
            mask=None if task.masks is None else task.masks[row],
        )
        for i, row in enumerate(order)
    ]


def row_examples(order: np.ndarray, task: Task, fitted: FittedDetector, scores: dict) -> list[Any]:
    """A `RowExample` of each of the test rows with these numbers."""
    encoder = fitted.preprocessing
    raw = encoder.check_raw(task.raw_test.iloc[order])
    deviations = column_deviations(fitted, task.test[order])
    return [
        RowExample(
            **_what_is_known(row, task, scores),
            deviations=[(name, encoder.shown(name, raw[name][i]), share) for name, share in deviations[i]]
            if deviations
            else [],
        )
        for i, row in enumerate(order)
    ]


def _what_is_known(row: int, task: Task, scores: dict) -> dict[str, Any]:
    return {
        "name": task.test_ids[row],
        "label": None if task.labels is None else int(task.labels[row]),
        "score": float(scores["score"][row]),
        "p_value": float(scores["p_value"][row]) if "p_value" in scores else None,
    }

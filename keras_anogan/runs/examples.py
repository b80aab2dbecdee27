"""The rows that a report shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_anogan import pictures, plots
from keras_anogan.runs.regions import Region, content, find_regions, size_of
from keras_anogan.runs.tasks import Task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import batch_size, column_deviations

MOST_SIDE = 192  # pixels of a picture in a report


@dataclasses.dataclass(frozen=True)
class ScoredRows:
    """Rows that a detector has scored, and what is known of them.

    Attributes:
        rows: the detector's input: an array, or rows that are read as they are needed.
        ids: their names.
        results: `score`, `is_anomaly`, and `p_value` where known, (n,) each.
        labels: (n,): 1 anomalous, 0 normal; None where nobody knows.
        kinds: what each row is, (n,), "good" for normal ones; None where nobody knows.
        masks: bool (n, h, w), True where a pixel is anomalous; None where nobody knows.
        raw: the rows of a table as they stand in the file, a DataFrame.
        least_area: of a marked region of an image, in pixels of the photograph; smaller ones are not shown.
    """

    rows: Any
    ids: list[str]
    results: dict[str, np.ndarray]
    labels: np.ndarray | None = None
    kinds: list[str] | None = None
    masks: np.ndarray | None = None
    raw: Any = None
    least_area: int = 0

    @classmethod
    def of_task(cls, task: Task, results: dict[str, np.ndarray]) -> ScoredRows:
        """The test rows of a task."""
        kinds = kinds_of(task.test_ids) if task.test_kinds is None else task.test_kinds
        return cls(task.test, task.test_ids, results, task.labels, kinds, task.masks, task.raw_test)

    @property
    def alarms(self) -> np.ndarray:
        """Which of them are alarms, bool (n,)."""
        return np.asarray(self.results["is_anomaly"]).astype(bool)

    @property
    def ranked(self) -> np.ndarray:
        """Their numbers from the highest to the lowest score."""
        return np.argsort(-self.results["score"], kind="stable")

    def misses(self, kind: str | None = None) -> np.ndarray:
        """Numbers of anomalous rows that are no alarm, of one kind or of all, the highest score first."""
        missed = np.zeros(len(self.ids), bool) if self.labels is None else (self.labels == 1) & ~self.alarms
        if kind is not None:
            missed &= np.asarray(self.kinds) == kind
        return self.ranked[missed[self.ranked]]

    def false_alarms(self) -> np.ndarray:
        """Numbers of normal rows that are an alarm, the highest score first."""
        wrong = np.zeros(len(self.ids), bool) if self.labels is None else (self.labels == 0) & self.alarms
        return self.ranked[wrong[self.ranked]]


@dataclasses.dataclass(frozen=True)
class Judged:
    """One row: what it is, and what the detector said."""

    name: str
    what: str
    score: float
    alarm: bool
    p_value: float | None


@dataclasses.dataclass(frozen=True)
class RowExample(Judged):
    """One row of a table in the report.

    Attributes:
        deviations: (column, its cell, its share of all deviations of the row), largest first.
        cells: (column, its cell) of the first columns, for a detector that reconstructs nothing.
    """

    deviations: list[tuple[str, str, float]]
    cells: list[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Example(Judged):
    """One image in the report, and what the detector saw; None where it has no such thing.

    Attributes:
        image, reconstruction: (h, w, C) in [-1, 1].
        anomaly_map: (h, w).
        marked: bool (h, w), above the threshold for maps.
        mask: bool (h, w), what is really anomalous.
        scale: of the map, what is drawn in the brightest colour.
        regions: of `marked`, the highest peak first.
    """

    image: np.ndarray
    reconstruction: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    marked: np.ndarray | None = None
    mask: np.ndarray | None = None
    scale: float = 1.0
    regions: tuple[Region, ...] = ()

    @property
    def pixels(self) -> dict[str, np.ndarray]:
        """What it shows -> bytes (H, W) or (H, W, 3): input, reconstruction, map, marked pixels with the mask."""
        found = {"input": pictures.to_pixels(self.image)}
        if self.reconstruction is not None:
            found["reconstruction"] = pictures.to_pixels(self.reconstruction)
        if self.anomaly_map is not None:
            found["map" if self.reconstruction is None else "difference"] = plots.heat_pixels(
                self.anomaly_map / self.scale
            )
        if self.marked is not None:
            found["marked"] = pictures.marked_pixels(self.image, self.marked, self.mask)
        elif self.mask is not None:
            found["mask"] = pictures.marked_pixels(self.image, np.zeros_like(self.mask), self.mask)
        return found

    @property
    def pictures(self) -> list[tuple[str, str]]:
        """(What it shows, PNG data URI) of each of the `pixels`."""
        return [(what, pictures.pixels_uri(pixels, MOST_SIDE)) for what, pixels in self.pixels.items()]


def kinds_of(ids: list[str]) -> list[str] | None:
    """The kinds that names such as "test/scratch/01.png" tell, or None if one of them tells none."""
    parts = [name.split("/") for name in ids]
    return [names[1] for names in parts] if all(len(names) > 2 and names[0] == "test" for names in parts) else None


def map_scale(fitted: FittedDetector) -> float:
    """The value of a map that pictures show in the brightest colour: twice the threshold for maps, or else 1.

    Maps of a good detector are small almost everywhere; from 0 to 1 most of them would be black.
    """
    threshold = fitted.pixel_threshold or 0.0
    return 2.0 * threshold if np.isfinite(threshold) and threshold > 0.0 else 1.0


def examples_of(numbers: Iterable[int], scored: ScoredRows, fitted: FittedDetector) -> dict[int, Any]:
    """An `Example`, or of a table a `RowExample`, of each of the rows with these numbers."""
    order = np.array(sorted({int(number) for number in numbers}), "int64")
    if not len(order):
        return {}
    return (_images if scored.raw is None else _table_rows)(order, scored, fitted)


def _images(order: np.ndarray, scored: ScoredRows, fitted: FittedDetector) -> dict[int, Any]:
    found: dict[int, Any] = {}
    size = batch_size(fitted.detector.sample_shape)
    for first in range(0, len(order), size):
        part = order[first : first + size]
        images = np.asarray(scored.rows[part])
        explained = fitted.explain_encoded(keras.ops.convert_to_tensor(images))
        keys = {"reconstruction": "reconstruction", "anomaly_map": "anomaly_map", "marked": "anomaly_mask"}
        known = {name: np.array(explained[key]) for name, key in keys.items() if key in explained}
        for i, row in enumerate(part):
            place = content(np.array(explained["inside"][i]) if "inside" in explained else None)
            shown = {name: values[i][place] for name, values in known.items()}
            regions: list[Region] = []
            if "marked" in shown:
                own = size_of(scored.rows, int(row))
                regions, shown["marked"] = find_regions(shown["marked"], shown["anomaly_map"], own, scored.least_area)
            found[int(row)] = Example(
                **_what_is_known(row, scored),
                image=images[i][place],
                scale=map_scale(fitted),
                mask=None if scored.masks is None else scored.masks[row][place],
                regions=tuple(regions),
                **shown,
            )
    return found


def _table_rows(order: np.ndarray, scored: ScoredRows, fitted: FittedDetector) -> dict[int, Any]:
    encoder = fitted.preprocessing
    raw = encoder.check_raw(scored.raw.iloc[order])
    columns = list(dict.fromkeys(encoder.feature_columns))
    found = column_deviations(fitted, scored.rows[order])
    return {
        int(row): RowExample(
            **_what_is_known(row, scored),
            deviations=[(name, encoder.shown(name, raw[name][i]), share) for name, share in found[i]] if found else [],
            cells=[] if found else [(name, encoder.shown(name, raw[name][i])) for name in columns[:6]],
        )
        for i, row in enumerate(order)
    }


def _what_is_known(row: int, scored: ScoredRows) -> dict[str, Any]:
    results = scored.results
    return {
        "name": scored.ids[row],
        "what": "" if scored.labels is None else ("normal", "anomalous")[int(scored.labels[row])],
        "score": float(results["score"][row]),
        "alarm": bool(results["is_anomaly"][row]),
        "p_value": float(results["p_value"][row]) if "p_value" in results else None,
    }

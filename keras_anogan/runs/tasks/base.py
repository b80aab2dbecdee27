"""Data of a run, as the detector takes them, whatever kind they are of."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_anogan.serving.scoring import as_rows


@dataclasses.dataclass(frozen=True)
class Task:
    """Data of one run, as the detector takes them, and what is known of them.

    Attributes:
        kind: "images", "table" or "footage".
        train, stop, calibrate: normal data: rows float32 (n, height, width, channels) or (n, features), or
            `VideoWindows`.
        preprocessing: Keras layer from raw input to such rows.
        fingerprint: SHA-256 of the data.
        name: what is normal, in a few words.
        test: rows to test on; None for footage.
        labels: (len(test),): 1 anomalous, 0 normal; or None.
        test_ids: names of the test rows.
        raw_shape, raw_dtype: of one raw sample, where a `FittedDetector` can't tell by itself.
        masks: bool (len(test), height, width), True where a pixel is anomalous; None where nobody knows.
        raw_test: the test rows of a table as they stand in the file, a DataFrame.
        remarks: what was done to the data without being asked, one sentence each.
        train_classes: (len(train),) classes of the training rows, where there are any.
        columns: of a table, what each column was taken for (`datasets.columns.Column`).
        groups: (len(calibrate),) the day of each calibration window, for a threshold of days.
        parts: how many parts the calibration photographs are of, where somebody told what in their names is the part.
        test_parts: for each test photograph the part that it shows, where somebody told what in their names it is.
        ratios: of a folder: the least and the largest width / height of its normal images.
        test_kinds: for each test image "good", or the kind of its defect; None where nobody knows.
    """

    kind: str
    train: Any
    stop: Any
    calibrate: Any
    preprocessing: Any
    fingerprint: str
    name: str
    test: Any = None
    labels: np.ndarray | None = None
    test_ids: list[str] = dataclasses.field(default_factory=list)
    raw_shape: tuple[int, ...] | None = None
    raw_dtype: str | None = None
    masks: np.ndarray | None = None
    raw_test: Any = None
    remarks: tuple[str, ...] = ()
    train_classes: np.ndarray | None = None
    columns: tuple[Any, ...] = ()
    groups: np.ndarray | None = None
    test_kinds: list[str] | None = None
    ratios: tuple[float, float] | None = None
    parts: int | None = None
    test_parts: list[str] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(np.asarray(as_rows(self.train)[np.zeros(1, "int64")]).shape[1:])

    @property
    def counts(self) -> dict[str, int]:
        """How many rows, or windows, each part has."""
        parts = {key: getattr(self, key) for key in ("train", "stop", "calibrate", "test")}
        return {key: len(as_rows(part)) for key, part in parts.items() if part is not None}

    @property
    def noun(self) -> str:
        """What one of them is called, in the plural."""
        return {"images": "images", "table": "rows", "footage": "windows"}[self.kind]

    @property
    def known(self) -> bool:
        """Whether there are both normal and anomalous test rows."""
        return self.labels is not None and bool(0 < self.labels.sum() < len(self.labels))

"""What a run of footage was asked for, checked before any of it is read, and before TensorFlow is imported."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from keras_anogan import catalogue
from keras_anogan.catalogue import listing
from keras_anogan.runs.run_arguments import RunArguments


@dataclasses.dataclass(frozen=True)
class VideoArguments(RunArguments):
    """What a run of footage is.

    Attributes:
        days: footage, as `video.open_footage` takes it from disk: a prepared store, or folders or files of days.
        size: (width, height) of the frames the networks see; None for the footage's own.
        grey: whether frames are made grey.
        every: take every so many frames.
        past, horizon: frames that are given, and that are forecast.
        stride: frames from one training window to the next; default: past + horizon, windows that do not overlap.
        filters: of the generator.
        epochs: passes over the training windows; default: 10, unless there is a budget.
        batch_size: windows in a batch.
        smooth: a frame's score is the mean of so many windows' in a row, each costing a forward pass; 1 for none.
            Footage of fewer than six days is split into longer blocks for it.
        by_day: of a threshold that takes groups: whether it is the highest of the calibration days' own, instead of
            that of all their windows, so that a new day keeps to `alpha` with a probability of K/(K + 1) for K days.
        smoke: one epoch of one batch.
    """

    days: tuple[str, ...]
    size: tuple[int, int] | None = None
    grey: bool = False
    every: int = 1
    past: int = 7
    horizon: int = 1
    stride: int | None = None
    filters: int = 16
    smooth: int = 1
    by_day: bool = False
    detector: str | None = dataclasses.field(default="cvgan", kw_only=True)
    epochs: int | None = dataclasses.field(default=None, kw_only=True)
    batch_size: int = dataclasses.field(default=8, kw_only=True)
    learning_rate: float | None = dataclasses.field(default=1e-3, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", tuple(os.path.normpath(day) for day in self.days))
        object.__setattr__(self, "size", None if self.size is None else tuple(self.size))
        super().__post_init__()
        if self.budget is None:
            self._set_default("epochs", 10)
        self._set_default("learning_rate", 1e-3)
        self._check_at_least_one("every", "past", "horizon", "filters", "smooth", "stride")
        if self.by_day and self.threshold not in catalogue.ORDER_STATISTICS:
            raise ValueError(f"Expected --threshold conformal or quantile for --by-day. Received: {self.threshold!r}.")
        self._check_detector("window", "footage")

    @property
    def kind(self) -> str:
        return "footage"

    @property
    def sources(self) -> tuple[str, ...]:
        return self.days

    @property
    def length(self) -> int:
        """Frames of a window that the detector sees."""
        return self.past + self.horizon

    @property
    def built_with(self) -> dict[str, Any]:
        own = {"horizon": self.horizon, "filters": self.filters}
        takes = listing(str(self.detector)).parameters
        return {**{key: value for key, value in own.items() if key in takes}, **self.params}

    @property
    def opening(self) -> dict[str, Any]:
        """How `open_footage` has to read frames for this run."""
        size = None if self.size is None else (self.size[1], self.size[0])
        return {"size": size, "grey": True if self.grey else None, "every": self.every}

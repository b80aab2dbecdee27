"""What a command was asked for, checked before any data are read."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from keras_anogan.datasets import is_table
from keras_anogan.thresholds.conformal import ConformalThreshold
from keras_anogan.thresholds.running import (
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    SlidingWindowThreshold,
)

NAMED_SETS = {"mnist": 28, "digits": 8}


IMAGES_ONLY = ("fanogan", "gan_discriminator", "siamese")


CLOSED_FORM = ("gaussian", "pca")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Everything that decides what a run is; two runs with equal arguments and data have equal weights.

    Attributes:
        data: "mnist", "digits", a folder of images, or a table file (.csv, .csv.gz, .parquet).
        normal, abnormal: the normal digit, or the anomalous one; for the named sets only.
        normal_where: for tables, the condition that normal rows meet (see `datasets.table.normal_rows`).
        drop: for tables, columns to leave out.
        detector: name in the registry; default: fanogan for images, efficientgan for tables. siamese needs `abnormal`.
        architecture: of fanogan, "mlp", "dcgan" or "resnet"; default: mlp for the named sets, dcgan for folders.
        image_size: side of the square images the networks see; default: 28 (mnist), 8 (digits), 64 (folder).
        epochs: of each phase; an epoch of a table has at least 500 steps.
        batch_size: rows of one player's batch.
        learning_rate: of Adam(beta_1=0.5, beta_2=0.999), for every player; default: 2e-4 (images), 1e-4 (tables).
        patience: stop when the mean score of the stop set has not fallen for so many epochs, and go back to its lowest;
            None to train all epochs.
        alpha: accepted false-alarm rate.
        seed: of weights, noise, data order and split.
        skip_broken: leave out image files that can't be read.
        smoke: one epoch on at most 256 rows, to see that everything works.
    """

    data: str
    normal: int | None = None
    abnormal: int | None = None
    normal_where: str | None = None
    drop: list[str] | None = None
    detector: str | None = None
    architecture: str | None = None
    image_size: int | None = None
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float | None = None
    patience: int | None = None
    alpha: float = 0.01
    seed: int = 0
    skip_broken: bool = False
    smoke: bool = False

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"Expected --{key.replace('_', '-')} >= 1. Received: {getattr(self, key)}.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"Expected --patience >= 1. Received: {self.patience}.")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"Expected 0 < --alpha < 1. Received: {self.alpha}.")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise ValueError(f"Expected --learning-rate > 0. Received: {self.learning_rate}.")
        named = self.data in NAMED_SETS
        chosen = [value is not None for value in (self.normal, self.abnormal)]
        if named and sum(chosen) != 1:
            raise ValueError(
                f"Expected --normal DIGIT or --abnormal DIGIT with {self.data}. Received: {_either(chosen)}."
            )
        if not named and any(chosen):
            what = "a table; --normal-where 'CONDITION' tells normal rows" if self.is_table else "a folder"
            raise ValueError(f"Expected --normal and --abnormal with mnist or digits only. Received: {what}.")
        if not self.is_table and (self.normal_where is not None or self.drop):
            raise ValueError(
                f"Expected --normal-where and --drop with a table (.csv, .csv.gz, .parquet). Received: {self.data}."
            )
        if self.seed < 0:
            raise ValueError(f"Expected --seed >= 0. Received: {self.seed}.")
        if self.image_size is not None and self.is_table:
            raise ValueError("Expected --image-size with images. Received: a table.")
        if self.image_size is not None and self.image_size < 2:
            raise ValueError(f"Expected --image-size >= 2. Received: {self.image_size}.")
        if not named:
            object.__setattr__(self, "data", os.path.normpath(self.data))  # photos/ is photos
        self._set_default("detector", "efficientgan" if self.is_table else "fanogan")
        if self.is_table and self.detector in IMAGES_ONLY:
            raise ValueError(
                "Expected --detector efficientgan, alad, anogan, autoencoder, flow, gaussian or pca for a table. "
                f"Received: {self.detector}."
            )
        if self.detector == "cvgan":
            raise ValueError("Expected a detector of images or rows. Received: cvgan; train-video trains it.")
        if self.detector == "gan_discriminator" and self.patience is not None:
            raise ValueError(
                "Expected no --patience with gan_discriminator: its score falls as its logit grows, however well it "
                f"tells images apart. Received: --patience {self.patience}."
            )
        if self.detector in CLOSED_FORM and self.patience is not None:
            raise ValueError(
                f"Expected no --patience with {self.detector}, which is solved at once. Received: --patience "
                f"{self.patience}."
            )
        if self.detector == "siamese" and self.abnormal is None:
            raise ValueError(
                "Expected mnist or digits with --abnormal DIGIT for siamese, which learns from the classes of normal "
                f"images. Received: {self.data}{'' if self.normal is None else f' --normal {self.normal}'}."
            )
        if self.architecture is not None and self.detector != "fanogan":
            raise ValueError(f"Expected --architecture with fanogan only. Received: --detector {self.detector}.")
        if self.detector == "fanogan":
            self._set_default("architecture", "mlp" if named else "dcgan")
        if not self.is_table:
            self._set_default("image_size", NAMED_SETS.get(self.data, 64))
        self._set_default("learning_rate", 1e-4 if self.is_table else 2e-4)
        if self.smoke:
            object.__setattr__(self, "epochs", 1)

    @property
    def is_table(self) -> bool:
        """Whether the data are a table file."""
        return is_table(self.data)

    def _set_default(self, key: str, value: Any) -> None:
        if getattr(self, key) is None:
            object.__setattr__(self, key, value)


def _either(chosen: list[bool]) -> str:
    return "both" if all(chosen) else "neither"


THRESHOLDS: dict[str, Callable[[Any], Any]] = {
    "conformal": lambda a: ConformalThreshold(a.alpha),
    "peaks": lambda a: PeaksOverThreshold(a.alpha),
    "cumulative": lambda a: CumulativeAggregation(a.k),
    "exponential": lambda a: ExponentialThreshold(a.k),
    "double_exponential": lambda a: DoubleExponentialThreshold(a.k),
    "sliding": lambda a: SlidingWindowThreshold(a.k),
}


@dataclasses.dataclass(frozen=True)
class VideoArguments:
    """Everything that decides what a run of video is.

    Attributes:
        days: footage, as `video.open_footage` takes it from disk: a prepared store, or folders or files of days.
        size: (width, height) of the frames the networks see; None for the footage's own.
        grey: whether frames are made grey.
        every: take every so many frames.
        past, horizon: frames that are given, and that are forecast.
        stride: frames from one training window to the next; default: past + horizon, windows that do not overlap.
        filters: of the generator.
        epochs: passes over the training windows.
        batch_size: windows in a batch.
        learning_rate: of Adam(beta_1=0.5) for both networks.
        smooth: a frame's score is the mean of so many windows' in a row, each costing a forward pass; 1 for none.
            Footage of fewer than six days is split into longer blocks for it.
        threshold: "conformal" and "peaks" (by `alpha`), "cumulative", "exponential", "double_exponential" or "sliding"
            (by `k`), which go on learning when a stream is watched.
        alpha: accepted false-alarm rate.
        by_day: of "conformal": whether the threshold is the highest of the calibration days' own, instead of that of
            all their windows, so that a new day keeps to `alpha` with a probability of K/(K + 1) for K such days.
        k: standard deviations above the mean.
        seed: of weights and order.
        smoke: one epoch of one batch, to see that everything works.
    """

    days: tuple[str, ...]
    size: tuple[int, int] | None = None
    grey: bool = False
    every: int = 1
    past: int = 7
    horizon: int = 1
    stride: int | None = None
    filters: int = 16
    epochs: int = 10
    batch_size: int = 8
    learning_rate: float = 1e-3
    smooth: int = 1
    threshold: str = "conformal"
    alpha: float = 0.01
    by_day: bool = False
    k: float = 3.0
    seed: int = 0
    smoke: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", tuple(os.path.normpath(day) for day in self.days))
        object.__setattr__(self, "size", None if self.size is None else tuple(self.size))
        for key in ("every", "past", "horizon", "filters", "epochs", "batch_size", "smooth"):
            if getattr(self, key) < 1:
                raise ValueError(f"Expected --{key.replace('_', '-')} >= 1. Received: {getattr(self, key)}.")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"Expected --stride >= 1. Received: {self.stride}.")
        if not self.learning_rate > 0.0:
            raise ValueError(f"Expected --learning-rate > 0. Received: {self.learning_rate}.")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"Expected 0 < --alpha < 1. Received: {self.alpha}.")
        if self.threshold not in THRESHOLDS:
            raise ValueError(f"Expected --threshold to be one of {tuple(THRESHOLDS)}. Received: {self.threshold!r}.")
        if self.by_day and self.threshold != "conformal":
            raise ValueError(f"Expected --threshold conformal for --by-day. Received: {self.threshold!r}.")
        if self.seed < 0:
            raise ValueError(f"Expected --seed >= 0. Received: {self.seed}.")

    @property
    def opening(self) -> dict[str, Any]:
        """How `open_footage` has to read frames for this run."""
        size = None if self.size is None else (self.size[1], self.size[0])
        return {"size": size, "grey": True if self.grey else None, "every": self.every}


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "128x64" as (128, 64), width first.

    Raises:
        ValueError: for anything else.
    """
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() and int(side) > 0 for side in sides):
        raise ValueError(f"Expected --size WIDTHxHEIGHT, such as 128x64. Received: {text}.")
    return int(sides[0]), int(sides[1])


def demo_arguments() -> Arguments:
    """`keras-anogan demo`: scikit-learn's digits; about a minute on two cores.

    Digit and epochs were chosen with labels on these digits, which stand in no results table.
    """
    return Arguments(data="digits", normal=3, epochs=200, batch_size=32, alpha=0.05)

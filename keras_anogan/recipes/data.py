"""Data of the experiments."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from keras_anogan.datasets import (
    Split,
    TableSplit,
    fanogan_exercise,
    hold_out,
    kdd99_paper,
    kdd99_realistic,
    load_digits,
    load_kdd99,
    load_mnist,
    load_ped2,
    make_street,
    one_anomalous,
    one_class,
)
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.video.footage import Footage
from keras_anogan.video.recordings import ArrayRecording

DIGITS = tuple(range(10))


NAME = {False: "MNIST", True: "scikit-learn's digits"}  # quick


@dataclasses.dataclass(frozen=True)
class Exercise:
    """Images of an experiment on MNIST.

    Attributes:
        train, test: images, float32 (n, H, W, 1) in [-1, 1].
        labels: (len(test),): 1 anomalous, 0 normal.
        epochs: of each phase.
        name: data set and digit.
        train_classes: (len(train),) digits; for Siamese networks only.
        test_classes: (len(test),) digits, to look at results digit by digit.
    """

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    epochs: int
    name: str
    train_classes: np.ndarray | None = None
    test_classes: np.ndarray | None = None


def scaled_images(images: np.ndarray, size: int = 28) -> np.ndarray:
    """Bytes as the detector's input, float32 (n, size, size, 1) in [-1, 1]."""
    scale = image_preprocessing(size, size)
    return np.concatenate([scale(images[i : i + 1024]) for i in range(0, len(images), 1024)])


@functools.lru_cache(maxsize=2)
def load_one_anomalous(digit: int = 0, quick: bool = False) -> Exercise:
    """MNIST with one anomalous digit: the nine others of the 60,000 to train on, the official 10,000 to test.

    `quick` puts scikit-learn's digits in its place, to see that all runs.

    Raises:
        ValueError: for a digit that does not occur.
    """
    train, test = _digits(quick)
    split = one_anomalous(train, test, digit=digit, stop=0.0, calibrate=0.0)
    exercise = _exercise(split, f"{NAME[quick]}, {digit} is anomalous", quick)
    return dataclasses.replace(exercise, test_classes=test[1])


@functools.lru_cache(maxsize=2)
def load_one_class(digit: int = 0, quick: bool = False, each: int = 250) -> Exercise:
    """MNIST with one normal digit, and a fixed subset of the official test images: `each` of the digit and of the rest.

    `quick` puts scikit-learn's digits in its place, to see that all runs.

    Raises:
        ValueError: for a digit that does not occur.
    """
    split = one_class(*_digits(quick), digit=digit, stop=0.0, calibrate=0.0)
    draw = np.random.default_rng(digit)
    kinds = (np.flatnonzero(split.labels == kind) for kind in (0, 1))
    rows = np.concatenate([draw.permutation(found)[:each] for found in kinds])
    chosen = dataclasses.replace(split, test=split.test[rows], labels=split.labels[rows])
    return _exercise(chosen, f"{NAME[quick]}, {digit} is normal, {len(rows)} test images", quick)


def _digits(quick: bool) -> Any:
    return hold_out(*load_digits(), share=0.3, seed=0) if quick else load_mnist()


def _exercise(split: Split, name: str, quick: bool) -> Exercise:
    train, test = (scaled_images(part, 8 if quick else 28) for part in (split.train, split.test))
    return Exercise(train, test, split.labels, 2 if quick else 10, name, split.train_classes)


def load_exercise(digit: int = 1, quick: bool = False) -> Exercise:
    """The exercise on MNIST; `quick` puts scikit-learn's digits and two epochs in its place, to see that all runs.

    Raises:
        ValueError: for a digit that does not occur.
    """
    if not quick:
        return Exercise(*exercise_data(digit), epochs=20, name=f"MNIST, {digit} is normal")
    train, test = hold_out(*load_digits(), share=0.3, seed=0)
    split = fanogan_exercise(train, test, digit, stop=0.0, calibrate=0.0)
    rows = (scaled_images(part, 8) for part in (split.train, split.test))
    return Exercise(*rows, split.labels, epochs=2, name=f"scikit-learn's digits, {digit} is normal")


def exercise_data(digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train, test, labels) of the exercise, images float32 in [-1, 1]."""
    split = fanogan_exercise(*load_mnist(), digit=digit, stop=0.0, calibrate=0.0)
    return scaled_images(split.train), scaled_images(split.test), split.labels


@functools.cache
def kdd99_split(protocol: str = "paper", quick: bool = False) -> TableSplit:
    """KDD99 by the "paper" or "realistic" protocol; `quick` puts scikit-learn's breast cancer rows in its place.

    Raises:
        FileNotFoundError, ValueError: see `load_kdd99`.
    """
    if quick:
        return _breast_cancer()
    if protocol == "paper":
        return kdd99_paper(load_kdd99())
    return kdd99_realistic(load_kdd99(), stop=0.1, calibrate=0.2, test=0.2, seed=0)


def _breast_cancer() -> TableSplit:
    """A small table to see that everything runs: benign samples are normal, malignant ones anomalous."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    rows = data.data.astype("float32")
    benign, malignant = np.flatnonzero(data.target == 1), np.flatnonzero(data.target == 0)
    train, calibrate, tested = benign[:150], benign[150:260], np.concatenate([benign[260:], malignant])
    low, span = rows[train].min(axis=0), np.ptp(rows[train], axis=0)
    rows = (rows - low) / span
    return TableSplit(
        train=rows[train],
        stop=rows[:0],
        calibrate=rows[calibrate],
        test=rows[tested],
        labels=(data.target[tested] == 0).astype("int64"),
        name="scikit-learn's breast cancer rows: benign is normal",
        columns=tuple(str(name) for name in data.feature_names),
        kinds=np.array(["malignant", "normal"])[data.target[tested]],
    )


def one_anomalous_data(digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train, test, labels) of MNIST with one anomalous digit, images float32 in [-1, 1]."""
    data = load_one_anomalous(digit)
    return data.train, data.test, data.labels


HELD_OUT = (1, 4, 6, 9, 11, 14)  # of the 16 training clips, spread over the recording: what calibrates and checks


ped2 = functools.cache(load_ped2)


def clips_as_footage(clips: dict[str, np.ndarray]) -> Footage:
    """Clips as recordings of one day: no window crosses two of them, and a batch mixes them."""
    return Footage([ArrayRecording(frames, "ped2", name) for name, frames in clips.items()])


@dataclasses.dataclass(frozen=True)
class Film:
    """Footage of an experiment.

    Attributes:
        training, calibration: normal footage.
        testing: footage with anomalies.
        labels: (frames of `testing`,): 1 anomalous, 0 normal.
        steps: of training, for a notebook.
        name: what it is.
    """

    training: Footage
    calibration: Footage
    testing: Footage
    labels: np.ndarray
    steps: int
    name: str


def load_film(quick: bool = False) -> Film:
    """UCSD Ped2: ten training clips, six held out, four test clips; `quick` puts a small made-up street in its place.

    Raises:
        FileNotFoundError: see `load_ped2`.
    """
    if quick:
        days = make_street(days=3, frames=120, seed=0)
        grey = [day.frames[:, ::2, ::2].mean(axis=-1, keepdims=True).astype("uint8") for day in days]
        parts = [clips_as_footage({day.name: frames}) for day, frames in zip(days, grey, strict=True)]
        return Film(*parts, days[-1].labels, 8, "a made-up street, 64 x 32")
    train, held = split_clips()
    shown = {name: ped2().test[name] for name in ("002", "004", "006", "012")}
    labels = np.concatenate([ped2().labels[name] for name in shown])
    parts = [clips_as_footage(clips) for clips in (train, held, shown)]
    return Film(*parts, labels, 2400, "UCSD Ped2, 128 x 64")


# False alarms.


def split_clips() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Ten clips to train on, and six, spread over the recording, that calibrate and check."""
    names = list(ped2().train)
    held = [names[i] for i in HELD_OUT]
    return {n: ped2().train[n] for n in names if n not in held}, {n: ped2().train[n] for n in held}

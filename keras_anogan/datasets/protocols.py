"""Protocols: which rows are trained on, stopped on, calibrated on and tested on.

Normal data are split three ways, because what early stopping saw cannot calibrate a threshold, and what
a threshold saw cannot test it. A split is drawn from its seed alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """One task: normal rows for train, stop and calibrate; test rows with labels.

    Attributes:
        train, stop, calibrate: rows of normal data (arrays, or any rows that integer arrays index).
        test: rows to score.
        labels: int64 (len(test),): 1 anomalous, 0 normal; None where nobody knows.
        name: what the task is, in a few words.
        train_classes: int64 (len(train),): the class of each training row, for a detector that learns from the classes
            of normal data; None where there are none.
    """

    train: Any
    stop: Any
    calibrate: Any
    test: Any
    labels: np.ndarray | None
    name: str
    train_classes: np.ndarray | None = None


def three_ways(
    n: int, stop: float, calibrate: float, seed: int, groups: Sequence[Any] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The indices 0 to n - 1 dealt at random to train, stop and calibrate, each in ascending order.

    Args:
        n: number of rows.
        stop, calibrate: their shares, in [0, 1); a positive share gets at least one row.
        seed: of the permutation.
        groups: (n,), what each row is of, such as the part on a photograph: all rows of a group go to one side, so
            that shares are met as nearly as whole groups allow.

    Raises:
        ValueError: for a negative share, or if nothing would be left to train on.
    """
    if stop < 0 or calibrate < 0:
        raise ValueError(f"Expected shares >= 0. Received: stop={stop}, calibrate={calibrate}.")
    sizes = [max(1, round(share * n)) if share > 0 else 0 for share in (stop, calibrate)]
    if sum(sizes) >= n:
        raise ValueError(
            f"Expected normal rows enough for training, stopping and calibration. Received: {n} "
            f"with stop={stop:g}, calibrate={calibrate:g}."
        )
    if groups is not None:
        return _by_group(np.asarray(groups), sizes, seed)
    order = np.random.default_rng(seed).permutation(n)
    first, second = sizes[0], sum(sizes)
    return np.sort(order[second:]), np.sort(order[:first]), np.sort(order[first:second])


def _by_group(groups: np.ndarray, sizes: list[int], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole groups in a random order: to stop and calibrate until each has its size, and the rest to train."""
    found, number = np.unique(groups, return_inverse=True)
    if len(found) < 1 + sum(size > 0 for size in sizes):
        raise ValueError(
            f"Expected groups enough for training, stopping and calibration. Received: {len(found)}, "
            f"{', '.join(map(str, found))}."
        )
    order = list(np.random.default_rng(seed).permutation(len(found)))
    parts = []
    for size, kept in ((sizes[0], 1 + (sizes[1] > 0)), (sizes[1], 1)):  # groups that have to be left
        taken = np.zeros(0, "int64")
        while len(taken) < size and len(order) > kept:
            taken = np.concatenate([taken, np.flatnonzero(number == order.pop(0))])
        parts.append(np.sort(taken))
    return np.flatnonzero(np.isin(number, order)), parts[0], parts[1]


def one_class(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    digit: int,
    stop: float = 0.1,
    calibrate: float = 0.2,
    seed: int = 0,
) -> Split:
    """`digit` is normal, every other class anomalous; test rows are the official test set.

    Args:
        train, test: (images, classes) each.
        digit: the normal class.
        stop, calibrate: shares of the normal training rows.
        seed: of the split.

    Raises:
        ValueError: for a class that does not occur.
    """
    return _by_class(train, test, np.array([digit]), stop, calibrate, seed, f"{digit} is normal")


def one_anomalous(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    digit: int,
    stop: float = 0.1,
    calibrate: float = 0.2,
    seed: int = 0,
) -> Split:
    """`digit` is anomalous, every other class normal; arguments and errors as in `one_class`."""
    _check_class(train[1], digit)
    normal = np.setdiff1d(np.unique(train[1]), [digit])
    return _by_class(train, test, normal, stop, calibrate, seed, f"{digit} is anomalous")


def ganomaly_exercise(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    digit: int,
    stop: float = 0.1,
    calibrate: float = 0.2,
    seed: int = 0,
) -> Split:
    """The split of GANomaly's experiments (samet-akcay/ganomaly): `one_anomalous`, but every image of the class is
    tested, those of the training file too.

    With shares of 0 it trains on 45,000 images of CIFAR-10 and tests on 9,000 normal ones and 6,000 others; by
    `one_anomalous`, which is stricter, on 9,000 and 1,000. Arguments and errors as in `one_class`.
    """
    split = one_anomalous(train, test, digit, stop, calibrate, seed)
    assert split.labels is not None
    more = train[0][np.flatnonzero(train[1] == digit)]
    return dataclasses.replace(
        split,
        test=np.concatenate([split.test, more]),
        labels=np.concatenate([split.labels, np.ones(len(more), "int64")]),
        name=f"{split.name}, its training images are tested too",
    )


def fanogan_exercise(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    digit: int,
    stop: float = 0.1,
    calibrate: float = 0.2,
    seed: int = 0,
) -> Split:
    """The split of the f-AnoGAN MNIST exercise (A03ki/f-AnoGAN).

    The first 80 % of the digit's training images, in file order, are normal training data (split again for
    stop and calibrate; shares of 0 give the exercise's own training set). All the rest of both files is the
    test set: for digit 1 of MNIST 5,393 and 64,607 images. Arguments and errors as in `one_class`.
    """
    _check_class(train[1], digit)
    normal = np.flatnonzero(train[1] == digit)
    chosen = normal[: int(0.8 * len(normal))]
    rest = np.setdiff1d(np.arange(len(train[1])), chosen)
    order = rest[np.argsort(train[1][rest] != digit, kind="stable")]  # the digit first, as in the exercise
    parts = three_ways(len(chosen), stop, calibrate, seed)
    classes = np.concatenate([train[1][order], test[1]])
    fit, stopped, calibrated = (train[0][chosen[part]] for part in parts)
    return Split(
        train=fit,
        stop=stopped,
        calibrate=calibrated,
        test=np.concatenate([train[0][order], test[0]]),
        labels=(classes != digit).astype("int64"),
        name=f"{digit} is normal, first 80 % of its training images",
    )


def hold_out(
    images: np.ndarray, classes: np.ndarray, share: float = 0.3, seed: int = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((train images, classes), (test images, classes)) of a data set without an official test set.

    Args:
        images: (n, ...).
        classes: (n,).
        share: of each class, for testing; in [0, 1].
        seed: of the draw.
    """
    draw = np.random.default_rng(seed)
    test = np.zeros(len(classes), bool)
    for value in np.unique(classes):
        rows = draw.permutation(np.flatnonzero(classes == value))
        test[rows[: round(share * len(rows))]] = True
    return (images[~test], classes[~test]), (images[test], classes[test])


def _by_class(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    normal: np.ndarray,
    stop: float,
    calibrate: float,
    seed: int,
    name: str,
) -> Split:
    for digit in normal:
        _check_class(train[1], int(digit))
    normal_rows = np.flatnonzero(np.isin(train[1], normal))
    rows = train[0][normal_rows]
    parts = three_ways(len(rows), stop, calibrate, seed)
    labels = (~np.isin(test[1], normal)).astype("int64")
    fit, stopped, calibrated = (rows[part] for part in parts)
    classes = train[1][normal_rows[parts[0]]]
    return Split(fit, stopped, calibrated, test=test[0], labels=labels, name=name, train_classes=classes)


def _check_class(classes: np.ndarray, digit: int) -> None:
    present = np.unique(classes)
    if digit not in present:
        raise ValueError(f"Expected one of the classes {present.tolist()}. Received: {digit!r}.")

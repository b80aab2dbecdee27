"""Images as a task: a named set by its classes, or a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan.datasets import (
    ImageRows,
    hold_out,
    load_cifar10,
    load_digits,
    load_masks,
    load_mnist,
    one_anomalous,
    one_class,
    three_ways,
)
from keras_anogan.datasets.image_remarks import on_sides
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.reading import trained_images
from keras_anogan.runs.tasks.base import Task
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.training.batches import gathered, in_batches
from keras_anogan.words import counted


def load_named(arguments: Arguments) -> Task:
    """MNIST, CIFAR-10 or scikit-learn's digits, by the normal or the anomalous class."""
    if arguments.data == "digits":
        train, test = hold_out(*load_digits(), share=0.3, seed=0)
    else:
        train, test = (load_mnist if arguments.data == "mnist" else load_cifar10)()
    protocol = one_class if arguments.normal is not None else one_anomalous
    label: Any = arguments.normal if arguments.normal is not None else arguments.abnormal
    share = arguments.calibrate_share or (0.25 if arguments.data == "digits" else 0.2)
    split = protocol(train, test, label, stop=0.1, calibrate=share, seed=arguments.seed)
    digest = hashlib.sha256()
    for images, classes in (train, test):
        digest.update(np.ascontiguousarray(images).tobytes() + classes.tobytes())
    preprocess = image_preprocessing(*arguments.sides)
    parts = [_preprocess_array(preprocess, rows) for rows in (split.train, split.stop, split.calibrate, split.test)]
    if arguments.smoke:
        parts, split = _smoke(parts, split)
    return Task(
        kind="images",
        train=parts[0],
        stop=parts[1],
        calibrate=parts[2],
        test=parts[3],
        labels=split.labels,
        test_ids=[f"test-{i:05d}" for i in range(len(parts[3]))],
        preprocessing=preprocess,
        fingerprint=digest.hexdigest(),
        name=f"{arguments.data}: {'class' if arguments.data == 'cifar10' else 'digit'} {split.name}",
        train_classes=None if split.train_classes is None else split.train_classes[: len(parts[0])],
    )


def _smoke(parts: list[np.ndarray], split: Any) -> tuple[list[np.ndarray], Any]:
    order = np.argsort(np.random.default_rng(0).random(len(parts[3])))[:256]
    return [*(part[:256] for part in parts[:3]), parts[3][order]], dataclasses.replace(
        split, labels=split.labels[order]
    )


def _preprocess_array(preprocess: Any, raw: np.ndarray) -> np.ndarray:
    if len(raw) == 0:
        raise ValueError(
            "Expected at least one row in every part of the split. Received: none; there are too few images."
        )
    return gathered(in_batches(preprocess, raw, size=1024))


def load_folder(arguments: Arguments) -> Task:
    """A folder: flat, in MVTec-AD's layout, or with folders that the arguments name."""
    folder = trained_images(arguments)
    preprocess = image_preprocessing(*arguments.sides, white=folder.white)
    rows = ImageRows(folder.train, preprocess, load=folder.load)
    total = len(rows)
    if total < 8:
        raise ValueError(f"Expected at least 8 normal images to split into train, stop, calibrate. Received: {total}.")
    share = arguments.calibrate_share or 0.2
    remarks = [*folder.remarks, *on_sides(folder.facts, arguments.sides)]
    paths: Sequence[pathlib.Path]
    kinds: Sequence[str]
    masks: Sequence[pathlib.Path | None] | None
    if (folder.labels == 0).any():
        train, stop, calibrate = three_ways(total, 0.1, share, arguments.seed)
        paths, labels, kinds, masks = folder.test, folder.labels, folder.kinds, folder.masks
    else:  # nobody has set normal images aside: keep some to measure the false alarms on
        rest, tested, _ = three_ways(total, 0.1, 0.0, arguments.seed)
        part = three_ways(len(rest), 0.1, share, arguments.seed + 1)
        train, stop, calibrate = (rest[indices] for indices in part)
        paths = (*(folder.train[i] for i in tested), *folder.test)
        labels = np.concatenate([np.zeros(len(tested), "int64"), folder.labels])
        kinds = (*["good"] * len(tested), *folder.kinds)
        masks = None if folder.masks is None else (*[None] * len(tested), *folder.masks)
    limit = 256 if arguments.smoke else max(total, len(paths))
    if len(paths) > limit:
        some = np.sort(np.random.default_rng(0).permutation(len(paths))[:limit])
        paths, kinds, labels = [paths[i] for i in some], [kinds[i] for i in some], labels[some]
        masks = None if masks is None else [masks[i] for i in some]
    train, stop, calibrate = (indices[:limit] for indices in (train, stop, calibrate))
    return Task(
        kind="images",
        train=rows.take(train),
        stop=rows.take(stop),
        calibrate=rows.take(calibrate),
        test=ImageRows(paths, preprocess, load=folder.load),
        labels=labels,
        test_ids=[path.relative_to(folder.root).as_posix() for path in paths],
        preprocessing=preprocess,
        fingerprint=folder.fingerprint,
        name=f"{folder.root.name}: {counted(total, 'normal images')}",
        remarks=tuple(remarks),
        masks=None if masks is None else load_masks(masks, arguments.sides),
        raw_dtype=folder.dtype,
        test_kinds=list(kinds),
    )

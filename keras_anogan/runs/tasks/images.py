"""Images as a task: a named set by its classes, or a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
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
from keras_anogan.datasets.image_remarks import on_likeness, on_sides, ratios_of
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
    preprocess = image_preprocessing(*arguments.sides, white=folder.white, pad=arguments.pad)
    rows = ImageRows(folder.train, preprocess, load=folder.load)
    total = len(rows)
    if total < 8:
        raise ValueError(f"Expected at least 8 normal images to split into train, stop, calibrate. Received: {total}.")
    share = arguments.calibrate_share or 0.2
    groups = None if arguments.group is None else groups_of(folder.train, arguments.group)
    remarks = [
        *folder.remarks,
        *on_sides(folder.facts, arguments.sides, arguments.pad, arguments.tiles is not None),
        *on_groups(groups, folder, arguments.group),
    ]
    paths: Sequence[pathlib.Path]
    kinds: Sequence[str]
    masks: Sequence[pathlib.Path | None] | None
    if (folder.labels == 0).any():
        train, stop, calibrate = three_ways(total, 0.1, share, arguments.seed, groups)
        paths, labels, kinds, masks = folder.test, folder.labels, folder.kinds, folder.masks
    else:  # nobody has set normal images aside: keep some to measure the false alarms on
        rest, tested, _ = three_ways(total, 0.1, 0.0, arguments.seed, groups)
        left = None if groups is None else [groups[i] for i in rest]
        part = three_ways(len(rest), 0.1, share, arguments.seed + 1, left)
        train, stop, calibrate = (rest[indices] for indices in part)
        paths = (*(folder.train[i] for i in tested), *folder.test)
        labels = np.concatenate([np.zeros(len(tested), "int64"), folder.labels])
        kinds = (*["good"] * len(tested), *folder.kinds)
        masks = None if folder.masks is None else (*[None] * len(tested), *folder.masks)
    parts = None if groups is None else len({groups[i] for i in calibrate})
    limit = 256 if arguments.smoke else max(total, len(paths))
    if len(paths) > limit:
        some = np.sort(np.random.default_rng(0).permutation(len(paths))[:limit])
        paths, kinds, labels = [paths[i] for i in some], [kinds[i] for i in some], labels[some]
        masks = None if masks is None else [masks[i] for i in some]
    train, stop, calibrate = (indices[:limit] for indices in (train, stop, calibrate))
    good = [path for path, label in zip(paths, labels, strict=True) if label == 0]
    remarks += _on_parts(folder, train, calibrate, good, parts)
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
        masks=None if masks is None else load_masks(masks, arguments.sides, arguments.pad),
        raw_dtype=folder.dtype,
        test_kinds=list(kinds),
        ratios=ratios_of([folder.facts[path] for path in folder.train]),
        parts=parts,
        test_parts=None if arguments.group is None else parts_of(paths, arguments.group),
    )


def _on_parts(
    folder: Any, train: np.ndarray, calibrate: np.ndarray, good: list[pathlib.Path], parts: int | None
) -> list[str]:
    """How sure a rate of false alarms is, by so many parts; of unknown parts, whether some are on both sides."""
    if parts is not None:
        return [
            f"{counted(len(calibrate), 'photographs')} of {counted(parts, 'parts')} calibrate the threshold: the rate "
            "of false alarms is as sure as so many parts make it."
        ]
    sides = [folder.train[i] for i in train], [*(folder.train[i] for i in calibrate), *good]
    return on_likeness(*({path: folder.facts[path] for path in paths} for paths in sides))


def groups_of(paths: Sequence[pathlib.Path], pattern: str) -> list[str]:
    """What each photograph is of: what a regular expression, or its first group, finds in the file's name.

    Raises:
        ValueError: for a name in which it finds nothing, or one group for all.
    """
    found = [re.search(pattern, path.name) for path in paths]
    missed = [path.name for path, match in zip(paths, found, strict=True) if match is None]
    if missed:
        raise ValueError(
            f"Expected --group to find something in every file's name. Received: {pattern!r}, which finds nothing in "
            f"{missed[0]}{f' and {len(missed) - 1:,} more' if len(missed) > 1 else ''}."
        )
    groups = [match.group(1 if match.re.groups else 0) for match in found if match is not None]
    if len(parts := sorted(set(groups))) < 4:
        raise ValueError(f"Expected --group to find four parts or more. Received: {pattern!r}, {', '.join(parts)}.")
    return groups


def parts_of(names: Sequence[Any], pattern: str) -> list[str]:
    """What each of these photographs is of; one in whose name the pattern finds nothing is a part of its own."""
    found = [(str(name), re.search(pattern, pathlib.PurePath(name).name)) for name in names]
    return [name if match is None else match.group(1 if match.re.groups else 0) for name, match in found]


def on_groups(groups: Sequence[str] | None, folder: Any, pattern: str | None) -> list[str]:
    """How many parts there are, and whether some of them are tested on too."""
    if groups is None or pattern is None:
        return []
    remarks = [f"{counted(len(groups), 'normal photographs')} of {counted(len(set(groups)), 'parts')} (--group)."]
    tested = [match for path in folder.test if (match := re.search(pattern, path.name))]
    both = sorted({match.group(1 if match.re.groups else 0) for match in tested} & set(groups))
    if both:
        remarks.append(
            f"{counted(len(both), 'parts')} are in training and in test, such as {both[0]}: the test's numbers are too "
            "good then."
        )
    return remarks

"""From the words of a command to rows: what a run is asked for, and the data it trains and tests on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_anogan.datasets import (
    ImageRows,
    hold_out,
    load_digits,
    load_masks,
    load_mnist,
    one_anomalous,
    one_class,
    read_table,
    scan_image_folder,
    three_ways,
)
from keras_anogan.datasets.table import choose_columns, normal_rows, some_names
from keras_anogan.runs.arguments import NAMED_SETS, Arguments
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.serving.tables import TableEncoder, raw_columns
from keras_anogan.video.footage import Footage

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class TableTask:
    """A table split and encoded.

    Attributes:
        train, stop, calibrate, test: encoded rows, float32 (n, features).
        labels: (len(test),): 1 anomalous, 0 normal.
        test_rows: row numbers of the test rows in the file.
        encoder: from raw columns to encoded rows.
        skipped: columns left out, because the condition names them.
    """

    train: np.ndarray
    stop: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    test_rows: np.ndarray
    encoder: TableEncoder
    skipped: tuple[str, ...]


def split_table(
    frame: pd.DataFrame,
    normal_where: str | None = None,
    drop: Sequence[str] = (),
    stop: float = 0.1,
    calibrate: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
) -> TableTask:
    """Split normal rows for training, stopping, calibration and testing, and encode them by the training rows.

    All anomalous rows are for testing. Columns that `normal_where` names are labels: no detector sees them.

    Args:
        frame: the table.
        normal_where: a condition that normal rows meet (see `normal_rows`); None if all rows are normal.
        drop: further columns to leave out, such as an id.
        stop, calibrate, test: shares of the normal rows; the first two of what testing leaves.
        seed: of the split.

    Raises:
        ValueError: for a bad condition or column, or fewer than 20 normal rows.
    """
    normal, named = (np.ones(len(frame), bool), ()) if normal_where is None else normal_rows(frame, normal_where)
    if len(named) and frame[list(named)].isna().any(axis=None):
        gone = int(frame[list(named)].isna().any(axis=1).sum())
        raise ValueError(
            f"Expected every row to have {some_names(named)}, which tells whether it is normal. "
            f"Received: {gone} without."
        )
    if normal.sum() < 20:
        raise ValueError(
            f"Expected at least 20 normal rows to learn from. Received: {int(normal.sum())} of {len(frame)}."
        )
    dtypes = choose_columns(frame, (*drop, *named))
    order = np.flatnonzero(normal)
    rest, tested, _ = three_ways(len(order), test, 0.0, seed)
    train, stopped, calibrated = (order[rest][part] for part in three_ways(len(rest), stop, calibrate, seed + 1))
    judged = np.sort(np.concatenate([order[tested], np.flatnonzero(~normal)]))
    raw = raw_columns(frame, dtypes)
    encoder = TableEncoder(dtypes).adapt({name: values[train] for name, values in raw.items()})
    rows = encoder.encode(raw)
    return TableTask(
        train=rows[train],
        stop=rows[stopped],
        calibrate=rows[calibrated],
        test=rows[judged],
        labels=(~normal[judged]).astype("int64"),
        test_rows=judged,
        encoder=encoder,
        skipped=named,
    )


@dataclasses.dataclass(frozen=True)
class Task:
    """Rows of one run, preprocessed, and what is known of them.

    Attributes:
        train, stop, calibrate, test: rows for the detector, float32 (n, size, size, channels) or (n, features).
        labels: (len(test),) or None.
        test_ids: names of the test rows.
        preprocessing: Keras layer from raw input to such rows.
        fingerprint: SHA-256 of the data.
        name: what is normal, in a few words.
        skipped: files left out.
        masks: bool (len(test), size, size), True where a pixel is anomalous; None where nobody knows.
        raw_test: the test rows of a table as they stand in the file, a DataFrame.
        remarks: what was done to the data without being asked, one sentence each.
        train_classes: (len(train),) classes of the training rows, where there are any.
    """

    train: Any
    stop: Any
    calibrate: Any
    test: Any
    labels: np.ndarray | None
    test_ids: list[str]
    preprocessing: Any
    fingerprint: str
    name: str
    skipped: int = 0
    masks: np.ndarray | None = None
    raw_test: Any = None
    remarks: tuple[str, ...] = ()
    train_classes: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(np.asarray(self.train[np.zeros(1, "int64")]).shape[1:])


def load_task(arguments: Arguments) -> Task:
    """Load and split the data of a run.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the data or with `alpha`.
    """
    load = _load_named if arguments.data in NAMED_SETS else _load_table if arguments.is_table else _load_folder
    task = load(arguments)
    have = len(task.calibrate)
    if int(np.floor(arguments.alpha * (have + 1) + 1e-9)) < 1:
        total = sum(len(rows) for rows in (task.train, task.stop, task.calibrate))
        raise ValueError(
            f"Expected at least {int(np.ceil(1 / arguments.alpha - 1 - 1e-9))} {_noun(arguments)} to calibrate --alpha "
            f"{arguments.alpha:g} (n >= 1/alpha - 1). Received: {have} of {total} normal {_noun(arguments)}; "
            f"--alpha {1 / (have + 1) + 5e-5:.4f} or more would do."
        )
    return task


def _load_named(arguments: Arguments) -> Task:
    if arguments.data == "mnist":
        train, test = load_mnist()
    else:
        train, test = hold_out(*load_digits(), share=0.3, seed=0)
    protocol = one_class if arguments.normal is not None else one_anomalous
    digit = arguments.normal if arguments.normal is not None else arguments.abnormal
    share = 0.2 if arguments.data == "mnist" else 0.25
    split = protocol(train, test, digit, stop=0.1, calibrate=share, seed=arguments.seed)
    digest = hashlib.sha256()
    for images, classes in (train, test):
        digest.update(np.ascontiguousarray(images).tobytes() + classes.tobytes())
    preprocess = image_preprocessing(arguments.image_size, arguments.image_size)
    parts = [_preprocess_array(preprocess, rows) for rows in (split.train, split.stop, split.calibrate, split.test)]
    if arguments.smoke:
        parts, split = _smoke(parts, split)
    return Task(
        *parts,
        labels=split.labels,
        test_ids=[f"test-{i:05d}" for i in range(len(parts[3]))],
        preprocessing=preprocess,
        fingerprint=digest.hexdigest(),
        name=f"{arguments.data}: digit {split.name}",
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
    chunks = [np.asarray(preprocess(raw[i : i + 1024])) for i in range(0, len(raw), 1024)]
    return np.concatenate(chunks)


def _load_folder(arguments: Arguments) -> Task:
    folder = scan_image_folder(arguments.data, skip_broken=arguments.skip_broken)
    rows = ImageRows(folder.train, image_preprocessing(arguments.image_size, arguments.image_size))
    total = len(rows)
    if total < 8:
        raise ValueError(f"Expected at least 8 normal images to split into train, stop, calibrate. Received: {total}.")
    if folder.test:
        train, stop, calibrate = three_ways(total, 0.1, 0.2, arguments.seed)
        test, labels, paths = ImageRows(folder.test, rows.preprocess), folder.labels, folder.test
        masks = folder.masks
    else:  # nobody knows an anomaly: keep some normal images to measure the false alarms on
        rest, tested, _ = three_ways(total, 0.1, 0.0, arguments.seed)
        part = three_ways(len(rest), 0.1, 0.2, arguments.seed + 1)
        train, stop, calibrate = (rest[indices] for indices in part)
        test, labels = rows.take(tested), np.zeros(len(tested), "int64")
        paths, masks = test.paths, None
    limit = 256 if arguments.smoke else max(total, len(paths))
    if len(paths) > limit:
        some = np.sort(np.random.default_rng(0).permutation(len(paths))[:limit])
        test, labels, paths = test.take(some), labels[some], [paths[i] for i in some]
        masks = None if masks is None else [masks[i] for i in some]
    return Task(
        *(rows.take(indices[:limit]) for indices in (train, stop, calibrate)),
        test=test,
        labels=labels,
        test_ids=[path.relative_to(folder.root).as_posix() for path in paths],
        preprocessing=rows.preprocess,
        fingerprint=folder.fingerprint,
        name=f"{folder.root.name}: {total:,} normal images",
        skipped=len(folder.skipped),
        masks=None if masks is None else load_masks(masks, (arguments.image_size,) * 2),
    )


def _load_table(arguments: Arguments) -> Task:
    frame = read_table(arguments.data)
    table = split_table(frame, arguments.normal_where, arguments.drop or (), seed=arguments.seed)
    limit = 256 if arguments.smoke else len(frame)
    some = np.sort(np.random.default_rng(0).permutation(len(table.test))[:limit])
    remarks = []
    if table.skipped:
        remarks.append(f"Left out what the condition names, so that no detector sees it: {', '.join(table.skipped)}.")
    return Task(
        train=table.train[:limit],
        stop=table.stop[:limit],
        calibrate=table.calibrate[:limit],
        test=table.test[some],
        labels=table.labels[some],
        test_ids=[f"row-{row + 1}" for row in table.test_rows[some]],
        preprocessing=table.encoder,
        fingerprint=_file_digest(arguments.data),
        name=f"{os.path.basename(arguments.data)}: "
        + (f"normal where {arguments.normal_where}" if arguments.normal_where else f"{len(frame):,} normal rows"),
        raw_test=frame.iloc[table.test_rows[some]],
        remarks=tuple(remarks),
    )


def _file_digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noun(arguments: Arguments) -> str:
    return "rows" if arguments.is_table else "images"


def footage_name(footage: Footage) -> str:
    days, recordings = len(footage.days), len(footage.recordings)
    kinds = f"{days} day{'s' * (days > 1)} of footage, {recordings} recording{'s' * (recordings > 1)}"
    return f"{kinds}, {len(footage):,} frames"

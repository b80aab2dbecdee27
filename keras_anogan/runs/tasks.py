"""From the words of a command to data: what a run trains, calibrates and tests on, of images, tables and footage."""

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
from keras_anogan.runs.arguments import NAMED_SETS, Arguments, RunArguments, VideoArguments
from keras_anogan.serving.preprocessing import image_preprocessing, rescaling
from keras_anogan.serving.scoring import as_rows
from keras_anogan.serving.tables import TableEncoder, raw_columns
from keras_anogan.thresholds import calibration_needed
from keras_anogan.training.batches import gathered, in_batches
from keras_anogan.video import Footage, VideoWindows, is_store, open_footage, split_footage

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
    """Data of one run, as the detector takes them, and what is known of them.

    Attributes:
        kind: "images", "table" or "footage".
        train, stop, calibrate: normal data: rows float32 (n, size, size, channels) or (n, features), or `VideoWindows`.
        preprocessing: Keras layer from raw input to such rows.
        fingerprint: SHA-256 of the data.
        name: what is normal, in a few words.
        test: rows to test on; None for footage.
        labels: (len(test),): 1 anomalous, 0 normal; or None.
        test_ids: names of the test rows.
        raw_shape, raw_dtype: of one raw sample, where a `FittedDetector` can't tell by itself.
        masks: bool (len(test), size, size), True where a pixel is anomalous; None where nobody knows.
        raw_test: the test rows of a table as they stand in the file, a DataFrame.
        remarks: what was done to the data without being asked, one sentence each.
        train_classes: (len(train),) classes of the training rows, where there are any.
        groups: (len(calibrate),) the day of each calibration window, for a threshold of days.
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
    groups: np.ndarray | None = None

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


def load_task(arguments: RunArguments) -> Task:
    """Load and split the data of a run.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with the data.
    """
    if isinstance(arguments, VideoArguments):
        return _load_footage(arguments)
    assert isinstance(arguments, Arguments)
    load = _load_named if arguments.data in NAMED_SETS else _load_table if arguments.is_table else _load_folder
    return load(arguments)


def check_calibration(arguments: RunArguments, task: Task) -> None:
    """Refuse too few calibration data before hours of training.

    Raises:
        ValueError: one sentence that says how many the threshold needs, or which rate would do.
    """
    have, needed = task.counts["calibrate"], calibration_needed(arguments.alpha)
    threshold = arguments.build_threshold(capacity=have)
    if threshold.takes_groups and task.groups is None and have < needed:  # one rate for all, by an order statistic
        total = sum(count for key, count in task.counts.items() if key != "test")
        footage = "Too little footage to calibrate. " if task.kind == "footage" else ""
        raise ValueError(
            f"{footage}Expected at least {needed} {task.noun} to calibrate --alpha {arguments.alpha:g} "
            f"(n >= 1/alpha - 1). Received: {have} of {total} normal {task.noun}; "
            f"--alpha {1 / (have + 1) + 5e-5:.4f} or more would do."
        )
    try:
        threshold.adapt(np.linspace(0.0, 1.0, have), **({} if task.groups is None else {"groups": task.groups}))
    except ValueError as error:
        what = "footage" if task.kind == "footage" else f"normal {task.noun}"
        raise ValueError(f"Too {'little' if what == 'footage' else 'few'} {what} to calibrate: {error}") from error


def _load_footage(arguments: VideoArguments) -> Task:
    days: Any = arguments.days if len(arguments.days) > 1 else arguments.days[0]
    if is_store(days) and (arguments.size is not None or arguments.grey or arguments.every != 1):
        raise ValueError(
            f"Expected --size, --grey and --every when footage is prepared. Received: some of them for {days}."
        )
    footage = open_footage(days) if is_store(days) else open_footage(days, **arguments.opening)
    length = arguments.length
    scored = length + arguments.smooth - 1  # frames behind a score
    parts = split_footage(footage, scored)
    train = VideoWindows(
        parts["train"], length, batch_size=arguments.batch_size, stride=arguments.stride or length, seed=arguments.seed
    )
    calibrate = VideoWindows(parts["calibrate"], scored, batch_size=32, sampling="sliding")
    lost = f"Left out {footage.skipped:,} frame(s) that can't be read."
    height, width, _ = footage.frame_shape
    return Task(
        kind="footage",
        train=train,
        stop=VideoWindows(parts["stop"], length, batch_size=32, sampling="sliding", stride=4),
        calibrate=calibrate,
        preprocessing=rescaling(name="preprocessing"),
        fingerprint=footage.fingerprint,
        name=footage_name(footage),
        raw_shape=(scored, *footage.frame_shape),
        raw_dtype="uint8",
        remarks=(*((lost,) if footage.skipped else ()), f"Frames of {width} x {height} pixels."),
        groups=calibrate.day_numbers if arguments.by_day else None,
    )


def _load_named(arguments: Arguments) -> Task:
    if arguments.data == "mnist":
        train, test = load_mnist()
    else:
        train, test = hold_out(*load_digits(), share=0.3, seed=0)
    protocol = one_class if arguments.normal is not None else one_anomalous
    digit: Any = arguments.normal if arguments.normal is not None else arguments.abnormal
    share = 0.2 if arguments.data == "mnist" else 0.25
    split = protocol(train, test, digit, stop=0.1, calibrate=share, seed=arguments.seed)
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
    return gathered(in_batches(preprocess, raw, size=1024))


def _load_folder(arguments: Arguments) -> Task:
    folder = scan_image_folder(arguments.data, skip_broken=arguments.skip_broken)
    rows = ImageRows(folder.train, image_preprocessing(*arguments.sides))
    total = len(rows)
    if total < 8:
        raise ValueError(f"Expected at least 8 normal images to split into train, stop, calibrate. Received: {total}.")
    paths: Any
    masks: Any
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
    lost = f"Left out {len(folder.skipped)} image file(s) that can't be read."
    train, stop, calibrate = (indices[:limit] for indices in (train, stop, calibrate))
    return Task(
        kind="images",
        train=rows.take(train),
        stop=rows.take(stop),
        calibrate=rows.take(calibrate),
        test=test,
        labels=labels,
        test_ids=[path.relative_to(folder.root).as_posix() for path in paths],
        preprocessing=rows.preprocess,
        fingerprint=folder.fingerprint,
        name=f"{folder.root.name}: {total:,} normal images",
        remarks=(lost,) if folder.skipped else (),
        masks=None if masks is None else load_masks(masks, arguments.sides),
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
        kind="table",
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


def footage_name(footage: Footage) -> str:
    """How much footage there is, in a few words."""
    days, recordings = len(footage.days), len(footage.recordings)
    kinds = f"{days} day{'s' * (days > 1)} of footage, {recordings} recording{'s' * (recordings > 1)}"
    return f"{kinds}, {len(footage):,} frames"

"""A table as a task: its normal rows split and encoded, its anomalous rows for testing."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_anogan.datasets import read_table, three_ways
from keras_anogan.datasets.table import choose_columns, normal_rows, some_names
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.tasks.base import Task
from keras_anogan.serving.tables import TableEncoder, raw_columns

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


def load_table(arguments: Arguments) -> Task:
    """A table file, split by its condition."""
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

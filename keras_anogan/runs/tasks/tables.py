"""A table as a task: its normal rows split and encoded, its anomalous rows for testing."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_anogan.datasets import three_ways
from keras_anogan.datasets.columns import LEFT_OUT, MOST_LINES, Column, carried_columns, describe_columns, features
from keras_anogan.datasets.conditions import normal_of, some_names
from keras_anogan.datasets.table import Table, type_columns
from keras_anogan.files import file_digest
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.parsing import named_columns
from keras_anogan.runs.reading import opened_table
from keras_anogan.runs.tasks.base import Task
from keras_anogan.serving.tables import TableEncoder, raw_columns
from keras_anogan.words import counted

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
        columns: what each column of the table was taken for.
        remarks: what was guessed of the table, one sentence each.
    """

    train: np.ndarray
    stop: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    test_rows: np.ndarray
    encoder: TableEncoder
    skipped: tuple[str, ...]
    columns: tuple[Column, ...]
    remarks: tuple[str, ...]


def split_table(
    table: pd.DataFrame | Table,
    normal_where: str | None = None,
    drop: Sequence[str] = (),
    wanted: Mapping[str, dict[str, Any]] | None = None,
    row_id: str | None = None,
    stop: float = 0.1,
    calibrate: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
) -> TableTask:
    """Split normal rows for training, stopping, calibration and testing, and encode them by the training rows.

    All anomalous rows are for testing. Columns that `normal_where` names are labels: no detector sees them. Dates, ids
    and counters are left out too, unless `wanted` names them.

    Args:
        table: a DataFrame, or a table as `open_table` gives it.
        normal_where: a condition that normal rows meet (see `normal_rows`); None if all rows are normal.
        drop: further columns to leave out.
        wanted: what columns are to be taken for, such as {"day": {"kind": "date"}} (see `describe_columns`).
        row_id: column that names the rows; it is left out.
        stop, calibrate, test: shares of the normal rows; the first two of what testing leaves.
        seed: of the split.

    Raises:
        ValueError: for a bad condition or column, or fewer than 20 normal rows.
    """
    table = table if isinstance(table, Table) else type_columns(table, wanted)
    frame = table.frame
    normal, named = normal_of(frame, normal_where)
    order = np.flatnonzero(normal)
    columns = describe_columns(frame, drop, wanted, order, named, row_id, table.notes)
    dtypes = features(columns)
    rest, tested, _ = three_ways(len(order), test, 0.0, seed)
    train, stopped, calibrated = (order[rest][part] for part in three_ways(len(rest), stop, calibrate, seed + 1))
    judged = np.sort(np.concatenate([order[tested], np.flatnonzero(~normal)]))
    raw = raw_columns(frame, dtypes)
    noted = table.noted if len(columns) <= MOST_LINES else ()  # the report of the columns says these
    read = [remark for remark in table.remarks if remark not in noted]
    formats = {name: table.formats[name] for name in dtypes if name in table.formats}
    encoder = TableEncoder(dtypes, formats=formats).adapt({name: values[train] for name, values in raw.items()})
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
        columns=tuple(columns),
        remarks=(*read, *_remarks(columns, normal, normal_where)),
    )


def _remarks(columns: Sequence[Column], normal: np.ndarray, condition: str | None) -> list[str]:
    """What was left out and why, and a condition that tells no rows apart."""
    found = []
    left: dict[str, list[str]] = {}
    for column in columns:
        if not column.used and column.kind != "dropped":
            left.setdefault(column.kind, []).append(column.name)
    told = left.pop("label", [])
    if told:
        found.append(f"Left out what the condition names, so that no detector sees it: {', '.join(told)}.")
    if left:
        reasons = "; ".join(f"{some_names(names)} ({LEFT_OUT[kind]})" for kind, names in left.items())
        found.append(f"Left out: {reasons}.")
    for kind in ("date", "id", "counter"):
        if kind in left:
            setting = f"{left[kind][0]}={'date' if kind == 'date' else 'category' if kind == 'id' else 'number'}"
            found.append(f"To keep such a column, name it: --column {shlex.quote(setting)}.")
            break
    carried = carried_columns([(column.name, column.kind) for column in columns if not column.used])
    if carried and "row id" not in left:
        found.append(f"Scores carry the cells of {some_names(carried)}; --id-column NAME carries another column's.")
    if condition is not None and normal.all():
        found.append(f"All {len(normal):,} rows meet the condition {condition!r}: there are none to find.")
    return found


def load_table(arguments: Arguments) -> Task:
    """A table file, split by its condition."""
    opened = opened_table(arguments)
    frame = opened.frame
    drop = named_columns(arguments.drop or (), frame.columns)
    row_id = arguments.id_column
    share = arguments.calibrate_share or 0.2
    table = split_table(
        opened, arguments.normal_where, drop, arguments.wanted, row_id, calibrate=share, seed=arguments.seed
    )
    limit = 256 if arguments.smoke else len(frame)
    some = np.sort(np.random.default_rng(0).permutation(len(table.test))[:limit])
    rows = table.test_rows[some]
    names = [f"row-{row + 1}" for row in rows]
    if row_id is not None:
        names = [f"{name}, {cell}" for name, cell in zip(names, frame[row_id].iloc[rows], strict=True)]
    return Task(
        kind="table",
        train=table.train[:limit],
        stop=table.stop[:limit],
        calibrate=table.calibrate[:limit],
        test=table.test[some],
        labels=table.labels[some],
        test_ids=names,
        preprocessing=table.encoder,
        fingerprint=file_digest(arguments.data),
        name=f"{os.path.basename(arguments.data)}: "
        + (f"normal where {arguments.normal_where}" if arguments.normal_where else counted(len(frame), "normal rows")),
        raw_test=frame.iloc[rows],
        remarks=table.remarks,
        columns=table.columns,
    )

"""What `score` is given, as a finished run reads it: rows of the detector's input, and how each one is called."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan.datasets import ImageRows, load_image, normal_rows, open_table
from keras_anogan.datasets.conditions import cells_of
from keras_anogan.datasets.image_folder import check_depth
from keras_anogan.datasets.image_remarks import on_new, on_shapes
from keras_anogan.datasets.table import UNREADABLE
from keras_anogan.files import file_digest
from keras_anogan.runs.arguments import NAMED_SETS
from keras_anogan.runs.checks import check_inputs
from keras_anogan.runs.folder import Run
from keras_anogan.runs.reading import scored_images
from keras_anogan.runs.seen import on_seen_footage, on_seen_images, on_seen_table
from keras_anogan.runs.tasks import load_task
from keras_anogan.serving.preprocessing import white_level
from keras_anogan.video import Footage, VideoWindows
from keras_anogan.video.opening import size_remarks


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Data to score.

    Attributes:
        rows: the detector's input: an array, rows that are read as they are needed, or windows of footage.
        ids: columns of the CSV file that name a line, such as {"id": [...]}.
        labels: (lines,): 1 anomalous, 0 normal; None where nobody knows.
        remarks: what should be told of the data, one sentence each.
        footage: of which the lines are the frames; None for images and tables, whose lines are the rows.
        raw: the rows of a table as they stand in the file, a DataFrame.
    """

    rows: Any
    ids: dict[str, Any]
    labels: np.ndarray | None = None
    remarks: tuple[str, ...] = ()
    footage: Footage | None = None
    raw: Any = None


def read_inputs(run: Run, data: Any, skip_broken: bool = False, labels: Any = None) -> Inputs:
    """Data in the form that the run was trained on.

    Args:
        run: a finished run.
        data: "mnist", "digits" or "cifar10" (the run's own test rows), a folder of images, image files, patterns and
            lists of these (see `datasets.gather_images`), a table file, or footage.
        skip_broken: leave out image files that can't be read.
        labels: of footage: file with one 0 or 1 for each frame, or an array; None where nobody knows.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with the data.
    """
    check_inputs(run.config, data, labels)
    if run.kind == "footage":
        if skip_broken:
            raise ValueError(
                "Expected --skip-broken with images only. Received: a run of footage, whose broken frames are left out."
            )
        return _footage(run, data, labels)
    if isinstance(data, (list, tuple)) and len(data) == 1:
        data = data[0]
    if skip_broken and run.kind == "table":
        raise ValueError("Expected --skip-broken with images only. Received: a run of a table.")
    return table_inputs(run, data) if run.kind == "table" else _images(run, data, skip_broken)


def _images(run: Run, data: Any, skip_broken: bool) -> Inputs:
    if isinstance(data, str) and data in NAMED_SETS:
        task = load_task(run.arguments)
        return Inputs(task.test, {"id": task.test_ids}, task.labels)
    folder = scored_images(data, skip_broken)
    channels, dtype, white = _reading(run)
    check_depth(folder.facts, dtype)
    paths, labels = (folder.test, folder.labels) if folder.test else (folder.train, None)
    ids = [path.relative_to(folder.root).as_posix() for path in paths]
    seen = on_seen_images(run.arguments, paths)
    shapes = on_shapes({path: folder.facts[path] for path in paths}, run.metrics.get("ratios"))
    remarks = (*on_new(folder.facts, channels, dtype, white), *folder.remarks, *shapes, *seen)
    return Inputs(image_rows(run, paths), {"id": ids}, labels, remarks)


def _reading(run: Run) -> tuple[int, str, int]:
    """Channels and dtype of the photographs of a run, and their white."""
    return run.fitted.detector.sample_shape[-1], run.fitted.raw_dtype, white_level(run.fitted.preprocessing)


def image_rows(run: Run, paths: Sequence[pathlib.Path]) -> ImageRows:
    """Image files as rows of a run's detector."""
    channels, dtype, white = _reading(run)
    load = functools.partial(load_image, channels=channels, dtype=dtype, white=white)
    return ImageRows(paths, run.fitted.preprocess, load=load)


def table_inputs(run: Run, data: str, is_part: bool = False) -> Inputs:
    """The rows of a table file, or of a part of one, as a run of a table reads them; errors as of `read_inputs`."""
    encoder, condition, row_id = run.fitted.preprocessing, run.arguments.normal_where, run.arguments.id_column
    carried = run.carried if row_id is None else [row_id]
    as_written: dict[str, Any] = {name: {"kind": "id"} for name in carried}
    wanted = {**as_written, **run.arguments.wanted, **encoder.wanted}
    table = open_table(data, wanted, encoder.dtypes, 1.0 if is_part else UNREADABLE)
    frame = table.frame
    raw = encoder.check_raw(frame)
    remarks = [*table.remarks, *encoder.remarks(raw), *on_seen_table(run.config, file_digest(data))]
    labels = None
    if condition is not None:
        try:
            normal, named = normal_rows(frame, condition)
            if not frame[list(named)].isna().any(axis=None):
                labels = (~normal).astype("int64")
            if not normal.any():
                remarks.append(f"No row is normal by the run's condition, {condition}{cells_of(frame, tuple(named))}.")
        except ValueError:  # rows of which nobody knows yet what they are
            labels = None
    ids: dict[str, list[Any]] = {"id": [f"row-{i + 1}" for i in range(len(frame))]}
    ids |= {name: frame[name].astype(object).fillna("").tolist() for name in carried if name in frame.columns}
    if row_id is not None and row_id not in frame.columns:
        remarks.append(f"The table has no column {row_id!r} (--id-column): rows go by their place.")
    return Inputs(encoder.encode(raw), ids, labels, tuple(remarks), raw=frame)


def _footage(run: Run, days: Any, labels: Any) -> Inputs:
    footage = run.open(days)
    known = _read_labels(labels, len(footage))
    windows = VideoWindows(footage, run.length, batch_size=32, sampling="sliding")
    remarks = [remark for remark in size_remarks(footage) if "show little" not in remark]
    remarks += on_seen_footage(run.arguments, days)
    return Inputs(windows, frame_columns(footage), known, tuple(remarks), footage=footage)


def frame_columns(footage: Footage) -> dict[str, Any]:
    """Columns that name each frame: day, recording, number in the recording, seconds since it began."""
    lengths = np.diff(footage.offsets)
    return {
        "day": np.repeat(np.array([recording.day for recording in footage.recordings], object), lengths),
        "recording": np.repeat(np.array([recording.name for recording in footage.recordings], object), lengths),
        "frame": np.arange(len(footage)) - np.repeat(footage.offsets[:-1], lengths),
        "seconds": ["" if np.isnan(second) else f"{second:.3f}" for second in footage.seconds],
    }


def _read_labels(labels: Any, n: int) -> np.ndarray | None:
    if labels is None:
        return None
    if not hasattr(labels, "shape"):
        path = pathlib.Path(labels)
        try:
            labels = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=1)
        except UnicodeDecodeError as error:
            raise ValueError(f"Expected one 0 or 1 for each frame in {path}. Received: no UTF-8 text.") from error
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"Expected one 0 or 1 for each frame in {path}. Received: {error}.") from error
    labels = np.asarray(labels)
    if labels.shape != (n,) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"Expected a label, 0 or 1, for each of {n:,} frames. Received: shape {labels.shape}.")
    return labels.astype("int64")

"""What is read of data before TensorFlow is imported, so that a mistake in them is told at once."""

from __future__ import annotations

import functools
import json
import os
import pathlib
from typing import Any

from keras_anogan.datasets import ImageFolder, gather_images, open_table, scan_image_folder
from keras_anogan.datasets.conditions import some_names
from keras_anogan.datasets.table import Table, column_names


def opened_table(arguments: Any) -> Table:
    """The table of a run; what is read to check it is not read again to train on it."""
    stat = os.stat(arguments.data)
    return _opened(arguments.data, stat.st_mtime_ns, stat.st_size, json.dumps(arguments.wanted))


@functools.lru_cache(maxsize=1)
def _opened(path: str, modified: int, size: int, wanted: str) -> Table:
    return open_table(path, json.loads(wanted))


def trained_images(arguments: Any) -> ImageFolder:
    """The folder of a run of images.

    Raises:
        FileNotFoundError, ValueError: as `scan_image_folder` does.
    """
    return scan_image_folder(
        arguments.data,
        skip_broken=arguments.skip_broken,
        color=arguments.color,
        normal_dirs=arguments.normal_dir or (),
        abnormal_dirs=arguments.abnormal_dir or (),
        flat=arguments.flat,
    )


def scored_images(data: Any, skip_broken: bool) -> ImageFolder:
    """Images to score: one folder, whose layout may tell labels, or images from here and there.

    Raises:
        FileNotFoundError, ValueError: as `scan_image_folder` and `gather_images` do.
    """
    several = list(data) if isinstance(data, (list, tuple)) else [data]
    if len(several) == 1 and pathlib.Path(several[0]).is_dir():
        return scan_image_folder(several[0], skip_broken=skip_broken, need_train=False)
    return gather_images(several, skip_broken)


def check_columns(run: pathlib.Path, table: Any) -> None:
    """Refuse a table that lacks a column which the detector of a run reads.

    Raises:
        ValueError: naming the first one.
    """
    try:
        columns = json.loads((run / "metrics.json").read_text(encoding="utf-8")).get("columns", [])
    except ValueError:  # a damaged file says nothing here
        return
    needed, found = [column["name"] for column in columns if column["used"]], column_names(table)
    lost = [name for name in needed if found is not None and name not in found]
    if lost:
        raise ValueError(f"Expected the columns {some_names(needed)}. Received: a table without {lost[0]!r}.")

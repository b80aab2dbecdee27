"""Where results may be written: what is refused before anything is spent."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_anogan.files import lies_in


def check_writable(path: Any) -> None:
    """Refuse a path below a file, or below a folder that can't be written to, before hours are spent on its content.

    Raises:
        ValueError: one sentence.
    """
    place = pathlib.Path(path).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    is_there = place == pathlib.Path(path).absolute()
    if not (place.is_dir() or (is_there and place.is_file())):
        raise ValueError(f"Expected a place to write {path} to. Received: {place}, which is a file.")
    if not os.access(place, os.W_OK):
        raise ValueError(f"Expected a place to write {path} to. Received: no permission to write {place}.")


def check_place(out: pathlib.Path, data: Sequence[Any]) -> None:
    """Refuse a run folder that is a file, can't be written, or lies in the data.

    Args:
        out: the run folder.
        data: files and folders that the run reads.

    Raises:
        ValueError: one sentence on what is in the way.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the run. Received: {out}, which is a file.")
    check_writable(out)
    for source in data:
        if lies_in(out, source):
            raise ValueError(
                f"Expected a run folder outside the data, or its pictures would be trained on. Received: {out} in "
                f"{source}."
            )


def check_csv(out: pathlib.Path, data: Any) -> None:
    """Refuse a CSV file that is a folder, has the name of a report or picture, or lies in the data."""
    if out.is_dir():
        raise ValueError(f"Expected a CSV file to write. Received: {out}, which is a folder.")
    if out.suffix.lower() not in ("", ".csv", ".txt"):
        raise ValueError(f"Expected a CSV file to write, such as {out.stem}.csv. Received: {out}.")
    check_outside(out, data)
    if out.is_file() and out.stat().st_size and "anomaly_score" not in first_line(out):
        raise ValueError(f"Expected a new CSV file, or one of earlier scores. Received: {out}, which holds other data.")
    check_writable(out)


def first_line(path: pathlib.Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline(10_000)


def check_outside(path: Any, data: Any, what: str = "a file outside the data to write") -> None:
    """Refuse to write into a folder that is read, or over a file that is."""
    for source in data if isinstance(data, (list, tuple)) else [data]:
        if lies_in(path, source):
            raise ValueError(f"Expected {what}. Received: {path} in {source}.")

"""What scoring in blocks refuses before anything is read or started."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_anogan.datasets import is_table
from keras_anogan.runs.arguments import NAMED_SETS
from keras_anogan.runs.checks import check_alpha, check_run
from keras_anogan.runs.targets import check_outside, check_writable

ENGINES = ("local", "ray")


def check_blocks(
    run: Any,
    sources: Sequence[str],
    out: pathlib.Path,
    engine: str,
    address: str | None = None,
    workers: int | None = None,
    size: int | None = None,
    alpha: float | None = None,
    min_area: int = 0,
) -> None:
    """Refuse what `score_blocks` can't do; arguments are its own.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence.
    """
    if engine not in ENGINES:
        raise ValueError(f"Expected the engine to be one of {', '.join(ENGINES)}. Received: {engine}.")
    if engine == "local" and (address is not None or workers is not None):
        given = "--address" if address is not None else "--workers"
        raise ValueError(f"Expected {given} with --engine ray. Received: --engine local, which is this process alone.")
    for name, number in (("--workers", workers), ("--block", size)):
        if number is not None and number < 1:
            raise ValueError(f"Expected {name} to be at least 1. Received: {number}.")
    config = check_run(run)
    check_alpha(alpha)
    if min_area and (min_area < 0 or config["kind"] != "images"):
        raise ValueError(f"Expected --min-area, pixels of a region >= 0, with images only. Received: {min_area}.")
    for source in sources:
        _check_source(source, config["kind"])
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the scores of the blocks. Received: {out}, which is a file.")
    if out.is_dir() and any(out.iterdir()) and not (out / "bulk.json").exists():
        raise ValueError(f"Expected a new or empty folder, or one of earlier blocks. Received: {out}.")
    check_writable(out)
    check_outside(out, [source for source in sources if "://" not in source], "a folder outside the data to write")
    for engines, library, name in (("local ray", "pyarrow", "pyarrow"), ("ray", "ray", "Ray")):
        if engine in engines and importlib.util.find_spec(library) is None:
            raise ImportError(f"Scoring in blocks (--engine {engine}) needs {name}; pip install 'keras_anogan[scale]'.")


def _check_source(source: str, kind: str) -> None:
    if source in NAMED_SETS:
        raise ValueError(f"Expected files to score in blocks. Received: {source}; score it without --engine.")
    if "://" in source:
        if kind != "images":
            what = "tables" if kind == "table" else "footage"
            raise ValueError(f"Expected {what} on a disk. Received: {source}; images alone are read from an address.")
        return
    path = pathlib.Path(source)
    if kind == "table" and path.is_file() and not is_table(path):
        raise ValueError(f"Expected tables, as the run was trained on. Received: {source}.")
    if kind == "images" and is_table(path):
        raise ValueError(f"Expected images, as the run was trained on. Received: {source}.")
    if not any(sign in source for sign in "*?[") and not path.exists():
        raise FileNotFoundError(f"Expected data in {source}. Received: nothing is there.")

"""What every run folder has: a config that says what the run is, files that are whole or absent, a proven detector."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pathlib
import platform
import shutil
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_anogan._version import __version__
from keras_anogan.fitted import FittedDetector


def save_fitted(fitted: FittedDetector, out: pathlib.Path) -> None:
    partial = out / ".detector.partial.keras"
    fitted.save(partial)
    os.replace(partial, out / "detector.keras")
    shutil.rmtree(out / "serving", ignore_errors=True)
    fitted.export(out / "serving" / "1")


def versions() -> dict[str, str]:
    """Versions of what decides a number."""
    import tensorflow as tf

    return {
        "keras_anogan": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def check_folder(arguments: Any, data: Sequence[Any], out: pathlib.Path) -> None:
    """Refuse a folder that holds something else, or lies in the data, before any data are read.

    Args:
        arguments: a dataclass; an earlier run in the folder has to have the same.
        data: files and folders that the run reads.
        out: the run folder.

    Raises:
        ValueError: one sentence on what is in the way.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the run. Received: {out}, which is a file.")
    for source in data:
        if lies_in(out, source):
            raise ValueError(
                f"Expected a run folder outside the data, or its pictures would be trained on. Received: {out} in "
                f"{source}."
            )
    others = [p for p in out.iterdir() if not p.name.endswith(".partial")] if out.is_dir() else []
    if others and not (out / "config.json").exists():
        raise ValueError(
            f"Expected a new or empty folder, or an earlier run. Received: {out}, which holds other files."
        )
    if (out / "config.json").exists():
        config = read_config(out)
        wanted = json.loads(json.dumps(dataclasses.asdict(arguments)))
        defaults = {field.name: field.default for field in dataclasses.fields(arguments)}  # a new one, an old run
        before = {key: value for key, value in defaults.items() if value is not dataclasses.MISSING}
        for key, value in (before | config["arguments"]).items():
            if wanted.get(key) != value:
                raise ValueError(
                    f"{out} was started with {key}={value!r}. Received: {key}={wanted.get(key)!r}; "
                    "repeat the same command to resume it, or choose another folder."
                )


def read_config(run: pathlib.Path) -> dict[str, Any]:
    """The `config.json` of a run of this version, or a sentence."""
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        written = config["versions"]["keras_anogan"]
        complete = isinstance(config["arguments"], dict) and isinstance(config["data"]["fingerprint"], str)
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise ValueError(f"Expected the config.json of a run. Received: {path}, which is not one.")
    if written.split(".")[:2] != __version__.split(".")[:2]:
        raise ValueError(f"{run} was written by keras_anogan {written}. Received: keras_anogan {__version__}.")
    return config


def continues(out: pathlib.Path, config: dict[str, Any]) -> bool:
    if not (out / "config.json").exists():
        return False
    before = read_config(out)
    if before["data"]["fingerprint"] != config["data"]["fingerprint"]:
        raise ValueError(
            f"{out} was started on other data of that name (the fingerprint differs); choose another folder."
        )
    return True


def write_history(path: pathlib.Path, history: dict[str, list[dict[str, float]]]) -> None:
    keys = list(dict.fromkeys(key for logs in history.values() for entry in logs for key in entry))
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["phase", "epoch", *keys])
        writer.writeheader()
        for phase, logs in history.items():
            writer.writerows({"phase": phase, "epoch": i + 1, **entry} for i, entry in enumerate(logs))


def write_json(path: pathlib.Path, content: Any) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


class replacing:
    """A temporary name beside a file, renamed to it only when all has been written."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> pathlib.Path:
        return self.partial

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)


def lies_in(path: Any, folder: Any) -> bool:
    """Whether a path is a folder or lies below it."""
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(folder).resolve())

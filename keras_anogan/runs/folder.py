"""What every run folder has: a config that says what the run is, files that are whole or absent, a proven detector."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_anogan._version import __version__
from keras_anogan.files import is_partial, lies_in, replacing
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video.footage import Footage
from keras_anogan.video.live import is_address
from keras_anogan.video.opening import open_footage
from keras_anogan.video.store import is_store


def save_fitted(fitted: FittedDetector, out: pathlib.Path) -> None:
    partial = out / ".detector.partial.keras"
    fitted.save(partial)
    os.replace(partial, out / "detector.keras")
    shutil.rmtree(out / "serving", ignore_errors=True)
    fitted.export(out / "serving" / "1")


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
    others = [p for p in out.iterdir() if not is_partial(p)] if out.is_dir() else []
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


Say = Callable[[str], None]


def load_run(run: Any) -> tuple[FittedDetector, dict[str, Any]]:
    """The detector and the config of a finished run.

    Raises:
        FileNotFoundError: if the folder is not a finished run.
        ValueError: if another version of the package wrote it.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        raise FileNotFoundError(f"Expected a run folder (with config.json). Received: {run}.")
    config = read_config(run)
    if config.get("kind") == "video":
        raise ValueError(f"Expected a run of images or tables. Received: {run}, a run of video; use score-video.")
    if not (run / "metrics.json").exists() or not (run / "detector.keras").exists():
        raise FileNotFoundError(
            f"Expected a finished run. Received: {run}, which is unfinished; repeat its train command."
        )
    try:
        return keras.models.load_model(run / "detector.keras"), config
    except Exception as error:  # whatever a damaged archive makes Keras raise
        raise ValueError(
            f"Could not load {run / 'detector.keras'}: the file is damaged; train the run again."
        ) from error


@dataclasses.dataclass(frozen=True)
class VideoRun:
    """A finished run of video.

    Attributes:
        fitted: takes windows, uint8 (n, frames, H, W, C).
        threshold: what --threshold was.
        every: of so many raw frames one is taken.
    """

    fitted: FittedDetector
    threshold: str
    every: int

    @property
    def length(self) -> int:
        """Frames of a window."""
        return int(self.fitted.raw_shape[0] or 0)

    def reading(self) -> dict[str, Any]:
        """How raw footage has to be read, whether or not the run was trained on a prepared store."""
        height, width, channels = self.fitted.raw_shape[1:]
        return {"size": (height, width), "grey": channels == 1, "every": self.every}

    def open(self, days: Any) -> Footage:
        """Footage as this run reads it.

        Raises:
            ValueError: for a store of other frames.
        """
        days = days[0] if isinstance(days, (list, tuple)) and len(days) == 1 else days
        stores = is_store(days) or (isinstance(days, (list, tuple)) and any(is_store(day) for day in days))
        footage = open_footage(days) if stores else open_footage(days, **self.reading())
        if (footage.frame_shape, footage.every) != (tuple(self.fitted.raw_shape[1:]), self.every):
            raise ValueError(
                f"Expected frames of shape {tuple(self.fitted.raw_shape[1:])}, one of {self.every}, as the run was "
                f"trained on. Received: {footage.frame_shape}, one of {footage.every}."
            )
        return footage


def load_video_run(run: Any) -> VideoRun:
    """A finished run of video.

    Raises:
        FileNotFoundError: if the folder is not a finished run.
        ValueError: if it is a run of images or tables, or of another version, or damaged.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        raise FileNotFoundError(f"Expected a run folder (with config.json). Received: {run}.")
    config = read_config(run)
    if config.get("kind") != "video":
        raise ValueError(f"Expected a run of train-video. Received: {run}, a run of images or tables; use score.")
    if not (run / "metrics.json").exists() or not (run / "detector.keras").exists():
        raise FileNotFoundError(
            f"Expected a finished run. Received: {run}, which is unfinished; repeat its train-video command."
        )
    try:
        fitted = keras.models.load_model(run / "detector.keras")
        return VideoRun(fitted, config["arguments"]["threshold"], int(config["data"]["every"]))
    except Exception as error:  # whatever a damaged archive makes Keras raise
        raise ValueError(
            f"Could not load {run / 'detector.keras'}: the file is damaged; train the run again."
        ) from error


def check_csv(out: pathlib.Path, days: Any) -> None:
    """Refuse a CSV file that is a folder, would be overwritten by its own report, or lies among the footage."""
    if out.is_dir():
        raise ValueError(f"Expected a CSV file to write. Received: {out}, which is a folder.")
    if out.suffix.lower() in (".html", ".png"):
        raise ValueError(f"Expected a CSV file to write. Received: {out}; its report will be {out.stem}.html.")
    check_outside(out, days)


def check_outside(path: Any, days: Any) -> None:
    for day in days if isinstance(days, (list, tuple)) else [days]:
        if not is_address(day) and lies_in(path, day):
            raise ValueError(f"Expected a file outside the footage to write. Received: {path} in {day}.")

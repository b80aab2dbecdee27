"""The run folder, of images, tables and footage alike.

RUN/config.json      arguments, data fingerprint, versions: what the run is
RUN/detector.keras   FittedDetector: raw images, columns of a table, or windows of raw frames in; scores and alarms out
RUN/serving/1/       the same as a SavedModel
RUN/history.csv      losses by phase and epoch
RUN/metrics.json     what calibration and test rows say; written last, so a run that has it is finished
RUN/samples/         generated images by epoch, where a generator is trained by itself
RUN/report.html      all of it for a reader
RUN/.backup/         weights and optimizer slots of an unfinished run
"""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_anogan._version import __version__
from keras_anogan.datasets import is_table
from keras_anogan.files import is_partial, lies_in, replacing
from keras_anogan.runs.arguments import Arguments, VideoArguments
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video import Footage, is_address, is_store, open_footage


def save_fitted(fitted: FittedDetector, out: pathlib.Path) -> None:
    """Write `detector.keras` and `serving/1`, which is proved to score alike."""
    with replacing(out / "detector.keras") as partial:
        fitted.save(partial)
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
        for key, value in (_defaults(arguments) | config["arguments"]).items():  # a run of before an option was there
            if wanted.get(key) != value:
                raise ValueError(
                    f"{out} was started with {key}={value!r}. Received: {key}={wanted.get(key)!r}; "
                    "repeat the same command to resume it, or choose another folder."
                )


def _defaults(arguments: Any) -> dict[str, Any]:
    """The defaults of a dataclass, for the fields that have one."""
    found = {}
    for field in dataclasses.fields(arguments):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def read_config(run: pathlib.Path) -> dict[str, Any]:
    """The `config.json` of a run of this version, or a sentence."""
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        written = config["versions"]["keras_anogan"]
        complete = isinstance(config["arguments"], dict) and isinstance(config["data"]["fingerprint"], str)
        config["kind"] = _kind(config)
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise ValueError(f"Expected the config.json of a run. Received: {path}, which is not one.")
    if written.split(".")[:2] != __version__.split(".")[:2]:
        raise ValueError(f"{run} was written by keras_anogan {written}. Received: keras_anogan {__version__}.")
    return config


def _kind(config: dict[str, Any]) -> str:
    """ "images", "table" or "footage"; runs of before say "video", or nothing."""
    kind = config.get("kind") or ("table" if is_table(config["arguments"]["data"]) else "images")
    return "footage" if kind == "video" else kind


def continues(out: pathlib.Path, config: dict[str, Any]) -> bool:
    """Whether a folder holds a run of these arguments and data, finished or not.

    Raises:
        ValueError: if it was started on other data.
    """
    if not (out / "config.json").exists():
        return False
    before = read_config(out)
    if before["data"]["fingerprint"] != config["data"]["fingerprint"]:
        raise ValueError(
            f"{out} was started on other data of that name (the fingerprint differs); choose another folder."
        )
    return True


def write_history(path: pathlib.Path, history: dict[str, list[dict[str, float]]]) -> None:
    """Write the logs of every phase and epoch as CSV."""
    keys = list(dict.fromkeys(key for logs in history.values() for entry in logs for key in entry))
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["phase", "epoch", *keys])
        writer.writeheader()
        for phase, logs in history.items():
            writer.writerows({"phase": phase, "epoch": i + 1, **entry} for i, entry in enumerate(logs))


Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: its run folder.
        config: the content of `config.json`.
        fitted: the detector: raw input in, scores and alarms out.
    """

    folder: pathlib.Path
    config: dict[str, Any]
    fitted: FittedDetector

    @property
    def kind(self) -> str:
        """ "images", "table" or "footage"."""
        return self.config["kind"]

    @property
    def what(self) -> str:
        """What it was trained on, for a sentence."""
        return "a table" if self.kind == "table" else self.kind

    @property
    def arguments(self) -> Any:
        """What the run was asked for: `Arguments`, or `VideoArguments` of footage."""
        return (VideoArguments if self.kind == "footage" else Arguments)(**self.config["arguments"])

    @property
    def length(self) -> int:
        """Frames of a window, of footage."""
        return int(self.fitted.raw_shape[0] or 0)

    @property
    def every(self) -> int:
        """Of so many raw frames one is taken, of footage."""
        return int(self.config["data"]["every"])

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


def load_run(run: Any, alpha: float | None = None) -> Run:
    """A finished run.

    Args:
        run: its folder.
        alpha: another false-alarm rate than it was trained for, from the calibration scores that its threshold keeps.

    Raises:
        FileNotFoundError: if the folder is not a finished run.
        ValueError: if another version of the package wrote it, a file is damaged, or there are too few calibration
            scores for `alpha`.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        raise FileNotFoundError(f"Expected a run folder (with config.json). Received: {run}.")
    config = read_config(run)
    if not (run / "metrics.json").exists() or not (run / "detector.keras").exists():
        raise FileNotFoundError(
            f"Expected a finished run. Received: {run}, which is unfinished; repeat the command that began it."
        )
    try:
        fitted = keras.models.load_model(run / "detector.keras")
    except Exception as error:  # whatever a damaged archive makes Keras raise
        raise ValueError(
            f"Could not load {run / 'detector.keras'}: the file is damaged; train the run again."
        ) from error
    return Run(run, config, fitted if alpha is None else fitted.at(alpha))


def check_csv(out: pathlib.Path, data: Any) -> None:
    """Refuse a CSV file that is a folder, has the name of a report or picture, or lies in the data."""
    if out.is_dir():
        raise ValueError(f"Expected a CSV file to write. Received: {out}, which is a folder.")
    if out.suffix.lower() in (".html", ".png"):
        raise ValueError(f"Expected a CSV file to write, such as {out.stem}.csv. Received: {out}.")
    check_outside(out, data)


def check_outside(path: Any, data: Any, what: str = "a file outside the data to write") -> None:
    """Refuse to write into a folder that is read, or over a file that is."""
    for source in data if isinstance(data, (list, tuple)) else [data]:
        if not is_address(source) and lies_in(path, source):
            raise ValueError(f"Expected {what}. Received: {path} in {source}.")

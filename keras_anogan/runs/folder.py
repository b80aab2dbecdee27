"""The run folder, of images, tables and footage alike.

RUN/config.json      arguments, data fingerprint, versions: what the run is
RUN/detector.keras   FittedDetector: raw images, columns of a table, or windows of raw frames in; scores and alarms out
RUN/serving/1/       the same as a SavedModel
RUN/history.csv      losses by phase and epoch
RUN/metrics.json     what calibration and test rows say; written last, so a run that has it is finished
RUN/samples/         generated images by epoch, where a generator is trained by itself
RUN/report.html      all of it for a reader
RUN/.backup/         weights and optimizer slots of an unfinished run
RUN/.threshold/      files of a threshold that was set later, until each is in its place
"""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import keras

from keras_anogan.datasets.columns import carried_columns
from keras_anogan.files import replacing
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.checks import check_alpha, check_run, read_config
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.thresholds import calibration_needed, lowest_alpha
from keras_anogan.video import Footage, is_store, open_footage

READY = ".threshold"


def finish_threshold(run: pathlib.Path) -> None:
    """Put the files of a threshold that was set later into place, also after an interruption between two of them."""
    ready = run / READY
    if not ready.is_dir():
        return
    if (ready / "serving").is_dir():
        shutil.rmtree(run / "serving", ignore_errors=True)
        (ready / "serving").rename(run / "serving")
    for path in ready.iterdir():
        path.replace(run / path.name)
    ready.rmdir()


def save_fitted(fitted: FittedDetector, out: pathlib.Path) -> None:
    """Write `detector.keras` and `serving/1`, which is proved to score alike."""
    with replacing(out / "detector.keras") as partial:
        fitted.save(partial)
    shutil.rmtree(out / "serving", ignore_errors=True)
    fitted.export(out / "serving" / "1")


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


def arguments_of(config: dict[str, Any]) -> Any:
    """What a run was asked for, by its `config.json`: `Arguments`, or `VideoArguments` of footage."""
    return (VideoArguments if config["kind"] == "footage" else Arguments)(**config["arguments"])


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
        return arguments_of(self.config)

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        return json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))

    @property
    def carried(self) -> list[str]:
        """Columns of a table that name its rows, where nobody said which one does."""
        left_out = [column for column in self.metrics.get("columns", []) if not column["used"]]
        return carried_columns([(column["name"], column["kind"]) for column in left_out])

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
    config = check_run(run)
    finish_threshold(run)
    try:
        fitted = keras.models.load_model(run / "detector.keras")
    except Exception as error:  # whatever a damaged archive makes Keras raise
        raise ValueError(
            f"Could not load {run / 'detector.keras'}: the file is damaged; train the run again."
        ) from error
    if alpha is not None:
        _check_alpha(fitted.threshold, alpha)
        fitted = fitted.at(alpha)
    return Run(run, config, fitted)


def _check_alpha(threshold: Any, alpha: float) -> None:
    """Refuse a rate that the calibration scores of a run don't allow."""
    check_alpha(alpha)
    if threshold.takes_groups and threshold.seen < calibration_needed(alpha):
        raise ValueError(
            f"Expected --alpha {lowest_alpha(threshold.seen):.4f} or more, which the run's {threshold.seen:,} "
            f"calibration scores allow. Received: --alpha {alpha:g}."
        )

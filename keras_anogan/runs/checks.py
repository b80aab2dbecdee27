"""What can be refused before any data are read, and before TensorFlow is imported: folders, files and runs."""

from __future__ import annotations

import dataclasses
import json
import mimetypes
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_anogan._version import __version__
from keras_anogan.catalogue import ORDER_STATISTICS, check_threshold
from keras_anogan.datasets import is_table
from keras_anogan.datasets.conditions import normal_of
from keras_anogan.datasets.image_layout import find_layout
from keras_anogan.files import check_new_folder, is_partial
from keras_anogan.runs.arguments import NAMED_SETS
from keras_anogan.runs.parsing import named_columns
from keras_anogan.runs.reading import check_columns, opened_table, scored_images, trained_images
from keras_anogan.runs.targets import check_csv, check_outside, check_place, check_writable, first_line

MOST_LINES = 60  # of a sheet of images


def check_training(arguments: Any, out: pathlib.Path, tensorboard: Any = None) -> None:
    """Refuse data that are not there, a folder that holds something else, or no folder for TensorBoard's events.

    Args:
        arguments: `Arguments` of images or a table, or `VideoArguments` of footage.
        out: the run folder.
        tensorboard: folder for events, which is made; None for none.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    check_place(out, arguments.sources)
    for source in map(pathlib.Path, arguments.sources):
        if arguments.kind == "footage":
            _check_footage(source)
        elif arguments.kind == "table":
            _check_rows(source, arguments)
        else:
            _check_images(source)
            find_layout(source, True, arguments.normal_dir or (), arguments.abnormal_dir or (), arguments.flat)
    check_folder(arguments, out)
    if arguments.kind == "images" and arguments.sources:
        trained_images(arguments)  # every file is decoded, and the facts are kept
    try:
        if tensorboard is not None:
            pathlib.Path(tensorboard).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"Expected a folder for TensorBoard's events. Received: {tensorboard} ({error.strerror})."
        ) from error


def check_scoring(
    run: Any,
    data: Any,
    out: pathlib.Path,
    maps: Any = None,
    overlay: Any = None,
    grid_lines: int = 0,
    labels: Any = None,
    annotate: Any = None,
    kind: str | None = None,
    skip_broken: bool = False,
    alpha: float | None = None,
    min_area: int = 0,
) -> None:
    """Refuse what `score` can't do: no finished run, no data of its kind, files to write in the way of the data.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    config = check_run(run)
    what = _what(config)
    check_alpha(alpha)
    if grid_lines > MOST_LINES:
        raise ValueError(
            f"Expected at most {MOST_LINES} --grid-lines. Received: {grid_lines}; --maps and --overlay write a picture "
            "of each image."
        )
    if kind is not None and config["kind"] != kind:
        raise ValueError(f"Expected a run of {kind}. Received: {run}, of {what}; `score` takes it.")
    footage = config["kind"] == "footage"
    named = isinstance(data, str) and data in NAMED_SETS
    check_csv(out, data if footage else [source for source in several_of(data) if pathlib.Path(source).is_file()])
    if annotate is not None and pathlib.Path(annotate).absolute() == out.absolute():
        raise ValueError(f"Expected a CSV file and a video file of two names. Received: {out} for both.")
    check_inputs(config, data, labels)
    for folder, pictures in ((maps, "maps"), (overlay, "overlays")):
        if folder is not None and not named:
            check_outside(folder, data, what=f"a folder for the {pictures} outside the data")
    if (maps or overlay or grid_lines > 0) and config["kind"] != "images":
        raise ValueError(f"Expected images for maps, overlays and a grid. Received: a run of {what}.")
    if min_area and (min_area < 0 or config["kind"] != "images"):
        got = f"{min_area:,}" if min_area < 0 else f"a run of {what}"
        raise ValueError(f"Expected --min-area, pixels of a region >= 0, with images only. Received: {got}.")
    for path in (maps, overlay, annotate):
        if path is not None:
            check_writable(path)
    if annotate is not None:
        check_outside(annotate, data)
        if not footage:
            raise ValueError(f"Expected footage for an annotated video. Received: a run of {what}.")
    if config["kind"] == "table":
        check_columns(pathlib.Path(run), several_of(data)[0])
    elif not footage and not named:
        scored_images(data, skip_broken)  # every file is decoded, and the facts are kept


def check_watching(run: Any, source: Any, out: pathlib.Path, learn: bool = False, most: int | None = None) -> None:
    """Refuse what `watch` can't do: no finished run of footage, no source, a threshold that can't learn.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    if most is not None and most < 1:
        raise ValueError(f"Expected at least one frame to judge. Received: {most}.")
    config = check_run(run)
    if config["kind"] != "footage":
        raise ValueError(f"Expected a run of footage to watch (train-video). Received: {run}, of {_what(config)}.")
    threshold = config["arguments"].get("threshold", "conformal")
    if learn and threshold in ORDER_STATISTICS:
        raise ValueError(
            "Expected a threshold that learns for --learn (train-video --threshold cumulative, exponential, "
            f"double_exponential, sliding or peaks). Received: {threshold}."
        )
    check_csv(out, source)
    if isinstance(source, (str, os.PathLike)) and "://" not in str(source):
        _check_footage(pathlib.Path(source))


def check_cameras(run: Any, cameras: Sequence[Any], out: pathlib.Path, webhook: str | None = None) -> None:
    """Refuse to watch with what is no run of footage, or to write to what is no folder; see `check_watching`.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    check_run(run)
    for camera in cameras:
        try:
            check_watching(run, camera.source, out / f"{camera.name}.csv", camera.learn)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"Camera {camera.name}: {error}") from error
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder to write. Received: {out}, which is a file.")
    check_writable(out)
    if webhook is not None and not webhook.startswith(("http://", "https://")):
        raise ValueError(f"Expected an address for the webhook (http:// or https://). Received: {webhook}.")


def check_export(run: Any, folder: Any, alpha: float | None = None) -> None:
    """Refuse to export what is no finished run, or to where something is.

    Raises:
        FileNotFoundError, FileExistsError, ValueError: one sentence.
    """
    check_run(run)
    check_alpha(alpha)
    check_new_folder(folder)
    check_writable(folder)


def check_new_threshold(run: Any, alpha: float | None, recalibrate: Any) -> None:
    """Refuse to set a threshold of what is no finished run, or from nothing.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    config = check_run(run)
    check_alpha(alpha)
    if alpha is None and recalibrate is None:
        raise ValueError("Expected --alpha, --recalibrate, or both. Received: neither.")
    if recalibrate is not None:
        check_inputs(config, recalibrate, None)


def check_monitoring(run: Any, scored: Sequence[pathlib.Path], out: pathlib.Path) -> None:
    """Refuse to compare what is no finished run, with no files, or to write over one of them.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    check_run(run)
    for path in scored:
        if not path.is_file():
            raise FileNotFoundError(f"Expected a CSV file that `score` wrote. Received: {path}, which is none.")
        if "anomaly_score" not in first_line(path):
            raise ValueError(f"Expected a CSV file that `score` wrote, with anomaly_score. Received: {path}.")
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"Expected a page to write, such as monitor.html. Received: {out}.")
    check_writable(out)


def check_preparing(days: Sequence[Any], out: Any, every: int) -> None:
    """Refuse days that are not there, or a file where the store is to be.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    if every < 1:
        raise ValueError(f"Expected --every >= 1. Received: {every}.")
    for day in days:
        _check_footage(pathlib.Path(day))
    if pathlib.Path(out).is_file():
        raise ValueError(f"Expected a folder for the store. Received: {out}, which is a file.")
    check_writable(out)


def check_inputs(config: dict[str, Any], data: Any, labels: Any = None) -> None:
    """Refuse data to score that are not there, or not of the kind that a run was trained on.

    Args:
        config: of the run.
        data: a path, or several.
        labels: file with one 0 or 1 for each frame of footage, or an array; None where nobody knows.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    several = several_of(data)
    if config["kind"] == "footage":
        for day in several:
            _check_footage(pathlib.Path(day))
        if isinstance(labels, (str, os.PathLike)) and not pathlib.Path(labels).exists():
            raise FileNotFoundError(f"Expected labels in {labels}. Received: no such file.")
        return
    if labels is not None:
        raise ValueError(f"Expected --labels with footage only. Received: a run of {_what(config)}.")
    if len(several) != 1 and config["kind"] == "table":
        raise ValueError(f"Expected one table to score. Received: {len(several)}, {several[0]} and others.")
    if (config["kind"] == "table") != is_table(several[0]):
        many = config["kind"] == "table" and pathlib.Path(several[0]).is_dir()
        hint = "; --engine local reads a folder of tables" if many else ""
        raise ValueError(f"Expected {_what(config)}, as the run was trained on. Received: {several[0]}{hint}.")
    if config["kind"] == "table":
        _check_table(pathlib.Path(several[0]))
    elif several[0] not in NAMED_SETS:
        for path in several:
            _check_scored_images(path)
    elif several[0] != config["arguments"]["data"]:
        raise ValueError(
            f"Expected a run that was trained on {several[0]}. Received: one trained on {config['arguments']['data']}."
        )


def check_alpha(alpha: float | None) -> None:
    """Refuse what is no rate of false alarms; None is the run's own."""
    if alpha is not None:
        check_threshold("conformal", alpha)


def several_of(data: Any) -> list[Any]:
    """What a command is given to read, one or several, as a list."""
    return list(data) if isinstance(data, (list, tuple)) else [data]


def _what(config: dict[str, Any]) -> str:
    """What a run was trained on, for a sentence."""
    return "a table" if config["kind"] == "table" else config["kind"]


def _check_images(folder: pathlib.Path) -> None:
    if not folder.is_dir():
        video = folder.is_file() and (mimetypes.guess_type(str(folder))[0] or "").startswith("video/")
        hint = "a video; train-video takes it" if video else "a file; tables are .csv, .csv.gz or .parquet"
        what = f"which is {hint if folder.is_file() else 'not a folder'}"
        raise FileNotFoundError(f"Expected a folder of images. Received: {folder}, {what}.")
    if not any(files for _, _, files in os.walk(folder)):
        raise ValueError(f"Expected images in {folder}. Received: none.")


def _check_scored_images(path: Any) -> None:
    """Refuse a folder without files, and a photograph or list that is not there; a pattern is looked at later."""
    if (mimetypes.guess_type(str(path))[0] or "").startswith("video/"):
        raise ValueError(
            f"Expected images, as the run was trained on. Received: {path}, a video; train-video takes it."
        )
    if pathlib.Path(path).is_dir():
        _check_images(pathlib.Path(path))
    elif not any(sign in str(path) for sign in "*?[") and not pathlib.Path(path).exists():
        raise FileNotFoundError(f"Expected a folder of images, or images, in {path}. Received: nothing is there.")


def _check_table(path: pathlib.Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table file. Received: {path}, which does not exist or is a folder.")


def _check_rows(path: pathlib.Path, arguments: Any) -> None:
    """Refuse a table that can't be read, or has no normal rows or columns as the arguments say."""
    _check_table(path)
    frame = opened_table(arguments).frame
    named_columns(arguments.drop or (), frame.columns)
    normal_of(frame, arguments.normal_where)


def _check_footage(day: pathlib.Path) -> None:
    if not day.exists():
        raise FileNotFoundError(f"Expected footage in {day}. Received: nothing is there.")


def check_folder(arguments: Any, out: pathlib.Path) -> None:
    """Refuse a folder that holds something else, or a run of other arguments, before any data are read.

    Args:
        arguments: a dataclass; an earlier run in the folder has to have the same.
        out: the run folder.

    Raises:
        ValueError: one sentence on what is in the way.
    """
    others = [p for p in out.iterdir() if not is_partial(p)] if out.is_dir() else []
    if others and not (out / "config.json").exists():
        raise ValueError(
            f"Expected a new or empty folder, or an earlier run. Received: {out}, which holds other files."
        )
    if (out / "config.json").exists():
        config = read_config(out)
        wanted = json.loads(json.dumps(dataclasses.asdict(arguments)))
        before = _defaults(arguments) | config["arguments"]  # of a run of before an option was there
        other = {key: value for key, value in before.items() if wanted.get(key) != value}
        if other:
            then = ", ".join(f"{key}={value!r}" for key, value in other.items())
            now = ", ".join(f"{key}={wanted.get(key)!r}" for key in other)
            ways = "repeat the same command to resume it, or choose another folder"
            if (out / "metrics.json").exists():
                ways = "it is finished; choose another folder"
                ways += ", or set the rate where it is used: score --alpha, export --alpha" if "alpha" in other else ""
            raise ValueError(f"{out} was started with {then}. Received: {now}; {ways}.")


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


def check_comparing(runs: Any, data: Any, out: pathlib.Path) -> None:
    """Refuse what `compare` can't do: fewer than two runs, runs of different kinds or of footage, no page to write.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    folders = [pathlib.Path(run).resolve() for run in runs]
    if len(folders) < 2 or len(set(folders)) < len(folders):
        twice = "one of them twice" if len(folders) > 1 else "one" if folders else "none"
        raise ValueError(f"Expected two or more different run folders. Received: {twice}.")
    configs = [check_run(run) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        if config["kind"] == "footage" or config["kind"] != configs[0]["kind"]:
            raise ValueError(
                f"Expected runs of images, or runs of tables. Received: {run}, of {_what(config)}, beside {runs[0]}, "
                f"of {_what(configs[0])}."
            )
        if data is not None:
            check_inputs(config, data, None)
    if out.is_dir() or out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"Expected a page to write, such as compare.html. Received: {out}.")


def check_run(run: Any) -> dict[str, Any]:
    """The `config.json` of a finished run.

    Raises:
        FileNotFoundError: if the folder is not a finished run.
        ValueError: if another version of the package wrote it, or the file is damaged.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        raise FileNotFoundError(f"Expected a run folder (with config.json). Received: {run}.")
    config = read_config(run)
    if not (run / "metrics.json").exists() or not (run / "detector.keras").exists():
        raise FileNotFoundError(
            f"Expected a finished run. Received: {run}, which is unfinished; repeat the command that began it."
        )
    return config

"""The run folder of video: train C-VGAN on days of footage, score other days, watch a stream.

RUN/config.json      arguments, fingerprint of the footage, versions
RUN/detector.keras   FittedDetector: windows of raw frames, uint8 (n, past + horizon, H, W, C), in
RUN/serving/1/       the same as a SavedModel
RUN/history.csv      losses by epoch
RUN/metrics.json     written last, so a run that has it is finished
RUN/report.html      losses, calibration, what forecasts look like
RUN/.backup/         weights and optimizer slots of an unfinished run, every two epochs
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan import evaluation
from keras_anogan.callbacks import EpochBackup, TerminateOnNonFinite, read_backup
from keras_anogan.fitted import FittedDetector
from keras_anogan.iftm import IFTM, Result
from keras_anogan.models import build_detector
from keras_anogan.run_folder import (
    check_folder,
    continues,
    lies_in,
    read_config,
    replacing,
    save_fitted,
    versions,
    write_history,
    write_json,
)
from keras_anogan.smoothing import SmoothedDetector
from keras_anogan.thresholds import (
    ConformalThreshold,
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    QuantileThreshold,
    SlidingWindowThreshold,
)
from keras_anogan.video import (
    VIDEO_SUFFIXES,
    Feed,
    Footage,
    VideoWindows,
    check_video_target,
    is_address,
    is_store,
    open_footage,
    read_frames,
    scores_by_frame,
    split_footage,
    write_video,
)

Say = Callable[[str], None]
THRESHOLDS: dict[str, Callable[[Any], Any]] = {
    "conformal": lambda a: ConformalThreshold(a.alpha),
    "peaks": lambda a: PeaksOverThreshold(a.alpha),
    "cumulative": lambda a: CumulativeAggregation(a.k),
    "exponential": lambda a: ExponentialThreshold(a.k),
    "double_exponential": lambda a: DoubleExponentialThreshold(a.k),
    "sliding": lambda a: SlidingWindowThreshold(a.k),
}
EVENT_GAP = 5  # frames without an alarm that end an event
SHEET = 12


@dataclasses.dataclass(frozen=True)
class VideoArguments:
    """Everything that decides what a run of video is.

    Attributes:
        days: footage, as `video.open_footage` takes it from disk: a prepared store, or folders or files of days.
        size: (width, height) of the frames the networks see; None for the footage's own.
        grey: whether frames are made grey.
        every: take every so many frames.
        past, horizon: frames that are given, and that are forecast.
        stride: frames from one training window to the next; default: past + horizon, windows that do not overlap.
        filters: of the generator.
        epochs: passes over the training windows.
        batch_size: windows in a batch.
        learning_rate: of Adam(beta_1=0.5) for both networks.
        smooth: a frame's score is the mean of so many windows' in a row, each costing a forward pass; 1 for none.
            Footage of fewer than six days is split into longer blocks for it.
        threshold: "conformal" and "peaks" (by `alpha`), "cumulative", "exponential", "double_exponential" or "sliding"
            (by `k`), which go on learning when a stream is watched.
        alpha: accepted false-alarm rate.
        by_day: of "conformal": whether the threshold is the highest of the calibration days' own, instead of that of
            all their windows, so that a new day keeps to `alpha` with a probability of K/(K + 1) for K such days.
        k: standard deviations above the mean.
        seed: of weights and order.
        smoke: one epoch of one batch, to see that everything works.
    """

    days: tuple[str, ...]
    size: tuple[int, int] | None = None
    grey: bool = False
    every: int = 1
    past: int = 7
    horizon: int = 1
    stride: int | None = None
    filters: int = 16
    epochs: int = 10
    batch_size: int = 8
    learning_rate: float = 1e-3
    smooth: int = 1
    threshold: str = "conformal"
    alpha: float = 0.01
    by_day: bool = False
    k: float = 3.0
    seed: int = 0
    smoke: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", tuple(os.path.normpath(day) for day in self.days))
        object.__setattr__(self, "size", None if self.size is None else tuple(self.size))
        for key in ("every", "past", "horizon", "filters", "epochs", "batch_size", "smooth"):
            if getattr(self, key) < 1:
                raise ValueError(f"Expected --{key.replace('_', '-')} >= 1. Received: {getattr(self, key)}.")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"Expected --stride >= 1. Received: {self.stride}.")
        if not self.learning_rate > 0.0:
            raise ValueError(f"Expected --learning-rate > 0. Received: {self.learning_rate}.")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"Expected 0 < --alpha < 1. Received: {self.alpha}.")
        if self.threshold not in THRESHOLDS:
            raise ValueError(f"Expected --threshold to be one of {tuple(THRESHOLDS)}. Received: {self.threshold!r}.")
        if self.by_day and self.threshold != "conformal":
            raise ValueError(f"Expected --threshold conformal for --by-day. Received: {self.threshold!r}.")
        if self.seed < 0:
            raise ValueError(f"Expected --seed >= 0. Received: {self.seed}.")

    @property
    def opening(self) -> dict[str, Any]:
        """How `open_footage` has to read frames for this run."""
        size = None if self.size is None else (self.size[1], self.size[0])
        return {"size": size, "grey": True if self.grey else None, "every": self.every}


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


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "128x64" as (128, 64), width first.

    Raises:
        ValueError: for anything else.
    """
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() and int(side) > 0 for side in sides):
        raise ValueError(f"Expected --size WIDTHxHEIGHT, such as 128x64. Received: {text}.")
    return int(sides[0]), int(sides[1])


def train_video(
    arguments: VideoArguments,
    out: Any,
    say: Say = print,
    progress: Callable[[str, int], list[keras.callbacks.Callback]] = lambda phase, epochs: [],
) -> dict[str, Any]:
    """Train C-VGAN on normal footage into a run folder, or go on where the same command was interrupted.

    Args:
        arguments: what to train on what.
        out: the run folder; new, empty, or of an unfinished run with equal arguments.
        say: takes one line of news at a time.
        progress: makes callbacks that show the progress, given a name and the epochs.

    Returns:
        The content of `metrics.json`.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence, for bad footage or arguments, or another run's folder.
        RuntimeError: if a loss becomes NaN or infinite, or the exported model scores differently.
    """
    out = pathlib.Path(out)
    check_folder(arguments, arguments.days, out)
    days = arguments.days if len(arguments.days) > 1 else arguments.days[0]
    if is_store(days) and (arguments.size is not None or arguments.grey or arguments.every != 1):
        raise ValueError(
            f"Expected --size, --grey and --every when footage is prepared. Received: some of them for {days}."
        )
    footage = open_footage(days) if is_store(days) else open_footage(days, **arguments.opening)
    length = arguments.past + arguments.horizon
    detector = build_detector(
        "cvgan",
        (length, *footage.frame_shape),
        horizon=arguments.horizon,
        filters=arguments.filters,
        seed=arguments.seed,
    )
    scored = length + arguments.smooth - 1  # frames behind a score
    parts = split_footage(footage, scored)
    config = {
        "kind": "video",
        "arguments": json.loads(json.dumps(dataclasses.asdict(arguments))),
        "data": {"fingerprint": footage.fingerprint, "name": _name(footage), "every": footage.every},
        "versions": versions(),
    }
    train = VideoWindows(
        parts["train"], length, batch_size=arguments.batch_size, stride=arguments.stride or length, seed=arguments.seed
    )
    stop = VideoWindows(parts["stop"], length, batch_size=32, sampling="sliding", stride=4)
    calibrate = VideoWindows(parts["calibrate"], scored, batch_size=32, sampling="sliding")
    threshold = THRESHOLDS[arguments.threshold](arguments)
    groups = {"groups": calibrate.day_numbers} if arguments.by_day else {}
    _check_enough(threshold, len(calibrate.starts), groups)
    if continues(out, config):
        if (out / "metrics.json").exists():
            shutil.rmtree(out / ".backup", ignore_errors=True)
            say(f"{out} is finished already; nothing to do.")
            return json.loads((out / "metrics.json").read_text())
        say(f"Resuming the unfinished run in {out}.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", config)
    if footage.skipped:
        say(f"Left out {footage.skipped:,} frame(s) that can't be read.")
    say(f"{_name(footage)}, {footage.frame_shape[1]} x {footage.frame_shape[0]} pixels.")

    rows = {"train": len(train.starts), "stop": len(stop.starts), "calibrate": len(calibrate.starts)}
    say(", ".join(f"{key} {count:,}" for key, count in rows.items()) + " windows.")
    adam = {p: keras.optimizers.Adam(arguments.learning_rate, beta_1=0.5) for p in detector.players}
    detector.compile(optimizers=adam)
    folder = out / ".backup" / "cvgan"
    backup, guard = EpochBackup(folder, every_epochs=2, say=say), TerminateOnNonFinite()
    epochs = 1 if arguments.smoke else arguments.epochs
    detector.fit(
        train,
        epochs=epochs,
        steps_per_epoch=1 if arguments.smoke else None,
        validation_data=stop.as_dataset(),
        verbose=0,
        callbacks=[guard, *progress("cvgan", epochs), backup],
    )
    if guard.reason:
        raise RuntimeError(guard.reason)
    history = {"cvgan": read_backup(folder)[0]}
    write_history(out / "history.csv", history)

    begun = time.perf_counter()
    judge = SmoothedDetector(detector, arguments.smooth, name="smoothed") if arguments.smooth > 1 else detector
    explained = _judged(judge.explain, calibrate)
    threshold.adapt(explained["score"], **groups)
    peaks = QuantileThreshold(arguments.alpha, capacity=len(explained["peak"]))
    map_threshold = peaks.adapt(explained["peak"]) if len(explained["peak"]) >= 1.0 / arguments.alpha - 1.0 else None
    preprocessing = keras.layers.Rescaling(1.0 / 127.5, offset=-1.0, dtype="float32", name="preprocessing")
    fitted = FittedDetector(
        preprocessing,
        judge,
        threshold,
        raw_shape=(scored, *footage.frame_shape),
        raw_dtype="uint8",
        map_threshold=map_threshold,
    )
    save_fitted(fitted, out)
    alarms = explained["score"] > threshold.threshold
    metrics = {
        "threshold": threshold.threshold,
        "alpha": arguments.alpha,
        "calibration_alarms": float(alarms.mean()),
        "rows": rows,
        "frames": len(footage),
        "seconds": {"training": round(backup.seconds, 2), "calibration": round(time.perf_counter() - begun, 2)},
    }
    _write_training_report(out, config, metrics, calibrate, fitted, explained, history)
    write_json(out / "metrics.json", metrics)
    shutil.rmtree(out / ".backup", ignore_errors=True)
    return metrics


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


def score_video(
    run: Any, days: Any, out: Any, labels: Any = None, annotate: Any = None, say: Say = print
) -> dict[str, Any]:
    """Score footage with a finished run: one CSV line for each frame, a picture of the alarms, a report.

    Args:
        run: run folder.
        days: footage, as `video.open_footage` takes it.
        out: CSV file: day, recording, frame, label if known, anomaly_score, p_value if known, is_anomaly; empty where
            no window judges a frame. A window judges its last frame. Beside it `<out>_alarms.png` and `<out>.html`.
        labels: file with one 0 or 1 for each frame, in order (.npy or text), or an array; None where nobody knows.
        annotate: video file to write: frames with a red frame at alarms, and the score below; None for none.
        say: takes one line of news at a time.

    Returns:
        `frames`, `judged`, `alarms`, `events`, and `auroc`, `false_alarm_rate`, `detection_rate` with labels.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run or footage.
    """
    out = pathlib.Path(out)
    _check_csv(out, days)
    if annotate is not None:
        check_video_target(annotate)
        _check_outside(annotate, days)
    loaded = load_video_run(run)
    fitted, footage = loaded.fitted, loaded.open(days)
    known = _read_labels(labels, len(footage))
    windows = VideoWindows(footage, loaded.length, batch_size=32, sampling="sliding")
    begun = time.perf_counter()
    judged = _judged(lambda x: fitted.judge(fitted.detector.explain(x)), windows)
    say(f"Judged {len(windows.starts):,} windows in {time.perf_counter() - begun:.1f} s.")
    frames = {key: scores_by_frame(windows, values) for key, values in judged.items()}
    alarms = frames["is_anomaly"] == 1.0
    events = find_events(footage, alarms, frames["score"])
    summary: dict[str, Any] = {
        "frames": len(footage),
        "judged": int(np.isfinite(frames["score"]).sum()),
        "alarms": int(alarms.sum()),
        "events": len(events),
    }
    if known is not None:
        told = np.isfinite(frames["score"])
        rates = evaluation.alarm_rates(known[told], alarms[told])
        summary |= {key: rates[key] for key in ("false_alarm_rate", "detection_rate")}
        if 0 < known[told].sum() < told.sum():
            summary["auroc"] = evaluation.auroc(known[told], frames["score"][told])
    out.parent.mkdir(parents=True, exist_ok=True)
    _write_frames(out, footage, frames, known)
    _write_scoring_report(out, run, footage, fitted, frames, known, events, summary)
    if annotate is not None:
        _annotate(pathlib.Path(annotate), footage, frames["score"], alarms, fitted.threshold.threshold)
    return summary


@dataclasses.dataclass(frozen=True)
class Event:
    """Alarms in a row.

    Attributes:
        day, recording: where.
        first, last: frames of the recording, both alarms.
        peak: place in the footage of the frame with the highest score.
        score: of that frame.
    """

    day: str
    recording: str
    first: int
    last: int
    peak: int
    score: float


def find_events(footage: Footage, alarms: np.ndarray, scores: np.ndarray) -> list[Event]:
    """Alarms joined to events, in order; up to five frames without an alarm do not end one, another recording does."""
    places = np.flatnonzero(alarms)
    if len(places) == 0:
        return []
    owner = np.searchsorted(footage.offsets, places, side="right")
    apart = (np.diff(places) > EVENT_GAP + 1) | (np.diff(owner) > 0)
    events = []
    for group in np.split(places, np.flatnonzero(apart) + 1):
        peak = int(group[np.argmax(scores[group])])
        day, recording, first = footage.where(int(group[0]))
        last = footage.where(int(group[-1]))[2]
        events.append(Event(day, recording, first, last, peak, float(scores[peak])))
    return events


def watch(
    run: Any,
    source: Any,
    out: Any,
    learn: bool = False,
    protect: bool = True,
    state: Any = None,
    pictures: Any = None,
    timeout: float = 10.0,
    most: int | None = None,
    say: Say = print,
) -> dict[str, int]:
    """Judge a stream frame by frame as it comes: one line of news for each event.

    Args:
        run: run folder.
        source: file, folder, prepared store, or address (rtsp://, http://).
        out: CSV file, written line by line: frame, anomaly_score, threshold, is_anomaly, problem. A line for each frame
            that is judged or of no use, none while a window fills up; `frame` counts the stream's frames and jumps at
            gaps and from one recording to the next. With a `state` to go on from, lines are added.
        learn: whether the threshold goes on learning; not a conformal one.
        protect: whether it learns only from frames without an alarm.
        state: file with the threshold's state: gone on from if it is there, written at the end and every 100 frames.
        pictures: folder for a picture of each event's first alarm: frame, forecast, mask, error; None for none.
        timeout: seconds without a frame that end it.
        most: lines to write; None for all.
        say: takes one line of news at a time.

    Returns:
        `frames`, `judged`, `alarms`, `events`, `problems`.

    Raises:
        TimeoutError: if the source gives nothing for `timeout` seconds.
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run or source.
    """
    if most is not None and most < 1:
        raise ValueError(f"Expected at least one frame to judge. Received: {most}.")
    out = pathlib.Path(out)
    _check_csv(out, source)
    loaded = load_video_run(run)
    fitted = loaded.fitted
    if learn and isinstance(fitted.threshold, QuantileThreshold):
        raise ValueError(
            "Expected a threshold that learns for --learn (train-video --threshold cumulative, exponential, "
            f"double_exponential, sliding or peaks). Received: {loaded.threshold}."
        )
    iftm = IFTM(fitted.detector, threshold=fitted.threshold)
    goes_on = state is not None and pathlib.Path(state).exists()
    if goes_on:
        iftm.load_state(state)
        say(f"Going on with the threshold {iftm.threshold:.6g} from {state}.")
    elif state is not None:
        pathlib.Path(state).parent.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(("frames", "judged", "alarms", "events", "problems"), 0)
    live = is_address(source)
    if live:
        frames: Any = read_frames(source, timeout=timeout, **loaded.reading())
    else:
        frames = read_frames(loaded.open(source))
    drops = live and pathlib.PurePosixPath(str(source)).suffix.lower() not in VIDEO_SUFFIXES  # a file can wait
    feed = Feed(frames, timeout=timeout if live else None, drop=drops)
    quiet = EVENT_GAP + 1
    out.parent.mkdir(parents=True, exist_ok=True)
    appends = goes_on and out.exists()
    stream = iftm.stream(feed, learn=learn, protect=protect, keep_frames=True)
    try:
        with open(out, "a" if appends else "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not appends:
                writer.writerow(["frame", "anomaly_score", "threshold", "is_anomaly", "problem"])
            for result in stream:
                if state is not None and counts["frames"] % 100 == 0:
                    iftm.save_state(state)  # what the results before this one taught
                counts["frames"] += 1
                _count(counts, result)
                score = "" if result.anomaly is None else f"{result.error:.9g}"
                alarm = "" if result.anomaly is None else int(result.anomaly)
                writer.writerow([result.index, score, f"{result.threshold:.9g}", alarm, result.problem])
                file.flush()
                if result.anomaly and quiet > EVENT_GAP:
                    counts["events"] += 1
                    say(f"Alarm at frame {result.index}: {result.error:.4g}, above {result.threshold:.4g}.")
                    if pictures is not None:
                        _picture(pathlib.Path(pictures) / f"frame-{result.index:08d}.png", result, fitted)
                quiet = 0 if result.anomaly else quiet + 1
                if most is not None and counts["frames"] >= most:
                    break
    finally:  # a live stream ends by a timeout, or by Ctrl-C
        stream.close()
        if state is not None:
            iftm.save_state(state)
    if counts["judged"] == 0:
        say(f"No frame was judged: it takes {loaded.length} usable frames in a row.")
    return counts


def _count(counts: dict[str, int], result: Result) -> None:
    counts["judged"] += result.anomaly is not None
    counts["alarms"] += bool(result.anomaly)
    counts["problems"] += bool(result.problem)


def _check_csv(out: pathlib.Path, days: Any) -> None:
    """Refuse a CSV file that is a folder, would be overwritten by its own report, or lies among the footage."""
    if out.is_dir():
        raise ValueError(f"Expected a CSV file to write. Received: {out}, which is a folder.")
    if out.suffix.lower() in (".html", ".png"):
        raise ValueError(f"Expected a CSV file to write. Received: {out}; its report will be {out.stem}.html.")
    _check_outside(out, days)


def _check_outside(path: Any, days: Any) -> None:
    for day in days if isinstance(days, (list, tuple)) else [days]:
        if not is_address(day) and lies_in(path, day):
            raise ValueError(f"Expected a file outside the footage to write. Received: {path} in {day}.")


def _name(footage: Footage) -> str:
    days, recordings = len(footage.days), len(footage.recordings)
    kinds = f"{days} day{'s' * (days > 1)} of footage, {recordings} recording{'s' * (recordings > 1)}"
    return f"{kinds}, {len(footage):,} frames"


def _check_enough(threshold: Any, n: int, groups: dict[str, np.ndarray]) -> None:
    """Refuse too little calibration footage before hours of training."""
    try:
        type(threshold).from_config(threshold.get_config()).adapt(np.linspace(0.0, 1.0, n), **groups)
    except ValueError as error:
        raise ValueError(f"Too little footage to calibrate: {error}") from error


def _judged(function: Callable, windows: VideoWindows) -> dict[str, np.ndarray]:
    """Numbers of each window, and the highest value of its map, for windows in order."""
    graph = tf.function(function, reduce_retracing=True)
    parts: dict[str, list[np.ndarray]] = {}
    for i in range(len(windows)):
        explained = {key: value.numpy() for key, value in graph(tf.constant(windows[i])).items()}
        explained["peak"] = explained["anomaly_map"].max(axis=(1, 2))
        for key, value in explained.items():
            if value.ndim == 1:
                parts.setdefault(key, []).append(value)
    return {key: np.concatenate(values) for key, values in parts.items()}


def _read_labels(labels: Any, n: int) -> np.ndarray | None:
    if labels is None:
        return None
    if not hasattr(labels, "shape"):
        path = pathlib.Path(labels)
        if not path.exists():
            raise FileNotFoundError(f"Expected labels in {path}. Received: no such file.")
        try:
            labels = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=1)
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"Expected one 0 or 1 for each frame in {path}. Received: {error}.") from error
    labels = np.asarray(labels)
    if labels.shape != (n,) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"Expected a label, 0 or 1, for each of {n:,} frames. Received: shape {labels.shape}.")
    return labels.astype("int64")


def _write_frames(out: pathlib.Path, footage: Footage, frames: dict[str, np.ndarray], labels: Any) -> None:
    has_p = "p_value" in frames
    header = ["day", "recording", "frame", *(["label"] if labels is not None else []), "anomaly_score"]
    header += [*(["p_value"] if has_p else []), "is_anomaly"]
    with replacing(out) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for recording, offset in zip(footage.recordings, footage.offsets, strict=False):
            for i in range(len(recording)):
                place = offset + i
                line: list[Any] = [recording.day, recording.name, i, *([labels[place]] if labels is not None else [])]
                if np.isnan(frames["score"][place]):
                    writer.writerow([*line, *[""] * (2 + has_p)])
                    continue
                line.append(f"{frames['score'][place]:.9g}")
                line += [f"{frames['p_value'][place]:.6g}"] if has_p else []
                writer.writerow([*line, int(frames["is_anomaly"][place])])


def _panels(fitted: FittedDetector, footage: Footage, place: int) -> dict[str, np.ndarray]:
    """Frame, forecast, mask and error map (bytes) of the window that judges a frame, its last."""
    length = int(fitted.raw_shape[0] or 0)
    window = footage.read(np.arange(place - length + 1, place + 1))[None]
    return _drawn(window[0, -1], {key: np.asarray(value) for key, value in fitted.explain(window).items()})


def _drawn(frame: np.ndarray, explained: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from keras_anogan.plots import heat_pixels, to_pixels

    panels = {
        "frame": to_pixels(frame.astype("float32") / 127.5 - 1.0),
        "forecast": to_pixels(explained["forecast"][0, -1]),
    }
    if "mask" in explained:
        panels["mask"] = to_pixels(explained["mask"][0, -1] * 2.0 - 1.0)
    return panels | {"error": heat_pixels(2.0 * explained["anomaly_map"][0])}  # bright yellow is 0.5 of a range of 2


def _picture(path: pathlib.Path, result: Result, fitted: FittedDetector) -> None:
    from keras_anogan.plots import save_panels

    if result.actual is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    explained = fitted.detector.explain(tf.constant(result.actual[None]))
    frame = (result.actual[-1] + 1.0) * 127.5
    title = f"frame {result.index}: {result.error:.4g}, threshold {result.threshold:.4g}"
    with replacing(path) as partial:
        save_panels([(title, _drawn(frame, {key: np.asarray(value) for key, value in explained.items()}))], partial)


def _annotate(path: pathlib.Path, footage: Footage, scores: np.ndarray, alarms: np.ndarray, threshold: float) -> None:
    """A video of the footage: red edges at alarms, and below a bar of the score, with a mark at the threshold."""
    most = 2.0 * threshold if threshold > 0.0 else float(np.nanmax(scores))

    def drawn() -> Iterator[np.ndarray]:
        for place in range(len(footage)):
            try:
                frame = np.repeat(footage.read([place])[0], 3 // footage.frame_shape[2], axis=-1)
            except ValueError:  # a frame that can't be decoded
                frame = np.zeros((*footage.frame_shape[:2], 3), "uint8")
            scale = max(1, 256 // frame.shape[1])
            frame = frame.repeat(scale, axis=0).repeat(scale, axis=1)
            height, width = frame.shape[:2]
            bar = np.full((max(8, height // 12), width, 3), 24, "uint8")
            if np.isfinite(scores[place]):
                length = int(width * min(1.0, scores[place] / most))
                bar[2:-2, :length] = (217, 100, 74) if alarms[place] else (74, 134, 181)
                bar[:, int(width * min(1.0, threshold / most)) - 1] = 255
            if alarms[place]:
                edge = max(2, height // 40)
                for side in (np.s_[:edge], np.s_[-edge:], np.s_[:, :edge], np.s_[:, -edge:]):
                    frame[side] = (230, 40, 30)
            whole = np.concatenate([frame, bar])
            yield whole[: len(whole) // 2 * 2, : width // 2 * 2]

    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, drawn())


def _write_scoring_report(
    out: pathlib.Path,
    run: Any,
    footage: Footage,
    fitted: FittedDetector,
    frames: dict[str, np.ndarray],
    labels: np.ndarray | None,
    events: list[Event],
    summary: dict[str, Any],
) -> None:
    from keras_anogan import plots
    from keras_anogan.report import write_video_report

    loudest = sorted(events, key=lambda event: -event.score)[:SHEET]
    panels = [
        (f"{event.day}/{event.recording}, frame {footage.where(event.peak)[2]}", _panels(fitted, footage, event.peak))
        for event in loudest
    ]
    if panels:
        sheet = out.with_name(f"{out.stem}_alarms.png")
        with replacing(sheet) as partial:
            plots.save_panels(panels, partial)
    write_video_report(
        out.with_suffix(".html"),
        title=f"Alarms in {_name(footage)}",
        run=str(run),
        footage=footage,
        scores=frames["score"],
        threshold=fitted.threshold.threshold,
        labels=labels,
        events=loudest,
        panels=panels,
        summary=summary,
        history={},
        settings={},
        scaled=fitted.detector.scaled,
        smooth=getattr(fitted.detector, "length", 1),
    )


def _write_training_report(
    out: pathlib.Path,
    config: dict,
    metrics: dict,
    calibrate: VideoWindows,
    fitted: FittedDetector,
    explained: dict[str, np.ndarray],
    history: dict,
) -> None:
    from keras_anogan.report import write_video_report

    scores = scores_by_frame(calibrate, explained["score"])
    order = np.argsort(-explained["score"], kind="stable")[[0, len(explained["score"]) // 2, -1]]
    panels = []
    for what, number in zip(("highest", "middle", "lowest"), order, strict=True):
        place = int(calibrate.starts[number]) + calibrate.sample_size - 1
        day, recording, frame = calibrate.footage.where(place)
        title = f"{what} score of the calibration: {explained['score'][number]:.4g} ({day}/{recording}, frame {frame})"
        panels.append((title, _panels(fitted, calibrate.footage, place)))
    write_video_report(
        out / "report.html",
        title=config["data"]["name"],
        run=str(out),
        footage=calibrate.footage,
        scores=scores,
        threshold=metrics["threshold"],
        labels=None,
        events=[],
        panels=panels,
        summary=metrics,
        history=history,
        settings=config["arguments"],
        scaled=fitted.detector.scaled,
        smooth=getattr(fitted.detector, "length", 1),
    )

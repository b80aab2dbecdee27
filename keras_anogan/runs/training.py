"""The run folder: train, resume, score, export. The command line is this module's thin face.

RUN/config.json      arguments, data fingerprint, versions: what the run is
RUN/detector.keras   FittedDetector: raw uint8 images, or the columns of a table, in
RUN/serving/1/       the same as a SavedModel
RUN/history.csv      losses by phase and epoch
RUN/metrics.json     what the test rows say; written last, so a run that has it is finished
RUN/samples/         generated images by epoch
RUN/report.html      all of it for a reader
RUN/.backup/         weights and optimizer slots of an unfinished run
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_anogan import evaluation
from keras_anogan._version import versions
from keras_anogan.callbacks import (
    BestEpoch,
    CollapseMonitor,
    EpochBackup,
    ImageGrid,
    TensorBoardLogs,
    TerminateOnNonFinite,
    read_backup,
)
from keras_anogan.files import write_json
from keras_anogan.models import AVERAGED, DETECTORS, PCA, build_detector, build_phases, steps_per_epoch
from keras_anogan.models.composed import SmoothedDetector
from keras_anogan.runs.arguments import NAMED_SETS, THRESHOLDS, Arguments, VideoArguments
from keras_anogan.runs.folder import Say, check_folder, continues, save_fitted, write_history
from keras_anogan.runs.report import report_run, report_training
from keras_anogan.runs.tasks import Task, footage_name, load_task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import explain_rows, judge_windows, per_sample
from keras_anogan.thresholds.conformal import ConformalThreshold, QuantileThreshold
from keras_anogan.training.averages import NetworkEMA
from keras_anogan.video.footage import split_footage
from keras_anogan.video.opening import open_footage
from keras_anogan.video.store import is_store
from keras_anogan.video.windows import VideoWindows


def train(
    arguments: Arguments,
    out: Any,
    say: Say = print,
    progress: Callable[[str, int], list[keras.callbacks.Callback]] = lambda phase, epochs: [],
    tensorboard: Any = None,
) -> dict[str, Any]:
    """Train a detector into a run folder, or go on where the same command was interrupted.

    Args:
        arguments: what to train on what.
        out: the run folder; new, empty, or of an unfinished run with equal arguments.
        say: takes one line of news at a time.
        progress: makes callbacks that show the progress of a phase, given its name and epochs.
        tensorboard: folder for TensorBoard's events, one folder in it for each phase; None for none.

    Returns:
        The content of `metrics.json`.

    Raises:
        FileNotFoundError, ValueError: one sentence, for bad data or arguments, or another run's folder.
        RuntimeError: if a loss becomes NaN or infinite, or the exported model scores differently.
    """
    out = pathlib.Path(out)
    check_folder(arguments, () if arguments.data in NAMED_SETS else (arguments.data,), out)
    if tensorboard is not None:
        try:
            pathlib.Path(tensorboard).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"Expected a folder for TensorBoard's events. Received: {tensorboard} ({error.strerror})."
            ) from error
    size = arguments.image_size
    _build(arguments, (8,) if size is None else (size, size, 1))  # a wrong size or name is told before data are read
    task = load_task(arguments)
    phases = _build(arguments, task.shape)
    config = _config(arguments, task)
    if continues(out, config):
        if (out / "metrics.json").exists():
            shutil.rmtree(out / ".backup", ignore_errors=True)
            say(f"{out} is finished already; nothing to do.")
            return json.loads((out / "metrics.json").read_text())
        say(f"Resuming the unfinished run in {out}.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", config)
    if task.skipped:
        say(f"Left out {task.skipped} image file(s) that can't be read.")
    for remark in task.remarks:
        say(remark)
    sizes = ", ".join(f"{key} {len(getattr(task, key)):,}" for key in ("train", "stop", "calibrate", "test"))
    say(f"{task.name}; {sizes} rows.")
    if (detector := list(phases.values())[-1]).tags.search_at_query:
        count = len(task.calibrate) + len(task.test)
        say(f"After training, {arguments.detector} searches {detector.steps} steps for each of {count:,} rows.")
    seconds, warnings = {}, []
    for phase, model in phases.items():
        watchers = progress(phase, arguments.epochs)
        monitor = _monitor(task.stop, say) if phase == "wgan_gp" else None
        watchers = watchers if monitor is None else [monitor, *watchers]
        if tensorboard is not None and model.players:
            watchers.append(TensorBoardLogs(pathlib.Path(tensorboard) / phase, stop=task.stop))
        elif tensorboard is not None:
            say(f"{phase} is solved, not trained: there is nothing to write for TensorBoard.")
        seconds[phase] = _fit_phase(phase, model, task, arguments, out, say, watchers)
        warnings += [monitor.warning] if monitor is not None and monitor.warning else []
    detector = list(phases.values())[-1]
    history = {phase: read_backup(out / ".backup" / phase)[0] for phase in phases}
    write_history(out / "history.csv", history)

    start = time.perf_counter()
    calibration, peaks = _calibration(detector, task.calibrate)
    capacity = len(calibration)
    threshold = ConformalThreshold(arguments.alpha, capacity=capacity).adapt(calibration)
    map_threshold = None if peaks is None else QuantileThreshold(arguments.alpha, capacity=capacity).adapt(peaks)
    fitted = FittedDetector(task.preprocessing, detector, threshold, map_threshold=map_threshold)
    save_fitted(fitted, out)
    metrics, scores, baselines = _evaluate(fitted, task, arguments)
    seconds["evaluation"] = time.perf_counter() - start
    metrics["warnings"] = warnings
    metrics["seconds"] = {key: round(value, 2) for key, value in seconds.items()}
    report_run(out, config, metrics, task, fitted, scores, baselines, history)
    write_json(out / "metrics.json", metrics)
    shutil.rmtree(out / ".backup", ignore_errors=True)
    return metrics


def _build(arguments: Arguments, shape: tuple[int, ...]) -> dict[str, Any]:
    params: dict[str, Any] = {} if arguments.architecture is None else {"architecture": arguments.architecture}
    if arguments.detector not in DETECTORS:
        names = ", ".join(sorted(set(DETECTORS) - {"cvgan"}))
        raise ValueError(f"Expected --detector to be one of {names}. Received: {arguments.detector!r}.")
    return build_phases(str(arguments.detector), shape, seed=arguments.seed, **params)


def _calibration(detector: Any, rows: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Scores of normal rows, and the highest value in each one's anomaly map, where there are maps."""
    parts = [
        (part["score"], part["anomaly_map"].max(axis=(1, 2)) if "anomaly_map" in part else None)
        for part in explain_rows(detector.explain, rows)
    ]
    scores, peaks = zip(*parts, strict=True)
    return np.concatenate(scores), None if peaks[0] is None else np.concatenate(peaks)


def _fit_phase(
    phase: str, model: Any, task: Task, arguments: Arguments, out: pathlib.Path, say: Say, watchers: list
) -> float:
    """Fit one phase, or what is left of it; returns the seconds it took, those before an interruption included."""
    adam = {p: keras.optimizers.Adam(float(arguments.learning_rate or 0), beta_1=0.5) for p in model.players}
    model.compile(optimizers=adam)
    if not model.players:
        start = time.perf_counter()
        model.fit(task.train)
        return time.perf_counter() - start
    folder = out / ".backup" / phase
    backup, guard = EpochBackup(folder, every_seconds=2.0), TerminateOnNonFinite()
    if done := len(read_backup(folder)[0]):
        say(f"{phase}: {done} of {arguments.epochs} epochs are done.")
    callbacks: list[keras.callbacks.Callback] = [guard]
    if phase == "wgan_gp":
        callbacks.append(ImageGrid(out / "samples", every_epochs=max(1, arguments.epochs // 20)))
    held_out = {"validation_data": task.stop} if hasattr(model, "explain") else {}
    if hasattr(model, "explain") and arguments.patience is not None:
        callbacks.append(BestEpoch(task.stop, folder, patience=arguments.patience))
    if arguments.detector in AVERAGED:
        callbacks.append(NetworkEMA(0.999))
    steps = steps_per_epoch(str(arguments.detector), task.shape, len(task.train), arguments.batch_size)
    model.fit(
        (task.train, task.train_classes) if model.uses_labels else task.train,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        steps_per_epoch=None if arguments.smoke else steps,
        verbose=0,
        callbacks=[
            *callbacks,
            *watchers,
            backup,
        ],  # last: what an epoch leaves behind is there before it counts as done
        **held_out,
    )
    if guard.reason:
        raise RuntimeError(guard.reason)
    return backup.seconds


def _monitor(stop: Any, say: Say) -> CollapseMonitor | None:
    """A monitor of the GAN, or None for held-out images that it can't compare with."""
    try:
        return CollapseMonitor(stop)
    except ValueError as error:
        say(f"Nobody watches the GAN for a collapse: {error}")
        return None


def _evaluate(fitted: FittedDetector, task: Task, arguments: Arguments) -> tuple[dict, dict, dict]:
    scores = per_sample(fitted, task.test)
    pca = PCA(task.shape, seed=arguments.seed)
    components = pca.n_components
    pca.compile()
    pca.fit(task.train)
    baseline = np.concatenate([batch["score"] for batch in explain_rows(pca.explain, task.test)])
    metrics: dict[str, Any] = {"auroc": None, "auprc": None}
    both = task.labels is not None and 0 < task.labels.sum() < len(task.labels)
    if both:
        metrics |= {"auroc": evaluation.auroc(task.labels, scores["score"])}
        metrics |= {"auprc": evaluation.auprc(task.labels, scores["score"])}
    metrics |= {"threshold": fitted.threshold.threshold, "alpha": arguments.alpha}
    if fitted.map_threshold is not None:
        metrics["map_threshold"] = fitted.map_threshold.threshold
    if task.labels is not None:
        metrics |= evaluation.alarm_rates(task.labels, scores["is_anomaly"])
        normal = task.labels == 0
        metrics["alarms"] = {
            "normal_rows": int(normal.sum()),
            "false_alarms": int(scores["is_anomaly"][normal].sum()),
            "anomalous_rows": int((~normal).sum()),
            "detected": int(scores["is_anomaly"][~normal].sum()),
        }
    metrics["baselines"] = {
        f"pca_{components}": {
            "auroc": evaluation.auroc(task.labels, baseline) if both else None,
            "auprc": evaluation.auprc(task.labels, baseline) if both else None,
        }
    }
    if task.masks is not None and task.masks.any() and not task.masks.all():
        metrics["pixels"] = _evaluate_maps(fitted, pca, task)
    metrics["rows"] = {key: len(getattr(task, key)) for key in ("train", "stop", "calibrate", "test")}
    return metrics, scores, {f"PCA-{components}": baseline} if both else {}


def _evaluate_maps(fitted: FittedDetector, pca: PCA, task: Task) -> dict[str, Any]:
    """What the maps say of the masks, at the size of the detector's input."""
    maps = np.concatenate([part["anomaly_map"] for part in explain_rows(fitted.detector.explain, task.test)])
    marked = maps > fitted.map_threshold.threshold
    baseline = np.concatenate([part["anomaly_map"] for part in explain_rows(pca.explain, task.test)])
    normal = task.labels == 0
    return {
        "auroc": evaluation.pixel_auroc(task.masks, maps),
        "pro": evaluation.per_region_overlap(task.masks, maps),
        "threshold": fitted.map_threshold.threshold,
        "normal_images": int(normal.sum()),
        "normal_images_marked": int(marked[normal].any(axis=(1, 2)).sum()),
        "detected_pixels": float(marked[task.masks].mean()),
        "pca_32": {
            "auroc": evaluation.pixel_auroc(task.masks, baseline),
            "pro": evaluation.per_region_overlap(task.masks, baseline),
        },
    }


def _config(arguments: Arguments, task: Task) -> dict[str, Any]:
    return {
        "arguments": dataclasses.asdict(arguments),
        "data": {"fingerprint": task.fingerprint, "name": task.name},
        "versions": versions(),
    }


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
        "data": {"fingerprint": footage.fingerprint, "name": footage_name(footage), "every": footage.every},
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
    say(f"{footage_name(footage)}, {footage.frame_shape[1]} x {footage.frame_shape[0]} pixels.")

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
    explained = judge_windows(judge.explain, calibrate)
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
    report_training(out, config, metrics, calibrate, fitted, explained, history)
    write_json(out / "metrics.json", metrics)
    shutil.rmtree(out / ".backup", ignore_errors=True)
    return metrics


def _check_enough(threshold: Any, n: int, groups: dict[str, np.ndarray]) -> None:
    """Refuse too little calibration footage before hours of training."""
    try:
        type(threshold).from_config(threshold.get_config()).adapt(np.linspace(0.0, 1.0, n), **groups)
    except ValueError as error:
        raise ValueError(f"Too little footage to calibrate: {error}") from error

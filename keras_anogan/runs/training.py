"""Train a detector into a run folder: images, tables and footage, by one path."""

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
import tensorflow as tf

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
from keras_anogan.datasets.columns import lines_of
from keras_anogan.files import write_json
from keras_anogan.models import Phases, build_phases
from keras_anogan.models.composed import MapDetector, SmoothedDetector
from keras_anogan.models.ensemble import LEAST_ROWS, Ensemble
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.budget import Plan, plan_training
from keras_anogan.runs.checks import check_training, read_config
from keras_anogan.runs.examples import ScoredRows
from keras_anogan.runs.folder import Say, continues, save_fitted, write_history
from keras_anogan.runs.memory import check_memory
from keras_anogan.runs.metrics import measure
from keras_anogan.runs.report import report_training
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.sights import Sight, features_of_run, see, settle_size
from keras_anogan.runs.tasks import Task, check_calibration, load_task, on_few, settle_alpha
from keras_anogan.runs.verdict import add_chances, on_stray
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import as_rows, batch_size, explained_names, numbers_of
from keras_anogan.thresholds import QuantileThreshold, calibration_needed
from keras_anogan.training.averages import NetworkEMA
from keras_anogan.training.replicas import on_one_device, strategy_of
from keras_anogan.words import counted

MUCH = 0.1  # a false-alarm rate that a user should hear of
Progress = Callable[[str, int], list[keras.callbacks.Callback]]


def train(
    arguments: RunArguments,
    out: Any,
    say: Say = print,
    progress: Progress = lambda phase, epochs: [],
    tensorboard: Any = None,
) -> dict[str, Any]:
    """Train a detector into a run folder, or go on where the same command was interrupted.

    Args:
        arguments: what to train on what: `Arguments` of images or a table, `VideoArguments` of footage.
        out: the run folder; new, empty, or of an unfinished run with equal arguments.
        say: takes one line of news at a time.
        progress: makes callbacks that show the progress of a phase, given its name and epochs.
        tensorboard: folder for TensorBoard's events, one folder in it for each phase; None for none.

    Returns:
        The content of `metrics.json`.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence, for bad data or arguments, or another run's folder.
        RuntimeError: if a loss becomes NaN or infinite, or the exported model scores differently.
    """
    out = pathlib.Path(out)
    check_training(arguments, out, tensorboard)
    asked, arguments = arguments, settle_size(arguments)
    share = _check_early(arguments)
    task = load_task(arguments)
    features = features_of_run(arguments, task.shape[-1])
    if (
        features is None and task.kind == "images" and share > 0.3
    ):  # three channels, or a larger batch, may take several times as much
        check_memory(arguments, _seen_shape(arguments, task.shape[-1]), task.counts["train"])
    config = _config(asked, task)
    check_calibration(settle_alpha(arguments, task), task)
    _check_stop(arguments, task)
    plan = None
    if continues(out, config):
        if (out / "metrics.json").exists():
            shutil.rmtree(out / ".backup", ignore_errors=True)
            say(f"{out} is finished already; nothing to do.")
            return json.loads((out / "metrics.json").read_text())
        say(f"Resuming the unfinished run in {out}.")
        plan = read_config(out).get("plan")  # timed once: a second measurement would plan another training
    out.mkdir(parents=True, exist_ok=True)
    arguments = settle_alpha(arguments, task)
    _introduce(task, arguments, say)
    sight = see(arguments, features, task, say)
    trained = task if sight is None else sight.task
    plan = Plan(**plan) if plan else plan_training(arguments, trained)
    write_json(out / "config.json", {**config, "plan": dataclasses.asdict(plan)})
    phases, detectors = _build(arguments, trained, plan, say)
    arguments = _settle_reduction(arguments, detectors[0])
    _forewarn(task, arguments, detectors, plan, say)

    seconds, warnings = _fit(phases, trained, arguments, plan, out, say, progress, tensorboard)
    detectors = [on_one_device(detector) for detector in detectors]
    history = {phase: read_backup(out / ".backup" / phase)[0] for phase in phases}
    write_history(out / "history.csv", history)

    start = time.perf_counter()
    fitted, calibration = _calibrated(detectors, task, arguments, sight)
    save_fitted(fitted, out)
    metrics, scores, baselines = measure(fitted, task, arguments, calibration, sight)
    seconds["evaluation"] = time.perf_counter() - start
    if task.test is not None:
        add_chances(metrics, task.labels, ScoredRows.of_task(task, scores).kinds, scores, baselines, task.test_parts)
    stray = on_stray(calibration, fitted.threshold.threshold, task.noun)
    for line in stray:
        say(line)
    metrics["warnings"] = [*on_few(task), *plan.remarks[1:], *stray, *warnings]
    if task.columns:
        inputs = fitted.served_names  # of the SavedModel
        metrics["columns"] = [{**column.as_dict(), "input": inputs.get(column.name)} for column in task.columns]
    metrics["seconds"] = {key: round(value, 2) for key, value in seconds.items()}
    settled = _config(arguments, task)
    report_training(out, settled, metrics, task, fitted, scores or {"score": calibration}, baselines, history)
    write_json(out / "metrics.json", metrics)
    shutil.rmtree(out / ".backup", ignore_errors=True)
    return metrics


def _build(arguments: RunArguments, task: Task, plan: Plan, say: Say) -> tuple[Phases, list[Any]]:
    """What is to be trained, phase by phase, and the detectors among it: one, or the members of an ensemble."""
    phases, detectors = Phases(), []
    strategy = strategy_of(arguments.devices)
    if arguments.devices == "all":
        say(f"Training on {counted(strategy.num_replicas_in_sync, 'devices')}.")
    for seed in arguments.seeds:
        built = {**arguments.built_with, **plan.params}
        with strategy.scope():
            found = build_phases(str(arguments.detector), task.shape, seed=seed, **built)
        detectors.append(list(found.values())[-1])
        phases |= found if len(arguments.seeds) == 1 else {f"{key}_seed_{seed}": model for key, model in found.items()}
    return phases, detectors


def _check_stop(arguments: RunArguments, task: Task) -> None:
    """Refuse an ensemble whose members could not be compared."""
    if len(arguments.seeds) > 1 and task.counts["stop"] < LEAST_ROWS:
        raise ValueError(
            f"Expected at least {LEAST_ROWS} held-out normal {task.noun} to compare the members of an ensemble by. "
            f"Received: {task.counts['stop']} of {sum(task.counts[key] for key in ('train', 'stop', 'calibrate'))}; a "
            f"tenth is held out, so some {10 * LEAST_ROWS} normal {task.noun} are needed."
        )


def _check_early(arguments: RunArguments) -> float:
    """Refuse what the arguments tell to be wrong before any data are read; returns the share of memory it takes."""
    if not isinstance(arguments, Arguments) or arguments.features is not None:
        return 0.0
    shape = (8,) if arguments.is_table else _seen_shape(arguments, 1)
    share = check_memory(arguments, shape)
    if arguments.reduction is not None or arguments.pad:
        with tf.Graph().as_default():  # in which weights take no memory
            phases = build_phases(str(arguments.detector), shape, seed=arguments.seed, **arguments.built_with)
            _settle_reduction(arguments, list(phases.values())[-1])
    return share


def _seen_shape(arguments: RunArguments, channels: int) -> tuple[int, int, int]:
    """Of an image, or of a tile."""
    assert isinstance(arguments, Arguments)
    height, width = arguments.sides if arguments.tiles is None else (arguments.tiles, arguments.tiles)
    return height, width, channels


def _config(arguments: RunArguments, task: Task) -> dict[str, Any]:
    data = {"fingerprint": task.fingerprint, "name": task.name}
    if isinstance(arguments, VideoArguments):
        data["every"] = task.train.footage.every
    return {
        "kind": arguments.kind,
        "arguments": json.loads(json.dumps(dataclasses.asdict(arguments))),
        "data": data,
        "versions": versions(),
    }


def _introduce(task: Task, arguments: RunArguments, say: Say) -> None:
    """Say what is trained on, and what was done to the data without being asked."""
    for line in (*lines_of(task.columns), *task.remarks, *on_few(task)):
        say(line)
    sizes = ", ".join(f"{key} {count:,}" for key, count in task.counts.items())
    say(f"{task.name}; {sizes} {task.noun}.")
    if arguments.alpha is not None and arguments.build_threshold().keeps_alpha:
        say(
            f"Alarms at a false-alarm rate of {100 * arguments.alpha:.3g} %, "
            f"calibrated by {counted(task.counts['calibrate'], f'normal {task.noun}')}."
        )
        if arguments.alpha > MUCH:
            say(f"That is one normal {task.noun[:-1]} in {1.0 / arguments.alpha:.0f}: more of them allow a lower rate.")


def _forewarn(task: Task, arguments: RunArguments, detectors: list[Any], plan: Plan, say: Say) -> None:
    """Say how long it is going to take, and what the score of an image will be."""
    for remark in plan.remarks:
        say(remark)
    detector, members = detectors[0], len(detectors)
    maps = isinstance(arguments, Arguments) and arguments.reduction not in (None, "paper")
    if members > 1:
        how = f" of their maps (--reduction {arguments.reduction})" if maps else ""  # type: ignore[attr-defined]
        say(
            f"The score is the mean of what {members} members say{how}: each score as a quantile of the normal "
            f"distribution, by its place among the {task.counts['stop']:,} held-out {task.noun}."
        )
    elif isinstance(arguments, Arguments) and maps and not detector.tags.closed_form:
        say(
            f"The score of an image comes from its map (--reduction {arguments.reduction}); the score of "
            f"{arguments.detector} itself stands beside it as own_score (--reduction paper)."
        )
    if detector.tags.search_at_query:
        count = counted(members * (task.counts["calibrate"] + task.counts.get("test", 0)), task.noun)
        say(f"After training, {type(detector).__name__} searches {detector.steps} steps for each of {count}.")


def _fit(
    phases: Phases,
    task: Task,
    arguments: RunArguments,
    plan: Plan,
    out: pathlib.Path,
    say: Say,
    progress: Progress,
    board: Any,
) -> tuple[dict[str, float], list[str]]:
    """Fit every phase; returns the seconds of each, and warnings about the GAN."""
    seconds, warnings = {}, []
    for phase, model in phases.items():
        watchers = progress(phase, plan.length(model)[0])
        monitor = None
        if task.kind != "footage" and CollapseMonitor.watches(model):  # hundreds of windows are too much to look at
            monitor = _monitor(task.stop, say)
        if monitor is not None:
            watchers = [monitor, *watchers]
        if board is not None and model.players:
            watchers.append(TensorBoardLogs(pathlib.Path(board) / phase, stop=as_rows(task.stop)))
        elif board is not None:
            say(f"{phase} is solved, not trained: there is nothing to write for TensorBoard.")
        seconds[phase] = _fit_phase(phase, model, task, arguments, plan, out, say, watchers)
        warnings += [monitor.warning] if monitor is not None and monitor.warning else []
    return seconds, warnings


def _fit_phase(
    phase: str,
    model: Any,
    task: Task,
    arguments: RunArguments,
    plan: Plan,
    out: pathlib.Path,
    say: Say,
    watchers: list,
) -> float:
    """Fit one phase, or what is left of it; returns the seconds it took, those before an interruption included."""
    rate = float(arguments.learning_rate or 0)
    model.compile(optimizers=model.adam_optimizers(rate))
    if not model.players:
        start = time.perf_counter()
        model.fit(as_rows(task.train))
        return time.perf_counter() - start
    folder = out / ".backup" / phase
    epochs, steps = plan.length(model)
    if done := len(read_backup(folder)[0]):
        say(f"{phase}: {done} of {epochs} epochs are done.")
    guard, backup = TerminateOnNonFinite(), EpochBackup(folder, every_seconds=2.0)
    callbacks = [guard, *_callbacks(model, task, arguments, plan, out, folder), *watchers]
    windows = hasattr(task.train, "as_dataset")  # they come in batches; rows are made into some
    if hasattr(model, "explain"):
        held_out = {"validation_data": task.stop.as_dataset() if windows else task.stop}
    else:
        held_out = {}
    model.fit(
        (task.train, task.train_classes) if model.uses_labels else task.train,
        batch_size=None if windows else plan.batch_size,
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[*callbacks, backup],  # last: what an epoch leaves behind is there before it counts as done
        **held_out,
    )
    if guard.reason:
        raise RuntimeError(guard.reason)
    return backup.seconds


def _callbacks(
    model: Any, task: Task, arguments: RunArguments, plan: Plan, out: pathlib.Path, folder: pathlib.Path
) -> list[Any]:
    """What a phase is trained with: pictures of a GAN, the best epoch and averages of a detector."""
    if not hasattr(model, "explain"):
        samples = out / "samples" if len(arguments.seeds) == 1 else out / "samples" / folder.name
        return [ImageGrid(samples, every_epochs=max(1, plan.epochs // 20))]
    callbacks: list[Any] = []
    patience = getattr(arguments, "patience", None)
    if patience is not None:
        callbacks.append(BestEpoch(task.stop, folder, patience=patience))
    if arguments.entry.tags.averaged is not None:
        callbacks.append(NetworkEMA(arguments.entry.tags.averaged))
    return callbacks


def _monitor(stop: Any, say: Say) -> CollapseMonitor | None:
    """A monitor of the GAN, or None for held-out images that it can't compare with."""
    try:
        return CollapseMonitor(stop)
    except ValueError as error:
        say(f"Nobody watches the GAN for a collapse: {error}")
        return None


def _settle_reduction(arguments: RunArguments, detector: Any) -> RunArguments:
    """The arguments with the way in which an image's map becomes its score.

    Raises:
        ValueError: for a reduction of maps with a detector that has none.
    """
    if not isinstance(arguments, Arguments) or arguments.is_table or arguments.reduction == "paper":
        return arguments
    if arguments.tiles is not None or "anomaly_map" in explained_names(detector):
        default = "top" if arguments.sources else "paper"  # a folder's anomalies may be small
        return dataclasses.replace(arguments, reduction=arguments.reduction or default)
    if arguments.reduction is not None or arguments.pad:
        option = "--pad" if arguments.reduction is None else f"--reduction {arguments.reduction}"
        raise ValueError(
            f"Expected a detector with maps for {option}, such as pca, autoencoder or fanogan. Received: "
            f"{arguments.detector}."
        )
    return dataclasses.replace(arguments, reduction="paper")


def _wrapped(detector: Any, arguments: RunArguments, sight: Sight | None) -> Any:
    """A trained detector of the run's data, with the score that was asked for."""
    detector.forget_training()
    detector = detector if sight is None else sight.wrapped(detector)
    if isinstance(arguments, VideoArguments) and arguments.smooth > 1:
        return SmoothedDetector(detector, arguments.smooth, name="smoothed")
    if isinstance(arguments, Arguments) and arguments.reduction not in (None, "paper"):
        return MapDetector(detector, str(arguments.reduction), name="mapped")
    return detector


def _calibrated(
    detectors: list[Any], task: Task, arguments: RunArguments, sight: Sight | None
) -> tuple[FittedDetector, np.ndarray]:
    """The detector with thresholds of the calibration data, and the scores (n,) that they have seen."""
    assert arguments.alpha is not None
    members = [_wrapped(detector, arguments, sight) for detector in detectors]
    detector = members[0]
    if len(members) > 1:
        detector = Ensemble(members, name="ensemble")
        detector.adapt(task.stop)
    found = numbers_of(detector.explain, task.calibrate, batch_size(detector.sample_shape))
    have = len(found["score"])
    threshold = arguments.build_threshold(capacity=have)
    threshold.adapt(found["score"], **({} if task.groups is None else {"groups": task.groups}))
    map_threshold = None
    if "peak" in found and not detector.tags.scores_map and have >= calibration_needed(arguments.alpha):
        map_threshold = QuantileThreshold(arguments.alpha, capacity=have).adapt(found["peak"])
    fitted = FittedDetector(
        task.preprocessing,
        detector,
        threshold,
        raw_shape=task.raw_shape,
        raw_dtype=task.raw_dtype,
        map_threshold=map_threshold,
    )
    return fitted, found["score"]

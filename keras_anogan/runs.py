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

import csv
import dataclasses
import json
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan import evaluation
from keras_anogan.callbacks import (
    BestEpoch,
    CollapseMonitor,
    EpochBackup,
    ImageGrid,
    NetworkEMA,
    TensorBoardLogs,
    TerminateOnNonFinite,
    read_backup,
)
from keras_anogan.datasets import ImageRows, is_table, normal_rows, read_table, scan_image_folder
from keras_anogan.fitted import FittedDetector
from keras_anogan.models import AVERAGED, DETECTORS, PCA, build_phases, steps_per_epoch
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
from keras_anogan.tasks import NAMED_SETS, Arguments, Task, load_task
from keras_anogan.thresholds import ConformalThreshold, QuantileThreshold

SCORE_BATCH = 256
Say = Callable[[str], None]


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
    _write_report(out, config, metrics, task, fitted, scores, baselines, history)
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
        for part in _explain_rows(detector.explain, rows)
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


def _explain_rows(explain: Callable, rows: Any) -> Iterator[dict[str, np.ndarray]]:
    """`explain` over rows, batch by batch, so that maps of many images are never all in memory."""
    graph = tf.function(explain, reduce_retracing=True)
    for first in range(0, len(rows), SCORE_BATCH):
        x = rows[np.arange(first, min(first + SCORE_BATCH, len(rows)))]
        yield {key: np.asarray(value) for key, value in graph(tf.constant(x)).items()}


def _per_sample(fitted: FittedDetector, rows: Any) -> dict[str, np.ndarray]:
    """Every term of one number per row, for preprocessed rows."""
    batches = [
        {key: value for key, value in batch.items() if value.ndim == 1}
        for batch in _explain_rows(lambda x: fitted.judge(fitted.detector.explain(x)), rows)
    ]
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def _evaluate(fitted: FittedDetector, task: Task, arguments: Arguments) -> tuple[dict, dict, dict]:
    scores = _per_sample(fitted, task.test)
    pca = PCA(task.shape, seed=arguments.seed)
    components = pca.n_components
    pca.compile()
    pca.fit(task.train)
    baseline = np.concatenate([batch["score"] for batch in _explain_rows(pca.explain, task.test)])
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
    maps = np.concatenate([part["anomaly_map"] for part in _explain_rows(fitted.detector.explain, task.test)])
    marked = maps > fitted.map_threshold.threshold
    baseline = np.concatenate([part["anomaly_map"] for part in _explain_rows(pca.explain, task.test)])
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


def _write_report(
    out: pathlib.Path,
    config: dict,
    metrics: dict,
    task: Task,
    fitted: FittedDetector,
    scores: dict,
    baselines: dict,
    history: dict,
) -> None:
    from keras_anogan.report import write_report

    ranked = np.argsort(-scores["score"], kind="stable")
    shown = min(20 if task.raw_test is not None else 6, len(ranked))
    describe = _image_examples if task.raw_test is None else _row_examples
    write_report(
        out / "report.html",
        config=config,
        metrics=metrics,
        title=task.name,
        labels=task.labels,
        scores=scores["score"],
        baselines=baselines,
        history=history,
        most=describe(ranked[:shown], task, fitted, scores),
        least=describe(ranked[::-1][:shown], task, fitted, scores),
    )


def _image_examples(order: np.ndarray, task: Task, fitted: FittedDetector, scores: dict) -> list[Any]:
    from keras_anogan.report import Example

    explained = fitted.judge(fitted.detector.explain(keras.ops.convert_to_tensor(task.test[order])))
    tensor = lambda key, i: np.asarray(explained[key][i]) if key in explained else None  # noqa: E731
    return [
        Example(
            **_what_is_known(row, task, scores),
            image=np.asarray(task.test[order[i : i + 1]])[0],
            reconstruction=tensor("reconstruction", i),
            anomaly_map=tensor("anomaly_map", i),
            marked=tensor("anomaly_mask", i),
            mask=None if task.masks is None else task.masks[row],
        )
        for i, row in enumerate(order)
    ]


def _row_examples(order: np.ndarray, task: Task, fitted: FittedDetector, scores: dict) -> list[Any]:
    from keras_anogan.report import RowExample

    encoder = fitted.preprocessing
    raw = encoder.check_raw(task.raw_test.iloc[order])
    deviations = _deviations(fitted.detector, task.test[order], encoder.feature_columns)
    return [
        RowExample(
            **_what_is_known(row, task, scores),
            deviations=[(name, _cell(raw[name][i]), share) for name, share in deviations[i]] if deviations else [],
        )
        for i, row in enumerate(order)
    ]


def _what_is_known(row: int, task: Task, scores: dict) -> dict[str, Any]:
    return {
        "name": task.test_ids[row],
        "label": None if task.labels is None else int(task.labels[row]),
        "score": float(scores["score"][row]),
        "p_value": float(scores["p_value"][row]),
    }


def _explained(detector: Any) -> set[str]:
    """Names of what the detector's `explain` gives, without computing any of it."""
    shape = tf.TensorSpec((None, *detector.sample_shape), "float32")
    return set(tf.function(detector.explain).get_concrete_function(shape).structured_outputs)


def _deviations(detector: Any, x: np.ndarray, columns: tuple[str, ...], most: int = 4) -> list[list[tuple[str, float]]]:
    """For each row the columns in which it differs most from its reconstruction, and their shares of |x - x_hat|.

    No list at all for a detector that reconstructs nothing.
    """
    if "reconstruction" not in _explained(detector):
        return []
    x_hat = np.concatenate([part["reconstruction"] for part in _explain_rows(detector.explain, x)])
    names = list(dict.fromkeys(columns))
    belongs = np.array(columns)[:, None] == np.array(names)[None, :]  # (features, columns)
    by_column = np.abs(x - x_hat) @ belongs
    shares = by_column / np.maximum(by_column.sum(axis=1, keepdims=True), 1e-12)
    return [[(names[i], float(share[i])) for i in np.argsort(-share, kind="stable")[:most]] for share in shares]


def _cell(value: Any) -> str:
    return str(value) if isinstance(value, str) else "(missing)" if np.isnan(value) else f"{value:.6g}"


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


def score(
    run: Any, data: str, out: Any, maps: Any = None, grid_lines: int = 0, skip_broken: bool = False
) -> dict[str, Any]:
    """Score images with a finished run and write one CSV line for each.

    Args:
        run: run folder.
        data: "mnist" or "digits" (the run's own test rows), a folder of images, or a table file.
        out: CSV file: id, label if known, terms of the score, anomaly_score, p_value, is_anomaly; for a table also
            deviates_in, the columns in which a row differs most from its reconstruction.
        maps: folder for one heat map per image, `<id>.png`, black for 0 to yellow for 1 and more; None for none.
        grid_lines: lines of a picture beside the CSV, `<out>_grid.png`: input | reconstruction |
            difference, from the most to the least anomalous image; 0 for none.
        skip_broken: leave out files that can't be read.

    Returns:
        `rows`, `what` they are, `alarms`, `remarks`, and `auroc` where labels are known.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with run or data.
    """
    if pathlib.Path(out).is_dir():
        raise ValueError(f"Expected a CSV file to write. Received: {out}, which is a folder.")
    if maps is not None and data not in NAMED_SETS and lies_in(maps, data):
        raise ValueError(f"Expected a folder for the maps outside the data. Received: {maps} in {data}.")
    fitted, config = load_run(run)
    arguments = Arguments(**config["arguments"])
    if arguments.is_table != is_table(data):
        raise ValueError(
            f"Expected {'a table' if arguments.is_table else 'images'}, as the run was trained on. Received: {data}."
        )
    remarks: list[str] = []
    if (maps is not None or grid_lines > 0) and not arguments.is_table:
        _check_maps(fitted.detector, str(arguments.detector))
    if arguments.is_table:
        if maps is not None or grid_lines > 0:
            raise ValueError("Expected images for maps and a grid. Received: a table.")
        rows, ids, labels, remarks = _table_to_score(arguments, fitted, data)
    else:
        rows, ids, labels = _rows_to_score(arguments, fitted, data, skip_broken)
    result: dict[str, Any] = dict(_per_sample(fitted, rows))
    if arguments.is_table:
        found = _deviations(fitted.detector, rows, fitted.preprocessing.feature_columns, most=3)
        if found:
            result["deviates_in"] = ["; ".join(f"{name} {share:.0%}" for name, share in row) for row in found]
    _write_scores(pathlib.Path(out), ids, labels, result)
    if maps is not None:
        _write_maps(pathlib.Path(maps), fitted, rows, ids)
    if grid_lines > 0:
        ranked = np.argsort(-result["score"], kind="stable")
        chosen = ranked[np.linspace(0, len(ranked) - 1, min(grid_lines, len(ranked))).astype(int)]
        target = pathlib.Path(out).with_suffix("")
        _write_grid(target.with_name(f"{target.name}_grid.png"), fitted, rows, chosen)
    summary: dict[str, Any] = {
        "rows": len(ids),
        "what": "rows" if arguments.is_table else "images",
        "alarms": int(result["is_anomaly"].sum()),
        "remarks": remarks,
    }
    if labels is not None and 0 < labels.sum() < len(labels):
        summary["auroc"] = evaluation.auroc(labels, result["score"])
    return summary


def _check_maps(detector: Any, name: str) -> None:
    if "anomaly_map" not in _explained(detector):
        raise ValueError(f"Expected a run of a detector with maps for maps and a grid. Received: one of {name}.")


def _table_to_score(
    arguments: Arguments, fitted: FittedDetector, data: str
) -> tuple[np.ndarray, list[str], np.ndarray | None, list[str]]:
    """Encoded rows, their names, labels where the run's condition can be asked, and what should be told of them."""
    frame = read_table(data, text=[name for name, kind in fitted.raw_columns.items() if kind == "string"])
    raw = fitted.preprocessing.check_raw(frame)
    remarks = [
        f"Column {name!r} has {count:,} row{'s' * (count > 1)} with a value that the detector does not know, such as "
        f"{value!r} in row {row + 1}; it counts as unknown."
        for name, count, value, row in fitted.preprocessing.unseen(raw)
    ]
    labels = None
    if arguments.normal_where is not None:
        try:
            normal, named = normal_rows(frame, arguments.normal_where)
            if not frame[list(named)].isna().any(axis=None):
                labels = (~normal).astype("int64")
        except ValueError:  # rows of which nobody knows yet what they are
            labels = None
    return fitted.preprocessing.encode(raw), [f"row-{i + 1}" for i in range(len(frame))], labels, remarks


def _rows_to_score(
    arguments: Arguments, fitted: FittedDetector, data: str, skip_broken: bool
) -> tuple[Any, list[str], np.ndarray | None]:
    if data in NAMED_SETS:
        if data != arguments.data:
            raise ValueError(f"Expected a run that was trained on {data}. Received: one trained on {arguments.data}.")
        task = load_task(arguments)
        return task.test, task.test_ids, task.labels
    folder = scan_image_folder(data, skip_broken=skip_broken, need_train=False)
    channels = fitted.detector.sample_shape[-1]
    if folder.channels != channels:
        kinds = {1: "grey", 3: "RGB"}
        raise ValueError(
            f"Expected {kinds[channels]} images, as the run was trained on. Received: {kinds[folder.channels]} images."
        )
    paths, labels = (folder.test, folder.labels) if folder.test else (folder.train, None)
    ids = [path.relative_to(folder.root).as_posix() for path in paths]
    return ImageRows(paths, fitted.preprocess), ids, labels


def _write_scores(out: pathlib.Path, ids: list[str], labels: np.ndarray | None, result: dict[str, np.ndarray]) -> None:
    order = ("img_distance", "feature_distance", "score", "z_distance")
    terms = [key for key in order if key in result]
    terms += [key for key in result if key not in (*order, "p_value", "is_anomaly", "deviates_in")]
    header = ["id", *(["label"] if labels is not None else [])]
    header += ["anomaly_score" if key == "score" else key for key in terms] + ["p_value", "is_anomaly"]
    header += ["deviates_in"] if "deviates_in" in result else []
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i, name in enumerate(ids):
            line = [name, *([int(labels[i])] if labels is not None else [])]
            line += [f"{result[key][i]:.9g}" for key in (*terms, "p_value")]
            line.append(int(result["is_anomaly"][i]))
            writer.writerow([*line, result["deviates_in"][i]] if "deviates_in" in result else line)


def _write_maps(folder: pathlib.Path, fitted: FittedDetector, rows: Any, ids: list[str]) -> None:
    from PIL import Image

    from keras_anogan.plots import heat_pixels

    done = 0
    for batch in _explain_rows(fitted.detector.explain, rows):
        for anomaly_map in batch["anomaly_map"]:
            path = folder / f"{ids[done]}.png"  # the id with its own suffix: a.png and a.jpg have two maps
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                Image.fromarray(heat_pixels(anomaly_map)).save(partial, format="PNG")
            done += 1


def _write_grid(path: pathlib.Path, fitted: FittedDetector, rows: Any, chosen: np.ndarray) -> None:
    from keras_anogan.callbacks import save_grid

    x = np.asarray(rows[chosen])
    x_hat = np.asarray(fitted.detector.explain(keras.ops.convert_to_tensor(x))["reconstruction"])
    difference = np.clip(np.abs(x - x_hat), 0.0, 1.0) * 2.0 - 1.0
    panels = np.stack([x, x_hat, difference], axis=1).reshape(-1, *x.shape[1:])
    save_grid(panels, path, columns=3)


def export(run: Any, folder: Any) -> None:
    """Write the SavedModel of a finished run to `folder`, after proving that it scores as `predict` does.

    Raises:
        FileNotFoundError, FileExistsError, ValueError, RuntimeError: see `load_run`, `FittedDetector.export`.
    """
    fitted, _ = load_run(run)
    fitted.export(folder)


def _config(arguments: Arguments, task: Task) -> dict[str, Any]:
    return {
        "arguments": dataclasses.asdict(arguments),
        "data": {"fingerprint": task.fingerprint, "name": task.name},
        "versions": versions(),
    }

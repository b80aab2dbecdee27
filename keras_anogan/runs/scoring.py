"""Score new data with a finished run."""

from __future__ import annotations

import csv
import pathlib
import time
from typing import Any

import keras
import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import ImageRows, is_table, normal_rows, read_table, scan_image_folder
from keras_anogan.files import lies_in, replacing
from keras_anogan.runs.alarms import annotate_video, find_events
from keras_anogan.runs.arguments import NAMED_SETS, Arguments
from keras_anogan.runs.folder import Say, check_csv, check_outside, load_run, load_video_run
from keras_anogan.runs.report import report_scoring
from keras_anogan.runs.tasks import load_task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import column_deviations, explain_rows, explained_names, judge_windows, per_sample
from keras_anogan.video.files import check_video_target
from keras_anogan.video.footage import Footage
from keras_anogan.video.windows import VideoWindows, scores_by_frame


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
    result: dict[str, Any] = dict(per_sample(fitted, rows))
    if arguments.is_table:
        found = column_deviations(fitted.detector, rows, fitted.preprocessing.feature_columns, most=3)
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
    if "anomaly_map" not in explained_names(detector):
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
    for batch in explain_rows(fitted.detector.explain, rows):
        for anomaly_map in batch["anomaly_map"]:
            path = folder / f"{ids[done]}.png"  # the id with its own suffix: a.png and a.jpg have two maps
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                Image.fromarray(heat_pixels(anomaly_map)).save(partial, format="PNG")
            done += 1


def _write_grid(path: pathlib.Path, fitted: FittedDetector, rows: Any, chosen: np.ndarray) -> None:
    from keras_anogan.pictures import save_grid

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
    check_csv(out, days)
    if annotate is not None:
        check_video_target(annotate)
        check_outside(annotate, days)
    loaded = load_video_run(run)
    fitted, footage = loaded.fitted, loaded.open(days)
    known = _read_labels(labels, len(footage))
    windows = VideoWindows(footage, loaded.length, batch_size=32, sampling="sliding")
    begun = time.perf_counter()
    judged = judge_windows(lambda x: fitted.judge(fitted.detector.explain(x)), windows)
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
    report_scoring(out, run, footage, fitted, frames, known, events, summary)
    if annotate is not None:
        annotate_video(pathlib.Path(annotate), footage, frames["score"], alarms, fitted.threshold.threshold)
    return summary


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

"""Reports of a training, and of scored footage: one HTML file each, that needs nothing else."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan import plots
from keras_anogan.files import replacing
from keras_anogan.models import entry
from keras_anogan.runs.alarms import EVENT_GAP, Event, alarm_panels, frame_title
from keras_anogan.runs.examples import ScoredRows
from keras_anogan.runs.folder import arguments_of
from keras_anogan.runs.idle import idle_options
from keras_anogan.runs.page import last_samples, panel_lines, write_page
from keras_anogan.runs.report_rows import promise_of, rows_values
from keras_anogan.runs.tasks import Task, footage_name
from keras_anogan.runs.tiles import baseline_lines, footage_tiles, seconds_of
from keras_anogan.runs.verdict import judge
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video import Footage, scores_by_frame

DAYS = 12  # panels of a timeline
EVENTS = 12  # alarms that are shown
Panels = list[tuple[str, dict[str, np.ndarray]]]


def report_training(
    out: pathlib.Path,
    config: dict[str, Any],
    metrics: dict[str, Any],
    task: Task,
    fitted: FittedDetector,
    scores: dict[str, np.ndarray],
    baselines: dict[str, np.ndarray],
    history: dict[str, list[dict[str, float]]],
) -> None:
    """Write `report.html` of a run.

    Args:
        out: the run folder.
        config, metrics: contents of `config.json` and `metrics.json`.
        task, fitted: what it was trained on, and the detector with its threshold.
        scores: terms of one number of each test row; of footage `score` of each calibration window.
        baselines: scores of the test rows by name, for the curves.
        history: logs by phase and epoch.
    """
    draw = _footage_trained if task.kind == "footage" else _rows_trained
    figures: dict[str, Any] = {"history": _histories(history), "health": _healths(history)}
    values: dict[str, Any] = {
        "title": task.name,
        "config": config,
        "metrics": metrics,
        "settings": _settings(config),
        "warnings": metrics["warnings"],
        "noun": task.noun,
        "seconds": seconds_of(metrics),
        "losses": {key for logs in history.values() for line in logs for key in line},
        "tags": fitted.detector.tags,
        "verdict": judge(metrics, entry(config["arguments"]["detector"]).tags.closed_form),
    }
    draw(out, values, figures, task, fitted, scores, baselines)


def report_scoring(
    out: pathlib.Path,
    run: Any,
    footage: Footage,
    fitted: FittedDetector,
    frames: dict[str, np.ndarray],
    labels: np.ndarray | None,
    events: Sequence[Event],
    summary: dict[str, Any],
) -> None:
    """Write the report of scored footage beside its CSV file `out`, and a sheet of its loudest alarms.

    Args:
        out: the CSV file.
        run: the run folder, to be named.
        footage, fitted: what was judged, and by what.
        frames: `score` of each frame, NaN where nothing judges it.
        labels: (frames,) or None.
        events: alarms in a row.
        summary: of `score`.
    """
    loudest = sorted(events, key=lambda event: -event.score)[:EVENTS]
    panels: Panels = []
    for event in loudest:
        panels.append((frame_title(footage, event.peak), alarm_panels(fitted, footage, event.peak)))
    if panels:
        with replacing(out.with_name(f"{out.stem}_alarms.png")) as partial:
            plots.save_panels(panels, partial)
    titles = [event.title for event in loudest]
    write_page(
        out.with_suffix(".html"),
        "footage.html.jinja",
        title=f"Alarms in {footage_name(footage)}",
        config=None,
        warnings=summary["remarks"],
        verdict=judge(summary),
        trained=False,
        pictures="Alarms",
        run=str(run),
        tiles=footage_tiles(summary, fitted.threshold.threshold),
        panels=panel_lines(zip(titles, (pictures for _, pictures in panels), strict=True)),
        shows_error=any("error" in pictures for _, pictures in panels),
        **_of_footage(footage, fitted, frames["score"], labels, {"history": []}),
    )


def _rows_trained(
    out: pathlib.Path,
    values: dict[str, Any],
    figures: dict[str, Any],
    task: Task,
    fitted: FittedDetector,
    scores: dict[str, np.ndarray],
    baselines: dict[str, np.ndarray],
) -> None:
    """The report of images or of a table."""
    arguments, metrics = values["config"]["arguments"], values["metrics"]
    asked, promise = promise_of(arguments["alpha"], arguments["k"], fitted, task.noun)
    shown = rows_values(ScoredRows.of_task(task, scores), fitted, metrics, asked, baselines)
    shown["figures"] |= figures
    size = arguments.get("image_size") or 0
    width, height = size if isinstance(size, (list, tuple)) else (size, size)
    write_page(
        out / "report.html",
        "rows.html.jinja",
        **values,
        **shown,
        sides=f"{width} x {height}",
        promise=promise,
        baselines=baseline_lines(metrics, arguments["detector"]),
        samples=last_samples(out),
        columns=metrics.get("columns") or getattr(task, "columns", None) or [],
    )


def _footage_trained(
    out: pathlib.Path,
    values: dict[str, Any],
    figures: dict[str, Any],
    task: Task,
    fitted: FittedDetector,
    scores: dict[str, np.ndarray],
    baselines: dict[str, np.ndarray],
) -> None:
    """The report of a training on footage: its calibration."""
    windows, found = task.calibrate, scores["score"]
    order = np.argsort(-found, kind="stable")[[0, len(found) // 2, -1]]
    panels: Panels = []
    for what, number in zip(("highest", "middle", "lowest"), order, strict=True):
        place = int(windows.starts[number]) + windows.sample_size - 1
        title = f"{what} score of the calibration: {found[number]:.4g} ({frame_title(windows.footage, place)})"
        panels.append((title, alarm_panels(fitted, windows.footage, place)))
    write_page(
        out / "report.html",
        "footage.html.jinja",
        **values,
        trained=True,
        pictures="What forecasts look like" if getattr(fitted.detector, "horizon", 0) else "Frames of the calibration",
        run=str(out),
        tiles=footage_tiles(values["metrics"], fitted.threshold.threshold),
        panels=panel_lines(panels),
        shows_error=any("error" in pictures for _, pictures in panels),
        **_of_footage(windows.footage, fitted, scores_by_frame(windows, found), None, figures),
    )


def _of_footage(
    footage: Footage, fitted: FittedDetector, scores: np.ndarray, labels: np.ndarray | None, figures: dict[str, Any]
) -> dict[str, Any]:
    """What both reports of footage show: a timeline of the first days, and what a score is."""
    days: dict[str, tuple[int, int]] = {}
    for recording, first, last in zip(footage.recordings, footage.offsets[:-1], footage.offsets[1:], strict=True):
        days[recording.day] = (days.get(recording.day, (int(first), 0))[0], int(last))
    shown = {day: days[day] for day in list(days)[:DAYS] if np.isfinite(scores[slice(*days[day])]).any()}
    threshold = fitted.threshold.threshold
    timeline = plots.themed_uris(lambda: plots.plot_timeline(scores, threshold, labels, shown or days))
    detector: Any = fitted.detector
    forecasts = getattr(detector, "horizon", 0) > 0
    return {
        "figures": {**figures, "timeline": timeline},
        "shown_days": len(shown),
        "hidden_days": max(0, len(days) - DAYS),
        "gap": EVENT_GAP + 1,
        "threshold": threshold,
        "detector": type(getattr(detector, "detector", detector)).__name__,
        "forecasts": forecasts,
        "scaled": getattr(detector, "scaled", False),
        "smooth": getattr(detector, "length", 1),
    }


def _settings(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The arguments as lines of a table; those that were not given, or had no effect, are left out."""
    arguments = config["arguments"]
    idle = idle_options(arguments_of(config))
    lines = []
    for key, value in arguments.items():
        if key in idle:
            continue
        if isinstance(value, dict):
            lines += [(name, str(setting)) for name, setting in value.items()]
        elif value is not None:
            lines.append((key, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)))
    return lines


def _histories(history: dict[str, list[dict[str, float]]]) -> list[tuple[str, dict[str, str]]]:
    """(phase, figure of its losses) of each phase that was trained."""
    found = []
    for name, logs in history.items():
        if logs:
            found.append((name, plots.themed_uris(functools.partial(plots.plot_history, name, logs))))
    return found


def _healths(history: dict[str, list[dict[str, float]]]) -> list[dict[str, str]]:
    """Figures of diversity and balance of each phase in which they were watched."""
    draw: Any = plots.themed_uris
    monitored = [logs for logs in history.values() if logs and plots.plot_health(logs) is not None]
    return [draw(functools.partial(plots.plot_health, logs)) for logs in monitored]

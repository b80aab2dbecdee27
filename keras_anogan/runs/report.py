"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan import plots
from keras_anogan.files import replacing
from keras_anogan.runs.alarms import SHEET, Event, alarm_panels
from keras_anogan.runs.examples import Judged, image_examples, row_examples
from keras_anogan.runs.tasks import Task, footage_name
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video.footage import Footage
from keras_anogan.video.windows import VideoWindows, scores_by_frame


def write_report(
    path: Any,
    *,
    config: dict[str, Any],
    metrics: dict[str, Any],
    title: str,
    labels: np.ndarray | None,
    scores: np.ndarray,
    baselines: dict[str, np.ndarray],
    history: dict[str, list[dict[str, float]]],
    most: Sequence[Judged],
    least: Sequence[Judged],
) -> None:
    """Write the report of a run as one self-contained HTML file.

    Args:
        path: the file; written under a temporary name and renamed.
        config, metrics: contents of `config.json` and `metrics.json`.
        title: what was normal, in a few words.
        labels: (n,): 1 anomalous, 0 normal; None where nobody knows.
        scores: (n,), of the test rows.
        baselines: their scores by name, for the curves.
        history: logs by phase and epoch.
        most, least: the most and the least anomalous test images (`Example`), or rows (`RowExample`).
    """
    both = labels is not None and 0 < labels.sum() < len(labels)
    draw = plots.themed_uris
    figures = {
        "histogram": draw(lambda: plots.plot_histogram(scores, labels, metrics["threshold"], metrics["alpha"])),
        "roc": draw(lambda: plots.plot_roc(labels, scores, baselines)) if both else None,
        "pr": draw(lambda: plots.plot_precision_recall(labels, scores, baselines)) if both else None,
        "history": [
            (name, draw(lambda name=name, logs=logs: plots.plot_history(name, logs)))  # type: ignore[misc]
            for name, logs in history.items()
            if logs
        ],
        "health": [
            draw(lambda logs=logs: plots.plot_health(logs))  # type: ignore[misc]
            for logs in history.values()
            if logs and plots.plot_health(logs) is not None
        ],
    }
    _render(
        path,
        "report.html.jinja",
        title=title,
        config=config,
        metrics=metrics,
        tiles=_tiles(metrics),
        baseline=baseline_of(metrics)[0],
        figures=figures,
        noun="rows" if config["arguments"].get("image_size") is None else "images",
        examples=[("Most anomalous", most), ("Least anomalous", least)],
        seconds=_seconds(metrics),
        losses={key for logs in history.values() for line in logs for key in line},
    )


DAYS = 12  # panels of a timeline


def write_video_report(
    path: Any,
    *,
    title: str,
    run: str,
    footage: Any,
    scores: np.ndarray,
    threshold: float,
    labels: np.ndarray | None,
    events: Sequence[Any],
    panels: list[tuple[str, dict[str, np.ndarray]]],
    summary: dict[str, Any],
    history: dict[str, list[dict[str, float]]],
    settings: dict[str, Any],
    scaled: bool,
    smooth: int,
) -> None:
    """Write the report of footage, of a training or of a scoring, as one self-contained HTML file.

    Args:
        path: the file; written under a temporary name and renamed.
        title, run: what was judged, and by whom.
        footage: with `days`, `recordings` and `offsets`.
        scores: (frames,), NaN where nothing judges a frame.
        threshold: above which there is an alarm.
        labels: (frames,) or None.
        events: the alarms that are shown, loudest first.
        panels: (title, name -> picture), a line for each event, or example.
        summary: of `score_video`, or `metrics.json` of a training.
        history: logs by phase and epoch; empty for a scoring.
        settings: the arguments; empty for a scoring.
        scaled: whether scores are relative to how much moved before.
        smooth: frames in a row that a score is the mean of.
    """
    days: dict[str, tuple[int, int]] = {}
    for recording, first, last in zip(footage.recordings, footage.offsets[:-1], footage.offsets[1:], strict=True):
        days[recording.day] = (days.get(recording.day, (int(first), 0))[0], int(last))
    shown = {day: days[day] for day in list(days)[:DAYS] if np.isfinite(scores[slice(*days[day])]).any()}
    draw = plots.themed_uris
    lines = [
        {"title": name, "pictures": [(key, plots.pixels_uri(pixels)) for key, pixels in pictures.items()]}
        for name, pictures in panels
    ]
    for line, event in zip(lines, events, strict=False):
        line["title"] = f"{event.day}/{event.recording}, frames {event.first} to {event.last}: up to {event.score:.4g}"
    _render(
        path,
        "video_report.html.jinja",
        title=title,
        run=run,
        trained=bool(history),
        scaled=scaled,
        smooth=smooth,
        threshold=threshold,
        tiles=_video_tiles(summary, threshold),
        figures={
            "timeline": draw(lambda: plots.plot_timeline(scores, threshold, labels, shown or days)),
            "history": [
                (name, draw(lambda name=name, logs=logs: plots.plot_history(name, logs)))  # type: ignore[misc]
                for name, logs in history.items()
                if logs
            ],
        },
        shown_days=len(shown),
        hidden_days=max(0, len(days) - DAYS),
        gap=6,
        panels=lines,
        settings=settings,
        seconds=_seconds(summary) if "seconds" in summary else "",
    )


def _video_tiles(summary: dict[str, Any], threshold: float) -> list[dict[str, str]]:
    if "alarms" not in summary:
        rows = summary["rows"]
        return [
            {"name": "Threshold", "value": f"{threshold:.4g}", "beside": f"{rows['calibrate']:,} windows"},
            {
                "name": "Calibration windows above it",
                "value": _percent(summary["calibration_alarms"]),
                "beside": "what it was fitted on: new footage has more",
            },
            {"name": "Trained on", "value": f"{rows['train']:,}", "beside": "windows of normal footage"},
        ]
    judged = summary["judged"]
    tiles = [
        {"name": "Frames judged", "value": f"{judged:,}", "beside": f"of {summary['frames']:,}"},
        {
            "name": "Alarms",
            "value": f"{summary['alarms']:,}",
            "beside": f"{_percent(summary['alarms'] / max(1, judged))} of the frames, {summary['events']:,} events",
        },
    ]
    if "false_alarm_rate" in summary:
        tiles += [
            {
                "name": "False alarms",
                "value": _percent(summary["false_alarm_rate"]),
                "beside": "share of normal frames with an alarm",
            },
            {
                "name": "Detected",
                "value": _percent(summary["detection_rate"]),
                "beside": "share of anomalous frames with an alarm",
            },
        ]
    if "auroc" in summary:
        tiles.append({"name": "AUROC of frames", "value": _number(summary["auroc"]), "beside": "0.5 is guessing"})
    return tiles


def _render(path: Any, template: str, **values: Any) -> None:
    """Fill a template of this folder, and write it under a temporary name first."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template(template).render(**values)
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)


def baseline_of(metrics: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and numbers of the plain baseline in `metrics.json`, e.g. ("PCA-32", {"auroc": ...})."""
    key, numbers = next(iter(metrics["baselines"].items()))
    return key.upper().replace("_", "-"), numbers


def _tiles(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The numbers of the first screen: name, value, what stands beside it, and what the value means."""
    name, pca = baseline_of(metrics)
    alpha, alarms = metrics["alpha"], metrics.get("alarms")
    false = f"{alarms['false_alarms']:,} of {alarms['normal_rows']:,}; " if alarms else ""
    hits = f"{alarms['detected']:,} of {alarms['anomalous_rows']:,}; " if alarms and alarms["anomalous_rows"] else ""
    tiles = [
        {
            "name": "AUROC",
            "value": _number(metrics["auroc"]),
            "beside": f"{name}: {_number(pca['auroc'])}",
            "meaning": "Chance that a random anomalous row scores higher than a random normal one; 0.5 is guessing.",
        },
        {
            "name": "AUPRC",
            "value": _number(metrics["auprc"]),
            "beside": f"{name}: {_number(pca['auprc'])}",
            "meaning": "Precision averaged over all recalls; guessing gives the share of anomalous rows.",
        },
        {
            "name": "False alarms",
            "value": _percent(metrics.get("false_alarm_rate")),
            "beside": f"{false}asked for: {100 * alpha:.4g} %",
            "meaning": "Share of the normal test rows with an alarm. Few rows leave much to chance.",
        },
        {
            "name": "Detected",
            "value": _percent(metrics.get("detection_rate")),
            "beside": f"{hits}precision {_percent(metrics.get('precision'))}",
            "meaning": "Share of the anomalous test rows with an alarm at that threshold.",
        },
    ]
    if pixels := metrics.get("pixels"):
        tiles += [
            {
                "name": "Pixel AUROC",
                "value": _number(pixels["auroc"]),
                "beside": f"PCA-32: {_number(pixels['pca_32']['auroc'])}",
                "meaning": "The same over all pixels of all test images, against the masks.",
            },
            {
                "name": "PRO",
                "value": _number(pixels["pro"]),
                "beside": f"PCA-32: {_number(pixels['pca_32']['pro'])}",
                "meaning": "Overlap with each anomalous region, averaged up to 30 % false pixels; noise gives 0.15.",
            },
            {
                "name": "Normal images marked",
                "value": _percent(pixels["normal_images_marked"] / pixels["normal_images"])
                if pixels["normal_images"]
                else "not known",
                "beside": f"{pixels['normal_images_marked']:,} of {pixels['normal_images']:,}; asked for: "
                f"{100 * alpha:.4g} %",
                "meaning": "Share of the normal test images in which any pixel is marked.",
            },
            {
                "name": "Anomalous pixels marked",
                "value": _percent(pixels["detected_pixels"]),
                "beside": f"above {pixels['threshold']:.4g}",
                "meaning": "Share of the masks' pixels above the threshold for maps.",
            },
        ]
    return tiles


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:.1f} %"


def _seconds(metrics: dict[str, Any]) -> str:
    parts = [f"{key.replace('_', ' ')} {value:.0f} s" for key, value in metrics["seconds"].items()]
    return ", ".join(parts)


def report_run(
    out: pathlib.Path,
    config: dict,
    metrics: dict,
    task: Task,
    fitted: FittedDetector,
    scores: dict,
    baselines: dict,
    history: dict,
) -> None:
    from keras_anogan.runs.report import write_report

    ranked = np.argsort(-scores["score"], kind="stable")
    shown = min(20 if task.raw_test is not None else 6, len(ranked))
    describe = image_examples if task.raw_test is None else row_examples
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


def report_scoring(
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
    from keras_anogan.runs.report import write_video_report

    loudest = sorted(events, key=lambda event: -event.score)[:SHEET]
    panels = [
        (
            f"{event.day}/{event.recording}, frame {footage.where(event.peak)[2]}",
            alarm_panels(fitted, footage, event.peak),
        )
        for event in loudest
    ]
    if panels:
        sheet = out.with_name(f"{out.stem}_alarms.png")
        with replacing(sheet) as partial:
            plots.save_panels(panels, partial)
    write_video_report(
        out.with_suffix(".html"),
        title=f"Alarms in {footage_name(footage)}",
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


def report_training(
    out: pathlib.Path,
    config: dict,
    metrics: dict,
    calibrate: VideoWindows,
    fitted: FittedDetector,
    explained: dict[str, np.ndarray],
    history: dict,
) -> None:
    from keras_anogan.runs.report import write_video_report

    scores = scores_by_frame(calibrate, explained["score"])
    order = np.argsort(-explained["score"], kind="stable")[[0, len(explained["score"]) // 2, -1]]
    panels = []
    for what, number in zip(("highest", "middle", "lowest"), order, strict=True):
        place = int(calibrate.starts[number]) + calibrate.sample_size - 1
        day, recording, frame = calibrate.footage.where(place)
        title = f"{what} score of the calibration: {explained['score'][number]:.4g} ({day}/{recording}, frame {frame})"
        panels.append((title, alarm_panels(fitted, calibrate.footage, place)))
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

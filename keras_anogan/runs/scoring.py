"""Score new data with a finished run: images, tables and footage, by one path."""

from __future__ import annotations

import csv
import pathlib
import time
from typing import Any

import numpy as np

from keras_anogan import evaluation
from keras_anogan.files import replacing
from keras_anogan.runs.alarms import annotate_video, find_events, write_events
from keras_anogan.runs.checks import check_export, check_scoring
from keras_anogan.runs.examples import ScoredRows, kinds_of
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.runs.inputs import Inputs, read_inputs
from keras_anogan.runs.regions import COLUMNS, Region, numbers_and_regions, region_columns, write_regions
from keras_anogan.runs.report import EVENTS, report_scoring
from keras_anogan.runs.report_rows import report_rows
from keras_anogan.runs.score_pictures import write_grid, write_maps
from keras_anogan.runs.tasks.images import parts_of
from keras_anogan.runs.verdict import add_chances, over_parts, verdict
from keras_anogan.serving.scoring import Scorer, column_deviations
from keras_anogan.video import check_video_target, scores_by_frame
from keras_anogan.words import counted

TERMS = ("img_distance", "feature_distance", "score", "z_distance")  # f-AnoGAN's, in the order of its published code
ENDS = ("regions", *(f"region_{name}" for name in COLUMNS), "deviates_in")  # columns behind the alarm
NO_TERMS = ("p_value", "is_anomaly", "peak", *ENDS)
Results = dict[str, Any]


def score(
    run: Any,
    data: Any,
    out: Any,
    maps: Any = None,
    overlay: Any = None,
    grid_lines: int = 0,
    skip_broken: bool = False,
    min_area: int = 0,
    labels: Any = None,
    annotate: Any = None,
    alpha: float | None = None,
    kind: str | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Score data with a finished run: one CSV line for each image, row, or frame of footage.

    Args:
        run: run folder.
        data: "mnist", "digits" or "cifar10" (the run's own test rows), a folder of images, a table file, or footage as
            `video.open_footage` takes it: whatever the run was trained on.
        out: CSV file. Images and tables: id, label if known, terms of the score, anomaly_score, p_value if known,
            is_anomaly; for a table also deviates_in, the columns that fit worst with the row's other cells; for images
            whose map has a threshold `regions`, how many connected ones are above it, and box, area and peak of the one
            with the highest peak, in pixels of the photograph. `<out>_regions.csv` has all of them.
            Footage: day, recording, frame, seconds in the recording if known, label if known, anomaly_score, p_value if
            known, is_anomaly, empty where no window judges a frame; a window judges its last frame. Beside it
            `<out>_events.csv` with begin, end and duration of each event, `<out>_alarms.png`.
            Beside all of them the report `<out>.html`.
        maps: images: folder for one heat map each, a PNG of its image's name, black for 0 to yellow for 1 and more;
            None for none.
        overlay: images: folder for the photographs at their own size, named alike, with the map laid over them and the
            outline of what is marked; None for none.
        grid_lines: images: lines of a picture beside the CSV, `<out>_grid.png`, at most 60: input, reconstruction,
            difference and marked pixels, from the most to the least anomalous image; 0 for none.
        skip_broken: leave out image files that can't be read.
        min_area: images: smaller regions, in pixels of the photograph, are left out, and an image without another is
            no alarm. The served model does not look at areas.
        labels: footage: file with one 0 or 1 for each frame, in order (.npy or text), or an array.
        annotate: footage: video file to write, of the source's size: a red edge at alarms, and the score; None for
            none.
        alpha: another false-alarm rate than the run was trained for.
        kind: "images", "table" or "footage": the only kind of run that is taken; None takes all.
        say: takes one line of news at a time.

    Returns:
        `rows` (lines), `what` they are, `judged`, `alarms`, `remarks`, `verdict` (a sentence); `auroc`,
        `false_alarm_rate`, `detection_rate` where labels are known; of footage also `frames` and `events`.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run or data.
    """
    out = pathlib.Path(out)
    check_scoring(run, data, out, maps, overlay, grid_lines, labels, annotate, kind, skip_broken, alpha, min_area)
    if annotate is not None:
        check_video_target(annotate)
    loaded = load_run(run, alpha)
    scorer = Scorer(loaded.fitted)
    if (maps or overlay or grid_lines) and "anomaly_map" not in scorer.names():
        raise ValueError(
            "Expected a run of a detector with maps for maps, overlays and a grid. "
            f"Received: one of {loaded.arguments.detector}."
        )
    if min_area and not marks_pixels(loaded, scorer):
        raise ValueError(
            f"Expected a run whose maps have a threshold for --min-area. Received: one of {loaded.arguments.detector}."
        )
    inputs = read_inputs(loaded, data, skip_broken, labels)
    begun = time.perf_counter()
    results, regions = judged(loaded, scorer, inputs, min_area)
    out.parent.mkdir(parents=True, exist_ok=True)
    if inputs.footage is None:
        write_scores(out, inputs, results)
        if regions is not None:
            write_regions(out.with_name(f"{out.stem}_regions.csv"), inputs.ids["id"], regions)
    else:
        say(f"Judged {counted(len(results['score']), 'windows')} in {time.perf_counter() - begun:.1f} s.")
        results = {key: scores_by_frame(inputs.rows, values) for key, values in results.items()}
        write_scores(out, inputs, {key: results[key] for key in ("score", "p_value", "is_anomaly") if key in results})
    summary = _summary(loaded, inputs, results)
    if min_area:
        summary["remarks"].append(f"Marked regions of fewer than {min_area:,} pixels raise no alarm (--min-area).")
    if maps is not None or overlay is not None:
        folders = [None if folder is None else pathlib.Path(folder) for folder in (maps, overlay)]
        write_maps(scorer, inputs, folders[0], folders[1], min_area)
    if inputs.footage is not None:
        _report_alarms(out, loaded, inputs, results, summary, annotate, say)
    else:
        _report(out, loaded, inputs, results, summary, grid_lines, min_area)
    return summary


def marks_pixels(run: Run, scorer: Scorer) -> bool:
    """Whether a run's maps have a threshold of their own or the score's."""
    return "anomaly_map" in scorer.names() and run.fitted.pixel_threshold is not None


def judged(run: Run, scorer: Scorer, inputs: Inputs, min_area: int = 0) -> tuple[Results, list[list[Region]] | None]:
    """What is known of each row, by column, and the regions of each image; whoever scores, scores by it.

    Args:
        run: the finished run.
        scorer: of its detector.
        inputs: rows or windows.
        min_area: images: as `score` takes it.

    Returns:
        Columns of a file of scores, a value for each row or window, (n,) each; and the regions, None where none are
        marked.
    """
    if inputs.footage is not None or not marks_pixels(run, scorer):
        results: Results = dict(scorer.numbers(inputs.rows))
        regions = None
    else:
        results, regions = numbers_and_regions(scorer, inputs.rows, min_area)
        results |= region_columns(regions)
    found = column_deviations(run.fitted, inputs.rows, most=3) if run.kind == "table" else []
    if found:
        results["deviates_in"] = ["; ".join(f"{name} {share:.0%}" for name, share in row) for row in found]
    return results, regions


def _summary(run: Run, inputs: Inputs, results: Results) -> dict[str, Any]:
    told, alarms = np.isfinite(results["score"]), results["is_anomaly"] == 1
    summary: dict[str, Any] = {
        "rows": len(results["score"]),
        "what": {"images": "images", "table": "rows", "footage": "frames"}[run.kind],
        "judged": int(told.sum()) if run.kind == "footage" else len(told),
        "alarms": int(alarms.sum()),
        "remarks": list(inputs.remarks),
    }
    if inputs.labels is not None:
        told = told if run.kind == "footage" else np.ones(len(told), bool)
        known = inputs.labels[told]
        rates = evaluation.alarm_rates(known, alarms[told])
        summary |= {key: rates[key] for key in ("false_alarm_rate", "detection_rate")}
        if 0 < known.sum() < len(known):
            summary["auroc"] = evaluation.auroc(known, results["score"][told])
    return summary


def score_columns(results: Results) -> list[str]:
    """Names of the columns of `results` as a file of scores has them: numbers first, the alarm, what is behind it."""
    terms = [key for key in TERMS if key in results]
    terms += [key for key in results if key not in (*TERMS, *NO_TERMS)]
    numbers = [*terms, *(["p_value"] if "p_value" in results else [])]
    return [*numbers, "is_anomaly", *(key for key in ENDS if key in results)]


def write_scores(out: pathlib.Path, inputs: Inputs, results: Results) -> None:
    """Write one line for each row or frame; cells of a frame that nothing judges are empty."""
    columns = score_columns(results)
    names = [*inputs.ids, *(["label"] if inputs.labels is not None else [])]
    with replacing(out) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *("anomaly_score" if key == "score" else key for key in columns)])
        for i in range(len(results["score"])):
            line = [column[i] for column in inputs.ids.values()]
            line += [] if inputs.labels is None else [int(inputs.labels[i])]
            if inputs.footage is not None and np.isnan(results["score"][i]):
                writer.writerow([*line, *[""] * len(columns)])
                continue
            writer.writerow([*line, *(_cell(key, results[key][i]) for key in columns)])


def _cell(column: str, value: Any) -> Any:
    """A value as a CSV file has it."""
    if column == "is_anomaly":
        return int(value)
    return value if column in ENDS else f"{value:.{4 if column == 'p_value' else 9}g}"


def _report(
    out: pathlib.Path,
    run: Run,
    inputs: Inputs,
    results: Results,
    summary: dict[str, Any],
    grid_lines: int,
    min_area: int,
) -> None:
    """The report of scored images or rows, and, if asked for, a sheet of images."""
    ids = [", ".join(map(str, names)) for names in zip(*inputs.ids.values(), strict=True)]
    kinds = None if inputs.labels is None else kinds_of(ids)
    scored = ScoredRows(inputs.rows, ids, results, inputs.labels, kinds, raw=inputs.raw, least_area=min_area)
    threshold = run.fitted.threshold
    summary |= {
        "threshold": threshold.threshold,
        "keeps_alpha": threshold.keeps_alpha,
        "alpha": getattr(threshold, "alpha", None),
    }
    metrics = {**summary, "rows": run.metrics.get("rows", {})}
    if run.fitted.pixel_threshold is not None:
        metrics["map_threshold"] = run.fitted.pixel_threshold
    if inputs.labels is not None:
        metrics["alarms"] = evaluation.alarm_counts(inputs.labels, results["is_anomaly"])
        pattern = getattr(run.arguments, "group", None)
        parts = None if pattern is None else parts_of(inputs.ids["id"], pattern)
        add_chances(metrics, inputs.labels, kinds, results, {}, parts)
    report_rows(out.with_suffix(".html"), run.folder, scored, run.fitted, metrics, run.arguments)
    summary["verdict"] = f"{verdict(metrics)} {over_parts(metrics)}".strip()
    if grid_lines > 0:
        target = out.with_suffix("")
        write_grid(target.with_name(f"{target.name}_grid.png"), scored, run.fitted, grid_lines)


def _report_alarms(
    out: pathlib.Path, run: Run, inputs: Inputs, frames: Results, summary: dict[str, Any], annotate: Any, say: Say
) -> None:
    """The events of scored footage, its report, and, if asked for, the footage with alarms marked."""
    footage, fitted = inputs.footage, run.fitted
    assert footage is not None
    alarms = frames["is_anomaly"] == 1.0
    events = find_events(footage, alarms, frames["score"])
    summary |= {"frames": len(footage), "events": len(events)}
    write_events(out.with_name(f"{out.stem}_events.csv"), events)
    for event in events[:EVENTS]:
        say(f"Alarm in {event.title}.")
    if len(events) > EVENTS:
        say(f"{counted(len(events) - EVENTS, 'more events')}: {out.stem}_events.csv.")
    summary["verdict"] = verdict(summary)
    report_scoring(out, run.folder, footage, fitted, frames, inputs.labels, events, summary)
    if annotate is not None:
        annotate_video(pathlib.Path(annotate), footage, frames["score"], alarms, fitted.threshold.threshold)


def export(run: Any, folder: Any, alpha: float | None = None) -> None:
    """Write the SavedModel of a finished run to `folder`, after proving that it scores as `predict` does.

    Args:
        run: run folder.
        folder: new folder, e.g. serving/1.
        alpha: another false-alarm rate than the run was trained for.

    Raises:
        FileNotFoundError, FileExistsError, ValueError, RuntimeError: see `load_run`, `FittedDetector.export`.
    """
    check_export(run, folder, alpha)
    load_run(run, alpha).fitted.export(folder)

"""What reports of images and of tables show, of a training and of a scoring alike."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from keras_anogan import plots
from keras_anogan.runs.examples import ScoredRows, examples_of, map_scale
from keras_anogan.runs.page import write_page
from keras_anogan.runs.tiles import kind_lines, row_tiles
from keras_anogan.runs.verdict import baseline_name, judge, over_parts
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.words import counted

MOST_IMAGES, MOST_ROWS = 8, 12  # in one section of a report


def report_rows(
    out: pathlib.Path,
    run: pathlib.Path,
    scored: ScoredRows,
    fitted: FittedDetector,
    metrics: dict[str, Any],
    arguments: Any,
) -> None:
    """Write the report of scored images or rows.

    Args:
        out: the page.
        run: the run folder, to be named.
        scored: the rows, and what the detector said.
        fitted: the detector with its threshold.
        metrics: what `judge` takes.
        arguments: of the run.
    """
    asked, promise = promise_of(metrics["alpha"], arguments.k, fitted, metrics["what"])
    write_page(
        out,
        "rows.html.jinja",
        **rows_values(scored, fitted, metrics, asked, {}),
        title=f"{counted(len(scored.ids), metrics['what'])} scored",
        config=None,
        run=str(run),
        detector=str(arguments.detector),
        warnings=metrics["remarks"],
        verdict=judge(metrics),
        metrics=metrics,
        noun=metrics["what"],
        promise=promise,
        baselines=[],
        samples=None,
        columns=[],
    )


def rows_values(
    scored: ScoredRows, fitted: FittedDetector, metrics: dict[str, Any], asked: str, baselines: dict[str, np.ndarray]
) -> dict[str, Any]:
    """What the template shows of rows: tiles, figures, kinds and examples.

    Args:
        scored, fitted: the rows, and what judged them.
        metrics: content of `metrics.json`, or what scored data have of it.
        asked: the rate that was asked for, in a few words.
        baselines: scores of the rows by name, for the curves.
    """
    named = {baseline_name(name): values for name, values in baselines.items()}
    kinds = kind_lines(metrics)
    groups = _groups(scored)
    worst = {line["kind"]: missed[-1] for line in kinds if len(missed := scored.misses(line["kind"]))}
    wanted = [number for group in groups for number in group["numbers"]] + list(worst.values())
    examples = examples_of(wanted, scored, fitted)
    first = next((group for group in groups if len(group["numbers"])), None)
    for group in groups:
        group["examples"] = [examples[int(number)] for number in group["numbers"]]
        group["explains"] = group is first
    for line in kinds:
        line["worst"] = examples[int(worst[line["kind"]])] if line["kind"] in worst and scored.raw is None else None
    return {
        "tiles": row_tiles(metrics, asked),
        "over_parts": over_parts(metrics),
        "figures": _figures(scored, fitted, asked, named, metrics.get("what", "test rows")),
        "scale": map_scale(fitted),
        "kinds": kinds,
        "groups": groups,
        "has_p": "p_value" in scored.results,
        "has_own": "own_score" in scored.results,
        "reconstructs": any(getattr(example, "reconstruction", None) is not None for example in examples.values()),
        "has_deviations": any(getattr(example, "deviations", None) for example in examples.values()),
    }


def promise_of(alpha: float | None, k: float, fitted: FittedDetector, noun: str) -> tuple[str, str]:
    """What the threshold keeps of normal rows: in a few words, and in a sentence."""
    rate = "" if alpha is None else f"{100 * alpha:.4g} %"
    if fitted.threshold.takes_groups:
        return f"asked for: {rate}", (
            f"On average over such calibrations at most {rate} of normal {noun} raise an alarm, as long as they "
            "resemble those."
        )
    if fitted.threshold.keeps_alpha:
        return f"asked for: {rate}", f"It lies where the tail of their scores leaves {rate} of normal {noun}."
    return f"k = {k:g}", (
        f"It is a mean of their scores plus {k:g} standard deviations, as {type(fitted.threshold).__name__} forms them."
    )


def _figures(
    scored: ScoredRows, fitted: FittedDetector, asked: str, baselines: dict[str, np.ndarray], what: str
) -> dict[str, Any]:
    scores, labels = scored.results["score"], scored.labels
    threshold: Any = fitted.threshold
    calibration = np.asarray(threshold.calibration)[: threshold.seen] if hasattr(threshold, "calibration") else None
    known: Any = labels if labels is not None and 0 < labels.sum() < len(labels) else None
    draw: Any = plots.themed_uris
    return {
        "histogram": draw(lambda: plots.plot_histogram(scores, labels, threshold.threshold, asked, calibration, what)),
        "roc": None if known is None else draw(lambda: plots.plot_roc(known, scores, baselines)),
        "pr": None if known is None else draw(lambda: plots.plot_precision_recall(known, scores, baselines)),
        "history": [],
        "health": [],
    }


def _groups(scored: ScoredRows) -> list[dict[str, Any]]:
    """Sections of examples: what was missed, what was a false alarm, and both ends of the scores."""
    most = MOST_IMAGES if scored.raw is None else MOST_ROWS
    found = []
    if scored.labels is not None and scored.labels.any():
        found.append(("misses", "Misses", scored.misses(), "Anomalous, and no alarm; the highest score first."))
    if scored.labels is not None and not scored.labels.all():
        found.append(("false", "False alarms", scored.false_alarms(), "Normal, and an alarm; the highest score first."))
    ends = 6 if scored.raw is None else MOST_ROWS
    rest = scored.ranked[ends:]  # nothing is shown as the most and the least anomalous one
    found.append(("most", "Most anomalous", scored.ranked[:ends], ""))
    found += [("least", "Least anomalous", rest[::-1][:ends], "")] if len(rest) else []
    return [
        {"id": key, "heading": heading, "numbers": numbers[:most], "total": len(numbers), "intro": intro}
        for key, heading, numbers, intro in found
    ]

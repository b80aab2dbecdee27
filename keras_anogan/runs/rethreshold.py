"""Another threshold for a finished run: in its detector, its SavedModel, its numbers and its report, or in none."""

from __future__ import annotations

import datetime
import pathlib
import re
import shutil
from typing import Any

from keras_anogan.files import write_json
from keras_anogan.runs.checks import check_new_threshold
from keras_anogan.runs.folder import READY, Run, finish_threshold, load_run
from keras_anogan.runs.inputs import read_inputs
from keras_anogan.runs.verdict import percent
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import Scorer
from keras_anogan.thresholds import calibration_interval, calibration_needed, lowest_alpha
from keras_anogan.words import counted

NOTE = re.compile(r"<!-- threshold -->.*?<!-- /threshold -->", re.DOTALL)  # where the report tells of it


def set_threshold(run: Any, alpha: float | None = None, recalibrate: Any = None) -> dict[str, Any]:
    """Give a finished run the threshold of another rate of false alarms, or of new normal data.

    Args:
        run: its folder.
        alpha: the rate to keep; default: the run's.
        recalibrate: normal data in the form that the run scores; default: the calibration scores that the run keeps.

    Returns:
        `threshold` and `before`, `alpha`, `rows` (calibration scores), `low` and `high` (see
        `thresholds.calibration_interval`), and `sentence`, which tells all of it.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with run, rate or data; the run stays as it was.
        RuntimeError: if the new SavedModel scores differently; the run stays as it was.
    """
    check_new_threshold(run, alpha, recalibrate)
    loaded = load_run(run)
    fitted = loaded.fitted
    before = fitted.threshold.threshold
    if not fitted.threshold.takes_groups:
        raise ValueError(
            f"Expected a run with a conformal or quantile threshold. Received: {type(fitted.threshold).__name__}; "
            "train again with --threshold conformal."
        )
    alpha = fitted.threshold.alpha if alpha is None else alpha
    fitted = load_run(run, alpha).fitted if recalibrate is None else _recalibrated(loaded, recalibrate, alpha)
    rows = fitted.threshold.seen
    low, high = calibration_interval(alpha, rows)
    result = {"alpha": alpha, "rows": rows, "low": low, "high": high}
    result |= {"threshold": fitted.threshold.threshold, "before": before}
    source = "" if recalibrate is None else " of new normal data"
    result["sentence"] = (
        f"The threshold is {result['threshold']:.6g}, {before:.6g} before: {percent(alpha)} of false alarms, by "
        f"{counted(rows, 'calibration scores')}{source}, which leave {percent(low)[:-2]} to {percent(high)} to chance."
    )
    _write(loaded, fitted, result)
    return result


def _recalibrated(loaded: Run, data: Any, alpha: float) -> FittedDetector:
    """The detector with thresholds of the scores of normal data.

    Raises:
        ValueError: for data in which anomalies are labelled, too few rows, or a score that is not finite.
    """
    inputs = read_inputs(loaded, data)
    if inputs.labels is not None and inputs.labels.any():
        raise ValueError(
            f"Expected normal data to calibrate with. Received: {counted(int(inputs.labels.sum()), 'anomalies')} of "
            f"{counted(len(inputs.labels), 'rows')}."
        )
    old = loaded.fitted
    found = Scorer(old).numbers(inputs.rows)
    have = len(found["score"])
    if have < calibration_needed(alpha):
        raise ValueError(
            f"Expected at least {calibration_needed(alpha):,} normal rows for a rate of {percent(alpha)}. "
            f"Received: {have:,}, which allow --alpha {lowest_alpha(have):.4f}."
        )
    threshold: Any = type(old.threshold)(alpha, capacity=have)
    over_map: Any = None if old.map_threshold is None else type(old.map_threshold)(alpha, capacity=have)
    return FittedDetector(
        old.preprocessing,
        old.detector,
        threshold.adapt(found["score"]),
        raw_shape=None if old.raw_columns else old.raw_shape,
        raw_dtype=None if old.raw_columns else old.raw_dtype,
        map_threshold=None if over_map is None else over_map.adapt(found["peak"]),
    )


def _write(loaded: Run, fitted: FittedDetector, result: dict[str, Any]) -> None:
    """Write everything beside the run first, then put it into place."""
    work = loaded.folder / f"{READY}.unfinished"
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
        fitted.save(work / "detector.keras")
        fitted.export(work / "serving" / "1")
        changed = {key: result[key] for key in ("alpha", "threshold")}
        if fitted.pixel_threshold is not None:
            changed["map_threshold"] = fitted.pixel_threshold
        write_json(work / "metrics.json", {**loaded.metrics, "set_later": {**changed, "rows": result["rows"]}})
        _write_report(loaded.folder / "report.html", work / "report.html", result["sentence"])
        work.rename(loaded.folder / READY)  # from here on it is done, whatever interrupts it
    finally:
        shutil.rmtree(work, ignore_errors=True)
    finish_threshold(loaded.folder)


def _write_report(old: pathlib.Path, new: pathlib.Path, sentence: str) -> None:
    """The report with a note on top, in place of one of before."""
    if not old.exists():
        return
    page = old.read_text(encoding="utf-8")
    today = datetime.date.today().isoformat()
    note = (
        f'<!-- threshold --><p role="note"><strong>Set later, {today}.</strong> {sentence} What stands below is of the '
        "training's threshold.</p><!-- /threshold -->"
    )
    if NOTE.search(page):
        page = NOTE.sub(lambda _: note, page, count=1)
    else:
        page = page.replace('<p class="verdict', f'{note}\n<p class="verdict', 1)
    new.write_text(page, encoding="utf-8")

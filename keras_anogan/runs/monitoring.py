"""Do alarms and scores of new data still look as they did when the threshold was set?"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan import evaluation, plots
from keras_anogan.runs.checks import check_monitoring
from keras_anogan.runs.folder import load_run
from keras_anogan.runs.page import write_page
from keras_anogan.runs.verdict import Verdict, percent
from keras_anogan.thresholds import calibration_interval
from keras_anogan.words import counted, listed

FAR, RARE = 0.1, 1e-3  # a drift: distance of the distributions, and its p-value over all periods


@dataclasses.dataclass(frozen=True)
class Period:
    """What was scored in one day, or in one file.

    Attributes:
        name: the day, or the file.
        rows: how many were judged.
        alarms: how many of them.
        interval: 95 % interval of the rate of alarms (Clopper and Pearson).
        median: of the scores.
        distance: Kolmogorov and Smirnov's, the largest difference between the shares of this period's scores and of the
            calibration's that lie below a value.
        p_value: how rare such a distance is where nothing has changed.
        more: whether there are more alarms than the threshold leaves to chance.
        drifted: whether the scores are distributed otherwise.
    """

    name: str
    rows: int
    alarms: int
    interval: tuple[float, float]
    median: float
    distance: float
    p_value: float
    more: bool
    drifted: bool

    @property
    def rate(self) -> float:
        return self.alarms / self.rows


def monitor(run: Any, scored: Sequence[Any], out: Any = "monitor.html") -> dict[str, Any]:
    """Compare what `score` wrote over time with the calibration of a run, and write a page.

    A period is a day, where the file has days, or else a file. It has more alarms than expected if the exact interval
    of its rate lies above that of the threshold's own rate (`thresholds.calibration_interval`). Its scores have drifted
    if they differ from the calibration's by more than 0.1 (Kolmogorov and Smirnov) and chance makes that rarer than one
    in a thousand, over all periods. Both take rows for independent; frames of footage are not, so that a day of them is
    soon unusual.

    Args:
        run: a finished run with a conformal or quantile threshold.
        scored: CSV files that `score` wrote of new data.
        out: the page.

    Returns:
        `sentence`; `unusual`, whether any period has more alarms or has drifted; `periods`, a `Period` each.

    Raises:
        FileNotFoundError, ValueError: one sentence: no finished run, another threshold, no file of scores.
    """
    files, out = [pathlib.Path(path) for path in scored], pathlib.Path(out)
    check_monitoring(run, files, out)
    loaded = load_run(run)
    threshold: Any = loaded.fitted.threshold
    if not threshold.takes_groups:
        raise ValueError(
            f"Expected a run with a conformal or quantile threshold. Received: {type(threshold).__name__}, which keeps "
            "no calibration scores."
        )
    calibration = np.asarray(threshold.calibration)[: threshold.seen]
    expected = calibration_interval(threshold.alpha, threshold.seen)
    found = _read(files)
    periods = [
        _judged(name, scores, calibration, threshold.threshold, expected, len(found)) for name, scores in found.items()
    ]
    sentence = _sentence(periods, threshold.alpha)
    out.parent.mkdir(parents=True, exist_ok=True)
    newest = np.asarray(found[periods[-1].name])
    newest = newest[np.isfinite(newest)]
    draw: Any = plots.themed_uris
    write_page(
        out,
        "monitor.html.jinja",
        title=f"{loaded.folder.resolve().name}, {counted(len(periods), 'periods')}",
        verdict=Verdict("bad" if any(p.more or p.drifted for p in periods) else "good", sentence),
        warnings=[],
        tiles=[],
        config=None,
        periods=periods,
        percent=percent,
        alpha=percent(threshold.alpha),
        expected=expected,
        footage=loaded.kind == "footage",
        threshold=threshold.threshold,
        seen=threshold.seen,
        figures={
            "history": [],
            "rates": draw(
                lambda: plots.plot_rates(
                    [p.name for p in periods],
                    [p.rate for p in periods],
                    [p.interval for p in periods],
                    expected,
                    [p.more for p in periods],
                )
            ),
            "scores": draw(
                lambda: plots.plot_histogram(
                    newest, None, threshold.threshold, "", calibration, f"last: {periods[-1].name}"
                )
            ),
        },
    )
    return {"sentence": sentence, "unusual": any(p.more or p.drifted for p in periods), "periods": periods}


def _read(files: Sequence[pathlib.Path]) -> dict[str, list[float]]:
    """Scores by period, in the order of the files; lines that nothing judged are left out.

    Raises:
        ValueError: for a file without scores.
    """
    found: dict[str, list[float]] = {}
    names = [path.stem for path in files]
    for path in files:
        name = path.stem if names.count(path.stem) == 1 else str(path)
        with open(path, newline="", encoding="utf-8") as file:
            for number, line in enumerate(csv.DictReader(file), start=2):
                try:
                    cell = line["anomaly_score"].strip()
                    if cell:
                        found.setdefault(line.get("day") or name, []).append(float(cell))
                except (KeyError, AttributeError, ValueError):  # a short line has None
                    raise ValueError(
                        f"Expected a CSV file that `score` wrote, with anomaly_score. Received: {path}, line {number}."
                    ) from None
    if not found:
        raise ValueError(f"Expected scores to compare. Received: none in {listed([str(path) for path in files])}.")
    return found


def distance_of(scores: Any, calibration: Any) -> tuple[float, float]:
    """Kolmogorov and Smirnov's distance of finite scores from those of a calibration, and its p-value."""
    from scipy import stats

    test = stats.ks_2samp(scores, calibration)
    return float(test.statistic), float(test.pvalue)


def is_drift(distance: float, p_value: float, periods: int = 1) -> bool:
    """Whether scores are distributed otherwise: by more than 0.1, which chance makes rarer than one in a thousand."""
    return distance > FAR and p_value * periods < RARE


def _judged(
    name: str,
    scores: Sequence[float],
    calibration: np.ndarray,
    threshold: float,
    expected: tuple[float, float],
    periods: int,
) -> Period:
    values = np.asarray(scores)
    alarms = int(((values > threshold) | ~np.isfinite(values)).sum())  # as a threshold judges them
    interval = evaluation.rate_interval(alarms, len(values))
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError(f"Expected scores that are numbers. Received: none in {name}.")
    distance, p_value = distance_of(finite, calibration)
    return Period(
        name=name,
        rows=len(values),
        alarms=alarms,
        interval=interval,
        median=float(np.median(finite)),
        distance=distance,
        p_value=p_value,
        more=interval[0] > expected[1],
        drifted=is_drift(distance, p_value, periods),
    )


def _sentence(periods: Sequence[Period], alpha: float) -> str:
    """What a person should do about it, in one or two sentences."""
    more, drifted = ([p.name for p in periods if getattr(p, key)] for key in ("more", "drifted"))
    of = counted(len(periods), "periods")
    if not more and not drifted:
        return f"As expected: {of} with alarms and scores like the calibration's (asked for: {percent(alpha)})."
    said = [f"more alarms than the threshold leaves to chance in {_some(more)}"] if more else []
    said += [f"scores unlike the calibration's in {_some(drifted)}"] if drifted else []
    told = " and ".join(said)
    return (
        f"{told[0].upper()}{told[1:]}, of {of}. Look at what is different; if that is normal now, keras-anogan "
        "threshold --recalibrate, or a new training, fits the detector to it."
    )


def _some(names: Sequence[str]) -> str:
    return listed(list(names)) if len(names) <= 3 else f"{len(names)} of them, the last one {names[-1]}"

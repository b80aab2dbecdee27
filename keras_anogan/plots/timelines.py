"""Figures over time: scores of footage, and of a stream."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from keras_anogan.plots.style import ANOMALOUS, BASELINE, NORMAL, tidy


def plot_timeline(
    scores: np.ndarray,
    threshold: float,
    labels: np.ndarray | None = None,
    days: dict[str, tuple[int, int]] | None = None,
) -> Figure:
    """Scores of frames over time, a panel for each day, with the threshold; the truth is shaded where it is known.

    Args:
        scores: (frames,), NaN where a frame is not judged.
        threshold: above which there is an alarm.
        labels: (frames,): 1 anomalous, 0 normal; None where nobody knows.
        days: name -> (first frame, frame after the last); None for a single panel.
    """
    panels = days or {"": (0, len(scores))}
    figure = Figure(figsize=(9.0, 1.2 + 1.25 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    finite = scores[np.isfinite(scores)]
    top = 1.08 * max([*finite, threshold if np.isfinite(threshold) else 0.0, 1e-12])
    ink = matplotlib.rcParams["text.color"]
    for axes, (day, (first, last)) in zip(grid, panels.items(), strict=True):
        values, frames = scores[first:last], np.arange(last - first)
        if labels is not None:
            truth = labels[first:last] == 1
            axes.fill_between(frames, 0, top, where=truth, color=ANOMALOUS, alpha=0.18, linewidth=0, label="anomalous")
        axes.plot(frames, values, color=NORMAL, linewidth=0.9, label="score")
        with np.errstate(invalid="ignore"):
            alarms = np.flatnonzero(values > threshold)
        axes.plot(alarms, values[alarms], ".", color=ANOMALOUS, markersize=3, label="alarm")
        axes.axhline(threshold, color=ink, linewidth=0.9, linestyle="--", label=f"threshold {threshold:.4g}")
        axes.set(ylim=(0, top), xlim=(0, max(1, last - first - 1)), ylabel=f"{day}\nscore" if day else "score")
        tidy(axes, legend=None)
    grid[-1].set_xlabel("Frame")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def plot_stream(
    frames: np.ndarray, errors: np.ndarray, thresholds: np.ndarray, labels: np.ndarray | None = None
) -> Figure:
    """Errors of a stream with the threshold that each was compared with.

    Args:
        frames: (n,), the number of each frame.
        errors, thresholds: (n,); a threshold may be -inf before anything was learned.
        labels: (frames,): 1 anomalous, 0 normal; None where nobody knows.
    """
    figure = Figure(figsize=(9.0, 2.8), layout="constrained")
    axes = figure.subplots()
    finite = np.where(np.isfinite(thresholds), thresholds, np.nan)
    top = 1.08 * float(np.nanmax([np.nanmax(errors), *finite[np.isfinite(finite)]]))
    if labels is not None:
        truth = labels == 1
        axes.fill_between(np.arange(len(labels)), 0, top, where=truth, color=ANOMALOUS, alpha=0.18, linewidth=0)
    axes.plot(frames, errors, color=NORMAL, linewidth=0.9, label="error")
    axes.plot(frames, finite, color=BASELINE, linewidth=1.1, label="threshold")
    alarms = errors > thresholds
    axes.plot(frames[alarms], errors[alarms], ".", color=ANOMALOUS, markersize=4, label="alarm")
    axes.set(xlabel="Frame", ylabel="Error", ylim=(0, top), title="A stream, judged frame by frame")
    tidy(axes, legend="upper left")
    return figure

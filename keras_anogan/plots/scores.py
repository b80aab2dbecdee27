"""Figures of scores: curves over all thresholds, histograms, numbers by kind and by steps."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from keras_anogan.plots.style import ANOMALOUS, BASELINE, COLOURS, GUESS, KINDS, NORMAL, one_panel, tidy

LINES = (ANOMALOUS, NORMAL, *COLOURS[4:], "#c9a227")  # that stand out from the grey ones
BINS = (6, 60)  # of a histogram, at least and at most


def plot_roc(
    labels: np.ndarray, scores: np.ndarray, baselines: dict[str, np.ndarray], name: str = "detector"
) -> Figure:
    """ROC curves of a detector and of baselines on the same rows.

    Args:
        labels: (n,): 1 anomalous, 0 normal.
        scores: (n,), higher is more anomalous.
        baselines: scores (n,) by name.
        name: of the detector, in the legend.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    figure, axes = one_panel()
    for line, values, style in _lines(scores, baselines, name):
        false, hits, _ = roc_curve(labels, values)
        axes.plot(false, hits, label=f"{line}, area {roc_auc_score(labels, values):.4f}", **style)
    axes.plot([0, 1], [0, 1], color=GUESS, linewidth=1, zorder=0, label="guessing, 0.5")
    axes.set(xlabel="False alarms / normal rows", ylabel="Found / anomalous rows", title="ROC")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    tidy(axes, legend="best")
    return figure


def plot_precision_recall(
    labels: np.ndarray, scores: np.ndarray, baselines: dict[str, np.ndarray], name: str = "detector"
) -> Figure:
    """Precision-recall curves of a detector and of baselines on the same rows; arguments as in `plot_roc`."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure, axes = one_panel()
    for line, values, style in _lines(scores, baselines, name):
        precision, recall, _ = precision_recall_curve(labels, values)
        area = average_precision_score(labels, values)
        axes.plot(recall, precision, label=f"{line}, area {area:.4f}", **style)
    share = float(np.mean(labels))
    axes.axhline(share, color=GUESS, linewidth=1, zorder=0, label=f"guessing, {share:.4f}")
    axes.set(xlabel="Recall", ylabel="Precision", title="Precision-recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    tidy(axes, legend="lower left")
    return figure


def plot_histogram(
    scores: np.ndarray,
    labels: np.ndarray | None,
    threshold: float,
    note: str = "",
    calibration: np.ndarray | None = None,
    what: str = "scored rows",
) -> Figure:
    """Outlines of the scores of normal and anomalous rows over the same bins, with the threshold above them all.

    The axis is logarithmic where all scores are positive and more than a factor of two apart. On a linear one a few far
    scores would press all others into one bin; there the outer bins hold what lies beyond. Bins are as wide as the rule
    of Freedman and Diaconis makes them for the narrowest group, and 6 to 60 in number.

    Args:
        scores: (n,), higher is more anomalous.
        labels: (n,): 1 anomalous, 0 normal; None where nobody knows.
        threshold: above which there is an alarm.
        note: stands behind the threshold in the legend.
        calibration: scores (m,) that the threshold has seen, or None.
        what: the name of `scores` without labels.
    """
    ink = matplotlib.rcParams["text.color"]
    groups: list[tuple[str, np.ndarray, str]] = [(what, scores, ANOMALOUS if calibration is not None else NORMAL)]
    if labels is not None:
        groups = [(kind, scores[labels == k], (NORMAL, ANOMALOUS)[k]) for k, kind in enumerate(KINDS)]
    if calibration is not None:
        groups.append(("calibration", calibration, BASELINE))
    groups = [group for group in groups if len(group[1])]
    shown = threshold if np.isfinite(threshold) else float(np.max(scores))
    lowest = min(shown, *(float(values.min()) for _, values, _ in groups))
    highest = max(shown, *(float(values.max()) for _, values, _ in groups))
    logarithmic = lowest > 0.0 and highest > 2.0 * lowest
    edges = _edges([values for _, values, _ in groups], shown, logarithmic)
    figure, axes = one_panel()
    for name, values, colour in groups:
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        shares, width = counts / len(values), 1.2 if name == "calibration" else 1.7
        axes.stairs(shares, edges, color=colour, linewidth=width, label=f"{name} ({len(values):,})")
        if name != "calibration":
            axes.stairs(shares, edges, color=colour, alpha=0.2, fill=True)
    if np.isfinite(threshold):
        axes.axvline(threshold, color=ink, linewidth=1.4, linestyle="--", zorder=5)
    axes.plot([], [], color=ink, linestyle="--", label=f"threshold {threshold:.4g}{note and f' ({note})'}")
    room = 1e-6 * (edges[-1] - edges[0])  # rounding
    beyond = ", outer bins: this and beyond" if lowest < edges[0] - room or highest > edges[-1] + room else ""
    axes.set(xlabel=f"Anomaly score A(x){beyond}", ylabel="Share of its group")
    if logarithmic:
        axes.set_xscale("log")
        if edges[-1] < 50.0 * edges[0]:
            axes.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
            axes.xaxis.set_minor_formatter("{x:g}")
        else:
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter("{x:g}")
    _fit_axis(axes, edges, logarithmic)
    axes.tick_params(axis="x", which="both", pad=4)
    tidy(axes, legend=None)
    figure.legend(loc="outside upper left", ncols=2, fontsize=9, frameon=False)
    return figure


def _edges(groups: list[np.ndarray], threshold: float, logarithmic: bool) -> np.ndarray:
    """Edges of bins for groups of scores; the threshold lies within."""
    if logarithmic:
        return np.exp(_edges([np.log(values) for values in groups], float(np.log(threshold)), False))
    far = [np.quantile(values, (0.005, 0.995)) for values in groups]
    low, high = min(threshold, *(float(q[0]) for q in far)), max(threshold, *(float(q[1]) for q in far))
    least, most = (float(f([f(values) for values in groups])) for f in (np.min, np.max))
    if most - least <= 4.0 * (high - low):  # nothing is far from the others
        low, high = min(low, least), max(high, most)
    if high <= low:
        low, high = low - max(1e-3, 0.01 * abs(low)), high + max(1e-3, 0.01 * abs(high))
    widths = [np.diff(np.histogram_bin_edges(np.clip(values, low, high), bins="fd")[:2])[0] for values in groups]
    return np.linspace(low, high, int(np.clip(np.ceil((high - low) / min(widths)), *BINS)) + 1)


def _fit_axis(axes: Any, edges: np.ndarray, logarithmic: bool) -> None:
    """Limits a little beyond the outer bins, so that a threshold at the edge is seen too."""
    low, high = float(edges[0]), float(edges[-1])
    if logarithmic:
        room = (high / low) ** 0.03
        axes.set_xlim(low / room, high * room)
    else:
        room = 0.03 * (high - low)
        axes.set_xlim(low - room, high + room)


def plot_scores(scores: np.ndarray, labels: np.ndarray, name: str) -> Figure:
    """Outlines of the scores of normal and of anomalous rows over the same bins; both axes are linear.

    A few far scores would press all others into one bin. So the bins end at the 99.5 % quantile of the group that
    reaches farther, and the last bin holds what lies beyond.

    Args:
        scores: (n,), higher is more anomalous.
        labels: (n,): 1 anomalous, 0 normal; both kinds.
        name: of the score.
    """
    figure, axes = one_panel()
    groups = [scores[labels == k] for k in range(len(KINDS))]
    low, high = float(scores.min()), max(float(np.quantile(values, 0.995)) for values in groups)
    edges = np.linspace(low, high if high > low else low + 1.0, 51)
    for kind, values, colour in zip(KINDS, groups, (NORMAL, ANOMALOUS), strict=True):
        style: dict[str, Any] = {"color": colour, "label": f"{kind} ({len(values):,})", "linewidth": 1.6}
        counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
        axes.stairs(counts / len(values), edges, **style)
        axes.stairs(counts / len(values), edges, color=colour, alpha=0.2, fill=True)
    beyond = ", last bin: this and above" if scores.max() > edges[-1] else ""
    axes.set(xlabel=f"{name}{beyond}", ylabel="Share of its group", title=f"{name} of the test rows")
    tidy(axes, legend="best")
    return figure


def plot_by_kind(values: dict[str, dict[str, float]], measure: str) -> Figure:
    """A number for each kind of anomaly, as marks in one line for each kind, one mark and colour for each detector.

    Args:
        values: detector -> kind -> number in [0, 1].
        measure: what the number is.
    """
    first = next(iter(values.values()))
    kinds = sorted(first, key=first.__getitem__)
    figure = Figure(figsize=(6.4, 0.28 * len(kinds) + 1.3), layout="constrained")
    axes = figure.subplots()
    for (name, numbers), colour, marker in zip(values.items(), itertools.cycle(COLOURS), itertools.cycle("os^Dv*P")):
        axes.plot([numbers[kind] for kind in kinds], range(len(kinds)), marker, color=colour, label=name, alpha=0.9)
    axes.set(yticks=range(len(kinds)), yticklabels=kinds, xlabel=measure, title=f"{measure} by kind of anomaly")
    axes.set_xlim(right=1.02)
    tidy(axes, legend="best")
    return figure


def plot_by_steps(curves: dict[str, list[tuple[int, float]]], measure: str) -> Figure:
    """A number against steps, a line for each curve; from 1 on the axis is logarithmic.

    Args:
        curves: name -> (steps, number), steps in ascending order.
        measure: what the numbers are.
    """
    figure, axes = one_panel()
    for (name, points), colour in zip(curves.items(), itertools.cycle(COLOURS), strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=4, label=name)
    last = max(points[-1][0] for points in curves.values())
    ticks = [step for step in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if step <= last]
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xticks(ticks, [str(step) for step in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Steps", ylabel=measure, title=f"{measure} by steps")
    tidy(axes, legend="best")
    return figure


def plot_lines(
    curves: dict[str, list[tuple[float, float]]],
    x: str,
    y: str,
    beside: dict[str, list[tuple[float, float]]] | None = None,
) -> Figure:
    """Numbers against others, a line for each curve.

    Args:
        curves: name -> points in ascending order of their first number.
        x, y: what the two numbers are.
        beside: further curves, grey and dashed, such as those of somebody else.
    """
    figure, axes = one_panel()
    dashes = itertools.cycle(("--", ":", "-."))
    for (name, points), line in zip((beside or {}).items(), dashes, strict=False):
        axes.plot(*zip(*points, strict=True), color=BASELINE, linestyle=line, linewidth=1.2, label=name)
    for (name, points), colour in zip(curves.items(), itertools.cycle(LINES), strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, label=name)
    axes.set(xlabel=x, ylabel=y)
    whole = all(float(at).is_integer() for points in curves.values() for at, _ in points)
    axes.xaxis.set_major_locator(MaxNLocator(integer=whole))
    tidy(axes, legend="best")
    return figure


def _lines(
    scores: np.ndarray, baselines: dict[str, np.ndarray], name: str
) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    lines: list[tuple[str, np.ndarray, dict[str, Any]]] = [(name, scores, {"color": ANOMALOUS, "linewidth": 2.0})]
    styles = itertools.cycle(((BASELINE, "--"), (NORMAL, "-."), ("#7b5aa6", ":"), ("#4f9d69", (0, (5, 1, 1, 1, 1, 1)))))
    for (name, values), (colour, line) in zip(baselines.items(), styles, strict=False):
        lines.append((name, values, {"color": colour, "linewidth": 1.5, "linestyle": line}))
    return lines

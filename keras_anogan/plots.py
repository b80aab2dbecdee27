"""Figures. The only module that imports matplotlib; every function returns a Figure and draws on no screen."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from keras_anogan.pictures import to_pixels

NORMAL, ANOMALOUS, BASELINE, GUESS = "#4a86b5", "#d9644a", "#8a8d91", "#b8bcc0"


COLOURS = (ANOMALOUS, NORMAL, BASELINE, GUESS, "#7b5aa6", "#4f9d69")  # of several detectors


PAPERS = {"light": ("#ffffff", "#1d2226"), "dark": ("#1e242a", "#e4e8eb")}  # background and ink of a page


KINDS = ("normal", "anomalous")


MONITORS = ("diversity", "balance")  # logs of CollapseMonitor, which are no losses


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

    figure, axes = _panel()
    for line, values, style in _lines(scores, baselines, name):
        false, hits, _ = roc_curve(labels, values)
        axes.plot(false, hits, label=f"{line}, area {roc_auc_score(labels, values):.4f}", **style)
    axes.plot([0, 1], [0, 1], color=GUESS, linewidth=1, zorder=0, label="guessing, 0.5")
    axes.set(xlabel="False alarms / normal rows", ylabel="Hits / anomalous rows", title="ROC")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    _tidy(axes, legend="best")
    return figure


def plot_precision_recall(
    labels: np.ndarray, scores: np.ndarray, baselines: dict[str, np.ndarray], name: str = "detector"
) -> Figure:
    """Precision-recall curves of a detector and of baselines on the same rows; arguments as in `plot_roc`."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure, axes = _panel()
    for line, values, style in _lines(scores, baselines, name):
        precision, recall, _ = precision_recall_curve(labels, values)
        area = average_precision_score(labels, values)
        axes.plot(recall, precision, label=f"{line}, area {area:.4f}", **style)
    share = float(np.mean(labels))
    axes.axhline(share, color=GUESS, linewidth=1, zorder=0, label=f"guessing, {share:.4f}")
    axes.set(xlabel="Recall", ylabel="Precision", title="Precision-recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    _tidy(axes, legend="lower left")
    return figure


def plot_histogram(scores: np.ndarray, labels: np.ndarray | None, threshold: float, note: str = "") -> Figure:
    """Histogram of scores, normal and anomalous rows apart, with the threshold; its axis is logarithmic where all
    scores are positive and more than a factor of two apart. `note` stands behind the threshold in the legend."""
    figure, axes = _panel()
    low, high = float(scores.min()), float(scores.max())
    logarithmic = low > 0.0 and high > 2.0 * low
    span = np.geomspace if logarithmic else np.linspace
    edges = span(low, high if high > low else low + max(1e-3, 0.01 * abs(low)), 61).tolist()
    groups = (
        [("scored rows", scores, NORMAL)]
        if labels is None
        else [("normal", scores[labels == 0], NORMAL), ("anomalous", scores[labels == 1], ANOMALOUS)]
    )
    for name, values, colour in groups:
        if len(values):
            weights = np.full(len(values), 1.0 / len(values))
            axes.hist(values, bins=edges, weights=weights, color=colour, alpha=0.65, label=f"{name} ({len(values):,})")
    ink = matplotlib.rcParams["text.color"]
    axes.axvline(threshold, color=ink, linewidth=1.2, label=f"threshold {threshold:.4g}{note and f' ({note})'}")
    axes.set(xlabel="Anomaly score A(x)", ylabel="Share of its group", title="Anomaly scores of the test rows")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", pad=4)
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
    _tidy(axes, legend="upper left")
    return figure


def by_epoch(history: dict[str, list[float]]) -> list[dict[str, float]]:
    """Keras's `History.history` (name -> one number per epoch) as one dict of logs per epoch."""
    return [dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)]


def plot_history(phase: str, logs: list[dict[str, float]]) -> Figure:
    """Losses of one phase of training by epoch.

    Args:
        phase: its name.
        logs: one dict of losses per epoch, at least one.
    """
    figure, axes = _panel()
    losses = [key for key in logs[0] if key not in MONITORS and not key.endswith("gradient_norm")]
    _draw_by_epoch(axes, logs, losses)
    axes.set(xlabel="Epoch", ylabel="Loss, mean over the epoch", title=phase.replace("_", " "))
    _tidy(axes, legend="best")
    return figure


def plot_health(logs: list[dict[str, float]]) -> Figure | None:
    """Diversity and balance of a GAN by epoch (see `CollapseMonitor`), or None if nobody watched them."""
    if not all(key in logs[0] for key in MONITORS):
        return None
    figure, axes = _panel()
    _draw_by_epoch(axes, logs, list(MONITORS))
    axes.axhline(0.5, color=GUESS, linewidth=1, zorder=0)
    axes.set(xlabel="Epoch", ylabel="Diversity, balance", title="Generated against held-out images", ylim=(-0.02, None))
    _tidy(axes, legend="best")
    return figure


def plot_scores(scores: np.ndarray, labels: np.ndarray, name: str) -> Figure:
    """Outlines of the scores of normal and of anomalous rows over the same bins; both axes are linear.

    A few far scores would press all others into one bin. So the bins end at the 99.5 % quantile of the group that
    reaches farther, and the last bin holds what lies beyond.

    Args:
        scores: (n,), higher is more anomalous.
        labels: (n,): 1 anomalous, 0 normal; both kinds.
        name: of the score.
    """
    figure, axes = _panel()
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
    _tidy(axes, legend="best")
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
    _tidy(axes, legend="best")
    return figure


def plot_by_steps(curves: dict[str, list[tuple[int, float]]], measure: str) -> Figure:
    """A number against steps, a line for each curve; from 1 on the axis is logarithmic.

    Args:
        curves: name -> (steps, number), steps in ascending order.
        measure: what the numbers are.
    """
    figure, axes = _panel()
    for (name, points), colour in zip(curves.items(), itertools.cycle(COLOURS), strict=False):
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=4, label=name)
    last = max(points[-1][0] for points in curves.values())
    ticks = [step for step in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if step <= last]
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xticks(ticks, [str(step) for step in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Steps", ylabel=measure, title=f"{measure} by steps")
    _tidy(axes, legend="best")
    return figure


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
        _tidy(axes, legend=None)
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
    _tidy(axes, legend="upper left")
    return figure


def plot_panels(lines: list[tuple[str, dict[str, np.ndarray]]]) -> Figure:
    """Pictures in lines, each line with a title.

    Args:
        lines: (title, name -> uint8 (H, W) or (H, W, 3)), the same names in each.
    """
    names = list(lines[0][1])
    height, width = next(iter(lines[0][1].values())).shape[:2]
    figure = Figure(figsize=(2.6 * len(names), (2.5 * height / width + 0.55) * len(lines)), layout="constrained")
    grid = figure.subplots(len(lines), len(names), squeeze=False)
    for row, (title, pictures) in zip(grid, lines, strict=True):
        for axes, name in zip(row, names, strict=True):
            axes.imshow(pictures[name], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(name, fontsize=9)
        row[0].set_title(title, loc="left", fontsize=9.5, weight="bold")
    return figure


def save_panels(lines: list[tuple[str, dict[str, np.ndarray]]], path: Any) -> None:
    """Write `plot_panels` as a PNG."""
    plot_panels(lines).savefig(path, dpi=110, format="png")


def plot_images(rows: dict[str, np.ndarray], columns: int = 12) -> Figure:
    """Images in rows, each with its title on the left.

    Args:
        rows: title -> images in [-1, 1], (n, H, W, 1 or 3), or anomaly maps (n, H, W), of which 0 is black and 1 or
            more bright yellow.
        columns: images shown of each row.
    """
    columns = min(columns, max(len(images) for images in rows.values()))
    figure = Figure(figsize=(0.72 * columns + 1.5, 0.78 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (title, images) in zip(grid, rows.items(), strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, image in zip(line, images, strict=False):
            pixels = heat_pixels(image) if image.ndim == 2 else to_pixels(image)
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        line[0].text(-0.15, 0.5, title, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    return figure


def plot_comparison(x: np.ndarray, explained: dict[str, np.ndarray], columns: int = 12) -> Figure:
    """Input, reconstruction and pixel map of images, evenly from the lowest to the highest score.

    Args:
        x: images in [-1, 1], (n, H, W, 1 or 3).
        explained: what `Explainer.predict(x)` gives: `score`, `reconstruction`, `anomaly_map`.
        columns: images shown.
    """
    ranked = np.argsort(explained["score"], kind="stable")
    shown = ranked[np.linspace(0, len(ranked) - 1, min(columns, len(ranked))).astype(int)]
    titles = {"reconstruction": "reconstruction", "pixel map": "anomaly_map"}
    return plot_images({"input": x[shown], **{title: explained[key][shown] for title, key in titles.items()}}, columns)


def heat_pixels(anomaly_map: np.ndarray) -> np.ndarray:
    """An anomaly map (H, W) as a uint8 RGB picture (H, W, 3): black is 0, bright yellow is 1 or more."""
    colours = matplotlib.colormaps["inferno"](np.clip(anomaly_map, 0.0, 1.0))
    return np.round(colours[..., :3] * 255).astype("uint8")


def themed_uris(draw: Callable[[], Figure]) -> dict[str, str]:
    """What `draw` draws as SVG data URIs for a light and a dark page."""
    uris = {}
    for theme, (paper, ink) in PAPERS.items():
        colours: Any = dict.fromkeys(("figure.facecolor", "axes.facecolor", "legend.facecolor"), paper)
        colours |= dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink)
        with matplotlib.rc_context(colours):
            uris[theme] = figure_uri(draw())
    return uris


def figure_uri(figure: Figure) -> str:
    """A figure as an SVG data URI, for a page that stands alone."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def pixels_uri(pixels: np.ndarray) -> str:
    """uint8 pixels, (H, W) or (H, W, 3), as a PNG data URI."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, pixels, format="png", cmap="gray", vmin=0, vmax=255)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _panel() -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.4, 3.7), layout="constrained")
    return figure, figure.subplots()


def _lines(
    scores: np.ndarray, baselines: dict[str, np.ndarray], name: str
) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    lines: list[tuple[str, np.ndarray, dict[str, Any]]] = [(name, scores, {"color": ANOMALOUS, "linewidth": 2.0})]
    styles = itertools.cycle(((BASELINE, "--"), (NORMAL, "-."), (BASELINE, ":")))
    for (name, values), (colour, line) in zip(baselines.items(), styles, strict=False):
        lines.append((name, values, {"color": colour, "linewidth": 1.5, "linestyle": line}))
    return lines


def _draw_by_epoch(axes: Any, logs: list[dict[str, float]], keys: list[str]) -> None:
    for key in keys:
        values = [entry.get(key, float("nan")) for entry in logs]
        marker = {"marker": "o"} if len(values) == 1 else {}
        axes.plot(range(1, len(values) + 1), values, label=key.replace("_", " "), linewidth=1.5, **marker)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _tidy(axes: Any, legend: str | None) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if legend is not None:
        axes.legend(loc=legend, fontsize=9, framealpha=0.9, edgecolor="none")

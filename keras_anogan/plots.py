"""Figures. The only module that imports matplotlib; every function returns a Figure and draws on no screen."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

NORMAL, ANOMALOUS, BASELINE = "#33658a", "#c8553d", "#8a8d91"


def plot_curves(labels: np.ndarray, scores: np.ndarray, name: str, baselines: dict[str, np.ndarray]) -> Figure:
    """ROC and precision-recall curves of a detector and of baselines on the same rows.

    Args:
        labels: (n,): 1 anomalous, 0 normal.
        scores: (n,), higher is more anomalous.
        name: of the detector.
        baselines: scores (n,) by name.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    roc, pr = figure.subplots(1, 2)
    styles = [(name, scores, ANOMALOUS, 2.0, "-")]
    styles += [(key, values, BASELINE, 1.5, "--") for key, values in baselines.items()]
    for key, values, colour, width, style in styles:
        false, hits, _ = roc_curve(labels, values)
        precision, recall, _ = precision_recall_curve(labels, values)
        line = {"color": colour, "linewidth": width, "linestyle": style}
        roc.plot(false, hits, label=f"{key}, area {roc_auc_score(labels, values):.4f}", **line)
        pr.plot(recall, precision, label=f"{key}, AP {average_precision_score(labels, values):.4f}", **line)
    roc.plot([0, 1], [0, 1], color="#cccccc", linewidth=1, zorder=0)
    roc.set(xlabel="False alarms / normal rows", ylabel="Hits / anomalous rows", title="ROC", xlim=(-0.02, 1.02))
    share = float(np.mean(labels))
    pr.axhline(share, color="#cccccc", linewidth=1, zorder=0, label=f"guessing, {share:.4f}")
    pr.set(xlabel="Recall", ylabel="Precision", title="Precision-recall", xlim=(-0.02, 1.02))
    for axes in (roc, pr):
        axes.set_ylim(-0.02, 1.04)
        _tidy(axes, legend="lower right" if axes is roc else "lower left")
    return figure


def plot_histogram(scores: np.ndarray, labels: np.ndarray | None, threshold: float, alpha: float) -> Figure:
    """Histogram of scores on a logarithmic axis, normal and anomalous rows apart, with the threshold."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    positive = np.maximum(scores, 1e-12)
    edges = np.geomspace(positive.min(), max(positive.max(), positive.min() * 1.01), 61).tolist()
    groups = (
        [("scored rows", positive, NORMAL)]
        if labels is None
        else [("normal", positive[labels == 0], NORMAL), ("anomalous", positive[labels == 1], ANOMALOUS)]
    )
    for name, values, colour in groups:
        if len(values):
            weights = np.full(len(values), 1.0 / len(values))
            axes.hist(values, bins=edges, weights=weights, color=colour, alpha=0.65, label=f"{name} ({len(values):,})")
    axes.axvline(threshold, color="black", linewidth=1.2, label=f"threshold {threshold:.4g} (alpha = {alpha:g})")
    axes.set(
        xscale="log", xlabel="Anomaly score A(x)", ylabel="Share of its group", title="Anomaly scores of the test rows"
    )
    _tidy(axes, legend="best")
    return figure


def plot_history(history: dict[str, list[dict[str, float]]]) -> Figure:
    """Losses by epoch, one panel per phase of training.

    Args:
        history: by phase, one dict of logs per epoch.
    """
    phases = {phase: logs for phase, logs in history.items() if logs}
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, max(1, len(phases)), squeeze=False)[0]
    for axes, (phase, logs) in zip(panels, phases.items(), strict=False):
        for key in logs[0]:
            values = [entry.get(key, float("nan")) for entry in logs]
            axes.plot(range(1, len(values) + 1), values, label=key.replace("_", " "), linewidth=1.5)
        axes.set(xlabel="Epoch", ylabel="Mean of the epoch", title=phase.replace("_", " "))
        _tidy(axes, legend="best")
    return figure


def plot_comparisons(
    inputs: np.ndarray, reconstructions: np.ndarray, maps: np.ndarray, captions: Sequence[str], columns: int = 2
) -> Figure:
    """Input | reconstruction | anomaly map, for a few images; all maps share one scale from 0 to 1.

    Args:
        inputs, reconstructions: (n, H, W, 1 or 3) in [-1, 1].
        maps: (n, H, W), |x - x_hat| in [0, 2].
        captions: one line for each image.
        columns: images side by side.
    """
    n = len(inputs)
    columns = min(columns, n)
    lines = -(-n // columns)
    figure = Figure(figsize=(4.6 * columns, 1.72 * lines + 0.5), layout="constrained")
    widths = ([1.0, 1.0, 1.0, 0.2] * columns)[:-1]  # a gap after each triple
    grid = figure.subplots(lines, 4 * columns - 1, squeeze=False, width_ratios=widths)
    heat = None
    for axes in grid.ravel():
        axes.set_axis_off()
    for i in range(n):
        left, middle, right = grid[i // columns, 4 * (i % columns) : 4 * (i % columns) + 3]
        left.imshow(to_pixels(inputs[i]), cmap="gray", vmin=0, vmax=255)
        middle.imshow(to_pixels(reconstructions[i]), cmap="gray", vmin=0, vmax=255)
        heat = right.imshow(maps[i], cmap="inferno", vmin=0.0, vmax=1.0)
        middle.set_title(captions[i], fontsize=8)
    if heat is not None:
        bar = figure.colorbar(heat, ax=grid, shrink=min(1.0, 2.2 / lines), aspect=14, pad=0.01)
        bar.set_label("|x - reconstruction|", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    return figure


def heat_pixels(anomaly_map: np.ndarray) -> np.ndarray:
    """An anomaly map (H, W) as a uint8 RGB picture (H, W, 3): black is 0, bright yellow is 1 or more."""
    import matplotlib

    colours = matplotlib.colormaps["inferno"](np.clip(anomaly_map, 0.0, 1.0))
    return np.round(colours[..., :3] * 255).astype("uint8")


def to_pixels(image: np.ndarray) -> np.ndarray:
    """An image in [-1, 1], (H, W, 1 or 3), as uint8 (H, W) or (H, W, 3)."""
    pixels = np.round((np.clip(image, -1.0, 1.0) + 1.0) * 127.5).astype("uint8")
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def data_uri(figure: Figure, kind: str = "svg") -> str:
    """A figure as a data URI, "svg" or "png", for a page that stands alone."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=130)
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _tidy(axes: Any, legend: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc=legend, fontsize=8, frameon=False)

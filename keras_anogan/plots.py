"""Figures. The only module that imports matplotlib; every function returns a Figure and draws on no screen."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

NORMAL, ANOMALOUS, BASELINE = "#33658a", "#c8553d", "#8a8d91"


def plot_roc(labels: np.ndarray, scores: np.ndarray, baselines: dict[str, np.ndarray]) -> Figure:
    """ROC curves of a detector and of baselines on the same rows.

    Args:
        labels: (n,): 1 anomalous, 0 normal.
        scores: (n,), higher is more anomalous.
        baselines: scores (n,) by name.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    figure, axes = _panel()
    for name, values, style in _lines(scores, baselines):
        false, hits, _ = roc_curve(labels, values)
        axes.plot(false, hits, label=f"{name}, area {roc_auc_score(labels, values):.4f}", **style)
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1, zorder=0, label="guessing, 0.5")
    axes.set(xlabel="False alarms / normal rows", ylabel="Hits / anomalous rows", title="ROC")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    _tidy(axes, legend="lower right")
    return figure


def plot_precision_recall(labels: np.ndarray, scores: np.ndarray, baselines: dict[str, np.ndarray]) -> Figure:
    """Precision-recall curves of a detector and of baselines on the same rows; arguments as in `plot_roc`."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure, axes = _panel()
    for name, values, style in _lines(scores, baselines):
        precision, recall, _ = precision_recall_curve(labels, values)
        area = average_precision_score(labels, values)
        axes.plot(recall, precision, label=f"{name}, area {area:.4f}", **style)
    share = float(np.mean(labels))
    axes.axhline(share, color="#cccccc", linewidth=1, zorder=0, label=f"guessing, {share:.4f}")
    axes.set(xlabel="Recall", ylabel="Precision", title="Precision-recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    _tidy(axes, legend="lower left")
    return figure


def plot_histogram(scores: np.ndarray, labels: np.ndarray | None, threshold: float, alpha: float) -> Figure:
    """Histogram of scores on a logarithmic axis, normal and anomalous rows apart, with the threshold."""
    figure, axes = _panel()
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
    axes.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", pad=4)
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
    _tidy(axes, legend="upper left")
    return figure


def plot_history(phase: str, logs: list[dict[str, float]]) -> Figure:
    """Losses of one phase of training by epoch.

    Args:
        phase: its name.
        logs: one dict of losses per epoch, at least one.
    """
    figure, axes = _panel()
    for key in logs[0]:
        values = [entry.get(key, float("nan")) for entry in logs]
        axes.plot(range(1, len(values) + 1), values, label=key.replace("_", " "), linewidth=1.5)
    axes.set(xlabel="Epoch", ylabel="Mean of the epoch", title=phase.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _tidy(axes, legend="best")
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


def _lines(scores: np.ndarray, baselines: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    lines: list[tuple[str, np.ndarray, dict[str, Any]]] = [("detector", scores, {"color": ANOMALOUS, "linewidth": 2.0})]
    for name, values in baselines.items():
        lines.append((name, values, {"color": BASELINE, "linewidth": 1.5, "linestyle": "--"}))
    return lines


def _tidy(axes: Any, legend: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc=legend, fontsize=9, framealpha=0.9, edgecolor="none")

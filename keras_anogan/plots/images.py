"""Figures of images, and maps as pictures."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from keras_anogan.pictures import overlaid_pixels, to_pixels


def plot_panels(lines: list[tuple[str, dict[str, np.ndarray]]]) -> Figure:
    """Pictures in lines, each line with a title.

    Args:
        lines: (title, name -> uint8 (H, W) or (H, W, 3)), the same names in each.
    """
    names = list(lines[0][1])
    height, width = next(iter(lines[0][1].values())).shape[:2]
    tall = 2.5 * height / width + 0.7 + 0.16 * max(title.count("\n") for title, _ in lines)
    layout = ConstrainedLayoutEngine(h_pad=0.08)
    figure = Figure(figsize=(max(4.0, 2.6 * len(names)), tall * len(lines)), layout=layout)
    grid = figure.subplots(len(lines), len(names), squeeze=False)
    for row, (title, pictures) in zip(grid, lines, strict=True):
        for axes, name in zip(row, names, strict=True):
            axes.imshow(pictures[name], cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(name, fontsize=9)
        row[0].set_title(title, loc="left", fontsize=9.5, weight="bold", parse_math=False)  # a file may be named a$b$
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


def overlay_pixels(
    photograph: np.ndarray, anomaly_map: np.ndarray, scale: float = 1.0, marked: np.ndarray | None = None
) -> np.ndarray:
    """A photograph with its anomaly map laid over it, denser where it is higher, and the outline of what is marked.

    Args:
        photograph: uint8 (H, W, 1 or 3).
        anomaly_map: (h, w), of any size.
        scale: value of the map that is drawn in the brightest colour, such as twice the threshold for maps.
        marked: bool (h, w), or None.

    Returns:
        uint8 (H, W, 3).
    """
    shares = np.clip(np.asarray(anomaly_map) / scale, 0.0, 1.0)
    return overlaid_pixels(photograph, heat_pixels(shares), 0.5 * shares, marked)

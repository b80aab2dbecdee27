"""What all figures share: colours, one panel, a tidy axis."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

NORMAL, ANOMALOUS, BASELINE, GUESS = "#4a86b5", "#d9644a", "#8a8d91", "#b8bcc0"
COLOURS = (ANOMALOUS, NORMAL, BASELINE, GUESS, "#7b5aa6", "#4f9d69")  # of several detectors
KINDS = ("normal", "anomalous")


def one_panel() -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.4, 3.7), layout="constrained")
    return figure, figure.subplots()


def tidy(axes: Any, legend: str | None) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if legend is not None:
        axes.legend(loc=legend, fontsize=9, framealpha=0.9, edgecolor="none")

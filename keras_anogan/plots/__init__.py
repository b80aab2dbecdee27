"""Figures. The only folder that imports matplotlib; every function returns a Figure and draws on no screen."""

from keras_anogan.plots.images import (
    heat_pixels,
    overlay_pixels,
    plot_comparison,
    plot_images,
    plot_panels,
    save_panels,
)
from keras_anogan.plots.monitoring import plot_rates
from keras_anogan.plots.pages import figure_uri, themed_uris
from keras_anogan.plots.scores import (
    plot_by_kind,
    plot_by_steps,
    plot_histogram,
    plot_lines,
    plot_precision_recall,
    plot_roc,
    plot_scores,
)
from keras_anogan.plots.timelines import plot_stream, plot_timeline
from keras_anogan.plots.training import by_epoch, plot_health, plot_history

__all__ = [
    "by_epoch",
    "figure_uri",
    "heat_pixels",
    "overlay_pixels",
    "plot_by_kind",
    "plot_by_steps",
    "plot_comparison",
    "plot_health",
    "plot_histogram",
    "plot_history",
    "plot_images",
    "plot_lines",
    "plot_panels",
    "plot_precision_recall",
    "plot_rates",
    "plot_roc",
    "plot_scores",
    "plot_stream",
    "plot_timeline",
    "save_panels",
    "themed_uris",
]

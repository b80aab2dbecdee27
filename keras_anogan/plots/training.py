"""Figures of a training: losses, and the health of a GAN."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_anogan.plots.style import GUESS, one_panel, tidy

MONITORS = ("diversity", "balance")  # logs of CollapseMonitor, which are no losses


def by_epoch(history: dict[str, list[float]]) -> list[dict[str, float]]:
    """Keras's `History.history` (name -> one number per epoch) as one dict of logs per epoch."""
    return [dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)]


def plot_history(phase: str, logs: list[dict[str, float]]) -> Figure:
    """Losses of one phase of training by epoch: a panel for each, since their sizes say nothing about each other.

    Args:
        phase: its name.
        logs: one dict of losses per epoch, at least one.
    """
    keys = list(dict.fromkeys(key for entry in logs for key in entry))
    losses = [key for key in keys if key not in MONITORS and not key.endswith("gradient_norm")]
    figure = Figure(figsize=(5.4, 0.7 + 1.25 * max(1, len(losses))), layout="constrained")
    panels = figure.subplots(max(1, len(losses)), 1, squeeze=False, sharex=True)[:, 0]
    for axes, key in zip(panels, losses, strict=False):
        _draw_by_epoch(axes, logs, [key])
        axes.set_title(key.replace("_", " "), loc="left", fontsize=9.5)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        tidy(axes, legend=None)
    figure.suptitle(phase.replace("_", " "), fontsize=11)
    panels[-1].set_xlabel("Epoch, means over each")
    return figure


def plot_health(logs: list[dict[str, float]]) -> Figure | None:
    """Diversity and balance of a GAN by epoch (see `CollapseMonitor`), or None if nobody watched them."""
    if not all(key in logs[0] for key in MONITORS):
        return None
    figure, axes = one_panel()
    _draw_by_epoch(axes, logs, list(MONITORS))
    axes.axhline(0.5, color=GUESS, linewidth=1, zorder=0)
    axes.set(
        xlabel="Epoch",
        ylabel="Diversity, balance",
        title="What the GAN makes, against held-out rows",
        ylim=(-0.02, None),
    )
    tidy(axes, legend="best")
    return figure


def _draw_by_epoch(axes: Any, logs: list[dict[str, float]], keys: list[str]) -> None:
    for key in keys:
        values = [entry.get(key, float("nan")) for entry in logs]
        marker = {"marker": "o"} if len(values) == 1 else {}
        axes.plot(range(1, len(values) + 1), values, label=key.replace("_", " "), linewidth=1.5, **marker)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))

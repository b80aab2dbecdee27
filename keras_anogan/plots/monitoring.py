"""Figure of alarm rates over periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_anogan.plots.style import ANOMALOUS, BASELINE, NORMAL, tidy

MOST_NAMES = 31  # under the axis


def plot_rates(
    names: Sequence[str],
    rates: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    expected: tuple[float, float],
    unusual: Sequence[bool],
) -> Figure:
    """Rates of alarms by period with their intervals, over the band in which the threshold's own rate lies.

    Args:
        names: of the periods, (p,).
        rates: (p,), in [0, 1].
        intervals: (low, high) of each.
        expected: band of the threshold.
        unusual: (p,): which are drawn as an alarm.
    """
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(names))
    axes.axhspan(*(100.0 * end for end in expected), color=BASELINE, alpha=0.25, label="expected of normal data")
    for colour, chosen, label in (
        (NORMAL, ~np.asarray(unusual, bool), "as expected"),
        (ANOMALOUS, np.asarray(unusual, bool), "more"),
    ):
        if chosen.any():
            middle = 100.0 * np.asarray(rates)[chosen]
            ends = 100.0 * np.asarray(intervals)[chosen]
            spread = np.maximum(np.abs(ends.T - middle), 0.0)
            axes.errorbar(places[chosen], middle, spread, fmt="o", color=colour, markersize=4, capsize=3, label=label)
    step = -(-len(names) // MOST_NAMES)
    axes.set_xticks(places[::step], [str(name) for name in names[::step]], rotation=40, ha="right", fontsize=8)
    axes.set(ylabel="Alarms in %", ylim=(0.0, None))
    tidy(axes, legend="upper left")
    return figure

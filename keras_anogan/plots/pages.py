"""Figures for a page that stands alone, light or dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

PAPERS = {"light": ("#ffffff", "#1d2226"), "dark": ("#1e242a", "#e4e8eb")}  # background and ink of a page


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

"""What every threshold checks."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_share(name: str, value: float) -> float:
    if not 0.0 < value < 1.0:
        raise ValueError(f"Expected 0 < {name} < 1. Received: {name}={value!r}.")
    return float(value)


def check_scores(owner: str, scores: Any) -> np.ndarray:
    scores = np.asarray(scores)
    if scores.ndim != 1:
        raise ValueError(f"{owner} expected scores of shape (n,). Received: shape {scores.shape}.")
    if not np.isfinite(scores).all():
        bad = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(f"{owner} expected finite scores. Received: {scores[bad]} at index {bad}.")
    return scores

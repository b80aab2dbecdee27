"""Evaluation: what labels are for. Nothing here is used to fit, stop or calibrate anything."""

from __future__ import annotations

from typing import Any

import numpy as np


def auroc(labels: Any, scores: Any) -> float:
    """Needs labels: area under the ROC curve.

    Args:
        labels: (n,): 1 anomalous, 0 normal.
        scores: (n,), higher is more anomalous.

    Raises:
        ValueError: if only one of the two classes occurs, lengths differ, or a value is not finite.
    """
    from sklearn.metrics import roc_auc_score

    labels, scores = _check(labels, scores)
    return float(roc_auc_score(labels, scores))


def auprc(labels: Any, scores: Any) -> float:
    """Needs labels: average precision, the area under the precision-recall curve; arguments as in `auroc`."""
    from sklearn.metrics import average_precision_score

    labels, scores = _check(labels, scores)
    return float(average_precision_score(labels, scores))


def alarm_rates(labels: Any, alarms: Any) -> dict[str, float | None]:
    """Needs labels: what alarms at a threshold that was fitted elsewhere are worth.

    Args:
        labels: (n,): 1 anomalous, 0 normal.
        alarms: bool (n,).

    Returns:
        `false_alarm_rate` (share of normal rows with an alarm), `detection_rate` (share of anomalous rows
        with an alarm), `precision`, `f1` (anomalous is positive); None where there is nothing to divide by.
    """
    labels, alarms = np.asarray(labels).astype(bool), np.asarray(alarms).astype(bool)
    hits, false = int((alarms & labels).sum()), int((alarms & ~labels).sum())
    normal, anomalous = int((~labels).sum()), int(labels.sum())
    return {
        "false_alarm_rate": false / normal if normal else None,
        "detection_rate": hits / anomalous if anomalous else None,
        "precision": hits / (hits + false) if hits + false else None,
        "f1": 2 * hits / (2 * hits + false + anomalous - hits) if anomalous or false else None,
    }


def best_f1(labels: Any, scores: Any) -> float:
    """Needs labels: the highest F1 over all thresholds, an oracle's number; arguments as in `auroc`."""
    from sklearn.metrics import precision_recall_curve

    labels, scores = _check(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def equal_error_rate(labels: Any, scores: Any) -> float:
    """Needs labels: the error rate where misses and false alarms are equally frequent; arguments as in `auroc`."""
    from sklearn.metrics import roc_curve

    labels, scores = _check(labels, scores)
    false, hits, _ = roc_curve(labels, scores)
    gap = false - (1.0 - hits)  # ascending from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = max(after - 1, 0)
    span = gap[after] - gap[before]
    weight = 0.0 if span == 0 else -gap[before] / span
    return float(false[before] + weight * (false[after] - false[before]))


def summarise(values: Any) -> dict[str, Any]:
    """`mean`, `std` (ddof=1), `min` and `ci95` of one number per seed.

    `ci95` is Student's 95 % interval of the mean over seeds, [low, high]; None for a single value, whose `std`
    is 0.
    """
    from scipy import stats

    values = np.asarray(values, "float64")
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"Expected one number per seed. Received: shape {values.shape}.")
    mean, n = float(values.mean()), len(values)
    std = float(values.std(ddof=1)) if n > 1 else 0.0
    half = float(stats.t.ppf(0.975, n - 1)) * std / n**0.5 if n > 1 else None
    return {
        "mean": mean,
        "std": std,
        "min": float(values.min()),
        "ci95": None if half is None else [mean - half, mean + half],
    }


def _check(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores, "float64")
    if labels.shape != scores.shape or labels.ndim != 1:
        raise ValueError(
            f"Expected labels and scores of shape (n,). Received: shapes {labels.shape} and {scores.shape}."
        )
    if len(np.unique(labels.astype(bool))) < 2:
        raise ValueError("Expected normal and anomalous rows. Received: rows of one kind only.")
    if not np.isfinite(scores).all():
        raise ValueError(f"Expected finite scores. Received: {scores[~np.isfinite(scores)][0]}.")
    return labels.astype(bool).astype("int64"), scores

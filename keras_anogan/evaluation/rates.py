"""Numbers of scores and labels, one for each row."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
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


def alarm_counts(labels: Any, alarms: Any) -> dict[str, int]:
    """Needs labels: `normal_rows`, `false_alarms` of these, `anomalous_rows`, `detected` of these.

    Args:
        labels, alarms: as in `alarm_rates`.
    """
    labels, alarms = np.asarray(labels).astype(bool), np.asarray(alarms).astype(bool)
    return {
        "normal_rows": int((~labels).sum()),
        "false_alarms": int((alarms & ~labels).sum()),
        "anomalous_rows": int(labels.sum()),
        "detected": int((alarms & labels).sum()),
    }


def rate_interval(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a rate (Clopper and Pearson, 1934), for rows that do not depend on each other.

    >>> low, high = rate_interval(2, 40)
    >>> round(low, 3), round(high, 3)
    (0.006, 0.169)

    Args:
        hits: how many rows.
        of: of how many; with none of 0 nothing is known, and the interval is [0, 1].
        confidence: probability that the interval contains the true rate, at least.

    Raises:
        ValueError: for other counts than 0 <= hits <= of.
    """
    from scipy import stats

    if not 0 <= hits <= of:
        raise ValueError(f"Expected 0 <= hits <= of. Received: {hits} of {of}.")
    if of == 0:
        return 0.0, 1.0
    found = stats.binomtest(hits, of).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def auroc_interval(labels: Any, scores: Any) -> tuple[float, float]:
    """Needs labels: 95 % interval of the AUROC over test rows as these (DeLong et al., 1988).

    Student's quantile stands for the normal one, with one degree of freedom fewer than the rarer class has rows. Scores
    that separate the rows perfectly have no spread; there it is the exact interval of as many hits as that class has
    rows. Arguments as in `auroc`.
    """
    labels, scores = _check(labels, scores)
    found = auroc(labels, scores)
    half = _half_width(*_placements(labels, scores))
    if half == 0.0 and found in (0.0, 1.0):
        rarer = int(min(labels.sum(), (1 - labels).sum()))
        return rate_interval(round(found * rarer), rarer)
    return max(0.0, found - half), min(1.0, found + half)


def auroc_difference(labels: Any, scores: Any, others: Any) -> tuple[float, float, float]:
    """Needs labels: the AUROC of `scores` minus that of `others` of the same rows, and its 95 % interval.

    The interval is DeLong's for two correlated curves, with Student's quantile as in `auroc_interval`. If it does not
    contain 0, the difference is more than the choice of test rows explains.

    Args:
        labels, scores, others: (n,), as in `auroc`.

    Returns:
        difference, low end, high end; the interval is [-1, 1] where a class has a single row.
    """
    labels, scores = _check(labels, scores)
    _, others = _check(labels, others)
    pairs = zip(_placements(labels, scores), _placements(labels, others), strict=True)
    difference = auroc(labels, scores) - auroc(labels, others)
    half = _half_width(*(one - other for one, other in pairs))
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


def interval_over_groups(
    measure: Callable[..., float], groups: Any, *arrays: Any, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a measure over groups of rows that resemble each other, such as photographs of one part.

    Rows of one group say nearly the same, so an interval that counts rows is too narrow. Here groups are drawn with
    replacement, each with all its rows, and the measure is taken of every draw (percentile bootstrap, Efron 1979).

        interval_over_groups(auroc, parts, labels, scores)

    Args:
        measure: of the arrays; a draw of which it raises ValueError, such as one of a single class, is left out.
        groups: (n,) what each row is of.
        *arrays: (n, ...) each.
        draws: how many.
        seed: of what is drawn.

    Raises:
        ValueError: for arrays of another length, or fewer than two groups.
    """
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    given = [np.asarray(array) for array in arrays]
    if len(names) < 2 or not given or any(len(array) != len(of) for array in given):
        lengths = [len(array) for array in given]
        raise ValueError(
            f"Expected two groups or more, and arrays of {len(of)} rows. Received: {len(names)} groups, {lengths} rows."
        )
    rows = [np.flatnonzero(of == i) for i in range(len(names))]
    draw, found = np.random.default_rng(seed), []
    for _ in range(draws):
        chosen = np.concatenate([rows[i] for i in draw.integers(len(rows), size=len(rows))])
        with contextlib.suppress(ValueError):
            found.append(measure(*(array[chosen] for array in given)))
    if not found:
        return (-math.inf, math.inf)
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def rate_interval_over_groups(hits: Any, groups: Any) -> tuple[float, float]:
    """95 % interval of a rate over groups (see `interval_over_groups`); exact, with groups as rows, where all agree.

    Args:
        hits: bool (n,).
        groups: (n,).
    """
    hits, count = np.asarray(hits, bool), len(np.unique(np.asarray(groups)))
    if count < 2 or hits.all() or not hits.any():
        return rate_interval(count * int(hits.all() and len(hits) > 0), count)
    return interval_over_groups(lambda values: float(values.mean()), groups, hits)


def _placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each anomalous row the share of normal ones below it, for each normal row that of anomalous ones above it."""
    from scipy.stats import rankdata

    ranks, anomalous = rankdata(scores), labels == 1
    below = (ranks[anomalous] - rankdata(scores[anomalous])) / (~anomalous).sum()
    above = 1.0 - (ranks[~anomalous] - rankdata(scores[~anomalous])) / anomalous.sum()
    return below, above


def _half_width(anomalous: np.ndarray, normal: np.ndarray) -> float:
    """Half of DeLong's interval for placements, or their differences, of either class."""
    from scipy import stats

    rarer = min(len(anomalous), len(normal))
    if rarer < 2:
        return 1.0
    spread = np.sqrt(anomalous.var(ddof=1) / len(anomalous) + normal.var(ddof=1) / len(normal))
    return float(stats.t.ppf(0.975, rarer - 1) * spread)


def best_f1(labels: Any, scores: Any) -> float:
    """Needs labels: the highest F1 over all thresholds, an oracle's number; arguments as in `auroc`."""
    from sklearn.metrics import precision_recall_curve

    labels, scores = _check(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def f1_of_top_share(labels: Any, scores: Any, share: float) -> float:
    """Needs labels: F1 when the highest-scoring `share` of the rows are called anomalous, those on the edge too.

    The rule of the papers on KDD99 (share 0.2). It uses the test scores and the share of anomalies among them, which
    nobody has in practice: for comparing with those papers only. Arguments as in `auroc`.
    """
    labels, scores = _check(labels, scores)
    if not 0.0 < share < 1.0:
        raise ValueError(f"Expected 0 < share < 1. Received: {share}.")
    rates = alarm_rates(labels, scores >= np.percentile(scores, 100.0 * (1.0 - share)))
    return float(rates["f1"] or 0.0)


def scaled_cross_entropy(labels: Any, scores: Any) -> float:
    """Needs labels: binary cross-entropy of the scores after their minimum and maximum are made 0 and 1.

    The loss that scripts on EfficientGAN print (and stop by). It depends on which rows are scored together: for looking
    at, not for choosing. Arguments as in `auroc`.
    """
    from sklearn.metrics import log_loss

    labels, scores = _check(labels, scores)
    return float(log_loss(labels, np.clip((scores - scores.min()) / max(np.ptp(scores), 1e-12), 1e-7, 1.0 - 1e-7)))


def auroc_by_kind(labels: Any, scores: Any, kinds: Any, least: int = 10) -> dict[str, float]:
    """Needs labels: AUROC of each kind of anomaly against all normal rows; arguments as in `auroc`.

    Their mean counts a rare kind of anomaly as much as a frequent one.

    Args:
        labels, scores: as in `auroc`.
        kinds: what each row is, (n,).
        least: kinds with fewer rows are left out.
    """
    labels, scores, kinds = *_check(labels, scores), np.asarray(kinds)
    return {
        kind: auroc(labels[rows], scores[rows])
        for kind in _frequent(labels, kinds, least)
        for rows in [(labels == 0) | (kinds == kind)]
    }


def detection_by_kind(labels: Any, alarms: Any, kinds: Any, least: int = 10) -> dict[str, float]:
    """Needs labels: share of each kind of anomaly with an alarm; arguments as in `alarm_rates`, `auroc_by_kind`."""
    labels, alarms, kinds = np.asarray(labels), np.asarray(alarms).astype(bool), np.asarray(kinds)
    return {kind: float(alarms[kinds == kind].mean()) for kind in _frequent(labels, kinds, least)}


def kinds_table(labels: Any, scores: Any, alarms: Any, kinds: Any) -> list[dict[str, Any]]:
    """Needs labels: for each kind of anomaly `kind`, `count`, `found` of these, and `auroc` against all normal rows.

    Kinds stand in the order of the share that was found, the least found first; `auroc` is None without normal rows.

    Args:
        labels, scores: as in `auroc`.
        alarms: bool (n,).
        kinds: what each row is, (n,).
    """
    labels, scores, alarms = np.asarray(labels), np.asarray(scores), np.asarray(alarms).astype(bool)
    kinds, lines = np.asarray(kinds), []
    for kind in _frequent(labels, kinds, least=1):
        rows = (labels == 1) & (kinds == kind)
        compared = rows | (labels == 0)
        lines.append(
            {
                "kind": kind,
                "count": int(rows.sum()),
                "found": int(alarms[rows].sum()),
                "auroc": auroc(rows[compared], scores[compared]) if (labels == 0).any() else None,
            }
        )
    return sorted(lines, key=lambda line: line["found"] / line["count"])


def _frequent(labels: np.ndarray, kinds: np.ndarray, least: int) -> list[str]:
    names, counts = np.unique(kinds[labels == 1], return_counts=True)
    return [str(name) for name, count in zip(names, counts, strict=True) if count >= least]


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

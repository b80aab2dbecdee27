"""What calibration and test rows say of a detector, and of PCA on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan import evaluation
from keras_anogan.models import PCA
from keras_anogan.runs.arguments import RunArguments
from keras_anogan.runs.tasks import Task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import Scorer, batch_size, explain_rows, numbers_of


def measure(
    fitted: FittedDetector, task: Task, arguments: RunArguments, calibration: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The content of `metrics.json`, the terms of every test row, and baselines' scores by name.

    Args:
        fitted: the detector with its threshold.
        task: with test rows, or, of footage, without.
        arguments: of the run.
        calibration: (n,) scores that the threshold has seen.
    """
    metrics: dict[str, Any] = {
        "threshold": fitted.threshold.threshold,
        "alpha": arguments.alpha,
        "keeps_alpha": fitted.threshold.keeps_alpha,
        "calibration_alarms": float(np.mean(calibration > fitted.threshold.threshold)),
        "rows": task.counts,
    }
    if fitted.map_threshold is not None:
        metrics["map_threshold"] = fitted.map_threshold.threshold
    if task.test is None:
        return metrics, {}, {}
    scores = Scorer(fitted).numbers(task.test)
    size = batch_size(task.shape)
    pca = PCA(task.shape, seed=arguments.seed)
    components = pca.n_components
    pca.compile()
    pca.fit(task.train)
    baseline = numbers_of(pca.explain, task.test, size)["score"]
    metrics |= _separation(task, scores["score"])
    metrics["baselines"] = {f"pca_{components}": _separation(task, baseline)}
    if task.labels is not None:
        metrics |= _alarms(task.labels, scores["is_anomaly"])
    if fitted.map_threshold is not None and task.masks is not None and 0 < task.masks.sum() < task.masks.size:
        metrics["pixels"] = _measure_maps(fitted, pca, task, size)
    return metrics, scores, {f"PCA-{components}": baseline} if task.known else {}


def _separation(task: Task, scores: np.ndarray) -> dict[str, float | None]:
    """How well scores tell anomalous test rows from normal ones, over all thresholds; None where nobody knows."""
    if not task.known:
        return {"auroc": None, "auprc": None}
    return {"auroc": evaluation.auroc(task.labels, scores), "auprc": evaluation.auprc(task.labels, scores)}


def _alarms(labels: np.ndarray, alarms: np.ndarray) -> dict[str, Any]:
    """Rates and counts of alarms at the threshold."""
    return {**evaluation.alarm_rates(labels, alarms), "alarms": evaluation.alarm_counts(labels, alarms)}


def _measure_maps(fitted: FittedDetector, pca: PCA, task: Task, size: int) -> dict[str, Any]:
    """What the maps say of the masks, at the size of the detector's input."""
    assert fitted.map_threshold is not None
    assert task.masks is not None
    assert task.labels is not None
    maps, baseline = (
        np.concatenate([part["anomaly_map"] for part in explain_rows(detector.explain, task.test, size)])
        for detector in (fitted.detector, pca)
    )
    marked = maps > fitted.map_threshold.threshold
    normal = task.labels == 0
    return {
        "auroc": evaluation.pixel_auroc(task.masks, maps),
        "pro": evaluation.per_region_overlap(task.masks, maps),
        "threshold": fitted.map_threshold.threshold,
        "normal_images": int(normal.sum()),
        "normal_images_marked": int(marked[normal].any(axis=(1, 2)).sum()),
        "detected_pixels": float(marked[task.masks].mean()),
        "pca_32": {
            "auroc": evaluation.pixel_auroc(task.masks, baseline),
            "pro": evaluation.per_region_overlap(task.masks, baseline),
        },
    }

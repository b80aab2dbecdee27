"""What calibration and test rows say of a detector, and of plain baselines on the same rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_anogan import evaluation
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import PCA, Gaussian, Neighbors
from keras_anogan.models.baselines import forest_scores
from keras_anogan.models.composed import MapDetector
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.sights import Sight
from keras_anogan.runs.tasks import Task
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import Scorer, batch_size, explain_rows, numbers_of

MOST_PIXELS = 4e7  # that are sorted: some gigabytes
SPACE, MOST_TILES = 32, 8192  # principal components in which neighbours of tiles are looked for, among so many


def measure(
    fitted: FittedDetector, task: Task, arguments: RunArguments, calibration: np.ndarray, sight: Sight | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The content of `metrics.json`, the terms of every test row, and baselines' scores by name.

    Args:
        fitted: the detector with its threshold.
        task: with test rows, or, of footage, without.
        arguments: of the run.
        calibration: (n,) scores that the threshold has seen.
        sight: what the detector sees of images; None where it sees them as they are.
    """
    metrics: dict[str, Any] = {
        "threshold": fitted.threshold.threshold,
        "alpha": arguments.alpha,
        "reduction": getattr(arguments, "reduction", None),
        "group": getattr(arguments, "group", None),
        "keeps_alpha": fitted.threshold.keeps_alpha,
        "calibration_alarms": float(np.mean(calibration > fitted.threshold.threshold)),
        "rows": task.counts,
    }
    if task.kind == "footage":
        metrics["frames"] = len(task.train.footage)
    if task.ratios is not None:
        metrics["ratios"] = task.ratios
    if fitted.pixel_threshold is not None:
        metrics["map_threshold"] = fitted.pixel_threshold
    if task.test is None:
        return metrics, {}, {}
    scores = Scorer(fitted).numbers(task.test)
    metrics |= _separation(task, scores["score"])
    if task.labels is not None:
        metrics |= _alarms(task.labels, scores["is_anomaly"])
    has_masks = task.masks is not None and 0 < task.masks.sum() < task.masks.size
    pixels = _measure_maps(fitted, task) if fitted.pixel_threshold is not None and has_masks else None
    metrics["baselines"], curves = {}, {}
    for title, baseline, found in _baselines(fitted, task, arguments.seed, sight):
        key = re.sub("(?<=[a-z])(?=[A-Z])", "_", title).lower().replace("-", "_")  # PCA-32: pca_32
        metrics["baselines"][key] = {"title": title, **_separation(task, found)}
        curves[title] = found
        if pixels is not None and baseline is not None:
            pixels[key] = _measure_map(baseline, task)
    if pixels is not None:
        metrics["pixels"] = pixels
    return metrics, scores, curves if task.known else {}


def _baselines(
    fitted: FittedDetector, task: Task, seed: int, sight: Sight | None
) -> Iterator[tuple[str, Any, np.ndarray]]:
    """(title, detector or None, scores of the test rows) of each, with the map's reduction of the run's detector."""
    reduced: Any = getattr(fitted.detector, "members", [fitted.detector])[0]
    plain = None if sight is None else sight.plain
    seen = task if plain is None else plain.task
    many = plain is not None and plain.many
    near = Neighbors(seen.shape, n_components=SPACE if many else None, seed=seed)  # of many tiles it is slow
    detectors: list[Any] = [PCA(seen.shape, seed=seed), near]
    if task.kind == "table":
        detectors.append(Gaussian(task.shape, seed=seed))
    own = reduced
    while hasattr(own, "detector"):
        own = own.detector
    for detector in detectors:
        if detector.get_config() == {**own.get_config(), "name": detector.name}:
            continue  # it is the run's own detector
        title = f"PCA-{detector.n_components}" if isinstance(detector, PCA) else type(detector).__name__
        if detector is near and many:
            title = f"{title} in PCA-{SPACE}"
        detector.compile()
        detector.fit(_some(seen.train) if detector is near and many else seen.train)
        if plain is not None:
            detector = plain.wrapped(detector)
        if reduced.tags.scores_map:
            detector = MapDetector(detector, reduced.reduction, reduced.share, reduced.sigma)
        yield title, detector, numbers_of(detector.explain, task.test, batch_size(task.shape))["score"]
    if task.kind == "table":
        yield "IsolationForest", None, forest_scores(task.train, task.test, seed)


def _some(rows: Any) -> Any:
    """At most 8,192 of them, evenly."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_TILES)).astype(int)]


def _separation(task: Task, scores: np.ndarray) -> dict[str, float | None]:
    """How well scores tell anomalous test rows from normal ones, over all thresholds; None where nobody knows."""
    if not task.known:
        return {"auroc": None, "auprc": None}
    return {"auroc": evaluation.auroc(task.labels, scores), "auprc": evaluation.auprc(task.labels, scores)}


def _alarms(labels: np.ndarray, alarms: np.ndarray) -> dict[str, Any]:
    """Rates and counts of alarms at the threshold."""
    return {**evaluation.alarm_rates(labels, alarms), "alarms": evaluation.alarm_counts(labels, alarms)}


def _measure_maps(fitted: FittedDetector, task: Task) -> dict[str, Any]:
    """What the maps and masks say of the true masks, at the size of the detector's input."""
    assert task.masks is not None
    assert task.labels is not None
    parts, marks, found, first = [], [], 0, 0
    for part in Scorer(fitted).explain(task.test):
        mask = task.masks[first : first + len(part["score"])]
        parts.append(_maps_of(part, task))
        marks.append(part["anomaly_mask"].any(axis=(1, 2)))
        found += int((part["anomaly_mask"] & mask).sum())
        first += len(mask)
    normal = task.labels == 0
    return {
        **_map_numbers(task, parts, intervals=True),
        "threshold": fitted.pixel_threshold,
        "normal_images": int(normal.sum()),
        "normal_images_marked": int(np.concatenate(marks)[normal].sum()),
        "detected_pixels": found / int(task.masks.sum()),
    }


def _measure_map(detector: AnomalyDetector, task: Task) -> dict[str, float]:
    """What a baseline's maps say of the true masks."""
    parts = explain_rows(detector.explain, task.test, batch_size(task.shape))
    return _map_numbers(task, [_maps_of(part, task) for part in parts])


def _maps_of(part: dict[str, np.ndarray], task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The maps of a batch, and which of their pixels are inside the photograph, (n, h, w) each."""
    maps = part["anomaly_map"]
    return _thinned(maps, task), _thinned(part.get("inside", np.ones(maps.shape, bool)), task)


def _map_numbers(task: Task, parts: list[tuple[np.ndarray, np.ndarray]], intervals: bool = False) -> dict[str, Any]:
    """Over the images whose pixels are known: of an anomalous one without a mark nobody knows which are normal."""
    assert task.masks is not None
    assert task.labels is not None
    known = (task.labels == 0) | task.masks.any(axis=(1, 2))
    maps, inside = (np.concatenate(each)[known] for each in zip(*parts, strict=True))
    masks = _thinned(task.masks, task)[known]
    numbers: dict[str, Any] = {
        "auroc": evaluation.pixel_auroc(masks, maps, inside),
        "pro": evaluation.per_region_overlap(masks, maps, inside=inside),
    }
    each = (np.arange(len(known)) if task.test_parts is None else np.asarray(task.test_parts))[known]
    if intervals and len(np.unique(each)) > 1:
        found = evaluation.pixel_intervals(masks, maps, each, inside)
        numbers |= {f"{key}_interval": list(ends) for key, ends in found.items()}
    return numbers


def _thinned(pixels: np.ndarray, task: Task) -> np.ndarray:
    """Maps or masks (n, h, w), some rows and columns of them where all test images have too many pixels to sort."""
    assert task.masks is not None
    every = math.ceil(math.sqrt(task.masks.size / MOST_PIXELS))
    return pixels[:, ::every, ::every]

"""Numbers of anomaly maps and masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan.evaluation.rates import auroc


def pixel_auroc(masks: Any, maps: Any, inside: Any = None) -> float:
    """Needs masks: area under the ROC curve over all pixels of all images.

    Args:
        masks: bool (n, H, W): True where anomalous.
        maps: anomaly maps (n, H, W), higher is more anomalous.
        inside: bool (n, H, W): the other pixels, such as padding, do not count; None for all.

    Raises:
        ValueError: for shapes that differ, no anomalous or no normal pixel, or values that are not finite.
    """
    masks, maps, inside = _check_maps(masks, maps, inside)
    return auroc(masks[inside], maps[inside])


def per_region_overlap(masks: Any, maps: Any, false_positive_limit: float = 0.3, inside: Any = None) -> float:
    """Needs masks: area under the per-region overlap curve up to a false-positive rate, divided by that rate (AU-PRO).

    At a threshold, the overlap of an anomalous region is the share of its pixels above it, and the mean over regions
    counts a small defect as much as a large one; the false-positive rate is the share of normal pixels above the
    threshold, over all images (Bergmann et al., CVPR 2020 and IJCV 2021). Regions are connected components of a mask,
    diagonals included. 1 is perfect; a map of noise has about half the limit.

    Args:
        masks, maps: as in `pixel_auroc`.
        false_positive_limit: right end of the integral, in (0, 1].
        inside: as in `pixel_auroc`.

    Raises:
        ValueError: as in `pixel_auroc`, and for a limit outside (0, 1].
    """
    from scipy import ndimage

    masks, maps, inside = _check_maps(masks, maps, inside)
    if not 0.0 < false_positive_limit <= 1.0:
        raise ValueError(f"Expected 0 < false_positive_limit <= 1. Received: {false_positive_limit}.")
    weight, regions = np.zeros(masks.shape), 0
    for mask, weights in zip(masks & inside, weight, strict=True):
        labelled, found = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(labelled.ravel())
        weights[mask] = 1.0 / sizes[labelled[mask]]
        regions += found
    order = np.argsort(-maps[inside], kind="stable")
    values = maps[inside][order]
    last = np.r_[np.flatnonzero(np.diff(values)), len(values) - 1]  # equal scores pass a threshold together
    overlap = np.r_[0.0, np.cumsum(weight[inside][order])[last] / regions]
    normal = ~masks[inside][order]
    false = np.r_[0.0, np.cumsum(normal)[last] / normal.sum()]
    end = np.interp(false_positive_limit, false, overlap)
    low = false < false_positive_limit
    false, overlap = np.r_[false[low], false_positive_limit], np.r_[overlap[low], end]
    area = np.sum(np.diff(false) * (overlap[1:] + overlap[:-1]) / 2.0)
    return float(area / false_positive_limit)


def _check_maps(masks: Any, maps: Any, inside: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    masks, maps = np.asarray(masks).astype(bool), np.asarray(maps)
    maps = maps if maps.dtype.kind == "f" else maps.astype("float64")  # -maps would wrap in uint8
    if masks.shape != maps.shape or masks.ndim != 3:
        raise ValueError(
            f"Expected masks and maps of shape (n, H, W). Received: shapes {masks.shape} and {maps.shape}."
        )
    inside = np.ones(masks.shape, bool) if inside is None else np.asarray(inside).astype(bool)
    if inside.shape != masks.shape:
        raise ValueError(f"Expected inside to have the shape {masks.shape}. Received: shape {inside.shape}.")
    if not masks[inside].any() or masks[inside].all():
        raise ValueError("Expected normal and anomalous pixels. Received: pixels of one kind only.")
    if not np.isfinite(maps).all():
        raise ValueError(f"Expected finite maps. Received: {maps[~np.isfinite(maps)][0]}.")
    return masks, maps, inside

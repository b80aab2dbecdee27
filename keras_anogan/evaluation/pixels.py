"""Numbers of anomaly maps and masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan.evaluation.rates import auroc, interval_over_groups

CLASSES = 1024  # of values of maps, for intervals


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
    masks, maps, inside = _check_maps(masks, maps, inside)
    if not 0.0 < false_positive_limit <= 1.0:
        raise ValueError(f"Expected 0 < false_positive_limit <= 1. Received: {false_positive_limit}.")
    found = [_region_weights(mask) for mask in masks & inside]
    weight, regions = np.array([weights for weights, _ in found]), sum(count for _, count in found)
    order = np.argsort(-maps[inside], kind="stable")
    values = maps[inside][order]
    last = np.r_[np.flatnonzero(np.diff(values)), len(values) - 1]  # equal scores pass a threshold together
    overlap = np.r_[0.0, np.cumsum(weight[inside][order])[last] / regions]
    normal = ~masks[inside][order]
    false = np.r_[0.0, np.cumsum(normal)[last] / normal.sum()]
    return _area(false, overlap, false_positive_limit)


def pixel_intervals(
    masks: Any, maps: Any, groups: Any, inside: Any = None, false_positive_limit: float = 0.3
) -> dict[str, tuple[float, float]]:
    """Needs masks: 95 % intervals of `pixel_auroc` ("auroc") and of `per_region_overlap` ("pro") over groups of images.

    The groups are drawn with replacement (see `interval_over_groups`). Values of the maps are counted in 1,024 classes
    of about equally many pixels, so that a draw adds counts and sorts nothing.

    Args:
        masks, maps, inside, false_positive_limit: as in `per_region_overlap`.
        groups: (n,) what each image is of.

    Raises:
        ValueError: as `per_region_overlap` and `interval_over_groups` do.
    """
    masks, maps, inside = _check_maps(masks, maps, inside)
    edges = np.unique(np.quantile(maps[inside], np.linspace(0.0, 1.0, CLASSES + 1)[1:-1]))
    normal, anomalous, overlap = (np.zeros((len(maps), len(edges) + 1)) for _ in range(3))
    regions = np.zeros(len(maps))
    for i, (mask, values, counts) in enumerate(zip(masks, maps, inside, strict=True)):
        classes = len(edges) - np.searchsorted(edges, values, side="right")  # 0 for the highest values
        weights, regions[i] = _region_weights(mask & counts)
        for found, pixels, weight in (
            (normal, counts & ~mask, None),
            (anomalous, counts & mask, None),
            (overlap, counts & mask, weights),
        ):
            chosen = None if weight is None else weight[pixels]
            found[i] = np.bincount(classes[pixels], chosen, minlength=len(edges) + 1)

    def auroc_of(normal: np.ndarray, anomalous: np.ndarray) -> float:
        false, hits = (_shares(counts.sum(axis=0)) for counts in (normal, anomalous))
        return _area(false, hits, 1.0)

    def pro_of(normal: np.ndarray, overlap: np.ndarray, regions: np.ndarray) -> float:
        if not regions.sum():
            raise ValueError("Expected a region. Received: none.")
        hits = np.r_[0.0, np.cumsum(overlap.sum(axis=0))] / regions.sum()
        return _area(_shares(normal.sum(axis=0)), hits, false_positive_limit)

    return {
        "auroc": interval_over_groups(auroc_of, groups, normal, anomalous),
        "pro": interval_over_groups(pro_of, groups, normal, overlap, regions),
    }


def _shares(counts: np.ndarray) -> np.ndarray:
    """From 0 to 1, the share of pixels in the highest classes."""
    total = counts.sum()
    if not total:
        raise ValueError("Expected pixels of both kinds. Received: pixels of one kind only.")
    return np.r_[0.0, np.cumsum(counts)] / total


def _region_weights(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """For each pixel one over the size of its region, 0 outside, and how many regions there are."""
    from scipy import ndimage

    labelled, found = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labelled.ravel())
    weights = np.zeros(mask.shape)
    weights[mask] = 1.0 / sizes[labelled[mask]]
    return weights, found


def _area(false: np.ndarray, overlap: np.ndarray, limit: float) -> float:
    """Area under the overlap up to a rate of false pixels, divided by that rate."""
    end = np.interp(limit, false, overlap)
    low = false < limit
    false, overlap = np.r_[false[low], limit], np.r_[overlap[low], end]
    return float(np.sum(np.diff(false) * (overlap[1:] + overlap[:-1]) / 2.0) / limit)


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

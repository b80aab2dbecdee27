"""Where an alarm is: connected regions of an anomaly map above its threshold, in pixels of the photograph."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from keras_anogan.datasets.image_files import inspect_image
from keras_anogan.files import replacing
from keras_anogan.serving.scoring import Scorer, numbers_in
from keras_anogan.training.batches import gathered

COLUMNS = ("left", "top", "width", "height", "area", "peak")  # of a region in a CSV file
EIGHT = np.ones((3, 3))  # pixels that touch at a corner are connected


@dataclasses.dataclass(frozen=True)
class Region:
    """A connected region of marked pixels.

    Attributes:
        left, top, width, height: its box, in pixels of the photograph.
        area: marked pixels of the photograph; one pixel of the map stands for several.
        peak: largest value of the map in it.
    """

    left: int
    top: int
    width: int
    height: int
    area: int
    peak: float

    @property
    def values(self) -> list[Any]:
        """What stands in a CSV file, in the order of `COLUMNS`."""
        return [self.left, self.top, self.width, self.height, self.area, f"{self.peak:.6g}"]


def content(inside: np.ndarray | None) -> tuple[slice, slice]:
    """Rows and columns of a canvas on which the photograph lies; all of them where nothing is padded.

    Args:
        inside: bool (h, w), True where the photograph is; None for everywhere.
    """
    if inside is None or not inside.any():
        return slice(None), slice(None)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def content_of(batch: dict[str, np.ndarray], number: int) -> tuple[slice, slice]:
    """Where one photograph of a batch of `Scorer.explain` lies on its canvas."""
    return content(batch["inside"][number] if "inside" in batch else None)


def find_regions(
    mask: np.ndarray, anomaly_map: np.ndarray, size: tuple[int, int], least: int = 0
) -> tuple[list[Region], np.ndarray]:
    """The regions of one image, the highest peak first, and the mask (h, w) of what they cover.

    Args:
        mask: bool (h, w), what is marked; pixels that touch at a corner are connected.
        anomaly_map: (h, w).
        size: (height, width) of the photograph.
        least: area in pixels of the photograph; smaller regions are left out.
    """
    pixels = size[0] * size[1] / mask.size  # of the photograph, for one of the map
    labelled, _ = ndimage.label(mask, structure=EIGHT)
    found, kept = [], np.zeros_like(mask, dtype=bool)
    for number, box in enumerate(ndimage.find_objects(labelled), start=1):
        inside = labelled[box] == number
        area = max(1, round(int(inside.sum()) * pixels))
        if area < least:
            continue
        kept[box] |= inside
        (top, bottom), (left, right) = (
            (side.start * length // count, -(-side.stop * length // count))  # whole pixels that it touches
            for side, length, count in zip(box, size, mask.shape, strict=True)
        )
        peak = float(anomaly_map[box][inside].max())
        found.append(Region(left, top, right - left, bottom - top, area, peak))
    return sorted(found, key=lambda region: -region.peak), kept


def size_of(rows: Any, number: int) -> tuple[int, int]:
    """(height, width) of the photograph of a row; of rows without files the detector's own."""
    return inspect_image(rows.paths[number]).size if hasattr(rows, "paths") else rows.shape[1:3]


def numbers_and_regions(scorer: Scorer, rows: Any, least: int = 0) -> tuple[dict[str, Any], list[list[Region]]]:
    """What `Scorer.numbers` gives, and the regions of each image, in one pass.

    With a least area, an image is an alarm only if one of its regions has it. So there are fewer alarms than the
    threshold alone raises, and no more false ones than were asked for.

    Args:
        scorer: of a detector whose maps have a threshold.
        rows: images.
        least: area in pixels of the photograph; smaller regions are left out.
    """
    regions: list[list[Region]] = []

    def parts() -> Iterator[dict[str, np.ndarray]]:
        for batch in scorer.explain(rows):
            for i, (mask, anomaly_map) in enumerate(zip(batch["anomaly_mask"], batch["anomaly_map"], strict=True)):
                place = content_of(batch, i)
                regions.append(find_regions(mask[place], anomaly_map[place], size_of(rows, len(regions)), least)[0])
            yield numbers_in(batch)

    numbers = gathered(parts())
    if least > 0:
        numbers["is_anomaly"] = np.asarray(numbers["is_anomaly"]).astype(bool) & np.array([*map(bool, regions)])
    return numbers, regions


def region_columns(regions: Sequence[Sequence[Region]]) -> dict[str, list[Any]]:
    """Columns of scores.csv: how many regions each image has, and the one with the highest peak; empty for none."""
    loudest = [found[0].values if found else [""] * len(COLUMNS) for found in regions]
    columns = {f"region_{name}": [line[i] for line in loudest] for i, name in enumerate(COLUMNS)}
    return {"regions": [len(found) for found in regions], **columns}


def write_regions(path: pathlib.Path, ids: Sequence[str], regions: Sequence[Sequence[Region]]) -> None:
    """Write one CSV line for each region of each image."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *COLUMNS])
        writer.writerows([name, *region.values] for name, found in zip(ids, regions, strict=True) for region in found)

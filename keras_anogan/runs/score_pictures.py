"""Pictures of scored images: maps, photographs with maps laid over them, and one sheet of examples."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from keras_anogan import plots
from keras_anogan.datasets.image_folder import load_image
from keras_anogan.files import replacing
from keras_anogan.pictures import to_pixels
from keras_anogan.runs.examples import ScoredRows, examples_of, map_scale
from keras_anogan.runs.inputs import Inputs
from keras_anogan.runs.regions import content_of, find_regions, size_of
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.scoring import Scorer

LONGEST_NAME = 60  # letters


def write_maps(
    scorer: Scorer, inputs: Inputs, maps: pathlib.Path | None, overlay: pathlib.Path | None, least: int = 0
) -> None:
    """Write a picture of each image into one folder or two.

    Args:
        scorer, inputs: the detector, and the images.
        maps: folder for heat maps at the size of the detector's input, black for 0 to yellow for 1 and more.
        overlay: folder for photographs at their own size with the map laid over, denser where it is higher, and the
            outline of the pixels above the threshold for maps. The brightest colour stands for twice that threshold.
        least: area in pixels of the photograph; smaller regions are not outlined.
    """
    number, scale, names = 0, map_scale(scorer.fitted), picture_names(inputs.ids["id"])
    for batch in scorer.explain(inputs.rows):
        for i, canvas in enumerate(batch["anomaly_map"]):
            place = content_of(batch, i)
            name, anomaly_map = names[number], canvas[place]
            if maps is not None:
                _save(maps / name, plots.heat_pixels(anomaly_map))
            if overlay is not None:
                marked = None
                if "anomaly_mask" in batch:
                    size = size_of(inputs.rows, number)
                    marked = find_regions(batch["anomaly_mask"][i][place], anomaly_map, size, least)[1]
                photograph = _photograph(inputs.rows, number)
                _save(overlay / name, plots.overlay_pixels(photograph, anomaly_map, scale, marked))
            number += 1


def picture_names(ids: Sequence[str]) -> list[str]:
    """The file of each image's picture: its name as a PNG, after its own suffix where two would be called alike."""
    names = [str(pathlib.PurePosixPath(name).with_suffix(".png")) for name in ids]
    counts = collections.Counter(names)
    return [named if counts[named] == 1 else f"{name}.png" for name, named in zip(ids, names, strict=True)]


def write_grid(path: pathlib.Path, scored: ScoredRows, fitted: FittedDetector, lines: int) -> None:
    """Write a sheet of images, evenly from the most to the least anomalous: each with its name, its score and whether
    it is an alarm, and under every picture what it shows."""
    ranked = scored.ranked
    chosen = ranked[np.linspace(0, len(ranked) - 1, min(lines, len(ranked))).astype(int)]
    examples = examples_of(chosen, scored, fitted)
    shown = []
    for number in dict.fromkeys(chosen.tolist()):
        example = examples[number]
        name = example.name if len(example.name) <= LONGEST_NAME else f"…{example.name[-LONGEST_NAME:]}"
        said = "alarm" if example.alarm else "no alarm"
        title = f"{name}{', ' + example.what if example.what else ''}\nA = {example.score:.4g}, {said}"
        shown.append((title, example.pixels))
    with replacing(path) as partial:
        plots.save_panels(shown, partial)


def _photograph(rows: Any, number: int) -> np.ndarray:
    """An image at its own size, uint8 (H, W, 1 or 3)."""
    if hasattr(rows, "paths"):
        return load_image(rows.paths[number])
    pixels = to_pixels(np.asarray(rows[np.array([number])])[0])
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _save(path: pathlib.Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")

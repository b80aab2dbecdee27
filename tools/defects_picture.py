"""README's picture of real defects: `python tools/defects_picture.py RUN FOLDER docs/images/defects.png`.

The run is one of a detector with maps, the folder has MVTec-AD's layout and masks. Of each kind of defect the
photograph is shown whose score is in the middle of its kind, so that nobody picks the ones that look best.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

from keras_anogan.datasets import load_masks, scan_image_folder
from keras_anogan.pictures import to_pixels
from keras_anogan.runs.folder import load_run
from keras_anogan.runs.inputs import read_inputs
from keras_anogan.serving.scoring import Scorer

GOOD = "good"


def main(run: str, data: str, out: str) -> None:
    """Draw photograph, map and mask of one photograph of each kind."""
    loaded = load_run(run)
    fitted = loaded.fitted
    rows, folder = read_inputs(loaded, data).rows, scan_image_folder(pathlib.Path(data))
    numbers = Scorer(fitted).numbers(rows)
    score, kinds = numbers["score"], np.asarray(folder.kinds)
    names = [GOOD, *sorted(set(folder.kinds) - {GOOD})]
    chosen = [_middle(score, np.flatnonzero(kinds == name)) for name in names]
    masks = load_masks([folder.masks[i] for i in chosen], loaded.arguments.sides)
    explained = fitted.explain_encoded(rows[np.array(chosen)])
    top = 2.0 * fitted.pixel_threshold
    figure = Figure(figsize=(1.75 * len(names), 5.9), facecolor="white")
    edges = {"left": 0.05, "right": 0.995, "top": 0.95, "bottom": 0.09, "wspace": 0.06, "hspace": 0.05}
    axes = figure.subplots(3, len(names), gridspec_kw=edges)
    for column, (i, name) in enumerate(zip(chosen, names, strict=True)):
        photograph = to_pixels(np.asarray(rows[np.array([i])])[0])
        for row, (pixels, colours, high) in enumerate(
            [(photograph, "gray", 255), (explained["anomaly_map"][column], "inferno", top), (masks[column], "gray", 1)]
        ):
            axes[row, column].imshow(pixels, cmap=colours, vmin=0, vmax=high)
            axes[row, column].set(xticks=[], yticks=[])
        axes[0, column].set_title("no defect" if name == GOOD else name, fontsize=11)
        alarm = bool(numbers["is_anomaly"][i])
        axes[2, column].set_xlabel(
            f"A = {score[i]:.2f}\n{'alarm' if alarm else 'no alarm'}",
            color="#b3402a" if alarm else "#3a4248",
            weight="bold" if alarm else "normal",
        )
    for row, what in enumerate(["photograph", "map", "mask"]):
        axes[row, 0].set_ylabel(what, fontsize=11)
    figure.savefig(out, dpi=100)


def _middle(score: np.ndarray, numbers: np.ndarray) -> int:
    """The one of these rows with the middle score."""
    return int(numbers[np.argsort(score[numbers], kind="stable")[len(numbers) // 2]])


if __name__ == "__main__":
    main(*sys.argv[1:])

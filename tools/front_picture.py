"""The picture of the documentation's first page, from a finished `make demo`:

python tools/front_picture.py runs/demo docs/images/demo.png

Four normal and six anomalous test digits. Each group goes from its lowest score to its highest in equal steps of rank,
so that nobody picks the ones that look best.
"""

from __future__ import annotations

import sys

import numpy as np
from matplotlib.figure import Figure

from keras_anogan.runs.arguments import demo_arguments
from keras_anogan.runs.folder import load_run
from keras_anogan.runs.tasks import load_task
from keras_anogan.serving.scoring import explain_rows

NORMAL, ANOMALOUS = 4, 6


def main(run: str, out: str) -> None:
    """Draw input, reconstruction and difference of ten test images of a demo's run."""
    fitted, _ = load_run(run)
    task = load_task(demo_arguments())
    batches = list(explain_rows(fitted.detector.explain, task.test))
    found = {key: np.concatenate([batch[key] for batch in batches]) for key in ("score", "reconstruction")}
    chosen = [*_spread(found["score"], task.labels == 0, NORMAL), *_spread(found["score"], task.labels == 1, ANOMALOUS)]
    x, x_hat = np.asarray(task.test[np.array(chosen)]), found["reconstruction"][chosen]
    figure = Figure(figsize=(10.4, 3.95), facecolor="white")
    edges = {"left": 0.035, "right": 0.995, "top": 0.93, "bottom": 0.12, "wspace": 0.08, "hspace": 0.06}
    axes = figure.subplots(3, len(chosen), gridspec_kw=edges)
    for column, i in enumerate(chosen):
        alarm = found["score"][i] > fitted.threshold.threshold
        difference = np.abs(x[column] - x_hat[column])[..., 0]
        for row, (pixels, colours, low, high) in enumerate(
            [(x[column, ..., 0], "gray", -1, 1), (x_hat[column, ..., 0], "gray", -1, 1), (difference, "inferno", 0, 1)]
        ):
            axes[row, column].imshow(pixels, cmap=colours, vmin=low, vmax=high)
            axes[row, column].set(xticks=[], yticks=[])
        axes[2, column].set_xlabel(
            f"A = {found['score'][i]:.3f}\n{'alarm' if alarm else 'no alarm'}",
            color="#b3402a" if alarm else "#3a4248",
            weight="bold" if alarm else "normal",
        )
    for row, name in enumerate(["input", "reconstruction", "difference"]):
        axes[row, 0].set_ylabel(name, fontsize=10)
    axes[0, 0].set_title("normal: the digit 3", loc="left", fontsize=12)
    axes[0, NORMAL].set_title("anomalous: all other digits", loc="left", fontsize=12)
    figure.savefig(out, dpi=110)


def _spread(scores: np.ndarray, chosen: np.ndarray, count: int) -> list[int]:
    """`count` of the chosen rows, from the lowest score to the highest in equal steps of rank."""
    ranked = np.flatnonzero(chosen)[np.argsort(scores[chosen], kind="stable")]
    return [int(i) for i in ranked[np.linspace(0, len(ranked) - 1, count).astype(int)]]


if __name__ == "__main__":
    main(*sys.argv[1:])

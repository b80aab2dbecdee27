"""C-VGAN on a made-up street, the one place where a score may be chosen with labels.

keras-anogan reproduce cvgan-street-frames
    9 minutes, five seeds: AUROC 0.86 ± 0.09. The frame before as the forecast 0.482.
"""

from __future__ import annotations

import math

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import make_street
from keras_anogan.nn import scores
from keras_anogan.recipes.cvgan_ped2 import (
    BEST,
    BEST_PARAMS,
    ORDER_OFFSET,
    SMOOTHED,
    WINDOW,
    judge_by_previous_frame,
    judge_clips,
    smoothed,
    train_cvgan,
)
from keras_anogan.recipes.recipe import Numbers, Recipe

# Settings.

STREET_STEPS, STREET_SEEDS = 1500, (0, 1, 2, 3, 4)
OFFSETS = (0.03, 0.05, 0.07, 0.1, 0.2, math.inf)  # of the scaled error; infinite: not scaled
LENGTHS = (1, 2, 4, 6, 8, 10, 12)  # frames whose scores are averaged
STREET = BEST | {
    "augmentation": "none",
    "score": "as in `cvgan-ped2-frames`",
    "train": "four normal days of 600 frames; other days of the same street for every seed",
    "test": "a day with four kinds of anomalies",
    "steps": f"{STREET_STEPS:,}, last one",
    "chosen on": "itself: this is where things are chosen with labels",
}


# Runs.


def _street(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Four normal days, another one, which has anomalies, and the labels of its frames; grey."""
    days = make_street(days=6, frames=600, seed=seed)
    grey = {day.name: day.frames.mean(axis=-1, keepdims=True).astype("uint8") for day in days}
    *normal, _, last = days
    return {day.name: grey[day.name] for day in normal}, {last.name: grey[last.name]}, last.labels


def _street_numbers(judged: dict[str, dict[str, np.ndarray]], labels: np.ndarray) -> Numbers:
    """AUROC of the frames of one day for every pair of a constant and a length."""
    (day,) = judged.values()
    numbers: Numbers = {}
    for offset in OFFSETS:
        finite = math.isfinite(offset)
        score = (
            np.asarray(scores.scaled_error(day["top_blocks"], day["naive"], offset)) if finite else day["top_blocks"]
        )
        for length in LENGTHS:
            name = f"AUROC {f'scaled, {offset}' if finite else 'top blocks'}, mean of {length}"
            numbers[name] = evaluation.auroc(labels[WINDOW + length - 2 :], smoothed(score, length))
    return numbers


def _street_frames(seed: int) -> Numbers:
    normal, testing, labels = _street(seed)
    detector = train_cvgan(normal, seed, STREET_STEPS, **(BEST_PARAMS | {"mirror": False}))
    numbers = _street_numbers(judge_clips(detector, testing), labels)
    return {"value": numbers[f"AUROC scaled, {ORDER_OFFSET}, mean of {SMOOTHED}"], **numbers}


def _street_of_previous_frame() -> Numbers:
    """Means over the days of all seeds."""
    found = []
    for seed in STREET_SEEDS:
        _, testing, labels = _street(seed)
        found.append(_street_numbers(judge_by_previous_frame(testing), labels))
    return {f"previous frame {key}": float(np.mean([numbers[key] for numbers in found])) for key in found[0]}


RECIPES = (
    Recipe(
        name="cvgan-street-frames",
        what="A made-up street, with its labels: what a score should be relative to, and the mean of how many frames",
        metric=f"AUROC of frames, scaled, {ORDER_OFFSET}, mean of {SMOOTHED}",
        settings=STREET,
        published=None,
        run=_street_frames,
        baselines=_street_of_previous_frame,
        target=None,
        seeds=STREET_SEEDS,
        shown=(f"previous frame AUROC scaled, {ORDER_OFFSET}, mean of {SMOOTHED}",),
    ),
)

"""OGNet on UCSD Ped2: every frame is cut into patches, and its score is that of the worst one.

keras-anogan reproduce ognet-ped2-frames
    17 minutes: AUROC 0.588 ± 0.037, less than before phase 2. Nearest neighbours 0.729, the frame before 0.828.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from keras_anogan import evaluation
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models.composed import PatchDetector
from keras_anogan.nn.scaling import to_float
from keras_anogan.recipes.alocc_mnist import PHASE_2, train_phase_1, train_phase_2
from keras_anogan.recipes.baselines import ON_IMAGES_BESIDE_GANS
from keras_anogan.recipes.cvgan_ped2 import SMOOTHED, frame_numbers, judge_by_previous_frame, smoothed
from keras_anogan.recipes.data import ped2
from keras_anogan.recipes.recipe import Numbers, Recipe

PATCH, STRIDE, FRAMES, EPOCHS = 32, 16, 600, 10

SETTINGS = {
    "train": f"{FRAMES} frames of the 16 training clips, drawn with the seed: every patch of them",
    "test": "the 2,010 frames of the 12 test clips",
    "frames": "64 x 128 pixels, grey; the original has 240 x 360",
    "patches": f"{PATCH} x {PATCH} pixels, {STRIDE} apart, 21 a frame; the papers take 45 x 45 of larger frames",
    "networks": "ALOCC's strided ones, 32 and 16 filters",
    "phase 1": f"{EPOCHS} epochs in batches of 128, RMSprop, 2e-4 (R) and 1e-4 (D), to 0 by a cosine; weights averaged",
    **PHASE_2,
    "score": "the largest -D(R(patch)) of a frame",
    "chosen on": "nothing here: as on MNIST",
}


def _patches(frames: np.ndarray) -> np.ndarray:
    """The patches of frames (n, H, W, 1), frame by frame: (n, patches, PATCH, PATCH, 1)."""
    views = np.lib.stride_tricks.sliding_window_view(frames, (PATCH, PATCH), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    return np.ascontiguousarray(np.moveaxis(views, 3, -1)).reshape(len(frames), -1, PATCH, PATCH, frames.shape[-1])


def _train_patches(seed: int) -> np.ndarray:
    frames = np.concatenate([to_float(clip) for clip in ped2().train.values()])
    drawn = np.sort(np.random.default_rng(seed).permutation(len(frames))[:FRAMES])
    return _patches(frames[drawn]).reshape(-1, PATCH, PATCH, 1)


def _auroc(found: dict[str, np.ndarray], smooth: int = 1) -> float:
    """Micro AUROC of the frames of all test clips; with `smooth`, of means over so many frames."""
    labels = [ped2().labels[name][smooth - 1 :] for name in found]
    scores = [smoothed(clip, smooth) for clip in found.values()]
    return evaluation.auroc(np.concatenate(labels), np.concatenate(scores))


def _judged(detector: AnomalyDetector) -> dict[str, np.ndarray]:
    """The score of each frame, by clip."""
    test = ped2().test
    whole = PatchDetector(detector, next(iter(test.values())).shape[1:3], stride=STRIDE)
    return {name: whole.predict(to_float(clip), batch_size=16) for name, clip in test.items()}


def _ognet(seed: int) -> Numbers:
    x = _train_patches(seed)
    first, detector = cast(list[AnomalyDetector], list(train_phase_1(x, seed, name="ognet", epochs=EPOCHS).values()))
    before = _judged(first)
    train_phase_2(detector, x)
    after = _judged(detector)
    return {
        "value": _auroc(after),
        "AUROC, smoothed": _auroc(after, SMOOTHED),
        "AUROC of phase 1": _auroc(before),
        "AUROC of phase 1, smoothed": _auroc(before, SMOOTHED),
    }


def _baselines() -> Numbers:
    train = _train_patches(0)
    test = {name: _patches(to_float(clip)) for name, clip in ped2().test.items()}
    rows = np.concatenate([patches.reshape(-1, PATCH, PATCH, 1) for patches in test.values()])
    ends = np.cumsum([len(patches) for patches in test.values()])[:-1]
    numbers: Numbers = {}
    for name, score in ON_IMAGES_BESIDE_GANS.items():
        worst = score(train, rows).reshape(sum(len(patches) for patches in test.values()), -1).max(axis=1)
        found = dict(zip(test, np.split(worst, ends), strict=True))
        numbers |= {f"{name} AUROC": _auroc(found), f"{name} AUROC, smoothed": _auroc(found, SMOOTHED)}
    before = frame_numbers(judge_by_previous_frame(ped2().test), ped2())
    return numbers | {"previous frame AUROC": before["AUROC top blocks"]}


RECIPES = (
    Recipe(
        name="ognet-ped2-frames",
        what="UCSD Ped2, frames by their worst patch: OGNet",
        metric="micro AUROC of frames",
        settings=SETTINGS,
        published={
            "value": 0.981,
            "source": "Zaheer et al. 2020, abstract: larger frames and patches; how the step was chosen is not told",
        },
        run=_ognet,
        baselines=_baselines,
        target=None,
    ),
)

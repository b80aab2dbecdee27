"""IFTM on UCSD Ped2: how many false alarms."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan.recipes.cvgan_ped2 import (
    BEST,
    BEST_PARAMS,
    CHOSEN,
    FEWER_STEPS,
    OFFSET,
    SMOOTHED,
    WINDOW,
    judge_by_previous_frame,
    judge_clips,
    smoothed,
    train_cvgan,
)
from keras_anogan.recipes.data import ped2, split_clips
from keras_anogan.recipes.recipe import Numbers, Recipe
from keras_anogan.thresholds.conformal import ConformalThreshold
from keras_anogan.thresholds.running import CumulativeAggregation, ExponentialThreshold, SlidingWindowThreshold


def false_alarm_numbers(
    held: list[np.ndarray], tested: tuple[np.ndarray, np.ndarray] | None = None, splits: int = 20
) -> Numbers:
    """Shares of normal windows that are flagged, over random halves of held-out clips into calibrate and check.

    Args:
        held: scores of each held-out clip, in the order of the recording.
        tested: scores and labels of test windows; "found" is the share of the anomalous ones that is flagged.
        splits: random halves.
    """
    draw = np.random.default_rng(0)
    flagged: dict[str, list[float]] = {}
    for _ in range(splits):
        order = draw.permutation(len(held))
        chosen = sorted(order[: len(held) // 2])
        calibrate = np.concatenate([held[i] for i in chosen])
        clips = np.repeat(chosen, [len(held[i]) for i in chosen])
        check = np.concatenate([held[i] for i in sorted(order[len(held) // 2 :])])
        thresholds = {
            "k = 3": CumulativeAggregation(k=3.0).adapt(calibrate).threshold,
            "k = 1, the thesis's": CumulativeAggregation(k=1.0).adapt(calibrate).threshold,
            "conformal 1 %": ConformalThreshold(0.01).adapt(calibrate, groups=clips).threshold,
            "conformal 1 %, clips as one": ConformalThreshold(0.01).adapt(calibrate).threshold,
        }
        for name, threshold in thresholds.items():
            flagged.setdefault(name, []).append(float(np.mean(check > threshold)))
            if tested is not None:
                found = float(np.mean(tested[0][tested[1] == 1] > threshold))
                flagged.setdefault(f"{name}, anomalous test frames found", []).append(found)
        for name, layer in (
            ("exponential k = 3, streaming", ExponentialThreshold(k=3.0, alpha=0.05)),
            ("sliding k = 3, streaming", SlidingWindowThreshold(k=3.0, window=200)),
        ):
            layer.adapt(calibrate)
            flagged.setdefault(name, []).append(_streamed(layer, check))
    last = CumulativeAggregation(k=3.0).adapt(np.concatenate(held[-2:]))
    numbers = {"k = 3, calibrated on the last two": float(np.mean(np.concatenate(held[:-2]) > last.threshold))}
    for name, shares in flagged.items():
        numbers[f"{name}, median"] = float(np.median(shares))
        if "found" not in name:
            numbers[f"{name}, worst"] = float(np.max(shares))
    return numbers


def _streamed(layer: Any, check: np.ndarray) -> float:
    """Share of alarms where the threshold learns from every score after it was judged."""
    alarms = 0
    for score in check:
        alarms += score > layer.threshold
        layer.update_state(np.array([score]))
    return alarms / len(check)


def _of_errors(held: dict[str, Any], tested: dict[str, Any]) -> Numbers:
    """`false_alarm_numbers` of the scaled error, and by name of its mean over frames in a row and of the plain one."""
    numbers: Numbers = {}
    for prefix, key, length in (
        ("", "score", 1),
        ("smoothed, ", "score", SMOOTHED),
        ("plain error, ", "top_blocks", 1),
    ):
        scores_of = [[smoothed(clip[key], length) for clip in clips.values()] for clips in (held, tested)]
        labels = np.concatenate([ped2().labels[name][WINDOW + length - 2 :] for name in tested])
        found = false_alarm_numbers(scores_of[0], (np.concatenate(scores_of[1]), labels))
        numbers |= {f"{prefix}{name}": value for name, value in found.items()}
    return numbers


def _false_alarms(seed: int) -> Numbers:
    train, held = split_clips()
    detector = train_cvgan(train, seed, FEWER_STEPS, **BEST_PARAMS)
    numbers = _of_errors(judge_clips(detector, held), judge_clips(detector, ped2().test))
    return {"value": numbers.pop("k = 3, median"), **numbers}


def _false_alarms_of_previous_frame() -> Numbers:
    _, held = split_clips()
    numbers = _of_errors(judge_by_previous_frame(held), judge_by_previous_frame(ped2().test))
    return {f"previous frame {key}": value for key, value in numbers.items()}


RECIPES = (
    Recipe(
        name="iftm-ped2-falsealarms",
        what="UCSD Ped2, normal clips only: share of windows that IFTM flags",
        metric="share flagged at k = 3, median of 20 splits",
        settings=BEST
        | {
            "score": "mean of the 4 largest 8 x 8 block means of the absolute error of the forecast, relative to those "
            f"of the changes among the frames before + {OFFSET}; 'smoothed': the mean of {SMOOTHED} of them in a row; "
            "'plain error': without what it is relative to",
            "train": "10 of the 16 training clips",
            "test": "20 random halves of the other six, spread over the recording: three calibrate, three are checked; "
            "conformal thresholds: the highest of the three clips' own",
            "steps": f"{FEWER_STEPS:,}, last one",
            "chosen on": f"{CHOSEN}. {OFFSET}: between what was best on the made-up street, with its labels (0.1, on "
            "three seeds; 0.05 to 0.07 on five, later), and what made the normal clips most alike, without any (0 to "
            "0.02; trial runs of other seeds, on other clips and on these); after a first run with the plain error, "
            "which flagged 4.5 % and 8.8 %",
        },
        published=None,
        run=_false_alarms,
        baselines=_false_alarms_of_previous_frame,
        target=0.03,
        lower_is_better=True,
        shown=("previous frame k = 3, median",),
    ),
)

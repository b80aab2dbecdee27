"""Peak memory of training and scoring: `python benchmarks/memory.py [NAME ...]`; each case in a process of its own."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_anogan import IFTM, PredictionError, VideoWindows, build_phases
from keras_anogan.models.cvgan import build_video_generator
from keras_anogan.recipes.recipe import write_result
from keras_anogan.training.averages import NetworkEMA


def train_and_score(shape: tuple[int, ...], detector: str) -> tuple[None, float]:
    """Peak memory, in GiB, of this process, files included, after one epoch of every phase and a pass of scores.

    Args:
        shape: of the rows, (n, ...).
        detector: its name, as in `build_phases`.
    """
    x = 2.0 * np.random.default_rng(0).random(shape, dtype="float32") - 1.0
    for model in build_phases(detector, shape[1:]).values():
        model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})
        model.fit(x, batch_size=64, epochs=1, verbose=0, callbacks=[NetworkEMA(0.999)])
    model.predict(x)
    return None, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB to GiB


def anonymous() -> float:
    """Memory of this process that is no file's, in GiB."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 2**20


def feed_windows(shape: tuple[int, ...]) -> tuple[float, float]:
    """Anonymous memory after ten batches, and at most, of one pass over a sparse store of that many frames."""
    with tempfile.TemporaryDirectory() as folder:
        day = pathlib.Path(folder) / "00"
        day.mkdir()
        with open(day / "camera.frames", "wb") as file:
            file.truncate(int(np.prod(shape)))  # takes no room on disk
        facts = {"frames": shape[0], "frame_shape": shape[1:], "breaks": [], "corrupt": []}
        (day / "camera.json").write_text(json.dumps(facts))
        store = {"version": 1, "frame_shape": shape[1:], "every": 1, "recordings": [["00", "camera", shape[0]]]}
        (pathlib.Path(folder) / "footage.json").write_text(json.dumps(store))
        windows = VideoWindows(folder, subsample_size=7, batch_size=64)
        return over_time((windows[i] for i in range(len(windows))), skip=10)


def stream_frames(shape: tuple[int, ...]) -> tuple[float, float]:
    """Anonymous memory after a hundred frames, and at most, of a stream."""
    iftm = IFTM(build_video_generator(shape[1:], filters=4), PredictionError(frames=-1))
    frames = (np.full(shape[1:], i % 256, "uint8") for i in range(shape[0]))
    return over_time(iftm.stream(frames), skip=100)


def over_time(items: Iterable[Any], skip: int) -> tuple[float, float]:
    """Anonymous memory after `skip` items, and the most after any later one."""
    seen = [anonymous() for i, _ in enumerate(items) if (i >= skip and i % 50 == 0) or i == skip]
    return seen[0], max(seen)


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        what: one phrase, for the tables.
        shape: of the rows or frames, (n, ...).
        bound: in GiB.
        run: shape -> memory in GiB to begin with, where that is told, and at most.
    """

    what: str
    shape: tuple[int, ...]
    bound: float
    run: Callable[[tuple[int, ...]], tuple[float | None, float]]


CASES = {
    "memory-fanogan-train": Case(
        "f-AnoGAN (MLP), one epoch of each phase and scoring on 60,000 images of 28 x 28: peak memory",
        (60_000, 28, 28, 1),
        2.0,
        functools.partial(train_and_score, detector="fanogan"),
    ),
    "memory-efficientgan-train": Case(
        "EfficientGAN, one epoch and scoring on 500,000 rows of 121 features: peak memory",
        (500_000, 121),
        3.0,
        functools.partial(train_and_score, detector="efficientgan"),
    ),
    "memory-windows-feed": Case(
        "one pass over a prepared store of 1,000,000 frames of 128 x 64 x 3 through `VideoWindows`: anonymous memory",
        (1_000_000, 64, 128, 3),
        1.5,
        feed_windows,
    ),
    "memory-iftm-stream": Case(
        "10,000 frames of 128 x 64 x 3 through `IFTM.stream`, C-VGAN of 4 filters: anonymous memory",
        (10_000, 64, 128, 3),
        1.5,
        stream_frames,
    ),
}


def measure(name: str) -> None:
    """Measure one case in this process and write the result."""
    start = time.perf_counter()
    case = CASES[name]
    begun, peak = case.run(case.shape)
    result = {
        "name": name,
        "what": case.what,
        "command": f"python benchmarks/memory.py {name}",
        "measured": round(peak, 2),
        "unit": "GiB",
        "bound": f"< {case.bound:g}",
        "met": peak < case.bound,
        **({} if begun is None else {"begun_with": round(begun, 2)}),
    }
    write_result(result, time.perf_counter() - start, pathlib.Path(__file__).parent / "results")
    print(f"{name}: peak {peak:.2f} GiB")


def main(names: list[str]) -> None:
    """Measure the cases that are named, or all."""
    if unknown := sorted(set(names) - set(CASES)):
        sys.exit(f"Expected some of {tuple(CASES)}. Received: {unknown[0]!r}.")
    if len(names) == 1:
        return measure(names[0])
    for name in names or CASES:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

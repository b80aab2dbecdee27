"""Peak memory of training and scoring: `python benchmarks/memory.py [NAME ...]`; each case in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_anogan import IFTM, PredictionError, VideoWindows, build_phases
from keras_anogan.models.cvgan import build_video_generator
from keras_anogan.recipes.recipe import write_result
from keras_anogan.training.averages import NetworkEMA

# name -> (what it is, shape of the rows, bound in GiB)
CASES = {
    "memory-fanogan-train": (
        "f-AnoGAN (MLP), one epoch of each phase and scoring on 60,000 images of 28 x 28: peak memory",
        (60_000, 28, 28, 1),
        2.0,
    ),
    "memory-efficientgan-train": (
        "EfficientGAN, one epoch and scoring on 500,000 rows of 121 features: peak memory",
        (500_000, 121),
        3.0,
    ),
    "memory-windows-feed": (
        "one pass over a prepared store of 1,000,000 frames of 128 x 64 x 3 through `VideoWindows`: anonymous memory",
        (1_000_000, 64, 128, 3),
        1.5,
    ),
    "memory-iftm-stream": (
        "10,000 frames of 128 x 64 x 3 through `IFTM.stream`, C-VGAN of 4 filters: anonymous memory",
        (10_000, 64, 128, 3),
        1.5,
    ),
}


def train_and_score(name: str, shape: tuple[int, ...]) -> float:
    """Peak memory of this process, in GiB, files included."""
    x = 2.0 * np.random.default_rng(0).random(shape, dtype="float32") - 1.0
    for model in build_phases(name.split("-")[1], shape[1:]).values():
        model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})
        model.fit(x, batch_size=64, epochs=1, verbose=0, callbacks=[NetworkEMA(0.999)])
    model.predict(x)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB to GiB


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


def measure(name: str) -> None:
    """Train and score in this process and write the result."""
    start = time.perf_counter()
    what, shape, bound = CASES[name]
    begun: float | None = None
    if name.startswith("memory-windows"):
        begun, peak = feed_windows(shape)
    elif name.startswith("memory-iftm"):
        begun, peak = stream_frames(shape)
    else:
        peak = train_and_score(name, shape)
    result = {
        "name": name,
        "what": what,
        "command": f"python benchmarks/memory.py {name}",
        "measured": round(peak, 2),
        "unit": "GiB",
        "bound": f"< {bound:g}",
        "met": peak < bound,
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

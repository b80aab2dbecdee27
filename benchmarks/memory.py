"""Peak memory of training and scoring: `python benchmarks/memory.py [NAME ...]`; each case in a process of its own."""

from __future__ import annotations

import os
import pathlib
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_anogan import build_phases
from keras_anogan.callbacks import NetworkEMA
from keras_anogan.results import write_result

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
}


def measure(name: str) -> None:
    """Train and score in this process and write the result."""
    start = time.perf_counter()
    what, shape, bound = CASES[name]
    x = 2.0 * np.random.default_rng(0).random(shape, dtype="float32") - 1.0
    for model in build_phases(name.split("-")[1], shape[1:]).values():
        model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})
        model.fit(x, batch_size=64, epochs=1, verbose=0, callbacks=[NetworkEMA(0.999)])
    model.predict(x)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB to GiB
    result = {
        "name": name,
        "what": what,
        "command": f"python benchmarks/memory.py {name}",
        "measured": round(peak, 2),
        "unit": "GiB",
        "bound": f"< {bound:g}",
        "met": peak < bound,
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

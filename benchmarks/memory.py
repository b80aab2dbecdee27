"""Peak memory of training f-AnoGAN's MLP networks on 60,000 images: `python benchmarks/memory.py`."""

from __future__ import annotations

import os
import pathlib
import resource
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_anogan import build_phases
from keras_anogan.results import write_result

ROWS = 60_000


def main() -> None:
    start = time.perf_counter()
    x = 2.0 * np.random.default_rng(0).random((ROWS, 28, 28, 1), dtype="float32") - 1.0
    for model in build_phases("fanogan", (28, 28, 1), architecture="mlp").values():
        model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})
        model.fit(x, batch_size=64, epochs=1, verbose=0)
    model.predict(x)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB to GiB
    result = {
        "name": "memory-fanogan-train",
        "what": f"f-AnoGAN (MLP), one epoch of each phase and scoring on {ROWS:,} images of 28 x 28: peak memory",
        "command": "python benchmarks/memory.py",
        "measured": round(peak, 2),
        "unit": "GiB",
        "bound": "< 2",
        "met": peak < 2.0,
    }
    write_result(result, time.perf_counter() - start, pathlib.Path(__file__).parent / "results")
    print(f"peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()

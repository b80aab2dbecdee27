"""What `import keras_anogan` costs beyond `import keras`: `python benchmarks/import_time.py`.

The two are timed in turn, each in a fresh process."""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import time

from keras_anogan.recipes.recipe import write_result

PAIRS = 11


def seconds(module: str) -> float:
    """Seconds that a fresh process takes to import a module."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    """Time both imports in turn and write the result."""
    start = time.perf_counter()
    seconds("keras_anogan")  # a warm-up: file caches, byte code
    pairs = [(seconds("keras_anogan"), seconds("keras")) for _ in range(PAIRS)]
    ours, reference = (statistics.median(times) for times in zip(*pairs, strict=True))
    result = {
        "name": "speed-import",
        "what": "`import keras_anogan` / `import keras`",
        "command": "python benchmarks/import_time.py",
        "measured": round(ours / reference, 3),
        "unit": "x",
        "bound": "<= 1.05",
        "met": ours <= 1.05 * reference,
        "ratio": round(ours / reference, 3),
        "ratios": [round(a / b, 3) for a, b in pairs],
        "ours": round(ours, 2),
        "reference": round(reference, 2),
    }
    write_result(result, time.perf_counter() - start, pathlib.Path(__file__).parent / "results")
    print(f"ratio {result['ratio']}: {result['ours']} s and {result['reference']} s; pairs {result['ratios']}")


if __name__ == "__main__":
    main()

"""Speed against other code, both on two threads: `python benchmarks/speed.py [NAME ...]`.

f-AnoGAN and C-VGAN against the same layers in PyTorch; EfficientGAN against the loop in which it is usually found in
Keras; windows of video against decoding each window's pictures; IFTM's stream against its model's compiled call.
`case.py` lists the cases, `sides/` holds both sides of each.

Each side lives in a process of its own, so that TensorFlow and PyTorch never meet in one. The sides are timed in turn,
pair by pair, in one run; the result is the median of the ratios their time / ours. PyTorch is lean: eager, gradients
of frozen networks off, channels_last for convolutions, the fused Adam, gradients set to None. Ours is what a user
runs: `fit` with the callbacks of `keras-anogan train`, and the exported SavedModel. Beside a ratio to PyTorch stands
the share of the matrix-multiplication peak that this machine reaches in TensorFlow, measured in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from case import CASES, PAIRS, THREADS, Case
from sides import Side

SIDES = ("ours", "theirs", "peak")
PRODUCTS, SIZE = 10, 1024  # matrix products in one timing of the peak, and the sides of the matrices


# A worker: one side in this process.


def work(side: str, case: Case) -> None:
    """Build a side, warm it up, say what was counted, then answer every line on standard input with a timing."""
    limit_threads(pytorch=case.pytorch and side == "theirs")
    built = peak() if side == "peak" else getattr(importlib.import_module(f"sides.{case.side}"), side)(case)
    built.run()
    built.run()
    print("ready " + json.dumps({"parameters": built.parameters, "operations": built.operations}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        built.run()
        print(time.perf_counter() - start, flush=True)


def limit_threads(pytorch: bool) -> None:
    """Give the framework of this process `THREADS` threads for each operation."""
    if pytorch:
        import torch

        torch.set_num_threads(THREADS)
        torch.manual_seed(0)
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)


def peak() -> Side:
    """Products of large matrices in TensorFlow: as many operations a second as this machine reaches."""
    import tensorflow as tf

    a = tf.random.normal((SIZE, SIZE))

    @tf.function
    def products() -> tf.Tensor:
        b = a
        for _ in range(PRODUCTS):
            b = tf.linalg.matmul(a, b) * 1e-2
        return tf.reduce_sum(b)

    return Side(lambda: products().numpy(), operations=PRODUCTS * 2.0 * SIZE**3)


class Worker:
    """A side in a process of its own.

    Attributes:
        parameters, operations: as in `Side`, counted in that process.
    """

    def __init__(self, side: str, name: str) -> None:
        self.command = [sys.executable, __file__, "--worker", side, name]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while not (line := self._read()).startswith("ready "):
            pass
        counted = json.loads(line.removeprefix("ready "))
        self.parameters: dict[str, int] = counted["parameters"]
        self.operations: float = counted["operations"]

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"A side ended early. To see why: {' '.join(self.command)}")
        return line

    def time(self) -> float:
        """Seconds of one timing."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


# The harness.


def measure(case: Case) -> dict[str, Any]:
    """Time both sides in turn and return the result."""
    start = time.perf_counter()
    workers: dict[str, Worker] = {}
    try:
        for side in SIDES if case.pytorch else SIDES[:2]:
            workers[side] = Worker(side, case.name)
        check_same_layers(workers["ours"].parameters, workers["theirs"].parameters)
        times = time_in_turn(workers)
    finally:
        for worker in workers.values():
            worker.close()
    ratios = [(b / case.their_units) / (a / case.units) for a, b in zip(times["ours"], times["theirs"], strict=True)]
    ratio, our_time = statistics.median(ratios), statistics.median(times["ours"])
    result = {
        "name": case.name,
        "what": case.what,
        "command": f"python benchmarks/speed.py {case.name}",
        "measured": round(ratio, 3),
        "unit": "x",
        "bound": f">= {case.bound}",
        "met": ratio >= case.bound,
        "ratios": [round(value, 3) for value in ratios],
        "ours_ms": round(1e3 * our_time / case.units, 4),
        "their_ms": round(1e3 * statistics.median(times["theirs"]) / case.their_units, 4),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if case.pytorch:
        top = workers["peak"].operations / statistics.median(times["peak"])
        result["peak_gflops"] = round(top / 1e9, 1)
        if workers["ours"].operations:
            result["share_of_peak"] = round(workers["ours"].operations / our_time / top, 3)
        result["pytorch"] = importlib.metadata.version("torch")
    return result


def time_in_turn(workers: dict[str, Worker]) -> dict[str, list[float]]:
    """Seconds of `PAIRS` timings of every side; the order turns round after each, so that neither is always first."""
    times: dict[str, list[float]] = {side: [] for side in workers}
    for i in range(PAIRS):
        for side in list(workers)[:: 1 if i % 2 else -1]:
            time.sleep(0.3)  # the other side's threads have gone to sleep
            times[side].append(workers[side].time())
    return times


def check_same_layers(ours: dict[str, int], theirs: dict[str, int]) -> None:
    """Stop unless both sides have the same networks with equally many trainable parameters."""
    if ours != theirs:
        sys.exit(f"Expected equal networks on both sides. Received: parameters {ours} and {theirs}.")


def main(arguments: list[str]) -> None:
    """Measure the cases that are named, or all, and write a result file for each."""
    parser = argparse.ArgumentParser(
        description="Speed against other code.",
        epilog="\n  ".join(["cases:", *CASES]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases to time; default: all")
    parser.add_argument("--worker", choices=SIDES, help="run this side of one case here: each line typed is a timing")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(CASES)):
        sys.exit(f"Expected some of {tuple(CASES)}. Received: {unknown[0]!r}.")
    chosen = [CASES[name] for name in given.names or CASES]
    if given.worker:
        return work(given.worker, chosen[0])
    if any(case.pytorch for case in chosen) and importlib.util.find_spec("torch") is None:
        without = " ".join(case.name for case in CASES.values() if not case.pytorch)
        sys.exit(f"Expected PyTorch: pip install '.[bench]'. Received: none. Cases without it: {without}.")
    from keras_anogan.recipes.recipe import write_result

    for case in chosen:
        result = measure(case)
        seconds = result.pop("seconds")
        write_result(result, seconds, pathlib.Path(__file__).parent / "results")
        print(json.dumps({key: result[key] for key in ("name", "measured", "bound", "met", "ratios")}))


if __name__ == "__main__":
    main(sys.argv[1:])

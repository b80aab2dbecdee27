"""One run: train, score, watch, export, compare and benchmark over a folder that says what the run is.

What a command was asked for is checked without TensorFlow, so that what needs it is imported when it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_anogan.runs.arguments import Arguments, demo_arguments
from keras_anogan.runs.video_arguments import VideoArguments

if TYPE_CHECKING:
    from keras_anogan.runs.benchmarking import benchmark
    from keras_anogan.runs.comparing import compare
    from keras_anogan.runs.folder import Run, load_run
    from keras_anogan.runs.monitoring import monitor
    from keras_anogan.runs.rethreshold import set_threshold
    from keras_anogan.runs.scoring import export, score
    from keras_anogan.runs.training import train
    from keras_anogan.runs.watching import watch

HOMES = {
    "Run": "folder",
    "load_run": "folder",
    "benchmark": "benchmarking",
    "compare": "comparing",
    "export": "scoring",
    "monitor": "monitoring",
    "score": "scoring",
    "set_threshold": "rethreshold",
    "train": "training",
    "watch": "watching",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)


__all__ = [
    "Arguments",
    "Run",
    "VideoArguments",
    "benchmark",
    "compare",
    "demo_arguments",
    "export",
    "load_run",
    "monitor",
    "score",
    "set_threshold",
    "train",
    "watch",
]

"""One run: train, score, watch and export over a folder that says what the run is."""

from keras_anogan.runs.arguments import Arguments, VideoArguments, demo_arguments
from keras_anogan.runs.folder import Run, load_run
from keras_anogan.runs.scoring import export, score
from keras_anogan.runs.training import train
from keras_anogan.runs.watching import watch

__all__ = [
    "Arguments",
    "Run",
    "VideoArguments",
    "demo_arguments",
    "export",
    "load_run",
    "score",
    "train",
    "watch",
]

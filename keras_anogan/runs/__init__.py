"""One run: train, score, watch and export over a folder that says what the run is."""

from keras_anogan.runs.arguments import Arguments, VideoArguments, demo_arguments
from keras_anogan.runs.folder import load_run, load_video_run
from keras_anogan.runs.scoring import export, score, score_video
from keras_anogan.runs.training import train, train_video
from keras_anogan.runs.watching import watch

__all__ = [
    "Arguments",
    "VideoArguments",
    "demo_arguments",
    "export",
    "load_run",
    "load_video_run",
    "score",
    "score_video",
    "train",
    "train_video",
    "watch",
]

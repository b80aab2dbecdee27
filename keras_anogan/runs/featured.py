"""Runs whose detector sees features of images: they are computed once, and what is trained sees rows or grids."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_anogan.models.features import FeatureDetector, features_of, moments
from keras_anogan.nn.features import Features, build_features
from keras_anogan.runs.arguments import ON_GRID, Arguments
from keras_anogan.runs.folder import Say
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.tasks import Task
from keras_anogan.words import counted


@dataclasses.dataclass(frozen=True)
class Sight:
    """What the detector of a run sees of images.

    Attributes:
        features: the layer.
        mean, deviation: (d,) of the training images' features.
        task: the run's, whose training and stop rows are standardised features.
    """

    features: Features
    mean: np.ndarray
    deviation: np.ndarray
    task: Task

    def wrapped(self, detector: Any) -> FeatureDetector:
        """A detector of features as a detector of images."""
        found = FeatureDetector(self.features, detector, name="on_features")
        found.mean.assign(self.mean)
        found.deviation.assign(self.deviation)
        return found


def features_of_run(arguments: RunArguments, channels: int) -> Features | None:
    """The features that a run asks for; None where its detector sees pixels.

    Raises:
        ImportError, FileNotFoundError, ValueError: one sentence: weights that are not there, or of another network.
    """
    if not isinstance(arguments, Arguments) or arguments.features is None:
        return None
    shape, pooled = (*arguments.sides, channels), arguments.detector != ON_GRID
    return build_features(arguments.features, shape, arguments.layer, pooled, arguments.weights)


def look(features: Features, task: Task, say: Say) -> Sight:
    """Compute the features of the training and the stop images."""
    what = "x".join(map(str, features.shape)) + " numbers"
    count = counted(task.counts["train"] + task.counts["stop"], "images to train on")
    say(f"Features of {features.backbone.name}: {what} of each of {count}, computed once.")
    raw = [features_of(features, part) for part in (task.train, task.stop)]
    mean, deviation = moments(raw[0])
    train, stop = ((part - mean) / deviation for part in raw)
    return Sight(features, mean, deviation, dataclasses.replace(task, train=train, stop=stop))

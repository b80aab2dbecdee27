"""What the detector of a run sees of images, where it does not see them as they are: features of them, or tiles.

What is trained on is made once, before training; whole images are scored.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_anogan.datasets import ImageRows
from keras_anogan.datasets.augmented import Augmented
from keras_anogan.models.composed import PatchDetector, places
from keras_anogan.models.features import FeatureDetector, features_of, moments
from keras_anogan.models.padded import PaddedDetector, without_padding
from keras_anogan.models.views import ViewsDetector
from keras_anogan.nn.features import Features, build_features
from keras_anogan.runs.arguments import ON_GRID, Arguments
from keras_anogan.runs.folder import Say
from keras_anogan.runs.reading import trained_images
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.tasks import Task
from keras_anogan.words import counted

COPIES = 4  # of an image that is changed at random, for a detector that reads each one once
MOST_BYTES = 2**28  # of the tiles that are trained on
LONGEST = 1024  # side of whole images in pixels, unless told


@dataclasses.dataclass(frozen=True)
class Sight:
    """What the detector of a run sees of images.

    Attributes:
        task: the run's, whose training and stop rows are what it sees.
        wrapped: makes of a detector of these a detector of images.
        plain: what plain baselines see; None where that is the images as they are.
        many: whether that is many more than there are images.
    """

    task: Task
    wrapped: Callable[[Any], Any]
    plain: Sight | None = None
    many: bool = False


def features_of_run(arguments: RunArguments, channels: int) -> Features | None:
    """The features that a run asks for; None where its detector sees pixels.

    Raises:
        ImportError, FileNotFoundError, ValueError: one sentence: weights that are not there, or of another network.
    """
    if not isinstance(arguments, Arguments) or arguments.features is None:
        return None
    shape, pooled = (*arguments.sides, channels), arguments.detector not in ON_GRID
    scales = (1.0, *(arguments.scale or ()))
    return build_features(arguments.features, shape, arguments.layer, pooled, arguments.weights, scales)


def see(arguments: RunArguments, features: Features | None, task: Task, say: Say) -> Sight | None:
    """What a run's detector sees; None where it is the images themselves."""
    if not isinstance(arguments, Arguments):
        return None
    if arguments.pad:
        return _on_canvas(arguments, features, task, say)
    if arguments.views:
        return _in_views(arguments, features, task, say)
    if features is not None:
        return _through(features, _augmented(arguments, task, once=True), say)
    once = arguments.tags.closed_form
    if arguments.tiles is not None:
        sight = _in_tiles(arguments, task, say)
        return dataclasses.replace(sight, task=_augmented(arguments, sight.task, once))
    return Sight(_augmented(arguments, task, once), lambda detector: detector) if arguments.augments else None


def _on_canvas(arguments: Arguments, features: Features | None, task: Task, say: Say) -> Sight:
    """Images with mid-grey where nothing is, seen as the other arguments say."""
    padded = Sight(
        dataclasses.replace(task, train=_filled(task.train), stop=_filled(task.stop)),
        lambda detector: PaddedDetector(detector, name="padded"),
    )
    seen = see(dataclasses.replace(arguments, pad=False), features, padded.task, say)
    if seen is None:
        return dataclasses.replace(padded, plain=padded)
    return Sight(seen.task, lambda detector: padded.wrapped(seen.wrapped(detector)), plain=padded)


def _in_views(arguments: Arguments, features: Features | None, task: Task, say: Say) -> Sight:
    """The mirrored views of each image that is scored, seen as the other arguments say."""
    sight = see(dataclasses.replace(arguments, views=False), features, task, say)
    assert sight is not None  # training images are mirrored
    one, mirror = sight.wrapped, str(arguments.mirror)
    return dataclasses.replace(sight, wrapped=lambda detector: ViewsDetector(one(detector), mirror, name="views"))


def _filled(rows: ImageRows) -> ImageRows:
    """The same rows, mid-grey where nothing is."""
    return ImageRows(rows.paths, lambda raw: without_padding(rows.preprocess(raw)), rows.cache_bytes, rows.load)


def _augmented(arguments: Arguments, task: Task, once: bool) -> Task:
    """A task whose training images are changed at random; where each is read once, there are some copies of it."""
    if not arguments.augments:
        return task
    changes = (arguments.mirror, arguments.rotate or 0.0, arguments.brightness or 0.0)
    train = Augmented(task.train, *changes, seed=arguments.seed, copies=COPIES if once else 1)
    return dataclasses.replace(task, train=train)


def _through(features: Features, task: Task, say: Say) -> Sight:
    """Features of the training and the stop images."""
    what = "x".join(map(str, features.shape)) + " numbers"
    count = counted(task.counts["train"] + task.counts["stop"], "images to train on")
    say(f"Features of {features.backbone.name}: {what} of each of {count}, computed once.")
    raw = [features_of(features, part) for part in (task.train, task.stop)]
    mean, deviation = moments(raw[0])
    train, stop = ((part - mean) / deviation for part in raw)

    def wrapped(detector: Any) -> FeatureDetector:
        found = FeatureDetector(features, detector, name="on_features")
        found.mean.assign(mean)
        found.deviation.assign(deviation)
        return found

    return Sight(dataclasses.replace(task, train=train, stop=stop), wrapped)


def settle_size(arguments: RunArguments) -> RunArguments:
    """The arguments with a size of whole images: for tiles of a folder the photographs' own.

    That is the size that most of them have, or, where that is longer than 1,024 pixels, the same shape at that length.

    Raises:
        FileNotFoundError, ValueError: as `trained_images` does.
    """
    if not isinstance(arguments, Arguments) or arguments.tiles is None or arguments.image_size is not None:
        return arguments
    folder = trained_images(arguments)
    sizes = collections.Counter(folder.facts[path].size for path in folder.train)
    height, width = sizes.most_common(1)[0][0]
    scale = min(1.0, LONGEST / max(height, width))
    return dataclasses.replace(arguments, image_size=(round(width * scale), round(height * scale)))


def _in_tiles(arguments: Arguments, task: Task, say: Say) -> Sight:
    """Tiles of the training and the stop images, at places of the grid on which whole images are scored."""
    side, sides = int(arguments.tiles or 0), arguments.sides
    stride = arguments.stride or side // 2
    corners = [(top, left) for top in places(sides[0], side, stride) for left in places(sides[1], side, stride)]
    channels = task.shape[-1]
    allowed = MOST_BYTES // (4 * side * side * channels)
    each = min(len(corners), max(1, allowed // len(task.train)))
    drawn = "all" if each == len(corners) else f"{each:,}, drawn at random,"
    say(
        f"Tiles of {side} x {side} pixels, {stride} apart: {len(corners):,} of an image of {sides[1]} x {sides[0]}; "
        f"{drawn} of each of {counted(len(task.train), 'images')} are trained on."
    )
    train, stop = (_cut(part, corners, side, each, arguments.seed) for part in (task.train, task.stop))
    classes = None if task.train_classes is None else np.repeat(task.train_classes, each)
    seen = dataclasses.replace(task, train=train, stop=stop, train_classes=classes)
    sight = Sight(seen, lambda detector: PatchDetector(detector, sides, stride, name="tiled"), many=True)
    return dataclasses.replace(sight, plain=sight)


def _cut(rows: Any, corners: list[tuple[int, int]], side: int, each: int, seed: int) -> np.ndarray:
    """So many tiles of each image, float32 (images * each, side, side, C); an image is read once."""
    found = None
    if isinstance(rows, ImageRows):
        rows = ImageRows(rows.paths, rows.preprocess, 0, rows.load)  # nothing is read twice: none is kept
    for number in range(len(rows)):
        image = np.asarray(rows[np.array([number])])[0]
        if found is None:
            found = np.empty((len(rows), each, side, side, image.shape[-1]), "float32")
        chosen = np.sort(np.random.default_rng((seed, number)).permutation(len(corners))[:each])
        for i, place in enumerate(chosen):
            top, left = corners[place]
            found[number, i] = image[top : top + side, left : left + side]
    assert found is not None
    return found.reshape(-1, *found.shape[2:])

"""What the experiments are trained on and judged by: MNIST, KDD99 and Ped2, and small stand-ins for a quick look.

Every loader takes `quick`. It then gives a small data set that needs no download, so that a notebook or a recipe can be
seen to run in seconds; numbers on it mean nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import tempfile

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import (
    ImageRows,
    Split,
    TableSplit,
    data_dir,
    fanogan_exercise,
    ganomaly_exercise,
    hold_out,
    kdd99_paper,
    kdd99_realistic,
    load_cifar10,
    load_digits,
    load_kdd99,
    load_masks,
    load_mnist,
    load_ped2,
    make_street,
    one_anomalous,
    one_class,
    scan_image_folder,
    write_fabric,
)
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.video.footage import Footage
from keras_anogan.video.recordings import ArrayRecording

DIGITS = tuple(range(10))
SOURCE = {False: "MNIST", True: "scikit-learn's digits"}  # by `quick`


def known_labels(split: Split) -> np.ndarray:
    """The labels of a split of a published data set, int64 (len(split.test),): 1 anomalous, 0 normal."""
    assert split.labels is not None
    return split.labels


# Images.


@dataclasses.dataclass(frozen=True)
class Exercise:
    """Images of an experiment on MNIST.

    Attributes:
        train, test: images, float32 (n, H, W, 1) in [-1, 1].
        labels: int64 (len(test),): 1 anomalous, 0 normal.
        epochs: of each phase, for a notebook.
        name: data set and digit.
        train_classes: digits, (len(train),); for detectors that learn from the classes of normal data.
        test_classes: digits, (len(test),), to look at results digit by digit.
    """

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    epochs: int
    name: str
    train_classes: np.ndarray | None = None
    test_classes: np.ndarray | None = None


def scaled_images(images: np.ndarray, size: int = 28) -> np.ndarray:
    """Images of bytes, uint8 (n, H, W, 1), as a detector's input: float32 (n, size, size, 1) in [-1, 1]."""
    scale = image_preprocessing(size, size)
    return np.concatenate([scale(images[i : i + 1024]) for i in range(0, len(images), 1024)])


@functools.lru_cache(maxsize=2)
def load_one_anomalous(digit: int = 0, quick: bool = False) -> Exercise:
    """MNIST with one anomalous digit: the nine others of the 60,000 to train on, the official 10,000 to test.

    Args:
        digit: the anomalous one, 0 to 9.
        quick: scikit-learn's digits in MNIST's place.

    Raises:
        ValueError: for a digit that does not occur.
        FileNotFoundError: see `load_mnist`.
    """
    train, test = _digits(quick)
    split = one_anomalous(train, test, digit=digit, stop=0.0, calibrate=0.0)
    exercise = _exercise(split, f"{SOURCE[quick]}, {digit} is anomalous", quick)
    return dataclasses.replace(exercise, test_classes=test[1])


@functools.lru_cache(maxsize=2)
def load_one_class(digit: int = 0, quick: bool = False, each: int = 250) -> Exercise:
    """MNIST with one normal digit, and a fixed part of the official test images: `each` of the digit and of the rest.

    Args:
        digit: the normal one, 0 to 9.
        quick: scikit-learn's digits in MNIST's place.
        each: test images of either kind, or all where there are fewer.

    Raises:
        ValueError: for a digit that does not occur.
        FileNotFoundError: see `load_mnist`.
    """
    train, test = _digits(quick)
    split = one_class(train, test, digit=digit, stop=0.0, calibrate=0.0)
    labels = known_labels(split)
    draw = np.random.default_rng(digit)
    kinds = (np.flatnonzero(labels == kind) for kind in (0, 1))
    rows = np.concatenate([draw.permutation(found)[:each] for found in kinds])
    chosen = dataclasses.replace(split, test=split.test[rows], labels=labels[rows])
    return _exercise(chosen, f"{SOURCE[quick]}, {digit} is normal, {len(rows)} test images", quick)


def load_exercise(digit: int = 1, quick: bool = False) -> Exercise:
    """The f-AnoGAN exercise: the first 80 % of one digit's training images to train on, all the rest to test.

    Args:
        digit: the normal one, 0 to 9.
        quick: scikit-learn's digits in MNIST's place, and two epochs.

    Raises:
        ValueError: for a digit that does not occur.
        FileNotFoundError: see `load_mnist`.
    """
    train, test = _digits(quick)
    split = fanogan_exercise(train, test, digit=digit, stop=0.0, calibrate=0.0)
    return _exercise(split, f"{SOURCE[quick]}, {digit} is normal", quick, epochs=20)


@functools.lru_cache(maxsize=1)
def load_ganomaly_exercise(quick: bool = False) -> Exercise:
    """CIFAR-10 with cars anomalous, split as in GANomaly's code: images of 32 x 32 pixels in colour.

    45,000 images of the nine other classes to train on; to test 9,000 official test images, then all 6,000 cars.

    Args:
        quick: scikit-learn's digits, enlarged, with digit 1 anomalous, in CIFAR-10's place.

    Raises:
        FileNotFoundError: see `load_cifar10`.
    """
    train, test = _digits(quick) if quick else load_cifar10()
    split = ganomaly_exercise(train, test, 1, stop=0.0, calibrate=0.0)
    parts = [scaled_images(part, 32).repeat(3 if quick else 1, axis=3) for part in (split.train, split.test)]
    order = np.argsort(known_labels(split), kind="stable")
    name = f"{SOURCE[True]}, 1 is anomalous" if quick else "CIFAR-10, cars are anomalous"
    return Exercise(parts[0], parts[1][order], known_labels(split)[order], 2 if quick else 15, name)


def _digits(quick: bool) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    return hold_out(*load_digits(), share=0.3, seed=0) if quick else load_mnist()


def _exercise(split: Split, name: str, quick: bool, epochs: int = 10) -> Exercise:
    train, test = (scaled_images(part, 8 if quick else 28) for part in (split.train, split.test))
    return Exercise(train, test, known_labels(split), 2 if quick else epochs, name, split.train_classes)


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Photographs of parts, some with a defect.

    Attributes:
        train, test: float32 (n, size, size, C) in [-1, 1].
        labels: int64 (len(test),): 1 with a defect, 0 without.
        kinds: of each test photograph, "good" or the defect's name.
        masks: bool (len(test), size, size), True on a defect.
        parts: of each training photograph what it shows, such as "tile0041".
    """

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    kinds: tuple[str, ...]
    masks: np.ndarray
    parts: tuple[str, ...]

    def by_kind(self, scores: np.ndarray) -> dict[str, float]:
        """AUROC of each kind of defect against all photographs without one, as "AUROC of <kind>"."""
        found = {}
        for kind in sorted(set(self.kinds) - {"good"}):
            judged = np.array([name in ("good", kind) for name in self.kinds])
            found[f"AUROC of {kind}"] = evaluation.auroc(self.labels[judged], scores[judged])
        return found


@functools.lru_cache(maxsize=1)
def magnetic_tiles(size: int = 64) -> Photographs:
    """683 photographs of magnetic tiles without a defect to train on; 192 without and 392 with one to test.

    No tile is in both parts. Huang, Qiu and Yuan (2020) published the photographs; the folder `magnetic_tiles` of the
    data folder holds them in MVTec-AD's layout.

    Args:
        size: to which both sides are squeezed.

    Raises:
        FileNotFoundError: if the folder is not there.
    """
    return _photographs(pathlib.Path(data_dir()) / "magnetic_tiles", size)


def load_surface(size: int, quick: bool = False) -> Photographs:
    """The magnetic tiles (see `magnetic_tiles`), or, `quick`, a few photographs of a made cloth."""
    if not quick:
        return magnetic_tiles(size)
    with tempfile.TemporaryDirectory() as folder:
        return _photographs(write_fabric(folder, train=24, good=8, each=4), size)


def _photographs(root: pathlib.Path, size: int) -> Photographs:
    """Photographs of a folder in MVTec-AD's layout; a file's name begins with what it shows."""
    folder = scan_image_folder(root)
    preprocess = image_preprocessing(size, size)
    train, test = (ImageRows(paths, preprocess, load=folder.load) for paths in (folder.train, folder.test))
    assert folder.masks is not None
    masks = load_masks(folder.masks, (size, size))
    parts = tuple(path.stem.split("_")[0] for path in folder.train)
    return Photographs(
        train[np.arange(len(train))], test[np.arange(len(test))], folder.labels, folder.kinds, masks, parts
    )


# Tables.


@functools.cache
def kdd99_split(protocol: str = "paper", quick: bool = False) -> TableSplit:
    """KDD99; `quick` puts scikit-learn's breast cancer rows in its place.

    Args:
        protocol: "paper" (attacks are normal, as in the papers) or "realistic" (normal traffic is normal).
        quick: whether to put the small table in its place.

    Raises:
        FileNotFoundError, ValueError: see `load_kdd99`.
    """
    if quick:
        return _breast_cancer()
    if protocol == "paper":
        return kdd99_paper(load_kdd99())
    return kdd99_realistic(load_kdd99(), stop=0.1, calibrate=0.2, test=0.2, seed=0)


def _breast_cancer() -> TableSplit:
    """A small table to see that everything runs: benign samples are normal, malignant ones anomalous."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    rows = data.data.astype("float32")
    benign, malignant = np.flatnonzero(data.target == 1), np.flatnonzero(data.target == 0)
    train, calibrate, tested = benign[:150], benign[150:260], np.concatenate([benign[260:], malignant])
    low, span = rows[train].min(axis=0), np.ptp(rows[train], axis=0)
    rows = (rows - low) / span
    return TableSplit(
        train=rows[train],
        stop=rows[:0],
        calibrate=rows[calibrate],
        test=rows[tested],
        labels=(data.target[tested] == 0).astype("int64"),
        name="scikit-learn's breast cancer rows: benign is normal",
        columns=tuple(str(name) for name in data.feature_names),
        kinds=np.array(["malignant", "normal"])[data.target[tested]],
    )


# Footage.

HELD_OUT = (1, 4, 6, 9, 11, 14)  # of the 16 training clips, spread over the recording
SHOWN = ("002", "004", "006", "012")  # test clips for a notebook

ped2 = functools.cache(load_ped2)


def split_clips() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Ped2's training clips by name, uint8 (n, 64, 128, 1): ten to train on, and six that calibrate and check.

    Raises:
        FileNotFoundError: see `load_ped2`.
    """
    clips = ped2().train
    held = {list(clips)[i] for i in HELD_OUT}
    return {n: clips[n] for n in clips if n not in held}, {n: clips[n] for n in clips if n in held}


def clips_as_footage(clips: dict[str, np.ndarray]) -> Footage:
    """Clips as recordings of one day: no window crosses two of them, and a batch mixes them.

    Args:
        clips: name -> uint8 (n, H, W, C).
    """
    return Footage([ArrayRecording(frames, "ped2", name) for name, frames in clips.items()])


@dataclasses.dataclass(frozen=True)
class Film:
    """Footage of an experiment.

    Attributes:
        training, calibration: normal footage.
        testing: footage with anomalies.
        labels: int64 (frames of `testing`,): 1 anomalous, 0 normal.
        steps: of training, for a notebook.
        name: data set and size.
    """

    training: Footage
    calibration: Footage
    testing: Footage
    labels: np.ndarray
    steps: int
    name: str


def load_film(quick: bool = False) -> Film:
    """UCSD Ped2: ten training clips, six held out, four test clips; `quick` puts a small made-up street in its place.

    Raises:
        FileNotFoundError: see `load_ped2`.
    """
    if quick:
        days = make_street(days=3, frames=120, seed=0)
        grey = [day.frames[:, ::2, ::2].mean(axis=-1, keepdims=True).astype("uint8") for day in days]
        first, second, last = (clips_as_footage({day.name: f}) for day, f in zip(days, grey, strict=True))
        return Film(first, second, last, days[-1].labels, steps=8, name="a made-up street, 64 x 32")
    train, held = split_clips()
    shown = {name: ped2().test[name] for name in SHOWN}
    labels = np.concatenate([ped2().labels[name] for name in SHOWN])
    training, calibration, testing = (clips_as_footage(clips) for clips in (train, held, shown))
    return Film(training, calibration, testing, labels, steps=2400, name="UCSD Ped2, 128 x 64")

"""From the words of a command to rows: what a run is asked for, and the data it trains and tests on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np

from keras_anogan.datasets import (
    ImageRows,
    hold_out,
    is_table,
    load_digits,
    load_masks,
    load_mnist,
    one_anomalous,
    one_class,
    read_table,
    scan_image_folder,
    split_table,
    three_ways,
)
from keras_anogan.fitted import image_preprocessing

NAMED_SETS = {"mnist": 28, "digits": 8}
IMAGES_ONLY = ("fanogan", "gan_discriminator", "siamese")
CLOSED_FORM = ("gaussian", "pca")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Everything that decides what a run is; two runs with equal arguments and data have equal weights.

    Attributes:
        data: "mnist", "digits", a folder of images, or a table file (.csv, .csv.gz, .parquet).
        normal, abnormal: the normal digit, or the anomalous one; for the named sets only.
        normal_where: for tables, the condition that normal rows meet (see `datasets.table.normal_rows`).
        drop: for tables, columns to leave out.
        detector: name in the registry; default: fanogan for images, efficientgan for tables. siamese needs `abnormal`.
        architecture: of fanogan, "mlp", "dcgan" or "resnet"; default: mlp for the named sets, dcgan for folders.
        image_size: side of the square images the networks see; default: 28 (mnist), 8 (digits), 64 (folder).
        epochs: of each phase; an epoch of a table has at least 500 steps.
        batch_size: rows of one player's batch.
        learning_rate: of Adam(beta_1=0.5, beta_2=0.999), for every player; default: 2e-4 (images), 1e-4 (tables).
        patience: stop when the mean score of the stop set has not fallen for so many epochs, and go back to its lowest;
            None to train all epochs.
        alpha: accepted false-alarm rate.
        seed: of weights, noise, data order and split.
        skip_broken: leave out image files that can't be read.
        smoke: one epoch on at most 256 rows, to see that everything works.
    """

    data: str
    normal: int | None = None
    abnormal: int | None = None
    normal_where: str | None = None
    drop: list[str] | None = None
    detector: str | None = None
    architecture: str | None = None
    image_size: int | None = None
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float | None = None
    patience: int | None = None
    alpha: float = 0.01
    seed: int = 0
    skip_broken: bool = False
    smoke: bool = False

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"Expected --{key.replace('_', '-')} >= 1. Received: {getattr(self, key)}.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"Expected --patience >= 1. Received: {self.patience}.")
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"Expected 0 < --alpha < 1. Received: {self.alpha}.")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise ValueError(f"Expected --learning-rate > 0. Received: {self.learning_rate}.")
        named = self.data in NAMED_SETS
        chosen = [value is not None for value in (self.normal, self.abnormal)]
        if named and sum(chosen) != 1:
            raise ValueError(
                f"Expected --normal DIGIT or --abnormal DIGIT with {self.data}. Received: {_either(chosen)}."
            )
        if not named and any(chosen):
            what = "a table; --normal-where 'CONDITION' tells normal rows" if self.is_table else "a folder"
            raise ValueError(f"Expected --normal and --abnormal with mnist or digits only. Received: {what}.")
        if not self.is_table and (self.normal_where is not None or self.drop):
            raise ValueError(
                f"Expected --normal-where and --drop with a table (.csv, .csv.gz, .parquet). Received: {self.data}."
            )
        if self.seed < 0:
            raise ValueError(f"Expected --seed >= 0. Received: {self.seed}.")
        if self.image_size is not None and self.is_table:
            raise ValueError("Expected --image-size with images. Received: a table.")
        if self.image_size is not None and self.image_size < 2:
            raise ValueError(f"Expected --image-size >= 2. Received: {self.image_size}.")
        if not named:
            object.__setattr__(self, "data", os.path.normpath(self.data))  # photos/ is photos
        self._set_default("detector", "efficientgan" if self.is_table else "fanogan")
        if self.is_table and self.detector in IMAGES_ONLY:
            raise ValueError(
                "Expected --detector efficientgan, alad, anogan, autoencoder, flow, gaussian or pca for a table. "
                f"Received: {self.detector}."
            )
        if self.detector == "cvgan":
            raise ValueError("Expected a detector of images or rows. Received: cvgan; train-video trains it.")
        if self.detector == "gan_discriminator" and self.patience is not None:
            raise ValueError(
                "Expected no --patience with gan_discriminator: its score falls as its logit grows, however well it "
                f"tells images apart. Received: --patience {self.patience}."
            )
        if self.detector in CLOSED_FORM and self.patience is not None:
            raise ValueError(
                f"Expected no --patience with {self.detector}, which is solved at once. Received: --patience "
                f"{self.patience}."
            )
        if self.detector == "siamese" and self.abnormal is None:
            raise ValueError(
                "Expected mnist or digits with --abnormal DIGIT for siamese, which learns from the classes of normal "
                f"images. Received: {self.data}{'' if self.normal is None else f' --normal {self.normal}'}."
            )
        if self.architecture is not None and self.detector != "fanogan":
            raise ValueError(f"Expected --architecture with fanogan only. Received: --detector {self.detector}.")
        if self.detector == "fanogan":
            self._set_default("architecture", "mlp" if named else "dcgan")
        if not self.is_table:
            self._set_default("image_size", NAMED_SETS.get(self.data, 64))
        self._set_default("learning_rate", 1e-4 if self.is_table else 2e-4)
        if self.smoke:
            object.__setattr__(self, "epochs", 1)

    @property
    def is_table(self) -> bool:
        """Whether the data are a table file."""
        return is_table(self.data)

    def _set_default(self, key: str, value: Any) -> None:
        if getattr(self, key) is None:
            object.__setattr__(self, key, value)


@dataclasses.dataclass(frozen=True)
class Task:
    """Rows of one run, preprocessed, and what is known of them.

    Attributes:
        train, stop, calibrate, test: rows for the detector, float32 (n, size, size, channels) or (n, features).
        labels: (len(test),) or None.
        test_ids: names of the test rows.
        preprocessing: Keras layer from raw input to such rows.
        fingerprint: SHA-256 of the data.
        name: what is normal, in a few words.
        skipped: files left out.
        masks: bool (len(test), size, size), True where a pixel is anomalous; None where nobody knows.
        raw_test: the test rows of a table as they stand in the file, a DataFrame.
        remarks: what was done to the data without being asked, one sentence each.
        train_classes: (len(train),) classes of the training rows, where there are any.
    """

    train: Any
    stop: Any
    calibrate: Any
    test: Any
    labels: np.ndarray | None
    test_ids: list[str]
    preprocessing: Any
    fingerprint: str
    name: str
    skipped: int = 0
    masks: np.ndarray | None = None
    raw_test: Any = None
    remarks: tuple[str, ...] = ()
    train_classes: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(np.asarray(self.train[np.zeros(1, "int64")]).shape[1:])


def load_task(arguments: Arguments) -> Task:
    """Load and split the data of a run.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the data or with `alpha`.
    """
    load = _load_named if arguments.data in NAMED_SETS else _load_table if arguments.is_table else _load_folder
    task = load(arguments)
    have = len(task.calibrate)
    if int(np.floor(arguments.alpha * (have + 1) + 1e-9)) < 1:
        total = sum(len(rows) for rows in (task.train, task.stop, task.calibrate))
        raise ValueError(
            f"Expected at least {int(np.ceil(1 / arguments.alpha - 1 - 1e-9))} {_noun(arguments)} to calibrate --alpha "
            f"{arguments.alpha:g} (n >= 1/alpha - 1). Received: {have} of {total} normal {_noun(arguments)}; "
            f"--alpha {1 / (have + 1) + 5e-5:.4f} or more would do."
        )
    return task


def _load_named(arguments: Arguments) -> Task:
    if arguments.data == "mnist":
        train, test = load_mnist()
    else:
        train, test = hold_out(*load_digits(), share=0.3, seed=0)
    protocol = one_class if arguments.normal is not None else one_anomalous
    digit = arguments.normal if arguments.normal is not None else arguments.abnormal
    share = 0.2 if arguments.data == "mnist" else 0.25
    split = protocol(train, test, digit, stop=0.1, calibrate=share, seed=arguments.seed)
    digest = hashlib.sha256()
    for images, classes in (train, test):
        digest.update(np.ascontiguousarray(images).tobytes() + classes.tobytes())
    preprocess = image_preprocessing(arguments.image_size, arguments.image_size)
    parts = [_preprocess_array(preprocess, rows) for rows in (split.train, split.stop, split.calibrate, split.test)]
    if arguments.smoke:
        parts, split = _smoke(parts, split)
    return Task(
        *parts,
        labels=split.labels,
        test_ids=[f"test-{i:05d}" for i in range(len(parts[3]))],
        preprocessing=preprocess,
        fingerprint=digest.hexdigest(),
        name=f"{arguments.data}: digit {split.name}",
        train_classes=None if split.train_classes is None else split.train_classes[: len(parts[0])],
    )


def _smoke(parts: list[np.ndarray], split: Any) -> tuple[list[np.ndarray], Any]:
    order = np.argsort(np.random.default_rng(0).random(len(parts[3])))[:256]
    return [*(part[:256] for part in parts[:3]), parts[3][order]], dataclasses.replace(
        split, labels=split.labels[order]
    )


def _preprocess_array(preprocess: Any, raw: np.ndarray) -> np.ndarray:
    if len(raw) == 0:
        raise ValueError(
            "Expected at least one row in every part of the split. Received: none; there are too few images."
        )
    chunks = [np.asarray(preprocess(raw[i : i + 1024])) for i in range(0, len(raw), 1024)]
    return np.concatenate(chunks)


def _load_folder(arguments: Arguments) -> Task:
    folder = scan_image_folder(arguments.data, skip_broken=arguments.skip_broken)
    rows = ImageRows(folder.train, image_preprocessing(arguments.image_size, arguments.image_size))
    total = len(rows)
    if total < 8:
        raise ValueError(f"Expected at least 8 normal images to split into train, stop, calibrate. Received: {total}.")
    if folder.test:
        train, stop, calibrate = three_ways(total, 0.1, 0.2, arguments.seed)
        test, labels, paths = ImageRows(folder.test, rows.preprocess), folder.labels, folder.test
        masks = folder.masks
    else:  # nobody knows an anomaly: keep some normal images to measure the false alarms on
        rest, tested, _ = three_ways(total, 0.1, 0.0, arguments.seed)
        part = three_ways(len(rest), 0.1, 0.2, arguments.seed + 1)
        train, stop, calibrate = (rest[indices] for indices in part)
        test, labels = rows.take(tested), np.zeros(len(tested), "int64")
        paths, masks = test.paths, None
    limit = 256 if arguments.smoke else max(total, len(paths))
    if len(paths) > limit:
        some = np.sort(np.random.default_rng(0).permutation(len(paths))[:limit])
        test, labels, paths = test.take(some), labels[some], [paths[i] for i in some]
        masks = None if masks is None else [masks[i] for i in some]
    return Task(
        *(rows.take(indices[:limit]) for indices in (train, stop, calibrate)),
        test=test,
        labels=labels,
        test_ids=[path.relative_to(folder.root).as_posix() for path in paths],
        preprocessing=rows.preprocess,
        fingerprint=folder.fingerprint,
        name=f"{folder.root.name}: {total:,} normal images",
        skipped=len(folder.skipped),
        masks=None if masks is None else load_masks(masks, (arguments.image_size,) * 2),
    )


def _load_table(arguments: Arguments) -> Task:
    frame = read_table(arguments.data)
    table = split_table(frame, arguments.normal_where, arguments.drop or (), seed=arguments.seed)
    limit = 256 if arguments.smoke else len(frame)
    some = np.sort(np.random.default_rng(0).permutation(len(table.test))[:limit])
    remarks = []
    if table.skipped:
        remarks.append(f"Left out what the condition names, so that no detector sees it: {', '.join(table.skipped)}.")
    return Task(
        train=table.train[:limit],
        stop=table.stop[:limit],
        calibrate=table.calibrate[:limit],
        test=table.test[some],
        labels=table.labels[some],
        test_ids=[f"row-{row + 1}" for row in table.test_rows[some]],
        preprocessing=table.encoder,
        fingerprint=_file_digest(arguments.data),
        name=f"{os.path.basename(arguments.data)}: "
        + (f"normal where {arguments.normal_where}" if arguments.normal_where else f"{len(frame):,} normal rows"),
        raw_test=frame.iloc[table.test_rows[some]],
        remarks=tuple(remarks),
    )


def _file_digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noun(arguments: Arguments) -> str:
    return "rows" if arguments.is_table else "images"


def _either(chosen: list[bool]) -> str:
    return "both" if all(chosen) else "neither"

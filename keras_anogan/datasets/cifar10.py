"""CIFAR-10: 50,000 + 10,000 colour images of 32 x 32 pixels, ten classes (Krizhevsky 2009)."""

from __future__ import annotations

import numpy as np

from keras_anogan.datasets.storage import data_dir, read_splits

NAME = "cifar10.npz"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_cifar10() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((x_train, y_train), (x_test, y_test)): images uint8 (n, 32, 32, 3) in [0, 255], classes int64 (n,), 0 to 9.

    Reads `cifar10.npz` from the data folder (see `storage.data_dir`), else has Keras download the data set and writes
    that file. `CLASSES` are the names of the classes.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
        ValueError: if the file is not CIFAR-10.
    """
    path = data_dir() / NAME
    if not path.exists():
        _download()
    return read_splits(path, "CIFAR-10", (32, 32, 3))


def _download() -> None:
    """Have Keras download CIFAR-10, and keep it as one file in the data folder."""
    import keras

    path = data_dir() / NAME
    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    except Exception as error:
        raise FileNotFoundError(
            f"Expected {NAME} in the data folder {data_dir()} (set KERAS_ANOGAN_DATA to change it), and could not "
            f"download it: {error}"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{NAME}")
    np.savez(partial, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    partial.replace(path)

"""MNIST: 60,000 + 10,000 grey images of 28 x 28 pixels (LeCun et al. 1998)."""

from __future__ import annotations

import zipfile

import numpy as np

from keras_anogan.datasets.storage import fetch

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_mnist() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((x_train, y_train), (x_test, y_test)): images uint8 (n, 28, 28, 1) in [0, 255], digits int64 (n,).

    Reads `mnist.npz` from the data folder (see `storage.data_dir`), else downloads it there.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
        ValueError: if the file is not MNIST.
    """
    path = fetch("mnist.npz", ORIGIN, SHA256)
    try:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"Expected the MNIST archive with x_train, y_train, x_test, y_test in {path}. {error}"
        ) from error
    for split in ("train", "test"):
        shape = arrays[f"x_{split}"].shape
        if len(shape) != 3 or shape[1:] != (28, 28) or len(arrays[f"y_{split}"]) != shape[0]:
            raise ValueError(f"Expected images of 28 x 28 pixels and as many labels in {path}. Received: {shape}.")
    train, test = (
        (arrays[f"x_{split}"].astype("uint8")[..., None], arrays[f"y_{split}"].astype("int64"))
        for split in ("train", "test")
    )
    return train, test

"""MNIST: 60,000 + 10,000 grey images of 28 x 28 pixels (LeCun et al. 1998)."""

from __future__ import annotations

import numpy as np

from keras_anogan.datasets.storage import fetch, read_splits

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_mnist() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((x_train, y_train), (x_test, y_test)): images uint8 (n, 28, 28, 1) in [0, 255], digits int64 (n,).

    Reads `mnist.npz` from the data folder (see `storage.data_dir`), else downloads it there.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
        ValueError: if the file is not MNIST.
    """
    splits = read_splits(fetch("mnist.npz", ORIGIN, SHA256), "MNIST", (28, 28))
    train, test = ((images[..., None], digits) for images, digits in splits)
    return train, test

"""Where data sets live on disk: `KERAS_ANOGAN_DATA`, else `data/` of the current folder."""

from __future__ import annotations

import os
import pathlib
import zipfile

import numpy as np

Images = tuple[np.ndarray, np.ndarray]  # and their classes


def data_dir() -> pathlib.Path:
    """The data folder: the environment variable KERAS_ANOGAN_DATA, else `data` in the current folder."""
    return pathlib.Path(os.environ.get("KERAS_ANOGAN_DATA") or "data")


def fetch(name: str, origin: str, file_hash: str | None = None) -> pathlib.Path:
    """The path of a file in the data folder; a file that is not there is downloaded first, with Keras's downloader.

    Args:
        name: file name in the data folder.
        origin: address to download from.
        file_hash: SHA-256 that a downloaded file must have; a file that is already there is taken as it is.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
    """
    path = data_dir() / name
    if path.exists():
        return path
    import keras

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        keras.utils.get_file(
            fname=path.name, origin=origin, file_hash=file_hash, cache_dir=str(path.parent.resolve()), cache_subdir=""
        )
    except Exception as error:
        path.unlink(missing_ok=True)
        raise FileNotFoundError(
            f"Expected {name} in the data folder {data_dir()} (set KERAS_ANOGAN_DATA to change it), and could not "
            f"download it: {error}"
        ) from error
    return path


def read_splits(path: pathlib.Path, name: str, shape: tuple[int, ...]) -> tuple[Images, Images]:
    """((x_train, y_train), (x_test, y_test)) of an archive as Keras publishes them: uint8 (n, *shape), int64 (n,).

    Args:
        path: an .npz file with the four arrays.
        name: of the data set, for a sentence.
        shape: of one image in the file.

    Raises:
        ValueError: if the file is not such an archive.
    """
    try:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"Expected the {name} archive with x_train, y_train, x_test, y_test in {path}. {error}"
        ) from error
    found = []
    for split in ("train", "test"):
        images, classes = arrays[f"x_{split}"], arrays[f"y_{split}"].reshape(-1)
        if images.shape != (len(classes), *shape):
            sides = " x ".join(map(str, shape))
            raise ValueError(f"Expected images of {sides} and as many labels in {path}. Received: {images.shape}.")
        found.append((images.astype("uint8"), classes.astype("int64")))
    return found[0], found[1]

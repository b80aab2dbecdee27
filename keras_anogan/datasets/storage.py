"""Where data sets live on disk: `KERAS_ANOGAN_DATA`, else `data/` of the current folder."""

from __future__ import annotations

import os
import pathlib


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

"""Tables of the ODDS collection (Rayana 2016): numbers only, with a label that tells outliers."""

from __future__ import annotations

import numpy as np

from keras_anogan.datasets.storage import data_dir

ODDS = ("cardio", "glass", "lympho", "shuttle", "vertebral")
SITE = "https://odds.cs.stonybrook.edu"


def load_odds(name: str) -> tuple[np.ndarray, np.ndarray]:
    """One table as rows float64 (n, features) and labels int64 (n,): 1 for an outlier.

    Reads `odds/<name>.mat` as published from the data folder (see `storage.data_dir`). The collection has no address
    that a program could download from.

    Args:
        name: such as "cardio"; `ODDS` are those that the recipes use.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it is no table of the collection.
    """
    from scipy.io import loadmat

    path = data_dir() / "odds" / f"{name}.mat"
    if not path.exists():
        raise FileNotFoundError(f"Expected {path}. Received: no such file; {SITE} has it, by hand.")
    try:
        content = loadmat(path)
        rows, labels = np.asarray(content["X"], "float64"), np.asarray(content["y"]).ravel().astype("int64")
    except Exception as error:  # whatever a damaged file makes SciPy raise
        raise ValueError(f"Expected X and y in {path}. Received: {type(error).__name__}: {error}.") from error
    return rows, labels

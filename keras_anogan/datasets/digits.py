"""scikit-learn's handwritten digits: 1,797 grey images of 8 x 8 pixels, embedded, nothing to download."""

from __future__ import annotations

import numpy as np


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (1797, 8, 8, 1) in [0, 255] (the original's 0..16, stretched), and digits 0..9, int64 (1797,)."""
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    images = np.round(images * (255.0 / 16.0)).astype("uint8").reshape(-1, 8, 8, 1)
    return images, labels.astype("int64")

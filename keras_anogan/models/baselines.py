"""What every detector is compared with: PCA, nearest neighbours, one Gaussian, an isolation forest.

None of them has anything to tune. A detector that loses to one of them on some data should not be used there.
"""

from __future__ import annotations

import numpy as np

from keras_anogan.detector import AnomalyDetector
from keras_anogan.models.gaussian import Gaussian
from keras_anogan.models.neighbors import Neighbors
from keras_anogan.models.pca import PCA


def pca_scores(train: np.ndarray, test: np.ndarray, n_components: int = 32) -> np.ndarray:
    """Scores of PCA: the mean squared distance of a row to the subspace of the training rows.

    Args:
        train, test: float32 (n, ...), rows or images of one shape.
        n_components: dimensions of the subspace.

    Returns:
        float32 (len(test),).
    """
    return _solved(PCA(train.shape[1:], n_components=n_components), train, test)


def gaussian_scores(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores of one Gaussian, minus the log-likelihood in nats; arguments and result as in `pca_scores`."""
    return _solved(Gaussian(train.shape[1:]), train, test)


def neighbors_scores(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores of the nearest neighbour, the distance to it; arguments and result as in `pca_scores`."""
    return _solved(Neighbors(train.shape[1:]), train, test)


def pca_neighbors_scores(train: np.ndarray, test: np.ndarray, n_components: int = 32, k: int = 5) -> np.ndarray:
    """The mean distance to the k nearest training rows in PCA's subspace; arguments and result as in `pca_scores`."""
    return _solved(Neighbors(train.shape[1:], k=k, n_components=n_components), train, test)


def forest_scores(train: np.ndarray, test: np.ndarray, seed: int = 0) -> np.ndarray:
    """Scores of scikit-learn's isolation forest, float64 (len(test),), for rows, float32 (n, features)."""
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def _solved(detector: AnomalyDetector, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    detector.compile()
    detector.fit(train)
    return detector.predict(test)

"""What every experiment is compared with: PCA, one Gaussian, IsolationForest."""

from __future__ import annotations

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import TableSplit
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import PCA, Gaussian
from keras_anogan.recipes.data import Exercise, load_one_anomalous, load_one_class
from keras_anogan.recipes.recipe import Numbers

# Baselines.


def pca_scores(train: np.ndarray, test: np.ndarray, n_components: int = 32) -> np.ndarray:
    """Scores of PCA, the baseline of every table of images: the mean squared distance to its subspace."""
    return _solved(PCA(train.shape[1:], n_components=n_components), train, test)


def gaussian_scores(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores of one Gaussian: minus the log-likelihood."""
    return _solved(Gaussian(train.shape[1:]), train, test)


def _solved(detector: AnomalyDetector, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    detector.compile()
    detector.fit(train)
    return detector.predict(test)


def pca_numbers(train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> Numbers:
    """AUROC and AUPRC of PCA with 32 components."""
    scores = pca_scores(train, test)
    return {"PCA-32 AUROC": evaluation.auroc(labels, scores), "PCA-32 AUPRC": evaluation.auprc(labels, scores)}


def _baselines(data: Exercise) -> Numbers:
    scores = {
        "PCA-16": pca_scores(data.train, data.test, 16),
        "PCA-32": pca_scores(data.train, data.test),
        "Gaussian": gaussian_scores(data.train, data.test),
    }
    return {f"{name} AUROC": evaluation.auroc(data.labels, found) for name, found in scores.items()}


def baselines_one_anomalous(digit: int) -> Numbers:
    return _baselines(load_one_anomalous(digit))


def baselines_one_class(digit: int) -> Numbers:
    return _baselines(load_one_class(digit))


def baselines_of_thousand(digit: int) -> Numbers:
    return _baselines(load_one_class(digit, each=500))


def table_baselines(split: TableSplit) -> dict[str, np.ndarray]:
    """Scores of the test rows by one raw column (KDD99's count, upside down), PCA and an isolation forest."""
    from sklearn.ensemble import IsolationForest

    column = split.columns.index("count") if "count" in split.columns else 0
    components = min(32, split.train.shape[1] // 2)
    forest = IsolationForest(random_state=0).fit(split.train)
    return {
        f"-{split.columns[column]}": -split.test[:, column],
        f"PCA-{components}": pca_scores(split.train, split.test, components),
        "IsolationForest": -forest.score_samples(split.test),
    }

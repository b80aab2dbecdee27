"""What every experiment is compared with: simple detectors, each a function of normal training rows and test rows.

A baseline is a function (train, test) -> scores. Each kind of experiment has its baselines in one dictionary below.
What is added there stands in every table of that kind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import TableSplit
from keras_anogan.models.baselines import forest_scores, gaussian_scores, neighbors_scores, pca_scores
from keras_anogan.recipes.recipe import Numbers

Baseline = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (train, test) -> scores
Scores = dict[str, np.ndarray]  # name -> (len(test),), higher is more anomalous


ON_IMAGES: dict[str, Baseline] = {
    "PCA-16": functools.partial(pca_scores, n_components=16),
    "PCA-32": pca_scores,
    "Gaussian": gaussian_scores,
    "Neighbors": neighbors_scores,
}
ON_IMAGES_BESIDE_GANS: dict[str, Baseline] = {
    "PCA-32": pca_scores,
    "Neighbors": neighbors_scores,
}  # of f-AnoGAN's and EfficientGAN's tables


def on_tables(features: int) -> dict[str, Baseline]:
    """Baselines of tables; PCA has 32 components, or half as many as there are features."""
    components = min(32, features // 2)
    pca = functools.partial(pca_scores, n_components=components)
    return {f"PCA-{components}": pca, "Neighbors": neighbors_scores, "IsolationForest": forest_scores}


def baseline_scores(baselines: dict[str, Baseline], train: np.ndarray, test: np.ndarray) -> Scores:
    """Scores of the test rows by each baseline; train and test float32 (n, ...), rows or images of one shape."""
    return {name: score(train, test) for name, score in baselines.items()}


def baseline_numbers(
    baselines: dict[str, Baseline], train: np.ndarray, test: np.ndarray, labels: np.ndarray, auprc: bool = False
) -> Numbers:
    """AUROC of each baseline, as "<name> AUROC".

    Args:
        baselines: by name.
        train, test: as in `baseline_scores`.
        labels: (len(test),): 1 anomalous, 0 normal.
        auprc: whether to give the AUPRC too.
    """

    def measure(scores: np.ndarray) -> Numbers:
        numbers = {"AUROC": evaluation.auroc(labels, scores)}
        return numbers | ({"AUPRC": evaluation.auprc(labels, scores)} if auprc else {})

    return numbers_by_name(baseline_scores(baselines, train, test), measure)


def numbers_by_name(scores: Scores, measure: Callable[[np.ndarray], Numbers]) -> Numbers:
    """What a measure says of each baseline's scores: "<baseline> <number>" -> value."""
    return {f"{name} {key}": value for name, found in scores.items() for key, value in measure(found).items()}


def table_baselines(split: TableSplit) -> Scores:
    """Scores of the test rows by one raw column (KDD99's count, upside down) and by the baselines of tables."""
    column = split.columns.index("count") if "count" in split.columns else 0
    raw = {f"-{split.columns[column]}": -split.test[:, column]}
    return raw | baseline_scores(on_tables(split.train.shape[1]), split.train, split.test)

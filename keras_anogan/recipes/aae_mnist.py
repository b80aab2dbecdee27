"""The adversarial autoencoder on MNIST, scored along its encoder's path: one digit anomalous, and one digit normal.

keras-anogan reproduce aae-mnist-oneanomalous
    No result is published yet.
keras-anogan reproduce aae-mnist-oneclass
    No result is published yet.
keras-anogan reproduce autoencoder_path-mnist-oneanomalous
    No result is published yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import load_mnist, one_class
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import build_detector
from keras_anogan.models.baselines import pca_neighbors_scores
from keras_anogan.recipes.baselines import ON_IMAGES, Baseline, baseline_numbers
from keras_anogan.recipes.data import DIGITS, known_labels, load_one_anomalous, scaled_images
from keras_anogan.recipes.one_anomalous_mnist import build_autoencoder
from keras_anogan.recipes.recipe import Numbers, Recipe
from keras_anogan.recipes.scoring import terms

EPOCHS_ANOMALOUS, EPOCHS_CLASS, BATCH, STEPS = 20, 100, 256, 850

BESIDE: dict[str, Baseline] = ON_IMAGES | {"5 neighbours in PCA-32": pca_neighbors_scores}
NETWORKS = {
    "networks": "RaPP's: ten dense layers, 784 to 20, and back; discriminator of codes 20 to 1",
    "score": "NAP: the difference of x and x_hat in all hidden layers of the encoder, whitened by the training rows",
    "optimizer": "Adam(1e-3) for each of the three",
    "batch_size": BATCH,
    "chosen on": "nothing: RaPP's settings, as many epochs as some minutes allow (RaPP: 200)",
}
ONE_ANOMALOUS = NETWORKS | {
    "train": "the nine other digits of the 60,000; nothing set aside",
    "test": "the official 10,000",
    "epochs": f"{EPOCHS_ANOMALOUS}, last one",
}
ONE_CLASS = NETWORKS | {
    "train": "the digit's images of the 60,000; nothing set aside",
    "test": "the official 10,000",
    "epochs": f"{EPOCHS_CLASS}, last one",
}
NOTEBOOK = {
    "train": ONE_ANOMALOUS["train"],
    "test": "the official 10,000",
    "networks": "the notebook's at a quarter of its width, 8 filters; maps averaged to 4 x 4 places on the path",
    "score": NETWORKS["score"],
    "optimizer": "AdamW(1e-3, weight_decay=1e-2), the notebook's",
    "batch_size": 64,
    "steps": f"{STEPS}, last one, as without the path score",
    "chosen on": "nothing",
}


def train_aae(x: np.ndarray, seed: int, epochs: int, **params: Any) -> AnomalyDetector:
    """An adversarial autoencoder, compiled with its own optimizers and trained.

    Args:
        x: normal images, float32 (n, H, W, C) in [-1, 1].
        seed: of weights, noise and order.
        epochs: passes over the images.
        **params: of the builder.
    """
    detector = build_detector("adversarial_autoencoder", x.shape[1:], seed=seed, **params)
    detector.compile()
    detector.fit(x, batch_size=BATCH, epochs=epochs, verbose=0)
    return detector


def _numbers(detector: AnomalyDetector, test: np.ndarray, labels: np.ndarray, also: tuple[str, ...] = ()) -> Numbers:
    """AUROC of the score, of SAP, and of further terms."""
    found = terms(detector, test, ("score", "sap", *also), chunk=2500)
    names = {"score": "value", "sap": "AUROC of SAP", "error": "AUROC of the reconstruction"}
    return {names[key]: evaluation.auroc(labels, values) for key, values in found.items()}


def _one_anomalous(seed: int, digit: int) -> Numbers:
    data = load_one_anomalous(digit)
    return _numbers(train_aae(data.train, seed, EPOCHS_ANOMALOUS), data.test, data.labels, ("error",))


def _one_class_images(digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train, test, labels)."""
    split = one_class(*load_mnist(), digit, stop=0.0, calibrate=0.0)
    return scaled_images(split.train), scaled_images(split.test), known_labels(split)


def _one_class(seed: int, digit: int) -> Numbers:
    x, test, labels = _one_class_images(digit)
    return _numbers(train_aae(x, seed, EPOCHS_CLASS), test, labels, ("error",))


def _autoencoder(seed: int, digit: int) -> Numbers:
    data = load_one_anomalous(digit)
    detector = build_autoencoder(data.train.shape[1:], seed, score="nap")
    detector.fit(data.train, batch_size=64, epochs=1, steps_per_epoch=STEPS, verbose=0)
    return _numbers(detector, data.test, data.labels)


def _beside(digit: int) -> Numbers:
    data = load_one_anomalous(digit)
    return baseline_numbers(BESIDE, data.train, data.test, data.labels)


def _beside_one_class(digit: int) -> Numbers:
    return baseline_numbers(BESIDE, *_one_class_images(digit))


RECIPES = (
    Recipe(
        name="aae-mnist-oneanomalous",
        what="MNIST, one digit is anomalous: an adversarial autoencoder by NAP",
        metric="AUROC, mean of ten digits",
        settings=ONE_ANOMALOUS,
        published={"value": 0.929, "source": "RaPP, table 2, 200 epochs; an independent rerun has 0.916"},
        run=_one_anomalous,
        baselines=_beside,
        target=0.90,
        parts=DIGITS,
    ),
    Recipe(
        name="aae-mnist-oneclass",
        what="MNIST, one digit is normal: an adversarial autoencoder by NAP",
        metric="AUROC, mean of ten digits",
        settings=ONE_CLASS,
        published={"value": 0.977, "source": "RaPP, table 2, 200 epochs, another test split"},
        run=_one_class,
        baselines=_beside_one_class,
        target=0.97,
        parts=DIGITS,
    ),
    Recipe(
        name="autoencoder_path-mnist-oneanomalous",
        what="MNIST, one digit is anomalous: the notebook's autoencoder by NAP",
        metric="AUROC, mean of ten digits",
        settings=NOTEBOOK,
        published={"value": 0.768, "source": "the notebook, by the reconstruction"},
        run=_autoencoder,
        baselines=_beside,
        target=0.80,
        parts=DIGITS,
    ),
)

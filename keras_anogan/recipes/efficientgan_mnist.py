"""EfficientGAN on MNIST with one anomalous digit."""

from __future__ import annotations

import numpy as np

from keras_anogan import evaluation
from keras_anogan.detector import Explainer
from keras_anogan.recipes.baselines import pca_numbers
from keras_anogan.recipes.bigans_kdd99 import train_bigan
from keras_anogan.recipes.data import one_anomalous_data
from keras_anogan.recipes.recipe import Numbers, Recipe

EFFICIENTGAN_MNIST = {
    "networks": "the paper's for MNIST, latent_dim 200",
    "score": "A(x), feature matching, weight 0.9, degree 1",
    "batch_size": 50,
    "optimizer": "Adam(2e-4, beta_1=0.5), every player",
    "weights": "averaged, momentum 0.99, every network",
    "steps": "320, last one: 16,000 of some 54,000 training images, where the paper takes some 100 passes",
    "train": "the nine other digits of the 60,000; nothing set aside",
    "test": "the official 10,000",
    "chosen on": "nothing: a budget that ten digits and three seeds allow",
}


def _efficientgan_mnist(seed: int, digit: int) -> Numbers:
    train, test, labels = one_anomalous_data(digit)
    detector = train_bigan(train, seed, steps=320, batch_size=50, rate=2e-4, momentum=0.99, cycle=0.0)
    explainer = Explainer(detector)
    parts = [explainer.predict(test[i : i + 2500]) for i in range(0, len(test), 2500)]
    scores, residual = (np.concatenate([part[key] for part in parts]) for key in ("score", "residual"))
    return {
        "value": evaluation.auroc(labels, scores),
        "AUPRC A(x)": evaluation.auprc(labels, scores),
        "AUROC residual": evaluation.auroc(labels, residual),
    }


def _pca_one_anomalous(digit: int) -> Numbers:
    return pca_numbers(*one_anomalous_data(digit))


RECIPES = (
    Recipe(
        name="efficientgan-mnist-oneanomalous",
        what="MNIST, one digit is anomalous, the nine others are normal: EfficientGAN on a small budget",
        metric="AUROC of A(x), mean of ten digits",
        settings=EFFICIENTGAN_MNIST,
        published=None,
        run=_efficientgan_mnist,
        baselines=_pca_one_anomalous,
        target=None,
        parts=tuple(range(10)),
    ),
)

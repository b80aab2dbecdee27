"""ALOCC and OGNet on MNIST, one digit normal: do they end well, and is the second phase worth it?

keras-anogan reproduce alocc-mnist-digit1
    No result is published yet.
keras-anogan reproduce alocc-mnist-oneclass
    No result is published yet.
keras-anogan reproduce ognet-mnist-digit1
    No result is published yet.
keras-anogan reproduce ognet-mnist-oneclass
    No result is published yet.
"""

from __future__ import annotations

import functools

import keras
import numpy as np

from keras_anogan import evaluation
from keras_anogan.callbacks import NetworkEMA
from keras_anogan.datasets import load_mnist, one_class
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import build_phases
from keras_anogan.models.alocc import ALOCC
from keras_anogan.recipes.baselines import ON_IMAGES_BESIDE_GANS, baseline_numbers
from keras_anogan.recipes.data import DIGITS, known_labels, scaled_images
from keras_anogan.recipes.recipe import Numbers, Recipe
from keras_anogan.recipes.scoring import terms
from keras_anogan.thresholds.conformal import ConformalThreshold

EPOCHS, BATCH = 20, 128
FIVE = (0, 1, 2, 3, 4)
ONE_RUN = "FastEstimator's ALOCC notebook, its best epoch by the labels of the test; its last epoch is 0.463"

PHASE_1 = {
    "networks": "the authors' strided ones, 32 and 16 filters, 28 x 28 pixels",
    "epochs": f"{EPOCHS}, last one; batch {BATCH}",
    "lambda_": 0.4,
    "noise": "standard deviation of each image drawn from U(0, 2)",
    "optimizer": "RMSprop, a cosine from 2e-4 (R) and 1e-3 (D) to 0",
    "train": "80 % of the digit's training images; 10 % (stop) are not used, 10 % set the threshold (alpha = 0.01)",
    "chosen on": "with labels: scikit-learn's digits 1 and 8 enlarged to 28 x 28, before the run",
}
DIGIT_1 = {"test": "the 1,135 ones of the official test images and as many others, drawn with the seed"}
ALL_DIGITS = {"test": "the official 10,000"}
PHASE_2 = {
    "phase 2": "75 steps of the discriminator, batch 64, Adam(5e-5), alpha 0.1, beta 0.001: the authors' code",
    "old reconstructor": "of step 100",
}


# Training.


def train_alocc(x: np.ndarray, seed: int, epochs: int = EPOCHS, name: str = "alocc") -> dict[str, AnomalyDetector]:
    """ALOCC, or phase 1 of OGNet, with the settings `PHASE_1`.

    Args:
        x: normal images, float32 (n, 28, 28, 1) in [-1, 1].
        seed: of weights, noise and order.
        epochs: passes over them.
        name: "alocc" or "ognet".

    Returns:
        The phases by name, of which the first is trained.
    """
    phases = build_phases(name, x.shape[1:], seed=seed)
    first = phases["alocc"]
    steps = epochs * -(-len(x) // BATCH)
    rates = {"discriminator": 1e-3, "reconstructor": 2e-4}
    cosine = keras.optimizers.schedules.CosineDecay
    first.compile(optimizers={p: keras.optimizers.RMSprop(cosine(rate, steps)) for p, rate in rates.items()})
    first.fit(x, batch_size=BATCH, epochs=epochs, verbose=0)
    return phases

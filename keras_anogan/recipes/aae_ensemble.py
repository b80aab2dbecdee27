"""Three adversarial autoencoders as one, on three digits of MNIST: what their ensemble adds to its members.

keras-anogan reproduce aae_ensemble-mnist-oneanomalous
    No result is published yet.
keras-anogan reproduce aae_ensemble-mnist-oneclass
    No result is published yet.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import Split, load_mnist, one_anomalous, one_class
from keras_anogan.models.ensemble import Ensemble
from keras_anogan.recipes.aae_mnist import BATCH, BESIDE, NETWORKS, train_aae
from keras_anogan.recipes.baselines import baseline_numbers
from keras_anogan.recipes.data import known_labels, scaled_images
from keras_anogan.recipes.recipe import Numbers, Recipe
from keras_anogan.thresholds.conformal import ConformalThreshold

MEMBERS, ALPHA = 3, 0.01
DIGITS = (1, 5, 9)
EPOCHS = {"one_anomalous": 10, "one_class": 50}

SETTINGS = NETWORKS | {
    "batch_size": BATCH,
    "members": f"{MEMBERS} of other seeds; the mean of their normal scores among the held-out images",
    "train": "80 % of the normal images of the 60,000; 10 % (stop) make the members comparable, 10 % set the threshold",
    "test": "the official 10,000",
    "chosen on": "nothing: the settings of the single detector, half its epochs, so that nine trainings a digit fit",
}


def _split(protocol: str, digit: int, seed: int) -> Split:
    make: Any = one_anomalous if protocol == "one_anomalous" else one_class
    return make(*load_mnist(), digit, stop=0.1, calibrate=0.1, seed=seed)


def _run(seed: int, digit: int, protocol: str) -> Numbers:
    split = _split(protocol, digit, seed)
    labels = known_labels(split)
    train, stop, calibrate, test = map(scaled_images, (split.train, split.stop, split.calibrate, split.test))
    members = [train_aae(train, MEMBERS * seed + i, EPOCHS[protocol]) for i in range(MEMBERS)]
    ensemble = Ensemble(members)
    ensemble.adapt(stop)
    aurocs, alarms = [], []
    for detector in (ensemble, *members):
        scores, calibration = detector.predict(test), detector.predict(calibrate)
        threshold = ConformalThreshold(ALPHA, capacity=len(calibration)).adapt(calibration)
        aurocs.append(evaluation.auroc(labels, scores))
        alarms.append(float(np.asarray(threshold(scores))[labels == 0].mean()))
    return {
        "value": aurocs[0],
        "mean AUROC of the members": float(np.mean(aurocs[1:])),
        "lead over its members": aurocs[0] - float(np.mean(aurocs[1:])),
        **{f"AUROC of member {i}": value for i, value in enumerate(aurocs[1:], start=1)},
        f"false alarms at alpha {ALPHA}": alarms[0],
        f"false alarms of the members at alpha {ALPHA}": float(np.mean(alarms[1:])),
    }


def _baselines(digit: int, protocol: str) -> Numbers:
    split = _split(protocol, digit, seed=0)
    return baseline_numbers(BESIDE, scaled_images(split.train), scaled_images(split.test), known_labels(split))


RECIPES = tuple(
    Recipe(
        name=f"aae_ensemble-mnist-{protocol.replace('_', '')}",
        what=f"MNIST, one digit is {kind}: three adversarial autoencoders as an ensemble",
        metric="AUROC, mean of three digits",
        settings=SETTINGS | {"epochs": f"{EPOCHS[protocol]}, last one"},
        published=None,
        run=functools.partial(_run, protocol=protocol),
        baselines=functools.partial(_baselines, protocol=protocol),
        target=None,
        parts=DIGITS,
    )
    for protocol, kind in (("one_anomalous", "anomalous"), ("one_class", "normal"))
)

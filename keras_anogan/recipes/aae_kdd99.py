"""The adversarial autoencoder on KDD99 by the papers' protocol, scored along its encoder's path.

keras-anogan reproduce aae-kdd99-paper
    No result is published yet.
"""

from __future__ import annotations

from keras_anogan.datasets import TableSplit
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import build_detector
from keras_anogan.recipes.bigans_kdd99 import KDD99_PAPER, paper_baselines, top_share_numbers
from keras_anogan.recipes.data import kdd99_split, known_labels
from keras_anogan.recipes.recipe import Numbers, Recipe
from keras_anogan.recipes.scoring import terms

EPOCHS, BATCH = 10, 256

SETTINGS = KDD99_PAPER | {
    "networks": "RaPP's: ten dense layers, from the encoded columns to 8, and back; discriminator of codes 8 to 1",
    "score": "NAP: the difference of x and x_hat in all hidden layers of the encoder, whitened by the training rows",
    "optimizer": "Adam(1e-3) for each of the three",
    "batch_size": BATCH,
    "epochs": f"{EPOCHS}, last one",
    "chosen on": "nothing: RaPP's settings, as many epochs as some minutes allow",
}


def _trained(split: TableSplit, seed: int) -> AnomalyDetector:
    detector = build_detector("adversarial_autoencoder", split.train.shape[1:], score="nap", seed=seed)
    detector.compile()
    detector.fit(split.train, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return detector


def _run(seed: int) -> Numbers:
    split = kdd99_split("paper")
    found = terms(_trained(split, seed), split.test, ("score", "sap", "error"), chunk=65536)
    judged = {key: top_share_numbers(known_labels(split), scores) for key, scores in found.items()}
    return {
        "value": judged["score"]["F1"],
        "AUROC": judged["score"]["AUROC"],
        "F1 of SAP": judged["sap"]["F1"],
        "F1 of the reconstruction": judged["error"]["F1"],
    }


RECIPES = (
    Recipe(
        name="aae-kdd99-paper",
        what="KDD99, the papers' protocol (attacks are normal): an adversarial autoencoder by NAP",
        metric="F1 of the top 20 %",
        settings=SETTINGS,
        published=None,
        run=_run,
        baselines=paper_baselines,
        target=0.95,
        seeds=(0, 1, 2, 3, 4),
    ),
)

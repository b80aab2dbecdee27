"""A run of several seeds: members one after the other, one detector of all of them."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import runs
from keras_anogan.runs.arguments import Arguments

ASKED = {"data": "digits", "abnormal": 0, "detector": "autoencoder", "params": {"filters": 2}, "alpha": 0.05}


def arguments(**given):
    return Arguments(**ASKED, ensemble=2, epochs=1, batch_size=256, reduction="top", **given)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ensemble"
    runs.train(arguments(), out)
    return out


def test_members_have_seeds_of_their_own_and_one_threshold(undisturbed):
    fitted = runs.load_run(undisturbed).fitted
    first, second = fitted.detector.members
    assert first.reduction == "top"
    kernels = [member.detector.trainable_variables[0] for member in (first, second)]
    assert not np.allclose(*kernels)
    x = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 1)).astype("uint8")
    found = fitted.detect(x)
    assert found["anomaly_map"].shape == (4, 8, 8)
    served = tf.saved_model.load(str(undisturbed / "serving" / "1")).signatures["serving_default"](raw=tf.constant(x))
    np.testing.assert_allclose(served["score"], found["score"], rtol=1e-4)


def test_its_map_is_the_mean_of_the_members_maps(undisturbed):
    detector = runs.load_run(undisturbed).fitted.detector
    x = tf.random.stateless_uniform((3, 8, 8, 1), (0, 1), -1.0, 1.0)
    maps = [member.explain(x)["anomaly_map"] for member in detector.members]
    np.testing.assert_allclose(detector.explain(x)["anomaly_map"], (maps[0] + maps[1]) / 2.0, rtol=1e-5)


def test_an_interrupted_one_goes_on_with_the_member_it_was_at(undisturbed, tmp_path):
    def interrupt(phase, epochs):
        if phase == "autoencoder_seed_1":
            raise KeyboardInterrupt
        return []

    with pytest.raises(KeyboardInterrupt):
        runs.train(arguments(), tmp_path / "run", progress=interrupt)
    said = []
    runs.train(arguments(), tmp_path / "run", say=said.append)
    assert "autoencoder_seed_0: 1 of 1 epochs are done." in said
    models = [keras.saving.load_model(run / "detector.keras") for run in (tmp_path / "run", undisturbed)]
    for again, before in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(again, before)


def test_its_history_and_baselines_are_those_of_its_members(undisturbed):
    history = (undisturbed / "history.csv").read_text()
    assert "autoencoder_seed_0,1," in history
    assert "autoencoder_seed_1,1," in history
    assert "autoencoder, 2 members at 8 x 8 pixels" in (undisturbed / "report.html").read_text()
    assert {"pca_32", "neighbors"} <= set(json.loads((undisturbed / "metrics.json").read_text())["baselines"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"ensemble": 0}, "--ensemble >= 1. Received: 0"),
        ({"ensemble": 2, "detector": "pca", "params": {}}, "no --ensemble with pca, which is solved at once"),
    ],
)
def test_what_makes_no_ensemble_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Arguments(**{**ASKED, **given})


def test_too_few_held_out_rows_are_told_before_training(tmp_path):
    few = {key: value for key, value in ASKED.items() if key != "abnormal"}
    with pytest.raises(ValueError, match=r"at least 20 held-out normal images to compare .* Received: 13 of 128"):
        runs.train(Arguments(**few, normal=3, ensemble=2), tmp_path / "run")
    assert not (tmp_path / "run").exists()

"""Detectors of features of images, and a Gaussian at each place."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_anogan import (
    PCA,
    ConformalThreshold,
    Explainer,
    FeatureDetector,
    Features,
    FittedDetector,
    Gaussian,
    PatchGaussian,
    PatchNeighbors,
    build_detector,
)
from keras_anogan.models.features import features_of, moments

SHAPE = (8, 8, 1)


def features(pooled=True):
    x = keras.Input((8, 8, 3))
    init = keras.initializers.GlorotUniform(seed=0)
    fine = layers.Conv2D(4, 3, padding="same", activation="relu", kernel_initializer=init)(x)
    coarse = layers.Conv2D(3, 3, 2, padding="same", kernel_initializer=init)(fine)
    return Features(keras.Model(x, [fine, coarse], name="small"), pooled=pooled, channels=1)


def test_it_is_the_detector_on_standardised_features(tiny_images):
    found = FeatureDetector(features(), PCA((14,), n_components=3))
    found.compile()
    found.fit(tiny_images)
    raw = np.asarray(features()(tiny_images))
    standard = (raw - raw.mean(axis=0)) / np.maximum(raw.std(axis=0), 0.01 * np.median(raw.std(axis=0)))
    np.testing.assert_allclose(features_of(features(), tiny_images, size=5), raw, atol=1e-6)
    alone = PCA((14,), n_components=3)
    alone.compile()
    alone.fit(standard)
    np.testing.assert_allclose(found.predict(tiny_images), alone.predict(standard), rtol=1e-3, atol=1e-5)
    explained = Explainer(found).predict(tiny_images)
    assert "reconstruction" not in explained
    assert "anomaly_map" not in explained


def test_a_channel_that_hardly_moves_counts_for_little():
    raw = np.random.default_rng(0).normal(size=(50, 3)) * np.array([1.0, 1.0, 1e-5])
    mean, deviation = moments(raw)
    np.testing.assert_allclose(mean, raw.mean(axis=0))
    np.testing.assert_allclose(deviation[:2], raw[:, :2].std(axis=0))
    assert deviation[2] == pytest.approx(0.01 * np.median(raw.std(axis=0)))


def test_a_network_trains_on_features_and_is_watched_on_them(tiny_images):
    found = FeatureDetector(features(), build_detector("autoencoder", (14,), latent_dim=2, seed=0))
    found.compile()
    history = found.fit(tiny_images, validation_data=tiny_images[:8], batch_size=16, epochs=2, verbose=0)
    assert int(found.detector.step) == 4
    assert len(history.history["val_score"]) == 2
    backbone = features()
    for before, after in zip(backbone.get_weights(), found.features.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_one_file_and_one_saved_model_hold_the_backbone(tiny_images, tmp_path):
    found = FeatureDetector(features(pooled=False), PatchGaussian((8, 8, 7)))
    found.compile()
    found.fit(tiny_images)
    scores = found.predict(tiny_images)
    found.save(tmp_path / "found.keras")
    loaded = keras.saving.load_model(tmp_path / "found.keras")
    np.testing.assert_allclose(loaded.predict(tiny_images), scores, rtol=1e-5)
    threshold = ConformalThreshold(0.1).adapt(scores)
    FittedDetector(None, found, threshold, raw_shape=SHAPE, raw_dtype="float32").export(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](raw=tf.constant(tiny_images))
    np.testing.assert_allclose(served["score"], scores, rtol=1e-4)


def test_a_map_of_the_features_has_the_image_s_size(tiny_images):
    x = keras.Input((8, 8, 3))
    half = Features(keras.Model(x, layers.AveragePooling2D(2)(x)), pooled=False, channels=1)
    found = FeatureDetector(half, PatchGaussian((4, 4, 3)))
    found.compile()
    found.fit(tiny_images)
    spot = tiny_images[:1].copy()
    spot[0, 1:4, 5:8] = 1.0
    anomaly_map = Explainer(found).predict(spot)["anomaly_map"][0]
    assert anomaly_map.shape == (8, 8)
    assert np.unravel_index(anomaly_map.argmax(), (8, 8))[0] < 5
    assert np.unravel_index(anomaly_map.argmax(), (8, 8))[1] >= 4


def test_detectors_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"the features' shape \(14,\). Received: \(6,\)"):
        FeatureDetector(features(), Gaussian((6,)))
    with pytest.raises(ValueError, match="Expected features and a detector"):
        FeatureDetector(PCA((6,)), PCA((6,)))


def test_a_gaussian_at_each_place_against_numpy():
    draw = np.random.default_rng(0)
    x = (draw.normal(size=(40, 3, 4, 2)) @ np.array([[1.0, 0.6], [0.0, 0.5]]) + np.arange(24).reshape(3, 4, 2)).astype(
        "float32"
    )
    detector = PatchGaussian((3, 4, 2), share=0.25, ridge=1e-6)
    detector.compile()
    with pytest.warns(UserWarning, match="expected images in"):
        detector.fit(x)
    mean = x.mean(axis=0)
    covariance = np.einsum("nhwi,nhwj->ij", x - mean, x - mean, dtype="float64") / (12 * 39)
    new = draw.normal(size=(5, 3, 4, 2)).astype("float32")
    difference = new - mean
    squared = np.einsum("nhwi,ij,nhwj->nhw", difference, np.linalg.inv(covariance), difference) / 2
    explained = detector.explain(tf.constant(new))
    np.testing.assert_allclose(explained["anomaly_map"], np.sqrt(squared), rtol=1e-3)
    largest = np.sort(np.sqrt(squared).reshape(5, -1), axis=1)[:, -3:].mean(axis=1)
    np.testing.assert_allclose(explained["score"], largest, rtol=1e-3)


def test_neighbours_of_each_place_against_numpy():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(10, 3, 4, 2)).astype("float32")
    detector = PatchNeighbors((3, 4, 2), k=2, coreset=1.0, share=0.25)
    detector.compile()
    with pytest.warns(UserWarning, match="expected images in"):
        detector.fit(x)
    new = draw.normal(size=(5, 3, 4, 2)).astype("float32")
    distances = np.sqrt(np.mean((new.reshape(-1, 1, 2) - x.reshape(1, -1, 2)) ** 2, axis=-1))
    nearest = np.sort(distances, axis=1)[:, :2].mean(axis=1).reshape(5, 3, 4)
    explained = detector.explain(tf.constant(new))
    np.testing.assert_allclose(explained["anomaly_map"], nearest, rtol=1e-3, atol=1e-4)
    largest = np.sort(nearest.reshape(5, -1), axis=1)[:, -3:].mean(axis=1)
    np.testing.assert_allclose(explained["score"], largest, rtol=1e-3)


def test_a_coreset_of_places_keeps_the_far_ones(monkeypatch):
    x = np.full((20, 2, 2, 2), 0.1, "float32")
    x += np.random.default_rng(0).normal(0, 0.01, x.shape).astype("float32")
    x[3, 0, 1] = (-0.9, 0.8)  # one place of one row
    detector = PatchNeighbors((2, 2, 2), coreset=0.05)
    detector.compile()
    detector.fit(x)
    assert detector.bank.rows.shape == (4, 2)
    assert float(detector.explain(tf.constant(x[3:4]))["anomaly_map"][0, 0, 1]) < 1e-3
    monkeypatch.setattr("keras_anogan.models.patch_neighbors.MOST_DRAWN", 40)
    few = PatchNeighbors((2, 2, 2), coreset=1.0)
    few.compile()
    few.fit(x)
    assert few.bank.rows.shape == (40, 2)  # two places of each row
    with pytest.raises(ValueError, match=r"as many places as in the first fit, 40\. Received: 20"):
        few.fit(x[:10][:, :, :1].repeat(2, axis=2)[:5])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"shape": (6,)}, "(height, width, channels). Received: (6,)"),
        ({"shape": (2, 2, 3), "k": 0}, "k=0"),
        ({"shape": (2, 2, 3), "coreset": 1.5}, "coreset=1.5"),
        ({"shape": (2, 2, 3), "share": 0.0}, "share=0.0"),
    ],
)
def test_wrong_parameters_of_neighbours_are_refused(given, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PatchNeighbors(**given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"shape": (6,)}, "(height, width, channels), at most 2,048"),
        ({"shape": (2, 2, 4096)}, "at most 2,048 of the last"),
        ({"shape": (2, 2, 3), "share": 0.0}, "share=0.0"),
        ({"shape": (2, 2, 3), "ridge": 0.0}, "ridge=0.0"),
    ],
)
def test_wrong_parameters_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        PatchGaussian(**given)

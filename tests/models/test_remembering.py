"""Memory: nearest normal rows among a detector's features."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from keras_anogan import Explainer, Memory, build_detector, build_phases

SHAPE = (8, 8, 1)


def autoencoder():
    return build_detector("autoencoder", SHAPE, filters=2)


def fitted(tiny_images, **params):
    memory = Memory(autoencoder(), **params)
    memory.compile()
    memory.fit(tiny_images, batch_size=16, epochs=1, verbose=0)
    return memory


def test_scores_are_those_of_scikit_learn_among_the_latents(tiny_images):
    memory = fitted(tiny_images, k=3)
    new = np.random.default_rng(1).uniform(-1, 1, (10, *SHAPE)).astype("float32")
    inside, outside = (Explainer(memory.detector).predict(x)["latent"] for x in (tiny_images, new))
    distances, _ = NearestNeighbors(n_neighbors=3).fit(inside).kneighbors(outside)
    np.testing.assert_allclose(memory.predict(new), distances.mean(axis=1) / np.sqrt(inside.shape[1]), rtol=1e-4)
    np.testing.assert_allclose(Explainer(memory).predict(new)["own_score"], memory.detector.predict(new), rtol=1e-5)


def test_what_is_remembered_scores_nothing(tiny_images):
    np.testing.assert_allclose(fitted(tiny_images).predict(tiny_images), 0.0, atol=1e-5)


def test_a_trained_detector_remembers_by_its_critic(tiny_images):
    phases = build_phases("fanogan", SHAPE, architecture="dcgan", filters=2, latent_dim=4)
    detector = phases["encoder"]
    memory = Memory(detector, network="critic", coreset=0.5)
    memory.compile()
    with pytest.raises(ValueError, match="after fit"):
        memory.predict(tiny_images)
    memory.remember(tiny_images)
    features = np.asarray(detector.critic(tiny_images, training=False)[1])
    assert memory.neighbors.bank.rows.shape == (16, features.shape[1])
    assert np.isclose(memory.predict(tiny_images), 0.0, atol=1e-5).sum() >= 16


def test_files_keep_what_is_remembered(tiny_images, tmp_path):
    memory = fitted(tiny_images)
    new = np.random.default_rng(1).uniform(-1, 1, (10, *SHAPE)).astype("float32")
    memory.save(tmp_path / "memory.keras")
    again = keras.saving.load_model(tmp_path / "memory.keras")
    np.testing.assert_allclose(again.predict(new), memory.predict(new), rtol=1e-5)
    np.testing.assert_allclose(again(tf.constant(new[:1])), memory.predict(new)[:1], rtol=1e-4)  # one alone


def test_wrong_networks_are_refused():
    with pytest.raises(ValueError, match=r"one of the networks \['encoder', 'decoder'\]"):
        Memory(autoencoder(), network="critic")
    with pytest.raises(ValueError, match="a detector with a latent"):
        Memory(build_detector("gan_discriminator", SHAPE, filters=2))
    with pytest.raises(ValueError, match="Expected a detector"):
        Memory("pca")

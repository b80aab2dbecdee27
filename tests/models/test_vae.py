"""The VAE's equations, each against a closed form, and that it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import VAE, Explainer, build_detector
from keras_anogan.evaluation import auroc
from keras_anogan.models.vae import kl_divergence


def linear(weights, bias=None):
    """A network x -> x weights + bias, fixed."""
    weights = np.asarray(weights, "float32")
    layer = keras.layers.Dense(weights.shape[1])
    network = keras.Sequential([keras.Input((weights.shape[0],)), layer])
    layer.set_weights([weights, np.zeros(weights.shape[1]) if bias is None else np.asarray(bias)])
    return network


def test_the_divergence_is_that_of_gaussians():
    assert np.array_equal(kl_divergence(tf.zeros((3, 4)), tf.zeros((3, 4))), np.zeros(3))
    mean, variance = np.array([[0.5, -2.0]]), np.array([[0.25, 3.0]])
    want = 0.5 * (mean**2 + variance - np.log(variance) - 1.0).sum()
    np.testing.assert_allclose(kl_divergence(tf.constant(mean), tf.constant(np.log(variance))), [want])


def test_the_divergence_is_the_mean_of_the_log_ratio():
    mean, log_variance = np.array([[1.0]]), np.array([[np.log(0.25)]])
    z = 1.0 + 0.5 * np.random.default_rng(0).normal(size=400_000)
    log_q = -0.5 * ((z - 1.0) / 0.5) ** 2 - np.log(0.5)
    log_p = -0.5 * z**2
    np.testing.assert_allclose(
        kl_divergence(tf.constant(mean), tf.constant(log_variance)), (log_q - log_p).mean(), 0.01
    )


def test_noise_is_a_function_of_seed_and_step():
    first, again, other = (build_detector("vae", (6,), latent_dim=3, seed=seed) for seed in (4, 4, 5))
    mean, log_variance = tf.zeros((5, 3)), tf.zeros((5, 3))
    drawn = first.reparameterise(mean, log_variance)
    assert np.array_equal(drawn, again.reparameterise(mean, log_variance))
    assert not np.array_equal(drawn, other.reparameterise(mean, log_variance))
    again.step.assign_add(1)
    assert not np.array_equal(drawn, again.reparameterise(mean, log_variance))


def test_reparameterised_noise_has_the_mean_and_the_variance():
    detector = build_detector("vae", (6,), latent_dim=2)
    mean, deviation = np.array([3.0, -1.0], "float32"), np.array([0.5, 2.0], "float32")
    z = detector.reparameterise(tf.tile(mean[None], (20_000, 1)), tf.tile(2.0 * np.log(deviation)[None], (20_000, 1)))
    np.testing.assert_allclose(np.mean(z, axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.std(z, axis=0), deviation, rtol=0.03)


def test_scores_are_the_error_and_the_bound_of_a_linear_model():
    # q(z|x) = N(x_1, e^0.5), decoder(z) = (z, 0): the error is x_2^2 / 2, whatever x_1 is.
    encoder, decoder = linear([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.5]), linear([[1.0, 0.0]])
    x = np.array([[0.3, 0.4], [2.0, 0.0]], "float32")
    detector = VAE(encoder, decoder, decoder_std=0.5)
    detector.compile(jit_compile=False)
    explained = Explainer(detector).predict(x)
    np.testing.assert_allclose(explained["score"], x[:, 1] ** 2 / 2, atol=1e-7)
    np.testing.assert_allclose(explained["latent"], x[:, :1])
    kl = 0.5 * (x[:, 0] ** 2 + np.exp(0.5) - 0.5 - 1.0)
    log_likelihood = -0.5 * x[:, 1] ** 2 / 0.25 - np.log(2.0 * np.pi * 0.25)
    np.testing.assert_allclose(explained["kl"], kl, rtol=1e-6)
    np.testing.assert_allclose(explained["elbo"], log_likelihood - kl, rtol=1e-6)
    bound = VAE(encoder, decoder, score="elbo", decoder_std=0.5)
    bound.compile(jit_compile=False)
    np.testing.assert_allclose(bound.predict(x), kl - log_likelihood, rtol=1e-6)


def test_images_have_a_map_and_tables_have_none(tiny_images):
    images = build_detector("vae", (8, 8, 1), latent_dim=2, filters=2)
    explained = images.explain(tf.constant(tiny_images[:3]))
    np.testing.assert_allclose(
        explained["anomaly_map"], np.abs(tiny_images[:3] - explained["reconstruction"])[..., 0], rtol=1e-6
    )
    assert "anomaly_map" not in build_detector("vae", (6,)).explain(tf.zeros((1, 6)))


def test_it_learns_the_plane_that_normal_rows_lie_in():
    draw = np.random.default_rng(0)
    plane = draw.normal(size=(2, 8)) / 2.0
    normal, held_out = (draw.normal(size=(n, 2)) @ plane + 0.05 * draw.normal(size=(n, 8)) for n in (1024, 256))
    odd = held_out.std(axis=0) * draw.normal(size=(256, 8))
    detector = build_detector("vae", (8,), latent_dim=2)
    detector.compile(jit_compile=False)
    history = detector.fit(normal.astype("float32"), epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(
        history["loss"], np.add(history["reconstruction_loss"], history["kl_loss"]), rtol=1e-4, atol=1e-5
    )
    assert history["kl_loss"][-1] > 0.01  # the codes say something
    scores = detector.predict(np.concatenate([held_out, odd]).astype("float32"))
    assert auroc(np.repeat([0, 1], 256), scores) > 0.9


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: build_detector("vae", (6,), score="likelihood"), "'likelihood'"),
        (lambda: build_detector("vae", (6,), decoder_std=0.0), "decoder_std=0.0"),
        (lambda: build_detector("vae", (6,), latent_dim=0), "latent_dim=0"),
        (lambda: build_detector("vae", (6, 6)), r"\(6, 6\)"),
        (lambda: VAE(linear(np.ones((6, 3))), linear(np.ones((3, 6)))), r"\(None, 6\) to \(None, 3\)"),
        (lambda: VAE(linear(np.ones((6, 2))), linear(np.ones((1, 5)))), r"\(None, 1\) to \(None, 5\)"),
    ],
)
def test_bad_arguments_are_refused_with_the_value(make, word):
    with pytest.raises(ValueError, match=word):
        make()

"""Losses, scores and closed-form detectors against what can be worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import PCA, Explainer, FAnoGAN, Gaussian
from keras_anogan.models import WGANGP
from keras_anogan.nn import losses, scores
from keras_anogan.nn.layers import LeakyReLUWithoutCurvature
from keras_anogan.nn.networks import build_dcgan_critic, build_mlp_critic, build_mlp_generator


@pytest.fixture
def draw():
    return np.random.default_rng(7)


def test_wasserstein_losses(draw):
    real, generated = draw.normal(size=(2, 9, 1)).astype("float32")
    assert float(losses.wasserstein_critic_loss(real, generated)) == pytest.approx(
        generated.mean() - real.mean(), abs=1e-6
    )
    assert float(losses.wasserstein_generator_loss(generated)) == pytest.approx(-generated.mean(), abs=1e-6)


@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_penalty_of_a_linear_critic_is_its_slope(shape, draw):
    w = draw.normal(size=shape).astype("float32")
    real, generated = draw.normal(size=(2, 6, *shape)).astype("float32")
    critic = lambda x: tf.reduce_sum(x * w, axis=range(1, x.ndim))[:, None]  # noqa: E731
    penalty = losses.gradient_penalty(critic, tf.constant(real), tf.constant(generated), tf.zeros(6))
    assert float(penalty) == pytest.approx((np.sqrt((w**2).sum()) - 1.0) ** 2, rel=1e-5)


def test_penalty_is_taken_between_real_and_generated_one_weight_per_sample(draw):
    real, generated = draw.normal(size=(2, 4, 3)).astype("float32")
    alpha = np.array([0.0, 1.0, 0.25, 0.5], "float32")
    square = lambda x: 0.5 * tf.reduce_sum(x * x, axis=1, keepdims=True)  # its gradient at x is x  # noqa: E731
    mixed = real + alpha[:, None] * (generated - real)
    want = ((np.linalg.norm(mixed, axis=1) - 1.0) ** 2).mean()
    got = losses.gradient_penalty(square, tf.constant(real), tf.constant(generated), tf.constant(alpha))
    assert float(got) == pytest.approx(want, rel=1e-5)


def test_penalty_of_a_flat_critic_has_a_finite_gradient():
    w = tf.Variable(tf.zeros(3))
    with tf.GradientTape() as tape:
        penalty = losses.gradient_penalty(
            lambda x: tf.linalg.matvec(x, w)[:, None], tf.ones((2, 3)), tf.ones((2, 3)), tf.ones(2)
        )
    assert np.isfinite(tape.gradient(penalty, w)).all()
    assert float(penalty) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("build", [build_mlp_critic, build_dcgan_critic])
def test_the_penalty_of_a_critic_without_curvature_has_the_gradient_of_one_with_plain_leaky_relu(build, draw):
    critic = build((8, 8, 1), seed=1)
    plain = keras.models.clone_model(
        critic,
        clone_function=lambda layer: (
            keras.layers.LeakyReLU(0.2)
            if isinstance(layer, LeakyReLUWithoutCurvature)
            else type(layer).from_config(layer.get_config())
        ),
    )
    plain.set_weights(critic.get_weights())
    real, generated = draw.normal(size=(2, 5, 8, 8, 1)).astype("float32")
    alpha = draw.uniform(size=5).astype("float32")
    found = []
    for network in (critic, plain):
        with tf.GradientTape() as tape:
            penalty = losses.gradient_penalty(lambda x, n=network: n(x, training=True)[0], real, generated, alpha)
            loss = penalty + tf.reduce_mean(network(real, training=True)[0])
        gradients = tape.gradient(loss, network.trainable_variables)
        found.append(
            [
                float(loss),
                *(
                    np.zeros(v.shape) if g is None else np.array(g)
                    for g, v in zip(gradients, network.trainable_variables, strict=True)
                ),
            ]
        )
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(critic(real)[1], plain(real)[1], rtol=1e-6)


def test_per_sample_errors_and_maps(draw):
    x, x_hat = draw.normal(size=(2, 5, 4, 3, 2)).astype("float32")
    np.testing.assert_allclose(scores.mean_squared_error(x, x_hat), ((x - x_hat) ** 2).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(scores.mean_absolute_error(x, x_hat), np.abs(x - x_hat).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(scores.residual_map(x, x_hat), np.abs(x - x_hat).mean(-1), rtol=1e-5)
    symbolic = scores.mean_squared_error(keras.Input((4, 3, 2)), keras.Input((4, 3, 2)))
    assert symbolic.shape == (None,)


def linear(matrix, name):
    x = keras.Input((matrix.shape[0],))
    dense = keras.layers.Dense(matrix.shape[1], use_bias=False)
    network = keras.Model(x, dense(x), name=name)
    dense.set_weights([matrix])
    return network


def critic_of(matrix):
    x = keras.Input((matrix.shape[0],))
    dense = keras.layers.Dense(matrix.shape[1], use_bias=False)
    features = dense(x)
    critic = keras.Model(x, [keras.ops.sum(features, axis=1, keepdims=True), features])
    dense.set_weights([matrix])
    return critic


def test_fanogan_with_orthonormal_generator_scores_the_distance_to_its_subspace(draw):
    basis = np.linalg.qr(draw.normal(size=(6, 2)))[0].astype("float32")  # G z = basis z, E x = basis^T x
    features = draw.normal(size=(6, 3)).astype("float32")
    detector = FAnoGAN(linear(basis, "e"), linear(basis.T, "g"), critic_of(features), kappa=0.5)
    x = draw.normal(size=(8, 6)).astype("float32")
    residual = x - x @ basis @ basis.T
    explained = Explainer(detector).predict(x)
    want_image, want_features = (residual**2).mean(1), ((residual @ features) ** 2).mean(1)
    np.testing.assert_allclose(explained["img_distance"], want_image, rtol=1e-4)
    np.testing.assert_allclose(explained["feature_distance"], want_features, rtol=1e-4)
    np.testing.assert_allclose(explained["score"], want_image + 0.5 * want_features, rtol=1e-4)
    np.testing.assert_allclose(explained["z_distance"], 0.0, atol=1e-6)
    np.testing.assert_allclose(explained["latent"], x @ basis, rtol=1e-4, atol=1e-5)
    assert "anomaly_map" not in explained  # rows of a table have no map


def test_pca_is_scikit_learns_in_memory_and_in_parts(draw, tiny_images):
    from sklearn.decomposition import PCA as Solver

    x = draw.normal(size=(400, 8, 8, 1)).astype("float32") * np.linspace(2, 0.1, 64).reshape(8, 8, 1)
    x = x.astype("float32")
    solver = Solver(5).fit(x.reshape(400, -1))
    flat = x.reshape(400, -1)
    want = ((flat - solver.inverse_transform(solver.transform(flat))) ** 2).mean(1)
    whole = PCA((8, 8, 1), n_components=5)
    whole.fit(x)
    np.testing.assert_allclose(whole.predict(x), want, rtol=1e-3)

    class Rows:
        def __len__(self):
            return len(x)

        def __getitem__(self, indices):
            return x[indices]

    parts = PCA((8, 8, 1), n_components=5)
    parts.fit(Rows())
    assert np.corrcoef(parts.predict(x), want)[0, 1] > 0.98


@pytest.mark.parametrize("as_array", [True, False])
def test_pca_leaves_some_of_the_directions_in_which_rows_vary(draw, as_array):
    x = np.zeros((50, 8), "float32")
    x[:, :4] = draw.normal(size=(50, 4))  # half of the entries stand still, as the flags of missing cells do
    pca = PCA((8,))
    pca.compile()
    pca.fit(x if as_array else MemoryRows(x))
    kept = (np.abs(np.asarray(pca.components)).sum(axis=1) > 0).sum()
    assert (pca.n_components, kept) == (4, 2)
    far = x[:1].copy()
    far[0, :4] += 10.0
    assert pca.predict(far)[0] > 20.0 * pca.predict(x).max()
    asked = PCA((8,), n_components=4)
    asked.compile()
    with pytest.warns(UserWarning, match=r"PCA keeps all 4 directions .* Received: 4\."):
        asked.fit(x if as_array else MemoryRows(x))


class MemoryRows:
    """Rows that are read by number."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, numbers):
        return self.x[np.asarray(numbers)]


def test_pca_with_fewer_rows_than_components_uses_what_they_allow(draw):
    x = draw.normal(size=(3, 8, 8, 1)).astype("float32")
    pca = PCA((8, 8, 1), n_components=32)
    pca.fit(x)
    np.testing.assert_allclose(pca.predict(x), 0.0, atol=1e-6)
    with pytest.raises(ValueError, match="two rows"):
        pca.fit(x[:1])


def test_fanogan_refuses_networks_that_do_not_meet(draw):
    encoder, generator, critic = linear(np.eye(6, 2), "e"), linear(np.eye(2, 6), "g"), critic_of(np.eye(6, 3))
    with pytest.raises(ValueError, match="encoder to make what the generator reads"):
        FAnoGAN(linear(np.eye(6, 3), "e"), generator, critic)
    with pytest.raises(ValueError, match="what the critic reads"):
        FAnoGAN(encoder, generator, critic_of(np.eye(5, 3)))
    with pytest.raises(ValueError, match="kappa=-1"):
        FAnoGAN(encoder, generator, critic, kappa=-1)
    with pytest.raises(ValueError, match="mapping='zizi'"):
        FAnoGAN(encoder, generator, critic, mapping="zizi")
    with pytest.raises(ValueError, match=r"\(value, features\)"):
        FAnoGAN(encoder, generator, linear(np.eye(6, 1), "c"))


def test_wgan_gp_refuses_batch_normalisation_and_bad_weights():
    x = keras.Input((4,))
    h = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])(x)  # hidden in a nested model
    critic = keras.Model(x, [keras.layers.Dense(1)(h), h])
    generator = build_mlp_generator((4,), 2, units=(3,))
    with pytest.raises(ValueError, match="batch normalisation"):
        WGANGP(generator, critic)
    healthy = build_mlp_critic((4,), units=(3,))
    with pytest.raises(ValueError, match="lambda_=-1"):
        WGANGP(generator, healthy, lambda_=-1)
    with pytest.raises(ValueError, match="n_critic=0"):
        WGANGP(generator, healthy, n_critic=0)
    with pytest.raises(ValueError, match="what the critic reads"):
        WGANGP(build_mlp_generator((5,), 2, units=(3,)), healthy)


def test_gaussian_is_the_log_likelihood_under_the_shrunk_covariance(draw):
    from scipy.stats import multivariate_normal
    from sklearn.covariance import LedoitWolf

    x = (draw.normal(size=(60, 6)) @ draw.normal(size=(6, 6)) + 3.0).astype("float32")
    new = draw.normal(size=(9, 6)).astype("float32")
    detector = Gaussian((6,))
    detector.compile()
    detector.fit(x)
    solved = LedoitWolf().fit(x)
    expected = -multivariate_normal(solved.location_, solved.covariance_).logpdf(new)
    assert detector.predict(new) == pytest.approx(expected, rel=1e-4)
    explained = Explainer(detector).predict(new)
    assert explained["log_likelihood"] == pytest.approx(-expected, rel=1e-4)
    z = Explainer(detector).predict(x)["latent"]
    assert np.linalg.norm(z, axis=1) ** 2 == pytest.approx(
        ((x - solved.location_) @ solved.precision_ * (x - solved.location_)).sum(axis=1), rel=1e-3
    )


def test_gaussian_of_equal_rows_is_finite_and_of_many_features_refused():
    detector = Gaussian((4,))
    detector.compile()
    detector.fit(np.full((5, 4), 2.0, "float32").tolist())
    scores_of = detector.predict(np.array([[2.0] * 4, [2.5] * 4], "float32"))
    assert np.isfinite(scores_of).all()
    assert scores_of[1] > scores_of[0]
    with pytest.raises(ValueError, match="12,288"):
        Gaussian((64, 64, 3))
    with pytest.raises(ValueError, match="at least two rows"):
        detector.fit(np.zeros((1, 4), "float32"))

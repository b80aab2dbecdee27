"""EfficientGAN and ALAD: scores against NumPy, one training step against its losses written out, networks, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from keras_anogan import ALAD, EfficientGAN, Explainer, build_detector
from keras_anogan.models import alad, efficientgan
from keras_anogan.models.path_scored import PATHS
from keras_anogan.nn import losses, scores
from keras_anogan.nn.layers import SpectralConv2D, SpectralDense

FEATURES, LATENT = 5, 3


@pytest.fixture
def draw():
    return np.random.default_rng(11)


@pytest.fixture
def x(draw):
    return draw.normal(size=(6, FEATURES)).astype("float32")


@pytest.fixture(autouse=True, scope="module")
def _no_seed_is_left():
    """TensorFlow keeps a global seed for the whole process; with one, noise that nobody seeded repeats itself."""
    yield
    context.context()._set_global_seed(None)


def joint(*sizes, outputs=1):
    """A discriminator of several inputs without dropout: one hidden layer, a logit, and its features."""
    inputs = [keras.Input((size,)) for size in sizes]
    h = keras.layers.Dense(7, activation="tanh")(keras.layers.Concatenate()(inputs))
    return keras.Model(inputs, [keras.layers.Dense(1)(h), h][:outputs])


def dense(inputs, outputs):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs, use_bias=False)])


def make_efficientgan(**kwargs):
    keras.utils.set_random_seed(3)
    return EfficientGAN(dense(FEATURES, LATENT), dense(LATENT, FEATURES), joint(FEATURES, LATENT, outputs=2), **kwargs)


def make_alad(**kwargs):
    keras.utils.set_random_seed(4)
    judges = joint(FEATURES, LATENT), joint(FEATURES, FEATURES, outputs=2), joint(LATENT, LATENT)
    return ALAD(dense(FEATURES, LATENT), dense(LATENT, FEATURES), *judges, **kwargs)


def softplus(value):
    return np.log1p(np.exp(value))


def test_binary_cross_entropy_is_that_of_the_sigmoid(draw):
    logit = draw.normal(size=(8, 1)).astype("float32")
    sigmoid = 1.0 / (1.0 + np.exp(-logit))
    assert float(losses.binary_cross_entropy(logit, True)) == pytest.approx(-np.log(sigmoid).mean(), rel=1e-5)
    assert float(losses.binary_cross_entropy(logit, False)) == pytest.approx(-np.log(1 - sigmoid).mean(), rel=1e-5)
    assert np.asarray(scores.cross_entropy(logit)) == pytest.approx(-np.log(sigmoid)[:, 0], rel=1e-5)


def test_binary_cross_entropy_of_a_sure_discriminator_stays_finite():
    assert float(losses.binary_cross_entropy(tf.constant([[-200.0]]), True)) == pytest.approx(200.0)
    assert float(losses.binary_cross_entropy(tf.constant([[-200.0]]), False)) == pytest.approx(0.0, abs=1e-30)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_distance_is_the_norm_over_all_axes(degree, draw):
    a, b = draw.normal(size=(2, 4, 3, 2)).astype("float32")
    want = [np.linalg.norm((p - q).ravel(), degree) for p, q in zip(a, b, strict=True)]
    assert np.asarray(scores.distance(a, b, degree)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("score", sorted(set(efficientgan.SCORES) - set(PATHS)))  # paths: test_adversarial_autoencoder
@pytest.mark.parametrize(("weight", "degree"), [(0.9, 1), (0.3, 2)])
def test_efficientgan_scores_as_its_equation_says(score, weight, degree, x):
    model = make_efficientgan(score=score, weight=weight, degree=degree)
    explained = {key: np.asarray(value) for key, value in model.explain(tf.constant(x)).items()}
    z = x @ np.asarray(model.encoder.weights[0])
    x_hat = z @ np.asarray(model.generator.weights[0])
    kernel, bias, last, offset = (np.asarray(w) for w in model.discriminator.weights)
    f = np.tanh(np.concatenate([x, z], 1) @ kernel + bias)
    f_hat = np.tanh(np.concatenate([x_hat, z], 1) @ kernel + bias)
    term = {
        "feature_matching": np.linalg.norm(f - f_hat, degree, axis=1),
        "cross_entropy": softplus(-(f @ last + offset))[:, 0],
        "cross_entropy_generated": softplus(-(f_hat @ last + offset))[:, 0],
    }[score]
    residual = np.linalg.norm(x - x_hat, degree, axis=1)
    assert explained["residual"] == pytest.approx(residual, rel=1e-4)
    assert explained["discriminator_term"] == pytest.approx(term, rel=1e-4)
    assert explained["score"] == pytest.approx(weight * residual + (1 - weight) * term, rel=1e-4)
    assert np.asarray(model(tf.constant(x))) == pytest.approx(explained["score"])


def test_efficientgan_between_orthonormal_maps_scores_the_distance_to_their_subspace(x, draw):
    basis, _ = np.linalg.qr(draw.normal(size=(FEATURES, LATENT)))
    model = make_efficientgan(weight=1.0, degree=2)
    model.encoder.set_weights([basis])
    model.generator.set_weights([basis.T])
    want = np.linalg.norm(x - x @ basis @ basis.T, axis=1)
    assert np.asarray(model(tf.constant(x))) == pytest.approx(want, rel=1e-4)


def moved(model, x, rate=0.1):
    """Weights after one step of plain gradient descent, and the noise it drew."""
    model.compile(optimizers={p: keras.optimizers.SGD(rate) for p in model.players}, run_eagerly=True)
    z = model.random_normal("z", len(x), (LATENT,))
    model.train_step(x)
    return z


def assert_descended(copies, after, loss, rate=0.1):
    """Each network moved from its copy down the gradient of `loss()` by the learning rate."""
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [v for copy in copies for v in copy.trainable_variables])
    start = [v for copy in copies for v in copy.trainable_variables]
    end = [v for network in after for v in network.trainable_variables]
    for v, w, g in zip(start, end, gradients, strict=True):
        assert np.abs(np.asarray(g)).max() > 1e-5, v.path
        assert np.asarray(w) == pytest.approx(np.asarray(v) - rate * np.asarray(g), abs=1e-6), v.path


def clone(network):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def cross_entropy(logit, real):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(logit) * float(real), logit))


def test_one_step_of_efficientgan(x):
    x, model = tf.constant(x), make_efficientgan()
    e, g, d = (clone(network) for network in (model.encoder, model.generator, model.discriminator))
    z = moved(model, x)
    loss = lambda: cross_entropy(d([x, e(x)])[0], 1) + cross_entropy(d([g(z), z])[0], 0)  # noqa: E731
    assert_descended([d], [model.discriminator], loss)
    new = clone(model.discriminator)  # generator and encoder play against it as it is after its step
    loss = lambda: cross_entropy(new([x, e(x)])[0], 0) + cross_entropy(new([g(z), z])[0], 1)  # noqa: E731
    assert_descended([e, g], [model.encoder, model.generator], loss)


def test_one_step_of_alad(x):
    x, model = tf.constant(x), make_alad()
    e, g, xz, xx, zz = (clone(getattr(model, key)) for key in model.networks)
    z = moved(model, x)
    for copy, key, loss in (
        (xz, "discriminator_xz", lambda: cross_entropy(xz([x, e(x)]), 1) + cross_entropy(xz([g(z), z]), 0)),
        (xx, "discriminator_xx", lambda: cross_entropy(xx([x, x])[0], 1) + cross_entropy(xx([x, g(e(x))])[0], 0)),
        (zz, "discriminator_zz", lambda: cross_entropy(zz([z, z]), 1) + cross_entropy(zz([z, e(g(z))]), 0)),
    ):
        assert_descended([copy], [getattr(model, key)], loss)
    xz, xx, zz = (clone(getattr(model, key)) for key in model.networks[2:])
    cycle = lambda: cross_entropy(xx([x, g(e(x))])[0], 1) + cross_entropy(zz([z, e(g(z))]), 1)  # noqa: E731
    assert_descended([g], [model.generator], lambda: cross_entropy(xz([g(z), z]), 1) + cycle())
    assert_descended([e], [model.encoder], lambda: cross_entropy(xz([x, e(x)]), 0) + cycle())


@pytest.mark.parametrize("score", sorted(set(alad.SCORES) - set(PATHS)))
def test_alad_scores_as_its_equation_says(score, x):
    model = make_alad(score=score)
    z = x @ np.asarray(model.encoder.weights[0])
    x_hat = z @ np.asarray(model.generator.weights[0])
    kernel, bias, last, offset = (np.asarray(w) for w in model.discriminator_xx.weights)
    f, f_hat = (np.tanh(np.concatenate([x, other], 1) @ kernel + bias) for other in (x, x_hat))
    want = {
        "features": np.abs(f - f_hat).sum(1),
        "logits": softplus(-(f_hat @ last + offset))[:, 0],
        "l1": np.abs(x - x_hat).sum(1),
        "l2": np.linalg.norm(x - x_hat, axis=1),
    }[score]
    assert np.asarray(model(tf.constant(x))) == pytest.approx(want, rel=1e-4)


def parameters(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_networks_of_efficientgan_have_the_papers_sizes():
    model = build_detector("efficientgan", (121,))
    assert parameters(model.encoder) == 121 * 64 + 64 + 64 * 32 + 32
    assert parameters(model.generator) == 32 * 64 + 64 + 64 * 128 + 128 + 128 * 121 + 121
    assert parameters(model.discriminator) == 122 * 128 + 33 * 128 + 257 * 128 + 129
    model = build_detector("efficientgan", (28, 28, 1))
    assert model.encoder.output_shape == (None, 200)
    assert parameters(model.encoder) == 320 + (9 * 32 * 64 + 3 * 64) + (9 * 64 * 128 + 3 * 128) + 6273 * 200
    assert parameters(model.generator) == 201 * 1024 + 2048 + 1027 * 6272 + (16 * 128 * 64 + 3 * 64) + 16 * 64 + 1
    convolutions = (16 * 64 + 64) + (16 * 64 * 64 + 3 * 64)
    assert parameters(model.discriminator) == convolutions + 201 * 512 + (3136 + 512 + 1) * 1024 + 1025


def test_networks_of_alad_have_the_papers_sizes():
    model = build_detector("alad", (121,))
    assert parameters(model.discriminator_xz) == (122 * 128 + 256) + 33 * 128 + 257 * 128 + 129
    assert parameters(model.discriminator_xx) == 243 * 128 + 129
    assert parameters(model.discriminator_zz) == 65 * 32 + 33
    model = build_detector("alad", (32, 32, 3))
    assert model.encoder.output_shape == (None, 100)
    assert model.generator.output_shape == (None, 32, 32, 3)
    assert model.discriminator_xx.outputs[1].shape == (None, 16 * 8 * 128)  # two images, one above the other
    spectral = [layer for layer in model.discriminator_xz.layers if isinstance(layer, (SpectralConv2D, SpectralDense))]
    assert len(spectral) == 6  # all but the last
    assert not any(isinstance(layer, (SpectralConv2D, SpectralDense)) for layer in model.generator.layers)


@pytest.mark.parametrize("name", ["efficientgan", "alad"])
def test_networks_refuse_images_they_cannot_do(name):
    with pytest.raises(ValueError, match=r"sides that . divides. Received: \(30, 30, 1\)"):
        build_detector(name, (30, 30, 1))
    with pytest.raises(ValueError, match="Received: shape"):
        build_detector(name, (4, 4))


def test_bad_arguments_are_refused_with_what_was_found():
    for arguments, word in (
        ({"score": "magic"}, "magic"),
        ({"weight": 1.5}, "1.5"),
        ({"degree": 0.5}, "0.5"),
    ):
        with pytest.raises(ValueError, match=word):
            make_efficientgan(**arguments)
    with pytest.raises(ValueError, match="magic"):
        make_alad(score="magic")
    with pytest.raises(ValueError, match="discriminator with 2 inputs"):
        EfficientGAN(dense(FEATURES, LATENT), dense(LATENT, FEATURES), joint(FEATURES))
    with pytest.raises(ValueError, match="encoder to make what the discriminator reads"):
        EfficientGAN(dense(FEATURES, LATENT), dense(LATENT, FEATURES), joint(FEATURES, 4, outputs=2))


@pytest.mark.parametrize(("layer", "shape"), [(SpectralDense(4), (9,)), (SpectralConv2D(4, 3), (6, 6, 2))])
def test_spectral_normalisation_divides_by_the_largest_singular_value(layer, shape, draw):
    rows = draw.normal(size=(5, *shape)).astype("float32")
    plain = type(layer).__mro__[2](**{k: v for k, v in layer.get_config().items() if k != "name"})
    layer.build((None, *shape))
    plain.build((None, *shape))
    layer.kernel.assign(draw.normal(size=layer.kernel.shape))
    iterate = tf.function(lambda: layer(rows, training=True))
    for _ in range(500):  # the nearer the second singular value, the more it takes
        iterate()
    kernel = np.asarray(layer.kernel)
    largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    plain.set_weights([kernel / largest, np.asarray(layer.bias)])
    u = np.array(layer.u)
    assert np.asarray(layer(rows)) == pytest.approx(np.asarray(plain(rows)), abs=1e-4)
    assert np.array_equal(u, layer.u)  # scoring moves nothing


def test_an_explainer_serves_images_with_maps(draw):
    images = np.tanh(draw.normal(size=(3, 8, 8, 1))).astype("float32")
    for name in ("efficientgan", "alad"):
        detector = build_detector(name, (8, 8, 1), latent_dim=4)
        detector.compile()
        assert Explainer(detector).predict(images)["anomaly_map"].shape == (3, 8, 8)

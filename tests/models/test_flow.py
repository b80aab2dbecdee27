"""The flow: its determinant against autodiff's, its inverse, its likelihood and its scores in closed form."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import Explainer, Flow, build_detector
from keras_anogan.models.flow import build_flow, code_length

LOG_2 = math.log(2.0)


def shaken(shape, seed=0, **params):
    """A small flow none of whose weights is trivial, whitening included, and rows like those it was solved on."""
    draw = np.random.default_rng(seed)
    size = math.prod(shape)
    network = build_flow(shape, **{"components": 5, "blocks": 2, "units": (8,), "seed": seed, **params})
    x = draw.normal(size=(64, size)) @ draw.normal(size=(size, size)) / size**0.5 + draw.normal(size=size)
    network.layers[2].adapt(x.astype("float32"), variance=0.1)
    for weight in network.trainable_weights:
        weight.assign(draw.normal(0.0, 0.4, weight.shape))
    return network, x.reshape(-1, *shape).astype("float32")


@pytest.mark.parametrize("shape", [(7,), (4, 3, 1), (2, 2, 3)])
def test_log_determinant_is_autodiffs(shape):
    network, x = shaken(shape)
    x = tf.constant(x[:6])
    with tf.GradientTape() as tape:
        tape.watch(x)
        z, log_det = network(x)
    jacobian = tf.reshape(tape.batch_jacobian(z, x), (6, math.prod(shape), -1))
    want = np.linalg.slogdet(jacobian.numpy().astype("float64"))[1]
    assert np.ptp(want) > 0.1  # the couplings make it depend on x
    np.testing.assert_allclose(log_det, want, atol=1e-4)


@pytest.mark.parametrize("shape", [(7,), (2,), (4, 3, 1)])
def test_inverse_undoes_the_flow(shape):
    network, x = shaken(shape)
    flow = Flow(network, score="likelihood")
    z, _ = network(x)
    assert np.abs(np.asarray(z) - x.reshape(len(x), -1)).max() > 0.1
    np.testing.assert_allclose(flow.inverse(z), x, atol=2e-4)


def test_whitening_alone_makes_rows_white_and_is_a_rotation():
    x = shaken((6,))[1]
    flow = build_detector("flow", (6,), components=6, noise=0.0)
    flow.adapt(x)
    z = flow.explain(tf.constant(x))["latent"].numpy()
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(np.cov(z.T, bias=True), np.eye(6), atol=1e-3)
    whitening = flow._chain[0]
    turn = np.eye(6) - whitening.w.numpy() @ whitening.s.numpy() @ whitening.w.numpy().T
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-5)


def test_whitened_flow_is_the_gaussian_of_mean_and_covariance():
    x = shaken((6,))[1].astype("float64")
    flow = build_detector("flow", (6,), components=6, noise=0.3)
    flow.adapt(x.astype("float32"))
    cov = np.cov(x.T, bias=True) + 0.09 * np.eye(6)
    centred = x - x.mean(axis=0)
    distance = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(cov), centred)
    want = -0.5 * (distance + np.linalg.slogdet(2 * np.pi * cov)[1])
    explained = flow.explain(tf.constant(x, "float32"))
    np.testing.assert_allclose(explained["log_likelihood"], want, rtol=1e-4)
    np.testing.assert_allclose(explained["background"], explained["bits_per_dim"], rtol=1e-5)


@pytest.mark.parametrize(("levels", "width"), [(256, 2 / 255), (17, 1 / 8), (None, 1.0)])
def test_untrained_flow_is_the_standard_normal_of_the_bins(levels, width):
    x = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype("float32")
    flow = Flow(build_flow((4, 4, 1), seed=0), levels=levels, score="likelihood")
    rows = x.reshape(5, -1).astype("float64")
    want = np.sum(-0.5 * rows**2 - 0.5 * np.log(2 * np.pi) + np.log(width), axis=1)
    explained = flow.explain(tf.constant(x))
    np.testing.assert_allclose(explained["log_likelihood"], want, rtol=1e-5)
    np.testing.assert_allclose(explained["bits_per_dim"], -want / (16 * LOG_2), rtol=1e-5)
    np.testing.assert_array_equal(explained["score"], explained["bits_per_dim"])


def test_code_length_against_a_loop():
    grey = np.random.default_rng(0).integers(0, 17, (3, 5, 4, 1))
    want = np.zeros(3)
    for n, row, column in np.ndindex(3, 5, 4):
        at = lambda r, c, n=n: grey[n, r, c, 0] if r >= 0 and c >= 0 else -0.0  # noqa: E731
        left, upper, corner = at(row, column - 1), at(row - 1, column), at(row - 1, column - 1)
        guess = sorted((left, upper, left + upper - corner))[1]  # the median edge detector is this median
        want[n] += (1 + 2 * math.log2(1 + 2 * abs(at(row, column) - guess))) / 20
    x = (grey / 8.0 - 1.0).astype("float32")
    np.testing.assert_allclose(code_length(tf.constant(x), 17), want, rtol=1e-5)


def test_corrected_scores_in_closed_form():
    network, x = shaken((4, 3, 1))
    flow = Flow(network, score="complexity", weight=0.7, levels=17)
    flow.moments_mean.assign([3.0, 5.0])
    flow.moments_cov.assign([[2.0, 0.5], [0.5, 4.0]])
    got = {key: np.asarray(value) for key, value in flow.explain(tf.constant(x)).items()}
    np.testing.assert_allclose(got["typicality"], np.abs(got["bits_per_dim"] - 3.0), rtol=1e-5)
    line = 3.0 + 0.125 * (got["code_length"] - 5.0)
    np.testing.assert_allclose(got["complexity"], got["bits_per_dim"] - line, atol=1e-5)
    np.testing.assert_allclose(got["ratio"], got["bits_per_dim"] - 0.7 * got["background"], atol=1e-5)
    np.testing.assert_array_equal(got["score"], got["complexity"])


def test_training_follows_the_moments_of_rows_without_noise():
    x = shaken((4, 3, 1))[1]
    flow = build_detector("flow", (4, 3, 1), components=4, blocks=1, units=(8,), score="typicality", noise=0.5)
    flow.compile(optimizers={"flow": keras.optimizers.SGD(0.0)}, jit_compile=False)
    flow.fit(x, batch_size=4 * len(x), epochs=3, verbose=0)  # nothing moves: the means of steps are those of a batch
    terms = Explainer(flow).predict(x)
    both = np.stack([terms["bits_per_dim"], terms["code_length"]])
    quarter = np.asarray(flow.moments_mean)
    assert np.abs(quarter - both.mean(axis=1)).max() < 3 * both.std(axis=1).max() / 4  # 16 of 64 rows each step
    assert np.all(np.linalg.eigvalsh(flow.moments_cov) > 0.0)


def test_one_step_of_moments_by_hand():
    x = shaken((4, 3, 1))[1][:16]
    flow = build_detector("flow", (4, 3, 1), components=4, blocks=1, units=(8,))
    flow.adapt(x)
    flow.moments_mean.assign([7.0, 7.0])
    flow.step.assign(1)
    flow._update_moments(tf.constant(x))
    terms = flow.explain(tf.constant(x))
    both = np.stack([terms["bits_per_dim"], terms["code_length"]])
    np.testing.assert_allclose(flow.moments_mean, 3.5 + both.mean(axis=1) / 2, rtol=1e-5)
    away = both.mean(axis=1) - 7.0  # the moments so far stand for one half, at 7 and without spread
    np.testing.assert_allclose(flow.moments_cov, np.cov(both, bias=True) / 2 + np.outer(away, away) / 4, rtol=1e-3)


def test_trained_flow_comes_near_the_entropy_of_a_bent_gaussian():
    u = np.random.default_rng(0).normal(size=(4000, 2))
    x = np.stack([u[:, 0], 0.5 * u[:, 1] + u[:, 0] ** 2], axis=1).astype("float32")  # |det dx/du| = 0.5
    entropy = np.mean(0.5 * np.sum(u[3000:] ** 2, axis=1) + math.log(2 * math.pi * 0.5)) / (2 * LOG_2)  # of these rows
    assert abs(entropy - math.log2(2 * math.pi * math.e * 0.5) / 2) < 0.05
    flow = build_detector("flow", (2,), blocks=2, units=(32, 32), noise=0.0, seed=1)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 480)
    flow.compile(optimizers={"flow": keras.optimizers.Adam(rate)}, jit_compile=False)
    flow.adapt(x[:3000])
    assert flow.predict(x[3000:]).mean() > entropy + 0.5  # as a Gaussian
    flow.fit(x[:3000], batch_size=100, epochs=16, verbose=0)
    bits = flow.predict(x[3000:]).mean()
    assert entropy - 0.01 < bits < entropy + 0.08
    z = np.random.default_rng(1).normal(size=(4000, 2)).astype("float32")
    np.testing.assert_allclose(flow.inverse(z).numpy().mean(axis=0), x.mean(axis=0), atol=0.15)


def test_settings_survive_a_file_and_so_does_the_whitening(tmp_path):
    x = shaken((4, 3, 1))[1]
    flow = build_detector("flow", (4, 3, 1), components=4, blocks=1, units=(8,), levels=17, noise=0.2, weight=0.5)
    flow.compile(jit_compile=False)
    flow.fit(x, epochs=1, verbose=0)
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert (loaded.levels, loaded.noise, loaded.weight, float(loaded.adapted)) == (17, 0.2, 0.5, 1.0)
    np.testing.assert_allclose(loaded.predict(x), flow.predict(x), rtol=1e-5)


def test_fit_whitens_once():
    x = shaken((6,))[1]
    flow = build_detector("flow", (6,), blocks=1, units=(8,))
    flow.compile(optimizers={"flow": keras.optimizers.SGD(0.0)}, jit_compile=False)
    flow.fit(x, verbose=0)
    before = np.array(flow._chain[0].mean)
    np.testing.assert_allclose(before, x.mean(axis=0), rtol=1e-4)
    flow.fit(x + 1.0, verbose=0)
    np.testing.assert_array_equal(before, flow._chain[0].mean)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"score": "bits"}, "score='bits'"),
        ({"weight": 1.5}, "weight=1.5"),
        ({"levels": 1}, "levels=1"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"score": "complexity"}, "complexity"),
        ({"components": 1}, "components >= 2"),
        ({"blocks": 0}, "blocks >= 1"),
        ({"units": ()}, "units"),
    ],
)
def test_bad_settings_are_refused(params, word):
    with pytest.raises(ValueError, match=word):
        build_detector("flow", (6,), **params)


def test_bad_networks_are_refused():
    with pytest.raises(ValueError, match="two entries"):
        build_flow((1,))
    with pytest.raises(ValueError, match=r"momentum=1\.0"):
        Flow(build_flow((6,)), momentum=1.0)
    x = keras.Input((6,))
    with pytest.raises(ValueError, match=r"Received: \[\(None, 2\)\]"):
        Flow(keras.Model(x, keras.layers.Dense(2)(x)))
    with pytest.raises(ValueError, match="none of them"):
        Flow(keras.Model(x, [x, keras.layers.Reshape(())(keras.layers.Dense(1)(x))]))


def test_moments_are_those_of_all_rows_however_small_the_batch():
    """Batches of one row each: plain mean and covariance of what was seen, as long as the rate is 1 / n."""
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1)).astype("float32") / 127.5 - 1.0
    flow = build_detector("flow", (8, 8, 1), components=8, blocks=1, units=(8,))
    flow.compile()
    flow.adapt(x)
    for i, row in enumerate(x):
        flow.step.assign(i)
        flow._update_moments(tf.constant(row[None]))
    explained = Explainer(flow).predict(x)
    terms = np.stack([explained["bits_per_dim"], explained["code_length"]])
    assert np.asarray(flow.moments_mean) == pytest.approx(terms.mean(axis=1), rel=1e-4)
    assert np.asarray(flow.moments_cov) == pytest.approx(np.cov(terms, bias=True), rel=1e-2, abs=1e-5)


def test_one_row_is_not_enough_to_whiten_by():
    flow = build_detector("flow", (6,), blocks=1, units=(8,))
    flow.compile()
    with pytest.raises(ValueError, match=r"at least two rows.*Received: 1"):
        flow.fit(np.zeros((1, 6), "float32"), verbose=0)


def test_what_is_infinitely_unlikely_is_so_by_the_ratio_too():
    flow = build_detector("flow", (8, 8, 1), components=8, blocks=1, units=(8,))
    flow.compile()
    assert np.isposinf(flow.predict(np.full((1, 8, 8, 1), 1e25, "float32"))).all()

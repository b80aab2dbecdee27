"""ALOCC and OGNet: losses, noise, pseudo-anomalies and who learns, each against a closed form."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import ALOCC, Explainer, OGNet, build_detector, build_phases
from keras_anogan.models.alocc import build_alocc_discriminator, build_alocc_reconstructor
from keras_anogan.models.ognet import ALOCCWithPast, build_ognet_discriminator, build_ognet_reconstructor
from keras_anogan.nn.losses import binary_cross_entropy

SIDE = 8


def scaled(factor, offset=0.0):
    """A reconstructor x -> factor x + offset, fixed."""
    x = keras.Input((SIDE, SIDE, 1))
    return keras.Model(x, keras.layers.Rescaling(factor, offset)(x))


def linear_judge(weight=1.0):
    """A discriminator whose logit is `weight` times the mean of an image, with one trainable number."""
    x = keras.Input((SIDE, SIDE, 1))
    mean = keras.layers.GlobalAveragePooling2D()(x)
    layer = keras.layers.Dense(1, use_bias=False)
    judge = keras.Model(x, [layer(mean), mean])
    layer.set_weights([np.array([[weight]], "float32")])
    return judge


def flat(*values):
    """Images that have one value each."""
    return np.stack([np.full((SIDE, SIDE, 1), value, "float32") for value in values])


def small(name="alocc", **params):
    return build_detector(name, (SIDE, SIDE, 1), filters=2, discriminator_filters=2, **params)


def weights_of(network):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in network.weights]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# Networks.


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 48, 3), (46, 46, 1)])
def test_reconstructions_have_the_size_of_the_image(shape):
    network = build_alocc_reconstructor(shape, filters=2)
    assert network.output_shape == (None, *shape)
    assert build_alocc_discriminator(shape, filters=2).output_shape[0] == (None, 1)


def test_the_published_sizes_and_numbers_of_weights():
    reconstructor = build_alocc_reconstructor((28, 28, 1))
    maps = [layer.output.shape[1:] for layer in reconstructor.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert maps == [(14, 14, 32), (7, 7, 64), (4, 4, 128)]
    kernels = 25 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 32 + 32 * 16 + 16 * 1)
    assert reconstructor.count_params() == kernels + 4 * (32 + 64 + 128 + 32 + 16) + 1
    judge = build_alocc_discriminator((28, 28, 1))
    kernels = 25 * (1 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + 2 * 2 * 128
    assert judge.count_params() == kernels + 16 + 4 * (32 + 64 + 128) + 1


def test_an_odd_map_is_reached_as_tensorflow_does_it():
    reconstructor = build_alocc_reconstructor((28, 28, 1), filters=2, seed=1)
    layer = next(layer for layer in reconstructor.layers if isinstance(layer, keras.layers.Conv2DTranspose))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    cut = next(layer for layer in reconstructor.layers if isinstance(layer, keras.layers.Cropping2D))
    want = tf.nn.conv2d_transpose(x, layer.kernel.value, (2, 7, 7, 2), 2, "SAME")
    np.testing.assert_allclose(cut(layer(x)), want, atol=1e-6)


def test_the_authors_networks_of_45_pixels():
    reconstructor, judge = build_ognet_reconstructor(), build_ognet_discriminator()
    assert reconstructor.output_shape == (None, 45, 45, 1)
    widths = [1, 64, 128, 256, 512, 256, 128, 64, 1]
    kernels = sum(25 * read * made + made for read, made in itertools.pairwise(widths))
    assert reconstructor.count_params() == kernels + 4 * (64 + 128 + 256 + 512 + 256 + 128 + 64)
    assert judge.output_shape == [(None, 1), (None, 4608)]
    widths = [1, 64, 128, 256, 512]
    kernels = sum(25 * read * made + made for read, made in itertools.pairwise(widths))
    assert judge.count_params() == kernels + 4 * (64 + 128 + 256) + 4608 + 1


@pytest.mark.parametrize("shape", [(7, 8, 1), (6, 6, 1), (9, 9, 1), (8, 8, 2), (8, 8)])
def test_other_images_are_refused_with_a_sentence(shape):
    with pytest.raises(ValueError, match=r"even sides >= 8 pixels and 1 or 3 channels"):
        build_alocc_reconstructor(shape)


# ALOCC.


def test_the_double_sigmoid_of_public_code_has_a_floor_and_ours_goes_below_it():
    floor = math.log1p(math.exp(-1.0)) + math.log(2.0)  # D's sigmoid, at best 1 and 0, taken for a logit
    assert floor == pytest.approx(1.00641, abs=5e-6)
    right, wrong = tf.constant([[20.0]]), tf.constant([[-20.0]])
    doubled = binary_cross_entropy(tf.sigmoid(right), True) + binary_cross_entropy(tf.sigmoid(wrong), False)
    assert float(doubled) == pytest.approx(floor, abs=1e-6)
    assert float(binary_cross_entropy(right, True) + binary_cross_entropy(wrong, False)) < 1e-8


def test_scores_are_the_logits_with_their_sign_turned_and_the_error():
    x = flat(0.5, -1.0)
    parts = {"refined": [-0.5, 1.0], "direct": [-1.0, 2.0], "reconstruction": [0.0625, 0.25]}
    for score, want in parts.items():
        detector = ALOCC(scaled(0.5), linear_judge(2.0), score=score)
        np.testing.assert_allclose(detector.predict(x), want, rtol=1e-6)
    explained = Explainer(detector).predict(x)
    np.testing.assert_allclose(explained["refined"], [0.5, -1.0])
    np.testing.assert_allclose(explained["direct"], [1.0, -2.0])
    np.testing.assert_allclose(explained["reconstruction"], 0.5 * x)
    np.testing.assert_allclose(explained["anomaly_map"], np.abs(0.5 * x)[..., 0])


def silent(**params):
    """R(x) = x / 2 and D(x) = 2 mean x, without noise unless told."""
    detector = ALOCC(scaled(0.5), linear_judge(2.0), **{"noise_std": 0.0, **params})
    detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players}, run_eagerly=True)
    return detector


def softplus(value):
    return math.log1p(math.exp(value))


def test_the_losses_of_a_step_add_up():
    # logits 0.8 of x = 0.4, and 0.4 of R(x)
    logs = silent().train_step(tf.constant(flat(0.4, 0.4)))
    assert float(logs["discriminator_loss"]) == pytest.approx(softplus(-0.8) + softplus(0.4), rel=1e-6)
    assert float(logs["adversarial_loss"]) == pytest.approx(softplus(-0.4), rel=1e-6)
    assert float(logs["reconstruction_loss"]) == pytest.approx(0.2**2, rel=1e-6)


def test_lambda_weighs_the_reconstruction():
    moved = []
    for lambda_ in (0.0, 0.4):
        detector = ALOCC(small().reconstructor, linear_judge(0.0), lambda_=lambda_, noise_std=0.0)
        rates = {"discriminator": keras.optimizers.SGD(0.0), "reconstructor": keras.optimizers.SGD(0.01)}
        detector.compile(optimizers=rates, run_eagerly=True)
        before = [np.array(v) for v in detector.reconstructor.trainable_variables]
        detector.train_step(tf.constant(flat(0.4, -0.2)))  # D's slope is zero: the reconstruction alone pulls
        moved.append(not same(before, [np.array(v) for v in detector.reconstructor.trainable_variables]))
    assert moved == [False, True]


def test_the_reconstruction_is_compared_with_the_clean_image():
    logs = silent(noise_std=0.1).train_step(tf.zeros((64, SIDE, SIDE, 1)))
    # R halves the noisy image: what is left of the clean one, zero, is half the noise
    assert float(logs["reconstruction_loss"]) == pytest.approx(0.05**2, rel=0.1)


def test_noise_is_redrawn_at_every_step():
    detector = small()
    x = tf.constant(flat(*([0.9] * 8)))
    first = np.asarray(detector.add_noise("noise", x))
    assert np.array_equal(first, detector.add_noise("noise", x))
    detector.step.assign_add(1)
    assert not np.array_equal(first, detector.add_noise("noise", x))
    assert np.array_equal(small(noise_std=0.0).add_noise("noise", x), x)


def test_noise_has_the_strength_that_was_asked_for():
    x = tf.zeros((400, SIDE, SIDE, 1))
    assert np.std(small(noise_std=2.0).add_noise("noise", x)) == pytest.approx(2.0, rel=0.02)


def test_d_normalises_normal_and_reconstructed_images_apart():
    x = keras.Input((SIDE, SIDE, 1))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization(epsilon=1e-6)(x))
    judge = keras.Model(x, [keras.layers.Dense(1, use_bias=False)(mean), mean])
    detector = ALOCC(scaled(0.5, 0.3), judge, noise_std=0.0)
    detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players}, run_eagerly=True)
    logs = detector.train_step(tf.constant(flat(0.4, -0.2, 0.9)))  # one batch of both would tell them apart
    apart = [
        np.asarray(detector._logit(tf.constant(images))) for images in (flat(0.4, -0.2, 0.9), flat(0.5, 0.2, 0.75))
    ]
    np.testing.assert_allclose(*apart, atol=1e-4)
    want = np.mean([softplus(-v) for v in apart[0].ravel()]) + np.mean([softplus(v) for v in apart[1].ravel()])
    assert float(logs["discriminator_loss"]) == pytest.approx(want, rel=1e-4)


def test_d_has_half_of_rs_rate():
    for rates in (small().adam_optimizers(2e-4), small().default_optimizers()):
        found = {p: float(o.learning_rate) for p, o in rates.items()}
        assert found == {"discriminator": pytest.approx(1e-4), "reconstructor": pytest.approx(2e-4)}


@pytest.mark.parametrize("player", ["discriminator", "reconstructor"])
def test_each_player_moves_its_own_network(player, tiny_images):
    detector = small()
    rates = {p: keras.optimizers.SGD(0.01 if p == player else 0.0) for p in detector.players}
    detector.compile(optimizers=rates)
    before = {key: [np.array(v) for v in getattr(detector, key).trainable_variables] for key in detector.networks}
    detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
    for key in detector.networks:
        moved = not same(before[key], [np.array(v) for v in getattr(detector, key).trainable_variables])
        assert moved == (key == player)


def test_r_may_take_more_than_one_step(tiny_images):
    counts = []
    for steps in (1, 2):
        detector = small(reconstructor_steps=steps)
        detector.compile()
        detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
        counts.append({player: int(o.iterations) for player, o in detector.optimizers.items()})
    assert counts == [{"discriminator": 1, "reconstructor": 1}, {"discriminator": 1, "reconstructor": 2}]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lambda_": -1.0}, "lambda_ >= 0"),
        ({"noise_std": math.nan}, "noise_std >= 0"),
        ({"score": "d"}, "'refined', 'direct', 'reconstruction'"),
        ({"reconstructor_steps": 0}, "positive integer"),
    ],
)
def test_wrong_parameters_of_alocc_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**wrong)


def test_a_reconstructor_that_changes_the_shape_is_refused():
    x = keras.Input((SIDE, SIDE, 1))
    with pytest.raises(ValueError, match="makes images of the shape that it reads"):
        ALOCC(keras.Model(x, keras.layers.Cropping2D(1)(x)), linear_judge())


# OGNet.


def test_the_old_reconstructor_is_the_one_of_the_early_steps(tiny_images):
    first = build_phases("ognet", (SIDE, SIDE, 1), filters=2, discriminator_filters=2, early_steps=2)["alocc"]
    assert isinstance(first, ALOCCWithPast)
    first.compile()
    first.fit(tiny_images, batch_size=16, epochs=1, verbose=0)  # two steps
    early = weights_of(first.reconstructor)
    assert same(weights_of(first.old_reconstructor), early)
    first.fit(tiny_images, batch_size=16, epochs=1, verbose=0)
    assert same(weights_of(first.old_reconstructor), early)
    assert not same(weights_of(first.reconstructor), early)


def test_the_pseudo_anomaly_of_two_equal_images_is_reconstructed_twice():
    detector = OGNet(scaled(0.5, 0.1), linear_judge(), scaled(0.8, -0.2))
    x1, x2 = tf.constant(flat(0.5)), tf.constant(flat(-0.3))
    equal = detector.reconstructor(detector.old_reconstructor(x1))
    np.testing.assert_allclose(detector.pseudo_anomaly(x1, x1), equal, rtol=1e-6)
    blended = 0.5 * ((0.8 * 0.5 - 0.2) + (0.8 * -0.3 - 0.2)) / 2.0 + 0.1
    np.testing.assert_allclose(detector.pseudo_anomaly(x1, x2), flat(blended), rtol=1e-6)


def test_the_four_losses_add_up_with_the_published_weights():
    detector = OGNet(scaled(0.5), linear_judge(2.0), scaled(-1.0))
    detector.compile(optimizers={"discriminator": keras.optimizers.SGD(0.0)}, run_eagerly=True)
    logs = detector.train_step(tf.constant(flat(0.4, 0.2, 0.6)))  # one row each of x, x1 and x2
    real, good, old, pseudo = 0.8, 0.4, -0.8, 2.0 * 0.5 * -0.4
    assert float(logs["good_loss"]) == pytest.approx(0.1 * softplus(-real) + 0.9 * softplus(-good), rel=1e-5)
    assert float(logs["bad_loss"]) == pytest.approx(0.001 * softplus(old) + 0.999 * softplus(pseudo), rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(float(logs["good_loss"]) + float(logs["bad_loss"]), rel=1e-6)


def test_phase_2_moves_the_discriminator_alone(tiny_images):
    detector = small("ognet")
    detector.compile()
    before = {key: weights_of(getattr(detector, key)) for key in detector.networks}
    detector.fit(tiny_images, batch_size=8, epochs=2, verbose=0)
    for key in ("reconstructor", "old_reconstructor"):
        assert same(weights_of(getattr(detector, key)), before[key])
    assert not same(weights_of(detector.discriminator), before["discriminator"])


def test_fewer_than_three_rows_still_make_three_batches():
    detector = OGNet(scaled(0.5), linear_judge(2.0), scaled(1.0))
    detector.compile(run_eagerly=True)
    assert np.isfinite(float(detector.train_step(tf.constant(flat(0.4)))["loss"]))


@pytest.mark.parametrize(("wrong", "sentence"), [({"alpha": 1.5}, r"alpha in \[0, 1\]"), ({"steps": 0}, "positive")])
def test_wrong_parameters_of_ognet_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        small("ognet", **wrong)


def test_phase_2_has_a_length_of_its_own():
    phases = build_phases("ognet", (SIDE, SIDE, 1), filters=2, discriminator_filters=2, steps=9)
    assert [model.default_steps() for model in phases.values()] == [None, 9]

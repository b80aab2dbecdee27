"""GANomaly and Skip-GANomaly: losses and scores, normalisation image by image, and a discriminator drawn anew."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import Explainer, GANomaly, SkipGANomaly, build_detector
from keras_anogan.models.ganomaly import (
    build_ganomaly_decoder,
    build_ganomaly_discriminator,
    build_ganomaly_encoder,
    draw_anew,
)
from keras_anogan.models.skip_ganomaly import build_skip_discriminator, build_skip_generator

SIDE = 8


def linear(matrix, offset=0.0, name=None):
    """A network x -> x matrix + offset of rows, fixed."""
    matrix = np.asarray(matrix, "float32")
    x = keras.Input((matrix.shape[0],))
    layer = keras.layers.Dense(matrix.shape[1])
    network = keras.Model(x, layer(x), name=name)
    layer.set_weights([matrix, np.full(matrix.shape[1], offset, "float32")])
    return network


def judge(size, weight=1.0):
    """A discriminator of rows: features x, logit `weight` times their sum."""
    x = keras.Input((size,))
    layer = keras.layers.Dense(1, use_bias=False)
    network = keras.Model(x, [layer(x), keras.layers.Identity()(x)])
    layer.set_weights([np.full((size, 1), weight, "float32")])
    return network


def still(detector):
    """The detector compiled so that a step moves nothing."""
    detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players}, run_eagerly=True)
    return detector


def softplus(value):
    return math.log1p(math.exp(value))


# Networks.


def test_the_published_numbers_of_weights():
    shape = (32, 32, 3)
    trunk = 16 * (3 * 64 + 64 * 128 + 128 * 256) + 4 * (128 + 256)
    assert build_ganomaly_encoder(shape).count_params() == trunk + 4 * 4 * 256 * 100
    assert build_ganomaly_discriminator(shape).count_params() == trunk + 4 * 4 * 256
    decoder = build_ganomaly_decoder(shape)
    kernels = 100 * 4 * 4 * 256 + 16 * (256 * 128 + 128 * 64 + 64 * 3)
    assert decoder.count_params() == kernels + 4 * (256 + 128 + 64)
    assert build_skip_discriminator(shape).count_params() == trunk + 64 + 4 * 4 * 256 * 100 + 100 + 100 + 1


def test_the_u_net_goes_down_to_one_pixel_and_reads_what_it_had():
    network = build_skip_generator((32, 32, 3))
    down = [layer.output.shape[1:] for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert down == [(16, 16, 64), (8, 8, 128), (4, 4, 256), (2, 2, 512), (1, 1, 512)]
    joined = [layer.output.shape[1:] for layer in network.layers if isinstance(layer, keras.layers.Concatenate)]
    assert joined == [(2, 2, 1024), (4, 4, 512), (8, 8, 256), (16, 16, 128)]
    assert network.output_shape == (None, 32, 32, 3)
    down = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512) + 4 * (128 + 256 + 512)
    up = 16 * (512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3) + 3 + 4 * (512 + 256 + 128 + 64)
    assert network.count_params() == down + up


def test_initial_weights_are_the_published_ones():
    network = build_ganomaly_decoder((32, 32, 1), seed=3)
    kernels = np.concatenate([np.ravel(v) for v in network.trainable_variables if v.name == "kernel"])
    scales = np.concatenate([np.ravel(v) for v in network.trainable_variables if v.name == "gamma"])
    np.testing.assert_allclose([kernels.mean(), kernels.std()], [0.0, 0.02], atol=1e-4)
    np.testing.assert_allclose([scales.mean(), scales.std()], [1.0, 0.02], atol=4e-3)


@pytest.mark.parametrize(("name", "network"), [("ganomaly", "encoder"), ("skip_ganomaly", "generator")])
def test_instance_normalisation_sees_one_image_at_a_time_in_training_too(name, network, tiny_images):
    images = tiny_images.repeat(2, axis=1).repeat(2, axis=2)  # 16 x 16: the encoder normalises from its second layer on

    def differs(normalization):
        detector = build_detector(name, (16, 16, 1), filters=2, latent_dim=4, normalization=normalization)
        built = getattr(detector, network)
        alone, together = (np.asarray(built(images[:n], training=True))[0] for n in (1, 8))
        return np.abs(alone - together).max() > 1e-3 * np.abs(alone).max()

    assert differs("batch")
    assert not differs("instance")


# GANomaly.


def test_the_score_is_zero_where_the_second_encoder_inverts_the_decoder():
    draw = np.random.default_rng(0)
    decode = draw.normal(size=(3, 5))
    inverse = np.linalg.pinv(decode)  # (5, 3): decode inverse = 1
    x = draw.normal(size=(7, 5)).astype("float32")
    first = draw.normal(size=(5, 3))  # whatever the first encoder says
    detector = GANomaly(linear(first), linear(decode), linear(inverse), judge(5))
    np.testing.assert_allclose(detector.predict(x), np.zeros(7), atol=1e-9)
    off = GANomaly(linear(first), linear(decode), linear(inverse, offset=0.5), judge(5))
    np.testing.assert_allclose(off.predict(x), np.full(7, 0.25), rtol=1e-4)
    absolute = GANomaly(linear(first), linear(decode), linear(inverse, offset=-0.5), judge(5), norm="l1")
    np.testing.assert_allclose(absolute.predict(x), np.full(7, 0.5), rtol=1e-4)


def test_the_losses_of_a_constant_error():
    # x_hat = x + 0.1, z = x, z_hat = x_hat; features are x, logits the sum of two numbers
    same = np.eye(2)
    detector = still(GANomaly(linear(same), linear(same, 0.1), linear(same), judge(2)))
    logs = {key: float(value) for key, value in detector.train_step(tf.constant([[0.3, 0.2]])).items()}
    assert logs["contextual_loss"] == pytest.approx(0.1, rel=1e-5)
    assert logs["encoder_loss"] == pytest.approx(0.01, rel=1e-4)
    assert logs["adversarial_loss"] == pytest.approx(0.01, rel=1e-4)
    assert logs["discriminator_loss"] == pytest.approx(0.5 * (softplus(-0.5) + softplus(0.7)), rel=1e-5)


@pytest.mark.parametrize("weight", ["w_adv", "w_con", "w_enc"])
def test_each_weight_moves_the_generator_on_its_own(weight):
    same = np.eye(2)
    others = {key: 0.0 for key in ("w_adv", "w_con", "w_enc")}
    moved = []
    for value in (0.0, 1.0):
        detector = GANomaly(linear(same), linear(same, 0.1), linear(same), judge(2), **{**others, weight: value})
        rates = {"generator": keras.optimizers.SGD(0.1), "discriminator": keras.optimizers.SGD(0.0)}
        detector.compile(optimizers=rates, run_eagerly=True)
        before = np.array(detector.decoder.trainable_variables[0])
        detector.train_step(tf.constant([[0.3, 0.2]]))
        moved.append(not np.array_equal(before, np.array(detector.decoder.trainable_variables[0])))
    assert moved == [False, True]


def test_tables_and_images_have_what_they_should(tiny_images):
    image = build_detector("ganomaly", (SIDE, SIDE, 1), filters=2, latent_dim=4)
    explained = Explainer(image).predict(tiny_images[:3])
    np.testing.assert_allclose(
        explained["anomaly_map"], np.abs(tiny_images[:3] - explained["reconstruction"])[..., 0], rtol=1e-5
    )
    assert explained["latent"].shape == explained["latent_hat"].shape == (3, 4)
    table = Explainer(build_detector("ganomaly", (6,))).predict(np.zeros((2, 6), "float32"))
    assert "anomaly_map" not in table


# A discriminator that has won.


def test_a_discriminator_is_drawn_anew_only_where_it_has_won(tiny_images):
    for below, drawn in ((0.0, False), (1e9, True)):
        detector = build_detector("ganomaly", (SIDE, SIDE, 1), filters=2, latent_dim=4, reinit_below=below)
        rates = {p: keras.optimizers.SGD(0.0) for p in detector.players}
        detector.compile(optimizers=rates)
        before = [np.array(v) for v in detector.discriminator.trainable_variables]
        detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
        after = [np.array(v) for v in detector.discriminator.trainable_variables]
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) != drawn


def test_what_is_drawn_anew_is_as_published_and_the_optimizer_keeps_its_state():
    detector = build_detector("ganomaly", (32, 32, 1), filters=16, seed=1)
    detector.compile()
    optimizer = detector.optimizers["discriminator"]
    state = [np.array(v) for v in optimizer.variables]
    draw_anew(detector, detector.discriminator, tf.constant(True))
    by_name = {}
    for variable in detector.discriminator.trainable_variables:
        by_name.setdefault(variable.name, []).append(np.ravel(variable))
    found = {name: np.concatenate(values) for name, values in by_name.items()}
    np.testing.assert_allclose([found["kernel"].mean(), found["kernel"].std()], [0.0, 0.02], atol=5e-4)
    np.testing.assert_allclose([found["gamma"].mean(), found["gamma"].std()], [1.0, 0.02], atol=6e-3)
    assert not found["beta"].any()
    assert all(np.array_equal(a, np.array(b)) for a, b in zip(state, optimizer.variables, strict=True))


# Skip-GANomaly.


def copier(factor, offset=0.0):
    x = keras.Input((4, 4, 1))
    return keras.Model(x, keras.layers.Rescaling(factor, offset)(x))


def image_judge(weight):
    x = keras.Input((4, 4, 1))
    mean = keras.layers.GlobalAveragePooling2D()(x)
    layer = keras.layers.Dense(1, use_bias=False)
    network = keras.Model(x, [layer(mean), mean])
    layer.set_weights([np.array([[weight]], "float32")])
    return network


def test_the_score_of_the_u_net_weighs_image_and_features():
    x = np.full((1, 4, 4, 1), 0.5, "float32")
    x[0, 0, 0, 0] = -0.5  # the image's mean is 0.4375
    detector = SkipGANomaly(copier(0.0, 0.5), image_judge(1.0))
    explained = Explainer(detector).predict(x)
    error, feature_error = 1.0 / 16.0, 0.0625**2
    np.testing.assert_allclose(explained["error"], [error], rtol=1e-6)
    np.testing.assert_allclose(explained["feature_error"], [feature_error], rtol=1e-5)
    np.testing.assert_allclose(explained["score"], [0.9 * error + 0.1 * feature_error], rtol=1e-5)
    assert explained["anomaly_map"][0, 0, 0] == 1.0


def test_the_losses_of_the_u_net_add_up():
    detector = still(SkipGANomaly(copier(0.5), image_judge(2.0)))
    logs = {key: float(value) for key, value in detector.train_step(tf.fill((2, 4, 4, 1), 0.4)).items()}
    assert logs["adversarial_loss"] == pytest.approx(softplus(-0.4), rel=1e-6)
    assert logs["contextual_loss"] == pytest.approx(0.2, rel=1e-6)
    assert logs["latent_loss"] == pytest.approx(0.04, rel=1e-5)
    assert logs["discriminator_loss"] == pytest.approx(softplus(-0.8) + softplus(0.4), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        ("ganomaly", {"w_con": -1.0}, "w_con >= 0"),
        ("ganomaly", {"norm": "l3"}, "'l2', 'l1'"),
        ("ganomaly", {"normalization": "layer"}, "'batch', 'instance'"),
        ("skip_ganomaly", {"share": 1.2}, r"share in \[0, 1\]"),
        ("skip_ganomaly", {"reinit_below": math.inf}, "reinit_below >= 0"),
    ],
)
def test_wrong_parameters_are_refused(name, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_detector(name, (SIDE, SIDE, 1), filters=2, latent_dim=4, **wrong)


def test_an_image_that_halves_badly_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="4 divides"):
        build_skip_generator((30, 30, 1))

"""Networks as a search runs them: the same values and gradients as Keras's, for what is folded and for what is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_anogan.models.anogan import build_table_discriminator
from keras_anogan.nn.folding import MOST_CHANNELS, block_kernel, fold
from keras_anogan.nn.networks import (
    build_dcgan_discriminator,
    build_dcgan_generator,
    build_resnet_critic,
    build_resnet_generator,
    build_table_generator,
)


def shaken(network, seed=0):
    """A network with random weights of some size everywhere, statistics of batch normalisation included."""
    draw = np.random.default_rng(seed)
    for weight in network.weights:
        low, high = (0.5, 1.5) if weight.path.endswith(("variance", "gamma")) else (-0.3, 0.3)
        weight.assign(draw.uniform(low, high, weight.shape))
    return network


def judge(shape, *body):
    x = h = keras.Input(shape)
    for layer in body:
        h = layer(h)
    f = layers.Flatten()(h)
    return keras.Model(x, [layers.Dense(1)(f), f])


def chain(*body, latent_dim=5):
    z = h = keras.Input((latent_dim,))
    for layer in body:
        h = layer(h)
    return keras.Model(z, h)


def assert_same(generator, discriminator, blocks):
    """Values and gradients, folded and not."""
    shape = generator.output_shape[1:]
    draw = np.random.default_rng(1)
    z = tf.constant(draw.normal(size=(3, *generator.input_shape[1:])), "float32")
    x = tf.constant(draw.uniform(-1, 1, (3, *shape)), "float32")
    folded = fold(generator, discriminator)
    assert folded.arrange(x).shape == ((3, shape[0] // 2, shape[1] // 2, 4 * shape[2]) if blocks else (3, *shape))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        made, expected = folded.generate(z), generator(z, training=False)
        f, wanted = folded.features(made), discriminator(expected, training=False)[1]
        found, squares = (tf.reduce_sum(tensor * tensor) for tensor in (f, wanted))
    assert made.numpy() == pytest.approx(folded.arrange(expected).numpy(), abs=1e-5)
    assert f.numpy() == pytest.approx(wanted.numpy(), rel=1e-4, abs=1e-5)
    known = folded.features(folded.arrange(x))
    assert known.numpy() == pytest.approx(discriminator(x, training=False)[1].numpy(), rel=1e-4, abs=1e-5)
    found, slope = tape.gradient(found, z).numpy(), tape.gradient(squares, z).numpy()
    assert np.abs(slope).max() > 1e-3
    assert found == pytest.approx(slope, rel=1e-3, abs=1e-3 * float(np.abs(slope).max()))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (8, 12, 1)])
def test_dcgan_is_folded_and_in_blocks(shape):
    generator = shaken(build_dcgan_generator(shape, 6, filters=3))
    assert_same(generator, shaken(build_dcgan_discriminator(shape, filters=3), 1), blocks=True)


def test_normalisation_is_in_the_kernels(monkeypatch):
    generator, discriminator = build_dcgan_generator((8, 8, 1), 4, filters=2), build_dcgan_discriminator((8, 8, 1), 2)
    monkeypatch.setattr(layers.BatchNormalization, "call", lambda *args, **kwargs: pytest.fail("normalised"))
    folded = fold(generator, discriminator)
    assert folded.features(folded.generate(tf.ones((2, 4)))).shape == (2, discriminator.output_shape[1][1])


@pytest.mark.parametrize("height", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("width", [2, 5])
def test_a_kernel_on_blocks_is_the_kernel_of_stride_two(height, width):
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(height, width, 2, 3)).astype("float32")
    x = draw.normal(size=(2, 6, 8, 2)).astype("float32")
    expected = tf.nn.conv2d(x, kernel, 2, "SAME").numpy()
    found = tf.nn.conv2d(tf.nn.space_to_depth(x, 2), block_kernel(tf.constant(kernel)), 1, "SAME").numpy()
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kernel", [2, 3, 5, (6, 4)])
def test_other_kernels_and_normalisations(kernel):
    generator = chain(
        layers.Dense(32, use_bias=True),
        layers.Reshape((4, 4, 2)),
        layers.BatchNormalization(scale=False),
        layers.Conv2D(3, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),  # after an activation: stays a layer of its own
        layers.Conv2DTranspose(4, 3, padding="same"),
        layers.BatchNormalization(center=False),
        layers.Conv2DTranspose(2, kernel, 2, "same", activation="tanh"),
    )
    body = (layers.Conv2D(4, kernel, 2, "same"), layers.BatchNormalization(), layers.LeakyReLU(0.3))
    assert_same(shaken(generator), shaken(judge((8, 8, 2), *body), 1), blocks=True)


@pytest.mark.parametrize(
    ("ending", "beginning"),
    [
        ([layers.Conv2DTranspose(MOST_CHANNELS + 1, 4, 2, "same")], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(1, 4, 2, "same"), layers.BatchNormalization()], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(2, 4, 2, "same"), layers.Softmax()], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(2, 4, 2, "same", activation="softmax")], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(1, 8, 2, "same")], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(1, 3, 2, "same", output_padding=1)], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(1, 4, 2, "same")], [layers.Conv2D(3, 4, 1, "same")]),
        ([layers.Conv2DTranspose(1, 4, 2, "same")], [layers.Conv2D(3, 4, 2, "valid")]),
        ([layers.Conv2DTranspose(1, 4, 2, "same")], [layers.ZeroPadding2D(1), layers.Conv2D(3, 4, 2)]),
        ([layers.Conv2DTranspose(1, 3, 2, "valid")], [layers.Conv2D(3, 4, 2, "same")]),  # nine pixels a side
        ([layers.UpSampling2D(2)], [layers.Conv2D(3, 4, 2, "same")]),
        ([layers.Conv2DTranspose(2, 4, 2, "same")], [layers.Conv2D(2, 4, 2, "same", groups=2)]),
    ],
)
def test_images_that_are_not_for_blocks_stay_as_they_are(ending, beginning):
    generator = shaken(chain(layers.Dense(32), layers.Reshape((4, 4, 2)), *ending))
    assert_same(generator, shaken(judge(generator.output_shape[1:], *beginning), 1), blocks=False)


def test_tables_and_networks_that_are_no_chain():
    assert_same(shaken(build_table_generator(7, 3)), shaken(build_table_discriminator(7), 1), blocks=False)
    generator, critic = build_resnet_generator((8, 8, 1), 4, filters=2), build_resnet_critic((8, 8, 1), filters=2)
    assert_same(shaken(generator), shaken(critic, 1), blocks=False)
    inner = shaken(build_dcgan_generator((8, 8, 1), 4, filters=2))
    z = keras.Input((4,))
    assert_same(keras.Model(z, inner(z)), shaken(build_dcgan_discriminator((8, 8, 1), filters=2), 1), blocks=False)


class Scale(layers.Layer):
    def call(self, x, factor=1.0):
        return x * factor


class Doubled(keras.Model):
    def call(self, z, training=None):
        return 2.0 * super().call(z, training=training)


def test_what_a_chain_does_not_show_is_left_to_keras():
    z = keras.Input((4,))
    h = Scale()(layers.Dense(7)(z), factor=3.0)
    assert_same(shaken(keras.Model(z, h)), shaken(build_table_discriminator(7), 1), blocks=False)
    assert_same(shaken(Doubled(z, layers.Dense(7)(z))), shaken(build_table_discriminator(7), 1), blocks=False)
    generator = shaken(chain(layers.Dense(7)))
    generator.layers[-1].activation = None
    assert_same(generator, shaken(build_table_discriminator(7), 1), blocks=False)


@pytest.mark.parametrize("half", ["mixed_bfloat16", "mixed_float16"])
def test_a_layer_of_full_precision_after_one_of_half(half):
    table = chain(layers.Dense(16, dtype=half), layers.Dense(8, dtype="float32"))
    image = chain(
        layers.Dense(32, dtype=half),
        layers.Reshape((4, 4, 2), dtype=half),
        layers.Conv2DTranspose(1, 4, 2, "same", dtype="float32"),
    )
    for generator, body in ((table, [layers.Dense(4)]), (image, [layers.Conv2D(3, 4, 2, "same")])):
        z, network = tf.ones((2, 5)), shaken(generator)
        folded = fold(network, judge(network.output_shape[1:], *body))
        expected = folded.arrange(network(z, training=False))
        assert folded.generate(z).numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_folding_takes_none_of_kerass_names():
    chain(layers.Dense(7))  # the first model of a process has no number
    names = []
    for _ in range(2):
        names.append(int(chain(layers.Dense(7)).name.split("_")[-1]))
        fold(build_table_generator(7, 3), build_table_discriminator(7))
    assert names[1] == names[0] + 1


def test_a_dtype_policy_of_half_precision_is_left_to_keras():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator = build_dcgan_generator((8, 8, 1), 4, filters=2)
        discriminator = build_dcgan_discriminator((8, 8, 1), filters=2)
    finally:
        keras.config.set_dtype_policy(before)
    x = np.zeros((2, 8, 8, 1), "float32")
    assert fold(shaken(generator), discriminator).arrange(x) is x


def test_a_graph_reads_the_weights_of_now():
    generator = shaken(build_dcgan_generator((8, 8, 1), 4, filters=2))
    discriminator = shaken(build_dcgan_discriminator((8, 8, 1), filters=2), 1)
    z = tf.ones((2, 4))
    graph = tf.function(lambda z: fold(generator, discriminator).generate(z))
    before = graph(z).numpy()
    shaken(generator, 2)
    assert np.abs(graph(z) - before).max() > 0.01
    assert graph(z).numpy() == pytest.approx(tf.nn.space_to_depth(generator(z, training=False), 2).numpy(), abs=1e-5)

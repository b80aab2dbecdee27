"""Networks against their papers: shapes, parameters, normalisation; and the registry."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import build_phases
from keras_anogan.nn.layers import FusedBatchNormalization, SmallConv2DTranspose
from keras_anogan.nn.networks import (
    _residual_block,
    build_dcgan_critic,
    build_dcgan_encoder,
    build_dcgan_generator,
    build_mlp_critic,
    build_mlp_encoder,
    build_mlp_generator,
    build_resnet_critic,
    build_resnet_encoder,
    build_resnet_generator,
    has_batch_normalization,
)
from keras_anogan.testing import changed, weights_by_path


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 3), (8, 8, 1), (48, 64, 1)])
def test_dcgan_builders_fit_together(shape):
    generator = build_dcgan_generator(shape, 5, filters=2)
    critic, encoder = build_dcgan_critic(shape, filters=2), build_dcgan_encoder(shape, 5, filters=2)
    assert generator.output_shape == (None, *shape)
    assert encoder.output_shape == (None, 5)
    value, features = critic(generator(np.zeros((2, 5), "float32")))
    assert value.shape == (2, 1)
    halvings = {8: 1, 28: 2, 32: 3, 48: 3, 64: 4}[min(shape[:2])]
    smallest = shape[0] * shape[1] // 4**halvings
    assert features.shape == (2, smallest * 2 * 2 ** (halvings - 1))


def test_dcgan_at_64_has_the_paper_s_stages():
    critic = build_dcgan_critic((64, 64, 3), filters=64)
    convolutions = [layer for layer in critic.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 128, 256, 512]
    assert critic.outputs[1].shape == (None, 4 * 4 * 512)


def block(made, norm, resample):
    """Parameters of a residual block (in, out) of the paper; `norm` of them per normalised channel."""
    before, after = made
    first = after if resample == "up" else before
    convolutions = 9 * before * first + 9 * first * after + after + before * after + after
    return convolutions + norm * (before + first)


def test_resnet_at_64_has_the_paper_s_blocks_and_parameters():
    generator, critic, encoder = (
        build_resnet_generator((64, 64, 1)),
        build_resnet_critic((64, 64, 1)),
        build_resnet_encoder((64, 64, 1)),
    )
    up, down = itertools.pairwise((512, 512, 256, 128, 64)), list(itertools.pairwise((64, 128, 256, 512, 512)))
    assert generator.count_params() == (
        128 * 8192 + 8192 + sum(block(made, 4, "up") for made in up) + 4 * 64 + 9 * 64 + 1
    )
    trunk = 9 * 64 + 64
    assert critic.count_params() == trunk + sum(block(made, 2, "down") for made in down) + 8192 + 1
    assert encoder.count_params() == trunk + sum(block(made, 4, "down") for made in down) + 8192 * 128 + 128
    assert critic.outputs[1].shape == (None, 8192)
    assert not has_batch_normalization(critic)


def test_resnet_critic_normalises_over_height_width_and_channels_with_one_scale_per_channel():
    critic = build_resnet_critic((16, 16, 2), filters=3)
    norms = [layer for layer in critic.layers if isinstance(layer, keras.layers.GroupNormalization)]
    assert len(norms) == 2 * 2
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 5, 5, 3)).astype("float32")
    scale, offset = np.array([1.0, 2.0, 3.0], "float32"), np.array([0.5, 0.0, -0.5], "float32")
    norms[0].set_weights([scale, offset])
    standard = (x - x.mean((1, 2, 3), keepdims=True)) / np.sqrt(x.var((1, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(norms[0](x), standard * scale + offset, rtol=1e-4, atol=1e-5)


def test_residual_blocks_double_by_repeating_and_halve_by_averaging():
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype("float32")
    for resample, want in (
        ("up", x.repeat(2, axis=1).repeat(2, axis=2)),
        ("down", x.reshape(1, 2, 2, 2, 2, 1).mean((2, 4))),
    ):
        entry = keras.Input((4, 4, 1))
        ones, zeros = (lambda: keras.initializers.Ones()), (lambda: keras.initializers.Zeros())
        block = keras.Model(entry, _residual_block(entry, 1, resample, keras.layers.Identity, ones, zeros))
        np.testing.assert_allclose(block(x), want, rtol=1e-5)  # only the shortcut is left


def test_one_step_of_the_paper_s_resnet_moves_every_network_of_its_player():
    x = np.random.default_rng(0).uniform(-1, 1, (10, 8, 8, 1)).astype("float32")
    phases = build_phases("fanogan", (8, 8, 1), architecture="resnet", filters=2, latent_dim=3, n_critic=1, mirror=True)
    for model, moved in ((phases["wgan_gp"], ("generator", "critic")), (phases["encoder"], ("encoder",))):
        model.compile()
        before = weights_by_path(model)
        logs = model.fit(x, batch_size=2, epochs=1, steps_per_epoch=1, verbose=0).history
        assert all(np.isfinite(values).all() for values in logs.values())
        paths = changed(before, weights_by_path(model))
        for key in ("generator", "critic", "encoder"):
            if hasattr(model, key):
                assert any(path.startswith(key) or f"/{key}/" in path for path in paths) == (key in moved), (key, paths)


@pytest.mark.parametrize("shape", [(30, 30, 1), (9, 9, 1), (784,), (28, 28)])
def test_builders_refuse_shapes_they_cannot_do(shape):
    with pytest.raises(ValueError, match="Received: shape"):
        build_dcgan_generator(shape)


def test_mlp_networks_of_the_exercise_have_its_parameters():
    generator, critic, encoder = (
        build_mlp_generator((28, 28, 1)),
        build_mlp_critic((28, 28, 1)),
        build_mlp_encoder((28, 28, 1)),
    )
    dense = lambda *sizes: sum(a * b + b for a, b in itertools.pairwise(sizes))  # noqa: E731
    assert generator.count_params() == dense(100, 128, 256, 512, 1024, 784) + 4 * (256 + 512 + 1024)
    assert critic.count_params() == dense(784, 512, 256, 1)
    assert encoder.count_params() == dense(784, 512, 256, 100)
    assert encoder(np.ones((1, 28, 28, 1), "float32") * 100).numpy().max() <= 1.0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_outputs_are_float32_under_every_policy(policy):
    keras.config.set_dtype_policy(policy)
    for build in (
        build_mlp_generator,
        build_mlp_critic,
        build_mlp_encoder,
        build_dcgan_generator,
        build_dcgan_critic,
        build_dcgan_encoder,
        build_resnet_generator,
        build_resnet_critic,
        build_resnet_encoder,
    ):
        network = build((8, 8, 1))
        assert {output.dtype for output in network.outputs} == {"float32"}
        assert network.layers[-1].compute_dtype == "float32"


def test_registry_builds_by_name_and_refuses_others():
    phases = build_phases("fanogan", keras.layers.InputSpec(shape=(None, 8, 8, 1)), latent_dim=3, seed=5)
    assert list(phases) == ["wgan_gp", "encoder"]
    assert phases["wgan_gp"].generator is phases["encoder"].generator
    assert phases["encoder"].encoder.output_shape == (None, 3)
    with pytest.raises(ValueError, match="'gan'"):
        build_phases("gan", (8, 8, 1))
    with pytest.raises(ValueError, match="depth"):
        build_phases("fanogan", (8, 8, 1), depth=3)
    with pytest.raises(ValueError, match="'unet'"):
        build_phases("fanogan", (8, 8, 1), architecture="unet")


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 5), (1, 2)])
def test_a_small_transposed_convolution_is_kerass(height, width):
    draw = np.random.default_rng(0)
    x, kernel = draw.normal(size=(2, height, width, 3)), draw.normal(size=(4, 4, 5, 3))
    weights = tf.constant(draw.normal(size=(2, 2 * height, 2 * width, 5)), "float32")
    found = []
    for kind in (keras.layers.Conv2DTranspose, SmallConv2DTranspose):
        layer = kind(5, 4, 2, "same", use_bias=False)
        layer.build((None, height, width, 3))
        layer.kernel.assign(kernel)
        rows = tf.constant(x, "float32")
        with tf.GradientTape() as tape:
            tape.watch(rows)
            y = layer(rows)
            total = tf.reduce_sum(weights * y * y)
        found.append((y, *tape.gradient(total, [rows, layer.kernel.value])))
    for expected, tensor in zip(*found, strict=True):
        assert tensor.numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    clone = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(clone, SmallConv2DTranspose)
    assert tuple(clone.compute_output_shape((2, height, width, 3))) == (2, 2 * height, 2 * width, 5)


@pytest.mark.parametrize(
    "other",
    [
        {"kernel_size": 3},
        {"strides": 1},
        {"padding": "valid"},
        {"use_bias": True},
        {"output_padding": 1},
        {"data_format": "channels_first"},
    ],
)
def test_a_small_transposed_convolution_is_that_of_dcgan(other):
    fits = {"kernel_size": 4, "strides": 2, "padding": "same", "use_bias": False}
    with pytest.raises(ValueError, match='4x4 kernel of stride 2, "same", without bias'):
        SmallConv2DTranspose(5, **{**fits, **other}).build((None, 2, 2, 3))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((4, 3, 5, 2), {}),
        ((6, 2), {}),
        ((4, 3, 5, 2), {"scale": False}),
        ((4, 3, 5, 2), {"center": False}),
        ((4, 3, 5, 2), {"dtype": "float64"}),
        ((4, 3, 2, 2), {"axis": 1}),
    ],
)
def test_fused_batch_normalization_is_kerass(shape, params, training):
    draw = np.random.default_rng(0)
    x, weights = (tf.constant(draw.normal(1.0, 2.0, shape), params.get("dtype", "float32")) for _ in range(2))
    found = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-2, **params)
        layer.build(shape)
        draw = np.random.default_rng(1)
        start = [draw.uniform(0.5, 1.5, weight.shape) for weight in layer.weights]
        layer.set_weights(start)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(weights * layer(x, training=training) ** 2)
        gradients = tape.gradient(total, [x, *(weight.value for weight in layer.trainable_weights)])
        found.append([total, *gradients, *layer.get_weights()])
    for expected, tensor in zip(*found, strict=True):
        assert np.asarray(tensor) == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-4)
    moved = np.abs(np.subtract(found[1][-2:], start[-2:])).max()
    assert moved > 0.01 if training else moved < 1e-6

"""Batch normalisation in the kernel before it: the same function."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_anogan.nn.normalization import fold_normalization


def network(**options):
    """Convolutions of every kind, with normalisations that can be folded and some that can't."""
    x = keras.Input((12, 12, 3))
    h = layers.Conv2D(6, 3, 2, "same", use_bias=False, name="plain")(x)
    h = layers.ReLU()(layers.BatchNormalization(name="plain_bn", **options)(h))
    d = layers.DepthwiseConv2D(3, 1, "same", depth_multiplier=2, name="depthwise")(h)
    d = layers.BatchNormalization(name="depthwise_bn", **options)(d)
    d = layers.Conv2D(6, 1, activation="relu", name="active")(d)
    d = layers.BatchNormalization(name="active_bn")(d)  # behind a ReLU: it stays
    twice = layers.Conv2D(6, 1, name="twice")(d)
    n = layers.BatchNormalization(name="twice_bn")(twice)  # its input is used elsewhere: it stays
    out = layers.Conv2D(4, 1, name="end")(layers.Add()([h, n, twice]))
    model = keras.Model(x, [layers.BatchNormalization(name="end_bn")(out), h, out])
    draw = np.random.default_rng(0)
    model.set_weights(
        [draw.uniform(0.2, 1.0, weight.shape) * draw.choice([-1, 1], weight.shape) for weight in model.get_weights()]
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(draw.uniform(0.5, 2.0, layer.moving_variance.shape))
    return model


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_folded_networks_are_the_same_function(options, tmp_path):
    model = network(**options)
    folded = fold_normalization(model)
    x = np.random.default_rng(1).normal(size=(5, 12, 12, 3)).astype("float32")
    for got, want in zip(folded(x, training=False), model(x, training=False), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    kept = {layer.name for layer in folded.layers if isinstance(layer, layers.BatchNormalization)}
    assert kept == {"active_bn", "twice_bn", "end_bn"}
    folded.save(tmp_path / "folded.keras")
    again = keras.models.load_model(tmp_path / "folded.keras")
    np.testing.assert_array_equal(again(x)[0], folded(x)[0])


def test_a_layer_that_is_called_twice_leaves_the_network_as_it_is():
    x = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same")
    model = keras.Model(x, layers.BatchNormalization()(shared(shared(x))))
    assert fold_normalization(model) is model

"""Path scores against NumPy."""

import keras
import numpy as np
import pytest

from keras_anogan.nn.paths import PathWhitening, hidden_network, path_difference, sap


def linear_chain(*matrices):
    """A network of dense layers without activation."""
    x = h = keras.Input((matrices[0].shape[0],))
    for matrix in matrices:
        h = keras.layers.Dense(matrix.shape[1], use_bias=False, kernel_initializer=keras.initializers.Constant(matrix))(
            h
        )
    return keras.Model(x, h)


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def test_hidden_layers_are_what_later_layers_read_and_the_output():
    x = keras.Input((4, 4, 1))
    h = keras.layers.LeakyReLU()(keras.layers.Conv2D(3, 3, 2, "same", name="first")(x))
    h = keras.layers.Activation("tanh")(
        keras.layers.BatchNormalization()(keras.layers.Dense(5)(keras.layers.Flatten()(h)))
    )
    network = keras.Model(x, keras.layers.Dense(2)(h))
    images = np.random.default_rng(0).normal(size=(6, 4, 4, 1)).astype("float32")
    found = np.asarray(hidden_network(network)(images, training=False))
    tensors = [layer.output for layer in network.layers if type(layer).__name__ in ("Flatten", "Activation")]
    want = keras.Model(x, [*tensors, network.output])(images, training=False)
    np.testing.assert_allclose(found, np.concatenate([np.asarray(part) for part in want], axis=1), rtol=1e-6)
    judge = keras.Model(x, [keras.layers.Dense(1)(h), h])  # two outputs: what lies before them is enough
    assert hidden_network(judge).output_shape == (None, 12 + 5)


def test_maps_are_averaged_to_a_few_places():
    x = keras.Input((12, 8, 1))
    h = keras.layers.Conv2D(2, 3, padding="same")(x)
    network = keras.Model(x, [keras.layers.Conv2D(1, 3)(h), h])
    images = np.random.default_rng(0).normal(size=(3, 12, 8, 1)).astype("float32")
    maps = np.asarray(keras.Model(x, h)(images))
    want = maps.reshape(3, 4, 3, 4, 2, 2).mean(axis=(2, 4))  # places of 3 x 2 pixels
    np.testing.assert_allclose(hidden_network(network)(images, training=False), want.reshape(3, -1), atol=1e-6)


def test_a_network_without_hidden_layers_is_refused():
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="hidden layers for a path score"):
        hidden_network(keras.Model(x, [keras.layers.Rescaling(2.0)(x), keras.layers.Rescaling(3.0)(x)]))


def test_sap_and_nap_of_a_linear_network_against_numpy(draw):
    a, b = draw.normal(size=(6, 5)), draw.normal(size=(5, 2))
    hidden = hidden_network(linear_chain(a, b))
    x, x_hat = (draw.normal(size=(300, 6)).astype("float32") for _ in range(2))
    d = np.asarray(path_difference(hidden, x, x_hat))
    move = (x_hat - x).astype("float64")
    np.testing.assert_allclose(d, np.concatenate([move @ a, move @ a @ b], axis=1), atol=1e-4)
    np.testing.assert_allclose(sap(d), (d.astype("float64") ** 2).sum(axis=1), rtol=1e-5)
    nap = PathWhitening(7)
    np.testing.assert_allclose(nap(d), sap(d), rtol=1e-5)  # before it has seen a row
    nap.adapt(np.array_split(d, 7))
    centred = d - d.mean(axis=0)
    _, s, v = np.linalg.svd(centred.astype("float64"), full_matrices=False)
    kept = s > 1e-3 * s[0]
    assert kept.sum() == 5  # two columns are a linear function of five others
    want = ((centred @ v[kept].T / s[kept]) ** 2).sum(axis=1) * len(d)
    np.testing.assert_allclose(nap(d), want, rtol=1e-3)
    assert float(np.mean(nap(d))) == pytest.approx(5.0, rel=1e-3)  # one for each direction


def test_nap_does_not_change_under_an_invertible_map_and_sap_does(draw):
    d = draw.normal(size=(500, 4)).astype("float32") * [1.0, 2.0, 0.5, 3.0] + 1.0
    turned = d @ (draw.normal(size=(4, 4)) + 3.0 * np.eye(4))
    values = []
    for rows in (d, turned):
        nap = PathWhitening(4)
        nap.adapt([rows])
        values.append(np.asarray(nap(rows.astype("float32"))))
    np.testing.assert_allclose(*values, rtol=1e-3)
    assert np.corrcoef(np.asarray(sap(d)), np.asarray(sap(turned)))[0, 1] < 0.99


def test_the_batches_of_the_rows_do_not_matter(draw):
    d = draw.normal(size=(64, 3)).astype("float32") + 100.0
    one, many = PathWhitening(3), PathWhitening(3)
    one.adapt([d])
    many.adapt(np.array_split(d, 9))
    np.testing.assert_allclose(one(d), many(d), rtol=1e-3)


def test_few_rows_are_whitened_in_the_space_they_span(draw):
    d = draw.normal(size=(6, 40)).astype("float32")
    nap = PathWhitening(40)
    nap.adapt([d[:4], d[4:]])
    np.testing.assert_allclose(nap(d), 5.0, rtol=1e-3)  # as many directions, in each of which they have a variance of 1
    apart = draw.normal(size=(1, 40))
    _, _, span = np.linalg.svd(d - d.mean(axis=0), full_matrices=True)
    beside = (d.mean(axis=0) + apart @ span[6:].T @ span[6:]).astype("float32")  # nothing is known of those directions
    np.testing.assert_allclose(nap(beside), 0.0, atol=1e-3)


def test_large_paths_keep_the_directions_of_most_variance(monkeypatch, draw):
    monkeypatch.setattr("keras_anogan.nn.paths.MOST_NUMBERS", 8)
    nap = PathWhitening(4)
    assert nap.directions.shape == (4, 2)
    d = (draw.normal(size=(5000, 4)) * [3.0, 0.1, 2.0, 0.2]).astype("float32")
    nap.adapt([d])
    want = (d[:, 0] / d[:, 0].std()) ** 2 + (d[:, 2] / d[:, 2].std()) ** 2
    assert np.corrcoef(np.asarray(nap(d)), want)[0, 1] > 0.999


def test_one_row_is_not_enough():
    with pytest.raises(ValueError, match="at least two rows"):
        PathWhitening(2).adapt([np.zeros((1, 2))])

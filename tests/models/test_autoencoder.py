"""The autoencoder of the MNIST notebook: its networks, its noise, its score."""

import keras
import numpy as np
import pytest

from keras_anogan import Autoencoder, build_detector
from keras_anogan.models.autoencoder import build_autoencoder_decoder, build_autoencoder_encoder


def linear(noise_std=0.0, kernel=None):
    x, z = keras.Input((4,)), keras.Input((2,))
    encoder = keras.Model(x, keras.layers.Dense(2, use_bias=False)(x))
    decoder = keras.Model(z, keras.layers.Dense(4, use_bias=False)(z))
    if kernel is not None:
        encoder.set_weights([kernel])
        decoder.set_weights([kernel.T])
    detector = Autoencoder(encoder, decoder, noise_std=noise_std, seed=3)
    detector.compile(optimizers={"autoencoder": keras.optimizers.SGD(0.0)}, jit_compile=False)  # XLA draws other noise
    return detector


def test_the_networks_are_the_notebooks():
    encoder, decoder = build_autoencoder_encoder((28, 28, 1)), build_autoencoder_decoder((28, 28, 1))
    assert encoder.output_shape == (None, 3 * 3 * 512)
    maps = [layer.output.shape[1:] for layer in decoder.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert maps == [(5, 5, 256), (6, 6, 128), (7, 7, 64), (14, 14, 32), (28, 28, 1)]
    sizes = [(9, 1, 32), (9, 32, 64), (9, 64, 128), (9, 128, 256), (9, 256, 512)]
    assert encoder.count_params() == sum(taps * a * b + b for taps, a, b in sizes)
    sizes = [(9, 512, 256), (4, 256, 128), (4, 128, 64), (4, 64, 32), (4, 32, 1)]
    assert decoder.count_params() == sum(taps * a * b + b for taps, a, b in sizes)


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 20, 2), (32, 32, 3), (64, 64, 1)])
def test_the_networks_fit_other_sides(shape):
    encoder, decoder = build_autoencoder_encoder(shape, 2), build_autoencoder_decoder(shape, 2)
    assert decoder.input_shape == encoder.output_shape
    assert decoder.output_shape == encoder.input_shape == (None, *shape)


@pytest.mark.parametrize("shape", [(4, 4, 1), (30, 28, 1), (28, 28)])
def test_other_sides_are_refused(shape):
    for build in (build_autoencoder_encoder, build_autoencoder_decoder):
        with pytest.raises(ValueError, match="sides >= 8 that 4 divides"):
            build(shape)


@pytest.mark.parametrize("noise_std", [0.0, 0.5])
def test_the_loss_is_the_error_of_what_was_seen_with_noise(noise_std):
    detector = linear(noise_std)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    matrix = np.asarray(detector.encoder.weights[0]) @ np.asarray(detector.decoder.weights[0])
    noise = detector.random_normal("noise", 6, (4,)).numpy()
    order = np.random.default_rng((3, 0, 0)).permutation(6)  # of `Batches`, epoch 0
    expected = np.mean((x[order] - (x[order] + noise_std * noise) @ matrix) ** 2)
    history = detector.fit(x, batch_size=6, epochs=1, verbose=0, shuffle=True).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_the_score_is_the_distance_to_the_subspace():
    draw = np.random.default_rng(1)
    kernel = np.linalg.qr(draw.normal(size=(4, 2)))[0].astype("float32")  # orthonormal columns
    x = draw.normal(size=(5, 4)).astype("float32")
    rest = x - x @ kernel @ kernel.T
    assert linear(0.5, kernel).predict(x) == pytest.approx(np.linalg.norm(rest, axis=1), abs=1e-5)


def test_tables_have_a_network_with_a_bottleneck():
    detector = build_detector("autoencoder", (6,), latent_dim=2)
    assert detector.encoder.output_shape == (None, 2)
    with pytest.raises(ValueError, match="latent_dim=16 for images"):
        build_detector("autoencoder", (28, 28, 1), latent_dim=16)


def test_bad_arguments_are_named():
    detector = linear()
    with pytest.raises(ValueError, match="noise_std=-1"):
        Autoencoder(detector.encoder, detector.decoder, noise_std=-1)
    with pytest.raises(ValueError, match="encoder to make"):
        Autoencoder(detector.encoder, detector.encoder)

"""The GAN discriminator of the MNIST notebook: its networks, its noise, its score."""

import keras
import numpy as np
import pytest

from keras_anogan import GANDiscriminator
from keras_anogan.models.gan_discriminator import build_gan_discriminator, build_gan_generator


def sides(network):
    """Heights of the maps a network passes through, equal neighbours once."""
    found = [layer.output.shape[1] for layer in network.layers if len(layer.output.shape) == 4]
    return [side for i, side in enumerate(found) if i == 0 or side != found[i - 1]]


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def linear(shape=(2, 2, 1), norm=False, **params):
    """A detector whose discriminator is a fixed linear function and whose players stand still."""
    z = keras.Input((3,))
    generator = keras.Model(z, keras.layers.Reshape(shape)(keras.layers.Dense(4)(z)))
    x = keras.Input(shape)
    f = keras.layers.Flatten()(x)
    h = keras.layers.BatchNormalization(momentum=0.0, epsilon=1e-5)(f) if norm else f
    discriminator = keras.Model(x, [keras.layers.Dense(1)(h), f])
    detector = GANDiscriminator(generator, discriminator, **{"noise_std": 2.0, "seed": 4, **params})
    detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players}, jit_compile=False)
    return detector


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def test_the_networks_are_the_notebooks():
    generator, discriminator = build_gan_generator((28, 28, 1)), build_gan_discriminator((28, 28, 1))
    assert [side for side in sides(generator) if side != 16] == [2, 4, 8, 14, 28]  # 16: before the border is cut off
    assert generator.input_shape == (None, 32)
    assert [tensor.shape[1:] for tensor in discriminator.outputs] == [(1,), (512,)]
    convolutions = [layer for layer in discriminator.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in convolutions] == [(14, 14, 64), (7, 7, 128), (3, 3, 256)]
    kernels = 16 * (1 * 64 + 64 * 128 + 128 * 256) + 9 * 256 * 512 + 512  # the last: the 3 x 3 taps in use
    assert trainable(discriminator) == kernels + 2 * (128 + 256 + 512)
    kernels = 32 * 4 * 512 + 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 1)  # the first: the 2 x 2 taps in use
    assert trainable(generator) == kernels + 2 * (512 + 256 + 128 + 64)


@pytest.mark.parametrize("side", [6, 8, 10, 32, 64])
def test_the_networks_fit_any_even_side(side):
    shape = (side, side, 3)
    assert build_gan_generator(shape, 5, 2).output_shape == (None, *shape)
    assert build_gan_discriminator(shape, 2).input_shape == (None, *shape)


@pytest.mark.parametrize("shape", [(28, 27, 1), (7, 7, 1), (4, 4, 1), (28, 28)])
def test_other_sides_are_refused(shape):
    for build in (build_gan_generator, build_gan_discriminator):
        with pytest.raises(ValueError, match="even side >= 6"):
            build(shape)


def test_weights_start_as_in_the_notebook():
    network = build_gan_discriminator((28, 28, 1), filters=16, seed=0)
    kernel = np.concatenate([np.ravel(v) for v in network.trainable_variables if v.path.endswith("kernel")])
    scale = np.concatenate([np.ravel(v) for v in network.trainable_variables if v.path.endswith("gamma")])
    assert kernel.mean() == pytest.approx(0.0, abs=1e-3)
    assert kernel.std() == pytest.approx(0.02, rel=0.02)
    assert scale.mean() == pytest.approx(1.0, abs=0.01)
    assert scale.std() == pytest.approx(0.02, rel=0.2)


def test_noise_is_on_the_discriminators_inputs_in_its_own_step_only():
    detector = linear()
    x = np.random.default_rng(0).normal(size=(5, 2, 2, 1)).astype("float32")
    g_z = detector.generator(detector.random_normal("z", 5, (3,))).numpy()
    real_noise, generated_noise = (
        detector.random_normal(name, 5, (2, 2, 1)).numpy() for name in ("real_noise", "generated_noise")
    )
    kernel, bias = (np.asarray(v) for v in detector.discriminator.weights)
    logit = lambda images: images.reshape(5, 4) @ kernel + bias  # noqa: E731
    history = detector.fit(x, batch_size=5, epochs=1, verbose=0).history
    order = np.random.default_rng((4, 0, 0)).permutation(5)  # of `Batches`, epoch 0
    real, generated = logit(x[order] + 2.0 * real_noise), logit(g_z + 2.0 * generated_noise)
    expected = softplus(-real).mean() + softplus(generated).mean()
    assert history["discriminator_loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["generator_loss"][0] == pytest.approx(softplus(-logit(g_z)).mean(), rel=1e-4)


def test_the_score_is_minus_the_logit():
    detector = linear()
    x = np.random.default_rng(1).normal(size=(6, 2, 2, 1)).astype("float32")
    kernel, bias = (np.asarray(v) for v in detector.discriminator.weights)
    assert detector.predict(x) == pytest.approx(-(x.reshape(6, 4) @ kernel + bias)[:, 0], abs=1e-5)


def test_bad_arguments_are_named():
    detector = linear()
    with pytest.raises(ValueError, match="noise_std=-0"):
        GANDiscriminator(detector.generator, detector.discriminator, noise_std=-0.1)
    with pytest.raises(ValueError, match="logit, features"):
        GANDiscriminator(detector.generator, keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()]))


@pytest.mark.parametrize("one_batch", [True, False])
def test_real_and_generated_images_are_normalised_together_or_apart(one_batch):
    detector = linear(norm=True, one_batch=one_batch, noise_std=0.0)
    x = np.random.default_rng(0).normal(3.0, 1.0, size=(6, 2, 2, 1)).astype("float32")
    g_z = detector.generator(detector.random_normal("z", 6, (3,))).numpy()
    kernel, bias = (np.asarray(v) for v in detector.discriminator.weights[-2:])

    def logits(rows, like):
        rows, like = rows.reshape(len(rows), 4), like.reshape(len(like), 4)
        return (rows - like.mean(axis=0)) / np.sqrt(like.var(axis=0) + 1e-5) @ kernel + bias

    both = np.concatenate([x, g_z])
    real, generated = (logits(rows, both if one_batch else rows) for rows in (x, g_z))
    history = detector.fit(x, batch_size=6, epochs=1, verbose=0).history
    expected = softplus(-real).mean() + softplus(generated).mean()
    assert history["discriminator_loss"][0] == pytest.approx(expected, rel=1e-3)
    assert history["generator_loss"][0] == pytest.approx(softplus(-generated).mean(), rel=1e-3)
    last = both if one_batch else g_z  # what the statistics of inference mode were last set to, momentum 0
    assert detector.predict(x) == pytest.approx(-logits(x, last)[:, 0], rel=1e-2, abs=1e-2)

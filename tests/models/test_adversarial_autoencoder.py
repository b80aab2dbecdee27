"""The adversarial autoencoder: networks, losses, who learns from what, and its path scores."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import AdversarialAutoencoder, Explainer, PatchDetector, build_detector
from keras_anogan.callbacks.backup import score_rows
from keras_anogan.models.adversarial_autoencoder import (
    build_deep_decoder,
    build_deep_encoder,
    build_latent_discriminator,
)
from keras_anogan.nn.paths import PathWhitening, hidden_network

SHAPE = (8, 8, 1)


def small(**params):
    return build_detector("adversarial_autoencoder", SHAPE, **{"latent_dim": 3, "depth": 3, **params})


def dense_widths(network):
    return [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)]


def trainable(detector):
    return {key: [np.array(v) for v in getattr(detector, key).trainable_variables] for key in detector.networks}


def moved(before, after):
    return {
        key for key in before if any(not np.array_equal(a, b) for a, b in zip(before[key], after[key], strict=True))
    }


def test_widths_fall_linearly_as_in_rapps_code():
    widths = [784, 707, 631, 554, 478, 402, 325, 249, 172, 96, 20]
    assert dense_widths(build_deep_encoder((28, 28, 1))) == widths[1:]
    assert dense_widths(build_deep_decoder((28, 28, 1))) == widths[-2::-1]
    assert build_deep_decoder((28, 28, 1)).output_shape == (None, 28, 28, 1)
    judge = build_latent_discriminator(20)
    assert dense_widths(judge)[-1] == 1
    assert len(dense_widths(judge)) == 10
    assert hidden_network(build_deep_encoder((28, 28, 1))).output_shape == (None, sum(widths[1:]))


def still(**params):
    detector = small(**params)
    detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players}, run_eagerly=True)
    return detector


def test_the_losses_of_a_step_are_those_of_the_paper(tiny_images):
    detector, x = still(), tf.constant(tiny_images)
    logs = detector.train_step(x)
    z = detector.encoder(x, training=True)
    x_hat = np.asarray(detector.decoder(z, training=True))
    assert float(logs["reconstruction_loss"]) == pytest.approx(((tiny_images - x_hat) ** 2).sum() / 32, rel=1e-4)
    detector.step.assign(0)
    noise = detector.random_normal("z", 32, (3,))
    real, made = (np.asarray(detector.discriminator(each, training=True)[0]) for each in (noise, z))
    want = np.logaddexp(0.0, -real).mean() + np.logaddexp(0.0, made).mean()
    assert float(logs["discriminator_loss"]) == pytest.approx(want, rel=1e-4)
    assert float(logs["adversarial_loss"]) == pytest.approx(np.logaddexp(0.0, -made).mean(), rel=1e-4)


@pytest.mark.parametrize("player", ["encoder", "decoder", "discriminator"])
def test_each_player_moves_its_own_network(player, tiny_images):
    detector = small()
    rates = {p: keras.optimizers.SGD(1e-3 if p == player else 0.0) for p in detector.players}
    detector.compile(optimizers=rates, run_eagerly=True)
    before = trainable(detector)
    detector.train_step(tf.constant(tiny_images))
    assert moved(before, trainable(detector)) == {player}


def test_the_encoder_learns_twice_in_a_step_and_the_others_once(tiny_images):
    detector = small()
    detector.compile()
    detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
    assert {p: int(o.iterations) for p, o in detector.optimizers.items()} == {
        "encoder": 2,
        "decoder": 1,
        "discriminator": 1,
    }


def test_scores_are_the_path_whitened_by_the_training_rows(tiny_images):
    detector = small()
    detector.compile()
    rows = tiny_images[:24]
    detector.fit(rows, batch_size=8, epochs=2, verbose=0)
    explained = Explainer(detector).predict(tiny_images)
    np.testing.assert_allclose(detector.predict(tiny_images), explained["nap"], rtol=1e-5)
    hidden = hidden_network(detector.encoder)
    d = np.asarray(hidden(explained["reconstruction"])) - np.asarray(hidden(tiny_images))
    np.testing.assert_allclose(explained["sap"], (d.astype("float64") ** 2).sum(axis=1), rtol=1e-4)
    whitening = PathWhitening(d.shape[1])
    whitening.adapt([d[:24]])
    np.testing.assert_allclose(explained["nap"], whitening(d), rtol=2e-2)
    for score, key in (("sap", "sap"), ("reconstruction", "error")):
        other = AdversarialAutoencoder(detector.encoder, detector.decoder, detector.discriminator, score=score)
        np.testing.assert_allclose(other.predict(tiny_images), explained[key], rtol=1e-4)


SCORED = {
    "alad": ("sap", "nap"),
    "autoencoder": ("sap", "nap"),
    "efficientgan": ("sap", "nap"),
    "fanogan": ("sap", "nap", "critic_sap", "critic_nap"),
    "ganomaly": ("sap", "nap"),
}
SMALL = {
    "autoencoder": {"filters": 2},
    "ganomaly": {"filters": 2},
    "fanogan": {"latent_dim": 4, "architecture": "dcgan", "filters": 2},
}


@pytest.mark.parametrize(("name", "score"), [(name, score) for name, scores in SCORED.items() for score in scores])
def test_whoever_encodes_and_reconstructs_can_be_scored_along_a_path(name, score, tiny_images):
    shape = (6,) if name in ("alad", "efficientgan") else SHAPE
    x = tiny_images if len(shape) == 3 else np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    detector = build_detector(name, shape, score=score, **SMALL.get(name, {"latent_dim": 3}))
    detector.compile(jit_compile=False)
    detector.fit(x, batch_size=32, epochs=1, verbose=0)
    explained = Explainer(detector).predict(x)
    network = detector.critic if score.startswith("critic") else detector.encoder
    hidden = hidden_network(network)
    d = np.asarray(hidden(explained["reconstruction"], training=False)) - np.asarray(hidden(x, training=False))
    if score.endswith("nap"):
        whitening = PathWhitening(d.shape[1])
        whitening.adapt([d])
        np.testing.assert_allclose(explained["score"], whitening(d), rtol=0.1)
    else:
        np.testing.assert_allclose(explained["score"], (d.astype("float64") ** 2).sum(axis=1), rtol=1e-3)


def test_too_many_numbers_are_refused_for_nap_alone():
    with pytest.raises(ValueError, match=r"at most 8,192 numbers .* for the score nap.* the score sap takes any"):
        build_detector("ganomaly", (32, 32, 3), filters=128, score="nap")
    assert build_detector("ganomaly", (32, 32, 3), filters=128, score="sap").whitening is None


@pytest.mark.parametrize("name", list(SCORED))
def test_an_unknown_score_is_refused_with_those_that_there_are(name):
    shape = (6,) if name in ("alad", "efficientgan") else SHAPE
    with pytest.raises(ValueError, match=r"Expected the score to be one of .*'nap'"):
        build_detector(name, shape, score="rapp", **SMALL.get(name, {}))


def test_training_is_watched_by_the_reconstruction(tiny_images):
    detector = small()
    detector.compile()
    history = detector.fit(tiny_images, validation_data=tiny_images, batch_size=32, epochs=2, verbose=0).history
    made = Explainer(detector).predict(tiny_images)["reconstruction"]
    assert history["val_score"][-1] == pytest.approx(((tiny_images - made) ** 2).mean(), rel=1e-3)
    np.testing.assert_allclose(
        score_rows(detector, tiny_images), ((tiny_images - made) ** 2).mean(axis=(1, 2, 3)), rtol=1e-3
    )


def test_a_data_set_whitens_as_its_rows_do_and_a_generator_is_refused(tiny_images):
    found = []
    for x in (tiny_images, tf.data.Dataset.from_tensor_slices(tiny_images).batch(8)):
        detector = small()
        detector.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in detector.players})
        for layer in detector._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False  # nothing learns: what differs would be the whitening
        detector.fit(x, epochs=1, verbose=0, **({"batch_size": 8} if x is tiny_images else {}))
        found.append(detector.predict(tiny_images))
    np.testing.assert_allclose(*found, rtol=1e-3)
    with pytest.raises(ValueError, match="can be read again"):
        detector.fit((tiny_images for _ in range(2)), epochs=1, steps_per_epoch=1, verbose=0)


def test_patches_are_whitened_by_the_patches_of_the_training_images(tiny_images):
    large = np.concatenate([tiny_images[:16], tiny_images[16:]], axis=2)  # 16 images of 8 x 16 pixels
    inner = small()
    detector = PatchDetector(inner, (8, 16), stride=8)
    detector.compile()
    detector.fit(large, batch_size=8, epochs=1, verbose=0)
    patches = np.asarray(detector.parts(tf.constant(large)))
    found = inner.predict(patches)
    inner.whiten([patches])
    np.testing.assert_allclose(found, inner.predict(patches), rtol=1e-2)


def test_a_training_that_ends_in_nan_is_not_whitened(tiny_images):
    detector = small()
    detector.compile(optimizers={p: keras.optimizers.SGD(math.inf) for p in detector.players})
    detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
    assert np.array_equal(detector.whitening.mean, np.zeros(detector.whitening.size))


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match="'reconstruction', 'sap', 'nap'"):
        small(score="rapp")
    with pytest.raises(ValueError, match="mlp, or dcgan for images"):
        small(architecture="resnet")
    with pytest.raises(ValueError, match="mlp, or dcgan for images"):
        build_detector("adversarial_autoencoder", (6,), architecture="dcgan")
    with pytest.raises(ValueError, match="discriminator"):
        AdversarialAutoencoder(
            build_deep_encoder(SHAPE, 3, 2), build_deep_decoder(SHAPE, 3, 2), build_latent_discriminator(4, 2)
        )


def test_the_convolutional_pair_follows_its_encoder():
    detector = small(architecture="dcgan", filters=2, latent_dim=4)
    assert detector.whitening.size == hidden_network(detector.encoder).output_shape[1]
    assert len(Explainer(detector).predict(np.zeros((2, *SHAPE), "float32"))["nap"]) == 2

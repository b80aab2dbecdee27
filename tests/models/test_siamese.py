"""The Siamese detector: its loss pair by pair, its centres, its labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import Explainer, Siamese, build_detector, evaluation
from keras_anogan.datasets import hold_out, load_digits, one_anomalous
from keras_anogan.models.siamese import MOMENTUM
from keras_anogan.nn import losses
from keras_anogan.serving.preprocessing import image_preprocessing


@pytest.fixture
def draw():
    return np.random.default_rng(7)


def identity(classes=4):
    """A detector of points in the plane whose embedding is the point itself."""
    x = keras.Input((2,))
    encoder = keras.Model(x, keras.layers.Dense(2, use_bias=False)(x))
    encoder.set_weights([np.eye(2)])
    detector = Siamese(encoder, classes=classes)
    detector.compile(optimizers={"encoder": keras.optimizers.SGD(0.0)})
    return detector


def test_the_loss_is_the_papers_pair_by_pair(draw):
    z = draw.normal(size=(7, 3)).astype("float32")
    y = np.array([0, 1, 0, 2, 2, 0, 1])
    pull, push = [], []
    for i in range(7):
        for j in range(i):
            distance = np.linalg.norm(z[i] - z[j])
            (pull if y[i] == y[j] else push).append(distance**2 if y[i] == y[j] else max(0.0, 2.0 - distance) ** 2)
    expected = 0.5 * np.mean(pull) + 0.5 * np.mean(push)
    assert float(losses.contrastive_loss(z, y, margin=2.0)) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_equal_embeddings_has_a_finite_gradient():
    z = tf.Variable(tf.zeros((4, 3)))
    with tf.GradientTape() as tape:
        loss = losses.contrastive_loss(z, tf.constant([0, 0, 1, 1]), margin=1.0)
    assert float(loss) == pytest.approx(0.5, abs=1e-5)
    assert np.isfinite(tape.gradient(loss, z).numpy()).all()
    assert float(losses.contrastive_loss(tf.ones((3, 2)), tf.constant([1, 1, 1]))) == 0.0  # no pair of two classes


def test_centres_are_moving_averages_of_their_classes(draw):
    detector = identity()
    x = draw.normal(size=(6, 2)).astype("float32")
    y = np.array([0, 2, 0, 2, 2, 0])
    detector.fit((x, y), batch_size=6, epochs=1, verbose=0)
    assert np.asarray(detector.seen).tolist() == [1.0, 0.0, 1.0, 0.0]
    first = [x[y == 0].mean(axis=0), x[y == 2].mean(axis=0)]
    assert np.asarray(detector.centres)[[0, 2]] == pytest.approx(np.stack(first), abs=1e-6)
    more = x + 1.0
    detector.fit(more, y, batch_size=6, epochs=1, verbose=0)
    moved = [MOMENTUM * a + (1 - MOMENTUM) * (a + 1.0) for a in first]
    assert np.asarray(detector.centres)[[0, 2]] == pytest.approx(np.stack(moved), abs=1e-5)


def test_the_score_is_the_distance_to_the_nearest_centre_that_was_seen(draw):
    detector = identity()
    points = draw.normal(size=(5, 2)).astype("float32")
    assert detector.predict(points) == pytest.approx(np.linalg.norm(points, axis=1), abs=1e-5)  # nothing seen: zero
    detector.centres.assign([[3.0, 0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    detector.seen.assign([1.0, 0.0, 1.0, 0.0])
    explained = Explainer(detector).predict(points)
    distances = np.stack([np.linalg.norm(points - centre, axis=1) for centre in ([3.0, 0.0], [0.0, 3.0])])
    assert explained["score"] == pytest.approx(distances.min(axis=0), abs=1e-5)
    assert explained["nearest_class"].tolist() == (2 * distances.argmin(axis=0)).tolist()


def test_two_replicas_have_one_centre(draw, mirrored):
    x = draw.normal(size=(8, 2)).astype("float32")
    y = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    alone = identity()
    alone.fit((x, y), batch_size=8, epochs=2, verbose=0)
    with mirrored.scope():
        both = identity()
    both.fit((x, y), batch_size=8, epochs=2, verbose=0)
    assert np.asarray(both.centres) == pytest.approx(np.asarray(alone.centres), abs=1e-6)


@pytest.mark.parametrize(
    ("y", "word"),
    [
        (None, "no labels"),
        (np.zeros(20, "int64"), "at least two normal classes"),
        (np.arange(20), "Received: 19"),
        (np.arange(20) % 3 - 1, "Received: -1"),
        (np.linspace(0, 1, 20), "float64"),
        (np.arange(19) % 3, "19 labels, 20 rows"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(y, word, draw):
    with pytest.raises(ValueError, match=word):
        identity().fit(draw.normal(size=(20, 2)).astype("float32"), y, verbose=0)


def test_lists_and_columns_of_labels_are_taken_too(draw):
    x, y = draw.normal(size=(6, 2)).astype("float32"), np.array([0, 2, 0, 2, 2, 0])
    of_arrays, of_lists, of_columns = identity(), identity(), identity()
    of_arrays.fit((x, y), batch_size=6, verbose=0)
    of_lists.fit(x.tolist(), y.tolist(), batch_size=6, verbose=0)
    of_columns.fit(tf.data.Dataset.from_tensor_slices((x, y[:, None])).batch(6), verbose=0)
    for detector in (of_lists, of_columns):
        assert np.asarray(detector.centres) == pytest.approx(np.asarray(of_arrays.centres), abs=1e-6)
    with pytest.raises(ValueError, match="no labels"):
        identity().fit(x.tolist(), verbose=0)


def test_a_dataset_of_unknown_classes_is_refused_when_it_ends(draw):
    rows = tf.data.Dataset.from_tensor_slices((draw.normal(size=(6, 2)).astype("float32"), [7, 8, 7, 8, 7, 9])).batch(6)
    with pytest.raises(ValueError, match=r"\[0, 4\).*0 of them"):
        identity().fit(rows, verbose=0)


def test_it_finds_the_digit_it_never_saw():
    train, test = hold_out(*load_digits(), share=0.3, seed=0)
    split = one_anomalous(train, test, digit=4, stop=0.0, calibrate=0.0)
    scale = image_preprocessing(8, 8)
    detector = build_detector("siamese", (8, 8, 1), filters=8)
    detector.compile()
    detector.fit((np.asarray(scale(split.train)), split.train_classes), batch_size=64, epochs=20, verbose=0)
    auroc = evaluation.auroc(split.labels, detector.predict(np.asarray(scale(split.test))))
    assert auroc > 0.9


def test_bad_arguments_are_named():
    for arguments, word in (({"classes": 1}, "classes=1"), ({"margin": 0.0}, "margin=0.0")):
        with pytest.raises(ValueError, match=word):
            build_detector("siamese", (8, 8, 1), **arguments)

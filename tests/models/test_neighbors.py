"""Nearest neighbours: distances by hand, the coreset, and saving."""

import keras
import numpy as np
import pytest

from keras_anogan import Neighbors, build_detector
from keras_anogan.models import neighbors


def fitted(rows, **params):
    detector = Neighbors(rows.shape[1:], **params)
    detector.compile()
    detector.fit(rows)
    return detector


def test_the_score_is_the_mean_distance_to_the_k_nearest_rows():
    rows = np.array([[0, 0], [3, 4], [0, 10]], "float32")
    x = np.array([[0, 0], [3, 0], [100, 0]], "float32")
    distances = np.sqrt(np.square(x[:, None] - rows[None]).mean(axis=-1))
    for k in (1, 2, 3):
        want = np.sort(distances, axis=1)[:, :k].mean(axis=1)
        np.testing.assert_allclose(fitted(rows, k=k).predict(x), want, rtol=1e-6)


def test_a_row_that_is_kept_has_the_score_zero_however_large_its_numbers():
    rows = np.random.default_rng(0).normal(1000.0, 1.0, (50, 20)).astype("float32")
    assert fitted(rows).predict(rows).max() == 0.0
    near = rows + np.float32(0.001)
    np.testing.assert_allclose(fitted(rows).predict(near), np.sqrt(np.square(near - rows).mean(1)), rtol=1e-2)


def test_the_reconstruction_is_the_nearest_row_and_the_map_its_difference(tiny_images):
    detector = fitted(tiny_images[:20])
    found = detector.explain(tiny_images[20:24])
    difference = tiny_images[20:24, None] - tiny_images[None, :20]
    nearest = np.square(difference).mean(axis=(2, 3, 4)).argmin(axis=1)
    np.testing.assert_allclose(found["reconstruction"], tiny_images[:20][nearest], atol=1e-6)
    want = np.abs(tiny_images[20:24] - tiny_images[:20][nearest])[..., 0]
    np.testing.assert_allclose(found["anomaly_map"], want, atol=1e-6)


def test_in_a_pca_space_a_distance_outside_it_does_not_count():
    draw = np.random.default_rng(0)
    rows = np.zeros((30, 3), "float32")
    rows[:, :2] = draw.normal(size=(30, 2))
    detector = fitted(rows, n_components=2)
    shifted = rows + np.array([0, 0, 5], "float32")
    np.testing.assert_allclose(detector.predict(shifted), 0.0, atol=1e-5)
    assert "reconstruction" not in detector.explain(shifted)


def test_a_coreset_has_a_row_of_each_cluster():
    draw = np.random.default_rng(0)
    centres = 10.0 * np.eye(5)
    rows = np.repeat(centres, 40, axis=0) + draw.normal(0, 0.1, (200, 5))
    detector = fitted(rows.astype("float32"), coreset=5 / 200)
    assert detector.bank.rows.shape == (5, 5)
    assert detector.predict(rows).max() < 0.5  # each row has a kept one in its own cluster


def test_it_is_saved_with_its_rows_and_refuses_another_number(tmp_path, tiny_images):
    detector = fitted(tiny_images[:9])
    detector.save(tmp_path / "neighbors.keras")
    loaded = keras.models.load_model(tmp_path / "neighbors.keras")
    np.testing.assert_array_equal(loaded.predict(tiny_images), detector.predict(tiny_images))
    with pytest.raises(ValueError, match=r"as many rows as in the first fit, 9\. Received: 12"):
        detector.fit(tiny_images[:12])


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"k": 0}, "Expected k >= 1. Received: k=0"),
        ({"n_components": 0}, "Expected n_components >= 1"),
        ({"coreset": 1.5}, "Expected 0 < coreset <= 1. Received: coreset=1.5"),
    ],
)
def test_bad_parameters_are_refused(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_detector("neighbors", (4,), **params)


def test_before_fit_nothing_is_predicted():
    with pytest.raises(ValueError, match=r"Expected Neighbors after fit\. Received: one that has seen no rows"):
        build_detector("neighbors", (4,)).predict(np.zeros((2, 4), "float32"))


def test_too_few_rows_for_k_are_refused():
    with pytest.raises(ValueError, match=r"at least k = 5 rows\. Received: 3"):
        fitted(np.zeros((3, 2), "float32"), k=5)


def test_of_more_rows_than_memory_holds_some_are_drawn(monkeypatch):
    monkeypatch.setattr(neighbors, "MOST_BYTES", 4 * 3 * 10)  # ten rows of three numbers
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    detector = fitted(rows)
    assert detector.bank.rows.shape == (10, 3)
    assert (detector.predict(rows) == 0.0).sum() == 10

"""A detector that scores by its map: the score, training, files, and the mask that follows the alarm."""

import keras
import numpy as np
import pytest

from keras_anogan import PCA, ConformalThreshold, FittedDetector, Gaussian, MapDetector, build_detector
from keras_anogan.nn import scores


@pytest.fixture(scope="module")
def mapped(tiny_images):
    pca = PCA((8, 8, 1), n_components=4)
    pca.compile()
    pca.fit(tiny_images)
    detector = MapDetector(pca, share=0.05, sigma=0.5)
    detector.compile()
    return detector


def test_the_score_is_the_mean_of_the_largest_pixels_of_the_blurred_map(mapped, tiny_images):
    found = mapped.explain(tiny_images)
    own = mapped.detector.explain(tiny_images)
    blurred = np.asarray(scores.blurred(own["anomaly_map"], 0.5))
    np.testing.assert_allclose(found["anomaly_map"], blurred, rtol=1e-6)
    largest = np.sort(blurred.reshape(32, -1), axis=1)[:, -4:]  # 5 % of 64 pixels, rounded up
    np.testing.assert_allclose(found["score"], largest.mean(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found["own_score"], own["score"])
    np.testing.assert_allclose(mapped.predict(tiny_images), found["score"], rtol=1e-6)


def test_a_defect_of_one_pixel_stands_out(mapped, tiny_images):
    defective = tiny_images.copy()
    defective[:, 3, 3] += 0.8
    assert mapped.predict(defective).min() > mapped.predict(tiny_images).max()


def test_fit_trains_the_detector_inside(tiny_images):
    inner = build_detector("autoencoder", (8, 8, 1), filters=2)
    detector = MapDetector(inner, "max")
    detector.compile()
    before = [weight.copy() for weight in inner.encoder.get_weights()]
    detector.fit(tiny_images, batch_size=16, epochs=1, verbose=0)
    assert any((a != b).any() for a, b in zip(before, inner.encoder.get_weights(), strict=True))
    detector.forget_training()
    assert not inner.optimizers
    assert detector.predict(tiny_images).shape == (32,)


def test_a_mask_marks_something_exactly_where_there_is_an_alarm(mapped, tiny_images, tmp_path):
    fitted = FittedDetector(None, mapped, ConformalThreshold(0.1).adapt(mapped.predict(tiny_images[:20])))
    x = np.concatenate([tiny_images, tiny_images + np.eye(8, dtype="float32")[None, ..., None]])
    found = fitted.detect(x)
    assert 0 < found["is_anomaly"].sum() < len(x)
    np.testing.assert_array_equal(found["anomaly_mask"].any(axis=(1, 2)), found["is_anomaly"])
    assert fitted.pixel_threshold == fitted.threshold.threshold
    fitted.save(tmp_path / "mapped.keras")
    loaded = keras.models.load_model(tmp_path / "mapped.keras").detect(x)
    np.testing.assert_array_equal(loaded["anomaly_mask"], found["anomaly_mask"])
    np.testing.assert_allclose(loaded["score"], found["score"], rtol=1e-6)


def test_another_rate_comes_from_the_same_calibration_scores(mapped, tiny_images):
    scored = mapped.predict(tiny_images)
    fitted = FittedDetector(None, mapped, ConformalThreshold(0.1).adapt(scored))
    other = fitted.at(0.5)
    assert other.threshold.threshold == ConformalThreshold(0.5).adapt(scored).threshold
    assert other.detect(tiny_images)["is_anomaly"].sum() > fitted.detect(tiny_images)["is_anomaly"].sum()
    with pytest.raises(ValueError, match="at least 99 calibration scores"):
        fitted.at(0.01)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MapDetector(Gaussian((8, 8, 1))), "Expected a detector with an anomaly map. Received: Gaussian"),
        (lambda: MapDetector(PCA((6,))), "Expected a detector of images"),
        (lambda: MapDetector(PCA((8, 8, 1)), "median"), "Expected the reduction to be one of"),
        (lambda: MapDetector(PCA((8, 8, 1)), share=0.0), "Expected 0 < share <= 1. Received: share=0.0"),
        (lambda: MapDetector(PCA((8, 8, 1)), sigma=-1.0), "Expected a finite sigma >= 0"),
    ],
)
def test_what_has_no_map_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()

"""Photographs of any shape on a canvas: the layer that puts them there, and the detector that leaves the rest out."""

import keras
import numpy as np
import pytest

from keras_anogan import PCA, ConformalThreshold, FittedDetector, MapDetector, PaddedDetector, image_preprocessing
from keras_anogan.nn.scaling import PADDING, content_size
from keras_anogan.testing import check_detector

SHAPES = ((24, 24), (12, 36), (36, 12), (25, 40), (3, 90), (8, 8))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_photograph_keeps_its_shape_in_the_middle(shape):
    raw = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype="uint8")
    found = np.asarray(image_preprocessing(16, 24, pad=True)(raw))
    height, width = content_size(*shape, (16, 24))
    assert found.shape == (2, 16, 24, 3)
    assert height == 16 or width == 24
    assert abs(height / width / (shape[0] / shape[1]) - 1) < 0.5 / min(height, width)
    top, left = (16 - height) // 2, (24 - width) // 2
    inside = np.zeros((16, 24), bool)
    inside[top : top + height, left : left + width] = True
    np.testing.assert_array_equal((found > PADDING).all(axis=(0, 3)), inside)
    np.testing.assert_allclose(found[:, ~inside], PADDING)
    squeezed = np.asarray(image_preprocessing(height, width)(raw))
    np.testing.assert_allclose(found[:, top : top + height, left : left + width], squeezed, atol=1e-6)


def padded_images(rows, draw, contents=((8, 4), (4, 8), (8, 8))):
    """Smooth images (n, 8, 8, 1) of three shapes, -3 beside them."""
    images = np.full((rows, 8, 8, 1), PADDING, "float32")
    for i in range(rows):
        height, width = contents[i % len(contents)]
        y, x = np.mgrid[:height, :width] / 7.0
        top, left = (8 - height) // 2, (8 - width) // 2
        image = 0.8 * np.cos(3 * y + 2 * x + draw.uniform(0, 3)) + draw.normal(0, 0.02, (height, width))
        images[i, top : top + height, left : left + width, 0] = image
    return images


def make_padded():
    detector = MapDetector(PaddedDetector(PCA((8, 8, 1), n_components=4)), share=0.05, sigma=0.5)
    detector.compile()
    return detector


def test_the_contract_holds():
    check_detector(make_padded, padded_images(32, np.random.default_rng(0)))


def test_neither_map_nor_score_has_anything_of_the_padding():
    class Everywhere(PCA):  # a detector that errs most beside the photograph
        def explain(self, x):
            explained = super().explain(x)
            return {
                **explained,
                "anomaly_map": keras.ops.abs(x[..., 0]) + 9.0 * keras.ops.cast(x[..., 0] == 0, "float32"),
            }

    images = padded_images(12, np.random.default_rng(1))
    inner = Everywhere((8, 8, 1), n_components=2)
    inner.compile()
    inner.fit(images)
    padded, inside = PaddedDetector(inner), images[..., 0] > PADDING
    np.testing.assert_array_equal(np.asarray(padded.explain(images)["anomaly_map"])[~inside], 0.0)
    means = [np.abs(image[where, 0]).mean() for image, where in zip(images, inside, strict=True)]
    np.testing.assert_allclose(MapDetector(padded, "mean", sigma=0.0).explain(images)["score"], means, rtol=1e-5)
    found = MapDetector(padded, "max", sigma=0.0).explain(images)
    np.testing.assert_array_equal(found["inside"], inside)
    np.testing.assert_array_equal(np.asarray(found["anomaly_map"])[~inside], 0.0)
    np.testing.assert_allclose(found["score"], np.where(inside, np.abs(images[..., 0]), 0.0).max(axis=(1, 2)))


def test_it_is_saved_and_served_with_its_preprocessing(tmp_path):
    draw = np.random.default_rng(0)
    preprocessing, detector = image_preprocessing(8, 8, pad=True), make_padded()
    raw = [draw.integers(60, 200, (1, *shape, 1), dtype="uint8") for shape in 8 * SHAPES[:4]]
    x = np.concatenate([np.asarray(preprocessing(one)) for one in raw])
    detector.fit(x)
    fitted = FittedDetector(preprocessing, detector, ConformalThreshold(0.2).adapt(detector.predict(x[:16])))
    fitted.export(tmp_path / "served")
    fitted.save(tmp_path / "padded.keras")
    loaded = keras.models.load_model(tmp_path / "padded.keras")
    for one, row in zip(raw[:4], x[:4], strict=True):
        assert loaded.detect(one)["score"][0] == pytest.approx(float(detector.predict(row[None])[0]), rel=1e-5)


def test_rows_that_are_read_as_they_are_needed_train_it_as_an_array_does():
    images = padded_images(16, np.random.default_rng(2))

    class Rows:
        def __len__(self):
            return len(images)

        def __getitem__(self, indices):
            return np.stack([images[i] for i in indices])  # not one by its number, as files are read

    one, other = make_padded(), make_padded()
    one.fit(images)
    other.fit(Rows())
    np.testing.assert_array_equal(one.predict(images), other.predict(images))


def test_other_detectors_are_refused():
    with pytest.raises(ValueError, match="images"):
        PaddedDetector(PCA((6,), n_components=2))

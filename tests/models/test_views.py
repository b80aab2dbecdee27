"""Mirrored views of an image, and their mean."""

import keras
import numpy as np
import pytest

from keras_anogan import PCA, FeatureDetector, Features, MapDetector, PatchDetector, ViewsDetector, build_detector
from keras_anogan.testing import check_detector


def solved(images):
    pca = PCA((8, 8, 1), n_components=4)
    pca.compile()
    pca.fit(images)
    return pca


@pytest.mark.parametrize(("mirror", "axes"), [("horizontal", [2]), ("vertical", [1]), ("both", [1, 2, (1, 2)])])
def test_score_and_map_are_means_over_the_views(mirror, axes, tiny_images):
    pca = solved(tiny_images)
    found = ViewsDetector(pca, mirror).explain(tiny_images)
    views = [pca.explain(tiny_images)] + [pca.explain(np.flip(tiny_images, axis)) for axis in axes]
    np.testing.assert_allclose(found["score"], np.mean([view["score"] for view in views], axis=0), rtol=1e-5)
    for key in ("anomaly_map", "reconstruction"):
        turned = [np.flip(view[key], axis) for view, axis in zip(views[1:], axes, strict=True)]
        np.testing.assert_allclose(found[key], np.mean([views[0][key], *turned], axis=0), atol=1e-6)


def make_views():
    detector = ViewsDetector(build_detector("autoencoder", (8, 8, 1), filters=2), "horizontal")
    detector.compile(jit_compile=False)
    return detector


def test_the_contract_holds(tiny_images):
    check_detector(make_views, tiny_images)


def test_a_defect_counts_as_many_pixels_as_in_its_tile(tiny_images):
    tiled = PatchDetector(solved(tiny_images), (32, 32), 8)
    assert MapDetector(ViewsDetector(tiled)).share == MapDetector(tiled).share


def test_what_has_no_views_is_refused(tiny_images):
    with pytest.raises(ValueError, match="images"):
        ViewsDetector(PCA((6,), n_components=2))
    with pytest.raises(ValueError, match="sideways"):
        ViewsDetector(solved(tiny_images), "sideways")


def test_features_are_standardised_before_any_training(tiny_images):
    x = keras.Input((8, 8, 3))
    features = Features(keras.Model(x, keras.layers.AveragePooling2D(2)(x)), channels=1)
    detector = ViewsDetector(
        FeatureDetector(features, build_detector("vae", features.shape, latent_dim=2)), "horizontal"
    )
    detector.compile(jit_compile=False)
    detector.fit(tiny_images, batch_size=16, epochs=1, validation_data=tiny_images[:4], verbose=0)
    both = np.concatenate([tiny_images, tiny_images[:, :, ::-1]])
    np.testing.assert_allclose(detector.detector.mean, np.asarray(features(both)).mean(axis=0), atol=1e-5)

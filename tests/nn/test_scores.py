"""Anomaly maps as numbers, by hand."""

import numpy as np
import pytest

from keras_anogan.nn import scores


def test_a_map_becomes_a_number_by_mean_max_or_its_largest_pixels():
    anomaly_map = np.arange(200, dtype="float32").reshape(1, 10, 20)
    assert float(scores.reduced_map(anomaly_map, "mean")[0]) == 99.5
    assert float(scores.reduced_map(anomaly_map, "max")[0]) == 199.0
    assert float(scores.reduced_map(anomaly_map, "top", share=0.01)[0]) == 198.5  # of two pixels
    assert float(scores.reduced_map(anomaly_map, "top", share=1e-6)[0]) == 199.0  # of one at least
    with pytest.raises(ValueError, match="Expected the reduction to be one of"):
        scores.reduced_map(anomaly_map, "median")


def test_a_blur_keeps_a_level_and_spreads_a_point_as_a_gaussian_does():
    level = np.full((2, 9, 7), 0.3, "float32")
    np.testing.assert_allclose(scores.blurred(level, 1.5), level, atol=1e-6)
    point = np.zeros((1, 21, 21), "float32")
    point[0, 10, 10] = 1.0
    found = np.asarray(scores.blurred(point, 1.0))[0]
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    assert found[10, 11] / found[10, 10] == pytest.approx(np.exp(-0.5), abs=1e-5)
    assert found[11, 11] / found[10, 10] == pytest.approx(np.exp(-1.0), abs=1e-5)
    np.testing.assert_array_equal(scores.blurred(point, 0.0), point)


def test_pixels_outside_a_photograph_count_in_no_reduction_and_run_into_none():
    draw = np.random.default_rng(0)
    maps = draw.uniform(size=(3, 10, 20)).astype("float32")
    inside = np.zeros(maps.shape, bool)
    inside[0, 2:8], inside[1, :, 5:9], inside[2, 4, 4] = True, True, True
    for reduction in scores.MAP_REDUCTIONS:
        found = np.asarray(scores.reduced_map(np.where(inside, maps, 99.0), reduction, 0.04, inside))
        for i, (one, where) in enumerate(zip(maps, inside, strict=True)):
            alone = one[where].reshape(1, 1, -1)
            np.testing.assert_allclose(found[i], scores.reduced_map(alone, reduction, 0.04)[0], rtol=1e-6)
    level = np.where(inside, np.float32(2.5), np.float32(99.0))
    np.testing.assert_allclose(scores.blurred(level, 1.5, inside), np.where(inside, 2.5, 0.0), rtol=1e-5)

"""Training images that are changed at random: what may change, and that the seed decides it."""

import numpy as np
import pytest

from keras_anogan.datasets.augmented import Augmented

IMAGES = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 8, 8, 1)).astype("float32")
ALL = np.arange(6)


def test_mirrored_images_are_the_images_or_their_mirror_images():
    found = Augmented(IMAGES, mirror="horizontal")[np.tile(ALL, 5)]
    mirrored = 0
    for row, image in zip(found, np.tile(IMAGES, (5, 1, 1, 1)), strict=True):
        is_mirrored = np.array_equal(row, image[:, ::-1])
        assert is_mirrored or np.array_equal(row, image)
        mirrored += is_mirrored
    assert 5 < mirrored < 25


def test_both_mirrors_along_each_axis_by_itself():
    found = Augmented(IMAGES[:1], mirror="both")[np.zeros(400, "int64")]
    states = [IMAGES[0], IMAGES[0][::-1], IMAGES[0][:, ::-1], IMAGES[0][::-1, ::-1]]
    counts = [sum(np.array_equal(row, state) for row in found) for state in states]
    assert sum(counts) == 400
    assert min(counts) > 60  # a hundred each are expected


def test_brightness_adds_one_number_to_all_pixels_of_an_image():
    found = Augmented(IMAGES, brightness=0.1)[ALL]
    added = (found - IMAGES).reshape(6, -1)
    np.testing.assert_allclose(added, np.repeat(added[:, :1], 64, axis=1), atol=1e-5)
    assert 0.0 < np.abs(added).max() <= 0.2 + 1e-5  # a tenth of a range of 2
    assert len(set(np.round(added[:, 0], 5))) > 1


def test_rotated_images_keep_a_disc_and_turn_the_rest():
    side = np.arange(32) - 15.5
    radius = np.hypot(*np.meshgrid(side, side))
    disc = np.where(radius < 10, 0.8, -0.8).astype("float32")[None, ..., None]
    found = Augmented(disc, rotate=180)[np.zeros(4, "int64")]
    assert np.abs(found - disc).mean() < 0.05
    half = np.where(side < 0, 0.8, -0.8).astype("float32") * np.ones((32, 1), "float32")
    turned = Augmented(half[None, ..., None], rotate=180)[np.zeros(4, "int64")]
    assert np.abs(turned - half[..., None]).mean(axis=(1, 2, 3)).max() > 0.3


def test_seed_and_batch_alone_decide_what_is_drawn():
    changes = {"mirror": "both", "rotate": 20, "brightness": 0.2}
    first = Augmented(IMAGES, **changes)[ALL]
    np.testing.assert_array_equal(Augmented(IMAGES, **changes)[ALL], first)
    assert not np.array_equal(Augmented(IMAGES, **changes, seed=1)[ALL], first)
    other = Augmented(IMAGES, **changes)[ALL[::-1]][::-1]  # another batch of the same images
    assert not np.array_equal(other, first)
    assert np.abs(first).max() <= 1.0


def test_copies_count_each_image_several_times():
    rows = Augmented(IMAGES, mirror="both", copies=3)
    assert len(rows) == 18
    assert rows[np.arange(18)].shape == (18, 8, 8, 1)
    np.testing.assert_array_equal(Augmented(IMAGES, copies=2)[np.array([7])], IMAGES[1:2])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"mirror": "diagonal"}, "--mirror horizontal, vertical or both. Received: 'diagonal'"),
        ({"rotate": 181}, "--rotate from 0 to 180 degrees. Received: 181"),
        ({"brightness": -0.1}, "--brightness from 0 to 1"),
        ({"copies": 0}, "copies >= 1"),
    ],
)
def test_changes_that_cannot_be_made_get_a_sentence(given, match):
    with pytest.raises(ValueError, match=match):
        Augmented(IMAGES, **given)

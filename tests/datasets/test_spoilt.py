"""Spoilt copies: what is changed, how much of it, and that nothing else is."""

import numpy as np
import pytest

from keras_anogan.datasets.spoilt import spoilt_images, spoilt_rows, spoilt_windows


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(-0.9, 0.9, (20, 13, 16, 3)).astype("float32")


def test_a_patch_is_a_square_of_another_image(images):
    copies = spoilt_images(images)["patch"]
    for i, (image, copy) in enumerate(zip(images, copies, strict=True)):
        changed = np.argwhere((image != copy).any(axis=-1))
        assert len(changed) == 9  # a quarter of 13, squared
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        patch = copy[top : bottom + 1, left : right + 1]
        assert patch.shape == (3, 3, 3)
        others = np.delete(images, i, axis=0)
        windows = np.lib.stride_tricks.sliding_window_view(others, (3, 3), axis=(1, 2))
        assert (windows == np.moveaxis(patch, -1, 0)).all(axis=(-1, -2, -3)).any()


def test_halves_are_of_two_images(images):
    copies = spoilt_images(images)["halves"]
    np.testing.assert_array_equal(copies[:, :, :8], images[:, :, :8])
    for i, copy in enumerate(copies):
        assert [j for j, other in enumerate(images) if (other[:, 8:] == copy[:, 8:]).all()] not in ([], [i])


def test_a_scratch_is_a_short_line_of_one_grey(images):
    shifted = np.concatenate([images[:10] * 0.1 + 0.8, images[10:] * 0.1 - 0.8])
    copies = spoilt_images(shifted)["scratch"]
    changed = (copies != shifted).any(axis=-1)
    assert (changed.sum(axis=(1, 2)) >= 3).all()
    assert (changed.sum(axis=(1, 2)) <= 20).all()
    assert (copies[:10][changed[:10]] == -1.0).all()
    assert (copies[10:][changed[10:]] == 1.0).all()


def test_a_blur_keeps_the_mean_of_every_square(images):
    copies = spoilt_images(np.concatenate([images] * 2, axis=2).repeat(2, axis=1))["blur"]  # 26 x 32, squares of 3
    assert np.ptp(copies[:, :3, 3:6], axis=(1, 2)).max() == 0.0
    assert np.ptp(copies[:, 24:, 30:], axis=(1, 2)).max() == 0.0  # the last ones are narrower
    np.testing.assert_allclose(copies.mean(axis=(1, 2)), np.tile(images, 2).mean(axis=(1, 2))[:, :3], atol=1e-5)


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(1)
    category = np.eye(3, dtype="float32")[draw.integers(0, 3, 50)]
    return np.concatenate([draw.normal(size=(50, 2)).astype("float32"), category], axis=1)


COLUMNS = [np.array([0]), np.array([1]), np.array([2, 3, 4])]


def test_cells_move_whole_and_columns_stay_in_their_place(rows):
    found = spoilt_rows(rows, COLUMNS)
    for i, copy in enumerate(found["mixed"]):
        own = [(copy[columns] == rows[i, columns]).all() for columns in COLUMNS]
        assert sum(own) >= 2  # one of three is another row's; it may be equal
        for columns in COLUMNS:
            assert (rows[:, columns] == copy[columns]).all(axis=1).any()
    changed = (found["one cell"] != rows)[:, :2].sum(axis=1) + (found["one cell"] != rows)[:, 2:].any(axis=1)
    assert changed.max() == 1
    assert changed.mean() > 0.5


def test_far_moves_one_number_by_four_widths(rows):
    moved = spoilt_rows(rows, COLUMNS)["far"] - rows
    assert ((moved != 0).sum(axis=1) == 1).all()
    assert (moved[:, 2:] == 0).all()  # a category is no number
    widths = np.abs(moved).sum(axis=1)
    expected = 4.0 * rows.std(axis=0)[np.argmax(moved != 0, axis=1)]
    np.testing.assert_allclose(widths, expected, rtol=1e-5)


def test_windows_are_spoilt_at_their_end(images):
    windows = np.stack([images[i : i + 4] for i in range(10)])
    found = spoilt_windows(windows)
    np.testing.assert_array_equal(found["patch"][:, :-1], windows[:, :-1])
    assert ((found["patch"][:, -1] != windows[:, -1]).any(axis=-1).sum(axis=(1, 2)) <= 9).all()
    np.testing.assert_array_equal(found["jump"][:, :-1], windows[:, :-1])
    assert not (found["jump"][:, -1] == windows[:, -1]).all(axis=(1, 2, 3)).any()
    np.testing.assert_array_equal(found["backwards"][:, 0], windows[:, -1])


def test_a_seed_makes_them_and_originals_stay(images):
    before = images.copy()
    first, again, other = spoilt_images(images), spoilt_images(images), spoilt_images(images, seed=1)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first["patch"], again["patch"])
    assert (first["patch"] != other["patch"]).any()

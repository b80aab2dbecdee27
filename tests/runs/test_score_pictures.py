"""Pictures beside scores: what they are called, and what is written into them."""

import numpy as np
import pytest
from PIL import Image

from keras_anogan.runs.alarms import DARK, _mark
from keras_anogan.runs.score_pictures import picture_names


def test_pictures_are_called_like_their_images_where_that_is_unambiguous():
    ids = ["a/n00.png", "a/n01.JPG", "b/n00.png", "twice.png", "twice.jpg", "test-00001"]
    named = ["a/n00.png", "a/n01.png", "b/n00.png", "twice.png.png", "twice.jpg.png", "test-00001.png"]
    assert picture_names(ids) == named


@pytest.mark.parametrize("width", [40, 64, 96, 240])
def test_time_and_score_are_whole_in_a_picture_of_any_width(width):
    image = Image.new("RGB", (width, 64), (90, 90, 90))
    _mark(image, "0:00:01.2  0.0008234", np.nan, 0.5, False)
    box = (np.asarray(image) != 90).all(axis=-1)
    columns = np.flatnonzero(box.any(axis=0))
    assert columns[0] > 0
    assert columns[-1] < width - 1  # the words' ground ends within the picture
    assert (np.asarray(image)[box] == DARK).all(axis=-1).any()

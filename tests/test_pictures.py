"""Pixels: one scaling of bytes, and files that are whole or absent."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import pictures, streams
from keras_anogan.files import replacing, write_json
from keras_anogan.nn.scaling import BYTE_OFFSET, BYTE_SCALE, to_float
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.video import VideoWindows


def test_bytes_are_scaled_to_the_same_bits_before_a_model_in_it_and_in_a_stream():
    pixels = np.arange(3 * 256, dtype="uint8").reshape(3, 16, 16, 1)
    scaled = to_float(pixels)
    layer = keras.layers.Rescaling(BYTE_SCALE, offset=BYTE_OFFSET, dtype="float32")
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (-1.0, 1.0)
    for other in (
        layer(pixels),
        tf.function(layer)(tf.constant(pixels)),
        image_preprocessing(16, 16)(pixels),
        streams.scaled_bytes(pixels, 3),
        VideoWindows(pixels, 3, sampling="sliding")[0][0],
    ):
        np.testing.assert_array_equal(np.asarray(other), scaled)
    for sample in (pixels[0, ..., 0], pixels[0].astype("int64")):  # no image, or no bytes
        assert streams.scaled_bytes(sample, sample.ndim) is sample
    assert np.array_equal(pictures.to_pixels(scaled[0]), pixels[0, ..., 0])  # and back


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError), replacing(path) as partial:
        partial.write_bytes("half")
    assert [file.name for file in tmp_path.iterdir()] == ["facts.json"]
    assert path.read_text() == '{\n  "a": 1\n}\n'

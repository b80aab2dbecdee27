"""Settings of every test: TensorFlow's oneDNN kernels on and its chatter off, before it is imported."""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has one core
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)  # two devices for MirroredStrategy


@pytest.fixture(autouse=True)
def _float32_policy():
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def tiny_images():
    """32 smooth grey images of 8 x 8 pixels in [-1, 1], with a little noise."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[0:8, 0:8] / 7.0
    phase = draw.uniform(0, np.pi, (32, 1, 1))
    images = 0.9 * np.cos(3 * rows[None] + 2 * columns[None] + phase) + draw.normal(0, 0.03, (32, 8, 8))
    return images.astype("float32")[..., None]


@pytest.fixture(scope="session")
def mirrored():
    """One strategy over two devices for all tests: TensorFlow takes the collectives of a second one for the first's."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

"""Settings of every test: TensorFlow's oneDNN kernels on and its chatter off, before it is imported.

The process that hands the tests out to workers runs none: it never imports TensorFlow, which takes seconds while the
workers wait for it.
"""

import gc
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has one core
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest

LONGEST_FIRST = (
    "tests/test_notebooks.py",
    "tests/cli/test_cli.py",
    "tests/models/test_contract.py",
    "tests/runs/test_video_runs.py",
    "tests/runs/test_learning.py",
    "tests/callbacks/test_callbacks.py",
    "tests/training/test_mechanism.py",
)


def pytest_configure(config):
    """Two devices for MirroredStrategy, in a process that runs tests."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def pytest_collection_modifyitems(items):
    """Files that take minutes begin first: a worker that gets one last would leave the other one idle."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.split("::")[0], len(rank)))


def pytest_collection_finish():
    """Spare the garbage collector the million objects of the imports: tracing makes it look through them often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _float32_policy():
    import keras

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
    """The strategy over both devices of a process that runs tests."""
    from keras_anogan.training.replicas import strategy_of

    return strategy_of("all")

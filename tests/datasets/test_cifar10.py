"""CIFAR-10: read from the data folder, downloaded by Keras, and GANomaly's split of it."""

import keras
import numpy as np
import pytest

from keras_anogan.datasets import data_dir, ganomaly_exercise, load_cifar10, one_anomalous


def arrays(n=60):
    draw = np.random.default_rng(0)
    classes = np.arange(n) % 10
    return draw.integers(0, 256, (n, 32, 32, 3)).astype("uint8"), classes[:, None].astype("uint8")


def write(path):
    (x_train, y_train), (x_test, y_test) = arrays(60), arrays(20)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def test_it_is_read_from_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    write(tmp_path / "cifar10.npz")
    (x_train, y_train), (x_test, y_test) = load_cifar10()
    assert (x_train.shape, x_train.dtype) == ((60, 32, 32, 3), np.uint8)
    assert (y_test.shape, y_test.dtype) == ((20,), np.int64)
    assert len(x_test) == 20
    assert list(y_train[:11]) == [*range(10), 0]


def test_keras_downloads_it_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: asked.append(1) or (arrays(60), arrays(20)))
    assert load_cifar10()[0][0].shape == (60, 32, 32, 3)
    assert load_cifar10()[1][0].shape == (20, 32, 32, 3)
    assert asked == [1]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cifar10.npz"]


def test_what_can_not_be_downloaded_is_said(tmp_path, monkeypatch):
    def fails():
        raise OSError("no route to host")

    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", fails)
    with pytest.raises(FileNotFoundError, match=r"cifar10\.npz .* KERAS_ANOGAN_DATA .* no route to host"):
        load_cifar10()


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_a_file_that_is_not_cifar10_is_named(content, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    if content is None:
        (x, y), few = arrays(10), np.zeros((10, 28, 28))
        np.savez(tmp_path / "cifar10.npz", x_train=few, y_train=y, x_test=x, y_test=y)
    else:
        (tmp_path / "cifar10.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"cifar10\.npz"):
        load_cifar10()


def test_ganomaly_tests_every_image_of_the_class():
    train, test = ((images, classes[:, 0].astype("int64")) for images, classes in (arrays(60), arrays(20)))
    strict = one_anomalous(train, test, 1, stop=0.0, calibrate=0.0)
    split = ganomaly_exercise(train, test, 1, stop=0.0, calibrate=0.0)
    assert np.array_equal(split.train, strict.train)
    assert (len(split.train), len(split.test), int(split.labels.sum())) == (54, 26, 8)
    assert np.array_equal(split.test[20:], train[0][train[1] == 1])
    assert list(split.labels[20:]) == [1] * 6


@pytest.mark.skipif(not (data_dir() / "cifar10.npz").exists(), reason="CIFAR-10 is not in the data folder")
def test_the_exercise_on_cifar10_has_the_published_sizes():
    split = ganomaly_exercise(*load_cifar10(), 1, stop=0.0, calibrate=0.0)
    assert (len(split.train), int((split.labels == 0).sum()), int(split.labels.sum())) == (45_000, 9_000, 6_000)

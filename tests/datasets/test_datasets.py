"""Data sets and protocols, on real files where they are and on stand-ins where a download would be."""

import hashlib
import pathlib
import tarfile

import numpy as np
import pytest
from PIL import Image

from keras_anogan.datasets import (
    data_dir,
    fanogan_exercise,
    hold_out,
    load_digits,
    load_mnist,
    load_ped2,
    mnist,
    one_anomalous,
    one_class,
    three_ways,
)

# Named sets.


def test_digits_are_bytes():
    images, digits = load_digits()
    assert (images.shape, images.dtype, digits.shape) == ((1797, 8, 8, 1), np.uint8, (1797,))
    assert (images.min(), images.max(), sorted(set(digits))) == (0, 255, list(range(10)))


def small_mnist(path):
    draw = np.random.default_rng(0)
    arrays = {
        "x_train": draw.integers(0, 256, (60, 28, 28), "uint8"),
        "x_test": draw.integers(0, 256, (20, 28, 28), "uint8"),
    }
    np.savez(path, **arrays, y_train=np.arange(60) % 10, y_test=np.arange(20) % 10)


def test_mnist_is_read_from_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    small_mnist(tmp_path / "mnist.npz")
    (x_train, y_train), (x_test, y_test) = load_mnist()
    assert (x_train.shape, x_train.dtype, y_train.dtype) == ((60, 28, 28, 1), np.uint8, np.int64)
    assert (x_test.shape, y_test.shape) == ((20, 28, 28, 1), (20,))


def test_data_folder_is_the_variable_or_data(monkeypatch):
    monkeypatch.delenv("KERAS_ANOGAN_DATA", raising=False)
    assert data_dir() == pathlib.Path("data")
    monkeypatch.setenv("KERAS_ANOGAN_DATA", "elsewhere")
    assert data_dir() == pathlib.Path("elsewhere")


def test_mnist_is_downloaded_into_the_data_folder_and_compared_with_its_checksum(tmp_path, monkeypatch):
    served = tmp_path / "served.npz"
    small_mnist(served)
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(mnist, "ORIGIN", served.as_uri())
    with pytest.raises(FileNotFoundError, match=r"mnist\.npz .* KERAS_ANOGAN_DATA"):
        load_mnist()  # the real checksum does not fit the stand-in
    assert not (tmp_path / "data" / "mnist.npz").exists()
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(served.read_bytes()).hexdigest())
    assert load_mnist()[0][0].shape == (60, 28, 28, 1)
    assert (tmp_path / "data" / "mnist.npz").exists()


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_a_file_that_is_not_mnist_is_named(content, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    if content:
        (tmp_path / "mnist.npz").write_bytes(content)
    else:
        np.savez(tmp_path / "mnist.npz", x_train=np.zeros(3))
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        load_mnist()


# Protocols.


def classes_as_images(n, classes):
    """Rows that say which they are: image value = row number."""
    labels = np.arange(n) % classes
    return np.arange(n).reshape(n, 1, 1, 1), labels


def assert_disjoint_and_normal(split, normal, train_labels):
    parts = [np.asarray(part).ravel() for part in (split.train, split.stop, split.calibrate)]
    together = np.concatenate(parts)
    assert len(set(together)) == len(together)
    assert set(train_labels[together]) <= set(normal)
    return together


def test_one_class_trains_on_one_and_tests_on_all():
    train, test = classes_as_images(1000, 10), classes_as_images(100, 10)
    split = one_class(train, test, 3, stop=0.1, calibrate=0.2, seed=1)
    assert [len(part) for part in (split.train, split.stop, split.calibrate, split.test)] == [70, 10, 20, 100]
    assert len(assert_disjoint_and_normal(split, {3}, train[1])) == 100
    assert np.array_equal(split.labels, test[1] != 3)
    again = one_class(train, test, 3, stop=0.1, calibrate=0.2, seed=1)
    assert np.array_equal(split.train, again.train)
    assert not np.array_equal(split.train, one_class(train, test, 3, stop=0.1, calibrate=0.2, seed=2).train)


def test_one_anomalous_is_the_other_way_round():
    train, test = classes_as_images(1000, 10), classes_as_images(100, 10)
    split = one_anomalous(train, test, 3)
    assert len(assert_disjoint_and_normal(split, set(range(10)) - {3}, train[1])) == 900
    assert np.array_equal(split.labels, test[1] == 3)


def test_the_exercise_takes_the_first_80_percent_and_tests_on_all_the_rest():
    train, test = classes_as_images(1000, 10), classes_as_images(100, 10)
    split = fanogan_exercise(train, test, 3)
    used = assert_disjoint_and_normal(split, {3}, train[1])
    assert sorted(used) == list(range(3, 800, 10))
    assert len(split.test) == 1100 - 80
    assert not set(used) & set(np.asarray(split.test[:920]).ravel())  # the rest of the training file
    assert (split.labels == 0).sum() == 20 + 10
    bare = fanogan_exercise(train, test, 3, stop=0.0, calibrate=0.0)
    assert [len(bare.train), len(bare.stop), len(bare.calibrate)] == [80, 0, 0]


@pytest.mark.skipif(not (data_dir() / "mnist.npz").exists(), reason="MNIST is not in the data folder")
def test_the_exercise_on_mnist_has_the_published_sizes():
    split = fanogan_exercise(*load_mnist(), digit=1)
    assert len(split.train) + len(split.stop) + len(split.calibrate) == 5393
    assert len(split.test) == 64_607
    assert int((split.labels == 0).sum()) == 1349 + 1135


def test_hold_out_gives_every_class_its_share():
    images, classes = classes_as_images(200, 4)
    train, test = hold_out(images, classes, share=0.3)
    assert (len(train[0]), len(test[0])) == (140, 60)
    assert set(np.bincount(test[1])) == {15}
    assert not set(train[0].ravel()) & set(test[0].ravel())


def test_bad_protocols_are_refused_with_the_value():
    train, test = classes_as_images(100, 10), classes_as_images(10, 10)
    for protocol in (one_class, one_anomalous, fanogan_exercise):
        with pytest.raises(ValueError, match="Received: 11"):
            protocol(train, test, 11)
    with pytest.raises(ValueError, match="Received: 1 "):
        three_ways(1, 0.1, 0.2, 0)
    with pytest.raises(ValueError, match=r"stop=-0\.1"):
        three_ways(10, -0.1, 0.2, 0)


# UCSD Ped2.


def write_ped2(root, original):
    """Two training clips and one test clip, in the data folder's layout or in the original archive's."""
    draw = np.random.default_rng(0)
    train, test, suffix, mask_suffix = ("Train", "Test", "tif", "bmp") if original else ("train", "test", "png", "png")

    def clip(folder, frames, suffix):
        folder.mkdir(parents=True)
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"{i + 1:03d}.{suffix}")

    for name in ("001", "002"):
        folder = root / train / (f"Train{name}" if original else name)
        clip(folder, draw.integers(0, 256, (3, 24, 36), dtype="uint8"), suffix)
    folder = root / test / ("Test001" if original else "001")
    clip(folder, draw.integers(0, 256, (4, 24, 36), dtype="uint8"), suffix)
    masks = np.zeros((4, 24, 36), "uint8")
    masks[1, 4:16, 6:24] = 255
    masks[3, 0, 0] = 255  # a single pixel, gone when the frame is made smaller
    clip(folder.with_name(folder.name + "_gt"), masks, mask_suffix)


@pytest.mark.parametrize("original", [False, True])
def test_ped2_is_read_in_both_layouts(original, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    place = "UCSD_Anomaly_Dataset.v1p2/UCSDped2" if original else "ucsd_ped2"
    write_ped2(tmp_path / place, original)
    ped2 = load_ped2(size=(12, 18))
    assert list(ped2.train) == ["001", "002"]
    assert list(ped2.test) == ["001"]
    assert ped2.train["001"].shape == (3, 12, 18, 1)
    assert ped2.train["001"].dtype == np.uint8
    assert ped2.labels["001"].tolist() == [0, 1, 0, 1]
    assert ped2.masks["001"].sum(axis=(1, 2)).tolist() == [0, 6 * 9, 0, 0]
    assert load_ped2(size=None).test["001"].shape == (4, 24, 36, 1)


def test_ped2_is_downloaded_and_unpacked(tmp_path, monkeypatch):
    write_ped2(tmp_path / "made" / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped2", original=True)
    (tmp_path / "made" / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped1").mkdir()
    archive = tmp_path / "server.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "UCSD_Anomaly_Dataset.v1p2", "UCSD_Anomaly_Dataset.v1p2")
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("keras_anogan.datasets.ped2.ORIGIN", archive.as_uri())
    assert len(load_ped2(size=(12, 18)).train) == 2
    assert not (tmp_path / "data" / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped1").exists()


def test_ped2_that_is_not_whole_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("keras_anogan.datasets.ped2.ORIGIN", (tmp_path / "nothing").as_uri())
    with pytest.raises(FileNotFoundError, match="KERAS_ANOGAN_DATA"):
        load_ped2()
    write_ped2(tmp_path / "data" / "ucsd_ped2", original=False)
    (tmp_path / "data" / "ucsd_ped2" / "test" / "001_gt" / "002.png").unlink()
    with pytest.raises(ValueError, match=r"Expected 4 masks .* Received: 3"):
        load_ped2()

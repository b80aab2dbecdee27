"""Data sets and protocols, on real files where they are and on stand-ins where a download would be."""

import hashlib
import pathlib
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from keras_anogan import image_preprocessing
from keras_anogan.datasets import (
    ImageRows,
    data_dir,
    fanogan_exercise,
    hold_out,
    load_digits,
    load_image,
    load_masks,
    load_mnist,
    load_ped2,
    mnist,
    one_anomalous,
    one_class,
    scan_image_folder,
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


# Image folders.


def write_images(folder, n, mode="L", size=(12, 10), seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for i in range(n):
        pixels = draw.integers(0, 256, (*size, 3) if mode == "RGB" else size, "uint8")
        Image.fromarray(pixels, mode).save(folder / f"{i:03d}.png")


@pytest.fixture
def mvtec(tmp_path):
    root = tmp_path / "bottle"
    write_images(root / "train" / "good", 5, "RGB")
    write_images(root / "test" / "good", 2, "RGB", seed=1)
    write_images(root / "test" / "broken", 3, "RGB", seed=2)
    write_images(root / "ground_truth" / "broken", 3, "L", seed=3)
    return root


def test_mvtec_layout(mvtec):
    folder = scan_image_folder(mvtec)
    assert (len(folder.train), len(folder.test), folder.channels) == (5, 5, 3)
    kinds = [path.parent.name for path in folder.test]
    assert [kind != "good" for kind in kinds] == folder.labels.astype(bool).tolist()
    assert not any("ground_truth" in path.parts for path in (*folder.train, *folder.test))


def test_masks_are_found_by_name_and_shrunk_by_area(mvtec):
    folder = scan_image_folder(mvtec)
    mask = np.zeros((12, 10), "uint8")
    mask[:6, :5] = 255
    mask[11, 9] = 9  # any value but black counts
    Image.fromarray(mask).save(mvtec / "ground_truth" / "broken" / "000.png")
    (mvtec / "ground_truth" / "broken" / "001.png").rename(mvtec / "ground_truth" / "broken" / "001_mask.png")
    again = scan_image_folder(mvtec)
    assert [mask is None for mask in again.masks] == [label == 0 for label in again.labels]
    assert again.fingerprint != folder.fingerprint
    (mask,) = load_masks([next(filter(None, again.masks))], (4, 2))
    want = np.zeros((4, 2), bool)
    want[:2, 0] = True  # the single pixel covers a fifteenth of the last one
    np.testing.assert_array_equal(mask, want)
    assert not load_masks([None], (4, 4)).any()
    Image.fromarray(np.zeros((10, 12), "uint8")).save(mvtec / "ground_truth" / "broken" / "001_mask.png")
    with pytest.raises(ValueError, match=r"a mask of 10 x 12 pixels for .*001.png. Received: .*12 x 10 pixels"):
        scan_image_folder(mvtec)
    next(filter(None, again.masks)).unlink()
    with pytest.raises(ValueError, match="ground_truth has to be complete"):
        scan_image_folder(mvtec)
    assert scan_image_folder(mvtec, need_train=False).masks is None  # scoring has no use for them
    Image.fromarray(np.zeros((8, 8), "uint8")).save(mvtec / "black.png")
    with pytest.raises(ValueError, match=r"black.png, which is all black"):
        load_masks([mvtec / "black.png"], (4, 4))


def test_a_defect_too_small_for_half_a_pixel_is_not_lost(tmp_path):
    mask = np.zeros((64, 64), "uint8")
    mask[40, 9] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    (shrunk,) = load_masks([tmp_path / "m.png"], (8, 8))
    assert np.argwhere(shrunk).tolist() == [[5, 1]]
    large = np.zeros((2048, 2048), "uint8")
    large[2047, 0] = 255
    Image.fromarray(large).save(tmp_path / "large.png")
    assert np.argwhere(load_masks([tmp_path / "large.png"], (32, 32))[0]).tolist() == [[31, 0]]


def test_a_flat_folder_is_all_normal_and_its_fingerprint_is_its_content(tmp_path):
    write_images(tmp_path / "a", 3)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    folder = scan_image_folder(tmp_path / "a")
    assert (len(folder.train), len(folder.test), folder.channels) == (3, 0, 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert scan_image_folder(tmp_path / "b").fingerprint == folder.fingerprint
    write_images(tmp_path / "b", 1, seed=9)
    assert scan_image_folder(tmp_path / "b").fingerprint != folder.fingerprint


def test_rows_are_decoded_preprocessed_and_remembered_within_bounds(tmp_path):
    write_images(tmp_path, 3, size=(12, 10))
    write_images(tmp_path / "larger", 1, size=(30, 40))
    folder = scan_image_folder(tmp_path)
    calls = []
    preprocess = image_preprocessing(8, 8)
    rows = ImageRows(folder.train, lambda raw: calls.append(raw.shape) or preprocess(raw), cache_bytes=2 * 8 * 8 * 4)
    batch = rows[np.array([0, 3, 0])]
    assert (batch.shape, batch.dtype) == ((3, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(batch[0], np.asarray(preprocess(load_image(folder.train[0])[None]))[0])
    np.testing.assert_array_equal(batch[0], batch[2])
    assert {shape[1:3] for shape in calls} == {(12, 10), (30, 40)}
    rows[np.array([0, 1, 2, 3])]
    rows[np.array([2])]
    assert len(rows._cache) == 2
    assert len(rows.take([1, 2])) == 2


@pytest.mark.parametrize(
    ("mode", "value", "channels", "pixel"),
    [
        ("1", 1, 1, 255),
        ("L", 7, 1, 7),
        ("P", 3, 3, None),
        ("RGBA", (1, 2, 3, 4), 3, 1),
        ("I;16", 512, 1, 2),
        ("CMYK", (0, 0, 0, 0), 3, 255),
    ],
)
def test_every_kind_of_image_becomes_grey_or_rgb_bytes(mode, value, channels, pixel, tmp_path):
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (4, 3), value).save(path)
    image = load_image(path)
    assert (image.shape, image.dtype) == ((3, 4, channels), np.uint8)
    assert pixel is None or image[0, 0, 0] == pixel


def test_broken_files_are_named_and_skipped_only_on_request(mvtec):
    good = mvtec / "train" / "good"
    (good / "zero.png").write_bytes(b"")
    (good / "half.png").write_bytes((good / "000.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"half\.png \(and 1 more\); --skip-broken"):
        scan_image_folder(mvtec)
    folder = scan_image_folder(mvtec, skip_broken=True)
    assert (len(folder.train), len(folder.skipped)) == (5, 2)
    with pytest.raises(ValueError, match=r"zero\.png"):
        load_image(good / "zero.png")


def test_what_cannot_be_opened_is_broken_too_and_hidden_files_are_not_there(mvtec):
    good = mvtec / "train" / "good"
    (good / "folder.png").mkdir()
    (good / ".hidden.png").write_bytes(b"")
    write_images(good / ".cache", 1, "L")
    (good / "dangling.png").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"dangling\.png"):
        scan_image_folder(mvtec)
    assert len(scan_image_folder(mvtec, skip_broken=True).train) == 5


def test_test_images_of_no_kind_are_refused(mvtec):
    write_images(mvtec / "test", 1, "RGB")
    with pytest.raises(ValueError, match=r"test.000\.png, of which nobody knows"):
        scan_image_folder(mvtec)


def test_folders_that_cannot_be_used_get_a_sentence(tmp_path, mvtec):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="not a folder"):
        scan_image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="Received: none"):
        scan_image_folder(tmp_path / "empty")
    write_images(mvtec / "test" / "grey", 1)
    with pytest.raises(ValueError, match=r"grey.000\.png is grey and .* is RGB"):
        scan_image_folder(mvtec)
    shutil.rmtree(mvtec / "train" / "good")
    with pytest.raises(ValueError, match=r"normal images in .*good"):
        scan_image_folder(mvtec)
    shutil.rmtree(mvtec / "train")
    with pytest.raises(ValueError, match=r"normal images in .*good"):
        scan_image_folder(mvtec)
    shutil.rmtree(mvtec / "test" / "grey")
    assert len(scan_image_folder(mvtec, need_train=False).train) == 0
    Image.new("F", (3, 3), 0.5).save(tmp_path / "empty" / "x.tif")
    with pytest.raises(ValueError, match=r"x\.tif, an image of floats"):
        scan_image_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match="only files that can't be read"):
        scan_image_folder(tmp_path / "empty", skip_broken=True)


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

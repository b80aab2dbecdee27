"""Folders of images: which images there are and what they are, and rows that are read from them."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_anogan import image_preprocessing
from keras_anogan.datasets import ImageRows, gather_images, load_image, load_masks, scan_image_folder
from keras_anogan.datasets.image_remarks import on_likeness, on_shapes, on_sides, ratios_of


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
    masks = mvtec / "ground_truth" / "broken"
    mask = np.zeros((12, 10), "uint8")
    mask[:6, :5] = 255
    mask[11, 9], mask[6, 0] = 200, 9  # what is darker than mid-grey is the edge of something
    Image.fromarray(mask).save(masks / "000.png")
    Image.fromarray(mask).save(masks / "000.bmp")  # PNG goes before it
    (masks / "001.png").rename(masks / "001_mask.png")
    Image.open(masks / "002.png").save(masks / "002.bmp")
    (masks / "002.png").unlink()
    again = scan_image_folder(mvtec)
    assert [mask is None for mask in again.masks] == [label == 0 for label in again.labels]
    assert [mask.name for mask in again.masks if mask] == ["000.png", "001_mask.png", "002.bmp"]
    assert again.fingerprint != folder.fingerprint
    (mask,) = load_masks([next(filter(None, again.masks))], (4, 2))
    want = np.zeros((4, 2), bool)
    want[:2, 0] = True  # the single pixel covers a fifteenth of the last one
    np.testing.assert_array_equal(mask, want)
    assert not load_masks([None], (4, 4)).any()
    Image.fromarray(np.zeros((10, 12), "uint8")).save(masks / "001_mask.png")
    with pytest.raises(ValueError, match=r"a mask of 10 x 12 pixels for .*001.png. Received: .*12 x 10 pixels"):
        scan_image_folder(mvtec)
    for path in masks.glob("000.*"):
        path.unlink()
    with pytest.raises(ValueError, match="ground_truth has to be complete"):
        scan_image_folder(mvtec)
    assert scan_image_folder(mvtec, need_train=False).masks is None  # scoring has no use for them


def test_masks_that_mark_nothing_and_dark_ones_are_named(mvtec):
    masks = mvtec / "ground_truth" / "broken"
    Image.fromarray(np.zeros((12, 10), "uint8")).save(masks / "000.png")
    Image.fromarray(np.full((12, 10), 3, "uint8")).save(masks / "001.png")
    folder = scan_image_folder(mvtec)
    told = "\n".join(folder.remarks)
    assert "mark nothing, whose images count in no figure of pixels: 1, 000.png" in told
    assert "without a pixel above mid-grey, of which all but black is marked: 1, 001.png" in told
    marked = load_masks(folder.masks, (4, 4))
    assert [bool(mask.any()) for mask in marked] == [False, True, True, False, False]


def test_a_mask_that_was_drawn_on_the_unturned_photograph_is_refused(mvtec):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(mvtec / "test" / "broken" / "000.png").save(mvtec / "test" / "broken" / "000.png", exif=exif)
    with pytest.raises(ValueError, match=r"12 x 10 pixels for .* after its EXIF orientation has turned it"):
        scan_image_folder(mvtec)


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
    assert all(row.base is None for row in rows._cache.values())  # a view would keep its whole batch in memory
    rows[np.array([0, 1, 2, 3])]
    rows[np.array([2])]
    assert len(rows._cache) == 2
    assert len(rows.take([1, 2])) == 2


def test_images_of_one_size_are_preprocessed_together_and_as_if_alone(tmp_path, monkeypatch):
    for seed, size in enumerate(((12, 10), (30, 40), (12, 10))):
        write_images(tmp_path / f"{seed}", 5, size=size, seed=seed)
    folder = scan_image_folder(tmp_path, flat=True)
    calls, preprocess = [], image_preprocessing(8, 8)
    rows = ImageRows(folder.train, lambda raw: calls.append(len(raw)) or preprocess(raw), cache_bytes=0)
    order = np.random.default_rng(0).permutation(15)
    alone = np.concatenate([np.asarray(preprocess(load_image(folder.train[i])[None])) for i in order])
    np.testing.assert_array_equal(rows[order], alone)
    assert len(calls) <= 3  # one image tells how large they are, then two sizes
    monkeypatch.setattr("keras_anogan.datasets.image_folder.MOST_AT_ONCE", 4 * 12 * 10)
    np.testing.assert_array_equal(rows[order], alone)
    calls.clear()
    np.testing.assert_array_equal(rows[order], alone)
    assert max(calls) <= 4  # of 120 bytes each; a larger one comes alone
    assert len(calls) > 3


def test_broken_files_are_named_and_skipped_only_on_request(mvtec):
    good = mvtec / "train" / "good"
    (good / "zero.png").write_bytes(b"")
    (good / "half.png").write_bytes((good / "000.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"half\.png: .*truncated \(and 1 more\); --skip-broken"):
        scan_image_folder(mvtec)
    folder = scan_image_folder(mvtec, skip_broken=True)
    assert (len(folder.train), len(folder.skipped)) == (5, 2)
    assert folder.remarks[-1] == "Left out 2 image files that can't be read: half.png, zero.png."


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
    with pytest.raises(ValueError, match=r"color to be one of .* Received: 'blue'"):
        scan_image_folder(mvtec, color="blue")
    (tmp_path / "empty" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "empty" / "._x.png").write_bytes(b"")
    with pytest.raises(ValueError, match="Received: none"):
        scan_image_folder(tmp_path / "empty")
    for path in (mvtec / "train" / "good").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"normal images in .*good"):
        scan_image_folder(mvtec)
    shutil.rmtree(mvtec / "train")
    with pytest.raises(ValueError, match=r"Received: .*test/broken \(3\).*train/good"):
        scan_image_folder(mvtec)
    assert len(scan_image_folder(mvtec, need_train=False).train) == 0
    Image.new("F", (3, 3), 0.5).save(tmp_path / "empty" / "x.tif")
    with pytest.raises(ValueError, match=r"x\.tif, an image of floats"):
        scan_image_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match="only files that can't be read"):
        scan_image_folder(tmp_path / "empty", skip_broken=True)


# Which files there are.


def test_linked_folders_are_followed_and_none_is_read_twice(tmp_path):
    write_images(tmp_path / "elsewhere", 2)
    write_images(tmp_path / "data" / "own", 3)
    data = tmp_path / "data"
    (data / "a-link").symlink_to(tmp_path / "elsewhere")
    (data / "again").symlink_to(data / "own")
    (data / "own" / "loop").symlink_to(data)
    Image.new("L", (8, 8)).save(data / "own" / "x.JFIF", "JPEG")
    folder = scan_image_folder(data)
    names = [path.relative_to(data).as_posix() for path in folder.train]
    assert names == ["a-link/000.png", "a-link/001.png", "own/000.png", "own/001.png", "own/002.png", "own/x.JFIF"]


def test_files_that_are_no_images_by_their_names_are_counted(tmp_path):
    write_images(tmp_path, 2)
    for name in ("a.dcm", "b.dcm", "raw", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (tmp_path / name).write_bytes(b"x")
    (remark,) = scan_image_folder(tmp_path).remarks
    assert re.fullmatch(r".* are left out: 2 \.dcm, 1 no suffix, such as .*a\.dcm\.", remark)


def test_a_photograph_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    write_images(tmp_path, 2, size=(12, 10))
    write_images(tmp_path / "huge", 1, size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses twice as many: 179 megapixels, unless changed
    with pytest.raises(ValueError, match=r"huge/000\.png: .*1600 pixels.*; cut it into tiles, or shrink it"):
        scan_image_folder(tmp_path, flat=True)
    folder = scan_image_folder(tmp_path, flat=True, skip_broken=True)
    assert len(folder.train) == 2


def test_what_is_done_to_files_is_told(tmp_path):
    write_images(tmp_path, 3, "RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "000.png").save(tmp_path / "000.png", exif=exif)
    Image.new("RGBA", (4, 4), (0, 0, 0, 9)).save(tmp_path / "clear.png")
    shutil.copy(tmp_path / "001.png", tmp_path / "copy of 001.png")
    told = scan_image_folder(tmp_path).remarks
    assert told[0].startswith("1 of 5 images is turned as the EXIF orientation says: 000.png")
    assert told[1].startswith("1 of 5 images is transparent in parts, which are read as white: clear.png")
    assert told[2] == "1 of 5 images is of one colour all over, as a covered camera makes them: clear.png."
    assert told[3].startswith("1 of 5 images is a copy of another one")
    assert told[3].endswith("001.png and copy of 001.png.")


# Colour and depth.


def test_colour_is_rgb_if_any_image_is_unless_it_is_asked_for(mvtec):
    write_images(mvtec / "train" / "good" / "more", 2, "L")
    folder = scan_image_folder(mvtec, need_train=True)
    assert folder.channels == 3
    assert folder.remarks[0].startswith("2 of 12 images are grey and made RGB")
    images = [folder.load(path) for path in folder.train]
    assert {image.shape[-1] for image in images} == {3}
    grey = scan_image_folder(mvtec, color="grey")
    assert (grey.channels, grey.load(grey.test[0]).shape[-1], len(grey.remarks)) == (1, 1, 0)
    assert scan_image_folder(mvtec, color="rgb").channels == 3


def test_rgb_without_colour_stays_rgb_and_is_told(tmp_path):
    for i in range(2):
        Image.new("RGB", (4, 4), (i, i, i)).save(tmp_path / f"{i}.png")
    folder = scan_image_folder(tmp_path)
    assert folder.channels == 3  # a coloured defect is seen
    assert "three equal channels; --color grey" in folder.remarks[0]


def write_deep(folder, peak, names="ab"):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        pixels = (np.arange(120).reshape(12, 10) * peak // (119 * (i + 1))).astype("uint16")
        Image.fromarray(pixels).save(folder / f"{name}.tif")


def test_white_is_one_value_for_all_images_of_a_folder(tmp_path):
    write_deep(tmp_path, 3000)
    folder = scan_image_folder(tmp_path)
    assert (folder.dtype, folder.white) == ("uint16", 4095)
    assert "values up to 3,000: white is 4,095, the largest value of 12 bits" in folder.remarks[0]
    bright, dark = (folder.load(path) for path in folder.train)
    assert (bright.max(), dark.max()) == (3000, 1500)  # a dark image stays darker
    preprocess = image_preprocessing(12, 10, white=folder.white)
    rows = ImageRows(folder.train, preprocess, load=folder.load)
    np.testing.assert_allclose(rows[[0]][0, -1, -1, 0], 3000 / 4095 * 2 - 1, rtol=1e-5)
    write_images(tmp_path / "more", 1)
    mixed = scan_image_folder(tmp_path)
    assert mixed.remarks[2].startswith("1 of 3 images is of 8 bits and scaled from 255 to 4,095")
    assert mixed.load(tmp_path / "more" / "000.png").max() > 3000


def test_white_is_not_chosen_by_test_images(mvtec):
    shutil.rmtree(mvtec / "ground_truth")
    write_deep(mvtec / "train" / "good", 900)
    write_deep(mvtec / "test" / "deep", 60_000)
    assert scan_image_folder(mvtec).white == 1023
    for path in (mvtec / "train" / "good").glob("*.tif"):
        path.unlink()
    with pytest.raises(ValueError, match=r"8 bits a pixel.*Received: .*deep.a\.tif \(and 1 more\), of 16 bits"):
        scan_image_folder(mvtec)


# Which images are normal.


@pytest.mark.parametrize(
    "name",
    ["bad", "Defects", "NG", "not_ok", "no-good", "Anomalies_2024", "abnormal", "test", "ground truth", "masks", "nio"],
)
def test_folders_that_hardly_are_normal_are_refused_unless_all_is_said_to_be(name, tmp_path):
    write_images(tmp_path / "ok", 2)
    write_images(tmp_path / name / "deeper", 1)
    with pytest.raises(ValueError, match=rf"ok \(2\).*--normal-dir ok --abnormal-dir .*{name}.*--flat") as refused:
        scan_image_folder(tmp_path)
    assert f"{name}/deeper (1)" in str(refused.value)
    assert len(scan_image_folder(tmp_path, flat=True).train) == 3
    scored = scan_image_folder(tmp_path, need_train=False)  # which takes nothing for normal
    assert len(scored.train) == (0 if name == "test" else 3)


def test_several_folders_are_told_of_or_refused(tmp_path):
    for name in ("Umlaut ä ö", "tuesday"):
        write_images(tmp_path / name, 2)
    (remark, *_) = scan_image_folder(tmp_path).remarks
    assert "taken to be normal: Umlaut ä ö (2), tuesday (2)" in remark
    with pytest.raises(ValueError, match=r'--normal-dir "Umlaut ä ö"'):
        scan_image_folder(tmp_path, flat=False)
    shutil.rmtree(tmp_path / "tuesday")
    assert len(scan_image_folder(tmp_path, flat=False).train) == 2  # one folder holds all
    assert scan_image_folder(tmp_path, flat=False).remarks == ()


def test_folders_that_are_named_are_normal_and_anomalous(tmp_path):
    write_images(tmp_path / "ok", 4)
    write_images(tmp_path / "bad" / "deep", 1, seed=1)
    write_images(tmp_path / "cut", 2, seed=2)
    write_images(tmp_path / "ground_truth" / "bad" / "deep", 1, seed=3)
    write_images(tmp_path / "ground_truth" / "cut", 2, seed=4)
    folder = scan_image_folder(tmp_path, abnormal_dirs=["bad", str(tmp_path / "cut")], flat=False)
    assert (len(folder.train), folder.kinds, folder.labels.tolist()) == (4, ("bad", "cut", "cut"), [1, 1, 1])
    assert [mask.parent.name for mask in folder.masks] == ["deep", "cut", "cut"]
    only = scan_image_folder(tmp_path, normal_dirs=["ok"], flat=False)
    assert (len(only.train), len(only.test)) == (4, 0)
    assert "Images that are not used: bad/deep (1), cut (2)." in only.remarks
    assert only.remarks[0].endswith("such as --abnormal-dir bad/deep.")
    for name in ("nowhere", "../elsewhere", "/"):
        with pytest.raises(ValueError, match=r"a folder in .* ok \(4\).* Received: "):
            scan_image_folder(tmp_path, normal_dirs=[name])


def test_images_beside_those_of_the_layout_are_told_of(mvtec):
    write_images(mvtec / "train" / "bad", 2)
    write_images(mvtec / "validation", 1)
    folder = scan_image_folder(mvtec)
    assert folder.kinds == ("broken", "broken", "broken", "good", "good")
    assert (
        len(scan_image_folder(mvtec, flat=True).train) == 5 + 5 + 3 + 2 + 1
    )  # the masks too: all is said to be normal
    assert folder.remarks == ("Images that are not used: train/bad (2), validation (1).",)


# Images from here and there.


def test_images_are_gathered_from_files_folders_patterns_and_lists(tmp_path, monkeypatch):
    write_images(tmp_path / "a b", 2)
    write_images(tmp_path / "ü", 2, "RGB")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ü" / "list.txt").write_text("\ufeff# today\n001.png\n\na b/001.png\nü/00*.png\n", "utf-8")
    folder = gather_images(["a b/000.png", "a b/000.png", "ü/list.txt"])
    names = [path.relative_to(folder.root).as_posix() for path in folder.train]
    assert names == ["a b/000.png", "ü/001.png", "a b/001.png", "ü/000.png"]
    assert folder.channels == 3
    assert [path.name for path in gather_images(["a b"]).train] == ["000.png", "001.png"]
    single = gather_images([tmp_path / "a b" / "000.png"])
    assert single.train[0].relative_to(single.root).as_posix() == "000.png"
    (tmp_path / "broken.png").write_bytes(b"")
    assert [path.name for path in gather_images(["*.png", "ü"], skip_broken=True).skipped] == ["broken.png"]


def test_what_cannot_be_gathered_gets_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("nowhere.png")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for source, match in [
        ("x.png", r"x\.png; nothing is there"),
        ("*.png", r"\*\.png; nothing fits"),
        ("list.txt", r"nowhere\.png; nothing is there"),
    ]:
        with pytest.raises(FileNotFoundError, match=match):
            gather_images([tmp_path / source])
    (tmp_path / "self.txt").write_text("self.txt")
    with pytest.raises(ValueError, match=r"self\.txt, a list too"):
        gather_images([tmp_path / "self.txt"])
    with pytest.raises(ValueError, match="which name none"):
        gather_images([tmp_path / "empty"])
    with pytest.raises(ValueError, match=r"binary\.txt, which is no UTF-8 text"):
        gather_images([tmp_path / "binary.txt"])


@pytest.mark.parametrize(
    ("size", "sides", "ends"),
    [
        ((60, 90), (64, 64), "such as 1.5:1, and squeezed; --image-size 96x64 keeps their ratio."),
        ((90, 60), (64, 64), "such as 1:1.5, and squeezed; --image-size 64x96 keeps their ratio."),
        ((60, 110), (28, 28), "such as 1.83:1, and squeezed; --image-size 52x28 keeps their ratio."),
        ((2, 90), (64, 64), "such as 45:1, and squeezed; --pad keeps each one's own."),
        ((60, 90), (64, 96), None),
        ((60, 65), (64, 64), None),
    ],
)
def test_other_sides_than_the_networks_are_told_of(size, sides, ends, tmp_path):
    write_images(tmp_path, 2, size=size)
    told = on_sides(scan_image_folder(tmp_path).facts, sides)
    assert [remark.endswith(ends or "") for remark in told] == [True] * (ends is not None)


def test_padding_is_proposed_where_no_size_fits_all_and_tells_how_much_of_an_image_is_used(tmp_path):
    write_images(tmp_path / "wide", 3, size=(60, 90))
    write_images(tmp_path / "high", 1, size=(90, 60))
    facts = scan_image_folder(tmp_path, flat=True).facts
    assert on_sides(facts, (64, 64))[0].endswith("such as 1.5:1, and squeezed; --pad keeps each one's own.")
    assert on_sides(facts, (64, 64), tiles=True)[0].endswith("such as 1.5:1, and squeezed.")
    assert "and padded: a photograph fills 67% of them on average." in on_sides(facts, (64, 64), pad=True)[0]
    write_images(tmp_path / "strip", 1, size=(3, 200))
    facts = scan_image_folder(tmp_path, flat=True).facts
    assert on_sides(facts, (64, 64), pad=True)[1].startswith("1 of 5 images is then less than 8 pixels high or wide:")


def write_exposures(folder, parts, each, seed=0):
    """Photographs of parts, each taken several times in other light; parts differ in their pattern."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    for part in range(parts):
        pattern = np.kron(draw.uniform(size=(8, 8)), np.ones((8, 8)))
        for i in range(each):
            light = draw.uniform(80, 160) * pattern + draw.uniform(0, 60) + draw.normal(0, 2, (64, 64))
            Image.fromarray(np.clip(light, 0, 255).astype("uint8")).save(folder / f"part{part}_{i}.png")


def test_photographs_of_one_part_on_both_sides_are_told_of(tmp_path):
    write_exposures(tmp_path / "a", 20, 3)
    write_exposures(tmp_path / "b", 20, 3, seed=1)
    facts = [scan_image_folder(tmp_path / name).facts for name in "ab"]
    first = {path: fact for path, fact in facts[0].items() if not path.stem.endswith("_2")}
    rest = {path: fact for path, fact in facts[0].items() if path.stem.endswith("_2")}
    told = on_likeness(first, rest)[0]
    assert told.startswith(
        "Of 20 normal images that set or test the threshold 20 are nearly equal to one that is trained"
    )
    assert "such as part0_2.png and part0_" in told
    assert on_likeness(*facts) == []  # other parts
    assert on_likeness(first, {}) == []


def test_new_photographs_of_another_shape_are_told_of(tmp_path):
    write_images(tmp_path, 3, size=(60, 90))
    facts = scan_image_folder(tmp_path).facts
    ratios = ratios_of([*facts.values()])
    assert ratios == (1.5, 1.5)
    assert on_shapes(facts, ratios) == on_shapes(facts, None) == []
    assert on_shapes(facts, (1.4, 1.45)) == []  # within a tenth
    assert on_shapes(facts, (0.5, 1.0))[0].startswith("All 3 images are of a shape that none has that was trained on")

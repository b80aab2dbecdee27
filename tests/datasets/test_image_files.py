"""One image file: the pixels that a viewer shows, at the depth that the file has, or why there are none."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_anogan.datasets import load_image
from keras_anogan.datasets.image_files import image_suffixes, inspect_image, read_mask, white_of


def ramp(peak, dtype):
    return (np.arange(48).reshape(6, 8) * peak // 47).astype(dtype)


@pytest.mark.parametrize(
    ("mode", "value", "channels", "pixel"),
    [
        ("1", 1, 1, 255),
        ("L", 7, 1, 7),
        ("LA", (7, 255), 1, 7),
        ("LA", (7, 0), 1, 255),
        ("P", 3, 3, None),
        ("RGBA", (1, 2, 3, 255), 3, 1),
        ("RGBA", (1, 2, 3, 0), 3, 255),  # what is transparent is white, whatever colour lies below
        ("I;16", 512, 1, 128),  # 10 bits hold it
        ("CMYK", (0, 0, 0, 0), 3, 255),
    ],
)
def test_every_kind_of_image_becomes_grey_or_rgb_bytes(mode, value, channels, pixel, tmp_path):
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (4, 3), value).save(path)
    image = load_image(path)
    assert (image.shape, image.dtype) == ((3, 4, channels), np.uint8)
    assert pixel is None or image[0, 0, 0] == pixel


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photograph_is_turned_as_its_exif_says_once(suffix, orientation, tmp_path):
    shown = np.zeros((32, 48, 3), "uint8")
    shown[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = Image.fromarray(shown).rotate({3: 180, 6: 90, 8: -90}[orientation], expand=True)
    held.save(tmp_path / f"x.{suffix}", exif=exif)
    image = load_image(tmp_path / f"x.{suffix}")
    assert image.shape == shown.shape
    assert np.abs(image.astype(int) - shown).mean() < 6
    facts = inspect_image(tmp_path / f"x.{suffix}")
    assert (facts.turned, facts.size) == (True, (32, 48))


def test_a_damaged_exif_block_does_not_cost_the_image(tmp_path):
    Image.fromarray(ramp(255, "uint8")).save(tmp_path / "x.jpg", exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert inspect_image(tmp_path / "x.jpg").size == (6, 8)


@pytest.mark.parametrize(("dtype", "peak"), [("uint16", 4095), ("uint16", 65535), ("int32", 255), ("int32", 4000)])
def test_depth_is_kept_or_scaled_by_the_bits_that_the_values_need(dtype, peak, tmp_path):
    Image.fromarray(ramp(peak, dtype)).save(tmp_path / "x.tif")
    image = load_image(tmp_path / "x.tif")
    assert (image.dtype, image.max(), len(np.unique(image))) == (np.uint8, round(255 * peak / white_of(peak)), 48)
    deep = load_image(tmp_path / "x.tif", dtype="uint16", white=65535)
    np.testing.assert_array_equal(deep[..., 0], ramp(peak, "uint16"))
    assert inspect_image(tmp_path / "x.tif").peak == peak
    dark = load_image(tmp_path / "x.tif", white=65535)  # one white for all files: not each file's own
    np.testing.assert_array_equal(dark[..., 0], np.round(ramp(peak, "uint16") / 257))


def test_bytes_are_scaled_to_the_white_of_deep_images_and_colours_to_the_channels(tmp_path):
    Image.fromarray(ramp(255, "uint8")).save(tmp_path / "x.png")
    deep = load_image(tmp_path / "x.png", channels=3, dtype="uint16", white=4095)
    assert (deep.dtype, deep.shape, deep.max(), deep.min()) == (np.uint16, (6, 8, 3), 4095, 0)
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    assert load_image(tmp_path / "red.png", channels=1)[0, 0, 0] == 76  # as Pillow weighs red


def test_white_is_the_largest_value_of_the_fewest_bits():
    assert [white_of(peak) for peak in (0, 255, 256, 1023, 3000, 4096, 65535)] == [
        255,
        255,
        1023,
        1023,
        4095,
        16383,
        65535,
    ]


def png_of_16_bits_a_colour(value):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + struct.pack(">6H", *[value] * 6) for _ in range(2))
    head = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_what_pillow_drops_is_told(tmp_path):
    (tmp_path / "deep.png").write_bytes(png_of_16_bits_a_colour(4095))
    assert inspect_image(tmp_path / "deep.png").cut
    pages = [Image.fromarray(ramp(peak, "uint8")) for peak in (50, 100, 200)]
    for name in ("pages.tif", "moving.gif"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        assert inspect_image(tmp_path / name).pages == 3, name
        assert load_image(tmp_path / name).max() <= 52
    pages[0].save(tmp_path / "phone.mpo", save_all=True, append_images=pages[1:])
    facts = inspect_image(tmp_path / "phone.mpo")  # a telephone's JPEG with a second picture in it is one photograph
    assert (facts.pages, facts.cut, facts.clear) == (1, False, False)


def broken_files(folder):
    Image.fromarray(ramp(255, "uint8")).save(folder / "whole.png")
    content = (folder / "whole.png").read_bytes()
    (folder / "empty.png").write_bytes(b"")
    (folder / "half.png").write_bytes(content[:60])
    (folder / "text.png").write_text("no image")
    Image.fromarray(np.full((2, 2), 0.5, "float32")).save(folder / "float.tif")
    Image.fromarray(np.full((2, 2), -1, "int32")).save(folder / "negative.tif")
    Image.fromarray(np.full((2, 2), 70_000, "int32")).save(folder / "large.tif")
    return {
        "empty.png": "it is empty",
        "half.png": "truncated",
        "text.png": "of no kind that Pillow knows",
        "float.tif": "floats, whose range nobody knows",
        "negative.tif": r"values lie in \[-1, -1\]",
        "large.tif": r"values lie in \[70,000, 70,000\]",
        "missing.png": "No such file",
    }


def test_a_file_that_cannot_be_used_says_why(tmp_path):
    for name, reason in broken_files(tmp_path).items():
        facts = inspect_image(tmp_path / name)
        assert facts.channels == 0
        with pytest.raises(ValueError, match=rf"{name}.*{reason}"):
            raise ValueError(facts.problem)


def test_the_limit_of_pixels_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    Image.fromarray(ramp(255, "uint8")).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"48 pixels.* exceeds limit of 40 pixels"):
        load_image(tmp_path / "x.png")


def test_the_content_tells_the_format_not_the_name(tmp_path):
    Image.fromarray(ramp(255, "uint8")).save(tmp_path / "x.png")
    renamed = tmp_path / "Fläche 1 (Kopie).JPG"
    (tmp_path / "x.png").rename(renamed)
    np.testing.assert_array_equal(load_image(renamed)[..., 0], ramp(255, "uint8"))


def test_every_suffix_that_pillow_reads_is_known_and_no_other():
    assert {".png", ".jpg", ".jfif", ".jpe", ".webp", ".tif", ".bmp", ".pgm", ".jp2", ".tga"} <= image_suffixes()
    assert image_suffixes().isdisjoint({".pdf", ".h5", ".mpg", ".eps", ".txt", ".svg"})


# Masks.


def disc():
    y, x = np.mgrid[:128, :128]
    return (y - 64) ** 2 + (x - 64) ** 2 < 400


@pytest.mark.parametrize("name", ["m.jpg", "m.webp", "m.png"])
def test_masks_are_cut_at_mid_grey(name, tmp_path):
    Image.fromarray((disc() * 255).astype("uint8")).save(tmp_path / name, quality=75)
    assert np.abs(read_mask(tmp_path / name)[0].mean() - disc().mean()) < 0.002
    blurred = Image.fromarray((disc() * 255).astype("uint8")).resize((64, 64), Image.Resampling.BILINEAR)
    blurred.save(tmp_path / name, quality=75)  # edges of 1 to 254
    assert np.abs(read_mask(tmp_path / name)[0].mean() - disc().mean()) < 0.004


@pytest.mark.parametrize("value", [1, 60])
def test_a_lossless_mask_of_dark_values_holds_labels(value, tmp_path):
    Image.fromarray((disc() * value).astype("uint8")).save(tmp_path / "m.png")
    marked, peak = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(marked, disc())
    assert peak == value
    Image.fromarray((disc() * value).astype("uint8")).save(tmp_path / "m.jpg", quality=95)
    assert not read_mask(tmp_path / "m.jpg")[0].any()  # in a JPEG nothing tells them from its noise


def test_masks_of_palettes_of_16_bits_and_with_transparent_parts(tmp_path):
    numbers = disc().astype("uint8")
    numbers[64, 64] = 2
    coloured = Image.fromarray(numbers)
    coloured.putpalette(
        [0, 0, 0, 64, 0, 0, 192, 0, 0]
    )  # dark red beside a bright one, as tools for labelling have them
    coloured.save(tmp_path / "p.png")
    Image.fromarray(disc().astype("uint16") * 65535).save(tmp_path / "deep.png")
    Image.fromarray(disc().astype("uint16")).save(tmp_path / "ones.png")
    pixels = np.zeros((128, 128, 4), "uint8")
    pixels[disc()] = 255
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    for name in ("p.png", "deep.png", "ones.png", "clear.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name)[0], disc(), err_msg=name)


def test_a_file_is_decoded_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    from keras_anogan.datasets import image_files

    decoded, decode = [], image_files._decode
    monkeypatch.setattr(image_files, "_decode", lambda path, content: decoded.append(path) or decode(path, content))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    first = image_files.inspect_image(tmp_path / "a.png")
    assert image_files.inspect_image(tmp_path / "a.png") is first
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "b.png").replace(tmp_path / "a.png")
    assert image_files.inspect_image(tmp_path / "a.png").channels == 3
    assert len(decoded) == 2
    (tmp_path / "a.png").unlink()
    assert "Could not open" in image_files.inspect_image(tmp_path / "a.png").problem

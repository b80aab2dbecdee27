"""The command line on folders of photographs as people have them."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.parsing import parse_image_size
from keras_anogan_cli import run

PCA = ("--detector", "pca", "--alpha", 0.2)


def command(*arguments):
    return run([str(argument) for argument in arguments])


def photographs(folder, n, peak=None, size=(24, 16), bright=False, suffix="png", seed=0):
    """Smooth grey images, of 16 bits where a peak is given; `bright` puts a white square on them."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    x, y = np.meshgrid(*(np.linspace(0.0, 1.0, side) for side in size))
    for i in range(n):
        values = 0.3 + 0.3 * np.sin(draw.uniform(2, 3) * x + draw.uniform(2, 3) * y) ** 2
        if bright:
            values[4:10, 4:10] = 1.0
        pixels = np.round(values * (peak or 255)).astype("uint16" if peak else "uint8")
        Image.fromarray(pixels).save(folder / f"{i:02d}.{suffix}")


def scores_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return {line["id"]: line for line in csv.DictReader(file)}


@pytest.fixture(scope="module")
def deep_run(tmp_path_factory):
    """A run of PCA on images of 12 bits in files of 16, as wide as they are, and the folder it was trained on."""
    root = tmp_path_factory.mktemp("deep")
    photographs(root / "photos" / "ok", 40, peak=3800, suffix="tif")
    photographs(root / "photos" / "bad spots", 4, peak=3800, suffix="tif", bright=True, seed=1)
    arguments = ["--image-size", "12x8", "--abnormal-dir", "bad spots", *PCA]
    assert command("train", root / "photos", "--out", root / "run", *arguments) == 0
    return root


def test_folders_that_are_named_train_and_measure(deep_run):
    metrics = json.loads((deep_run / "run" / "metrics.json").read_text())
    assert metrics["auroc"] == 1.0
    assert (metrics["rows"]["test"], metrics["alarms"]["normal_rows"], metrics["alarms"]["detected"]) == (8, 4, 4)


def test_deep_images_are_scored_and_served_as_they_were_trained_on(deep_run, tmp_path, capsys):
    fitted = keras.models.load_model(deep_run / "run" / "detector.keras")
    assert (fitted.raw_dtype, fitted.detector.sample_shape) == ("uint16", (8, 12, 1))
    spots = deep_run / "photos" / "bad spots"
    assert command("score", deep_run / "run", spots, "--out", tmp_path / "s.csv", "--maps", tmp_path / "maps") == 0
    scores = [float(line["anomaly_score"]) for line in scores_of(tmp_path / "s.csv").values()]
    raw = np.stack([np.asarray(Image.open(path)) for path in sorted(spots.iterdir())])[..., None]
    np.testing.assert_allclose(fitted.predict(raw), scores, rtol=1e-4)
    assert Image.open(tmp_path / "maps" / "00.png").size == (12, 8)
    with pytest.raises(ValueError, match=r"dtype uint16 in \[0, 4095\]. Received: dtype uint8"):
        fitted.predict(raw.astype("uint8"))
    capsys.readouterr()
    # the same photographs at 8 bits have the same score, nearly, and a brighter one is told of
    eight = [np.round(image / 4095 * 255).astype("uint8") for image in raw[..., 0]]
    for i, image in enumerate(eight):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    Image.fromarray(np.full((16, 24), 60_000, "uint16")).save(tmp_path / "glare.tif")
    data = [tmp_path / "[0-3].png", tmp_path / "glare.tif"]
    assert command("score", deep_run / "run", *data, "--out", tmp_path / "t.csv") == 0
    again = [float(line["anomaly_score"]) for line in scores_of(tmp_path / "t.csv").values()]
    np.testing.assert_allclose(again[:4], scores, rtol=0.02)
    told = capsys.readouterr().out
    assert "1 of 5 images is brighter, up to 60,000, than 4,095, which is white to the run: glare.tif" in told
    assert "4 of 5 images are of 8 bits and scaled from 255 to 4,095" in told


def test_marked_regions_stand_in_the_scores_in_pixels_of_the_photograph(deep_run, tmp_path, capsys):
    spots = deep_run / "photos" / "bad spots"  # 24 x 16, with a square from (4, 4) to (10, 10)
    assert command("score", deep_run / "run", spots, "--out", tmp_path / "s.csv") == 0
    lines = scores_of(tmp_path / "s.csv").values()
    for line in lines:
        left, top, width, height, area = (
            int(line[f"region_{name}"]) for name in ("left", "top", "width", "height", "area")
        )
        assert line["is_anomaly"] == "1"
        assert left <= 8
        assert top <= 8
        assert left + width >= 6
        assert top + height >= 6
        assert 0 < area <= width * height
        assert float(line["region_peak"]) > 0
    with open(tmp_path / "s_regions.csv", newline="", encoding="utf-8") as file:
        regions = list(csv.DictReader(file))
    assert len(regions) == sum(int(line["regions"]) for line in lines)
    assert command("score", deep_run / "run", spots, "--out", tmp_path / "t.csv", "--min-area", 24 * 16 + 1) == 0
    assert "regions of fewer than 385 pixels raise no alarm (--min-area)" in capsys.readouterr().out
    for line in scores_of(tmp_path / "t.csv").values():
        assert (line["is_anomaly"], line["regions"], line["region_area"]) == ("0", "0", "")
    assert command("score", deep_run / "run", spots, "--min-area", "-1") == 2
    assert "--min-area" in capsys.readouterr().err


def test_photographs_are_scored_one_by_one_by_pattern_and_by_list(deep_run, tmp_path, capsys):
    photographs(tmp_path / "neue Fotos", 3, peak=3800, suffix="tif")
    photographs(tmp_path, 1, peak=3800, suffix="TIF", bright=True)
    (tmp_path / "list.txt").write_text("neue Fotos/02.tif\n", encoding="utf-8")
    out = tmp_path / "s.csv"
    folder = tmp_path / "neue Fotos"
    for data, ids in [
        ([folder / "00.tif"], ["00.tif"]),
        ([tmp_path / "00.TIF", folder / "01.tif"], ["00.TIF", "neue Fotos/01.tif"]),
        ([folder / "0[01].*"], ["00.tif", "01.tif"]),
        ([tmp_path / "list.txt", tmp_path / "00.TIF"], ["neue Fotos/02.tif", "00.TIF"]),
    ]:
        assert command("score", deep_run / "run", *data, "--out", out) == 0
        assert list(scores_of(out)) == ids
    assert [line["is_anomaly"] for line in scores_of(out).values()][1] == "1"
    capsys.readouterr()
    assert command("score", deep_run / "run", folder / "09.tif", "--out", out) == 2
    assert "nothing is there" in capsys.readouterr().err


def test_a_run_of_8_bits_refuses_deeper_images(tmp_path, capsys):
    photographs(tmp_path / "photos", 40)
    assert command("train", tmp_path / "photos", "--out", tmp_path / "run", "--image-size", "8", *PCA) == 0
    assert "such as 1.5:1, and squeezed; --image-size 12x8 keeps their ratio." in capsys.readouterr().out
    photographs(tmp_path / "new", 1, peak=3800, suffix="tif")
    assert command("score", tmp_path / "run", tmp_path / "new", "--out", tmp_path / "s.csv") == 2
    assert "Expected images of 8 bits a pixel" in capsys.readouterr().err
    Image.new("RGB", (24, 16), (200, 0, 0)).save(tmp_path / "red.jpg")
    assert command("score", tmp_path / "run", tmp_path / "red.jpg", "--out", tmp_path / "s.csv") == 0
    assert "The image is RGB and made grey, as the images are that were trained on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--image-size", "64by64"], "--image-size SIDE or WIDTHxHEIGHT"),
        (["--image-size", "96x64x3"], "--image-size SIDE or WIDTHxHEIGHT"),
        (["--image-size", "96x1"], "--image-size >= 2"),
        (["--color", "blue"], "--color to be one of auto, rgb, grey"),
        (["--flat", "--normal-dir", "ok"], "either --flat or"),
    ],
)
def test_options_of_folders_that_cannot_be_are_refused(options, match, tmp_path, capsys):
    assert command("train", tmp_path, "--out", tmp_path / "run", *options) == 2
    assert match in capsys.readouterr().err


def test_options_of_folders_are_refused_with_other_data():
    for given in ({"color": "grey"}, {"flat": True}, {"normal_dir": ["ok"]}, {"abnormal_dir": ["ng"]}):
        with pytest.raises(ValueError, match=r"with a folder of images only\. Received: digits"):
            Arguments(data="digits", normal=1, **given)


def test_a_size_is_one_side_or_two():
    assert [parse_image_size(text) for text in ("64", 64, "96x64", "96 X 64", None)] == [
        64,
        64,
        (96, 64),
        (96, 64),
        None,
    ]
    assert Arguments(data="photos", image_size=(96, 64)).sides == (64, 96)  # height first
    assert Arguments(data="photos", image_size=[64, 64]) == Arguments(data="photos", image_size=64)

"""`--pad`: photographs of several shapes in one run, from training to regions in pixels of each."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from keras_anogan_cli import run

SHAPES = ((48, 96), (96, 48), (64, 64))
SPOT = 12


def write_photographs(root):
    """Waves with noise in three shapes, a bright square and its mask; returns the corner of each square."""
    draw, corners = np.random.default_rng(0), {}
    (root / "ground_truth" / "spot").mkdir(parents=True)
    for kind, count in (("train/good", 30), ("test/good", 6), ("test/spot", 6)):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            height, width = SHAPES[i % 3]
            x = np.mgrid[:height, :width][1]
            image = 100 + 30 * np.sin(x / 6 + draw.uniform(0, 6)) + draw.normal(0, 3, (height, width))
            if kind == "test/spot":
                top, left = draw.integers(0, height - SPOT), draw.integers(0, width - SPOT)
                image[top : top + SPOT, left : left + SPOT] += 90
                mask = np.zeros((height, width), "uint8")
                mask[top : top + SPOT, left : left + SPOT] = 255
                Image.fromarray(mask).save(root / "ground_truth" / "spot" / f"{i:02d}_mask.png")
                corners[f"test/spot/{i:02d}.png"] = (top, left)
            Image.fromarray(np.clip(image, 0, 255).astype("uint8")).save(root / kind / f"{i:02d}.png")
    return corners


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    root = tmp_path_factory.mktemp("padded")
    corners = write_photographs(root / "photos")
    command = ["train", root / "photos", "--pad", "--image-size", "48", "--alpha", "0.2", "--out", root / "run"]
    assert run([*map(str, command)]) == 0
    return root, corners


def test_pixels_are_measured_inside_the_photographs(padded):
    root, _ = padded
    metrics = json.loads((root / "run" / "metrics.json").read_text())
    assert metrics["auroc"] == 1.0
    assert metrics["pixels"]["auroc"] > 0.95
    assert metrics["pixels"]["detected_pixels"] > 0.5
    assert "neighbors" in metrics["baselines"]


def test_regions_and_pictures_are_of_each_photographs_own_shape(padded, tmp_path):
    root, corners = padded
    out = tmp_path / "scores.csv"
    command = [
        "score",
        root / "run",
        root / "photos",
        "--out",
        out,
        "--maps",
        tmp_path / "m",
        "--overlay",
        tmp_path / "o",
    ]
    assert run([*map(str, command)]) == 0
    with open(out, newline="", encoding="utf-8") as file:
        lines = {line["id"]: line for line in csv.DictReader(file)}
    for name, (top, left) in corners.items():
        line, photograph = lines[name], Image.open(root / "photos" / name)
        box = {key: int(line[f"region_{key}"]) for key in ("left", "top", "width", "height")}
        assert box["top"] < top + SPOT / 2 < box["top"] + box["height"]
        assert box["left"] < left + SPOT / 2 < box["left"] + box["width"]
        assert box["left"] + box["width"] <= photograph.width
        assert box["top"] + box["height"] <= photograph.height
        assert Image.open(tmp_path / "o" / name).size == photograph.size
        made = Image.open(tmp_path / "m" / name)
        assert made.width / made.height == pytest.approx(photograph.width / photograph.height, rel=0.1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tiles", "16"), "Expected either --pad or --tiles. Received: both"),
        (("--reduction", "paper"), "Expected --reduction top, max or mean with --pad"),
        (("--detector", "gan_discriminator", "--epochs", "1"), "Expected a detector with maps for --pad"),
        (("--features", "efficientnet_lite0"), "Expected --detector patch_gaussian or patch_neighbors with --features"),
    ],
)
def test_what_has_no_map_is_refused_before_anything_is_written(options, sentence, padded, tmp_path, capsys):
    root, _ = padded
    assert run(["train", str(root / "photos"), "--pad", *options, "--out", str(tmp_path / "no")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_named_set_has_one_shape(tmp_path, capsys):
    assert run(["train", "digits", "--normal", "1", "--pad", "--out", str(tmp_path / "no")]) == 2
    assert "Expected --pad with a folder of images only. Received: digits." in capsys.readouterr().err


def test_a_new_shape_and_a_covered_camera_are_told_of(padded, tmp_path, capsys):
    root, _ = padded
    Image.fromarray(np.zeros((64, 64), "uint8")).save(tmp_path / "dark.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 200), dtype="uint8")).save(tmp_path / "long.png")
    files = [str(tmp_path / name) for name in ("dark.png", "long.png")]
    assert run(["score", str(root / "run"), *files, "--out", str(tmp_path / "s.csv")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 images is of one colour all over, as a covered camera makes them: dark.png." in said
    assert "1 of 2 images is of a shape that none has that was trained on" in said

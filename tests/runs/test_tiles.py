"""`--tiles`: a detector of square tiles is trained, and whole photographs are scored."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_anogan.models import PCA
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.sights import see, settle_size
from keras_anogan.runs.tasks.base import Task
from keras_anogan_cli import run

SIZE = (48, 64)  # height and width of the photographs
SPOT = 10  # side of a defect


def write_photographs(root, normal=24, spots=6):
    """Waves with noise; a bright square is the defect. Returns the corner of each square."""
    draw, corners = np.random.default_rng(0), []
    _y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for kind, count in (("train/good", normal), ("test/good", 6), ("test/spot", spots)):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            image = 100 + 30 * np.sin(x / 4 + draw.uniform(0, 6)) + draw.normal(0, 4, SIZE)
            if kind == "test/spot":
                top, left = draw.integers(0, SIZE[0] - SPOT), draw.integers(0, SIZE[1] - SPOT)
                image[top : top + SPOT, left : left + SPOT] += 90
                corners.append((top, left))
            Image.fromarray(np.clip(image, 0, 255).astype("uint8")).save(root / kind / f"{i:02d}.png")
    return corners


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    """A run on tiles of 16 pixels, the folder it was trained on, and where its defects are."""
    root = tmp_path_factory.mktemp("tiled")
    corners = write_photographs(root / "photos")
    command = ["train", root / "photos", "--tiles", "16", "--alpha", "0.25", "--out", root / "run"]
    assert run([*map(str, command)]) == 0
    return root, corners


def test_whole_photographs_are_scored_at_their_own_size(tiled):
    root, _ = tiled
    fitted = keras.models.load_model(root / "run" / "detector.keras")
    assert fitted.detector.sample_shape == (*SIZE, 1)
    assert fitted.detector.detector.detector.sample_shape == (16, 16, 1)
    metrics = json.loads((root / "run" / "metrics.json").read_text())
    assert metrics["auroc"] == 1.0
    assert set(metrics["baselines"]) == {"neighbors in pca_32"}  # PCA is the run's own detector
    config = json.loads((root / "run" / "config.json").read_text())
    assert (config["arguments"]["tiles"], config["arguments"]["image_size"]) == (16, None)


def test_the_loudest_region_is_where_the_defect_is(tiled, tmp_path):
    root, corners = tiled
    assert (
        run(["score", str(root / "run"), str(root / "photos" / "test" / "spot"), "--out", str(tmp_path / "s.csv")]) == 0
    )
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for line, (top, left) in zip(lines, corners, strict=True):
        middle = [int(line[f"region_{key}"]) for key in ("top", "height", "left", "width")]
        assert line["is_anomaly"] == "1"
        assert top - 2 <= middle[0] + middle[1] / 2 <= top + SPOT + 2
        assert left - 2 <= middle[2] + middle[3] / 2 <= left + SPOT + 2


def test_the_same_command_on_a_finished_run_does_nothing(tiled, capsys):
    root, _ = tiled
    command = ["train", root / "photos", "--tiles", "16", "--alpha", "0.25", "--out", root / "run"]
    assert run([*map(str, command)]) == 0
    assert "is finished already" in capsys.readouterr().out


def make_task(images):
    part = {"stop": images[:2], "calibrate": images[:2]}
    return Task("images", images, preprocessing=None, fingerprint="", name="", **part)


def test_tiles_are_cut_from_the_grid_on_which_images_are_scored(monkeypatch):
    images = np.random.default_rng(0).uniform(-1, 1, (3, 12, 20, 1)).astype("float32")
    arguments = Arguments("photos", tiles=8, stride=4, image_size=(20, 12), epochs=1)
    sight = see(arguments, None, make_task(images), lambda line: None)
    assert sight.task.train.shape == (3 * 2 * 4, 8, 8, 1)
    np.testing.assert_array_equal(sight.task.train[0], images[0, :8, :8])
    np.testing.assert_array_equal(sight.task.train[8 + 4 + 3], images[1, 4:12, 12:20])
    whole = sight.wrapped(PCA((8, 8, 1), n_components=2))
    np.testing.assert_array_equal(sight.task.train, whole.parts(images))
    # where all would take too much memory, some of each are drawn
    monkeypatch.setattr("keras_anogan.runs.sights.MOST_BYTES", 9 * 8 * 8 * 4)
    told = []
    some = see(arguments, None, make_task(images), told.append).task.train
    assert some.shape == (9, 8, 8, 1)
    every = {tile.tobytes() for tile in sight.task.train}
    assert {tile.tobytes() for tile in some} < every
    assert (
        "Tiles of 8 x 8 pixels, 4 apart: 8 of an image of 20 x 12; 3, drawn at random, of each of 3 images" in told[0]
    )


def test_the_size_of_whole_images_is_that_of_most_photographs_and_bounded(tmp_path, monkeypatch):
    for i, size in enumerate([(40, 30), (64, 48), (64, 48)]):
        Image.new("L", size, i).save(tmp_path / f"{i}.png")
    arguments = Arguments(str(tmp_path), tiles=16)
    assert settle_size(arguments).image_size == (64, 48)
    assert settle_size(Arguments(str(tmp_path), tiles=16, image_size=(32, 24))).image_size == (32, 24)
    monkeypatch.setattr("keras_anogan.runs.sights.LONGEST", 32)
    assert settle_size(arguments).sides == (24, 32)
    with pytest.raises(ValueError, match=r"as large as a tile, 64 pixels\. Received: images of 32 x 24"):
        settle_size(Arguments(str(tmp_path), tiles=64))


def test_training_images_are_changed_and_no_others():
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 8, 8, 1)).astype("float32")
    task = make_task(images)
    for detector, rows in (("pca", 4 * 3), ("vae", 3)):  # one that reads each image once has several copies
        arguments = Arguments("photos", detector=detector, image_size=8, epochs=1, mirror="both", brightness=0.1)
        seen = see(arguments, None, task, lambda line: None).task
        assert (len(seen.train), seen.shape) == (rows, (8, 8, 1))
        assert not np.array_equal(seen.train[np.arange(3)], images)
        assert seen.stop is task.stop
    assert see(Arguments("photos", detector="pca", image_size=8), None, task, lambda line: None) is None
    tiles = see(Arguments("photos", detector="vae", image_size=8, tiles=8, rotate=5, epochs=1), None, task, str).task
    assert len(tiles.train) == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"data": "rows.csv", "tiles": 16}, "Received: a table"),
        ({"data": "photos", "tiles": 16, "features": "efficientnet_lite0"}, "Received: --features"),
        ({"data": "photos", "tiles": 4}, "--tiles >= 8"),
        ({"data": "photos", "tiles": 16, "stride": 17}, "--stride from 1 to the side of a tile, 16. Received: 17"),
        ({"data": "photos", "stride": 8}, "--stride with --tiles"),
        ({"data": "photos", "tiles": 64, "image_size": 32}, "Received: images of 32 x 32"),
        ({"data": "rows.csv", "mirror": "both"}, "with images. Received: a table"),
        ({"data": "photos", "rotate": 200}, "--rotate from 0 to 180"),
        ({"data": "mnist", "normal": 1, "tiles": 32}, "Received: images of 28 x 28"),
    ],
)
def test_tiles_that_cannot_be_get_a_sentence(options, match):
    with pytest.raises(ValueError, match=match):
        Arguments(**options)

"""Runs whose detector sees features: trained once on them, served with the backbone inside."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import keras_anogan_cli as cli
from keras_anogan import FeatureDetector, PatchGaussian, ViewsDetector, runs
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.candidates import plan_benchmark


def photographs(folder, n, spot=0, seed=0):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    for i in range(n):
        pixels = 128 + 60 * np.cos(np.mgrid[0:20, 0:20][1] / 2.0) + draw.normal(0, 4, (20, 20))
        pixels[4:9, 5:12] -= spot
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(folder / f"{i:02d}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "parts"
    photographs(root / "train" / "good", 60)
    photographs(root / "test" / "good", 8, seed=1)
    photographs(root / "test" / "hole", 6, spot=60, seed=2)
    return root


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A small network in a file, as a user may bring one."""
    x = keras.Input((16, 16, 3))
    h = x
    for i in range(3):  # 8, 4, 2 pixels a side
        init = keras.initializers.GlorotUniform(seed=i)
        h = layers.Conv2D(4, 3, 2, "same", activation="relu", kernel_initializer=init, name=f"down{i}")(h)
    path = tmp_path_factory.mktemp("backbone") / "small.keras"
    keras.Model(x, h, name="small").save(path)
    return path


@pytest.fixture(scope="module")
def solved(data, backbone, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "solved"
    said = []
    given = {"features": str(backbone), "image_size": 16, "alpha": 0.1}
    return out, runs.train(Arguments(str(data), **given), out, say=said.append), said


def test_a_gaussian_of_features_is_the_default(solved):
    out, metrics, said = solved
    assert "Features of small: 16 numbers of each of 48 images to train on, computed once." in said
    fitted = runs.load_run(out).fitted
    assert isinstance(fitted.detector, FeatureDetector)
    assert type(fitted.detector.detector).__name__ == "Gaussian"
    assert metrics["auroc"] > 0.9
    assert "gaussian on features of " in (out / "report.html").read_text()
    assert set(metrics["baselines"]) == {"pca_32", "neighbors"}


def test_the_saved_model_takes_photographs(solved, data, tmp_path):
    out, _, _ = solved
    assert cli.run(["score", str(out), str(data), "--out", str(tmp_path / "scores.csv")]) == 0
    with open(tmp_path / "scores.csv", newline="") as file:
        lines = {line["id"]: float(line["anomaly_score"]) for line in csv.DictReader(file)}
    pixels = np.asarray(Image.open(data / "test" / "hole" / "00.png"))[None, ..., None]
    served = tf.saved_model.load(str(out / "serving" / "1")).signatures["serving_default"](raw=tf.constant(pixels))
    assert float(served["score"][0]) == pytest.approx(lines["test/hole/00.png"], rel=1e-4)


def test_a_network_on_features_goes_on_where_it_was_interrupted(data, backbone, tmp_path):
    given = {"detector": "vae", "features": str(backbone), "image_size": 16, "alpha": 0.1, "epochs": 2}
    arguments = Arguments(str(data), **given, params={"latent_dim": 2})
    runs.train(arguments, tmp_path / "whole")

    class Second(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.train(arguments, tmp_path / "run", progress=lambda phase, epochs: [Second()])
    runs.train(arguments, tmp_path / "run")
    models = [keras.saving.load_model(tmp_path / name / "detector.keras") for name in ("whole", "run")]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_scales_and_mirrored_views_make_one_score(data, tmp_path):
    x = keras.Input((None, None, 3))
    keras.Model(x, layers.Conv2D(4, 3, 2, "same", activation="relu")(x)).save(tmp_path / "any.keras")
    given = {"features": str(tmp_path / "any.keras"), "image_size": 16, "alpha": 0.1, "mirror": "both", "views": True}
    metrics = runs.train(Arguments(str(data), **given, scale=[0.5]), tmp_path / "run")
    assert metrics["auroc"] > 0.9
    fitted = runs.load_run(tmp_path / "run").fitted
    assert isinstance(fitted.detector, ViewsDetector)
    assert fitted.detector.detector.features.shape == (16,)
    photograph = np.random.default_rng(0).integers(0, 256, (1, 20, 20, 1), dtype="uint8")
    scores = fitted.predict(np.concatenate([photograph, photograph[:, ::-1], photograph[:, :, ::-1]]))
    np.testing.assert_allclose(scores, scores[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"views": True}, "Expected --views with --mirror"),
        ({"scale": [0.5]}, "Expected --scale with --features"),
        ({"scale": [1.5], "features": "efficientnet_lite0"}, "Received: 1.5"),
        ({"scale": [0.5], "features": "efficientnet_lite0", "detector": "patch_gaussian"}, "sees a grid"),
    ],
)
def test_views_and_scales_need_what_they_are_of(data, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Arguments(str(data), **given)


def test_a_gaussian_at_each_place_has_maps(data, backbone, tmp_path):
    given = {"detector": "patch_gaussian", "features": str(backbone), "image_size": 16, "alpha": 0.1}
    runs.train(Arguments(str(data), **given, layer=["down0"]), tmp_path / "run")
    fitted = runs.load_run(tmp_path / "run").fitted
    assert isinstance(fitted.detector.detector.detector, PatchGaussian)  # its map is the score, of a folder
    assert fitted.detector.detector.detector.sample_shape == (8, 8, 4)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["arguments"]["layer"] == ["down0"]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["reduction"] == "top"
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Map: how unusual each place is" in report
    assert "reconstruction|" not in report  # there is none


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"features": "resnet5"}, "'resnet5'; did you mean resnet50"),
        ({"features": "nowhere.keras"}, "--features. Received: nowhere.keras, which does not exist"),
        ({"features": "resnet50", "weights": "nowhere.h5"}, "--weights. Received: nowhere.h5"),
        ({"weights": "w.h5"}, "--weights with --features"),
        ({"features": "resnet50", "detector": "ganomly"}, "did you mean ganomaly"),
        ({"features": "resnet50", "detector": "fanogan"}, "Received: fanogan, which needs images"),
        ({"features": "resnet50", "detector": "cvgan"}, "for features of images"),
    ],
)
def test_what_can_see_no_features_is_refused(given, sentence):
    error = FileNotFoundError if "nowhere" in sentence else ValueError
    with pytest.raises(error, match=sentence):
        Arguments("photos", **given)
    with pytest.raises(ValueError, match=r"--features with images\. Received: a table"):
        Arguments("rows.csv", features="resnet50")
    assert Arguments("photos", features="resnet50").sides == (224, 224)
    assert Arguments("photos", features="resnet50", detector="adversarial_autoencoder").architecture == "mlp"


def test_a_benchmark_on_features_compares_what_can_see_them(data, backbone, tmp_path):
    given = {"features": str(backbone), "image_size": 16, "alpha": 0.1}
    contest = plan_benchmark(str(data), 1200.0, **given)
    assert list(contest.candidates)[:2] == ["pca", "neighbors"]
    assert {"gaussian", "flow", "patch_gaussian", "patch_neighbors"} < set(contest.candidates)
    assert not {"fanogan", "ognet"} & set(contest.candidates)
    found = runs.benchmark(str(data), tmp_path, 60.0, ["gaussian", "patch_neighbors"], say=str, **given)
    assert [line["auroc"] > 0.8 for line in found["lines"]] == [True, True]
    assert f"--features {backbone} --image-size 16" in found["command"]

"""Options that arrive: parameters of a detector, thresholds, files of options; and the CSV against the SavedModel."""

import csv
import functools
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_anogan_cli
from keras_anogan.datasets import hold_out, load_digits, one_class, read_table
from keras_anogan.models import list_detectors
from keras_anogan.runs import load_run
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.parsing import parse_parameters
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.thresholds import THRESHOLDS

QUICK = ("digits", "--normal", 3, "--alpha", 0.05, "--detector", "pca")


def command(*arguments):
    return keras_anogan_cli.run([str(argument) for argument in arguments])


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def served(run):
    return tf.saved_model.load(str(run / "serving" / "1")).signatures["explain"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    lines = ["amount,age,colour"]
    lines += [f"{draw.normal(10, 2):.3f},{draw.integers(18, 80)},{draw.choice(['red', 'blue'])}" for _ in range(80)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_csv_of_images_says_what_the_saved_model_says(tmp_path):
    assert command("train", *QUICK, "--set", "n_components=5", "--out", tmp_path / "run") == 0
    assert command("score", tmp_path / "run", "digits", "--out", tmp_path / "s.csv") == 0
    split = one_class(*hold_out(*load_digits(), share=0.3, seed=0), 3, stop=0.1, calibrate=0.25, seed=0)
    said, rows = served(tmp_path / "run")(raw=tf.constant(split.test)), read(tmp_path / "s.csv")
    np.testing.assert_allclose([float(row["anomaly_score"]) for row in rows], said["score"], rtol=1e-5)
    np.testing.assert_allclose([float(row["p_value"]) for row in rows], said["p_value"], rtol=1e-3)
    assert [row["is_anomaly"] == "1" for row in rows] == said["is_anomaly"].numpy().tolist()
    fitted = load_run(tmp_path / "run").fitted
    assert fitted.detector.n_components == 5


def test_the_csv_of_a_table_says_what_the_saved_model_says(table, tmp_path):
    run = tmp_path / "run"
    assert command("train", table, "--detector", "pca", "--alpha", 0.1, "--out", run) == 0
    assert command("score", run, table, "--out", tmp_path / "s.csv") == 0
    raw = load_run(run).fitted.check_raw(read_table(str(table)))
    said, rows = served(run)(**{name: tf.constant(values) for name, values in raw.items()}), read(tmp_path / "s.csv")
    np.testing.assert_allclose([float(row["anomaly_score"]) for row in rows], said["score"], rtol=1e-5)
    assert [row["is_anomaly"] == "1" for row in rows] == said["is_anomaly"].numpy().tolist()


@pytest.mark.parametrize("name", [name for name in THRESHOLDS if name != "conformal"])
def test_any_threshold_for_a_table(name, table, tmp_path):
    run = tmp_path / "run"
    rate = 0.02 if name == "peaks" else 0.1
    setting = ("--alpha", rate) if name in ("quantile", "peaks") else ("--k", 2)
    words = ("--detector", "gaussian", "--threshold", name, *setting, "--out", run)
    if name == "peaks":  # needs more rows for its tail
        table = tmp_path / "many.csv"
        table.write_text("x,y\n" + "\n".join(f"{a},{b}" for a, b in np.random.default_rng(0).normal(size=(800, 2))))
    assert command("train", table, *words) == 0
    assert type(load_run(run).fitted.threshold) is type(THRESHOLDS[name](rate, 2.0, 10))
    assert command("score", run, table, "--out", tmp_path / "s.csv") == 0
    assert "p_value" not in read(tmp_path / "s.csv")[0]
    page = (run / "report.html").read_text()
    assert ("k = 2" in page) == (name not in ("quantile", "peaks"))
    assert ('<th scope="row">k</th>' in page) != ('<th scope="row">alpha</th>' in page)  # the one that had an effect


def test_parameters_arrive_in_the_detector_the_config_and_the_report(tmp_path):
    run = tmp_path / "run"
    words = (
        "--normal",
        3,
        "--alpha",
        0.05,
        "--smoke",
        "--architecture",
        "dcgan",  # without XLA, which compiles longer than this trains
        "--set",
        "filters=4",
        "--set",
        "kappa=0.1",
        "--set",
        "latent-dim=7",
        "--set",
        "n_critic=1",
    )
    assert command("train", "digits", *words, "--out", run) == 0
    assert json.loads((run / "config.json").read_text())["arguments"]["params"] == {
        "filters": 4,
        "kappa": 0.1,
        "latent_dim": 7,
        "n_critic": 1,
    }
    detector = load_run(run).fitted.detector
    assert (detector.kappa, detector.encoder.output_shape[-1]) == (0.1, 7)
    assert '<tr><th scope="row">kappa</th><td>0.1</td></tr>' in (run / "report.html").read_text()


def test_values_are_read_as_python_writes_them():
    found = parse_parameters(["a=1", "b=0.5", "c=true", "d=none", "e=(64, 32)", "f=ratio", "g = x=y "])
    assert found == {"a": 1, "b": 0.5, "c": True, "d": None, "e": (64, 32), "f": "ratio", "g": "x=y"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--set", "kapa=0.1"), "FAnoGAN has no parameter kapa; did you mean kappa?"),
        (("--set", "kappa=much"), "kappa"),
        (("--set", "kappa"), "NAME=VALUE"),
        (("--set", "kappa=1", "--set", "kappa=2"), "twice"),
        (("--threshold", "best"), "'best'"),
        (("--detector", "fanogn"), "Received: 'fanogn'"),
        (("--config", "{tmp}/none.toml"), "none.toml"),
        (("--config", "{tmp}/bad.toml"), "which is none"),
        (("--config", "{tmp}/odd.toml"), "Received: epohcs; did you mean epochs?"),
        (("--config", "{tmp}/type.toml"), "type.toml: Expected --epochs to be a whole number. Received: many."),
    ],
)
def test_mistakes_end_with_one_sentence(words, sentence, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text("epochs = = 3")
    (tmp_path / "odd.toml").write_text("epohcs = 3")
    (tmp_path / "type.toml").write_text('epochs = "many"')
    words = [word.format(tmp=tmp_path) for word in words]
    assert command("train", "digits", "--normal", 3, "--alpha", 0.05, "--out", tmp_path / "run", *words) == 2
    complaint = capsys.readouterr().err.strip()
    assert sentence in complaint
    assert len(complaint.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_file_holds_any_option_and_the_command_line_stands_over_it(tmp_path):
    file = tmp_path / "run.toml"
    run = (tmp_path / "run").as_posix()
    file.write_text(
        f'data = "digits"\nnormal = 3\nalpha = 0.2\ndetector = "pca"\nout = "{run}"\n[set]\nn_components = 4\n'
    )
    assert command("train", "--config", file, "--alpha", 0.1) == 0
    arguments = json.loads((tmp_path / "run" / "config.json").read_text())["arguments"]
    assert (arguments["normal"], arguments["alpha"], arguments["params"]) == (3, 0.1, {"n_components": 4})


def test_detectors_are_listed_with_their_papers_and_defaults(capsys):
    assert command("detectors") == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: " in printed for name in list_detectors())
    assert "kappa = 1.0" in printed
    assert "Schlegl" in printed


def test_arguments_of_all_kinds_share_what_they_check():
    for arguments in (functools.partial(Arguments, "digits", normal=1), functools.partial(VideoArguments, ("a",))):
        with pytest.raises(ValueError, match="0 < --alpha < 1"):
            arguments(alpha=0.0)
        with pytest.raises(ValueError, match="--batch-size >= 1"):
            arguments(batch_size=0)
        assert arguments(threshold="cumulative", k=2.0).build_threshold().k == 2.0


def test_a_folder_with_masks_and_few_calibration_images_takes_a_threshold_without_a_rate(tmp_path):
    draw = np.random.default_rng(0)
    for kind, count in (("train/good", 24), ("test/good", 3), ("test/hole", 3)):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for i in range(count):
            pixels = np.uint8(draw.integers(100, 140, (16, 16)))
            pixels[4:8, 4:8] = 255 if kind == "test/hole" else pixels[4:8, 4:8]
            Image.fromarray(pixels).save(tmp_path / "data" / kind / f"{i}.png")
    (tmp_path / "data" / "ground_truth" / "hole").mkdir(parents=True)
    mask = np.zeros((16, 16), "uint8")
    mask[4:8, 4:8] = 255
    for i in range(3):
        Image.fromarray(mask).save(tmp_path / "data" / "ground_truth" / "hole" / f"{i}_mask.png")
    words = ("--detector", "pca", "--image-size", 16, "--threshold", "cumulative")
    assert command("train", tmp_path / "data", *words, "--out", tmp_path / "run") == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "as CumulativeAggregation forms them" in page

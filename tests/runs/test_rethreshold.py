"""`threshold`: another threshold for a finished run, everywhere or nowhere."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import runs
from keras_anogan.runs.folder import READY
from keras_anogan.thresholds import calibration_interval
from keras_anogan_cli import run


def write_table(path, rows, seed=0, shift=0.0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 4)) @ np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.3], [0, 0, 0, 1]]) + shift
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d"])
        writer.writerows(np.round(x, 4).tolist())
    return path


@pytest.fixture
def made(tmp_path):
    """A finished run of a table, solved in a moment."""
    table = write_table(tmp_path / "normal.csv", 1500)
    out = tmp_path / "run"
    assert run(["train", str(table), "--detector", "pca", "--alpha", "0.05", "--out", str(out)]) == 0
    return out


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def served_alarms(out, scores):
    """What the SavedModel of a run says of rows, and their scores."""
    draw = np.random.default_rng(5)
    columns = {name: tf.constant(draw.normal(size=scores) * 2.0) for name in "abcd"}
    found = tf.saved_model.load(str(out / "serving" / "1")).signatures["explain"](**columns)
    return found["score"].numpy(), found["is_anomaly"].numpy()


def test_detector_saved_model_and_report_have_the_new_rate(made, capsys):
    before = runs.load_run(made).fitted
    found = runs.set_threshold(made, 0.01)
    fitted = runs.load_run(made).fitted
    assert fitted.threshold.alpha == 0.01
    assert fitted.threshold.threshold == before.at(0.01).threshold.threshold == found["threshold"]
    assert found["threshold"] > found["before"] == before.threshold.threshold
    scores, alarms = served_alarms(made, 400)
    np.testing.assert_array_equal(alarms, scores > found["threshold"])
    assert 0 < alarms.sum() < 400
    report = (made / "report.html").read_text()
    assert found["sentence"] in report
    assert f"{found['rows']:,} calibration scores" in found["sentence"]
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["set_later"]["threshold"] == found["threshold"]
    assert metrics["threshold"] == pytest.approx(found["before"])  # the test's numbers are of the training's threshold
    again = runs.set_threshold(made, 0.02)
    report = (made / "report.html").read_text()
    assert again["sentence"] in report
    assert found["sentence"] not in report
    assert not list(made.glob(f"{READY}*"))


def test_new_normal_data_calibrate(made, tmp_path, capsys):
    shifted = write_table(tmp_path / "later.csv", 400, seed=3, shift=1.5)
    assert run(["score", str(made), str(shifted), "--out", str(tmp_path / "s.csv")]) == 0
    assert run(["threshold", str(made), "--recalibrate", str(shifted)]) == 0
    said = capsys.readouterr().out
    assert "5 % of false alarms, by 400 calibration scores of new normal data" in " ".join(said.split())
    threshold = runs.load_run(made).fitted.threshold
    with open(tmp_path / "s.csv", newline="", encoding="utf-8") as file:
        scores = np.array([float(line["anomaly_score"]) for line in csv.DictReader(file)])
    assert threshold.threshold == pytest.approx(np.sort(scores)[-20])  # the 20th largest: floor(0.05 * 401)
    assert threshold.alpha == 0.05


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Expected --alpha, --recalibrate, or both. Received: neither."),
        (("--alpha", "0"), "alpha"),
        (("--alpha", "0.0001"), "calibration scores allow"),
        (("--recalibrate", "few.csv", "--alpha", "0.01"), "Expected at least 99 normal rows"),
        (("--recalibrate", "no.csv"), "no.csv"),
    ],
)
def test_a_mistake_leaves_the_run_as_it_was(options, sentence, made, tmp_path, capsys):
    write_table(tmp_path / "few.csv", 30)
    before = files_of(made)
    options = [str(tmp_path / word) if word.endswith(".csv") else word for word in options]
    assert run(["threshold", str(made), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert files_of(made) == before


def test_another_rule_has_no_rate_to_change(tmp_path, capsys):
    table, out = write_table(tmp_path / "normal.csv", 300), tmp_path / "run"
    assert run(["train", str(table), "--detector", "pca", "--threshold", "exponential", "--out", str(out)]) == 0
    assert run(["threshold", str(out), "--alpha", "0.02"]) == 2
    assert "Received: ExponentialThreshold" in capsys.readouterr().err


def test_an_interruption_leaves_the_old_or_finishes_the_new(made, monkeypatch):
    before = files_of(made)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keras_anogan.runs.rethreshold._write_report", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.set_threshold(made, 0.01)
    assert files_of(made) == before
    with monkeypatch.context() as patch:
        patch.setattr("keras_anogan.runs.rethreshold.finish_threshold", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.set_threshold(made, 0.01)
    assert (made / READY / "detector.keras").exists()
    (made / READY / "metrics.json").replace(made / "metrics.json")  # one was moved before the power went
    assert runs.load_run(made).fitted.threshold.alpha == 0.01
    assert not (made / READY).exists()
    scores, alarms = served_alarms(made, 100)
    np.testing.assert_array_equal(alarms, scores > runs.load_run(made).fitted.threshold.threshold)


def test_how_sure_a_rate_is():
    """Of many calibrations, the rates of 95 % lie in the interval."""
    low, high = calibration_interval(0.05, 199)
    draw = np.random.default_rng(0)
    rates = 1.0 - np.sort(draw.uniform(size=(4000, 199)), axis=1)[:, -10]
    assert np.mean((low <= rates) & (rates <= high)) == pytest.approx(0.95, abs=0.012)

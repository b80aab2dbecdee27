"""FittedDetector: raw input in; scores, alarms and maps out; one file, one SavedModel."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import (
    PCA,
    ConformalThreshold,
    Explainer,
    FittedDetector,
    QuantileThreshold,
    build_detector,
    image_preprocessing,
)
from keras_anogan.serving import export

RAW = np.random.default_rng(5).integers(0, 256, (80, 12, 12, 3), dtype="uint8")


@pytest.fixture
def fitted():
    preprocessing = image_preprocessing(8, 8)
    x = np.asarray(preprocessing(RAW))
    detector = PCA((8, 8, 3), n_components=4)
    detector.fit(x[:40])
    peaks = np.asarray(detector.explain(x[40:])["anomaly_map"]).max(axis=(1, 2))
    threshold, map_threshold = ConformalThreshold(0.05).adapt(detector.predict(x[40:])), QuantileThreshold(0.05)
    return FittedDetector(preprocessing, detector, threshold, map_threshold=map_threshold.adapt(peaks))


def test_preprocessing_maps_bytes_to_minus_one_to_one():
    flat = np.zeros((1, 5, 7, 1), "uint8")
    layer = image_preprocessing(4, 4)
    np.testing.assert_allclose(layer(flat), -1.0)
    np.testing.assert_allclose(layer(flat + np.uint8(255)), 1.0, rtol=1e-6)
    same = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1), dtype="uint8")
    np.testing.assert_allclose(layer(same), same / 127.5 - 1.0, atol=1e-6)  # the size it has is left alone


def test_detect_gives_what_its_parts_give(fitted):
    result = fitted.detect(RAW, batch_size=32)
    scores = fitted.detector.predict(np.asarray(fitted.preprocessing(RAW)))
    np.testing.assert_allclose(result["score"], scores, rtol=1e-5)
    np.testing.assert_allclose(fitted.predict(RAW), scores, rtol=1e-5)
    assert np.array_equal(result["is_anomaly"], result["p_value"] <= 0.05)
    assert result["anomaly_map"].shape == (80, 8, 8)
    assert result["reconstruction"].shape == (80, 8, 8, 3)
    assert result["anomaly_mask"].dtype == bool
    above = result["anomaly_map"] > fitted.map_threshold.threshold
    np.testing.assert_array_equal(result["anomaly_mask"], above & result["is_anomaly"][:, None, None])
    marked = above[40:].any(axis=(1, 2)).mean()  # of the images it was calibrated on
    assert 0.0 < marked <= 0.05
    loud = np.where(np.indices(RAW.shape[1:3]).sum(axis=0)[None, ..., None] // 4 % 2, 255, RAW[:1]).astype("uint8")
    assert fitted.detect(loud)["is_anomaly"].all()
    assert fitted.detect(loud)["anomaly_mask"].any()
    one = fitted.detect(RAW[:1])
    np.testing.assert_allclose(one["score"], scores[:1], rtol=1e-5)
    for i in range(3):
        np.testing.assert_allclose(fitted.detect(RAW[i : i + 1])["score"], result["score"][i], rtol=1e-5)


def test_a_file_keeps_everything(fitted, tmp_path):
    fitted.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    for key, value in fitted.detect(RAW).items():
        np.testing.assert_allclose(loaded.detect(RAW)[key], value, rtol=1e-5, err_msg=key)
    assert loaded.raw_dtype == "uint8"


@pytest.mark.parametrize("name", ["detector.h5", "detector.hdf5", "detector"])
def test_a_file_that_could_not_be_loaded_is_not_written(fitted, name, tmp_path):
    for model in (fitted, fitted.detector, Explainer(fitted.detector)):
        with pytest.raises(ValueError, match=rf"{name}; .*detector\.keras would do") as error:
            model.save(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def convolutional():
    detector = build_detector("autoencoder", (8, 8, 1), filters=2)
    detector.compile()
    return detector


def solved():
    detector = PCA((8, 8, 1), n_components=4)
    detector.fit(np.asarray(image_preprocessing(8, 8)(RAW[..., :1])))
    return detector


@pytest.mark.parametrize("make", [solved, convolutional])
def test_the_endpoint_of_encoded_images_runs_on_small_devices(make, tmp_path):
    detector, preprocessing = make(), image_preprocessing(8, 8)
    x = np.asarray(preprocessing(RAW[..., :1]))
    scores = detector.predict(x)
    fitted = FittedDetector(preprocessing, detector, ConformalThreshold(0.05).adapt(scores))
    fitted.export(tmp_path / "1")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "1"), signature_keys=["encoded"])
    run = tf.lite.Interpreter(model_content=converter.convert()).get_signature_runner("encoded")
    np.testing.assert_allclose(run(encoded=x[:5])["score"], scores[:5], rtol=1e-4)


def test_the_saved_model_serves_named_endpoints_without_the_package(fitted, tmp_path):
    fitted.export(tmp_path / "serving" / "1")
    np.save(tmp_path / "raw.npy", RAW[:5])
    script = """
import sys; sys.modules["keras_anogan"] = None
import numpy as np, tensorflow as tf
served = tf.saved_model.load("serving/1").signatures
raw = tf.constant(np.load("raw.npy"))
np.savez("out.npz", plain=served["serving_default"](raw=raw)["score"], **served["explain"](raw=raw))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    out = dict(np.load(tmp_path / "out.npz"))
    want = fitted.detect(RAW[:5])
    assert {"score", "p_value", "is_anomaly", "anomaly_map", "anomaly_mask", "reconstruction"} <= set(out)
    np.testing.assert_allclose(out.pop("plain"), want["score"], rtol=1e-5)
    for key, value in out.items():
        np.testing.assert_allclose(value, want[key], rtol=1e-5, atol=1e-6, err_msg=key)


def test_without_a_map_threshold_there_is_no_mask_and_one_that_is_not_adapted_is_refused(fitted):
    plain = FittedDetector(fitted.preprocessing, fitted.detector, fitted.threshold)
    assert "anomaly_mask" not in plain.detect(RAW[:2])
    raw = FittedDetector(fitted.preprocessing, fitted.detector, fitted.threshold, map_threshold=QuantileThreshold(0.05))
    with pytest.raises(ValueError, match="not adapted"):
        raw.detect(RAW[:2])


def test_a_file_from_before_there_were_map_thresholds_still_loads(fitted):
    plain = FittedDetector(fitted.preprocessing, fitted.detector, fitted.threshold)
    config = plain.get_config()
    del config["map_threshold"]
    assert FittedDetector.from_config(config).map_threshold is None


@keras.saving.register_keras_serializable("tests")
class OtherScoreInAGraph(PCA):
    """Scores differently where it is exported: the SavedModel's signature has a name scope of its own."""

    exporting = False

    def explain(self, x):
        explained = super().explain(x)
        return {**explained, "score": explained["score"] + (1.0 if self.exporting else 0.0)}


def test_export_refuses_a_model_that_scores_otherwise(tmp_path, monkeypatch):
    detector = OtherScoreInAGraph((4,), n_components=1)
    detector.fit(np.random.default_rng(0).normal(size=(30, 4)).astype("float32"))
    model = FittedDetector(None, detector, QuantileThreshold(0.1).adapt(np.arange(30.0)))
    model.predict(np.zeros((2, 4), "float32"))  # traced before the export changes its mind
    write = export.write_saved_model

    def write_otherwise(model, target):
        model.detector.exporting = True
        write(model, target)
        model.detector.exporting = False

    monkeypatch.setattr(export, "write_saved_model", write_otherwise)
    with pytest.raises(RuntimeError, match="scores differ"):
        model.export(tmp_path / "out" / "1")
    assert not (tmp_path / "out" / "1").exists()
    assert not list((tmp_path / "out").iterdir())


def test_export_is_proved_on_images_that_have_to_be_resized_too(fitted):
    assert fitted.raw.sample().shape == (16, 13, 13, 3)
    rows = FittedDetector(None, PCA((4,), n_components=1), QuantileThreshold(0.1))
    assert rows.raw.sample().shape == (16, 4)


def test_export_refuses_a_model_that_alarms_otherwise(fitted, tmp_path, monkeypatch):
    write = export.write_saved_model

    def write_otherwise(model, target):
        boundary = float(model.threshold.boundary)
        model.threshold.boundary.assign(-1e9)  # everything is an alarm
        write(model, target)
        model.threshold.boundary.assign(boundary)

    monkeypatch.setattr(export, "write_saved_model", write_otherwise)
    with pytest.raises(RuntimeError, match="so do its alarms"):
        fitted.export(tmp_path / "1")


def test_export_refuses_a_folder_that_holds_something(fitted, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="not empty"):
        fitted.export(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_an_unadapted_threshold_is_refused(fitted, tmp_path):
    raw = FittedDetector(fitted.preprocessing, fitted.detector, QuantileThreshold(0.05))
    assert raw.predict(RAW).shape == (80,)  # scores need no threshold
    for action in (lambda: raw.detect(RAW), lambda: raw.export(tmp_path / "1"), lambda: raw.save(tmp_path / "x.keras")):
        with pytest.raises(ValueError, match="not adapted"):
            action()


def test_a_threshold_without_p_values_gives_none(fitted):
    plain = FittedDetector(fitted.preprocessing, fitted.detector, QuantileThreshold(0.05).adapt(np.arange(40.0)))
    assert "p_value" not in plain.detect(RAW[:2])


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (RAW[:2] / 255.0, r"dtype float64 in \[0"),
        (RAW[:2, :0], r"Received: shape \(2, 0, 12, 3\)"),
        (RAW[:0], "at least one row"),
        (RAW[0], r"\(12, 12, 3\)"),
        (RAW[..., :1], "Received: shape"),
        ([RAW[0], RAW[0, :5]], "several shapes"),
        (np.array([["a"]]), "dtype"),
    ],
)
def test_bad_raw_input_is_refused_with_a_sentence(fitted, raw, word):
    for verb in (fitted.predict, fitted.detect):
        with pytest.raises(ValueError, match=word) as caught:
            verb(raw)
        assert "\n" not in str(caught.value)


def test_float_rows_with_nan_are_refused():
    detector = PCA((4,), n_components=1)
    x = np.random.default_rng(0).normal(size=(30, 4))
    detector.fit(x)
    model = FittedDetector(None, detector, QuantileThreshold(0.1).adapt(detector.predict(x)))
    x[7, 2] = np.nan
    with pytest.raises(ValueError, match="nan in row 7"):
        model.detect(x)


@keras.saving.register_keras_serializable("tests")
class ScoresNaN(PCA):
    def explain(self, x):
        return {"score": tf.where(x[:, 0] > 0, np.nan, 0.0)}


def test_a_score_that_is_not_finite_is_an_alarm():
    detector = ScoresNaN((2,), n_components=1)
    model = FittedDetector(None, detector, ConformalThreshold(0.1).adapt(np.ones(30)))
    result = model.detect(np.array([[1.0, 0.0], [-1.0, 0.0]], "float32"))
    assert result["is_anomaly"].tolist() == [True, False]


def test_constant_images_are_scored_like_any_other(fitted):
    for value in (0, 255):
        assert np.isfinite(fitted.detect(np.full((2, 12, 12, 3), value, "uint8"))["score"]).all()


def test_only_detectors_are_fitted():
    with pytest.raises(ValueError, match="AnomalyDetector"):
        FittedDetector(None, keras.Sequential(), QuantileThreshold(0.1))

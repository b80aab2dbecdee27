"""What is refused before anything is lost: a CSV file over data, a rate that a run's calibration does not allow."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_anogan._version import __version__
from keras_anogan.datasets.conditions import normal_of
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.checks import check_folder, check_scoring
from keras_anogan.runs.folder import _check_alpha
from keras_anogan.runs.seen import on_seen_footage
from keras_anogan.runs.targets import check_csv
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.thresholds import ConformalThreshold, CumulativeAggregation


@pytest.fixture
def run(tmp_path):
    """A folder that looks like a finished run of a table, as far as checks look."""
    folder = tmp_path / "run"
    folder.mkdir()
    config = {
        "kind": "table",
        "arguments": {"data": "rows.csv", "detector": "pca"},
        "data": {"fingerprint": ""},
        "versions": {"keras_anogan": __version__},
    }
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("metrics.json", "detector.keras"):
        (folder / name).write_text("")
    return folder


def test_scores_never_replace_the_table_that_they_are_of(run, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("a,anomaly_score\n1,2\n")
    with pytest.raises(ValueError, match="Expected a file outside the data to write"):
        check_scoring(run, str(table), table)
    assert table.read_text() == "a,anomaly_score\n1,2\n"


def test_scores_replace_earlier_scores_and_no_other_file(tmp_path):
    scores, other = tmp_path / "scores.csv", tmp_path / "parts.csv"
    scores.write_text("id,anomaly_score,is_anomaly\n")
    other.write_text("id,size\n")
    check_csv(scores, ())
    check_csv(tmp_path / "new.csv", ())
    with pytest.raises(ValueError, match=r"one of earlier scores\. Received: .*parts\.csv, which holds other data"):
        check_csv(other, ())
    with pytest.raises(ValueError, match=r"such as film\.csv\. Received: .*film\.mp4"):
        check_csv(tmp_path / "film.mp4", ())


def test_another_rate_has_to_be_one_that_the_calibration_allows():
    threshold = ConformalThreshold(0.1).adapt(np.arange(19.0))
    _check_alpha(threshold, 0.05)
    with pytest.raises(ValueError, match=r"Expected --alpha 0\.0500 or more, which the run's 19 .* --alpha 0\.04"):
        _check_alpha(threshold, 0.04)
    with pytest.raises(ValueError, match=r"Expected 0 < --alpha < 1\. Received: 0"):
        _check_alpha(threshold, 0.0)
    _check_alpha(CumulativeAggregation(3.0).adapt(np.arange(5.0)), 0.01)  # counts no scores; `at` refuses it


def test_a_condition_that_no_row_meets_is_told_what_the_column_holds():
    frame = pd.DataFrame({"state": ["ok"] * 30 + ["broken"] * 2})
    assert normal_of(frame, 'state == "ok"')[0].sum() == 30
    with pytest.raises(ValueError, match=r"Received: 0 of 32; 'state' holds 'ok', 'broken'\."):
        normal_of(frame, 'state == "OK"')


def test_all_differences_to_an_earlier_run_are_named(tmp_path):
    arguments = {"data": "photos", "detector": "pca", "image_size": 32, "seed": 1}
    config = {"arguments": arguments, "data": {"fingerprint": ""}, "versions": {"keras_anogan": __version__}}
    (tmp_path / "config.json").write_text(json.dumps({"kind": "images", **config}))
    with pytest.raises(
        ValueError, match=r"was started with .*seed=1.*image_size=32.* Received: .*seed=0.*image_size=64"
    ):
        check_folder(Arguments("photos", detector="pca", epochs=20), tmp_path)


def test_another_rate_of_a_finished_run_is_set_where_it_is_used(tmp_path):
    arguments = {"data": "photos", "detector": "pca", "alpha": 0.05, "budget": 600.0, "image_size": 64}
    config = {"arguments": arguments, "data": {"fingerprint": ""}, "versions": {"keras_anogan": __version__}}
    (tmp_path / "config.json").write_text(json.dumps({"kind": "images", **config}))
    asked = Arguments("photos", detector="pca", alpha=0.2)
    with pytest.raises(ValueError, match="repeat the same command to resume it"):
        check_folder(asked, tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"alpha=0\.05.*it is finished; .*score --alpha, export --alpha\."):
        check_folder(asked, tmp_path)


def test_footage_of_a_run_is_known_by_its_place(tmp_path):
    arguments = VideoArguments((str(tmp_path / "days"),))
    for day in (tmp_path / "days" / "01", [tmp_path / "other", tmp_path / "days"], tmp_path):
        assert "trained and calibrated on footage in" in on_seen_footage(arguments, day)[0]
    for day in (tmp_path / "other", np.zeros((3, 4, 4), "uint8")):
        assert on_seen_footage(arguments, day) == []

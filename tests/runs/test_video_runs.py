"""Train on days, score days, watch a stream: the run folder of video and its commands."""

import contextlib
import csv
import datetime
import io
import json
import shutil
import time
from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_anogan_cli as cli
from keras_anogan.callbacks import EpochBackup
from keras_anogan.datasets import make_street, write_street
from keras_anogan.datasets.street import KINDS
from keras_anogan.runs import load_run, score, train, watch, watching
from keras_anogan.runs.alarms import find_events
from keras_anogan.runs.parsing import parse_size
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.streams import Feed, Frame
from keras_anogan.thresholds import ConformalThreshold
from keras_anogan.video import VideoWindows, open_footage, prepare, split_footage
from keras_anogan.video.clock import clock, duration

pytest.importorskip("av")


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Two normal days and one with anomalies, half the street's size."""
    folder = tmp_path_factory.mktemp("street")
    days = make_street(days=3, frames=160, seed=1)
    write_street(folder / "normal", days[:2])
    write_street(folder / "odd", days[2:])
    np.save(folder / "labels.npy", days[2].labels)
    return folder


def arguments(street, **changes):
    settings = {"size": (64, 32), "grey": True, "filters": 2, "epochs": 6, "alpha": 0.05, "stride": 16}
    return VideoArguments(days=(str(street / "normal"),), **(settings | changes))


SOLVED = {"detector": "pca", "params": {"n_components": 3}}  # in a second, where the detector does not matter


@pytest.fixture(scope="module")
def run_and_killed(street, tmp_path_factory):
    """A finished run, and a copy of its folder from the end of an epoch: what a kill at that moment leaves."""
    out = tmp_path_factory.mktemp("run") / "run"
    killed = out.with_name("killed")
    ends = EpochBackup.on_epoch_end

    def ends_and_is_copied(self, epoch, logs=None):
        ends(self, epoch, logs)
        if self.directory.exists() and not killed.exists():
            shutil.copytree(out, killed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochBackup, "on_epoch_end", ends_and_is_copied)
        train(arguments(street), out, say=lambda line: None)
    return out, killed


@pytest.fixture(scope="module")
def run(run_and_killed):
    return run_and_killed[0]


@pytest.fixture(scope="module")
def solved(street, tmp_path_factory):
    """A run without a network."""
    out = tmp_path_factory.mktemp("solved") / "run"
    train(arguments(street, alpha=0.1, **SOLVED), out, say=lambda line: None)
    return out


@pytest.fixture(scope="module")
def judged(run, street, tmp_path_factory):
    """The odd day, scored and watched: (folder, what `score` gave, what `watch` gave)."""
    folder = tmp_path_factory.mktemp("judged")
    options = {"labels": street / "labels.npy", "annotate": folder / "alarms.mp4"}
    summary = score(run, street / "odd", folder / "frames.csv", say=lambda line: None, **options)
    counts = watch(
        run, str(street / "odd"), folder / "watched.csv", pictures=folder / "pictures", say=lambda line: None
    )
    return folder, summary, counts


@pytest.fixture(scope="module")
def stored(street, tmp_path_factory):
    """By the commands, of every second frame: two stores, and a run that forecasts three frames from five."""
    folder = tmp_path_factory.mktemp("stored")
    reading = ("--size", "64x32", "--grey", "--every", "2")
    training = ("--past", "5", "--horizon", "3", "--filters", "1", "--stride", "8", "--alpha", "0.1", "--smoke")
    said = []
    for words in (
        ("prepare", street / "normal", folder / "store", *reading),
        ("prepare", street / "normal", folder / "store", *reading),  # again: all is done
        ("prepare", street / "odd", folder / "odd", *reading),
        ("train-video", folder / "store", "--out", folder / "run", *training),
    ):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert cli.run([str(word) for word in words]) == 0
        said.append(out.getvalue())
    return folder, said


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_street_is_the_same_everywhere_and_its_labels_are_its_masks():
    days = make_street(days=2, frames=64, anomalous_days=(1,), seed=3)
    assert [day.name for day in days] == ["00", "01"]
    assert days[0].frames.shape == (64, 64, 128, 3)
    assert days[0].frames.dtype == np.uint8
    assert not days[0].labels.any()
    assert not days[0].masks.any()
    assert [event[0] for event in days[1].events] == list(KINDS)
    np.testing.assert_array_equal(days[1].labels, days[1].masks.any(axis=(1, 2)))
    for kind, first, last in days[1].events:
        share = days[1].masks[first:last].mean(axis=(1, 2))
        assert share.max() == 1.0 if kind == "camera_shift" else 0.0 < share.max() < 0.05
        assert days[1].labels[first:last].any()
    again = make_street(days=2, frames=64, anomalous_days=(1,), seed=3)
    np.testing.assert_array_equal(days[1].frames, again[1].frames)
    night, noon = (days[0].frames[i].mean() for i in (0, 32))
    assert noon > 1.5 * night
    moved = np.abs(np.diff(days[0].frames.astype(int), axis=0)).mean(axis=(0, 3))
    assert moved[46:61].mean() > 1.2 * moved[:15].mean()  # cars on the road
    with pytest.raises(ValueError, match="'flood'"):
        make_street(kinds=("flood",))
    with pytest.raises(ValueError, match="frames=3"):
        make_street(frames=3)


def test_a_finished_run_has_everything(run, street):
    assert sorted(path.name for path in run.iterdir()) == [
        "config.json", "detector.keras", "history.csv", "metrics.json", "report.html", "serving",
    ]  # fmt: skip
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0.0 <= metrics["calibration_alarms"] <= 0.05
    history = read(run / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4", "5", "6"]
    assert metrics["frames"] == 320
    assert {"forecast_loss", "val_score", "mask_mean"} <= set(history[0])
    page = (run / "report.html").read_text()
    assert "What forecasts look like" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    news = []
    train(arguments(street), run, say=news.append)
    assert "finished already" in news[0]


def test_the_saved_model_takes_windows_of_bytes(run, street):
    fitted = load_run(run).fitted
    footage = open_footage(street / "odd", size=(32, 64), grey=True)
    windows = np.stack([footage.read(np.arange(i, i + 8)) for i in range(5)])
    found = fitted.detect(windows)
    served = tf.saved_model.load(str(run / "serving" / "1")).signatures["explain"](raw=tf.constant(windows))
    np.testing.assert_allclose(served["score"], found["score"], rtol=1e-5)
    assert found["forecast"].shape == (5, 1, 32, 64, 1)
    with pytest.raises(ValueError, match="uint8"):
        fitted.detect(windows / 255.0)


def test_scoring_writes_a_line_for_each_frame(run, judged, street):
    folder, summary, _ = judged
    rows = read(folder / "frames.csv")
    assert len(rows) == summary["frames"] == 160
    assert [row["anomaly_score"] == "" for row in rows] == [True] * 7 + [False] * 153
    assert summary["judged"] == 153
    assert [int(row["label"]) for row in rows] == np.load(street / "labels.npy").tolist()
    fitted = load_run(run).fitted
    footage = open_footage(street / "odd", size=(32, 64), grey=True)
    found = fitted.detect(footage.read(np.arange(30, 38))[None])
    assert float(rows[37]["anomaly_score"]) == pytest.approx(float(found["score"][0]), rel=1e-4)
    alarms = [row["is_anomaly"] == "1" for row in rows]
    assert sum(alarms) == summary["alarms"]
    assert alarms == [
        row["anomaly_score"] != "" and float(row["anomaly_score"]) > fitted.threshold.threshold for row in rows
    ]
    told = np.array([row["anomaly_score"] != "" for row in rows])
    known = np.load(street / "labels.npy")[told]
    scored = np.array([float(row["anomaly_score"]) for row in rows if row["anomaly_score"]])
    wins = (scored[known == 1][:, None] > scored[known == 0][None]).mean()
    assert summary["auroc"] == pytest.approx(wins, abs=1e-6)
    assert summary["false_alarm_rate"] == pytest.approx(np.mean(np.array(alarms)[told][known == 0]))
    assert {row["seconds"] for row in rows} == {""}  # nobody knows when frames of an array were taken
    page = (folder / "frames.html").read_text()
    assert "AUROC of frames" in page
    annotated = open_footage(folder / "alarms.mp4")
    assert (len(annotated), annotated.frame_shape) == (160, (64, 128, 3))  # the street's size, not the network's
    assert (folder / "frames_alarms.png").exists() == (summary["events"] > 0)
    events = read(folder / "frames_events.csv")
    assert len(events) == summary["events"] > 0
    assert all(alarms[int(event["first"])] and alarms[int(event["last"])] for event in events)


def test_a_smoothed_run_scores_frames_by_a_few_in_a_row_and_watches_alike(street, tmp_path):
    train(arguments(street, smooth=3, **SOLVED), tmp_path / "run", say=lambda line: None)
    fitted = load_run(tmp_path / "run").fitted
    assert fitted.raw_shape == (10, 32, 64, 1)
    summary = score(tmp_path / "run", street / "odd", tmp_path / "frames.csv", say=lambda line: None)
    assert summary["judged"] == 160 - 9
    assert "the mean over 3 frames in a row" in (tmp_path / "frames.html").read_text()
    rows = read(tmp_path / "frames.csv")
    assert rows[8]["anomaly_score"] == ""
    frames = open_footage(street / "odd", size=(32, 64), grey=True).read(np.arange(14)).astype("float32") / 127.5 - 1.0
    single = fitted.detector.detector.predict(np.stack([frames[i : i + 8] for i in range(7)]))
    want = [single[i : i + 3].mean() for i in range(5)]
    np.testing.assert_allclose([float(row["anomaly_score"]) for row in rows[9:14]], want, rtol=1e-4)
    watch(tmp_path / "run", street / "odd", tmp_path / "watched.csv", say=lambda line: None)
    watched = {int(row["frame"]): row["anomaly_score"] for row in read(tmp_path / "watched.csv")}
    np.testing.assert_allclose([float(watched[i]) for i in range(9, 14)], want, rtol=1e-4)


def test_a_threshold_by_day_is_the_highest_of_the_days_own(street, tmp_path):
    train(arguments(street, by_day=True, alpha=0.1, **SOLVED), tmp_path / "run", say=lambda line: None)
    fitted = load_run(tmp_path / "run").fitted
    parts = split_footage(open_footage(street / "normal", size=(32, 64), grey=True), 8)
    scores = []
    for day in ("00", "01"):
        windows = VideoWindows(parts["calibrate"], 8, batch_size=32, sampling="sliding", days=[day])
        scores.append(np.concatenate([fitted.detector.predict(windows[i]) for i in range(len(windows))]))
    own = [ConformalThreshold(0.1).adapt(part).threshold for part in scores]
    assert fitted.threshold.threshold == pytest.approx(max(own), rel=1e-5)
    assert ConformalThreshold(0.1).adapt(np.concatenate(scores)).threshold < 0.999 * max(own)
    with pytest.raises(ValueError, match=r"Too little footage.*group 0.*Received: 18"):
        train(arguments(street, by_day=True), tmp_path / "other", say=lambda line: None)


def test_alarms_become_events():
    footage = open_footage({"a": np.zeros((20, 2, 2), "uint8"), "b": np.zeros((20, 2, 2), "uint8")})
    alarms = np.zeros(40, bool)
    alarms[[2, 3, 9, 16, 19, 20, 22]] = True
    scores = np.arange(40.0)
    events = find_events(footage, alarms, scores)
    assert [(e.day, e.first, e.last, e.peak) for e in events] == [
        ("a", 2, 9, 9), ("a", 16, 19, 19), ("b", 0, 2, 22),
    ]  # fmt: skip
    assert find_events(footage, np.zeros(40, bool), scores) == []


def test_watching_no_frame_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"at least one frame.*Received: 0"):
        watch(tmp_path, "camera.mp4", str(tmp_path / "watched.csv"), most=0)


def test_watching_says_what_scoring_says(judged):
    folder, summary, counts = judged
    scored, watched = read(folder / "frames.csv"), read(folder / "watched.csv")
    assert [int(row["frame"]) for row in watched] == list(range(7, 160))
    for a, b in zip(scored[7:], watched, strict=True):
        assert float(a["anomaly_score"]) == pytest.approx(float(b["anomaly_score"]), rel=1e-4)
    assert counts["judged"] == 153
    assert counts["events"] == summary["events"]
    assert counts["alarms"] == sum(row["is_anomaly"] == "1" for row in watched)
    pictures = sorted((folder / "pictures").glob("*.png")) if counts["events"] else []
    assert len(pictures) == counts["events"]
    for picture in pictures:
        assert Image.open(picture).size[0] > 400


def test_watching_learns_where_that_makes_sense_and_goes_on(street, tmp_path):
    train(arguments(street, threshold="exponential", **SOLVED), tmp_path / "run", say=lambda line: None)
    state = tmp_path / "new" / "camera.npz"
    say = []
    odd = str(street / "odd")
    watch(tmp_path / "run", odd, tmp_path / "whole.csv", learn=True, protect=False)
    first = watch(tmp_path / "run", odd, tmp_path / "a.csv", learn=True, protect=False, state=state, most=60)
    assert first["frames"] == 60
    whole = read(tmp_path / "whole.csv")
    assert len({row["threshold"] for row in whole}) == len(whole)
    watch(tmp_path / "run", odd, tmp_path / "a.csv", state=state, most=3, say=say.append)
    assert "Going on with the threshold" in say[0]
    rows = read(tmp_path / "a.csv")
    assert rows[:60] == whole[:60]
    assert len(rows) == 63  # the same file, gone on with
    assert rows[60]["threshold"] == whole[60]["threshold"]  # the 60th frame was learned, and saved


def test_a_run_of_a_store_judges_raw_footage_and_horizons_of_three(stored, street, tmp_path):
    folder, _ = stored
    with pytest.raises(ValueError, match="when footage is prepared"):
        train(VideoArguments((str(folder / "store"),), every=2), tmp_path / "run")
    found = []
    for name, source in (("raw", street / "odd"), ("stored", folder / "odd")):
        score(folder / "run", source, tmp_path / f"{name}.csv", say=lambda line: None)
        watch(folder / "run", str(source), tmp_path / f"{name}_watched.csv", say=lambda line: None)
        scored, watched = read(tmp_path / f"{name}.csv"), read(tmp_path / f"{name}_watched.csv")
        assert [row["frame"] for row in watched] == [row["frame"] for row in scored if row["anomaly_score"]]
        found.append([row["anomaly_score"] for row in scored if row["anomaly_score"]])
        for row in watched:
            assert float(row["anomaly_score"]) == pytest.approx(
                float(scored[int(row["frame"])]["anomaly_score"]), rel=1e-4
            )
    np.testing.assert_allclose(np.array(found[0], float), np.array(found[1], float), rtol=1e-5)
    prepare(street / "odd", tmp_path / "all", size=(32, 64), grey=True)
    with pytest.raises(ValueError, match=r"one of 2.*one of 1"):
        score(folder / "run", tmp_path / "all", tmp_path / "frames.csv")


def test_a_stream_that_stalls_keeps_its_state(street, tmp_path, monkeypatch):
    train(arguments(street, threshold="cumulative", **SOLVED), tmp_path / "run", say=lambda line: None)
    frames = open_footage(street / "odd", size=(32, 64), grey=True)

    def stalling(source, **reading):
        for i in range(30):
            yield Frame(i, frames.read([i])[0])
        time.sleep(3)

    monkeypatch.setattr(watching, "read_frames", stalling)
    monkeypatch.setattr(watching.Feed, "drop", False, raising=False)
    state = tmp_path / "camera.npz"
    with pytest.raises(TimeoutError, match="stalled"):
        watch(
            tmp_path / "run", "rtsp://camera", tmp_path / "w.csv", learn=True, protect=False, state=state, timeout=0.5
        )
    learned = len(read(tmp_path / "w.csv"))
    assert learned >= 1
    with np.load(state) as stored:
        before = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]["calibrate"]
        assert float(stored["weight_0"][0]) == before + learned


def test_a_mended_command_can_use_the_same_folder(street, tmp_path):
    with pytest.raises(ValueError, match="Too little footage"):
        train(arguments(street, alpha=1e-4, **SOLVED), tmp_path / "run", say=lambda line: None)
    train(arguments(street, **SOLVED), tmp_path / "run", say=lambda line: None)


def test_a_run_of_before_an_option_was_there_has_its_default(run, street, tmp_path):
    old = shutil.copytree(run, tmp_path / "old")
    config = json.loads((old / "config.json").read_text())
    del config["arguments"]["smooth"]
    (old / "config.json").write_text(json.dumps(config))
    news = []
    train(arguments(street), old, say=news.append)
    assert "finished already" in news[0]
    with pytest.raises(ValueError, match=r"started with smooth=1\. Received: smooth=3"):
        train(arguments(street, smooth=3), old)


def test_a_killed_training_goes_on_with_the_same_command(run_and_killed, street, tmp_path, capsys):
    run, killed = run_and_killed
    out = shutil.copytree(killed, tmp_path / "run")
    assert not (out / "metrics.json").exists()
    done = len(json.loads((out / ".backup" / "cvgan" / "state.json").read_text())["history"])
    assert 1 <= done < 6
    options = ("--size", "64x32", "--grey", "--filters", "2", "--epochs", "6", "--alpha", "0.05", "--stride", "16")
    code, said, _ = call(capsys, "train-video", street / "normal", "--out", out, *options)
    said = " ".join(said.split())
    assert (code, "Resuming" in said, f"{done} of 6 epochs are done" in said) == (0, True, True)
    a, b = (keras.models.load_model(folder / "detector.keras").get_weights() for folder in (out, run))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_too_little_footage_is_refused_before_training(street, tmp_path):
    with pytest.raises(ValueError, match=r"Too little footage to calibrate.*at least 9999"):
        train(arguments(street, alpha=1e-4), tmp_path / "run", say=lambda line: None)


def test_the_csv_files_of_score_and_watch_say_what_the_saved_model_says(run, judged, street):
    folder, _, _ = judged
    footage = open_footage(street / "odd", size=(32, 64), grey=True)
    windows = np.stack([footage.read(np.arange(i, i + 8)) for i in range(153)])
    served = tf.saved_model.load(str(run / "serving" / "1")).signatures["explain"](raw=tf.constant(windows))
    scored = [row for row in read(folder / "frames.csv") if row["anomaly_score"]]
    watched = read(folder / "watched.csv")
    for rows in (scored, watched):
        np.testing.assert_allclose([float(row["anomaly_score"]) for row in rows], served["score"], rtol=1e-5)
        assert [row["is_anomaly"] == "1" for row in rows] == served["is_anomaly"].numpy().tolist()
    np.testing.assert_allclose([float(row["p_value"]) for row in scored], served["p_value"], rtol=1e-3)


def test_another_detector_of_windows_is_trained_scored_and_watched(solved, street, tmp_path):
    page = (solved / "report.html").read_text()
    assert "is that of the window that it ends" in page
    assert page.count("<small>error</small>") == page.count("<small>reconstruction</small>") == 3
    assert "Error: |frame - reconstruction| from 0" in page
    settings = page[page.index('id="settings"') :]
    assert all(f'<th scope="row">{name}</th>' not in settings for name in ("k", "epochs", "filters", "smoke"))
    assert '<th scope="row">alpha</th>' in settings
    summary = score(solved, street / "odd", tmp_path / "frames.csv", say=lambda line: None)
    assert summary["judged"] == 160 - 7
    counts = watch(solved, str(street / "odd"), tmp_path / "w.csv", pictures=tmp_path / "p", most=30)
    assert counts["judged"] == 30


# A clock.


@pytest.fixture(scope="module")
def film(street, tmp_path_factory):
    """The odd day as a video of five frames a second, in which a minute is missing before frame 100."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("film") / "odd.mp4"
    frames = np.load(next((street / "odd").rglob("*.npy")))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames.shape[1:3], "yuv420p", 4_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = 200 * i + 60_000 * (i >= 100), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_the_time_of_an_alarm_is_told_wherever_it_is(solved, film, tmp_path):
    news = []
    annotated = tmp_path / "film.mp4"
    summary = score(solved, film, tmp_path / "frames.csv", annotate=annotated, say=news.append)
    rows = read(tmp_path / "frames.csv")
    assert [rows[i]["seconds"] for i in (0, 99, 100, 159)] == ["0.000", "19.800", "80.000", "91.800"]
    assert [i for i, row in enumerate(rows) if not row["anomaly_score"]] == [*range(7), *range(100, 107)]
    events = read(tmp_path / "frames_events.csv")
    assert len(events) == summary["events"] > 0
    page = (tmp_path / "frames.html").read_text()
    for event in events:
        first, last = rows[int(event["first"])], rows[int(event["last"])]
        assert (event["begin"], event["end"]) == (first["seconds"], last["seconds"])
        assert float(event["duration"]) == pytest.approx(float(event["end"]) - float(event["begin"]))
        when = clock(float(event["begin"]))
        assert any(line.startswith(f"Alarm in odd/odd, {when}") for line in news)
        assert when in page
    whole = open_footage(annotated)
    assert (len(whole), whole.frame_shape) == (160, (64, 128, 3))
    assert whole.seconds[-1] == pytest.approx(159 / 5, abs=0.01)
    alarms = np.array([row["is_anomaly"] == "1" for row in rows])
    edge = whole.read(np.arange(160))[:, 0, 20:-20].astype(int).mean(axis=1)
    assert ((edge[:, 0] - edge[:, 1] > 100) == alarms).all()  # red


def test_watching_tells_when_an_event_begins_and_when_it_is_over(solved, film, tmp_path):
    news = []
    counts = watch(solved, str(film), tmp_path / "w.csv", pictures=tmp_path / "p", say=news.append)
    score(solved, film, tmp_path / "frames.csv", say=lambda line: None)
    events = read(tmp_path / "frames_events.csv")
    begun = [line for line in news if line.startswith("Alarm at")]
    over = [line for line in news if line.startswith(("Alarm over at ", "Alarm still on at the end, "))]
    assert len(begun) == len(over) == counts["events"] == len(events)
    for event, first, last in zip(events, begun, over, strict=True):
        assert first.startswith(f"Alarm at {clock(float(event['begin']))}, frame ")
        assert f"{clock(float(event['end']))}, frame " in last
        assert last.startswith("Alarm over") == (float(event["end"]) < 90.6)  # six frames before the end
        assert f"after {duration(float(event['duration']))}: up to" in last
    rows = read(tmp_path / "w.csv")
    assert {row["recording"] for row in rows} == {"odd/odd"}
    assert [rows[0]["seconds"], rows[-1]["seconds"]] == ["1.400", "91.800"]


def test_a_csv_file_of_a_camera_is_gone_on_with(solved, street, tmp_path, monkeypatch):
    frames = open_footage(street / "odd", size=(32, 64), grey=True)
    begun = datetime.datetime(2026, 3, 1, 12, 0, 0, 250_000, datetime.timezone(datetime.timedelta(hours=1)))

    def camera(source, first, **reading):
        for i in range(12):
            yield Frame(first + i, frames.read([i])[0], time=begun + datetime.timedelta(seconds=i))

    monkeypatch.setattr(watching, "read_frames", camera)
    monkeypatch.setattr(watching, "Feed", lambda source, timeout, drop: Feed(source, timeout))  # nothing is dropped
    out, news = tmp_path / "w.csv", []
    for _ in range(2):
        watch(solved, "rtsp://camera", out, say=news.append)
        with open(out, "a") as file:
            file.write("24,2026-03-01T")  # what a killed process leaves
    assert any(line.startswith("Adding to") for line in news)
    watch(solved, "rtsp://camera", out, most=1)
    rows = read(out)
    assert [int(row["frame"]) for row in rows] == [*range(7, 12), *range(20, 25), 33]
    assert rows[0]["time"] == "2026-03-01T12:00:07.250+01:00"
    assert len({row["run"] for row in rows}) == 1
    for changed, words in (
        (("run-", "run-0"), "lines of the run run-0"),
        (("frame,time", "frame,when"), "other columns"),
    ):
        (tmp_path / "other.csv").write_text(out.read_text().replace(*changed))
        with pytest.raises(ValueError, match=f"that this run wrote of a camera.*{words}"):
            watch(solved, "rtsp://camera", tmp_path / "other.csv")
    with pytest.raises(ValueError, match="that this run wrote of recordings"):
        watch(solved, street / "odd", out)


def test_score_video_takes_footage_and_no_other_run(run, street, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    arguments = {"data": "photos", "detector": "pca"}
    (other / "config.json").write_text(json.dumps({**config, "kind": "images", "arguments": arguments}))
    code, _, err = call(capsys, "score-video", other, street / "odd", "--out", tmp_path / "frames.csv")
    assert (code, "Expected a run of footage." in err) == (2, True)
    for name in ("train", "test"):
        (tmp_path / "photos" / name / "good").mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tmp_path / "photos" / name / "good" / "000.png")
    code, _, err = call(capsys, "score", run, tmp_path / "photos", "--out", tmp_path / "frames.csv")
    assert (code, "a folder of photographs" in err) == (2, True)


# The commands, by a newcomer who mistypes.


def call(capsys, *words):
    code = cli.run([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_commands_from_raw_days_to_alarms(stored, tmp_path, capsys):
    folder, said = stored
    assert "160 frames, 64 x 32, grey, of 2 days" in said[0]
    assert said[1] == said[0].splitlines(keepends=True)[-1]  # all was done
    assert "Report:" in said[3]
    code, out, _ = call(
        capsys, "score-video", folder / "run", folder / "odd", "--out", tmp_path / "frames.csv", "--annotate",
        tmp_path / "film.mp4",
    )  # fmt: skip
    assert (code, "Judged 73 of 80 frames" in out) == (0, True)
    assert open_footage(tmp_path / "film.mp4").frame_shape == (64, 128, 3)  # the source's size, which a store knows
    code, out, _ = call(capsys, "watch", folder / "run", folder / "odd", "--out", tmp_path / "w.csv", "--frames", "5")
    assert (code, "Watched 5 frames, 5 judged" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["prepare", "{street}/normal"], "Received: one path"),
        (["prepare", "{street}/normal", "{tmp}/s", "--size", "128"], "Received: 128."),
        (["prepare", "{street}/nothing", "{tmp}/s"], "nothing is there"),
        (["train-video", "{street}/normal", "--out", "{tmp}/r", "--size", "60x32"], "(7, 32, 60, 3)"),
        (["train-video", "{street}/normal", "--out", "{tmp}/r", "--epochs", "0"], "--epochs >= 1"),
        (["train-video", "{street}/normal", "--out", "{tmp}/r", "--threshold", "best"], "'best'"),
        (["train-video", "{street}/normal", "--out", "{tmp}/r", "--smooth", "0"], "--smooth >= 1"),
        (["train-video", "{street}/normal", "--out", "{tmp}/r", "--by-day", "--threshold", "peaks"], "conformal"),
        (["train-video", "{street}/normal", "--out", "{street}/normal/run"], "outside the data"),
        (["train-video", "{tmp}/nowhere", "--out", "{tmp}/r"], "nothing is there"),
        (["score-video", "{tmp}", "{street}/odd"], "Expected a run folder"),
        (["score-video", "{run}", "{street}/nothing"], "nothing is there"),
        (["score-video", "{run}", "{street}/odd", "--labels", "{street}/none.npy"], "no such file"),
        (["score-video", "{run}", "{street}/normal", "--labels", "{street}/labels.npy", "--out", "{tmp}/a.csv"], "320"),
        (["score-video", "{run}", "{street}/odd", "--annotate", "{tmp}/a.txt", "--out", "{tmp}/a.csv"], "a.txt"),
        (["score-video", "{run}", "{street}/odd", "--out", "{street}/odd/05/a.csv"], "outside the data"),
        (
            ["score-video", "{run}", "{street}/odd", "--annotate", "{street}/odd/a.mp4", "--out", "{tmp}/a.csv"],
            "outside",
        ),
        (["score-video", "{run}", "{street}/odd", "--out", "{tmp}/a.html"], "such as a.csv"),
        (["watch", "{run}", "{street}/odd", "--learn", "--out", "{tmp}/w.csv"], "Received: conformal"),
        (["watch", "{run}", "{tmp}/none.mp4", "--out", "{tmp}/w.csv"], "nothing is there"),
        (["watch", "{run}", "rtsp://127.0.0.1:1/none", "--out", "{tmp}/w.csv"], "rtsp://127.0.0.1:1/none"),
        (
            ["score", "{run}", "{street}/odd", "--maps", "{tmp}/maps", "--out", "{tmp}/a.csv"],
            "Expected images for maps",
        ),
        (["watch", "{run}", "{street}/odd", "--learn-all", "--out", "{tmp}/w.csv"], "--learn with --learn-all"),
        (["watch", "{run}", "{street}/odd", "--timeout", "5", "--out", "{tmp}/w.csv"], "--timeout with the address"),
        (["score", "{run}", "{street}/odd", "--skip-broken", "--out", "{tmp}/a.csv"], "--skip-broken with images"),
        (["prepare", "{street}/normal", "{street}/normal/store"], "store outside the data"),
        (["train-vidio"], "train-vidio"),
    ],
)
def test_mistakes_end_with_one_sentence(words, sentence, run, street, tmp_path, capsys):
    words = [word.format(street=street, tmp=tmp_path, run=run) for word in words]
    code, _, err = call(capsys, *words)
    assert code == 2, err
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_sizes_are_width_first():
    assert parse_size("128x64") == (128, 64)
    for bad in ("128", "x", "0x4", "axb", "1x2x3"):
        with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
            parse_size(bad)


def test_a_run_of_before_there_were_kinds_is_scored(run, street, tmp_path):
    old = shutil.copytree(run, tmp_path / "old")
    config = json.loads((old / "config.json").read_text())
    (old / "config.json").write_text(json.dumps({**config, "kind": "video"}))
    assert load_run(old).kind == "footage"


def test_options_that_a_detector_has_no_use_for_are_refused(street, tmp_path, capsys):
    words = ("train-video", street / "normal", "--detector", "pca", "--out", tmp_path / "r")
    for option, sentence in ((("--epochs", 5), "no --epochs with pca"), (("--filters", 5), "no --filters with pca")):
        code, _, err = call(capsys, *words, *option)
        assert (code, sentence in err) == (2, True)
    code, _, err = call(capsys, "train-video", street / "normal", "--set", "filters=3", "--out", tmp_path / "r")
    assert (code, "Expected --filters 3" in err) == (2, True)
    assert not (tmp_path / "r").exists()

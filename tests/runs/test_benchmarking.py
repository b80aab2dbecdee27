"""Every detector on a user's own data: which ones, how long, in which order, and what happens when one fails."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

import keras_anogan_cli as cli
from keras_anogan import evaluation, runs
from keras_anogan.datasets import make_street, write_street
from keras_anogan.runs import benchmarking, candidates
from keras_anogan.runs.candidates import LEAST, OVERHEAD, PLAIN, SLACK, plan_benchmark
from keras_anogan.runs.tasks import load_task

SOLVED = ("pca", "neighbors", "gaussian")  # beside those of places, of images


def photographs(folder, n, seed=0):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    for i in range(n):
        pixels = 128 + 60 * np.cos(np.mgrid[0:16, 0:16][1] / 2.0) + draw.normal(0, 4, (16, 16))
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(folder / f"<b>{i:02d}.png")


def test_plain_detectors_come_first_and_networks_share_the_time(tmp_path):
    contest = plan_benchmark("digits", 1200.0, normal=3)
    assert list(contest.candidates)[:3] == list(SOLVED)
    assert set(contest.left_out) == {"anogan", "siamese"}
    assert contest.share == pytest.approx(SLACK * ((1200.0 - 5 * PLAIN) / len(contest.networks) - OVERHEAD))
    assert {contest.candidates[name].budget for name in contest.networks} == {contest.share}
    assert "siamese" in plan_benchmark("digits", 1200.0, abnormal=3).candidates
    with pytest.raises(FileNotFoundError, match="Received: nowhere, which does not exist"):
        plan_benchmark("nowhere", 1.0)
    (tmp_path / "rows.csv").write_text("a")
    assert "siamese" not in plan_benchmark(str(tmp_path / "rows.csv"), 1200.0).candidates
    assert list(plan_benchmark(["days"], 1200.0).candidates) == ["pca", "neighbors", "cvgan"]
    assert "anogan" in plan_benchmark("digits", 1200.0, ["pca", "anogan"], normal=3).candidates


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((0.0, None), "--budget > 0"),
        ((60.0, None), r"--budget \d+s or more for 1\d networks. Received: 60 s; --detector chooses fewer"),
        ((60.0, ["pcaa"]), "'pcaa'; did you mean pca"),
        ((60.0, ["cvgan"]), "to be one of adversarial_autoencoder, .* Received: 'cvgan'"),
    ],
)
def test_what_can_be_no_benchmark_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_benchmark("digits", *given, normal=3)
    assert plan_benchmark("digits", PLAIN + OVERHEAD + LEAST / SLACK + 0.1, ["pca", "vae"], normal=3).networks == [
        "vae"
    ]


def test_the_command_is_the_one_that_trains_it(monkeypatch):
    monkeypatch.setattr(candidates.os.path, "exists", lambda path: True)
    contest = plan_benchmark("my photos", 1200.0, ["pca"], normal_dir=["ok", "fine"], image_size=(32, 16), flat=False)
    told = shlex.split(contest.command("pca"))
    assert told == [
        *("keras-anogan", "train", "my photos", "--detector", "pca", "--normal-dir", "ok", "--normal-dir", "fine"),
        *("--image-size", "32x16", "--out", "runs/pca"),
    ]


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """Two plain detectors, a network, and one that fails."""
    out = tmp_path_factory.mktemp("benchmark") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarking, "train", failing("gaussian"))
        patch.setattr(benchmarking, "OVERHEAD", 1.0)
        patch.setattr(candidates, "SLACK", 0.3)  # some three seconds of training
        found = runs.benchmark("digits", out, 50.0, [*SOLVED, "autoencoder"], say=str, normal=3, alpha=0.1)
    return out, found


def failing(name):
    """`train`, but for one detector."""

    def train(arguments, *args, **kwargs):
        if arguments.detector == name:
            raise RuntimeError("It broke.\nWith a second line.")
        return runs.train(arguments, *args, **kwargs)

    return train


def test_they_are_ordered_by_the_test_rows_and_one_that_fails_ends_nothing(tried):
    out, found = tried
    assert found["failed"] == {"gaussian": "It broke."}
    assert {line["name"] for line in found["lines"]} == {"pca", "neighbors", "autoencoder"}
    aurocs = []
    for line in found["lines"]:
        run = runs.load_run(out / line["name"])
        task = load_task(run.arguments)
        scores = run.fitted.detector.predict(task.test)
        aurocs.append(evaluation.auroc(task.labels, scores))
        assert line["auroc"] == pytest.approx(aurocs[-1], abs=1e-4)
    assert aurocs == sorted(aurocs, reverse=True)
    first = found["lines"][0]["name"]
    assert found["sentence"].startswith(f"By AUROC {first} ({aurocs[0]:.3f}) is first of 3 detectors; its lead over")
    assert f"--detector {first} --normal 3 --alpha 0.1" in found["command"]
    assert json.loads((out / "benchmark.json").read_text())["sentence"] == found["sentence"]
    page = (out / "benchmark.html").read_text()
    assert "gaussian failed: It broke." in page
    assert "second line" not in page


def test_the_lead_has_the_sign_and_the_interval_of_the_first_one():
    lines = [
        {"name": "flow", "auroc": 0.9, "difference": None},
        {"name": "pca", "auroc": 0.8, "difference": (-0.1, -0.15, -0.05)},
    ]
    told = benchmarking._sentence(lines, True, ["pca"])
    assert "its lead over pca (0.800), 0.100, is more than chance (95 %: 0.050 to 0.150)." in told
    level = [{**lines[0]}, {**lines[1], "auroc": 0.8998, "difference": (-0.0002, -0.1, 0.1)}]
    assert benchmarking._sentence(level, True, ["pca"]) == "By AUROC flow and pca (0.900) are level, of 2 detectors."
    lines[1]["difference"] = (-0.1, -0.25, 0.05)
    told = benchmarking._sentence(lines, True, ["pca"])
    assert "0.100, may be chance (95 %: -0.050 to 0.250). pca, solved at once, may be as good." in told


def test_the_same_call_goes_on_and_trains_what_is_missing(tried, monkeypatch):
    out, _found = tried
    asked = []
    monkeypatch.setattr(candidates, "SLACK", 0.3)
    monkeypatch.setattr(benchmarking, "train", lambda arguments, *a, **k: asked.append(arguments.detector))
    with pytest.raises(FileNotFoundError):  # the pretended training leaves no run
        runs.benchmark("digits", out, 50.0, [*SOLVED, "autoencoder"], say=str, normal=3, alpha=0.1)
    assert asked == ["gaussian"]
    with pytest.raises(ValueError, match=r"was started with budget 50 s. Received: budget 60 s. Repeat"):
        runs.benchmark("digits", out, 60.0, [*SOLVED, "autoencoder"], say=str, normal=3, alpha=0.1)


def test_what_no_time_is_left_for_is_told(tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 50))  # each look at it is 50 seconds later
    monkeypatch.setattr(benchmarking.time, "monotonic", lambda: next(clock))
    found = runs.benchmark("digits", tmp_path / "out", 60.0, ["pca", "vae"], say=str, normal=3, alpha=0.1)
    assert [line["name"] for line in found["lines"]] == ["pca"]
    assert "of 60 were left; the same command trains it" in found["left_out"]["vae"]


def test_without_anomalies_spoilt_copies_tell_the_order_and_the_page_says_so(tmp_path, capsys):
    photographs(tmp_path / "photos", 60)
    words = ["benchmark", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--budget", "1m", "--flat"]
    assert cli.run([*words, "--detector", "pca", "--detector", "neighbors", "--image-size", "16"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Without anomalies to test on nobody can tell which detector is best." in told
    found = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    spoilt = [line["spoilt"] for line in found["lines"]]
    assert spoilt == sorted(spoilt, reverse=True)
    assert min(spoilt) > 0.6  # a patch, a scratch: stripes make them easy to find
    assert set(found["lines"][0]["kinds"]) == {"patch", "scratch", "halves", "blur"}
    page = (tmp_path / "out" / "benchmark.html").read_text()
    assert "<b>0" not in page
    assert "&lt;b&gt;" in page


def test_footage_has_detectors_and_copies_of_its_own(tmp_path):
    write_street(tmp_path / "days", make_street(days=2, frames=90, seed=1))
    given = {"size": (32, 16), "grey": True, "alpha": 0.2, "past": 3}
    found = runs.benchmark([str(tmp_path / "days")], tmp_path / "out", 60.0, ["pca", "neighbors"], say=str, **given)
    assert set(found["lines"][0]["kinds"]) == {"patch", "jump", "backwards"}
    assert "auroc" not in found["lines"][0]
    assert found["command"].startswith("keras-anogan train-video ")
    assert (tmp_path / "out" / "benchmark.html").exists()

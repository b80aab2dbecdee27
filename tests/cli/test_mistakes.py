"""Mistakes that need no TensorFlow to be found are refused without it: it takes seconds to import."""

import json
import subprocess
import sys

import pytest
from PIL import Image

import keras_anogan

RUN = {
    "arguments": {"data": "digits", "normal": 3},
    "data": {"fingerprint": "0"},
    "versions": {"keras_anogan": keras_anogan.__version__},
}
RUNS = {"unfinished": "digits", "finished": "digits", "photographed": "photos", "tabled": "machine.csv"}
TRAIN = ("train", "digits", "--normal", "3", "--out", "new")
MISTAKES = [  # words of a command, and what its sentence has to say
    (("train", "nowhere", "--out", "new"), "nowhere, which is not a folder"),
    (("train", "empty", "--out", "new"), "Expected images in empty. Received: none"),
    (("train", "file", "--out", "new"), "file, which is a file; tables are .csv"),
    (("train", "film.mp4", "--out", "new"), "film.mp4, which is a video; train-video takes it"),
    (("train", "nowhere.csv", "--out", "new"), "nowhere.csv, which does not exist"),
    (("train", "photos", "--out", "file"), "file, which is a file"),
    (("train", "photos", "--out", "photos/run"), "outside the data"),
    (("train", "photos", "--out", "photos-of-others"), "which holds other files"),
    (("train", "photos", "--normal", "3", "--out", "new"), "mnist, digits or cifar10 only"),
    (("train", "digits", "--normal", "11", "--out", "new"), "0 to 9. Received: 11"),
    ((*TRAIN, "--tensorboard", "file/below"), "folder for TensorBoard's events"),
    ((*TRAIN, "--detector", "fanogn"), "did you mean fanogan?"),
    ((*TRAIN, "--detector", "cvgan"), "train-video trains it"),
    ((*TRAIN, "--detector", "pca", "--epochs", "3"), "no --epochs with pca"),
    ((*TRAIN, "--detector", "pca", "--batch-size", "3"), "no --batch-size with pca"),
    ((*TRAIN, "--detector", "gaussian", "--learning-rate", "0.1"), "no --learning-rate with gaussian"),
    ((*TRAIN, "--k", "2"), "Expected no --k with --threshold conformal, which --alpha sets. Received: --k 2.0."),
    ((*TRAIN, "--skip-broken"), "Expected no --skip-broken with digits. Received: --skip-broken."),
    (("train", "rows.csv", "--out", "new", "--threshold", "sliding", "--alpha", "0.1"), "sliding, which --k sets"),
    ((*TRAIN, "--epohcs", "3"), "Received: --epohcs; did you mean --epochs?"),
    ((*TRAIN, "--size", "50x50"), "an option of keras-anogan train. Received: --size; did you mean --image-size?"),
    ((*TRAIN, "--latent-dim", "7"), "Received: --latent-dim; did you mean --set latent-dim=...?"),
    ((*TRAIN, "--batch-size", "5x5"), "Expected --batch-size to be a whole number. Received: 5x5."),
    ((*TRAIN, "--alpha=0.05", "--seed=one"), "Expected --seed to be a whole number. Received: one."),
    (("train-video", "photos", "--out", "new", "--image-size", "50"), "--image-size; did you mean --size?"),
    ((*TRAIN, "--epochs", "0"), "--epochs >= 1"),
    ((*TRAIN, "--alpha", "1.5"), "0 < --alpha < 1. Received: 1.5; 1.5 % is 0.015."),
    (("score", "finished", "digits", "--alpha", "5"), "0 < --alpha < 1. Received: 5.0; 5 % is 0.05."),
    (("export", "finished", "new", "--alpha", "0"), "0 < --alpha < 1. Received: 0"),
    (("score", "finished", "digits", "--grid-lines", "61"), "at most 60 --grid-lines. Received: 61;"),
    ((*TRAIN, "--threshold", "peaks", "--alpha", "0.2"), "0 < --alpha < 0.1 for peaks"),
    ((*TRAIN, "--threshold", "best"), "'best'"),
    ((*TRAIN, "--k", "inf"), "finite --k"),
    ((*TRAIN, "--set", "kapa=0.1"), "did you mean kappa?"),
    ((*TRAIN, "--set", "kappa=much"), "kappa to be a number"),
    ((*TRAIN, "--config", "text.toml"), "In text.toml: "),
    ((*TRAIN, "--config", "flag.toml"), "Expected epochs in flag.toml to be a number"),
    ((*TRAIN, "--config", "table.toml"), "Expected alpha in table.toml to be a number"),
    ((*TRAIN, "--config", "none.toml"), "none.toml"),
    ((*TRAIN, "--config", "latin.toml"), "latin.toml, which is no UTF-8 text"),
    (("train-video", "nowhere", "--out", "new"), "Expected footage in nowhere"),
    (("train-video", "photos", "--detector", "cvgna", "--out", "new"), "did you mean cvgan?"),
    (("train-video", "photos", "--detector", "pca", "--filters", "3", "--out", "new"), "no --filters with pca"),
    (("train-video", "photos", "--detector", "pca", "--epochs", "3", "--out", "new"), "no --epochs with pca, which is"),
    (("train-video", "photos", "--detector", "pca", "--smoke", "--out", "new"), "solved at once. Received: --smoke."),
    (("train-video", "photos", "--k", "2", "--out", "new"), "no --k with --threshold conformal"),
    (("score", "nowhere", "digits"), "Expected a run folder (with config.json). Received: nowhere"),
    (("score", "photos", "digits"), "Expected a run folder (with config.json). Received: photos"),
    (("score", "unfinished", "digits"), "which is unfinished"),
    (("score", "finished", "nowhere"), "images, in nowhere. Received: nothing is there"),
    (("score", "photographed", "torn"), "Could not read the image torn/b.png"),
    (("score", "photographed", "torn/b.png"), "torn/b.png: its content is of no kind that Pillow knows; --skip-broken"),
    (("score", "photographed", "torn/*.png"), "torn/b.png: its content is of no kind"),
    (("train", "torn", "--out", "new"), "Could not read the image torn/b.png"),
    (("score", "tabled", "rows.csv"), "Expected the columns a, speed. Received: a table without 'speed'."),
    (("score", "tabled", "noise.csv"), "Could not read noise.csv as a table"),
    (("train", "file.csv", "--out", "new"), "Could not read file.csv as a table: it is empty."),
    (("train", "ragged.csv", "--out", "new"), "ragged.csv as a table: Expected 2 fields in line 3, saw 3."),
    (("score", "photographed", "latin.txt"), "latin.txt, which is no UTF-8 text."),
    (("score", "finished", "mnist"), "trained on mnist. Received: one trained on digits"),
    (("score", "finished", "rows.csv"), "Expected images, as the run was trained on"),
    (("score", "finished", "digits", "--out", "photos"), "which is a folder"),
    (("score", "finished", "digits", "--labels", "file"), "--labels with footage only"),
    (("score", "finished", "digits", "--annotate", "a.mp4"), "footage for an annotated video"),
    (("score-video", "nowhere", "photos"), "Expected a run folder"),
    (("export", "photos", "new"), "Expected a run folder"),
    (("export", "finished", "file"), "file, which is a file"),
    (("export", "finished", "photos"), "photos, which is not empty"),
    (("watch", "finished", "rtsp://camera"), "Expected a run of footage to watch"),
    (("prepare", "nowhere", "store"), "Expected footage in nowhere"),
    (("prepare", "photos", "file"), "file, which is a file"),
    (("prepare", "photos", "store", "--size", "12y8"), "--size WIDTHxHEIGHT"),
    (("reproduce", "fanogan-mnist-digit2"), "did you mean fanogan-mnist-digit1?"),
    (("trian",), "Did you mean 'train'"),
]
SCRIPT = """
import contextlib, io, json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
del sys.modules["keras"]  # as at the start; to import it needs tensorflow
import keras_anogan_cli
from keras_anogan_cli import console
answers = []
for words in json.loads(sys.stdin.read()):
    console.complaints.file = io.StringIO()
    code = keras_anogan_cli.run(words)
    answers.append([code, console.complaints.file.getvalue()])
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Exit code and complaint for every mistake, of one process in which importing TensorFlow fails."""
    root = tmp_path_factory.mktemp("mistakes")
    for name in ("photos", "photos-of-others", "empty", "torn", *RUNS):
        (root / name).mkdir()
    Image.new("L", (8, 8)).save(root / "photos" / "a.png")
    Image.new("L", (8, 8)).save(root / "torn" / "a.png")
    (root / "torn" / "b.png").write_bytes(b"no image")
    (root / "noise.csv").write_bytes(bytes(range(256)))
    (root / "photos-of-others" / "thesis.txt").write_text("keep me")
    (root / "file").write_text("")
    (root / "film.mp4").write_text("")
    (root / "file.csv").write_text("")
    (root / "ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    (root / "latin.txt").write_bytes("größe.png".encode("latin-1"))
    (root / "rows.csv").write_text("a,b\n1,2\n")
    (root / "text.toml").write_text('epochs = "many"')
    (root / "latin.toml").write_bytes('out = "größe"'.encode("latin-1"))
    (root / "flag.toml").write_text("epochs = true")
    (root / "table.toml").write_text("alpha = {low = 0.1}")
    columns = [{"name": name, "used": name != "b"} for name in ("a", "b", "speed")]
    for name, data in RUNS.items():
        (root / name / "config.json").write_text(json.dumps({**RUN, "arguments": {**RUN["arguments"], "data": data}}))
        if name != "unfinished":
            (root / name / "metrics.json").write_text(json.dumps({"columns": columns}))
            (root / name / "detector.keras").write_text("")
    given = json.dumps([words for words, _ in MISTAKES])
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=given, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    return dict(zip([words for words, _ in MISTAKES], json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_refused_without_tensorflow(words, sentence, answers):
    code, complaint = answers[words]
    assert code == 2
    assert complaint.startswith("Error: ")
    assert complaint.strip().count("\n") == 0
    assert sentence in complaint

"""Two runs on one page: whose numbers they are, that the rows are the same, and what is refused."""

import re

import numpy as np
import pytest
from PIL import Image

import keras_anogan_cli
from keras_anogan import evaluation, runs
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.comparing import compare, read_history
from keras_anogan.runs.tasks import load_task
from keras_anogan.runs.training import train


def photographs(folder, n, spot=0, seed=0):
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:20, 0:20] / 10.0
    for i in range(n):
        pixels = 128 + 60 * np.cos(rows + draw.uniform(0, 0.3)) * np.sin(columns) + draw.normal(0, 2, (20, 20))
        pixels[4:9, 5:12] -= spot
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(folder / f"<b>{i:02d}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "tiles"
    photographs(root / "train" / "good", 40)
    photographs(root / "test" / "good", 8, seed=1)
    photographs(root / "test" / "hole", 6, spot=40, seed=2)
    return root


@pytest.fixture(scope="module")
def pair(data, tmp_path_factory):
    """A solved run, and one that was trained for two epochs."""
    folder = tmp_path_factory.mktemp("runs")
    common = {"data": str(data), "image_size": 8, "alpha": 0.15}
    train(Arguments(**common, detector="pca"), folder / "solved", say=str)
    small = {"filters": 4, "latent_dim": 2}
    said = []
    train(Arguments(**common, detector="vae", epochs=2, params=small), folder / "trained", say=said.append)
    assert any(
        line.startswith("The score of an image comes from its map (--reduction top); the score of vae") for line in said
    )
    return folder / "solved", folder / "trained"


def test_the_page_has_the_numbers_of_both_runs_on_the_same_rows(pair, tmp_path):
    found = compare(pair, out=tmp_path / "both.html", say=str)
    fitted = [runs.load_run(run).fitted for run in pair]
    test = load_task(runs.load_run(pair[0]).arguments)
    rows = test.test[np.arange(14)]
    scores = [np.asarray(each.explain_encoded(rows)["score"]) for each in fitted]
    for line, values in zip(found["runs"], scores, strict=True):
        assert line["auroc"] == pytest.approx(evaluation.auroc(test.labels, values))
        assert line["interval"] == pytest.approx(evaluation.auroc_interval(test.labels, values))
    assert found["runs"][1]["difference"] == pytest.approx(
        evaluation.auroc_difference(test.labels, scores[1], scores[0]), abs=1e-6
    )
    assert [line["detector"] for line in found["runs"]] == ["pca", "vae"]
    assert found["sentence"].startswith(("By AUROC solved", "By AUROC trained", "solved ("))


def test_the_page_is_whole_escaped_and_tells_what_differs(pair, tmp_path):
    compare(pair, out=tmp_path / "both.html", say=str)
    page = (tmp_path / "both.html").read_text()
    assert "http" not in re.sub(r'"data:[^"]*"', "", page)
    assert "<b>0" not in page
    assert "&lt;b&gt;0" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    differing = text[text.rindex("Settings that differ") :]
    assert "detector pca vae" in differing
    assert "image_size" not in differing
    assert "trained: vae" in text  # its losses; the solved run has none
    assert "solved: pca" not in text
    assert page.count("by solved") == page.count("by trained")  # every picture through both


def test_other_data_may_be_told(pair, data, tmp_path):
    found = compare(pair, str(data / "test" / "good"), tmp_path / "both.html", say=str)
    assert [line["rows"] for line in found["runs"]] == [8, 8]
    assert "auroc" not in found["runs"][0]
    assert found["sentence"].startswith("No labels of both kinds are known")


def test_a_history_is_read_as_it_was_written(pair):
    history = read_history(pair[1] / "history.csv")
    assert [len(logs) for logs in history.values()] == [2]
    assert set(history["vae"][0]) >= {"loss", "kl_loss", "val_score"}


def test_runs_of_other_test_rows_are_refused(pair, tmp_path):
    other = tmp_path / "other"
    photographs(other / "train" / "good", 40)
    photographs(other / "test" / "good", 5, seed=1)
    train(Arguments(data=str(other), detector="pca", image_size=8, alpha=0.15), tmp_path / "run", say=str)
    with pytest.raises(ValueError, match=r"the same test rows.*--data"):
        compare([pair[0], tmp_path / "run"], out=tmp_path / "both.html", say=str)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("solved",), "two or more different run folders. Received: one."),
        (("solved", "solved"), "Received: one of them twice."),
        (("solved", "nowhere"), "Expected a run folder"),
        (("solved", "trained", "--out", "page.csv"), "a page to write, such as compare.html. Received: page.csv"),
        (("solved", "trained", "--data", "nowhere"), "nowhere"),
    ],
)
def test_what_can_not_be_compared_is_said(arguments, sentence, pair, monkeypatch, capsys):
    monkeypatch.chdir(pair[0].parent)
    assert keras_anogan_cli.run(["compare", *arguments]) != 0
    assert sentence in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_the_command_prints_the_sentence_and_the_page(pair, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert keras_anogan_cli.run(["compare", *map(str, pair), "--out", str(out)]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "solved" in printed
    assert "page.html" in printed.replace(" ", "")
    assert out.exists()

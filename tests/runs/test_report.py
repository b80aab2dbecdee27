"""Reports of images and tables: what a reader has to see, and in which order."""

import base64
import csv
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_anogan import runs
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.examples import ScoredRows, kinds_of
from keras_anogan.runs.tiles import baseline_lines, kind_lines, row_tiles
from keras_anogan.runs.training import train


def write_photographs(folder, n, spot=0, seed=0, size=(30, 40)):
    """Smooth grey photographs, on which a spot of so many grey levels is darker."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]] / 10.0
    for i in range(n):
        pixels = 128 + 60 * np.cos(rows + draw.uniform(0, 0.3)) * np.sin(columns) + draw.normal(0, 2, size)
        pixels[8:20, 10:24] -= spot
        Image.fromarray(np.clip(pixels, 0, 255).astype("uint8")).save(folder / f"{i:02d}$.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "tiles"
    write_photographs(root / "train" / "good", 40)
    write_photographs(root / "test" / "good", 8, seed=1)
    write_photographs(root / "test" / "hole", 6, spot=90, seed=2)
    write_photographs(root / "test" / "stain", 5, spot=1, seed=3)
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tiles"
    metrics = train(Arguments(data=str(folder), detector="pca", image_size=8, alpha=0.15), out, say=str)
    return out, metrics


def page_of(path):
    """The text of a page, without its pictures and marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", path.read_text(), flags=re.S)))


def test_the_report_begins_with_the_verdict_and_shows_kinds_misses_and_false_alarms(run):
    out, metrics = run
    page = page_of(out / "report.html")
    assert page.index("Fair: ") < page.index("AUROC ") < page.index("An image is an alarm") < page.rindex("Settings ")
    kinds = {line["kind"]: line for line in metrics["kinds"]}
    assert (kinds["hole"]["count"], kinds["hole"]["found"], kinds["hole"]["auroc"]) == (6, 6, 1.0)
    assert (kinds["stain"]["count"], kinds["stain"]["found"] < 5) == (5, True)
    assert [line["kind"] for line in metrics["kinds"]] == ["stain", "hole"]  # the least found first
    missed = 11 - metrics["alarms"]["detected"]
    assert f"Misses: {missed} Anomalous, and no alarm" in page
    assert f"False alarms: {metrics['alarms']['false_alarms']}" in page
    assert "6 of 6" in page
    low = metrics["alarms"]["false_alarms"]
    assert f"{low} of 8; 95 %" in page


def test_the_worst_miss_is_the_picture_of_the_lowest_score():
    scores = np.array([0.1, 0.9, 0.2, 0.4, 0.3])
    results = {"score": scores, "is_anomaly": scores > 0.35}
    ids = [f"test/{kind}/{i}.png" for i, kind in enumerate(("hole", "hole", "good", "good", "hole"))]
    rows = ScoredRows(None, ids, results, np.array([1, 1, 0, 0, 1]), kinds_of(ids))
    assert rows.misses().tolist() == [4, 0]
    assert rows.misses("hole")[-1] == 0
    assert rows.misses("good").tolist() == []
    assert rows.false_alarms().tolist() == [3]
    assert ScoredRows(None, ids, results).misses().tolist() == []
    assert kinds_of(["a.png", "test/hole/1.png"]) is None
    assert kinds_of(["test/1.png"]) is None


def test_a_folder_without_anomalies_has_no_tile_of_what_nobody_knows(folder, tmp_path):
    flat = folder / "train" / "good"
    train(Arguments(data=str(flat), detector="pca", image_size=8, alpha=0.2), tmp_path / "run", say=str)
    page = page_of(tmp_path / "run" / "report.html")
    assert "No test anomalies: only the rate of false alarms is known" in page
    for word in ("not known", "AUROC", "Detected", "Misses", "Kinds"):
        assert word not in page


def test_scored_images_have_a_report_with_and_without_labels(run, folder, tmp_path):
    out, metrics = run
    summary = runs.score(out, str(folder), tmp_path / "all.csv", say=str)
    page = page_of(tmp_path / "all.html")
    assert summary["verdict"] in page
    assert "Kinds of anomalies" in page
    assert (
        f"{metrics['alarms']['detected']} of 11 anomalies found" in summary["verdict"]
    )  # the same rows as in training
    summary = runs.score(out, str(folder / "test" / "hole"), tmp_path / "new.csv", say=str)
    page = page_of(tmp_path / "new.html")
    assert "6 of 6 images are alarms" in page
    assert "Most anomalous" in page
    for word in ("Misses", "False alarms", "AUROC", "Kinds", "Settings", "the run was trained"):
        assert word not in page


def test_scores_of_what_was_trained_on_are_told_to_be_too_good(run, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    seen = ["tiles/train/good/03$.png", "tiles/train/good/../good/04$.png", "tiles/test/good/03$.png"]
    told = "2 of 3 images are of those that the run was trained, calibrated or tested on: what it has not seen scores"
    remarks = runs.score(run[0], seen, tmp_path / "s.csv", say=str)["remarks"]
    assert any(remark.startswith(told) for remark in remarks)
    assert told in page_of(tmp_path / "s.html")
    assert not any("trained" in remark for remark in runs.score(run[0], "tiles", tmp_path / "s.csv")["remarks"])


def test_too_few_images_to_train_on_are_told(tmp_path):
    said = []
    for count, few in ((12, True), (20, False)):
        write_photographs(tmp_path / f"{count}", count)
        out, said = tmp_path / f"run-{count}", []
        arguments = Arguments(data=str(tmp_path / f"{count}"), detector="pca", image_size=8)
        metrics = train(arguments, out, say=said.append)
        told = "normal images are left to train on, too few to learn what is normal: 10 are the least"
        for text in (" ".join(said), page_of(out / "report.html"), " ".join(metrics["warnings"])):
            assert (told in text) == few
    assert any("more of them allow a lower rate" in line for line in said)


def test_an_overlay_is_the_photograph_where_nothing_is_found_and_outlines_what_is(run, folder, tmp_path):
    out, _ = run
    runs.score(out, str(folder), tmp_path / "s.csv", overlay=tmp_path / "over", maps=tmp_path / "maps", say=str)
    changes = []
    for name in ("test/good/03$.png", "test/hole/03$.png"):
        photograph = np.asarray(Image.open(folder / name)).astype("float32")
        overlay = np.asarray(Image.open(tmp_path / "over" / name)).astype("float32")
        assert overlay.shape == (30, 40, 3)  # its own size
        assert Image.open(tmp_path / "maps" / name).size == (8, 8)
        cyan = (overlay == (0, 220, 255)).all(axis=-1)
        changes.append((cyan[6:22, 8:26].sum(), np.abs(overlay - photograph[..., None])[~cyan].mean()))
    (no_outline, little), (outline, much) = changes
    assert no_outline == 0
    assert outline > 10
    assert 0 < little < min(30, much)


def test_the_sheet_names_its_images(run, folder, tmp_path, monkeypatch):
    from keras_anogan import plots

    seen = []
    monkeypatch.setattr(plots, "save_panels", lambda lines, path: (seen.extend(lines), path.write_bytes(b"")))
    runs.score(run[0], str(folder), tmp_path / "s.csv", grid_lines=3, say=str)
    with open(tmp_path / "s.csv", newline="") as file:
        best = max(csv.DictReader(file), key=lambda line: float(line["anomaly_score"]))
    score = float(best["anomaly_score"])
    assert len(seen) == 3
    assert seen[0][0] == f"{best['id']}, anomalous\nA = {score:.4g}, alarm"
    assert list(seen[0][1]) == ["input", "reconstruction", "difference", "marked"]
    with pytest.raises(ValueError, match=r"at most 60 --grid-lines\. Received: 61;"):
        runs.score(run[0], str(folder), tmp_path / "s.csv", grid_lines=61, say=str)


def test_a_table_has_its_columns_and_rows_in_both_reports(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(200, 3)), columns=["a", "b", "flow rate, <l>"])
    frame["ok"] = np.r_[np.zeros(20), np.ones(180)]
    frame.loc[:19, "b"] += 9.0
    frame.to_csv(tmp_path / "rows.csv", index=False)
    arguments = Arguments(data=str(tmp_path / "rows.csv"), detector="gaussian", normal_where="ok == 1", alpha=0.1)
    train(arguments, tmp_path / "run", say=str)
    text = (tmp_path / "run" / "report.html").read_text()
    assert "flow rate, &lt;l&gt; = " in text  # the cells, of a detector that reconstructs nothing
    columns = page_of(tmp_path / "run" / "report.html").split("What the detector reads")[1]
    assert "flow rate, &lt;l&gt; flow_rate___l_ number 0 200 " in columns  # the second is the SavedModel's input
    runs.score(tmp_path / "run", str(tmp_path / "rows.csv"), tmp_path / "s.csv", say=str)
    page = page_of(tmp_path / "s.html")
    assert "This is the table that the run was trained, calibrated and tested on" in page
    assert "20 of 20 anomalies found" in page
    frame.drop(columns="ok").to_csv(tmp_path / "new.csv", index=False)
    runs.score(tmp_path / "run", str(tmp_path / "new.csv"), tmp_path / "n.csv", say=str)
    page = page_of(tmp_path / "n.html")
    assert "of 200 rows are alarms" in page
    assert "the run was trained" not in page


def test_every_baseline_has_a_line_whatever_its_name():
    metrics = {
        "auroc": 0.8,
        "auprc": 0.7,
        "auroc_interval": [0.7, 0.9],
        "threshold": 1.0,
        "rows": {"calibrate": 20},
        "alarms": {"detected": 3, "anomalous_rows": 4, "false_alarms": 1, "normal_rows": 40},
        "baselines": {
            "pca_32": {"auroc": 0.75, "auprc": 0.6, "difference": {"auroc": 0.05, "low": -0.1, "high": 0.2}},
            "isolation_forest": {"auroc": 0.85, "auprc": 0.6},
        },
        "kinds": [{"kind": "hole", "count": 4, "found": 3, "auroc": 0.8}],
    }
    lines = baseline_lines(metrics, "vae")
    assert [line["name"] for line in lines] == ["vae", "PCA-32", "isolation forest"]
    assert [line["interval"] for line in lines] == ["0.700 to 0.900", "+0.050 (-0.100 to +0.200)", ""]
    tiles = {tile["name"]: tile for tile in row_tiles(metrics, "asked for: 5 %")}
    assert tiles["AUROC"]["beside"] == "95 %: 0.70 to 0.90; isolation forest: 0.8500"  # the best of them
    assert tiles["False alarms"]["beside"] == "1 of 40; 95 %: 0.06 to 13 %; asked for: 5 %"
    assert tiles["Detected"]["beside"] == "3 of 4; 95 %: 19 to 99.4 %"
    assert kind_lines(metrics)[0]["interval"] == "95 %: 19 to 99.4 %"
    assert baseline_lines({**metrics, "auroc": None}, "vae") == []


def test_pictures_of_a_report_are_small():
    from keras_anogan.pictures import pixels_uri

    uri = pixels_uri(np.zeros((600, 900, 3), "uint8"), 192)
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert picture.size == (192, 128)

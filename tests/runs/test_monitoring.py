"""`monitor`: new scores beside the calibration, and an exit code for a cron job."""

import csv

import numpy as np
import pytest

from keras_anogan import runs
from keras_anogan_cli import run


def write_csv(path, header, lines):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(lines)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of a table: 1,500 rows of four numbers, alpha 2 %."""
    root = tmp_path_factory.mktemp("monitored")
    x = np.random.default_rng(0).normal(size=(1500, 4)).round(4)
    x[:, 1] += x[:, 0]
    table = write_csv(root / "normal.csv", "abcd", x.tolist())
    command = ["train", table, "--detector", "gaussian", "--alpha", "0.02", "--out", root / "run"]
    assert run([*map(str, command)]) == 0
    return root / "run"


def scores_like(made, rows, seed, factor=1.0):
    """Drawn from the run's own calibration scores, times a factor."""
    threshold = runs.load_run(made).fitted.threshold
    kept = np.asarray(threshold.calibration)[: threshold.seen]
    return factor * np.random.default_rng(seed).choice(kept, rows)


def write_scores(path, scores, **columns):
    lines = zip(*columns.values(), scores.tolist(), strict=True)
    return write_csv(path, [*columns, "anomaly_score"], lines)


def test_scores_as_before_are_as_expected(made, tmp_path, capsys):
    files = [write_scores(tmp_path / f"week{i}.csv", scores_like(made, 300, i)) for i in range(4)]
    out = tmp_path / "page.html"
    assert run(["monitor", str(made), *map(str, files), "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "As expected: 4 periods with alarms and scores like the calibration's (asked for: 2 %)." in said
    page = out.read_text()
    assert all(f"week{i}" in page for i in range(4))
    assert 'src="http' not in page


def test_more_alarms_and_other_scores_are_told_of_with_an_exit_code(made, tmp_path, capsys):
    files = [
        write_scores(tmp_path / "usual.csv", scores_like(made, 400, 1)),
        write_scores(tmp_path / "higher.csv", scores_like(made, 400, 2, factor=1.6)),
        write_scores(tmp_path / "lower.csv", scores_like(made, 400, 3, factor=0.5)),
    ]
    assert run(["monitor", str(made), *map(str, files), "--out", str(tmp_path / "m.html")]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "More alarms than the threshold leaves to chance in higher" in said
    assert "scores unlike the calibration's in higher and lower" in said
    found = runs.monitor(made, files, tmp_path / "m.html")["periods"]
    assert [(period.more, period.drifted) for period in found] == [(False, False), (True, True), (False, True)]
    limit = runs.load_run(made).fitted.threshold.threshold
    assert found[1].alarms == int((scores_like(made, 400, 2, factor=1.6) > limit).sum())


def test_few_rows_of_the_same_scores_raise_no_exit_code_often(made, tmp_path):
    """Over thirty periods a single p-value under one in a thousand is no rarity; the rule counts the periods."""
    files = [write_scores(tmp_path / f"day{i:02d}.csv", scores_like(made, 40, 100 + i)) for i in range(30)]
    assert runs.monitor(made, files, tmp_path / "m.html")["unusual"] is False


def test_days_are_periods_and_frames_that_nothing_judged_are_left_out(made, tmp_path):
    scores = scores_like(made, 200, 5)
    lines = [("monday", "", "")] * 7 + [("monday", f"{score:.9g}", 0) for score in scores[:100]]
    lines += [("tuesday", f"{score:.9g}", 0) for score in scores[100:]]
    path = write_csv(tmp_path / "frames.csv", ["day", "anomaly_score", "is_anomaly"], lines)
    found = runs.monitor(made, [path], tmp_path / "m.html")["periods"]
    assert [(period.name, period.rows) for period in found] == [("monday", 100), ("tuesday", 100)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "which is none"),
        ("a,b\n1,2\n", "with anomaly_score"),
        ("id,anomaly_score\nx,high\n", "line 2"),
        ("id,anomaly_score\nx\n", "line 2"),
        ("id,anomaly_score\n", "Received: none in"),
        ("id,anomaly_score\nx,nan\n", "Received: none in bad"),
    ],
)
def test_what_is_no_file_of_scores_is_refused(content, sentence, made, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    assert run(["monitor", str(made), str(path), "--out", str(tmp_path / "m.html")]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "m.html").exists()
    assert run(["monitor", str(made), str(path), "--out", str(tmp_path / "m.csv")]) == 2

"""Photographs of one part stay together."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_anogan.datasets import three_ways
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.tasks import load_task, settle_alpha
from keras_anogan.runs.tasks.images import parts_of
from keras_anogan.thresholds import proposed_alpha
from keras_anogan_cli import run


def test_a_group_is_on_one_side_and_shares_are_met():
    groups = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 6, 40))
    n = len(groups)
    parts = three_ways(n, 0.1, 0.2, seed=0, groups=list(groups))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    sides = [set(groups[part]) for part in parts]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert 0.1 <= len(parts[1]) / n <= 0.1 + 5 / n
    assert 0.2 <= len(parts[2]) / n <= 0.2 + 5 / n
    again = three_ways(n, 0.1, 0.2, seed=0, groups=list(groups))
    np.testing.assert_array_equal(parts[0], again[0])
    assert len(three_ways(n, 0.1, 0.0, seed=0, groups=list(groups))[2]) == 0


def test_large_groups_leave_one_for_every_side():
    train, stop, calibrate = three_ways(30, 0.1, 0.2, seed=1, groups=["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    assert len(train) == len(stop) == len(calibrate) == 10
    with pytest.raises(ValueError, match="Received: 2, a, b"):
        three_ways(20, 0.1, 0.2, seed=0, groups=["a"] * 10 + ["b"] * 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "parts"
    draw = np.random.default_rng(0)
    for place, parts in (("train/good", range(12)), ("test/good", range(11, 14)), ("test/bent", range(3))):
        (root / place).mkdir(parents=True)
        for part in parts:
            for exposure in range(3):
                pixels = draw.integers(0, 255, (12, 12), dtype="uint8")
                Image.fromarray(pixels).save(root / place / f"part{part:02d}_{exposure}.png")
    return root


def names(rows):
    return {path.name.split("_")[0] for path in rows.paths}


def test_a_run_splits_by_parts_and_tells_what_is_on_both_sides(folder):
    task = load_task(Arguments(str(folder), group="part([0-9]+)", alpha=0.2))
    sides = [names(rows) for rows in (task.train, task.stop, task.calibrate)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert "36 normal photographs of 12 parts (--group)." in task.remarks
    assert any(line.startswith("4 parts are in training and in test, such as 00: the test's") for line in task.remarks)
    assert task.parts == len(sides[2]) < len(task.calibrate)
    assert settle_alpha(Arguments(str(folder), group="part([0-9]+)"), task).alpha == proposed_alpha(task.parts)
    mixed = load_task(Arguments(str(folder), alpha=0.2))
    assert names(mixed.train) & names(mixed.calibrate)


def test_what_is_tested_has_intervals_over_parts(folder, tmp_path, capsys):
    command = [
        "train",
        folder,
        "--group",
        "part([0-9]+)",
        "--alpha",
        "0.34",
        "--image-size",
        "8",
        "--out",
        tmp_path / "run",
    ]
    assert run([*map(str, command)]) == 0
    told = capsys.readouterr().out
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["over_parts"]
    assert found["parts"] == 6  # 11, 12, 13 without a defect, 00, 01, 02 with one
    assert set(found) == {"parts", "auroc", "false_alarm_rate", "detection_rate"}
    assert 0.0 <= found["false_alarm_rate"][0] <= found["false_alarm_rate"][1] <= 1.0
    assert "Photographs of one part resemble each other. Over 6 parts (95 %): AUROC" in told
    assert "Over 6 parts (95 %)" in (tmp_path / "run" / "report.html").read_text().replace("\n", " ")
    assert run(["score", str(tmp_path / "run"), str(folder), "--out", str(tmp_path / "s.csv")]) == 0
    assert "Over 6 parts (95 %)" in capsys.readouterr().out
    assert parts_of(["a/part07_1.png", "b/other.png"], "part([0-9]+)") == ["07", "b/other.png"]


def test_parts_that_are_set_aside_to_test_on_stay_together(folder, tmp_path):
    task = load_task(Arguments(str(folder / "train" / "good"), flat=True, group="part[0-9]+", alpha=0.2))
    tested = {name.split("_")[0] for name in task.test_ids}
    assert not tested & (names(task.train) | names(task.stop) | names(task.calibrate))


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("tile[0-9]+", "'tile\\[0-9\\]\\+', which finds nothing in part00_0.png and 35 more"),
        ("part", "four parts or more. Received: 'part', part"),
        ("part(", "a regular expression for --group"),
    ],
)
def test_patterns_that_find_no_parts_are_refused(folder, pattern, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_task(Arguments(str(folder), group=pattern, alpha=0.2))

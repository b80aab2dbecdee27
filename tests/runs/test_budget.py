"""A budget of time: what follows from it, on steps of a pretended length, and one real run."""

import json
import types

import pytest

from keras_anogan.datasets import write_fabric
from keras_anogan.models import build_phases
from keras_anogan.runs import budget, train
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.parsing import parse_duration
from keras_anogan.runs.video_arguments import VideoArguments


def plan_of(monkeypatch, seconds, rows=59, fixed=0.0, **given):
    """The plan of a folder of `rows` images whose step takes `seconds` at full width, less at a narrower one; `fixed`
    seconds are those of phases with a length of their own."""
    asked = []

    def pretend(arguments, task, batch, params):
        asked.append(params)
        return seconds / (64 / params.get("filters", 64)) ** 2, fixed

    monkeypatch.setattr(budget, "_seconds", pretend)
    task = types.SimpleNamespace(counts={"train": rows}, shape=(64, 64, 3), kind="images")
    return budget.plan_training(Arguments("photos", **{"detector": "fanogan", **given}), task), asked


def test_the_number_of_updates_is_what_the_time_holds(monkeypatch):
    plan, asked = plan_of(monkeypatch, 0.1)
    assert plan.epochs * plan.steps == 600 / 0.1  # ten minutes
    assert asked == [{}]
    assert plan.batch_size == 16  # at most half of 59 images
    assert plan_of(monkeypatch, 0.1, rows=5000)[0].batch_size == 64
    assert plan_of(monkeypatch, 0.1, batch_size=5)[0].batch_size == 5
    assert "10 minutes: 6,000 updates in batches of 16 (" in plan.remarks[0]


def test_a_phase_with_a_length_of_its_own_has_its_time_and_no_more(monkeypatch):
    plan, _ = plan_of(monkeypatch, 0.1, fixed=60.0)
    assert plan.epochs * plan.steps == 540 / 0.1
    free, own = build_phases("ognet", (8, 8, 1), filters=2, discriminator_filters=2, steps=9).values()
    assert plan.length(free) == (plan.epochs, plan.steps)
    assert plan.length(own) == (1, 9)


def test_a_narrower_network_is_taken_where_the_own_width_learns_too_little(monkeypatch):
    plan, asked = plan_of(monkeypatch, 2.0)  # 300 updates, or 1,200 of half the width
    assert plan.params == {"filters": 32}
    assert asked == [{}, {"filters": 32}]
    assert plan.epochs * plan.steps == 1200
    assert ", 32 filters (" in plan.remarks[0]
    assert plan_of(monkeypatch, 2.0, budget=100.0)[1] == [{}, {"filters": 16}]  # no time to measure the half
    assert plan_of(monkeypatch, 2.0, architecture="mlp")[1] == [{}]  # has no filters
    assert plan_of(monkeypatch, 2.0, params={"filters": 48})[0].params == {}  # it was said


def test_too_few_updates_are_told_with_what_would_do(monkeypatch):
    plan, _ = plan_of(monkeypatch, 100.0)  # 6.25 s at a quarter of the width: 96 updates
    assert plan.remarks[1].startswith("100 updates are too few to learn from, 300 are the least. --budget 30m,")
    assert not plan_of(monkeypatch, 10.0)[0].remarks[1:]


def test_members_of_an_ensemble_share_the_time(monkeypatch):
    plan, _ = plan_of(monkeypatch, 0.1, ensemble=3)
    assert plan.epochs * plan.steps == 200 / 0.1
    assert ", for each of 3 members (" in plan.remarks[0]


def test_epochs_stay_for_who_wants_them(monkeypatch):
    plan, asked = plan_of(monkeypatch, 0.1, epochs=7)
    assert (plan.epochs, plan.steps, asked) == (7, None, [])
    assert Arguments("digits", normal=3).epochs == 20
    assert Arguments("rows.csv").epochs == 20
    assert Arguments("photos").epochs is None
    with pytest.raises(ValueError, match=r"Expected --epochs or --budget\. Received: both, 3 and 60 s"):
        Arguments("photos", epochs=3, budget=60.0)
    assert Arguments("rows.csv", budget=60.0).epochs is None
    assert VideoArguments(days=("days",)).epochs == 10
    assert VideoArguments(days=("days",), budget=60.0).epochs is None


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600.0), ("90s", 90.0), ("1.5h", 5400.0), ("45", 45.0)])
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["ten", "10 parsecs", "m", ""])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="Expected --budget such as 10m"):
        parse_duration(text)


def test_a_folder_is_trained_within_its_budget_and_the_plan_is_kept(tmp_path):
    folder = write_fabric(tmp_path / "fabric", train=24, good=4, each=1)
    said = []
    params = {"latent_dim": 4, "filters": 8}
    arguments = Arguments(
        str(folder), detector="vae", image_size=16, budget=2.0, params=params, calibrate_share=0.3, seed=1
    )
    metrics = train(arguments, tmp_path / "run", say=said.append)
    plan = json.loads((tmp_path / "run" / "config.json").read_text())["plan"]
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert len(lines) == 1 + plan["epochs"]
    assert plan["batch_size"] == 8
    assert any("updates in batches of 8" in line for line in said)
    assert metrics["seconds"]["vae"] < 30.0
    assert metrics["reduction"] == "top"
    assert metrics["rows"]["calibrate"] == 7  # three tenths of 24
    assert metrics["alpha"] == 0.125  # an eighth
    assert set(metrics["baselines"]) == {"pca_32", "neighbors"}

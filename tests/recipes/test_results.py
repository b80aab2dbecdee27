"""Experiments: what is averaged, what is kept, and what is run again."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest

from keras_anogan.models.gan_discriminator import build_gan_discriminator
from keras_anogan.recipes import EXPERIMENTS, RECIPES, reproduce
from keras_anogan.recipes import recipe as results
from keras_anogan.recipes.data import load_exercise, load_one_anomalous
from keras_anogan.recipes.fanogan_mnist import train_fanogan_paper
from keras_anogan.recipes.notebook_mnist import LITERAL, MENDED, logits_as_one_batch
from keras_anogan.recipes.recipe import Recipe, read_result, run_recipe
from keras_anogan.recipes.tables import markdown_table, part_table
from keras_anogan.training.adversarial import AdversarialModel


@pytest.fixture
def clean(monkeypatch):
    """A checkout without changes, at a commit that the test can move."""
    commit = ["abc1234"]
    monkeypatch.setattr(results, "_revision", lambda: commit[0])
    return commit


def recipe(calls, parts=(3, 7), settings=None):
    def run(seed, part=0):
        calls.append((seed, part))
        return {"value": 0.1 * seed + 0.01 * part, "other": float(part)}

    def baselines(part=0):
        calls.append(("baseline", part))
        return {"PCA": part / 10.0}

    return Recipe("a-b-c", "What", "AUROC of A(x), mean", settings or {"n": 1}, None, run, baselines, 0.5, tuple(parts))


def test_parts_are_averaged_within_a_seed_and_kept_apart(clean, tmp_path):
    calls = []
    result = run_recipe(recipe(calls), seeds=(1, 2), out=tmp_path, say=lambda line: None)
    assert result["values"] == [0.15, 0.25]
    assert result["mean"] == pytest.approx(0.2)
    assert result["beside"]["other"]["values"] == [5.0, 5.0]
    assert result["baselines"] == {"PCA": 0.5}
    assert result["parts"]["7"]["value"]["values"] == [0.17, 0.27]
    assert result["parts"]["3"]["PCA"] == 0.3
    assert read_result(tmp_path, "a-b-c") == json.loads(json.dumps(result))
    assert calls == [("baseline", 3), ("baseline", 7), (1, 3), (1, 7), (2, 3), (2, 7)]
    table = part_table(result).split("\n")
    assert table[0] == "| digit | AUROC of A(x) | other | PCA |"
    assert table[2] == "| 3 | 0.1800 ± 0.0707 | 3.0000 ± 0.0000 | 0.3000 |"
    assert table[-1] == "| mean | 0.2000 | 5.0000 | 0.5000 |"


def test_what_is_finished_is_not_run_again_at_the_same_commit_and_settings_only(clean, tmp_path):
    first = []
    run_recipe(recipe(first), seeds=(1,), out=tmp_path, say=lambda line: None)
    for commit, settings, dirty in (
        ("abc1234", None, False),
        ("abc1234", {"n": 2}, True),
        ("fff0000", None, True),
        ("abc1234-dirty", None, True),
    ):
        clean[0], calls = commit, []
        result = run_recipe(recipe(calls, settings=settings), seeds=(1, 2), out=tmp_path, say=lambda line: None)
        assert [(1, 3) in calls, ("baseline", 3) in calls] == [dirty, dirty]
        assert result["values"] == [0.15, 0.25]
    calls = []
    run_recipe(recipe(calls), seeds=(1,), out=tmp_path, say=lambda line: None)
    assert (1, 3) in calls  # a dirty checkout keeps nothing and takes nothing


def test_an_interrupted_experiment_goes_on(clean, tmp_path):
    calls = []

    def die(seed, part):
        if part == 7:
            raise KeyboardInterrupt
        return recipe(calls).run(seed, part)

    broken = Recipe(**{**recipe(calls).__dict__, "run": die})
    with pytest.raises(KeyboardInterrupt):
        run_recipe(broken, seeds=(1,), out=tmp_path, say=lambda line: None)
    assert not (tmp_path / "a-b-c.json").exists()
    calls.clear()
    run_recipe(recipe(calls), seeds=(1,), out=tmp_path, say=lambda line: None)
    assert calls == [(1, 7)]


def test_an_experiment_without_parts_calls_with_the_seed_alone(clean, tmp_path):
    calls = []
    result = run_recipe(recipe(calls, parts=()), seeds=(4,), out=tmp_path, say=lambda line: None)
    assert calls == [("baseline", 0), (4, 0)]
    assert "parts" not in result


def test_mistakes_get_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="at least one seed"):
        run_recipe(recipe([]), seeds=(), out=tmp_path)
    with pytest.raises(ValueError, match="'nothing'"):
        reproduce("nothing", out=tmp_path)
    with pytest.raises(FileNotFoundError, match="keras-anogan reproduce fanogan-mnist-digit1"):
        read_result(tmp_path, "fanogan-mnist-digit1")


def test_tables_and_names():
    assert markdown_table([{"a": 1, "b": np.float32(0.5)}]) == "| a | b |\n| --- | --- |\n| 1 | 0.5000 |"
    assert all(name == entry.name and name.count("-") == 2 for name, entry in RECIPES.items())


def test_a_file_of_experiments_begins_with_their_commands_and_the_numbers_they_reached():
    folder = pathlib.Path(__file__).parents[2] / "benchmarks" / "results"
    for experiment in EXPERIMENTS:
        parts = re.split(r"keras-anogan reproduce (\S+)", experiment.__doc__)
        told = dict(zip(parts[1::2], parts[2::2], strict=True))
        assert set(told) == {recipe.name for recipe in experiment.RECIPES}
        for name, text in told.items():
            if (folder / f"{name}.json").exists():
                check_words(text.split("\n\n")[0], read_result(folder, name))


def check_words(text, result):
    """Every number with a decimal point in a text is the result's or its target, rounded; minutes are its minutes."""
    known = [
        result["mean"],
        result["std"],
        *result["baselines"].values(),
        (result["published"] or {}).get("value", 0.0),
        result["target"] or 0.0,
    ]
    mean, std = re.search(r"(\d\.\d+) ± (\d\.\d+)", text).groups()
    for said, value in ((mean, result["mean"]), (std, result["std"])):
        assert rounds_to(value, said), (result["name"], said)
    for said in re.findall(r"\d\.\d+", text):
        assert any(rounds_to(value, said) for value in known), (result["name"], said)
    for minutes in re.findall(r"(\d+) minutes", text):
        assert abs(result["minutes"] - int(minutes)) <= 0.5, result["name"]


def rounds_to(value, said):
    return abs(value - float(said)) <= 0.5 * 10.0 ** -len(said.split(".")[1]) + 1e-9


def test_the_quick_exercise_is_on_digits_with_nothing_set_aside():
    exercise = load_exercise(digit=1, quick=True)
    assert exercise.train.shape[1:] == (8, 8, 1)
    assert exercise.train.min() >= -1.0
    assert len(exercise.train) + len(exercise.test) == 1797
    assert set(exercise.labels) == {0, 1}


def test_the_paper_s_recipe_mirrors_and_takes_the_paper_s_optimizers_and_lengths(monkeypatch):
    fitted = []
    monkeypatch.setattr(AdversarialModel, "fit", lambda model, x, **kwargs: fitted.append((model, kwargs)))
    detector = train_fanogan_paper(np.zeros((2, 64, 64, 1), "float32"), seed=0, filters=1)
    (wgan, first), (encoder, second) = fitted
    assert (first["batch_size"], first["epochs"]) == (64, 7)
    assert (second["batch_size"], second["epochs"], second["steps_per_epoch"]) == (64, 1, 50_000)
    assert encoder is detector
    assert wgan.mirror
    assert encoder.mirror
    assert detector.encoder.output_shape == (None, 128)
    rates = {p: float(o.learning_rate) for m in (wgan, encoder) for p, o in m.optimizers.items()}
    assert rates == pytest.approx({"critic": 1e-4, "generator": 1e-4, "encoder": 5e-5})
    assert type(detector.optimizers["encoder"]).__name__ == "RMSprop"


def test_false_alarms_of_clips_that_are_not_alike():
    from keras_anogan.recipes.cvgan_ped2 import judge_by_previous_frame
    from keras_anogan.recipes.iftm_ped2 import false_alarm_numbers

    draw = np.random.default_rng(0)
    quiet = [draw.normal(0.0, 1.0, 400) for _ in range(6)]
    numbers = false_alarm_numbers(quiet, (np.array([0.0, 9.0, 9.0, -9.0]), np.array([0, 1, 1, 1])), splits=6)
    assert numbers["k = 1, the thesis's, median"] == pytest.approx(0.159, abs=0.02)  # a Gaussian's own
    assert numbers["k = 3, median"] < 0.004
    assert numbers["conformal 1 %, clips as one, median"] == pytest.approx(0.01, abs=0.005)
    assert numbers["k = 3, anomalous test frames found, median"] == pytest.approx(2 / 3)

    busy = [*quiet[:5], quiet[5] + 6.0]  # checked in half of the splits, a third of what is checked then
    numbers = false_alarm_numbers(busy, splits=6)
    assert numbers["conformal 1 %, clips as one, worst"] == pytest.approx(1 / 3, abs=0.02)
    assert numbers["conformal 1 %, median"] <= numbers["conformal 1 %, clips as one, median"]

    frames = draw.integers(0, 256, (12, 16, 16, 1)).astype("uint8")
    judged = judge_by_previous_frame({"a": frames})["a"]
    changes = np.abs(np.diff(frames.astype("float64"), axis=0)).mean(axis=-1) / 127.5
    blocks = changes.reshape(11, 2, 8, 2, 8).mean(axis=(2, 4)).reshape(11, 4).mean(axis=1)
    np.testing.assert_allclose(judged["top_blocks"], blocks[6:], rtol=1e-5)
    want = [blocks[t] / (blocks[t - 6 : t].mean() + 0.03) for t in range(6, 11)]
    np.testing.assert_allclose(judged["score"], want, rtol=1e-5)


def test_the_notebook_s_literal_protocol_and_each_slip_mended():
    data = load_one_anomalous(1, quick=True)
    (train, test), (own, _), (_, _) = (variant.images(data) for variant in (LITERAL, *MENDED))
    assert (train.min(), train.max(), len(train)) == (0, 1, len(data.train[:2048]))
    assert (test.min(), test.max()) == (0, 1)
    assert own.min() == -1
    many = dataclasses.replace(data, train=np.repeat(data.train, 2, axis=0))
    assert [len(variant.images(many)[0]) for variant in (LITERAL, *MENDED)] == [2048, 2048, len(many.train)]


def test_the_notebook_s_scores_are_normalised_by_the_test_set_and_leave_the_statistics_alone():
    discriminator = build_gan_discriminator((28, 28, 1), filters=2, seed=0)
    x = np.random.default_rng(0).uniform(0, 1, (6, 28, 28, 1)).astype("float32")
    before = discriminator.get_weights()
    together, fewer = logits_as_one_batch(discriminator, x), logits_as_one_batch(discriminator, x[:3])
    assert np.abs(together[:3] - fewer).max() > 1e-6  # the other rows change the score, which is the slip
    np.testing.assert_allclose(discriminator(x, training=True)[0][:, 0], together, rtol=1e-5, atol=1e-7)
    discriminator.set_weights(before)
    logits_as_one_batch(discriminator, x)
    for held, now in zip(before, discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(held, now)

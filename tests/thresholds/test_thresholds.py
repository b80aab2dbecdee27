"""Thresholds and evaluation against definitions and scikit-learn."""

import doctest

import keras
import numpy as np
import pytest

from keras_anogan import ConformalThreshold, QuantileThreshold, evaluation, thresholds
from keras_anogan.thresholds import THRESHOLDS, Threshold, build_threshold, calibration_needed, conformal, running


@pytest.fixture
def draw():
    return np.random.default_rng(11)


def test_threshold_is_the_kth_largest_calibration_score():
    scores = np.arange(1, 100, dtype="float32")  # n = 99, alpha = 0.05: k = floor(0.05 * 100) = 5
    layer = QuantileThreshold(0.05).adapt(scores)
    assert layer.threshold == 95.0
    assert np.array_equal(layer(np.array([94.0, 95.0, 95.1], "float32")), [False, False, True])


def test_false_alarms_stay_below_alpha(draw):
    rates = []
    for _ in range(200):
        layer = QuantileThreshold(0.1).adapt(draw.normal(size=59))
        rates.append(np.asarray(layer(draw.normal(size=2000).astype("float32"))).mean())
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)  # 6/60, exactly alpha in expectation


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
def test_alarm_exactly_where_p_is_at_most_alpha(alpha, draw):
    for n in (99, 100, 199, 333):
        calibration = np.round(draw.normal(size=n), 1)  # many ties
        scores = np.round(draw.normal(size=500), 1).astype("float32")
        layer = ConformalThreshold(alpha).adapt(calibration)
        p = np.asarray(layer.p_value(scores))
        want = (1 + (calibration.astype("float32")[None] >= scores[:, None]).sum(1)) / (n + 1)
        np.testing.assert_allclose(p, want, rtol=1e-6)
        assert np.array_equal(layer(scores), p <= np.float32(alpha) + 1e-7)


def test_scores_that_are_not_finite_are_alarms_with_the_smallest_p():
    layer = ConformalThreshold(0.1).adapt(np.arange(20.0))
    bad = np.array([np.nan, np.inf, -np.inf], "float32")
    assert np.asarray(layer(bad)).all()
    np.testing.assert_allclose(layer.p_value(bad), 1 / 21, rtol=1e-6)


def test_before_adapt_everything_is_anomalous():
    layer = QuantileThreshold(0.1)
    assert (layer.threshold, layer.adapted) == (-np.inf, False)
    assert np.asarray(layer(np.zeros(3, "float32"))).all()
    assert not layer.adapted


def test_update_state_continues_and_adapt_starts_over(draw):
    a, b = draw.normal(size=(2, 50))
    both = QuantileThreshold(0.05).adapt(np.concatenate([a, b]))
    step_by_step = QuantileThreshold(0.05).adapt(a).update_state(b)
    assert step_by_step.threshold == both.threshold
    assert step_by_step.adapt(a).threshold == QuantileThreshold(0.05).adapt(a).threshold


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: QuantileThreshold(0.0), "alpha=0.0"),
        (lambda: QuantileThreshold(1.5), "alpha=1.5"),
        (lambda: QuantileThreshold(0.1, capacity=0), "capacity=0"),
        (lambda: QuantileThreshold(0.01).adapt(np.zeros(98)), "at least 99 .* Received: 98"),
        (lambda: ConformalThreshold(0.1).adapt(np.array([1.0, np.nan])), "nan at index 1"),
        (lambda: ConformalThreshold(0.1).adapt(np.zeros((9, 1))), r"\(9, 1\)"),
        (lambda: ConformalThreshold(0.1, capacity=9).adapt(np.zeros(9)).adapt(np.zeros(12)), "at most 9"),
    ],
)
def test_bad_calibration_is_refused_with_the_value(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_the_threshold_of_groups_is_the_highest_of_their_own(draw, tmp_path):
    parts = [np.round(draw.normal(size=n) + shift, 1) for n, shift in ((60, 0.0), (39, 2.0), (45, 0.5))]
    scores, groups = np.concatenate(parts), np.repeat([7, 3, 5], [60, 39, 45])
    shuffled = draw.permutation(len(scores))
    layer = ConformalThreshold(0.05).adapt(scores[shuffled], groups[shuffled])
    own = [QuantileThreshold(0.05).adapt(part).threshold for part in parts]
    assert layer.threshold == max(own) > QuantileThreshold(0.05).adapt(scores).threshold
    x = np.round(draw.normal(size=400) + 1.5, 1).astype("float32")
    each = [(1 + (part.astype("float32") >= x[:, None]).sum(1)) / (len(part) + 1) for part in parts]
    p = np.asarray(layer.p_value(x))
    np.testing.assert_allclose(p, np.max(each, axis=0), rtol=1e-6)
    assert np.array_equal(layer(x), p <= np.float32(0.05) + 1e-7)
    np.testing.assert_allclose(layer.p_value(np.array([np.nan], "float32")), 1 / 40, rtol=1e-6)

    step_by_step = ConformalThreshold(0.05).adapt(parts[0], [7] * 60).update_state(parts[1], [3] * 39)
    assert step_by_step.update_state(parts[2], [5] * 45).threshold == layer.threshold
    with pytest.raises(ValueError, match=r"it was adapted to scores of several. Received: groups=None"):
        step_by_step.update_state(parts[2])
    with pytest.raises(ValueError, match=r"39 calibration scores of group 2 .* Received: 20"):
        QuantileThreshold(0.025).adapt(np.arange(70.0), np.repeat([1, 2], [50, 20]))
    with pytest.raises(ValueError, match=r"integers of shape \(70,\)"):
        QuantileThreshold(0.025).adapt(np.arange(70.0), ["monday"] * 70)


def test_files_of_before_there_were_groups_are_read(draw):
    scores = draw.normal(size=50)
    want = ConformalThreshold(0.1).adapt(scores)
    weights = [np.append(np.sort(scores), [np.inf] * (want.capacity - 50)), np.int32(50), np.float32(want.threshold)]
    layer = ConformalThreshold(0.1)
    layer.build()
    layer.load_own_variables({str(i): weight for i, weight in enumerate(weights)})
    assert layer.threshold == want.threshold
    x = draw.normal(size=20)
    np.testing.assert_array_equal(layer.p_value(x), want.p_value(x.astype("float32")))


def test_a_new_group_keeps_to_its_rate_in_k_of_k_plus_one_cases(draw):
    kept = []
    for _ in range(400):
        parts = [draw.normal(draw.normal(), 0.3, 199) for _ in range(4)]
        layer = QuantileThreshold(0.05).adapt(np.concatenate(parts[:3]), np.repeat([0, 1, 2], 199))
        kept.append(np.mean(parts[3] > layer.threshold) <= 0.05)
    assert np.mean(kept) == pytest.approx(3 / 4, abs=0.07)


def test_exactly_enough_scores_are_enough():
    assert QuantileThreshold(0.01).adapt(np.arange(99.0)).threshold == 98.0


@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.1, 0.07, 0.05, 0.01, 1e-3, 1e-4])
def test_as_many_scores_as_needed_are_enough_and_one_less_is_not(alpha):
    needed = calibration_needed(alpha)
    assert needed >= 1 / alpha - 1 - 1e-6 > needed - 1 - 2e-6
    QuantileThreshold(alpha).adapt(np.arange(float(needed)))
    with pytest.raises(ValueError, match=f"at least {needed} "):
        QuantileThreshold(alpha).adapt(np.arange(needed - 1.0))


def test_thresholds_have_names_and_say_what_they_can_do():
    for name in THRESHOLDS:
        layer = build_threshold(name, alpha=0.05, k=2.0, capacity=50)
        assert isinstance(layer, Threshold)
        assert not layer.adapted
        assert layer.takes_groups == (name in ("conformal", "quantile"))
        assert layer.learns_one_by_one != layer.takes_groups
        assert layer.needs_calibration == (name in ("conformal", "quantile", "peaks"))
        assert getattr(layer, "alpha", 0.05) == (0.1 if name == "exponential" else 0.05)
    assert build_threshold("conformal").capacity == 10_000
    with pytest.raises(ValueError, match=r"Expected the threshold to be one of .* Received: 'none'"):
        build_threshold("none")


@pytest.mark.parametrize("module", [thresholds, conformal, running])
def test_examples_in_docstrings_run(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_an_alpha_close_to_one_alarms_at_nearly_everything():
    assert QuantileThreshold(1 - 1e-12).adapt(np.arange(10.0)).threshold == 0.0


def test_more_scores_than_the_default_capacity_fit_into_a_new_layer(draw):
    assert ConformalThreshold(0.5, capacity=10).adapt(draw.normal(size=25)).capacity == 25


def test_thresholds_survive_a_file_inside_a_model(draw, tmp_path):
    inputs = keras.Input(())
    layer = ConformalThreshold(0.05).adapt(draw.normal(size=60))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    scores = draw.normal(size=40).astype("float32")
    assert (loaded.threshold, loaded.adapted, loaded.alpha) == (layer.threshold, True, 0.05)
    np.testing.assert_array_equal(loaded.p_value(scores), layer.p_value(scores))


# Evaluation.


def test_areas_are_scikit_learns_and_count_ties_half():
    assert evaluation.auroc([0, 0, 1, 1], [1, 2, 2, 3]) == pytest.approx(3.5 / 4)
    assert evaluation.auprc([0, 1], [1, 2]) == 1.0


def test_alarm_rates_by_hand():
    labels, alarms = [0, 0, 0, 0, 1, 1], [True, False, False, False, True, False]
    rates = evaluation.alarm_rates(labels, alarms)
    assert rates == {"false_alarm_rate": 0.25, "detection_rate": 0.5, "precision": 0.5, "f1": 0.5}
    nobody = evaluation.alarm_rates([0, 0], [False, False])
    assert nobody == {"false_alarm_rate": 0.0, "detection_rate": None, "precision": None, "f1": None}


def test_oracles_by_hand():
    assert evaluation.best_f1([0, 1, 1], [0.1, 0.9, 0.8]) == pytest.approx(1.0)
    assert evaluation.equal_error_rate([0, 0, 1, 1], [1, 2, 3, 4]) == pytest.approx(0.0)
    assert evaluation.equal_error_rate([0, 1, 0, 1], [1, 2, 3, 4]) == pytest.approx(0.5)


def test_summary_by_hand():
    summary = evaluation.summarise([1.0, 3.0])
    half = 12.706204736  # t(0.975, 1) * sqrt(2) / sqrt(2)
    assert summary == {
        "mean": 2.0,
        "std": pytest.approx(2**0.5),
        "min": 1.0,
        "ci95": [pytest.approx(2 - half), pytest.approx(2 + half)],
    }
    assert evaluation.summarise([1.0]) == {"mean": 1.0, "std": 0.0, "min": 1.0, "ci95": None}
    with pytest.raises(ValueError, match=r"\(0,\)"):
        evaluation.summarise([])


@pytest.mark.parametrize(
    ("labels", "scores", "word"),
    [([0, 0], [1, 2], "one kind"), ([0, 1], [1], "shapes"), ([0, 1], [1, np.nan], "nan")],
)
def test_evaluation_refuses_what_it_cannot_rank(labels, scores, word):
    with pytest.raises(ValueError, match=word):
        evaluation.auroc(labels, scores)

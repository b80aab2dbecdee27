"""The scikit-learn adapter: scikit-learn's own checks, its sign, and what `fit` reads off the data."""

import pickle

import numpy as np
import pandas
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_anogan.wrappers import SKLearnOutlierDetector

# scikit-learn's checks that do not apply, and why.
SKIPPED_CHECKS = {
    "check_methods_subset_invariance": "asks for 1e-7; our scores are float32, equal within 1e-5 in any batch",
}

TINY = {
    "epochs": 1,
    "batch_size": 256,  # few steps an epoch, of one critic update each
    "params": {"latent_dim": 2, "n_critic": 1},
    "contamination": 0.1,
    "random_state": 0,
}


@pytest.fixture
def eager():
    """The checks fit some eighty detectors of a few rows: tracing each would take minutes, and shows nothing."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@parametrize_with_checks(
    [
        SKLearnOutlierDetector("pca", contamination=0.1, random_state=0),
        SKLearnOutlierDetector("pca", alpha=0.5, calibrate=0.4, random_state=0),
        SKLearnOutlierDetector("fanogan", **TINY),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check, eager):
    name = getattr(check, "func", check).__name__
    if name in SKIPPED_CHECKS:
        pytest.skip(SKIPPED_CHECKS[name])
    check(estimator)


def test_every_skipped_check_exists_and_has_a_reason():
    from sklearn.utils import estimator_checks

    assert all(hasattr(estimator_checks, name) and reason for name, reason in SKIPPED_CHECKS.items())


@pytest.fixture(scope="module")
def threes():
    """(normal, test, labels) of scikit-learn's digits as flat rows in 0..16: three is normal."""
    digits = load_digits()
    normal = digits.data[digits.target == 3]
    rest = digits.data[digits.target != 3][:150]
    return normal[:120], np.concatenate([normal[120:], rest]), np.r_[np.zeros(len(normal) - 120), np.ones(150)]


@pytest.fixture(scope="module")
def fitted(threes):
    return SKLearnOutlierDetector("pca", alpha=0.1, random_state=0, params={"n_components": 16}).fit(threes[0])


def test_the_sign_is_scikit_learns_and_the_rate_is_the_one_asked_for(fitted, threes):
    _, test, labels = threes
    scores = fitted.score_samples(test)
    assert roc_auc_score(labels, -scores) > 0.9
    np.testing.assert_allclose(fitted.decision_function(test), scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.predict(test), np.where(scores < fitted.offset_, -1, 1))
    assert (fitted.predict(test)[labels == 1] == -1).mean() > 0.7
    alarms = fitted.threshold_(-scores.astype("float32")).numpy()
    np.testing.assert_array_equal(fitted.predict(test) == -1, alarms)


def test_scores_do_not_depend_on_the_batch(fitted, threes):
    whole = fitted.score_samples(threes[1])
    alone = np.concatenate([fitted.score_samples(row[None]) for row in threes[1][:5]])
    np.testing.assert_allclose(alone, whole[:5], rtol=1e-5)


def test_the_input_size_is_read_off_arrays_lists_and_data_frames(fitted, threes):
    normal, test, _ = threes
    again = SKLearnOutlierDetector("pca", alpha=0.1, random_state=0, params={"n_components": 16}).fit(normal.tolist())
    np.testing.assert_allclose(again.score_samples(test.tolist()), fitted.score_samples(test), rtol=1e-6)
    frame = pandas.DataFrame(normal).add_prefix("pixel ")
    framed = SKLearnOutlierDetector("pca", alpha=0.1, random_state=0, params={"n_components": 16}).fit(frame)
    assert framed.n_features_in_ == 64
    assert framed.feature_names_in_[3] == "pixel 3"
    np.testing.assert_allclose(
        framed.score_samples(pandas.DataFrame(test).add_prefix("pixel ")), fitted.score_samples(test), rtol=1e-6
    )


def test_images_keep_their_shape_and_one_range():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3)).astype("uint8")
    detector = SKLearnOutlierDetector("fanogan", epochs=1, alpha=0.2, params={"architecture": "dcgan", "filters": 2})
    detector.fit(images)
    assert detector.detector_.sample_shape == (8, 8, 3)
    assert (float(detector.data_min_), float(detector.data_max_)) == (0.0, 255.0)
    assert detector.score_samples(images).shape == (60,)
    assert SKLearnOutlierDetector("pca", alpha=0.2).fit(images[..., 0]).detector_.sample_shape == (8, 8, 1)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 8, 3\). Received: shape \(8, 8\)"):
        detector.predict(images[..., 0])


def series(normal, unlike=1e5):
    """Windows (n, 16, 2) of two channels; in an anomalous one the first, small one is noise."""
    draw, t = np.random.default_rng(0), np.arange(2000)
    first = np.sin(t / 7) if normal else draw.normal(size=2000)
    both = np.stack([first, unlike * np.sin(t / 11)], axis=-1) + [0.05, 0.05 * unlike] * draw.normal(size=(2000, 2))
    return np.stack([both[i : i + 16] for i in range(0, 1984, 8)])


def test_each_channel_of_a_series_has_its_own_scale():
    normal, anomalous = series(True), series(False)
    detector = SKLearnOutlierDetector("pca", random_state=0).fit(normal[:200])
    assert detector.kind_ == "series"
    assert detector.detector_.sample_shape == (32,)
    assert detector.data_min_.shape == (2,)
    scores = detector.decision_function(np.concatenate([normal[200:], anomalous]))
    assert roc_auc_score(np.r_[np.ones(48), np.zeros(len(anomalous))], scores) > 0.999


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "found"),
    [
        ((40, 6), "float32", "auto", "rows"),
        ((40, 8, 8), "float32", "auto", "images"),
        ((40, 8, 16), "float32", "auto", "images"),
        ((40, 17, 8), "float32", "auto", "series"),
        ((40, 17, 8), "uint8", "auto", "images"),
        ((40, 17, 8), "float32", "images", "images"),
        ((40, 8, 8), "float32", "series", "series"),
        ((40, 8, 8, 3), "float32", "auto", "images"),
    ],
)
def test_what_rows_hold_is_told_by_their_shape_or_by_the_user(shape, dtype, kind, found):
    x = np.random.default_rng(0).uniform(0, 255, shape).astype(dtype)
    assert SKLearnOutlierDetector("pca", kind=kind, contamination=0.1).fit(x).kind_ == found


def test_a_kind_that_the_shape_rules_out_is_refused_and_square_series_are_warned_of():
    x = np.random.default_rng(0).normal(size=(40, 8, 8))
    for kind, given in (("series", x[:, 0]), ("rows", x), ("sound", x)):
        with pytest.raises(ValueError, match=f"Received: kind='{kind}'"):
            SKLearnOutlierDetector("pca", kind=kind, contamination=0.1).fit(given)
    with pytest.warns(UserWarning, match="kind='series' gives each its own scale"):
        SKLearnOutlierDetector("pca", contamination=0.1).fit(x * [1, 1, 1, 1, 1, 1, 1, 1e5])


def test_the_detectors_own_parameters_can_be_searched(threes):
    normal = threes[0]
    search = GridSearchCV(
        SKLearnOutlierDetector("pca", contamination=0.1, random_state=0, params={"n_components": 3}),
        {"params__n_components": [2, 20]},
        scoring=lambda detector, x, y=None: detector.detector_.n_components,
        cv=2,
    ).fit(normal)
    assert search.best_params_ == {"params__n_components": 20}
    assert search.best_estimator_.detector_.n_components == 20
    detector = SKLearnOutlierDetector("fanogan", params={"kappa": 0.5})
    assert detector.get_params()["params__kappa"] == 0.5
    assert detector.get_params()["params__n_critic"] == 5
    assert "params__kappa" not in detector.get_params(deep=False)
    detector.set_params(alpha=0.2, params__n_critic=1)
    assert (detector.alpha, detector.params) == (0.2, {"kappa": 0.5, "n_critic": 1})
    assert clone(detector).set_params(params__kappa=2.0).params["kappa"] == 2.0
    assert detector.params["kappa"] == 0.5
    with pytest.raises(ValueError, match="no parameter kapa; did you mean kappa"):
        detector.set_params(params__kapa=1.0)
    with pytest.raises(ValueError, match="Invalid parameter 'kappa'"):
        detector.set_params(kappa=1.0)


def test_it_lives_in_a_pipeline_and_survives_pickling(threes):
    normal, test, _ = threes
    pipeline = make_pipeline(StandardScaler(), SKLearnOutlierDetector("pca", alpha=0.1, random_state=1)).fit(normal)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_allclose(again.decision_function(test), pipeline.decision_function(test), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "rows", "word"),
    [
        ({"contamination": 0.7}, 40, "Received: 0.7"),
        ({"contamination": "some"}, 40, "'some'"),
        ({"alpha": 0.01}, 40, "at least 99 rows to calibrate alpha=0.01 .* Received: 8 of 40 rows"),
        ({"calibrate": 1.5}, 40, "1.5"),
        ({"calibrate": 0.999}, 40, "two rows left to train on"),
        ({"alpha": "x"}, 40, "alpha > 0. Received: 'x'"),
        ({"epochs": 0}, 40, "epochs to be an integer >= 1. Received: 0"),
        ({"batch_size": 2.5}, 40, "2.5"),
        ({"learning_rate": -1.0}, 40, "learning_rate > 0. Received: -1.0"),
        ({"detector": "fanogan", "params": {"mirror": True}}, 40, "images .* to mirror"),
        ({"detector": "gan"}, 40, "'gan'"),
        ({"params": 3}, 40, "params to be a dict of the detector's parameters. Received: 3"),
        ({}, 1, "1 sample"),
    ],
)
def test_bad_parameters_are_refused_with_the_value(arguments, rows, word, threes):
    arguments = {"detector": "pca", "alpha": 0.2, **arguments}
    with pytest.raises(ValueError, match=word):
        SKLearnOutlierDetector(**arguments).fit(threes[0][:rows])


def test_efficientgan_in_one_line():
    draw = np.random.default_rng(3)
    x = draw.normal(size=(300, 2)) @ draw.normal(size=(2, 7))
    odd = draw.normal(size=(50, 7)) * x.std()
    outliers = SKLearnOutlierDetector("efficientgan", epochs=2, learning_rate=1e-3, random_state=0).fit(x)
    assert outliers.detector_.encoder.output_shape == (None, 32)
    assert outliers.detector_.encoder.input_shape == (None, 7)
    assert outliers.decision_function(x).mean() > outliers.decision_function(odd).mean()
    assert int(outliers.detector_.step) == 1000


def test_a_phase_keeps_its_own_length():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype("uint8")
    params = {"filters": 2, "discriminator_filters": 2, "steps": 3}
    detector = SKLearnOutlierDetector("ognet", epochs=2, batch_size=20, params=params, contamination=0.1)
    assert int(detector.fit(images).detector_.step) == 3
    assert detector.score_samples(images).shape == (40,)


def test_siamese_learns_from_the_classes_of_normal_images():
    draw = np.random.default_rng(0)
    images, classes = draw.random((60, 8, 8)), np.arange(60) % 3
    images[np.arange(60), classes] += 3.0  # a bright row tells the class
    outliers = SKLearnOutlierDetector("siamese", alpha=0.1, epochs=3, params={"filters": 4}, random_state=0)
    with pytest.raises(ValueError, match="no labels"):
        outliers.fit(images)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        outliers.fit(images, classes[:50])
    scores = outliers.fit(images, classes).score_samples(images)
    assert scores.shape == (60,)
    assert np.asarray(outliers.detector_.seen)[:3].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("glitch", [1e3, 1e9])
def test_a_few_glitches_are_told_and_do_not_rule_the_scale(glitch):
    draw = np.random.default_rng(0)
    X, new = draw.normal(size=(500, 3)), draw.normal(size=(200, 3))
    new[:100, 0] += 8.0
    X[::100, 0] = glitch
    with pytest.warns(UserWarning, match="cells lie far from all others of their column"):
        outliers = SKLearnOutlierDetector("gaussian", random_state=0).fit(X)
    scores = outliers.decision_function(new)
    assert scores[:100].max() < scores[100:].min()

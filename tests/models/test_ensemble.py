"""Ensembles: scores become comparable, and are averaged."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm, spearmanr

from keras_anogan import PCA, ConformalThreshold, Ensemble, FittedDetector, Gaussian, build_detector
from keras_anogan.detector import AnomalyDetector

SHAPE = (6,)


@keras.saving.register_keras_serializable("tests")
class Column(AnomalyDetector):
    """The score is one column, stretched."""

    def __init__(self, column=0, scale=1.0, seed=0, name=None):
        super().__init__(seed=seed, name=name)
        self.column, self.scale = column, scale

    @property
    def call_shape(self):
        return SHAPE

    def explain(self, x):
        return {"score": self.scale * x[:, self.column]}


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(2000, 6)).astype("float32")


def adapted(members, rows, **params):
    ensemble = Ensemble(members, **params)
    ensemble.adapt(rows)
    return ensemble


def test_scores_of_held_out_rows_become_normal_scores(rows):
    ensemble = adapted([Column(0), Column(1, scale=100.0)], np.exp(rows))
    z = np.asarray(ensemble.explain(tf.constant(np.exp(rows)))["normal_scores"])
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.02)
    for column in (0, 1):
        ranks = (np.argsort(np.argsort(rows[:, column])) + 0.5) / len(rows)
        np.testing.assert_allclose(z[:, column], norm.ppf(ranks), atol=0.05)


@pytest.mark.parametrize("combine", ["normal", "cauchy"])
def test_equal_members_rank_as_one_of_them_whatever_their_scale(combine, rows):
    new = np.random.default_rng(1).normal(size=(500, 6)).astype("float32") * 40.0  # most lie beyond what was seen
    ensemble = adapted([Column(2), Column(2, scale=0.01), Column(2, scale=7.0)], rows, combine=combine)
    found = ensemble.predict(new)
    assert np.isfinite(found).all()
    some = new[:, 2] > (-np.inf if combine == "normal" else -3.0)  # Cauchy's takes what is most normal for equal
    assert spearmanr(found[some], new[some, 2]).statistic > 0.99999


def test_the_mean_of_normal_scores_and_cauchys_combination_against_scipy(rows):
    members = [Column(0), Column(1)]
    z = np.asarray(adapted(members, rows).explain(tf.constant(rows))["normal_scores"], "float64")
    np.testing.assert_allclose(adapted(members, rows).predict(rows), z.mean(axis=1), atol=1e-5)
    p = norm.sf(z)
    combined = 0.5 - np.arctan(np.tan((0.5 - p) * np.pi).mean(axis=1)) / np.pi
    found = adapted(members, rows, combine="cauchy").predict(rows)
    np.testing.assert_allclose(found, -np.log(combined), rtol=1e-3, atol=1e-4)


def test_cauchy_follows_the_member_that_is_most_alarmed(rows):
    one, both = np.zeros((1, 6), "float32"), np.zeros((1, 6), "float32")
    one[0, 0] = 6.0
    both[0, :2] = 2.5
    mean, cauchy = (adapted([Column(0), Column(1)], rows, combine=combine) for combine in ("normal", "cauchy"))
    assert cauchy.predict(one)[0] > cauchy.predict(both)[0]
    assert mean.predict(one)[0] > mean.predict(np.zeros((1, 6), "float32"))[0]


def test_new_normal_rows_alarm_at_the_rate_that_was_asked_for(rows):
    ensemble = adapted([Column(0), Column(1), Column(2)], rows[:1000])
    threshold = ConformalThreshold(0.05).adapt(ensemble.predict(rows[1000:]))
    new = np.random.default_rng(2).normal(size=(20_000, 6)).astype("float32")
    assert np.asarray(threshold(ensemble.predict(new))).mean() == pytest.approx(0.05, abs=0.02)


def test_fit_trains_every_member_and_keeps_the_rows_apart(tiny_images):
    members = [
        PCA((8, 8, 1), n_components=3),
        build_detector("autoencoder", (8, 8, 1), filters=2, seed=0),
        Gaussian((8, 8, 1)),
    ]
    ensemble = Ensemble(members)
    with pytest.raises(ValueError, match="after fit"):
        ensemble.predict(tiny_images)
    ensemble.compile()
    with pytest.raises(ValueError, match="validation_data"):
        ensemble.fit(tiny_images, epochs=1, verbose=0)
    ensemble.fit(tiny_images, validation_data=tiny_images[:24], batch_size=16, epochs=1, verbose=0)
    assert int(members[1].step) == 2
    alone = np.stack([member.predict(tiny_images) for member in members], axis=1)
    np.testing.assert_allclose(ensemble.explain(tf.constant(tiny_images))["member_scores"], alone, rtol=1e-4)


def test_one_file_and_one_saved_model_score_as_the_ensemble(tiny_images, tmp_path):
    members = [build_detector("autoencoder", (8, 8, 1), filters=2, seed=seed) for seed in (0, 1)]
    ensemble = Ensemble(members, combine="cauchy")
    ensemble.compile()
    ensemble.fit(tiny_images, validation_data=tiny_images, batch_size=16, epochs=1, verbose=0)
    scores = ensemble.predict(tiny_images)
    ensemble.save(tmp_path / "ensemble.keras")
    np.testing.assert_allclose(
        keras.saving.load_model(tmp_path / "ensemble.keras").predict(tiny_images), scores, rtol=1e-5
    )
    threshold = ConformalThreshold(0.1).adapt(scores)
    FittedDetector(None, ensemble, threshold, raw_shape=(8, 8, 1), raw_dtype="float32").export(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](raw=tf.constant(tiny_images))
    np.testing.assert_allclose(served["score"], scores, rtol=1e-4)


@pytest.mark.parametrize(
    ("members", "params", "sentence"),
    [
        ([], {}, "a list of detectors"),
        ([PCA((4,)), PCA((6,))], {}, r"one shape. Received: \[\(4,\), \(6,\)\]"),
        ([PCA((6,))], {"combine": "max"}, "'normal', 'cauchy'"),
    ],
)
def test_wrong_ensembles_are_refused(members, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        Ensemble(members, **params)


def test_rows_that_say_nothing_are_refused(rows):
    with pytest.raises(ValueError, match="at least 20"):
        Ensemble([Column()]).adapt(rows[:19])
    with pytest.raises(ValueError, match="finite scores of held-out rows that differ"):
        Ensemble([Column(scale=0.0)]).adapt(rows)

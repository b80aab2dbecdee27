"""ALOCC's stopping rule: a share of the mean image's error."""

import math

import keras
import numpy as np
import pytest

from keras_anogan import build_detector
from keras_anogan.callbacks import ReconstructionStop


def copying(share):
    """A detector whose reconstruction leaves `share` of the squared error: x_hat = (1 - sqrt(share)) x."""
    detector = build_detector("autoencoder", (2,), latent_dim=2)
    scale = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(1.0 - math.sqrt(share))])
    detector.encoder, detector.decoder = scale, keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(1.0)])
    return detector


ROWS = np.array([[2.0, -2.0], [-2.0, 2.0]], "float32")  # the mean is zero, so that its error is x^2 = 4


@pytest.mark.parametrize(("share", "stopped"), [(0.25, 1), (0.35, 0)])
def test_it_stops_below_rho_of_the_mean_s_error(share, stopped):
    stop = ReconstructionStop(ROWS, rho=0.3)
    stop.set_model(copying(share))
    stop.model.stop_training = False
    stop.on_train_begin()
    logs = {}
    stop.on_epoch_end(0, logs)
    assert logs["reconstruction_share"] == pytest.approx(share, rel=1e-5)
    assert stop.share == logs["reconstruction_share"]
    assert (stop.epoch, stop.model.stop_training) == (stopped, bool(stopped))


def test_a_training_ends_early_and_says_where():
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    detector = build_detector("autoencoder", (4,), latent_dim=4)
    detector.compile()
    stop = ReconstructionStop(x[:64], rho=0.5)
    history = detector.fit(x[64:], batch_size=16, epochs=200, callbacks=[stop], verbose=0).history
    assert 1 < stop.epoch == len(history["reconstruction_share"]) < 200
    assert history["reconstruction_share"][-1] < 0.5 <= history["reconstruction_share"][-2]


@pytest.mark.parametrize("rho", [0.0, 1.5, math.nan])
def test_a_rho_that_is_no_share_is_refused(rho):
    with pytest.raises(ValueError, match=r"rho in \(0, 1\]"):
        ReconstructionStop(ROWS, rho=rho)


@pytest.mark.parametrize("rows", [ROWS[:0], ROWS[:1], np.zeros((5, 2))])
def test_rows_that_do_not_differ_are_refused(rows):
    with pytest.raises(ValueError, match="at least two held-out rows that differ"):
        ReconstructionStop(rows)


def test_a_model_that_reconstructs_nothing_is_refused():
    detector = build_detector("gaussian", (2,))
    detector.compile()
    detector.fit(np.random.default_rng(0).normal(size=(9, 2)).astype("float32"))
    stop = ReconstructionStop(ROWS)
    stop.set_model(detector)
    with pytest.raises(ValueError, match="Expected a detector that reconstructs"):
        stop.on_epoch_end(0, {})

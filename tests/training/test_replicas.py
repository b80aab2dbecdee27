"""Training on several devices: the losses of one device, a run that is saved, served and resumed as any other."""

import numpy as np
import pytest
import tensorflow as tf
from detectors import IMAGE, ROWS

from keras_anogan.callbacks import EpochBackup
from keras_anogan.datasets import load_digits
from keras_anogan.runs import Arguments, train
from keras_anogan.runs.folder import load_run
from keras_anogan.training.replicas import on_one_device, strategy_of

# Rows of detectors whose networks see each sample by itself: no batch normalisation, no dropout, no pairs of samples.
# f-AnoGAN's encoder learns alone, with its generator and critic standing still.
ALONE = ("autoencoder-8x8x1", "fanogan-8x8x1", "flow-8x8x1", "flow-6-part", "ganomaly-6-part", "vae-6-part")


def rows_of(shape):
    draw = np.random.default_rng(0)
    return draw.uniform(-1, 1, (32, *shape)).astype("float32")


@pytest.mark.parametrize("row", [row for row in ROWS if str(row) in ALONE], ids=str)
def test_losses_on_two_devices_are_those_of_one(row, mirrored):
    losses = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            detector = row.make()
        history = detector.fit(rows_of(row.shape), batch_size=8, epochs=1, steps_per_epoch=1, verbose=0).history
        losses.append({key: np.array(values) for key, values in history.items()})
    assert losses[0].keys() == losses[1].keys() != set()
    for key, alone in losses[0].items():
        np.testing.assert_allclose(losses[1][key], alone, rtol=1e-5, atol=1e-7, err_msg=key)


def test_one_device_is_no_strategy_and_other_words_are_refused(mirrored):
    assert strategy_of("one") is tf.distribute.get_strategy()
    assert mirrored.num_replicas_in_sync == 2
    assert strategy_of("all") is mirrored
    with pytest.raises(ValueError, match=r"one of one, all\. Received: 'both'"):
        strategy_of("both")
    with pytest.raises(ValueError, match=r"Expected --devices to be one or all\. Received: both"):
        Arguments(data="digits", normal=1, devices="both")


def test_a_detector_of_two_devices_runs_on_one(mirrored):
    with mirrored.scope():
        detector = next(row for row in ROWS if str(row) == "autoencoder-8x8x1").make()
    x = rows_of(IMAGE)
    detector.fit(x, batch_size=8, epochs=1, steps_per_epoch=1, verbose=0)
    moved = on_one_device(detector)
    np.testing.assert_allclose(moved.predict(x), detector.predict(x), rtol=1e-6)
    assert not any(hasattr(weight.value, "values") for weight in moved.weights)  # no copy for each device


def test_a_run_on_two_devices_is_resumed_saved_and_served(mirrored, tmp_path, monkeypatch):
    said = []
    given = {"data": "digits", "normal": 1, "detector": "autoencoder", "params": {"filters": 2}, "alpha": 0.1}
    arguments = Arguments(**given, epochs=2, devices="all")
    ends = EpochBackup.on_epoch_end

    def breaks(self, epoch, logs=None):
        ends(self, epoch, logs)
        if epoch == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EpochBackup, "on_epoch_end", breaks)
        with pytest.raises(KeyboardInterrupt):
            train(arguments, tmp_path / "run", say=said.append)
    train(arguments, tmp_path / "run", say=said.append)
    assert "Training on 2 devices." in said
    assert any(line.endswith("1 of 2 epochs are done.") for line in said)
    images, _ = load_digits()
    fitted = load_run(tmp_path / "run").fitted
    served = tf.saved_model.load(str(tmp_path / "run" / "serving" / "1")).signatures["explain"]
    some = images[:5]
    np.testing.assert_allclose(served(raw=tf.constant(some))["score"], fitted.predict(some), rtol=1e-5)

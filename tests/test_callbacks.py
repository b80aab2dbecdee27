"""Callbacks that know about several players."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_anogan.callbacks import EpochBackup, ImageGrid, TerminateOnNonFinite, read_backup, save_grid
from keras_anogan.models import WGANGP
from keras_anogan.networks import build_mlp_critic, build_mlp_generator


def make_wgan(**optimizers):
    wgan = WGANGP(
        build_mlp_generator((8, 8, 1), 4, units=(8, 8), seed=1), build_mlp_critic((8, 8, 1), units=(8,), seed=2)
    )
    wgan.compile(optimizers=optimizers, jit_compile=False)
    return wgan


def test_image_grid_shows_the_same_z_every_time(tiny_images, tmp_path):
    wgan = make_wgan(generator=keras.optimizers.SGD(0.0))
    for layer in wgan.generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # its statistics stay as they are too: only z could change the picture
    wgan.fit(tiny_images, batch_size=6, epochs=4, verbose=0, callbacks=[ImageGrid(tmp_path, every_epochs=2)])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-0002.png", "epoch-0004.png"]
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in names)
    assert first.shape == ((5 * 9 + 1) * (140 // 8),) * 2  # 5 x 5 images of 8 pixels with lines between
    assert np.array_equal(first, second)
    assert len(np.unique(first[20:120, 20:120])) > 5  # and there is something to see


def test_image_grid_by_steps(tiny_images, tmp_path):
    make_wgan().fit(tiny_images, batch_size=2, epochs=1, verbose=0, callbacks=[ImageGrid(tmp_path, every_steps=2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002.png", "step-000004.png"]


@pytest.mark.parametrize("period", [{"every_epochs": 1, "every_steps": 1}, {"every_epochs": 0}, {"every_steps": -1}])
def test_image_grid_refuses_bad_periods(period, tmp_path):
    with pytest.raises(ValueError, match="Received"):
        ImageGrid(tmp_path, **period)


def test_save_grid_puts_images_in_their_range(tmp_path):
    images = np.stack([np.full((2, 2, 3), v, "float32") for v in (-1.0, 1.0, 0.0, 7.0)])
    save_grid(images, tmp_path / "g.png", columns=2)
    pixels = np.asarray(Image.open(tmp_path / "g.png"))
    scale = 70
    centre = lambda row, column: int(pixels[int((row * 3 + 2) * scale), int((column * 3 + 2) * scale), 0])  # noqa: E731
    assert [centre(0, 0), centre(0, 1), centre(1, 0), centre(1, 1)] == [0, 255, 128, 255]


class Exploding(keras.Model):
    """Logs a loss that becomes NaN at step 3, beside a healthy `loss`."""

    def __init__(self):
        super().__init__()
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)

    def train_step(self, data):
        self.step.assign_add(1)
        bad = tf.where(tf.convert_to_tensor(self.step) >= 3, np.nan, 1.0)
        return {"loss": tf.constant(1.0), "generator_loss": bad}

    def call(self, x):
        return x


def test_guard_stops_at_any_loss_and_names_it(capsys):
    model, guard = Exploding(), TerminateOnNonFinite()
    model.compile()
    history = model.fit(np.zeros((10, 1)), batch_size=1, epochs=5, verbose=0, callbacks=[guard])
    assert guard.reason == "Training stopped: generator_loss became nan at step 3."
    assert guard.reason in capsys.readouterr().out
    assert len(history.epoch) == 1
    quiet = TerminateOnNonFinite()
    make_wgan().fit(np.zeros((8, 8, 8, 1), "float32"), verbose=0, callbacks=[quiet])
    assert quiet.reason is None


def test_backup_is_complete_or_absent(tiny_images, tmp_path, monkeypatch):
    wgan = make_wgan()
    wgan.fit(tiny_images, batch_size=4, epochs=2, verbose=0, callbacks=[EpochBackup(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0002.weights.h5", "state.json"]
    assert [sorted(entry) for entry in read_backup(tmp_path)[0]] == [["critic_loss", "generator_loss", "penalty"]] * 2

    def die(*args, **kwargs):
        (tmp_path / "partial.weights.h5").write_bytes(b"half a file")
        raise KeyboardInterrupt

    again = make_wgan()
    monkeypatch.setattr(again, "save_weights", die)
    with pytest.raises(KeyboardInterrupt):
        again.fit(tiny_images, batch_size=4, epochs=4, verbose=0, callbacks=[EpochBackup(tmp_path)])
    survivor, backup = make_wgan(), EpochBackup(tmp_path)
    survivor.fit(tiny_images, batch_size=4, epochs=3, verbose=0, callbacks=[backup])
    assert backup.restored_epochs == 2
    assert len(read_backup(tmp_path)[0]) == 3


def test_backup_by_time_keeps_the_last_epoch_and_adds_the_seconds_up(tiny_images, tmp_path):
    backup = EpochBackup(tmp_path, every_seconds=3600)
    make_wgan().fit(tiny_images, batch_size=4, epochs=3, verbose=0, callbacks=[backup])
    history, seconds = read_backup(tmp_path)
    assert len(history) == 3
    again = EpochBackup(tmp_path)
    make_wgan().fit(tiny_images, batch_size=4, epochs=4, verbose=0, callbacks=[again])
    assert again.restored_epochs == 3
    assert again.seconds > seconds > 0

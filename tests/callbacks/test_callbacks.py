"""Callbacks that know about several players."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_anogan.callbacks import (
    BestEpoch,
    CollapseMonitor,
    EpochBackup,
    ImageGrid,
    OracleLoss,
    TensorBoardLogs,
    TerminateOnNonFinite,
    read_backup,
)
from keras_anogan.detector import Explainer
from keras_anogan.models import WGANGP, FAnoGAN, build_detector
from keras_anogan.nn.networks import build_mlp_critic, build_mlp_encoder, build_mlp_generator
from keras_anogan.pictures import grid_pixels, save_grid
from keras_anogan.training.averages import NetworkEMA


def make_wgan(n_critic=1, **optimizers):
    """A tiny WGAN-GP of one critic update a step: each update in a step is traced anew, and most of what it costs."""
    wgan = WGANGP(
        build_mlp_generator((8, 8, 1), 4, units=(8, 8), seed=1),
        build_mlp_critic((8, 8, 1), units=(8,), seed=2),
        n_critic=n_critic,
    )
    wgan.compile(optimizers=optimizers, jit_compile=False)
    return wgan


def test_image_grid_shows_the_same_z_every_time(tiny_images, tmp_path):
    wgan = make_wgan(generator=keras.optimizers.SGD(0.0))
    for layer in wgan.generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # its statistics stay as they are too: only z could change the picture
    grid = ImageGrid(tmp_path, every_epochs=2, keep=True)
    wgan.fit(tiny_images, batch_size=30, epochs=4, verbose=0, callbacks=[grid])
    assert {key: images.shape for key, images in grid.images.items()} == {
        "epoch-0002": (25, 8, 8, 1),
        "epoch-0004": (25, 8, 8, 1),
    }
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-0002.png", "epoch-0004.png"]
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in names)
    assert first.shape == ((5 * 9 + 1) * (140 // 8),) * 2  # 5 x 5 images of 8 pixels with lines between
    assert np.array_equal(first, second)
    assert len(np.unique(first[20:120, 20:120])) > 5  # and there is something to see


def test_image_grid_by_steps(tiny_images, tmp_path):
    make_wgan().fit(tiny_images, batch_size=10, epochs=1, verbose=0, callbacks=[ImageGrid(tmp_path, every_steps=2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002.png", "step-000004.png"]

    wgan = make_wgan()
    wgan.compile(optimizers=wgan.default_optimizers(), jit_compile=False, steps_per_execution=3)
    grid = ImageGrid(tmp_path / "several", every_steps=2)
    wgan.fit(tiny_images, batch_size=10, epochs=2, verbose=0, callbacks=[grid])  # calls end at steps 3, 4, 7, 8
    names = sorted(path.name for path in (tmp_path / "several").iterdir())
    assert names == [f"step-{step:06d}.png" for step in (3, 4, 7, 8)]

    backed_up = {"batch_size": 10, "verbose": 0}
    make_wgan().fit(tiny_images[:30], epochs=1, callbacks=[EpochBackup(tmp_path / "backup")], **backed_up)
    grid = ImageGrid(tmp_path / "resumed", every_steps=4)  # goes on at step 3; the backup comes after it
    make_wgan().fit(tiny_images[:30], epochs=2, callbacks=[grid, EpochBackup(tmp_path / "backup")], **backed_up)
    assert [path.name for path in (tmp_path / "resumed").iterdir()] == ["step-000004.png"]


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
    wgan.fit(tiny_images, batch_size=20, epochs=2, verbose=0, callbacks=[EpochBackup(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0002.weights.h5", "state.json"]
    assert [sorted(entry) for entry in read_backup(tmp_path)[0]] == [["critic_loss", "generator_loss", "penalty"]] * 2

    def die(*args, **kwargs):
        (tmp_path / "partial.weights.h5").write_bytes(b"half a file")
        raise KeyboardInterrupt

    again = make_wgan()
    monkeypatch.setattr(again, "save_weights", die)
    with pytest.raises(KeyboardInterrupt):
        again.fit(tiny_images, batch_size=20, epochs=4, verbose=0, callbacks=[EpochBackup(tmp_path)])
    survivor, backup = make_wgan(), EpochBackup(tmp_path)
    survivor.fit(tiny_images, batch_size=20, epochs=3, verbose=0, callbacks=[backup])
    assert backup.restored_epochs == 2
    assert len(read_backup(tmp_path)[0]) == 3


def test_backup_by_time_keeps_the_last_epoch_and_adds_the_seconds_up(tiny_images, tmp_path):
    backup = EpochBackup(tmp_path, every_seconds=3600)
    make_wgan().fit(tiny_images, batch_size=20, epochs=3, verbose=0, callbacks=[backup])
    history, seconds = read_backup(tmp_path)
    assert len(history) == 3
    again = EpochBackup(tmp_path)
    make_wgan().fit(tiny_images, batch_size=20, epochs=4, verbose=0, callbacks=[again])
    assert again.restored_epochs == 3
    assert again.seconds > seconds > 0


def make_detector(x, epochs=0):
    wgan = make_wgan()
    if epochs:
        wgan.fit(x, batch_size=40, epochs=epochs, verbose=0)
    detector = FAnoGAN(build_mlp_encoder((8, 8, 1), 4, units=(8,), seed=3), wgan.generator, wgan.critic)
    detector.compile(optimizers={"encoder": keras.optimizers.Adam(1e-2)}, jit_compile=False)
    return detector


# CollapseMonitor.


def test_diversity_is_the_mean_pair_distance_and_balance_the_share_of_pairs(tiny_images):
    wgan = make_wgan(generator=keras.optimizers.SGD(0.0), critic=keras.optimizers.SGD(0.0))
    for layer in wgan.generator.layers:
        layer.trainable = False  # batch-norm statistics too: what the monitor sees is what the test computes
    monitor = CollapseMonitor(tiny_images, seed=5)
    history = wgan.fit(tiny_images, batch_size=30, epochs=1, verbose=0, callbacks=[monitor]).history
    z = np.random.default_rng(5).standard_normal((256, 4)).astype("float32")
    generated = np.asarray(wgan.generator(z, training=False)).reshape(256, -1)
    pairs = lambda rows: np.mean([((a - b) ** 2).mean() for i, a in enumerate(rows) for b in rows[:i]])  # noqa: E731
    want = pairs(generated) / pairs(tiny_images.reshape(len(tiny_images), -1))
    assert history["diversity"][0] == pytest.approx(want, rel=1e-4)
    real, made = (np.asarray(wgan.critic(x)[0]).ravel() for x in (tiny_images, generated.reshape(-1, 8, 8, 1)))
    assert history["balance"][0] == pytest.approx(np.mean([r > m for r in real for m in made]), abs=1e-3)


def forgetful(generator):
    """The generator with z multiplied by nothing: one image, whatever z."""
    z = keras.Input(generator.input_shape[1:])
    return keras.Model(z, generator(keras.layers.Rescaling(0.0)(z)))


def test_collapse_is_told_once_in_words_and_health_is_not(capsys):
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images[digits.target == 3] / 8.0 - 1.0).astype("float32")[..., None]
    for sick in (True, False):
        generator = build_mlp_generator((8, 8, 1), 8, units=(32, 64), seed=1)
        critic = build_mlp_critic((8, 8, 1), units=(64, 32), seed=2)
        wgan = WGANGP(forgetful(generator) if sick else generator, critic, n_critic=2)
        adam = {player: keras.optimizers.Adam(1e-3, beta_1=0.5) for player in wgan.players}
        wgan.compile(optimizers=adam, jit_compile=False)
        monitor = CollapseMonitor(x[:60], warm_up=10_000)  # half of this fit, 300 steps
        history = wgan.fit(x[60:], batch_size=16, epochs=12, steps_per_epoch=50, verbose=0, callbacks=[monitor]).history
        said = capsys.readouterr().out
        if sick:
            assert "since epoch 6 generated images hardly differ" in monitor.warning
            assert said.count("Warning") == 1
            assert max(history["diversity"]) < 0.05
        else:
            assert monitor.warning is None, history["diversity"]
            assert "Warning" not in said
            assert history["diversity"][-1] > 0.5
        assert all(0.0 <= value <= 1.0 for value in history["balance"])


def test_a_critic_that_prefers_generated_images_is_told(tiny_images, capsys):
    x = keras.Input((8, 8, 1))
    backwards = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(-1.0))
    value = backwards(keras.layers.Flatten()(x))
    critic = keras.Model(x, [value, keras.layers.Flatten()(x)])  # the brighter, the less it is worth
    wgan = WGANGP(build_mlp_generator((8, 8, 1), 4, units=(8, 8), seed=1), critic)
    wgan.compile(optimizers={p: keras.optimizers.SGD(0.0) for p in wgan.players}, jit_compile=False)
    bright = np.clip(tiny_images + 1.5, -1, 1)
    monitor = CollapseMonitor(bright, least_diversity=0.0, patience=2, warm_up=0)
    wgan.fit(bright, batch_size=30, epochs=3, verbose=0, callbacks=[monitor])
    assert "prefers generated images" in monitor.warning
    assert capsys.readouterr().out.count("Warning") == 1


def test_the_grid_of_a_detector_shows_its_reconstructions(tiny_images, tmp_path):
    detector = make_detector(tiny_images)
    grid = ImageGrid(tmp_path, rows=2, columns=3, of=tiny_images, keep=True)
    detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0, callbacks=[grid])
    want = Explainer(detector).predict(tiny_images[:6])["reconstruction"]
    np.testing.assert_allclose(grid.images["epoch-0001"], want, atol=1e-5)
    assert (tmp_path / "epoch-0001.png").exists()


def test_a_detector_without_a_generator_is_watched_by_its_reconstructions(tiny_images):
    detector = build_detector("ganomaly", (8, 8, 1), filters=4, latent_dim=4)
    still = {player: keras.optimizers.SGD(0.0) for player in detector.players}
    detector.compile(optimizers=still, jit_compile=False)
    monitor = CollapseMonitor(tiny_images, patience=1, warm_up=0)
    history = detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0, callbacks=[monitor]).history
    made = Explainer(detector).predict(tiny_images)["reconstruction"]
    want = made.reshape(32, -1).var(axis=0, ddof=1).mean() / tiny_images.reshape(32, -1).var(axis=0, ddof=1).mean()
    assert history["diversity"][0] == pytest.approx(want, rel=1e-3)
    real, fake = (np.asarray(detector.discriminator(x, training=False)[0]).ravel() for x in (tiny_images, made))
    assert history["balance"][0] == pytest.approx(np.mean([r > f for r in real for f in fake]), abs=1e-3)
    assert "reconstructed images hardly differ" in monitor.warning


def test_only_who_trains_a_judge_of_single_images_is_watched():
    watched = ("ganomaly", "skip_ganomaly")
    others = ("alocc", "gan_discriminator", "fanogan", "autoencoder", "efficientgan", "flow", "adversarial_autoencoder")
    for name in (*watched, *others):  # f-AnoGAN's critic is trained before it, the last one's judges codes
        assert CollapseMonitor.watches(build_detector(name, (16, 16, 1))) == (name in watched), name


def test_monitor_refuses_rows_that_do_not_differ(tiny_images):
    for rows in (tiny_images[:1], np.repeat(tiny_images[:1], 3, axis=0)):
        with pytest.raises(ValueError, match="different real rows"):
            CollapseMonitor(rows)


# BestEpoch.


class Scripted(keras.callbacks.Callback):
    """Sets the encoder's bias to the epoch's number, so that every epoch has its own known weights and score."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        self.model.encoder.trainable_variables[-1].assign(np.full(4, self.values[epoch], "float32"))


def test_best_epoch_goes_back_to_the_lowest_stop_score(tiny_images, tmp_path, capsys):
    detector = make_detector(tiny_images, epochs=20)
    detector.optimizers["encoder"].learning_rate = 0.0
    best = BestEpoch(tiny_images, tmp_path)
    values = [3.0, -2.0, 0.5, 2.0]
    history = detector.fit(tiny_images, epochs=4, verbose=0, callbacks=[Scripted(values), best]).history
    assert best.epoch == int(np.argmin(history["stop_score"])) + 1
    assert len(set(history["stop_score"])) == 4
    np.testing.assert_allclose(detector.predict(tiny_images).mean(), min(history["stop_score"]), rtol=1e-5)
    np.testing.assert_allclose(detector.encoder.trainable_variables[-1], values[best.epoch - 1])
    assert f"Went back to epoch {best.epoch}" in capsys.readouterr().out
    assert (tmp_path / "best.weights.h5").exists()


def test_best_epoch_with_labels_says_oracle_everywhere(tiny_images, tmp_path, capsys):
    detector = make_detector(tiny_images)
    labels = np.arange(32) % 2
    best = BestEpoch(tiny_images, tmp_path, labels=labels)
    history = detector.fit(tiny_images, epochs=3, verbose=0, callbacks=[best]).history
    assert best.value == max(history["oracle_auroc"])
    assert "stop_score" not in history
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-oracle.json", "best-oracle.weights.h5"]
    assert "oracle" in capsys.readouterr().out


def test_best_epoch_survives_an_interruption(tiny_images, tmp_path):
    values = [3.0, -2.0, 0.5, 2.0]
    weights = []
    for folder, stops in (("whole", [4]), ("parts", [2, 4])):
        for stop in stops:
            detector = make_detector(tiny_images)
            callbacks = [
                Scripted(values),
                BestEpoch(tiny_images, tmp_path / folder),
                EpochBackup(tmp_path / f"b-{folder}"),
            ]
            detector.fit(tiny_images, epochs=stop, verbose=0, callbacks=callbacks)
        weights.append(detector.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_best_epoch_goes_back_even_when_the_last_epoch_had_been_finished_before(tiny_images, tmp_path):
    values = [0.5, -2.0, 3.0]
    callbacks = lambda: [Scripted(values), BestEpoch(tiny_images, tmp_path), EpochBackup(tmp_path / "backup")]  # noqa: E731
    whole, again = make_detector(tiny_images), make_detector(tiny_images)
    whole.fit(tiny_images, epochs=3, verbose=0, callbacks=callbacks())
    resumed = callbacks()
    again.fit(tiny_images, epochs=3, verbose=0, callbacks=resumed)  # as if killed before it went back
    best = resumed[1].epoch
    assert best in (1, 2)
    np.testing.assert_allclose(again.encoder.trainable_variables[-1], values[best - 1])
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_best_epoch_forgets_what_another_fit_left(tiny_images, tmp_path):
    best = BestEpoch(tiny_images, tmp_path)
    first, second = make_detector(tiny_images), make_detector(tiny_images)
    first.fit(tiny_images, epochs=2, verbose=0, callbacks=[best])
    best.state.write_text('{"epoch": 1, "value": -1e9}')  # nothing could be better
    second.fit(tiny_images, epochs=2, verbose=0, callbacks=[Scripted([5.0, 4.0]), best])
    assert best.value > 0
    np.testing.assert_allclose(second.encoder.trainable_variables[-1], [5.0, 4.0][best.epoch - 1])


def test_best_epoch_refuses_what_it_cannot_judge_before_an_epoch_is_lost(tiny_images, tmp_path):
    with pytest.raises(ValueError, match="32 rows and 3 labels"):
        BestEpoch(tiny_images, tmp_path, labels=[0, 1, 0])
    with pytest.raises(ValueError, match="one kind only"):
        BestEpoch(tiny_images, tmp_path, labels=np.ones(32))
    with pytest.raises(ValueError, match="Received: WGANGP"):
        make_wgan().fit(tiny_images, verbose=0, callbacks=[BestEpoch(list(tiny_images), tmp_path)])


# TensorBoard.


def read_events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}


def test_tensorboard_gets_losses_balance_norms_rates_images_and_scores(tiny_images, tmp_path):
    wgan = make_wgan()
    callbacks = [CollapseMonitor(tiny_images), TensorBoardLogs(tmp_path / "gan", stop=tiny_images)]
    history = wgan.fit(tiny_images, batch_size=20, epochs=2, verbose=0, callbacks=callbacks).history
    events = read_events(tmp_path / "gan")
    scalars = {f"epoch/{key}" for key in ("critic_loss", "generator_loss", "penalty", "diversity", "balance")}
    scalars |= {f"epoch/{player}_gradient_norm" for player in wgan.players}
    assert set(events) == scalars | {"learning_rate/critic", "learning_rate/generator", "generated"}
    assert [event.step for event in events["epoch/critic_loss"]] == [1, 2]
    logged = [float(tf.make_ndarray(event.tensor_proto)) for event in events["epoch/critic_gradient_norm"]]
    np.testing.assert_allclose(logged, history["critic_gradient_norm"], rtol=1e-6)
    assert min(logged) > 0
    assert float(tf.make_ndarray(events["learning_rate/critic"][0].tensor_proto)) == pytest.approx(1e-4)
    width, height, png = tf.make_ndarray(events["generated"][0].tensor_proto)[:3]
    assert int(width) == int(height) == (5 * 9 + 1) * (140 // 8)
    assert np.asarray(tf.io.decode_png(png)).std() > 1

    detector = make_detector(tiny_images)
    detector.fit(tiny_images, epochs=1, verbose=0, callbacks=[TensorBoardLogs(tmp_path / "encoder", stop=tiny_images)])
    events = read_events(tmp_path / "encoder")
    made = Explainer(detector).predict(tiny_images)["reconstruction"]
    for name, images in (("real", tiny_images), ("reconstructed", made)):
        shown = np.asarray(tf.io.decode_png(tf.make_ndarray(events[name][0].tensor_proto)[2]))
        np.testing.assert_allclose(shown.astype(int), grid_pixels(images[:25], 5), atol=1)
    buckets = tf.make_ndarray(events["stop_score"][0].tensor_proto)  # (left, right, count)
    assert buckets[:, 2].sum() == len(tiny_images)
    scores = detector.predict(tiny_images)
    assert buckets[0, 0] == pytest.approx(scores.min(), rel=1e-4)
    assert buckets[-1, 1] == pytest.approx(scores.max(), rel=1e-4)


def test_a_skipped_overflow_is_no_reason_to_stop(tiny_images, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    wgan = make_wgan(n_critic=5)
    for optimizer in wgan.optimizers.values():
        optimizer.dynamic_scale.assign(2.0**40)  # overflows until it has been halved often enough
    guard = TerminateOnNonFinite()
    callbacks = [guard, TensorBoardLogs(tmp_path)]
    history = wgan.fit(tiny_images, batch_size=2, epochs=2, verbose=0, callbacks=callbacks).history
    assert guard.reason is None
    assert np.isfinite(history["critic_gradient_norm"]).all()


def test_gradient_norm_is_that_of_the_whole_gradient_whatever_the_policy_scales(tiny_images):
    detector = make_detector(tiny_images)
    before = [np.array(v) for v in detector.encoder.trainable_variables]
    detector.compile(optimizers={"encoder": keras.optimizers.SGD(1.0)}, jit_compile=False)
    detector.log_gradient_norms()
    logs = detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0).history
    moved = [b - np.array(v) for b, v in zip(before, detector.encoder.trainable_variables, strict=True)]
    want = np.sqrt(sum((m.astype("float64") ** 2).sum() for m in moved))
    assert logs["encoder_gradient_norm"][0] == pytest.approx(want, rel=1e-3)
    scaled = make_detector(tiny_images)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), initial_scale=64.0)
    scaled.compile(optimizers={"encoder": optimizer}, jit_compile=False)
    scaled.log_gradient_norms()
    logs = scaled.fit(tiny_images, batch_size=32, epochs=1, verbose=0).history
    assert logs["encoder_gradient_norm"][0] == pytest.approx(want, rel=1e-3)


class Recorder(keras.callbacks.Callback):
    """Every weight of every network after every step."""

    def on_train_begin(self, logs=None):
        self.weights = [self._now()]

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self._now())

    def _now(self):
        networks = (getattr(self.model, key) for key in self.model.networks)
        return [np.array(weight) for network in networks for weight in network.weights if "float" in weight.dtype]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_network_ema_follows_every_weight_after_every_step(jit_compile, tiny_images):
    wgan, recorder = make_wgan(generator=keras.optimizers.SGD(0.05)), Recorder()
    wgan.compile(optimizers=wgan.optimizers, jit_compile=jit_compile)
    wgan.fit(tiny_images, batch_size=10, epochs=6, verbose=0, callbacks=[recorder, NetworkEMA(0.6)])
    average = recorder.weights[0]
    for step, weights in enumerate(recorder.weights[1:]):
        keep = min(0.6, (1 + step) / (10 + step))
        average = [keep * old + (1 - keep) * new for old, new in zip(average, weights, strict=True)]
    assert len(recorder.weights) > 20  # so that both sides of the minimum were seen
    assert any(np.abs(a - w).max() > 1e-3 for a, w in zip(average, recorder.weights[-1], strict=True))
    names = [weight.path for network in (wgan.generator, wgan.critic) for weight in network.weights]
    assert any("moving_mean" in name for name in names)
    for name, found, want in zip(names, recorder._now(), average, strict=True):
        assert found == pytest.approx(want, abs=1e-5), name
    assert wgan.averages is None


def test_network_ema_of_some_networks_leaves_the_others(tiny_images):
    plain, averaged = make_wgan(), make_wgan()
    plain.fit(tiny_images, batch_size=10, epochs=2, verbose=0)
    averaged.fit(tiny_images, batch_size=10, epochs=2, verbose=0, callbacks=[NetworkEMA(0.9, networks=["generator"])])
    for a, b in zip(plain.critic.weights, averaged.critic.weights, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(plain.generator.weights[0], averaged.generator.weights[0])


@pytest.mark.parametrize("order", [1, -1])
def test_validation_and_best_epoch_score_with_the_averages(order, tiny_images, tmp_path):
    detector = make_detector(tiny_images)
    callbacks = [NetworkEMA(0.9), BestEpoch(tiny_images[:8], tmp_path)][::order]
    history = detector.fit(
        tiny_images, batch_size=8, epochs=3, verbose=0, validation_data=tiny_images[:8], callbacks=callbacks
    ).history
    assert history["val_score"] == pytest.approx(history["stop_score"], rel=1e-5)
    assert detector.predict(tiny_images[:8]).mean() == pytest.approx(min(history["stop_score"]), rel=1e-5)


def test_a_run_with_averages_resumes_exactly(tiny_images, tmp_path):
    def fit(model, epochs):
        callbacks = [NetworkEMA(0.9), EpochBackup(tmp_path)] if model is not whole else [NetworkEMA(0.9)]
        model.fit(tiny_images, batch_size=20, epochs=epochs, verbose=0, callbacks=callbacks)

    whole, first, second = make_wgan(), make_wgan(), make_wgan()
    fit(whole, 4)
    fit(first, 2)
    fit(second, 4)
    for a, b in zip(whole.weights, second.weights, strict=True):
        assert np.array_equal(a, b), a.path


def test_network_ema_refuses_what_it_cannot_average(tiny_images):
    for bad, word in ((NetworkEMA(1.0), "1.0"), (NetworkEMA(networks=["nobody"]), "nobody")):
        with pytest.raises(ValueError, match=word):
            make_wgan().fit(tiny_images, verbose=0, callbacks=[bad])
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="Sequential"):
        NetworkEMA().set_model(plain)


def test_oracle_loss_is_shown_in_the_bar_and_changes_nothing(tiny_images, capsys):
    labels = np.arange(32) % 2
    weights = []
    for callbacks in ([], [OracleLoss(tiny_images, labels)]):
        detector = make_detector(tiny_images)
        history = detector.fit(tiny_images, epochs=2, verbose=2, callbacks=callbacks).history
        weights.append(detector.get_weights())
    assert "oracle_loss: " in capsys.readouterr().out
    scores = detector.predict(tiny_images)
    scaled = np.clip((scores - scores.min()) / np.ptp(scores), 1e-7, 1 - 1e-7)
    want = -np.mean(labels * np.log(scaled) + (1 - labels) * np.log(1 - scaled))
    assert history["oracle_loss"][-1] == pytest.approx(want, rel=1e-4)
    for a, b in zip(*weights, strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="of both kinds"):
        OracleLoss(tiny_images, np.zeros(32))


def test_an_interrupted_fit_forgets_the_averages(tiny_images):
    class Interrupt(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):  # the networks have their averages for weights now
            raise KeyboardInterrupt

    detector = make_detector(tiny_images)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(
            tiny_images, batch_size=8, verbose=0, validation_data=tiny_images, callbacks=[NetworkEMA(0.9), Interrupt()]
        )
    plain = make_detector(tiny_images)
    plain.fit(tiny_images, batch_size=8, verbose=0)
    assert detector.averages is None
    for a, b in zip(detector.encoder.weights, plain.encoder.weights, strict=True):
        assert np.array_equal(a, b)


def test_a_fit_that_stopped_early_is_not_gone_on_with(tiny_images, tmp_path):
    def fit():
        detector = make_detector(tiny_images)
        callbacks = [Scripted(values), BestEpoch(tiny_images, tmp_path, patience=2), EpochBackup(tmp_path / "b", 60.0)]
        history = detector.fit(tiny_images, epochs=9, verbose=0, callbacks=callbacks).history
        return detector.get_weights(), len(history.get("loss", []))

    values = [3.0, 0.5, 4.0, 4.0, 0.1, 0.1, 0.1, 0.1, 0.1]
    weights, epochs = fit()
    assert epochs < 9
    assert len(read_backup(tmp_path / "b")[0]) == epochs  # although 60 seconds have not gone by
    again, more = fit()
    assert more == 0
    for a, b in zip(weights, again, strict=True):
        assert np.array_equal(a, b)


def test_collapse_monitor_refuses_a_discriminator_of_pairs(tiny_images):
    with pytest.raises(ValueError, match="Received: EfficientGAN"):
        CollapseMonitor(tiny_images).set_model(build_detector("efficientgan", (8, 8, 1), latent_dim=4))

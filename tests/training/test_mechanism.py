"""The mechanism: steps, noise, order, precision, replicas, saving and resuming."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import FAnoGAN, build_detector
from keras_anogan.callbacks import EpochBackup
from keras_anogan.models import WGANGP
from keras_anogan.nn.networks import build_mlp_critic, build_mlp_encoder, build_mlp_generator
from keras_anogan.testing import changed, save_and_load, weights_by_path
from keras_anogan.training.averages import NetworkEMA
from keras_anogan.training.batches import (
    Batches,
    EpochBatches,
    KerasData,
    Rows,
    check_rows,
    data_of,
    gathered,
    in_batches,
    read_ahead,
)
from keras_anogan.training.replicas import agree_on_overflow

SHAPE = (8, 8, 1)


def make_wgan(units=(8, 16), seed=0, dropout=0.0, n_critic=2, **kwargs):
    """A tiny WGAN-GP; one hidden layer in the generator means no batch normalisation.

    Two critic updates a step show what five would: each is traced anew, and that is most of what a test costs.
    """
    generator = build_mlp_generator(SHAPE, 4, units=units, seed=1)
    critic = build_mlp_critic(SHAPE, units=(16, 8), seed=2)
    if dropout:
        x = keras.Input(SHAPE)
        critic = keras.Model(x, critic(keras.layers.Dropout(dropout)(x)))
    return WGANGP(generator, critic, seed=seed, n_critic=n_critic, **kwargs)


def make_fanogan():
    return FAnoGAN(
        build_mlp_encoder(SHAPE, 4, units=(16, 8), seed=3),
        build_mlp_generator(SHAPE, 4, units=(8, 16), seed=1),
        build_mlp_critic(SHAPE, units=(16, 8), seed=2),
    )


# Batches.


def test_order_is_a_function_of_seed_and_epoch():
    x = np.arange(10, dtype="float32")[:, None]
    batches = Batches(x, 4, seed=3)
    assert len(batches) == 3
    assert np.array_equal(batches.order(2), Batches(x, 4, seed=3).order(2))
    assert not np.array_equal(batches.order(2), batches.order(3))
    assert not np.array_equal(batches.order(2), Batches(x, 4, seed=4).order(2))
    assert sorted(batches.order(0)[:10]) == list(range(10))  # every row once, before any row comes twice
    batches.epoch = 2
    rows = np.concatenate(list(batches.as_dataset().as_numpy_iterator()))
    assert np.array_equal(rows[:, 0], batches.order(2))


def test_fit_takes_the_order_of_each_epoch_from_its_number(tiny_images):
    seen = []
    wgan = make_wgan(n_critic=1, seed=5)
    wgan.compile(run_eagerly=True)
    wgan.train_step = lambda x: seen.append(x.numpy()) or {"loss": 0.0}
    wgan.fit(tiny_images, batch_size=16, epochs=4, initial_epoch=2, verbose=0)
    orders = [Batches(tiny_images, 16, seed=5).order(epoch) for epoch in (2, 3)]
    np.testing.assert_array_equal(np.concatenate(seen), tiny_images[np.concatenate(orders)])


def test_batches_larger_than_the_data_repeat_rows_and_rows_may_be_read_lazily():
    x = np.arange(3, dtype="float32")[:, None]

    class Lazy:
        def __len__(self):
            return 3

        def __getitem__(self, indices):
            return x[indices]

    for rows in (x, Lazy()):
        (batch,) = Batches(rows, 7).as_dataset().as_numpy_iterator()
        assert batch.shape == (7, 1)
        assert sorted(batch[:3, 0]) == [0, 1, 2]
    more = Batches(x, 2, steps=4)  # more than the data hold: rows of further permutations
    assert (len(more), len(list(more.as_dataset())), len(more.order(0))) == (4, 4, 8)
    (pair,) = Batches(x, 3, labels=[5, 6, 7]).as_dataset().as_numpy_iterator()
    assert np.array_equal(pair[0][:, 0] + 5, pair[1])


def test_what_fit_is_given_is_one_of_three_kinds(tiny_images):
    labels = np.zeros(32, "int64")

    class Lazy:
        def __len__(self):
            return 32

        def __getitem__(self, indices):
            return tiny_images[indices]

    for given in (tiny_images, tiny_images.tolist(), tf.constant(tiny_images), Lazy()):
        for data in (data_of(given, labels), data_of((given, labels))):
            assert isinstance(data, Rows)
            assert len(data.rows) == 32
            assert data.labels is labels
    batches = Batches(tiny_images, 8)
    assert isinstance(data_of(batches), EpochBatches)
    assert data_of(batches).rows is tiny_images
    for given in (tf.data.Dataset.from_tensors(tiny_images), {"x": tiny_images}, None):
        assert isinstance(data_of(given), KerasData)
        assert data_of(given).rows is None


def test_any_batches_with_an_epoch_train_and_are_told_by_whom(tiny_images):
    class Mine:
        epoch, seen, users = 0, [], []

        def as_dataset(self, steps):
            self.seen.append(steps)
            return tf.data.Dataset.from_tensors(tiny_images[:4]).repeat(steps)

        def used_by(self, model):
            self.users.append(model)

    wgan, mine = make_wgan(n_critic=1), Mine()
    wgan.compile(run_eagerly=True)
    wgan.train_step = lambda x: {"loss": 0.0}
    wgan.fit(mine, epochs=3, steps_per_epoch=2, verbose=0)
    assert (mine.epoch, mine.seen) == (2, [2])
    assert mine.users == [wgan, wgan.generator, wgan.critic]


def test_a_function_sees_every_row_once_in_order_batch_by_batch():
    x = np.arange(10, dtype="float32")[:, None]

    class Lazy:
        def __len__(self):
            return 10

        def __getitem__(self, indices):
            assert isinstance(indices, np.ndarray)
            return x[indices]

    for rows in (x, Lazy(), x.tolist(), tf.constant(x)):
        seen = list(in_batches(np.asarray, rows, 4))
        assert [len(batch) for batch in seen] == [4, 4, 2]
        np.testing.assert_array_equal(gathered(seen), x)
    assert np.shares_memory(next(in_batches(lambda rows: rows, x, 4)), x)
    columns = {"a": list("abcde"), "b": np.arange(5)}
    seen = list(in_batches(lambda part: {"pairs": list(zip(part["a"], part["b"], strict=True))}, columns, 2))
    assert [len(part["pairs"]) for part in seen] == [2, 2, 1]
    together = gathered(in_batches(lambda part: {"sum": part[0] + part[1]}, (x, 2 * x), 3))
    np.testing.assert_array_equal(together["sum"], 3 * x)
    assert list(in_batches(np.asarray, x[:0])) == []


def test_reading_ahead_keeps_the_order_is_one_part_ahead_and_raises_in_its_turn():
    made = []

    def parts():
        for i in range(5):
            made.append(i)
            if i == 3:
                raise ValueError("broken")
            yield i

    ahead = read_ahead(parts())
    assert next(ahead) == 0
    assert next(ahead) == 1
    assert max(made) <= 2
    assert next(ahead) == 2
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
    assert list(read_ahead([])) == []


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: list(in_batches(len, np.ones(3), 0)), "size=0"),
        (lambda: list(in_batches(len, (np.ones(3), np.ones(2)))), r"\[3, 2\]"),
        (lambda: gathered([]), "at least one batch"),
        (lambda: Batches(np.ones((0, 2)), 2), "0 rows"),
        (lambda: Batches(np.ones((3, 2)), 0), "batch_size=0"),
        (lambda: Batches(np.ones((3, 2)), 1, steps=0), "steps=0"),
        (lambda: Batches(np.ones((3, 2)), 2, labels=[1]), "1 labels, 3 rows"),
        (lambda: check_rows(np.ones((2, 3)), (4,), "It"), r"\(2, 3\)"),
        (lambda: check_rows([[1.0, np.inf]], (2,), "It"), "inf in row 0"),
        (lambda: check_rows([["a"]], (1,), "It"), "dtype <U1"),
        (lambda: check_rows(np.ones((2, 4, 4, 1), "uint8"), (4, 4, 1), "It"), "uint8"),
    ],
)
def test_bad_rows_are_refused_with_the_value(make, word):
    with pytest.raises(ValueError, match=word):
        make()


# Steps.


def test_an_epoch_of_the_exercise_has_85_critic_and_17_generator_updates():
    x = np.random.default_rng(0).uniform(-1, 1, (5393, *SHAPE)).astype("float32")
    wgan = make_wgan(n_critic=5)
    wgan.compile(jit_compile=False)
    wgan.fit(x, batch_size=64, epochs=1, verbose=0)
    assert int(wgan.optimizers["critic"].iterations) * 20 == 1700
    assert int(wgan.optimizers["generator"].iterations) * 20 == 340
    assert int(wgan.step) == 17


def test_each_critic_update_sees_its_own_images_and_noise(tiny_images):
    seen = []
    wgan = make_wgan(n_critic=3)
    wgan.compile(run_eagerly=True)
    update = wgan.update
    wgan.random_normal = lambda name, rows, shape: (
        seen.append((name, int(rows))) or WGANGP.random_normal(wgan, name, rows, shape)
    )
    wgan.update = lambda player, tape, loss: seen.append(player) or update(player, tape, loss)
    wgan.fit(tiny_images, batch_size=4, epochs=1, steps_per_epoch=1, verbose=0)
    assert seen == [("z0", 4), "critic", ("z1", 4), "critic", ("z2", 4), "critic", ("z", 4), "generator"]
    draws = [wgan._draw(tf.random.stateless_normal, name, 4, (4,)).numpy() for name in ("z0", "z1", "z2", "z")]
    assert len({draw.tobytes() for draw in draws}) == 4


def test_a_data_set_of_ones_own_works_even_with_fewer_rows_than_critic_steps(tiny_images):
    wgan = make_wgan(n_critic=3)
    wgan.compile(jit_compile=False)
    wgan.fit(
        tf.data.Dataset.from_tensor_slices(tiny_images).batch(30), epochs=1, verbose=0
    )  # the last batch has 2 rows
    assert int(wgan.step) == 2
    assert np.isfinite(wgan.predict(np.zeros((3, 4), "float32"), verbose=0)).all()


def test_encoder_training_leaves_generator_and_critic_byte_identical(tiny_images):
    detector = make_fanogan()
    detector.compile(jit_compile=False)
    before = weights_by_path(detector)
    detector.fit(tiny_images, batch_size=8, epochs=2, validation_data=tiny_images[:8], verbose=0)
    moved = {name.split("/")[0] for name in changed(before, weights_by_path(detector))}
    assert moved == {"encoder", "own"}  # own: the step counter
    assert any("moving" in weight.path for weight in detector.generator.weights)  # there are statistics to leave alone


@pytest.mark.parametrize("mapping", ["izif", "izi", "ziz"])
def test_the_encoder_descends_the_paper_s_loss(mapping, tiny_images):
    """One SGD step on MSE(x, G(E(x))) + kappa MSE(f(x), f(G(E(x)))), or the other two mappings, written out here."""
    kappa, rate = 3.0, 0.1
    parts = make_fanogan()
    detector = FAnoGAN(parts.encoder, parts.generator, parts.critic, kappa=kappa, mapping=mapping)
    detector.compile(optimizers={"encoder": keras.optimizers.SGD(rate)}, jit_compile=False)
    x = tf.constant(tiny_images)
    encoder, variables = detector.encoder, detector.encoder.trainable_variables
    z = detector.random_normal("z", len(tiny_images), (4,))
    with tf.GradientTape() as tape:
        x_hat = detector.generator(encoder(x), training=False)
        loss = tf.reduce_mean((x - x_hat) ** 2)
        if mapping == "izif":
            loss += kappa * tf.reduce_mean((detector.critic(x)[1] - detector.critic(x_hat)[1]) ** 2)
        if mapping == "ziz":
            loss = tf.reduce_mean((z - encoder(detector.generator(z, training=False))) ** 2)
    want = [np.array(v) - rate * g.numpy() for v, g in zip(variables, tape.gradient(loss, variables), strict=True)]
    history = detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0).history
    for weight, expected in zip(variables, want, strict=True):
        np.testing.assert_allclose(np.array(weight), expected, atol=1e-6)
    assert history["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    assert set(history) == {
        "loss",
        *{"izif": ("image_loss", "feature_loss"), "izi": ("image_loss",)}.get(mapping, ("z_loss",)),
    }
    np.testing.assert_allclose(
        np.mean(detector.predict(tiny_images)), detector.evaluate(tiny_images, verbose=0), rtol=1e-5
    )


def test_half_of_the_images_are_mirrored_by_step(tiny_images):
    wgan = make_wgan()
    x = tf.constant(np.concatenate([tiny_images] * 8))
    drawn = wgan.mirror_half("mirror", x).numpy()
    flipped = x.numpy()[:, :, ::-1]
    rows = np.array([np.array_equal(a, b) for a, b in zip(drawn, flipped, strict=True)])
    assert 0.3 < rows.mean() < 0.7
    np.testing.assert_array_equal(drawn[~rows], x.numpy()[~rows])
    wgan.step.assign(1)
    assert not np.array_equal(wgan.mirror_half("mirror", x).numpy(), drawn)


def test_critic_and_generator_descend_the_paper_s_losses(tiny_images):
    """One SGD step of each, against the losses written out here on the very noise that the step draws."""
    rate, lambda_ = 0.1, 3.0
    wgan = make_wgan(units=(8,), n_critic=1, lambda_=lambda_)
    wgan.compile(optimizers={p: keras.optimizers.SGD(rate) for p in ("critic", "generator")}, jit_compile=False)
    x = tf.constant(tiny_images)
    z0, z = (wgan.random_normal(name, 32, (4,)) for name in ("z0", "z"))
    alpha = tf.reshape(wgan.random_uniform("alpha0", 32, ()), (32, 1, 1, 1))
    critic, generator = keras.models.clone_model(wgan.critic), keras.models.clone_model(wgan.generator)
    critic.set_weights(wgan.critic.get_weights())
    generator.set_weights(wgan.generator.get_weights())

    def step(network, tape, loss):
        for variable, slope in zip(
            network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True
        ):
            if slope is not None:
                variable.assign_sub(rate * slope)

    fake = generator(z0)
    mixed = x + alpha * (fake - x)
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(mixed)
            value = critic(mixed)[0]
        norm = tf.norm(tf.reshape(inner.gradient(value, mixed), (32, -1)), axis=1)
        penalty = tf.reduce_mean((norm - 1) ** 2)
        critic_loss = tf.reduce_mean(critic(fake)[0]) - tf.reduce_mean(critic(x)[0]) + lambda_ * penalty
    step(critic, tape, critic_loss)
    with tf.GradientTape() as tape:
        generator_loss = -tf.reduce_mean(critic(generator(z))[0])
    step(generator, tape, generator_loss)

    dataset = tf.data.Dataset.from_tensor_slices(tiny_images).batch(32)
    history = wgan.fit(dataset, epochs=1, shuffle=False, verbose=0).history
    for ours, theirs in ((wgan.critic, critic), (wgan.generator, generator)):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)
    assert history["critic_loss"][0] == pytest.approx(float(critic_loss), rel=1e-4)
    assert history["generator_loss"][0] == pytest.approx(float(generator_loss), rel=1e-4)
    assert history["penalty"][0] == pytest.approx(float(penalty), rel=1e-4)


def test_the_paper_s_optimizers_are_the_default():
    wgan, detector = make_wgan(), make_fanogan()
    wgan.compile()
    detector.compile()
    critic = wgan.optimizers["critic"]
    assert (float(critic.learning_rate), critic.beta_1, critic.beta_2) == (pytest.approx(1e-4), 0.0, 0.9)
    assert isinstance(detector.optimizers["encoder"], keras.optimizers.RMSprop)
    assert float(detector.optimizers["encoder"].learning_rate) == pytest.approx(5e-5)


def test_compile_refuses_what_it_does_not_know():
    wgan, shared = make_wgan(), keras.optimizers.Adam()
    with pytest.raises(ValueError, match="'discriminator'"):
        wgan.compile(optimizers={"discriminator": "adam"})
    with pytest.raises(ValueError, match="same object"):
        wgan.compile(optimizers={"critic": shared, "generator": shared})
    wgan.compile()
    with pytest.raises(ValueError, match="validation_split"):
        wgan.fit(np.zeros((4, *SHAPE), "float32"), validation_split=0.1)
    with pytest.raises(ValueError, match="shuffle=False"):
        wgan.fit(np.zeros((4, *SHAPE), "float32"), shuffle=False)


# Precision and replicas.


def test_update_moves_the_variable_by_the_gradient_under_every_policy():
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        wgan = make_wgan(units=(8,))
        wgan.compile(optimizers={p: keras.optimizers.SGD(0.1) for p in ("critic", "generator")}, jit_compile=False)
        weight = wgan.critic.trainable_variables[0]
        before = np.array(weight)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(weight, "float32") * 2.0)
        wgan.update("critic", tape, loss)
        np.testing.assert_allclose(np.array(weight) - before, -0.2, rtol=1e-4, atol=1e-5)


def one_wgan_step(strategy, x, scale=None):
    with strategy.scope():
        wgan = make_wgan(units=(8,), n_critic=2)
        sgd = {player: keras.optimizers.SGD(0.05) for player in ("critic", "generator")}
        if scale:
            sgd = {p: keras.optimizers.LossScaleOptimizer(o, initial_scale=scale) for p, o in sgd.items()}
        wgan.compile(optimizers=sgd, jit_compile=False)
        start = weights_by_path(wgan)
        wgan.fit(tf.data.Dataset.from_tensor_slices(x).batch(16), epochs=1, shuffle=False, verbose=0)
    assert int(keras.ops.convert_to_numpy(wgan.step)) == 1
    return start, weights_by_path(wgan)


@pytest.mark.parametrize(
    ("policy", "scale", "tolerance"),
    [("float32", None, 1e-6), ("mixed_bfloat16", None, 2e-3), ("mixed_float16", 64.0, 5e-4)],
)
def test_one_mirrored_step_of_wgan_gp_equals_the_one_device_step(policy, scale, tolerance, tiny_images, mirrored):
    keras.config.set_dtype_policy(policy)
    start, alone = one_wgan_step(tf.distribute.get_strategy(), tiny_images[:16], scale)
    _, together = one_wgan_step(mirrored, tiny_images[:16], scale)
    for name in changed(start, alone):
        np.testing.assert_allclose(alone[name], together[name], atol=tolerance, err_msg=name)
    moved = max(np.abs(alone[name] - start[name]).max() for name in alone if name != "own/0")
    assert moved > 20 * tolerance  # the step is larger than what the comparison forgives


@pytest.mark.timeout(120)
def test_a_table_trains_on_several_replicas_with_what_compile_chooses(mirrored):
    rows = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    with mirrored.scope():
        detector = build_detector("efficientgan", (6,), latent_dim=3)
        detector.compile()
    before = detector.get_weights()
    detector.fit(rows, batch_size=8, steps_per_epoch=40, verbose=0, callbacks=[NetworkEMA(0.9)])
    assert np.isfinite(detector.predict(rows)).all()
    assert any((a != b).any() for a, b in zip(before, detector.get_weights(), strict=True))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("replica", [None, 0, 1])
def test_an_overflow_on_one_replica_is_skipped_by_both(replica, tiny_images, mirrored):
    keras.config.set_dtype_policy("mixed_float16")
    x = tiny_images[:16].copy()
    if replica is not None:
        x[8 * replica : 8 * replica + 8] *= 1e6  # float16 ends at 65,504
    start, after = one_wgan_step(mirrored, x, scale=1.0)
    assert all(np.isfinite(value).all() for value in after.values())
    moved = [name for name in changed(start, after) if name.startswith("critic")]
    assert bool(moved) == (replica is None)


def test_replicas_agree_on_an_overflow_that_only_one_has(mirrored):
    @tf.function
    def step(x):
        return mirrored.run(lambda x: agree_on_overflow([x, None]), (x,))

    rows = tf.data.Dataset.from_tensor_slices(np.array([1.0, np.inf], "float32")).batch(2)
    (per_replica,) = iter(mirrored.experimental_distribute_dataset(rows))
    first, second = mirrored.experimental_local_results(step(per_replica)[0])
    assert np.isnan(first).all()
    assert np.isnan(second).all()


def test_compile_alone_trains_on_several_replicas(tiny_images, mirrored):
    with mirrored.scope():
        wgan = make_wgan()
        wgan.compile()
        wgan.fit(tiny_images, batch_size=10, epochs=1, verbose=0)
    assert not wgan.jit_compile
    alone = make_wgan()
    alone.compile()
    assert alone.jit_compile  # no convolutions, one replica


def test_one_mirrored_step_of_the_encoder_equals_the_one_device_step(tiny_images, mirrored):
    weights = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            detector = make_fanogan()
            detector.compile(optimizers={"encoder": keras.optimizers.SGD(0.5)}, jit_compile=False)
            start = weights_by_path(detector)
            detector.fit(tiny_images, batch_size=32, epochs=1, verbose=0)
        weights.append(weights_by_path(detector))
    assert changed(start, weights[0])
    for name in weights[0]:
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=1e-6, err_msg=name)


# Resuming.


def fit_wgan(x, epochs, callbacks=(), dropout=0.0, seed=0, **kwargs):
    wgan = make_wgan(dropout=dropout, seed=seed)
    wgan.compile(jit_compile=False)
    wgan.fit(x, batch_size=10, epochs=epochs, verbose=0, callbacks=list(callbacks), **kwargs)
    return wgan


@pytest.fixture(scope="module")
def undisturbed(tiny_images):
    """Weights after three epochs at a stretch, by dropout and steps of an epoch."""
    return functools.cache(
        lambda dropout, steps: weights_by_path(fit_wgan(tiny_images, 3, dropout=dropout, steps_per_epoch=steps))
    )


@pytest.mark.parametrize(
    ("backup", "dropout"), [(EpochBackup, 0.3), (EpochBackup, 0.0), (keras.callbacks.BackupAndRestore, 0.0)]
)
def test_a_killed_fit_goes_on_to_the_weights_of_the_undisturbed_one(
    backup, dropout, tiny_images, undisturbed, tmp_path
):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_wgan(tiny_images, 3, [backup(str(tmp_path / "b")), Kill()], dropout=dropout)
    resumed = fit_wgan(tiny_images, 3, [backup(str(tmp_path / "b"))], dropout=dropout)
    assert int(resumed.step) == 3 * 2
    assert not changed(undisturbed(dropout, None), weights_by_path(resumed))


@pytest.mark.parametrize("steps", [None, 1])
def test_loading_keeps_both_optimizers_and_a_resumed_gan_repeats_the_undisturbed_one(steps, tiny_images, undisturbed):
    half = save_and_load(fit_wgan(tiny_images, 1, steps_per_epoch=steps))
    assert int(half.optimizers["critic"].iterations) > 0
    half.fit(tiny_images, batch_size=10, epochs=3, initial_epoch=1, steps_per_epoch=steps, verbose=0)
    assert not changed(undisturbed(0.0, steps), weights_by_path(half))


def test_another_seed_gives_other_weights(tiny_images, undisturbed):
    assert changed(undisturbed(0.0, None), weights_by_path(fit_wgan(tiny_images, 3, seed=1)))

"""VGAN and C-VGAN: layers, losses, the score, patches, and smoothing."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import Explainer, build_detector
from keras_anogan.models import PCA, composed
from keras_anogan.models.composed import PatchDetector, SmoothedDetector
from keras_anogan.models.cvgan import CVGAN
from keras_anogan.models.cvgan_networks import (
    build_background_encoder,
    build_background_stream,
    build_foreground_encoder,
    build_foreground_stream,
    build_video_discriminator,
    build_video_generator,
)
from keras_anogan.models.vgan import VGAN, build_vgan_discriminator, build_vgan_generator, combine_streams
from keras_anogan.nn import scores
from keras_anogan.testing import check_detector
from keras_anogan.video import VideoWindows

SIZE = (32, 32, 1)


def make_cvgan(**weights):
    generator = build_video_generator(SIZE, filters=2, seed=0)
    detector = CVGAN(generator, build_video_discriminator((8, *SIZE), filters=2, seed=1), **weights)
    detector.compile()
    return detector


def windows(n=4, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 8, *SIZE)).astype("float32")


# Layers.


def test_the_generator_has_the_layers_of_the_thesis():
    encoder = build_foreground_encoder()
    sides = [layer.output.shape[1:] for layer in encoder.layers if isinstance(layer, keras.layers.Conv3D)]
    assert sides == [(7, 32, 64, 64), (4, 16, 32, 128), (4, 8, 16, 256), (2, 4, 8, 512), (2, 2, 4, 1024)]
    background = build_background_encoder()
    assert [layer.output.shape[1:] for layer in background.layers if "conv" in layer.name] == [
        (4, 32, 64, 64), (2, 16, 32, 128), (1, 8, 16, 256), (4, 8, 512), (2, 4, 1024),
    ]  # fmt: skip
    stream = build_foreground_stream((2, 2, 4, 1024))
    sides = [layer.output.shape[1:] for layer in stream.layers if isinstance(layer, keras.layers.Conv3DTranspose)]
    assert sides == [
        (2, 4, 8, 512), (4, 8, 16, 256), (4, 16, 32, 128), (8, 32, 64, 64), (8, 64, 128, 3), (8, 64, 128, 1),
    ]  # fmt: skip
    assert build_background_stream((2, 4, 1024)).output_shape == (None, 64, 128, 3)
    assert build_video_generator().output_shape == (None, 8, 64, 128, 3)
    discriminator = build_video_discriminator()
    assert [output.shape[1] for output in discriminator.outputs] == [1, 2 * 2 * 4 * 512]
    models = (encoder, background, stream, discriminator)
    convolutions = [layer for model in models for layer in model.layers if "conv" in layer.name]
    assert not any(layer.use_bias for layer in convolutions)
    assert all(layer.kernel_size == (3,) * len(layer.kernel_size) for layer in convolutions)
    norms = [[isinstance(layer, keras.layers.BatchNormalization) for layer in m.layers] for m in models]
    assert [sum(n) for n in norms] == [4, 4, 4, 4]


def test_parameters_are_what_the_layers_add_up_to():
    def conv3(*widths):
        return sum(27 * a * b for a, b in itertools.pairwise(widths))

    widths = [64, 128, 256, 512, 1024]
    assert build_foreground_encoder().count_params() == conv3(3, *widths) + 4 * sum(widths[1:])
    want = conv3(3, 64, 128, 256) + 9 * (256 * 512 + 512 * 1024) + 4 * sum(widths[1:])
    assert build_background_encoder().count_params() == want
    want = conv3(1024, 512, 256, 128, 64) + 27 * 64 * 4 + 4 * sum(widths[:4])
    assert build_foreground_stream((2, 2, 4, 1024)).count_params() == want


@pytest.mark.parametrize(("past", "horizon"), [(7, 1), (1, 31), (4, 1), (5, 3), (2, 6)])
@pytest.mark.parametrize("skip", [False, True])
def test_any_past_and_horizon(past, horizon, skip):
    generator = build_video_generator((32, 64, 1), past, horizon, 2, skip_connections=skip, residual=skip)
    assert generator.output_shape == (None, past + horizon, 32, 64, 1)


def test_a_residual_generator_begins_with_nothing_moves():
    generator = build_video_generator(SIZE, filters=2, skip_connections=True, residual=True, seed=0)
    x = windows()[:, :7]
    np.testing.assert_allclose(generator(x), np.repeat(x[:, -1:], 8, axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: build_video_generator((60, 64, 3)), "(7, 60, 64, 3)"),
        (lambda: build_video_generator(SIZE, past=0), "past=0"),
        (lambda: build_video_generator(SIZE, past=1, horizon=32), "frames=33"),
        (lambda: build_video_generator(SIZE, residual=True), "skip_connections=False"),
        (lambda: make_cvgan(reduction="max"), "'max'"),
        (lambda: make_cvgan(lambda_=-1.0), "lambda_=-1.0"),
        (lambda: make_cvgan(top=0), "top=0"),
        (lambda: make_cvgan().predict(np.zeros((1, 7, *SIZE))), "(1, 7, 32, 32, 1)"),
        (lambda: build_detector("cvgan", (32, 32, 1)), "(32, 32, 1)"),
        (
            lambda: make_cvgan().predict(VideoWindows(np.zeros((9, *SIZE), "uint8"), subsample_size=7)),
            "pairs of 7 and 8",
        ),
        (
            lambda: CVGAN(keras.Sequential([keras.Input((4,)), keras.layers.ReLU()]), make_cvgan().discriminator),
            "(4,) to",
        ),
    ],
)
def test_mistakes_get_a_sentence(make, words):
    with pytest.raises(ValueError, match=r"Expected|expected") as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mask_of_ones_is_the_foreground_and_of_zeros_the_background():
    foreground = windows(2)
    background = windows(2, seed=1)[:, 0]
    for value, want in ((1.0, foreground), (0.0, np.repeat(background[:, None], 8, axis=1))):
        mask = np.full((2, 8, 32, 32, 1), value, "float32")
        np.testing.assert_allclose(combine_streams(foreground, mask, background), want, atol=1e-6)
    mask = np.full((2, 8, 32, 32, 1), 0.25, "float32")
    want = 0.25 * foreground + 0.75 * background[:, None]
    np.testing.assert_allclose(combine_streams(foreground, mask, background), want, atol=1e-6)


# Losses: one SGD step of each player against the losses written out.


@pytest.mark.parametrize(
    "weights", [{}, {"lambda_": 3.0, "lambda_forecast": 2.0, "mask_weight": 5.0}, {"mask_weight": 0.1}]
)
def test_one_step_moves_down_the_losses_of_the_thesis(weights):
    detector = make_cvgan(**weights)
    detector.compile(optimizers={player: keras.optimizers.SGD(0.1) for player in detector.players})
    x = windows()
    generator, discriminator = detector.generator, detector.discriminator
    lambda_ = weights.get("lambda_", 10.0)
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    mae = keras.losses.MeanAbsoluteError()
    with tf.GradientTape(persistent=True) as tape:
        made = detector._streams(x[:, :7], training=True)
        real, fake = discriminator(x, training=True)[0], discriminator(made["video"], training=True)[0]
        d_loss = bce(tf.ones_like(real), real) + bce(tf.zeros_like(fake), fake)
        g_loss = bce(tf.ones_like(fake), fake) + lambda_ * mae(x[:, :7], made["video"][:, :7])
        g_loss += weights.get("lambda_forecast", 0.0) * tf.reduce_mean(tf.square(x[:, 7:] - made["video"][:, 7:]))
        g_loss += weights.get("mask_weight", 0.0) * tf.reduce_mean(made["mask"])
    want = [
        np.asarray(v) - 0.1 * np.asarray(g)
        for network, loss in ((generator, g_loss), (discriminator, d_loss))
        for v, g in zip(network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True)
    ]
    logs = detector.train_step((x[:, :7], x))
    assert float(logs["generator_loss"]) == pytest.approx(float(g_loss), rel=1e-4)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(d_loss), rel=1e-4)
    got = [np.asarray(v) for network in (generator, discriminator) for v in network.trainable_variables]
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-5)


def test_the_forecast_is_trained_only_if_it_has_a_weight():
    """papers.md 10b: the thesis compares its past with its past, and scores its forecast."""
    moved = []
    for weight in (0.0, 10.0):
        results = []
        for seed in (1, 2):  # the same past, another future
            detector = make_cvgan(lambda_forecast=weight)
            detector.compile(optimizers={player: keras.optimizers.SGD(1.0) for player in detector.players})
            detector.train_step((np.concatenate([windows()[:, :7], windows(seed=seed)[:, 7:]], axis=1),))
            results.append(np.concatenate([np.ravel(w) for w in detector.generator.get_weights()]))
        moved.append(np.abs(results[0] - results[1]).max())
    assert moved[0] == 0.0
    assert moved[1] > 1e-4


@pytest.mark.parametrize(("past", "horizon"), [(7, 1), (4, 1), (5, 1), (6, 1), (10, 1), (5, 3)])
def test_skip_connections_meet_at_the_last_frame(past, horizon):
    """The forecast has to see the motion that ends in it: the last two frames, not earlier ones, at full size."""
    generator = build_video_generator(SIZE, past, horizon, 2, skip_connections=True, seed=0)
    stream = generator.get_layer("foreground_stream")
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(1, *shape.shape[1:])).astype("float32") for shape in stream.inputs]
    before = np.asarray(stream(inputs)[0])
    for frame in range(past):
        changed = [value.copy() for value in inputs]
        changed[0][:, frame] += 1.0  # the frames themselves, the finest level
        touched = np.abs(np.asarray(stream(changed)[0]) - before).max(axis=(0, 2, 3, 4)) > 1e-7
        if frame == past - 1:
            assert touched[-1]
            assert not touched[: past + horizon - 2 - 1].any()


def fit_on_windows(detector, subsample=None, **kwargs):
    """Three epochs of six batches; a fit is traced anew, so two tests share the first one."""
    frames = np.random.default_rng(0).integers(0, 256, (52, *SIZE), dtype="uint8")
    windows = VideoWindows(frames, subsample_size=subsample, batch_size=2, stride=4, seed=4)
    detector.fit(windows, epochs=3, verbose=0, **kwargs)
    return detector.get_weights()


@pytest.fixture(scope="module")
def trained_on_windows(tmp_path_factory):
    """Weights after three epochs, and the file that was saved after the second."""
    path = tmp_path_factory.mktemp("windows") / "half.keras"
    detector = make_cvgan()
    save = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epoch == 1 and detector.save(path))
    return fit_on_windows(detector, callbacks=[save]), path


def test_windows_and_pairs_train_alike(trained_on_windows):
    for a, b in zip(trained_on_windows[0], fit_on_windows(make_cvgan(), subsample=7), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_on_windows_resumes_exactly(trained_on_windows):
    weights, half = trained_on_windows
    for a, b in zip(weights, fit_on_windows(keras.models.load_model(half), initial_epoch=2), strict=True):
        np.testing.assert_array_equal(a, b)


# The score.


def test_top_blocks_by_hand():
    error = np.zeros((2, 16, 24), "float32")
    error[0, :8, :8] = 4.0
    error[0, 8:, 16:] = 2.0
    error[1, 0, 0] = 64.0
    assert np.asarray(scores.top_blocks(error, block=8, top=1)) == pytest.approx([4.0, 1.0])
    assert np.asarray(scores.top_blocks(error, block=8, top=4)) == pytest.approx([1.5, 0.25])
    assert np.asarray(scores.top_blocks(error, block=8, top=99)) == pytest.approx([1.0, 1.0 / 6.0])
    assert np.asarray(scores.top_blocks(error[:, :12], block=8, top=1)) == pytest.approx([4.0, 1.0])
    low = error[:1, 4:12, 16:]  # four rows of nothing, then four of 2: its second half is the second block
    assert np.asarray(scores.top_blocks(low[:, 2:], block=4, top=1)) == pytest.approx([2.0])


@pytest.mark.parametrize("reduction", ["mean", "top_blocks"])
def test_the_score_is_the_reduced_error_of_the_forecast(reduction):
    detector = make_cvgan(reduction=reduction, block=8, top=2)
    x = windows()
    video = np.asarray(detector.generator(x[:, :7]))
    error = np.abs(video[:, 7] - x[:, 7])[..., 0]
    blocks = np.sort(error.reshape(4, 4, 8, 4, 8).mean(axis=(2, 4)).reshape(4, 16))[:, -2:].mean(axis=1)
    want = {"mean": error.mean(axis=(1, 2)), "top_blocks": blocks}
    explained = Explainer(detector).predict(x)
    np.testing.assert_allclose(detector.predict(x), want[reduction], rtol=1e-5)
    np.testing.assert_allclose(explained["mean"], want["mean"], rtol=1e-5)
    np.testing.assert_allclose(explained["top_blocks"], want["top_blocks"], rtol=1e-5)
    np.testing.assert_allclose(explained["anomaly_map"], error, atol=1e-5)
    np.testing.assert_allclose(explained["forecast"][:, 0], video[:, 7], atol=1e-5)
    assert explained["mask"].shape == (4, 8, 32, 32, 1)


@pytest.mark.parametrize("reduction", ["mean", "top_blocks"])
def test_a_scaled_score_is_relative_to_the_changes_before(reduction):
    x = windows()
    explained = Explainer(make_cvgan(reduction=reduction)).predict(x)
    scaled = make_cvgan(reduction=reduction, scaled=True, offset=0.25)
    changes = np.abs(np.diff(x[:, :7, ..., 0], axis=1))
    if reduction == "mean":
        naive = changes.mean(axis=(1, 2, 3))
    else:
        naive = np.stack([np.asarray(scores.top_blocks(changes[:, i])) for i in range(6)]).mean(axis=0)
    np.testing.assert_allclose(scaled.predict(x), explained[reduction] / (naive + 0.25), rtol=1e-5)
    again = type(scaled).from_config(scaled.get_config())
    assert (again.scaled, again.offset) == (True, 0.25)
    one = build_video_generator(SIZE, past=1, horizon=7, filters=2)
    with pytest.raises(ValueError, match="two frames or more, for scaled=True"):
        CVGAN(one, build_video_discriminator((8, *SIZE), filters=2), scaled=True)
    assert not build_detector("cvgan", (8, *SIZE), horizon=7, filters=1).scaled


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (build_video_generator, {"shape": SIZE, "filters": 2}),
        (build_video_discriminator, {"shape": (8, *SIZE), "filters": 2}),
        (build_vgan_generator, {"filters": 1}),
        (build_vgan_discriminator, {"filters": 1}),
    ],
)
def test_3d_convolutions_compute_in_float32_where_their_gradient_in_bfloat16_is_broken(build, arguments):
    keras.config.set_dtype_policy("mixed_bfloat16")
    convolutions = {
        layer: layer.compute_dtype for layer in build(**arguments)._flatten_layers() if "Conv" in type(layer).__name__
    }
    of_three = {dtype for layer, dtype in convolutions.items() if "3D" in type(layer).__name__}
    assert of_three == {"bfloat16" if tf.config.list_physical_devices("GPU") else "float32"}
    assert {dtype for layer, dtype in convolutions.items() if "2D" in type(layer).__name__} <= {"bfloat16"}


def test_a_generator_without_a_mask_is_welcome():
    inputs = keras.Input((7, *SIZE))
    outputs = keras.layers.Conv3D(1, 3, padding="same")(inputs)
    outputs = keras.layers.Concatenate(axis=1)([outputs, outputs[:, -1:]])
    generator = keras.Model(inputs, outputs)
    detector = CVGAN(generator, build_video_discriminator((8, *SIZE), filters=2))
    detector.compile()
    detector.fit(windows(), verbose=0, batch_size=2)
    assert "mask" not in Explainer(detector).predict(windows())
    with pytest.raises(ValueError, match="mask_weight > 0"):
        CVGAN(generator, build_video_discriminator((8, *SIZE), filters=2), mask_weight=0.1)


# VGAN.


def test_vgan_has_the_papers_layers_and_trains():
    generator = build_vgan_generator(filters=2, seed=0)
    assert generator.output_shape == (None, 32, 64, 64, 3)
    wide = build_vgan_generator()
    assert wide.get_layer("mask").output.shape[1:] == (32, 64, 64, 1)
    assert build_vgan_discriminator().outputs[1].shape[1] == 2 * 4 * 4 * 512
    vgan = VGAN(generator, build_vgan_discriminator(filters=2, seed=1))
    vgan.compile()
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 64, 64, 3)).astype("float32")
    logs = vgan.fit(x, batch_size=2, verbose=0).history
    assert 0.0 < logs["mask_mean"][0] < 1.0
    assert np.isfinite(list(logs.values())).all()
    video = vgan(np.zeros((1, 100), "float32"))
    assert float(tf.reduce_max(tf.abs(video))) <= 1.0


# Patches.


def make_patches():
    detector = PatchDetector(PCA((8, 8, 1), n_components=4), (20, 12), stride=6)
    detector.compile()
    return detector


def test_patches_cover_the_image_and_the_score_is_their_largest():
    detector = make_patches()
    assert detector.corners == [(top, left) for top in (0, 6, 12) for left in (0, 4)]
    x = np.random.default_rng(0).uniform(-1, 1, (5, 20, 12, 1)).astype("float32")
    inner = detector.detector
    cut = np.stack([x[:, t : t + 8, c : c + 8] for t, c in detector.corners], axis=1).reshape(-1, 8, 8, 1)
    np.testing.assert_array_equal(detector.parts(tf.constant(x)), cut)
    inner.compile()
    inner.fit(cut)
    want = inner.predict(cut).reshape(5, 6)
    explained = Explainer(detector).predict(x)
    np.testing.assert_allclose(explained["score"], want.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(explained["patch_scores"], want, rtol=1e-5)
    maps = np.asarray(inner.explain(tf.constant(cut))["anomaly_map"]).reshape(5, 6, 8, 8)
    total, weight = np.zeros((5, 20, 12)), np.zeros((20, 12))
    for i, (top, left) in enumerate(detector.corners):
        total[:, top : top + 8, left : left + 8] += maps[:, i]
        weight[top : top + 8, left : left + 8] += 1
    assert weight.min() == 1
    np.testing.assert_allclose(explained["anomaly_map"], total / weight, rtol=1e-4, atol=1e-6)


def test_many_patches_go_through_the_detector_in_groups_and_say_the_same(monkeypatch, tmp_path):
    detector = make_patches()
    x = np.random.default_rng(0).uniform(-1, 1, (5, 20, 12, 1)).astype("float32")  # 30 patches
    detector.fit(x)
    want = Explainer(detector).predict(x)
    monkeypatch.setattr(composed, "AT_ONCE", 4)
    explainer = Explainer(detector)
    said = explainer.predict(x)
    assert set(said) == set(want) == {"score", "patch_scores", "anomaly_map", "reconstruction"}
    for key, values in want.items():
        np.testing.assert_allclose(said[key], values, rtol=1e-5, atol=1e-6)
    explainer.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(x)["score"], want["score"], rtol=1e-5)


def test_the_map_of_a_whole_image_counts_as_many_pixels_as_that_of_a_patch():
    inner = PCA((8, 8, 1), n_components=4)
    mapped = composed.MapDetector(PatchDetector(inner, (20, 12), stride=6))
    assert mapped.share == pytest.approx(0.003 * 64 / 240)
    assert mapped.sigma == 8 / 128
    assert composed.MapDetector(inner).share == 0.003
    again = composed.MapDetector.from_config(mapped.get_config())
    assert (again.share, again.sigma) == (mapped.share, mapped.sigma)


def test_a_patch_detector_trains_and_keeps_the_contract():
    def make():
        inner = build_detector("gan_discriminator", (8, 8, 1), latent_dim=4, filters=4)  # small: two players, and noise
        detector = PatchDetector(inner, (12, 20), stride=(4, 8))
        detector.compile()
        return detector

    x = np.random.default_rng(0).uniform(-1, 1, (16, 12, 20, 1)).astype("float32")
    check_detector(
        make,
        x,
        only=(
            "score_is_one_finite_float32_per_sample",
            "score_depends_on_the_sample_alone",
            "predict_leaves_every_weight",
            "same_seed_gives_same_weights",
            "saving_keeps_scores_and_optimizers",
            "training_resumes_exactly",
            "export_scores_alike_without_the_package",
        ),
    )


def test_fit_solves_for_a_closed_form_detector_on_patches():
    detector = make_patches()
    x = np.random.default_rng(0).uniform(-1, 1, (5, 20, 12, 1)).astype("float32")
    detector.fit(x)
    assert detector.predict(x).shape == (5,)
    assert np.asarray(detector.detector.weights[0]).any()


@pytest.mark.parametrize(
    ("size", "stride", "words"),
    [
        ((6, 20), None, "(6, 20)"),
        ((20, 20), 9, "stride=9"),
        ((20, 20), 0, "stride=0"),
        ((20, 20, 3), None, "(20, 20, 3)"),
    ],
)
def test_patches_that_do_not_fit_get_a_sentence(size, stride, words):
    with pytest.raises(ValueError, match="Expected") as caught:
        PatchDetector(PCA((8, 8, 1), n_components=4), size, stride)
    assert words in str(caught.value)


# Smoothing.


def test_a_smoothed_score_is_the_mean_of_a_few_windows_and_the_rest_is_the_last_ones():
    inner = make_cvgan(reduction="top_blocks", scaled=True)
    detector = SmoothedDetector(inner, 3)
    assert detector.call_shape == (10, *SIZE)
    assert (detector.past, detector.horizon, detector.scaled) == (9, 1, True)
    x = np.random.default_rng(0).uniform(-1, 1, (5, 10, *SIZE)).astype("float32")
    want = np.stack([inner.predict(x[:, i : i + 8]) for i in range(3)], axis=1)
    explained = Explainer(detector).predict(x)
    np.testing.assert_allclose(explained["window_scores"], want, rtol=1e-5)
    np.testing.assert_allclose(explained["score"], want.mean(axis=1), rtol=1e-5)
    last = Explainer(inner).predict(x[:, 2:])
    for key in ("anomaly_map", "forecast", "mask", "top_blocks"):
        np.testing.assert_allclose(explained[key], last[key], rtol=1e-5, atol=1e-6)
    assert "reconstruction" not in explained
    np.testing.assert_allclose(SmoothedDetector(inner, 1).predict(x[:, :8]), want[:, 0], rtol=1e-5)


def test_a_smoothed_detector_keeps_the_contract_and_trains():
    def make():
        detector = SmoothedDetector(make_cvgan(lambda_forecast=1.0), 2)
        detector.compile()
        return detector

    x = np.random.default_rng(0).uniform(-1, 1, (16, 9, *SIZE)).astype("float32")
    check_detector(
        make,
        x,
        only=(
            "score_depends_on_the_sample_alone",
            "saving_keeps_scores_and_optimizers",
            "export_scores_alike_without_the_package",
        ),
    )


def test_smoothing_takes_steps_of_features_and_solves_where_the_detector_does():
    detector = SmoothedDetector(PCA((4, 3), n_components=2), 2)
    detector.compile()
    x = np.random.default_rng(0).normal(size=(9, 5, 3)).astype("float32")
    detector.fit(x)
    want = [detector.detector.predict(part) for part in (x[:, :4], x[:, 1:])]
    np.testing.assert_allclose(detector.predict(x), np.mean(want, axis=0), rtol=1e-5)


def test_smoothing_twice_tells_the_outer_windows_scores():
    detector = SmoothedDetector(SmoothedDetector(make_cvgan(), 2), 3)
    explained = Explainer(detector).predict(np.random.default_rng(0).uniform(-1, 1, (2, 11, *SIZE)).astype("float32"))
    assert explained["window_scores"].shape == (2, 3)
    np.testing.assert_allclose(explained["window_scores"].mean(axis=1), explained["score"], rtol=1e-5)


def test_smoothing_wants_whole_windows():
    frames = np.zeros((20, *SIZE), "uint8")
    detector = SmoothedDetector(make_cvgan(), 3)
    detector.compile()
    for verb in (detector.fit, detector.predict):
        with pytest.raises(ValueError, match="pairs of 9 and 10 frames"):
            verb(VideoWindows(frames, 10, 9, batch_size=4, sampling="sliding"))
    windows = VideoWindows(frames, 10, batch_size=4, sampling="sliding")
    assert detector.predict(windows).shape == (11,)


@pytest.mark.parametrize(
    ("make", "length", "words"),
    [
        (make_cvgan, 0, "length=0"),
        (make_cvgan, 1.5, "length=1.5"),
        (make_cvgan, "a", "length='a'"),
        (make_cvgan, None, "length=None"),
        (lambda: PCA((8, 8, 1), n_components=4), 2, "PCA"),
        (lambda: PCA((8,), n_components=4), 2, "PCA"),
        (lambda: "cvgan", 2, "'cvgan'"),
    ],
)
def test_what_can_not_be_smoothed_gets_a_sentence(make, length, words):
    with pytest.raises(ValueError, match="Expected") as caught:
        SmoothedDetector(make(), length)
    assert words in str(caught.value)

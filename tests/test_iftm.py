"""IFTM: threshold models against their formulas, and the wrapper around ours and others' models."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_anogan import PCA, FittedDetector, build_detector
from keras_anogan.iftm import IFTM
from keras_anogan.models.composed import SmoothedDetector
from keras_anogan.models.cvgan import CVGAN, build_video_discriminator, build_video_generator
from keras_anogan.nn.scores import PredictionError, l1_error, l2_error
from keras_anogan.streams import Feed, Frame
from keras_anogan.thresholds import (
    ConformalThreshold,
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    SlidingWindowThreshold,
    false_discovery_control,
)
from keras_anogan.video import VideoWindows

ERRORS = np.random.default_rng(0).gamma(2.0, 1.0, 500).astype("float32")
RUNNING = [CumulativeAggregation, ExponentialThreshold, DoubleExponentialThreshold, SlidingWindowThreshold]


# Threshold models.


@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], list(range(1, 500)), [250, 499]])
def test_cumulative_aggregation_is_numpys_mean_and_deviation_for_any_batching(cuts):
    layer = CumulativeAggregation(k=3.0)
    for part in np.split(ERRORS, cuts):
        layer.update_state(part)
    wide = ERRORS.astype("float64")
    assert layer.threshold == pytest.approx(wide.mean() + 3.0 * wide.std(ddof=1), rel=1e-6)
    assert CumulativeAggregation(k=1.0).adapt(ERRORS[:1]).threshold == pytest.approx(ERRORS[0])


def test_cumulative_aggregation_stays_exact_in_a_long_stream_far_from_zero():
    layer = CumulativeAggregation(k=1.0)
    for part in np.split(1e4 + np.tile(ERRORS, 200), 10):
        layer.update_state(part)
    whole = (1e4 + np.tile(ERRORS, 200)).astype("float32").astype("float64")
    assert layer.threshold - whole.mean() == pytest.approx(whole.std(ddof=1), abs=2e-3)


def test_exponential_threshold_by_hand():
    layer = ExponentialThreshold(k=2.0, alpha=0.1).adapt(np.array([1.0, 3.0, 2.0]))
    mean = 1.0 + 0.1 * 2.0  # 1.2
    variance = 0.9 * 0.1 * 4.0  # 0.36
    variance = 0.9 * (variance + 0.1 * (2.0 - mean) ** 2)
    mean += 0.1 * (2.0 - mean)
    assert layer.threshold == pytest.approx(mean + 2.0 * np.sqrt(variance), rel=1e-6)


def test_double_exponential_threshold_follows_a_straight_line():
    line = np.arange(400.0)
    layer = DoubleExponentialThreshold(k=0.0, level_smoothing=0.3, trend_smoothing=0.2).adapt(line)
    assert layer.threshold == pytest.approx(400.0, abs=0.05)  # level + trend: the next value
    assert ExponentialThreshold(k=0.0).adapt(line).threshold < 395.0  # without a trend it lags behind
    first = DoubleExponentialThreshold(k=1.0).adapt(np.array([5.0, 6.0]))
    level = 0.1 * 6.0 + 0.9 * 5.0
    trend = 0.1 * (level - 5.0)
    assert first.threshold == pytest.approx(level + trend + np.sqrt(0.9 * 0.1 * (6.0 - level - trend) ** 2), rel=1e-6)


@pytest.mark.parametrize("step", [1, 7, 500])
def test_sliding_window_threshold_knows_the_last_scores_only(step):
    layer = SlidingWindowThreshold(k=2.0, window=40)
    for i in range(0, 500, step):
        layer.update_state(ERRORS[i : i + step])
    last = ERRORS[-40:].astype("float64")
    assert layer.threshold == pytest.approx(last.mean() + 2.0 * last.std(ddof=1), rel=1e-6)


def test_peaks_over_threshold_finds_a_quantile_beyond_the_scores_it_saw():
    draw = np.random.default_rng(1)
    calibration = draw.exponential(1.0, 2000)
    layer = PeaksOverThreshold(alpha=1e-4).adapt(calibration)
    assert layer.threshold == pytest.approx(-np.log(1e-4), rel=0.25)  # an exponential's own quantile, 9.2
    start = np.quantile(calibration.astype("float32"), 0.9)
    peaks = calibration[calibration > start] - start
    shape, _, scale = stats.genpareto.fit(peaks, floc=0.0)
    want = start + scale / shape * ((1e-4 * 2000 / len(peaks)) ** -shape - 1.0)
    assert layer.threshold == pytest.approx(want, rel=0.02)
    before = layer.threshold
    layer.update_state(draw.exponential(2.0, 500))
    assert layer.threshold > before
    with pytest.raises(ValueError, match="at least 10 calibration scores"):
        PeaksOverThreshold().adapt(calibration[:30])
    with pytest.raises(ValueError, match="1 - level"):
        PeaksOverThreshold(alpha=0.2)


@pytest.mark.parametrize("kind", [*RUNNING, PeaksOverThreshold])
def test_threshold_models_are_layers_that_save_and_start_with_everything_anomalous(kind, tmp_path):
    layer = kind()
    assert layer.threshold == -np.inf
    assert not layer.adapted
    inputs = keras.Input((), dtype="float32")
    model = keras.Model(inputs, layer(inputs))
    assert np.asarray(layer(np.array([0.0, -1e30], "float32"))).all()
    layer.adapt(ERRORS)
    assert layer.adapted
    alarms = np.asarray(layer(np.array([0.0, layer.threshold, 1e9, np.nan, np.inf], "float32")))
    assert alarms.tolist() == [False, False, True, True, True]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert loaded.threshold == layer.threshold
    loaded.update_state(ERRORS[:50])
    assert loaded.threshold == layer.update_state(ERRORS[:50]).threshold
    assert kind().adapt(ERRORS).adapt(ERRORS[::-1][:300]).threshold == pytest.approx(
        kind().adapt(ERRORS[::-1][:300]).threshold
    )  # adapt forgets
    for bad, word in ((np.array([np.nan]), "nan"), (np.zeros((2, 2)), r"\(2, 2\)")):
        with pytest.raises(ValueError, match=word):
            layer.update_state(bad)


def test_false_discovery_control_keeps_the_share_of_false_alarms():
    draw = np.random.default_rng(2)
    shares = []
    for _ in range(50):
        p = np.concatenate([draw.uniform(size=900), draw.uniform(0.0, 1e-4, 100)])
        alarms = false_discovery_control(p, alpha=0.1)
        assert alarms[900:].all()
        shares.append(alarms[:900].sum() / alarms.sum())
    assert np.mean(shares) < 0.11
    with pytest.raises(ValueError, match="Expected p-values"):
        false_discovery_control(np.array([1.2]))


# Error functions.


def test_error_functions_by_hand():
    predicted, actual = np.zeros((2, 3, 4, 4, 1), "float32"), np.zeros((2, 3, 4, 4, 1), "float32")
    actual[0, -1] = 2.0
    actual[1, 0] = 4.0
    assert np.asarray(l1_error(predicted, actual)) == pytest.approx([2 / 3, 4 / 3])
    assert np.asarray(l2_error(predicted, actual)) == pytest.approx([np.sqrt(64.0), np.sqrt(256.0)])
    assert np.asarray(PredictionError(frames=-1)(predicted, actual)) == pytest.approx([2.0, 0.0])
    assert np.asarray(PredictionError(degree=2, frames=-1)(predicted, actual)) == pytest.approx([4.0, 0.0])
    actual[0, -1] = 0.0
    actual[0, -1, :2, :2] = 1.0
    error = PredictionError(frames=-1, reduction="top_blocks", block=2, top=2)
    assert np.asarray(error(predicted, actual)) == pytest.approx([0.5, 0.0])
    with pytest.raises(ValueError, match="Expected video"):
        error(predicted[:, 0], actual[:, 0])
    bad_ones = [{"degree": 3}, {"frames": 0}, {"reduction": "max"}, {"top": 0}, {"scaled": True}]
    for bad in (*bad_ones, {"offset": 0.0}, {"offset": np.inf}):
        with pytest.raises(ValueError, match="Expected"):
            PredictionError(**bad)


def test_scaled_errors_by_hand():
    actual = np.zeros((2, 4, 4, 4, 1), "float32")
    actual[0, 1] = 3.0  # changes among the first three frames: 3 and 3
    actual[1, 2] = 1.0  # 0 and 1
    actual[:, 3] = 2.0
    predicted = np.zeros_like(actual)
    error = PredictionError(frames=-1, scaled=True, offset=0.5)
    assert np.asarray(error(predicted, actual)) == pytest.approx([2.0 / 3.5, 2.0 / 1.0])
    squared = PredictionError(degree=2, frames=-1, scaled=True, offset=0.5)
    assert np.asarray(squared(predicted, actual)) == pytest.approx([4.0 / 9.5, 4.0 / 1.0])
    actual[0, 2, :2, :2] = 4.0  # a block's changes: 3 and 1, the others' 3 and 3
    blocks = PredictionError(frames=-1, reduction="top_blocks", block=2, top=1, scaled=True, offset=0.5)
    assert np.asarray(blocks(predicted, actual)) == pytest.approx([2.0 / 3.5, 2.0 / 1.0])
    actual[0, 2] = 0.0
    actual[0, 2, :2, :2] = 7.0  # 3 and 4
    assert np.asarray(blocks(predicted, actual))[0] == pytest.approx(2.0 / 4.0)
    assert PredictionError.from_config(blocks.get_config()).get_config() == blocks.get_config()
    with pytest.raises(ValueError, match=r"at least two frames before .* Received: 1 of 2"):
        error(predicted[:, 2:], actual[:, 2:])


# The wrapper.


def autoencoder():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(6)(keras.layers.Dense(2)(inputs)))


def forecaster():
    return keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4), keras.layers.Dense(3)])


def video_generator():
    return build_video_generator((32, 32, 1), filters=2, seed=0)


def rows(n=200, features=6):
    return np.random.default_rng(3).normal(size=(n, features)).astype("float32")


def fitted_pca():
    x = rows().astype("float32")
    detector = PCA(x.shape[1:], n_components=2)
    detector.fit(x)
    return FittedDetector(None, detector, ConformalThreshold(0.1).adapt(detector.predict(x)), raw_shape=x.shape[1:])


def film(n=40):
    t = np.arange(n)[:, None, None, None]
    return (
        127 + 100 * np.sin(0.3 * t + np.arange(32)[None, :, None, None] / 5.0) + 0 * np.zeros((1, 1, 32, 1))
    ).astype("uint8")


CASES = {
    "autoencoder": (autoencoder, lambda: (rows(), None)),
    "efficientgan": (lambda: build_detector("efficientgan", (6,), latent_dim=3), lambda: (rows(), None)),
    "lstm": (forecaster, lambda: (rows(300).reshape(100, 6, 3)[:, :5], rows(300).reshape(100, 6, 3)[:, 5])),
    "cvgan_generator": (
        video_generator,
        lambda: (lambda w: (w[:, :7], w))(VideoWindows(film(), batch_size=33, sampling="sliding")[0]),
    ),
    "cvgan": (
        lambda: CVGAN(video_generator(), build_video_discriminator((8, 32, 32, 1), filters=2)),
        lambda: (VideoWindows(film(), batch_size=33, sampling="sliding")[0], None),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_any_model_is_wrapped_trained_saved_exported(case, tmp_path):
    make, data = CASES[case]
    x, actual = data()
    iftm = IFTM(make(), threshold=CumulativeAggregation(k=2.0))
    assert iftm.threshold == -np.inf
    errors, labels = iftm.detect(x, actual)
    assert labels.all()  # nothing is known yet
    before = [np.array(w) for w in iftm.identity.weights]
    iftm.train_threshold((x, x if actual is None else actual))
    wide = errors.astype("float64")
    assert iftm.threshold == pytest.approx(wide.mean() + 2.0 * wide.std(ddof=1), rel=1e-5)
    errors, labels = iftm.detect(x, actual, batch_size=7)
    assert labels.tolist() == (errors > iftm.threshold).tolist()
    assert all(np.array_equal(a, b) for a, b in zip(before, iftm.identity.weights, strict=True))
    judged = iftm.predict({"x": x, "actual": x if actual is None else actual}, verbose=0)
    np.testing.assert_allclose(judged["error"], errors, rtol=1e-5)
    assert judged["anomaly"].tolist() == labels.astype(bool).tolist()

    iftm.save(tmp_path / "iftm.keras")
    loaded = keras.models.load_model(tmp_path / "iftm.keras")
    assert loaded.threshold == iftm.threshold
    np.testing.assert_allclose(loaded.detect(x, actual)[0], errors, rtol=1e-5)

    import tensorflow as tf

    iftm.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    result = served.serve({"x": x[:4], "actual": (x if actual is None else actual)[:4]})
    np.testing.assert_allclose(result["error"], errors[:4], rtol=1e-5)
    assert np.asarray(result["anomaly"]).tolist() == labels[:4].astype(bool).tolist()


def test_the_calls_of_the_thesis(tmp_path):
    training = VideoWindows(film(), sample_size=8, subsample_size=7, batch_size=4, stride=2)
    iftm = IFTM(video_generator(), PredictionError(frames=-1), CumulativeAggregation(k=1.0))
    iftm.train_threshold(training, max_queue_size=128, no_workers=4)
    x, y = training[0]
    errors, labels = iftm.detect(x, y)
    predicted = np.asarray(iftm.identity(x))
    np.testing.assert_allclose(errors, np.abs(predicted[:, -1] - y[:, -1]).mean(axis=(1, 2, 3)), rtol=1e-4)
    assert np.bincount(labels, minlength=2).sum() == 4
    with pytest.raises(ValueError, match="use detect"):
        iftm.predict(x, y)


def test_a_conformal_threshold_of_days_is_the_highest_of_their_own():
    days = VideoWindows({"mon": film(30), "tue": film(40)[::-1] // 2}, subsample_size=7, sampling="sliding")
    each, iftm = [], IFTM(video_generator(), PredictionError(frames=-1), ConformalThreshold(0.1))
    for day, first in (("mon", 0), ("tue", 23)):
        assert (days.day_numbers == days.day_numbers[first]).sum() == {"mon": 23, "tue": 33}[day]
        part = VideoWindows(days.footage, subsample_size=7, sampling="sliding", days=[day])
        each.append(iftm.train_threshold(part).threshold)
    assert iftm.train_threshold(days).threshold < max(each)
    assert iftm.train_threshold(days, groups=days.day_numbers).threshold == pytest.approx(max(each), rel=1e-6)
    mixed = VideoWindows(days.footage, subsample_size=7)
    with pytest.raises(ValueError, match=r"in order, sampling='sliding', for groups"):
        iftm.train_threshold(mixed, groups=mixed.day_numbers)
    with pytest.raises(ValueError, match=r"for groups. Received: CumulativeAggregation"):
        IFTM(video_generator()).train_threshold(days, groups=days.day_numbers)


def test_calibrating_on_training_days_warns_and_on_others_does_not(recwarn):
    days = {"mon": film(30), "tue": film(31)[::-1].copy()}
    detector = CVGAN(video_generator(), build_video_discriminator((8, 32, 32, 1), filters=2))
    detector.compile(run_eagerly=True)  # two batches: tracing them takes longer
    detector.fit(VideoWindows(days, days=["mon"], batch_size=2, stride=8), verbose=0)
    pairs = {day: VideoWindows(days, subsample_size=7, days=[day], sampling="sliding") for day in days}
    iftm = IFTM(detector.generator, PredictionError(frames=-1))
    recwarn.clear()
    iftm.train_threshold(pairs["tue"])
    assert not [w for w in recwarn if "calibrated" in str(w.message)]
    with pytest.warns(UserWarning, match="calibrated on data that the identity function was trained on.*mon"):
        iftm.train_threshold(pairs["mon"])
    with pytest.warns(UserWarning, match="calibrated"):
        IFTM(video_generator()).train_threshold(pairs["tue"], trained_on=pairs["tue"])
    smoothed = IFTM(SmoothedDetector(detector, 3))
    whole = {day: VideoWindows(days, 10, days=[day], sampling="sliding") for day in days}
    recwarn.clear()
    smoothed.train_threshold(whole["tue"])
    assert not [w for w in recwarn if "calibrated" in str(w.message)]
    with pytest.warns(UserWarning, match="calibrated.*mon"):
        smoothed.train_threshold(whole["mon"])
    smoothed.identity.compile(run_eagerly=True)
    smoothed.identity.fit(VideoWindows(days, 10, days=["tue"], batch_size=2, stride=8), verbose=0)
    with pytest.warns(UserWarning, match="calibrated.*tue"):
        IFTM(detector).train_threshold(VideoWindows(days, 8, days=["tue"], sampling="sliding"))


def test_a_smoothed_detector_streams_what_it_detects_and_cameras_share_it(tmp_path):
    detector = SmoothedDetector(CVGAN(video_generator(), build_video_discriminator((8, 32, 32, 1), filters=2)), 3)
    iftm, frames = IFTM(detector), film(16)
    errors, _ = iftm.detect(np.stack([frames[i : i + 10] for i in range(7)]))
    results = list(iftm.stream(frames))
    assert [r.index for r in results] == list(range(9, 16))
    np.testing.assert_allclose([r.error for r in results], errors, rtol=1e-5)
    iftm.save_state(tmp_path / "state.npz")
    again = iftm.for_camera("door").load_state(tmp_path / "state.npz")
    assert again.threshold == iftm.threshold > -np.inf


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IFTM("model"), "keras.Model"),
        (lambda: IFTM(autoencoder(), "l3_error"), "'l3_error'"),
        (lambda: IFTM(build_detector("gan_discriminator", (28, 28, 1)), "l1_error"), "GANDiscriminator"),
        (lambda: IFTM(fitted_pca(), "l1_error"), "pass its `.detector`"),
        (lambda: IFTM(keras.Sequential([keras.layers.Dense(2)])), "one input and one output"),
        (lambda: IFTM(keras.Model(i := keras.Input((3,)), [i + 1.0, i + 2.0])), "one input and one output"),
        (lambda: IFTM(keras.Sequential([keras.Input((6, 3)), keras.layers.Dense(2)])), "(6, 3) to (6, 2)"),
        (lambda: IFTM(autoencoder()).detect(rows(3, 5)), "Received: shape (3, 5)"),
        (lambda: IFTM(autoencoder()).detect(rows(3), rows(2)), "3 and 2"),
        (lambda: IFTM(autoencoder()).detect(rows(0)), "0 and 0"),
        (lambda: IFTM(autoencoder()).detect(np.full((2, 6), np.nan)), "NaN"),
        (lambda: IFTM(autoencoder()).detect(np.full((2, 6), "a")), "dtype"),
        (lambda: IFTM(autoencoder()).train_threshold([]), "Received: none"),
        (lambda: IFTM(forecaster()).detect(rows(4)), "(n, 5, 3)"),
    ],
)
def test_mistakes_get_a_sentence(make, words):
    with pytest.raises(ValueError, match="Expected") as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# Streams.


def test_a_stream_says_what_detect_says_and_comes_before_learning():
    x = rows()
    iftm = IFTM(autoencoder(), threshold=CumulativeAggregation(k=1.0))
    want = iftm.errors(x)
    results = list(iftm.stream(x, protect=False))
    np.testing.assert_allclose([r.error for r in results], want, rtol=1e-5)
    assert results[0].threshold == -np.inf
    assert results[0].anomaly
    for i in (1, 5, 150):
        seen = want[:i].astype("float64")
        std = seen.std(ddof=1) if i > 1 else 0.0
        assert results[i].threshold == pytest.approx(seen.mean() + std, rel=1e-5)
        assert results[i].anomaly == (results[i].error > results[i].threshold)
    assert iftm.threshold == pytest.approx(want.astype("float64").mean() + want.astype("float64").std(ddof=1), rel=1e-5)


def test_a_protected_stream_learns_nothing_from_what_it_calls_anomalous():
    x = rows(300)
    x[250:] *= 50.0
    iftm = IFTM(autoencoder(), threshold=CumulativeAggregation(k=3.0))
    results = list(iftm.stream(x, warm_up=100))
    assert all(r.learned for r in results[:100])
    assert all(r.learned != r.anomaly for r in results[100:])
    assert np.mean([r.anomaly for r in results[250:]]) > 0.9
    after = iftm.threshold
    list(iftm.stream(x[250:], learn=False))
    assert iftm.threshold == after
    poisoned = IFTM(iftm.identity, threshold=CumulativeAggregation(k=3.0))
    assert np.mean([r.anomaly for r in poisoned.stream(x, protect=False)][250:]) < 0.9


def test_a_stream_of_frames_equals_windows_and_begins_anew_at_gaps():
    frames = film()
    iftm = IFTM(video_generator(), PredictionError(frames=-1))
    windows = VideoWindows(frames, subsample_size=7, batch_size=64, sampling="sliding")
    want = iftm.errors(*windows[0])
    results = list(iftm.stream(frames))
    assert [r.index for r in results] == list(range(7, 40))
    np.testing.assert_allclose([r.error for r in results], want, rtol=1e-4)

    items = [Frame(i, frames[i]) for i in range(40)]
    items[12] = Frame(12, None, "can't be decoded")
    del items[30]  # dropped: the index jumps
    results = list(iftm.stream(items))
    judged = [r.index for r in results if not r.problem]
    assert judged == [*range(7, 12), *range(20, 30), *range(38, 40)]
    assert [(r.index, r.problem, r.anomaly) for r in results if r.problem] == [(12, "can't be decoded", None)]


@keras.saving.register_keras_serializable("keras_anogan_tests")
class FirstFrame(keras.layers.Layer):
    """Says that nothing has changed since the first item it saw."""

    def build(self, input_shape):
        self.seen = self.add_weight(name="seen", shape=(), initializer="zeros", trainable=False)
        self.first = self.add_weight(name="first", shape=(1, *input_shape[1:]), initializer="zeros", trainable=False)

    def call(self, x):
        tf.cond(self.seen.value > 0.0, lambda: x, lambda: self.first.value.assign(x))
        self.seen.assign(1.0)
        return tf.identity(self.first.value)


def test_a_model_that_keeps_what_it_saw_keeps_it_in_a_stream():
    inputs = keras.Input((4, 4, 4))
    iftm = IFTM(keras.Model(inputs, FirstFrame()(inputs)))
    assert iftm.form == "sample"
    frames = [np.full((4, 4, 4), i, "float32") for i in range(30)]
    assert [result.error for result in iftm.stream(frames)] == list(range(30))


def test_a_forecaster_is_streamed_step_by_step():
    series = rows(60, 3)
    iftm = IFTM(forecaster())
    results = list(iftm.stream(series))
    x = np.stack([series[i : i + 5] for i in range(55)])
    np.testing.assert_allclose([r.error for r in results], iftm.errors(x, series[5:]), rtol=1e-4)


def test_items_that_are_no_use_are_reported_and_skipped():
    x = list(rows(8))
    x[2] = None
    x[4] = np.array([1.0, np.nan, 0, 0, 0, 0])
    x[6] = np.zeros(5)
    results = list(IFTM(autoencoder()).stream(x))
    assert [r.problem for r in results] == [
        "", "", "no data", "", "NaN or infinity", "", "shape (5,) instead of (6,)", "",
    ]  # fmt: skip


def test_a_stalled_source_ends_with_a_sentence():
    def stalling():
        yield from rows(3)
        time.sleep(5)

    with pytest.raises(TimeoutError, match="stalled"):
        list(IFTM(autoencoder()).stream(stalling(), timeout=0.3))


def test_cameras_have_thresholds_of_their_own_and_go_on_where_they_stopped(tmp_path):
    x = rows(400)
    iftm = IFTM(autoencoder(), threshold=ExponentialThreshold(k=2.0))
    cameras = {name: iftm.for_camera(name) for name in ("front", "back")}
    assert cameras["front"].identity is iftm.identity
    list(cameras["front"].stream(x[:200]))
    list(cameras["back"].stream(5.0 * x[:200]))
    assert cameras["back"].threshold > 2.0 * cameras["front"].threshold
    assert iftm.threshold == -np.inf
    cameras["front"].save_state(tmp_path / "front.npz")
    resumed = iftm.for_camera("front").load_state(tmp_path / "front.npz")
    again = [r.threshold for r in resumed.stream(x[200:])]
    assert again == [r.threshold for r in cameras["front"].stream(x[200:])]
    for threshold in (SlidingWindowThreshold(), CumulativeAggregation(), ExponentialThreshold(k=2.0, alpha=0.2)):
        other = IFTM(iftm.identity, threshold=threshold)  # CumulativeAggregation's weights have the same shapes
        with pytest.raises(ValueError, match="ExponentialThreshold"):
            other.load_state(tmp_path / "front.npz")
    with pytest.raises(FileNotFoundError, match="no such file"):
        other.load_state(tmp_path / "nothing.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "front.npz").read_bytes()[:-40])
    with pytest.raises(ValueError, match="damaged, or no state"):
        iftm.load_state(tmp_path / "half.npz")


def test_what_a_result_says_was_learned_is_learned_even_if_nobody_asks_for_more():
    iftm = IFTM(autoencoder())
    stream = iftm.stream(rows(50))
    learned = sum(next(stream).learned for _ in range(10))
    stream.close()
    assert float(iftm.threshold_model.weights[0][0]) == learned == 10


def test_rows_may_be_lists_and_dropped_items_leave_a_gap():
    lists = [list(map(float, row)) for row in rows(5)]
    assert [r.index for r in IFTM(autoencoder()).stream(lists)] == [0, 1, 2, 3, 4]
    feed = Feed(rows(300, 3), timeout=5.0, max_queue=10, drop=True)
    time.sleep(0.0)
    results = []
    for result in IFTM(forecaster()).stream(feed):
        results.append(result.index)
        time.sleep(0.01)
    steps = np.diff(results)
    assert feed.dropped > 0
    assert ((steps == 1) | (steps > 5)).all()  # after a gap a window of 5 + 1 fills up first


def test_bytes_of_images_are_scaled_alike_everywhere():
    frames = film()
    iftm = IFTM(video_generator(), PredictionError(frames=-1))
    raw = np.stack([frames[i : i + 8] for i in range(10)])
    floats = raw.astype("float32") / 127.5 - 1.0
    np.testing.assert_allclose(iftm.errors(raw[:, :7], raw), iftm.errors(floats[:, :7], floats), rtol=1e-5)


def test_threshold_models_that_can_not_learn_from_one_error_are_refused_at_once():
    for threshold in (ConformalThreshold(alpha=0.05), PeaksOverThreshold()):
        with pytest.raises(ValueError, match="Expected a threshold model that learns"):
            IFTM(autoencoder(), threshold=threshold).stream(rows(5))
    adapted = IFTM(autoencoder(), threshold=PeaksOverThreshold(alpha=0.01)).train_threshold([rows(300)])
    assert len(list(adapted.stream(rows(20)))) == 20
    fixed = IFTM(autoencoder(), threshold=ConformalThreshold(alpha=0.05)).train_threshold([rows(100)])
    assert not any(r.learned for r in fixed.stream(rows(20), learn=False))


def test_a_conformal_threshold_serves_too():
    iftm = IFTM(autoencoder(), threshold=ConformalThreshold(alpha=0.05, capacity=500))
    iftm.train_threshold([rows(100), rows(100)[::-1]])
    assert iftm.detect(rows(200)[100:])[1].mean() < 0.2

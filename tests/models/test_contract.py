"""Every detector keeps the contract, and every check of the contract can fail."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from detectors import IMAGE, ROWS, TABLE, build_small_fanogan

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models import build_detector, list_detectors
from keras_anogan.testing import CHECKS, check_detector

SHAPE = IMAGE


@pytest.fixture(scope="session")
def normal_rows(tiny_images):
    """Rows of normal data for each shape of the table: 32, or 16 windows."""
    draw = np.random.default_rng(0)

    def rows(shape):
        if shape == IMAGE:
            return tiny_images
        if shape == TABLE:
            return draw.normal(size=(32, *shape)).astype("float32")
        return draw.uniform(-1, 1, (16, *shape)).astype("float32")

    return rows


def test_every_detector_has_a_row_with_the_whole_contract():
    assert {row.name for row in ROWS if not row.only} == set(list_detectors())


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_detector_keeps_the_contract(row, normal_rows):
    check_detector(row.make, normal_rows(row.shape), row.labels(), only=row.only, skip=row.skip)


def test_xla_keeps_the_contract_too(tiny_images):
    def make_detector():
        detector = build_small_fanogan()
        detector.compile(jit_compile=True)
        return detector

    check_detector(
        make_detector,
        tiny_images,
        only=("score_depends_on_the_sample_alone", "training_resumes_exactly", "graph_scores_as_eager"),
    )


@keras.saving.register_keras_serializable("tests")
class Toy(AnomalyDetector):
    """A small healthy autoencoder; the broken ones below differ from it in one thing each."""

    tags = Tags(input="image")
    networks = ("autoencoder", "frozen")
    players = {"autoencoder": ("autoencoder",)}
    logs = ("loss",)

    def __init__(self, autoencoder, frozen, seed=0, name=None):
        super().__init__(autoencoder=autoencoder, frozen=frozen, seed=seed, name=name)

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(1e-2)}

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        noise = self.noise(tf.shape(x)[0])
        with tf.GradientTape() as tape:
            loss = self.loss_of(x, self.autoencoder(x + 0.01 * noise, training=True), y)
        self.update("autoencoder", tape, loss)
        return self.log(loss=loss)

    def noise(self, rows):
        return self.random_normal("noise", rows, SHAPE)

    def loss_of(self, x, x_hat, y):
        return tf.reduce_mean(tf.square(x - x_hat))

    def explain(self, x):
        x_hat = self.autoencoder(x, training=False)
        return {"score": tf.reduce_mean(tf.square(x - x_hat), axis=(1, 2, 3)), "reconstruction": x_hat}


def make_toy(cls=Toy):
    autoencoder = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(16, kernel_initializer=keras.initializers.GlorotUniform(seed=1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1, seed=3),
            keras.layers.Dense(64, kernel_initializer=keras.initializers.GlorotUniform(seed=2)),
            keras.layers.Reshape(SHAPE, dtype="float32"),
        ]
    )
    frozen = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer=keras.initializers.Ones())])
    detector = cls(autoencoder, frozen)
    detector.compile(jit_compile=False)
    return detector


def broken(cls):
    return keras.saving.register_keras_serializable("tests")(cls)


@broken
class TrainModeBatchNorm(Toy):
    def explain(self, x):
        x_hat = self.autoencoder.layers[0](x)
        for layer in self.autoencoder.layers[1:]:
            x_hat = layer(x_hat, training=isinstance(layer, keras.layers.BatchNormalization))
        return {"score": tf.reduce_mean(tf.square(x - x_hat), axis=(1, 2, 3))}


@broken
class DropoutLeftOn(Toy):
    def explain(self, x):
        x_hat = x
        for layer in self.autoencoder.layers:
            x_hat = layer(x_hat, training=True) if isinstance(layer, keras.layers.Dropout) else layer(x_hat)
        return {"score": tf.reduce_mean(tf.square(x - x_hat), axis=(1, 2, 3))}


@broken
class BatchDependentScore(Toy):
    def explain(self, x):
        score = super().explain(x)["score"]
        return {"score": score / tf.reduce_max(score)}


@broken
class ColumnOfScores(Toy):
    def explain(self, x):
        return {"score": super().explain(x)["score"][:, None]}


@broken
class FlippedAfterLoad(Toy):
    loaded = False

    @classmethod
    def from_config(cls, config, custom_objects=None):
        detector = super().from_config(config, custom_objects)
        detector.loaded = True
        return detector

    def explain(self, x):
        score = super().explain(x)["score"]
        return {"score": -score if self.loaded else score}


@broken
class LostSlots(Toy):
    def compile_from_config(self, config):
        keras.Model.compile(self)


@broken
class WeightsMovedByPredict(Toy):
    def predict_step(self, data):
        self.autoencoder.weights[0].assign_add(tf.ones_like(self.autoencoder.weights[0]))
        return super().predict_step(data)


@broken
class MovesAFrozenNetwork(Toy):
    def train_step(self, data):
        self.frozen.weights[0].assign_add(tf.ones_like(self.frozen.weights[0]))
        return super().train_step(data)


@broken
class LearnsFromLabels(Toy):
    def loss_of(self, x, x_hat, y):
        weight = 1.0 if y is None else 1.0 + tf.cast(y, "float32")[:, None, None, None]
        return tf.reduce_mean(weight * tf.square(x - x_hat))


LearnsFromLabels.uses_labels = True


@broken
class ForgetsTheStep(Toy):
    """Noise keyed by a counter that is not saved."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = tf.Variable(0, dtype="int64")

    def noise(self, rows):
        self.calls.assign_add(1)
        return tf.random.stateless_normal((rows, *SHAPE), seed=tf.stack([tf.constant(0, "int64"), self.calls]))


@broken
class UnseededNoise(Toy):
    def noise(self, rows):
        return tf.random.normal((rows, *SHAPE))


@broken
class OtherScoreWhenEager(Toy):
    def explain(self, x):
        score = super().explain(x)["score"]
        return {"score": score + 1.0 if tf.executing_eagerly() else score}


@broken
class NeedsPython(Toy):
    def explain(self, x):
        score = super().explain(x)["score"]
        return {"score": tf.ensure_shape(tf.numpy_function(lambda s: s, [score], tf.float32), score.shape)}


@broken
class BreaksInHalf(Toy):
    def explain(self, x):
        explained = super().explain(x)
        half = keras.config.dtype_policy().compute_dtype
        return (
            {"score": tf.cast(tf.exp(tf.cast(explained["score"] * 0 + 100.0, half)) * 1e10, "float32")}
            if half != "float32"
            else explained
        )


@broken
class ScoresInHalf(Toy):
    def explain(self, x):
        explained = super().explain(x)
        half = keras.config.dtype_policy().compute_dtype
        return {"score": tf.cast(explained["score"], half)}


@broken
class TakesAnything(Toy):
    def check_rows(self, x):
        return np.nan_to_num(np.asarray(x, "float32"))


BROKEN = {
    TrainModeBatchNorm: "score_depends_on_the_sample_alone",
    DropoutLeftOn: "score_depends_on_the_sample_alone",
    BatchDependentScore: "score_depends_on_the_sample_alone",
    ColumnOfScores: "score_is_one_finite_float32_per_sample",
    FlippedAfterLoad: "saving_keeps_scores_and_optimizers",
    LostSlots: "saving_keeps_scores_and_optimizers",
    WeightsMovedByPredict: "predict_leaves_every_weight",
    MovesAFrozenNetwork: "fit_moves_the_players_networks_only",
    LearnsFromLabels: "labels_are_ignored",
    ForgetsTheStep: "training_resumes_exactly",
    UnseededNoise: "same_seed_gives_same_weights",
    OtherScoreWhenEager: "graph_scores_as_eager",
    NeedsPython: "export_scores_alike_without_the_package",
    BreaksInHalf: "trains_in_float16",
    ScoresInHalf: "trains_in_bfloat16",
    TakesAnything: "refuses_bad_input_with_a_sentence",
}


def test_every_check_has_a_detector_that_breaks_it():
    assert set(BROKEN.values()) == set(CHECKS)


@pytest.mark.parametrize(("cls", "check"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_check_catches_the_broken_detector(cls, check, tiny_images):
    with pytest.raises(AssertionError, match=check):
        check_detector(lambda: make_toy(cls), tiny_images, only=(check,))


def test_the_healthy_toy_passes(tiny_images):
    check_detector(make_toy, tiny_images)


def test_a_network_that_ends_in_half_precision_is_given_advice(tiny_images):
    def make():
        toy = make_toy()
        layers = [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(64), keras.layers.Reshape(SHAPE)]
        detector = Toy(keras.Sequential(layers), toy.frozen)
        detector.compile(jit_compile=False)
        return detector

    with pytest.raises(AssertionError, match=r"a network returns bfloat16, .* end every network in a float32 layer"):
        check_detector(make, tiny_images, only=("trains_in_bfloat16",))


def test_a_detector_in_place_of_its_maker_is_refused(tiny_images):
    with pytest.raises(ValueError, match=r"a function that returns a fresh, compiled detector.*Received: a PCA"):
        check_detector(build_detector("pca", (8, 8, 1)), tiny_images)


def test_unknown_check_and_too_few_rows_are_refused(tiny_images):
    with pytest.raises(ValueError, match="no_such_check"):
        check_detector(make_toy, tiny_images, only=("no_such_check",))
    with pytest.raises(ValueError, match="Received: 3"):
        check_detector(make_toy, tiny_images[:3])

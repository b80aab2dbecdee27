"""The latent search against what can be solved on paper, and AnoGAN's score."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_anogan import AnoGAN, ConformalThreshold, Explainer, build_detector, evaluation
from keras_anogan.datasets import hold_out, load_digits, one_class
from keras_anogan.nn.networks import build_dcgan_encoder
from keras_anogan.nn.search import latent_search, search_path
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.testing import changed, weights_by_path

SHAPE = (8, 8, 1)


@pytest.fixture
def draw():
    return np.random.default_rng(5)


def quadratic(x, matrix):
    """Squared distance of x and the linear generator's z matrix."""
    return lambda z: tf.reduce_sum(tf.square(x - tf.matmul(z, matrix)), axis=1)


@pytest.fixture(scope="module")
def trained():
    """A small DCGAN on scikit-learn's threes: (detector of 60 steps, 128 test images, labels)."""
    train, test = hold_out(*load_digits(), share=0.3, seed=0)
    split = one_class(train, test, digit=3, stop=0.0, calibrate=0.0)
    scale = image_preprocessing(8, 8)
    detector = build_detector("anogan", SHAPE, latent_dim=8, filters=8, steps=60)
    detector.compile(optimizers={player: keras.optimizers.Adam(1e-3, beta_1=0.5) for player in detector.players})
    detector.fit(np.asarray(scale(split.train)), batch_size=32, epochs=100, verbose=0)
    some = np.random.default_rng(0).permutation(len(split.test))[:96]
    threes = np.flatnonzero(split.labels == 0)[:32]
    rows = np.concatenate([some, threes])
    return detector, np.asarray(scale(split.test[rows])), split.labels[rows]


def with_steps(detector, steps, **others):
    made = AnoGAN(detector.generator, detector.discriminator, steps=steps, **others)
    made.compile()
    return made


def test_a_linear_generator_gives_the_least_squares_projection(draw):
    x = draw.normal(size=(7, 10)).astype("float32")
    matrix = draw.normal(size=(4, 10)).astype("float32")
    found = latent_search(quadratic(x, matrix), tf.zeros((7, 4)), steps=500, learning_rate=0.1)
    solved = np.linalg.lstsq(matrix.T, x.T, rcond=None)
    assert found.z.numpy() == pytest.approx(solved[0].T, abs=1e-3)
    assert found.value.numpy() == pytest.approx(solved[1], rel=1e-4)
    assert found.steps.numpy().tolist() == [500] * 7


def test_the_first_steps_are_adam(draw):
    z0 = draw.normal(size=(3, 4)).astype("float32")
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10), epsilon=1e-8)
    z = keras.Variable(z0)
    for _ in range(4):
        optimizer.apply([4.0 * z.value**3], [z])
    path = search_path(lambda z: tf.reduce_sum(z**4, axis=1), tf.constant(z0), at=(0, 4, 10))
    assert path[0].z.numpy() == pytest.approx(z0)
    assert path[1].z.numpy() == pytest.approx(z.numpy(), abs=1e-5)  # it falls from step to step: the best is the last


def test_each_row_keeps_its_best_where_the_search_overshoots():
    z0 = tf.constant([[0.01], [3.0]])
    found = latent_search(lambda z: tf.reduce_sum(tf.abs(z), axis=1), z0, steps=20, learning_rate=5.0)
    assert found.value.numpy()[0] == pytest.approx(0.01)
    assert found.value.numpy()[1] <= 3.0
    assert np.abs(found.z.numpy()[:, 0]) == pytest.approx(found.value.numpy())  # the z of that value, not the last one


def test_rows_do_not_mix(draw):
    x = draw.normal(size=(6, 10)).astype("float32")
    matrix = draw.normal(size=(4, 10)).astype("float32")
    z0 = draw.normal(size=(6, 4)).astype("float32")
    search = lambda rows: latent_search(quadratic(x[rows], matrix), tf.constant(z0[rows]), steps=50)  # noqa: E731
    together = search(np.arange(6)).z.numpy()
    assert search(np.arange(6)[::-1]).z.numpy()[::-1] == pytest.approx(together, abs=1e-5)
    alone = np.concatenate([search(np.array([i])).z.numpy() for i in range(6)])
    assert alone == pytest.approx(together, abs=1e-5)


def test_a_row_without_finite_values_spoils_no_other():
    def objective(z):
        return tf.reduce_sum(tf.square(z - 1.0), axis=1) / tf.constant([1.0, 0.0])

    found = latent_search(objective, tf.zeros((2, 3)), steps=200, learning_rate=0.1)
    assert found.z.numpy()[0] == pytest.approx([1.0] * 3, abs=1e-3)
    assert found.z.numpy()[1] == pytest.approx([0.0] * 3)  # stays where it began


def test_restarts_return_the_best_of_each_query():
    valleys = lambda z: tf.minimum(tf.square(z[:, 0] - 2.0), tf.square(z[:, 0] + 2.0) + 1.0)  # noqa: E731
    z0 = tf.constant([[-3.0], [3.0], [-3.0], [-2.5]])
    found = latent_search(valleys, z0, steps=200, learning_rate=0.1, restarts=2)
    assert found.z.numpy()[:, 0] == pytest.approx([2.0, -2.0], abs=0.01)
    assert found.value.numpy() == pytest.approx([0.0, 1.0], abs=1e-3)


def test_a_row_that_gains_nothing_stops_and_the_others_go_on():
    target = tf.constant([[0.0], [1.0]])
    objective = lambda z: tf.reduce_sum(tf.square(z - target), axis=1)  # noqa: E731
    kwargs = {"steps": 300, "learning_rate": 0.02, "patience": 10}
    found = latent_search(objective, tf.zeros((2, 1)), **kwargs)
    assert found.steps.numpy()[0] <= 10 < found.steps.numpy()[1] < 300
    assert found.value.numpy() == pytest.approx([0.0, 0.0], abs=1e-4)
    alone = latent_search(lambda z: tf.reduce_sum(tf.square(z - 1.0), axis=1), tf.zeros((1, 1)), **kwargs)
    assert alone.z.numpy()[0] == pytest.approx(found.z.numpy()[1])


def test_what_cannot_be_searched_is_refused():
    objective = lambda z: z[:, 0]  # noqa: E731
    for arguments, word in (
        ({"steps": -1}, "steps=-1"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"restarts": 0}, "restarts=0"),
        ({"patience": 0}, "patience=0"),
        ({"tolerance": -1.0}, "tolerance=-1.0"),
        ({"steps": math.nan}, "steps=nan"),
        ({"patience": "x"}, "patience='x'"),
        ({"restarts": 2}, "restarts=2"),
    ):
        with pytest.raises(ValueError, match=word):
            latent_search(objective, tf.zeros((1, 1)), **arguments)
    for at in ((), (5, 5), (5, 3), (-1, 3), (0, 1.5, 3), ("a", 3)):
        with pytest.raises(ValueError, match="Expected"):
            search_path(objective, tf.zeros((1, 1)), at=at)
    found = search_path(objective, np.zeros((1, 1)), at=np.array([0.0, 2.0]))  # NumPy will do
    assert [int(state.steps[0]) for state in found] == [0, 2]


def test_the_score_is_the_papers(trained):
    detector, x, _ = trained
    explained = Explainer(detector).predict(x)
    x_hat = detector.generator.predict(explained["latent"], verbose=0)
    f, f_hat = (detector.discriminator.predict(images, verbose=0)[1] for images in (x, x_hat))
    residual = np.abs(x - x_hat).reshape(len(x), -1).sum(axis=1)
    term = np.abs(f - f_hat).sum(axis=1)
    assert explained["residual"] == pytest.approx(residual, rel=1e-4)
    assert explained["discriminator_term"] == pytest.approx(term, rel=1e-3)
    assert explained["score"] == pytest.approx(0.9 * residual + 0.1 * term, rel=1e-3)
    assert explained["anomaly_map"] == pytest.approx(np.abs(x - x_hat)[..., 0], abs=1e-4)


def test_lambda_weighs_the_two_terms(trained):
    detector, x, _ = trained
    for lambda_, key in ((0.0, "residual"), (1.0, "discriminator_term")):
        explained = Explainer(with_steps(detector, 10, lambda_=lambda_)).predict(x[:8])
        assert explained["score"] == pytest.approx(explained[key], rel=1e-4)


def test_euclidean_norms_and_the_prior_are_in_the_score(trained):
    detector, x, _ = trained
    explained = Explainer(with_steps(detector, 10, degree=2, prior_weight=0.3)).predict(x[:8])
    x_hat = detector.generator.predict(explained["latent"], verbose=0)
    f, f_hat = (detector.discriminator.predict(images, verbose=0)[1] for images in (x[:8], x_hat))
    residual = np.sqrt(np.square(x[:8] - x_hat).sum(axis=(1, 2, 3)))
    term, prior = np.sqrt(np.square(f - f_hat).sum(axis=1)), np.square(explained["latent"]).sum(axis=1)
    assert explained["score"] == pytest.approx(0.9 * residual + 0.1 * term + 0.3 * prior, rel=1e-4)


def test_a_prior_keeps_the_search_near_what_the_generator_knows(trained):
    detector, x, _ = trained
    free, kept = (Explainer(with_steps(detector, 60, prior_weight=w)).predict(x) for w in (0.0, 3.0))
    assert np.median(kept["prior_term"]) < 0.5 * np.median(free["prior_term"])


def test_a_euclidean_search_with_a_prior_is_the_regularised_projection(draw):
    """Where G(z) = z W and lambda is 0, the best z solves (2 R w I + W W') z = W x, R being the distance left."""
    matrix = draw.normal(size=(3, 6)).astype("float32")
    x = draw.normal(size=(5, 6)).astype("float32")
    z = keras.Input((3,))
    dense = keras.layers.Dense(6, use_bias=False)
    generator = keras.Model(z, dense(z))
    dense.set_weights([matrix])
    seen = keras.Input((6,))
    judge = keras.Model(seen, [keras.layers.Dense(1)(seen), keras.layers.Dense(2)(seen)])
    searcher = AnoGAN(generator, judge, lambda_=0.0, degree=2, prior_weight=0.2, steps=500)
    searcher.compile()
    found = Explainer(searcher).predict(x)
    for row, z, left in zip(x, found["latent"], found["residual"], strict=True):
        solved = np.linalg.solve(2 * left * 0.2 * np.eye(3) + matrix @ matrix.T, matrix @ row)
        assert z == pytest.approx(solved, abs=2e-3)


def test_a_norm_that_is_zero_does_not_stop_the_search():
    """The discriminator's features are always equal here; the slope of their norm must be 0, not NaN."""
    z = keras.Input((3,))
    generator = keras.Model(z, keras.layers.Identity()(z))
    judge = keras.Model(z, [keras.layers.Dense(1)(z), keras.layers.Dense(2, kernel_initializer="zeros")(z)])
    searcher = AnoGAN(generator, judge, degree=2, steps=300)
    searcher.compile()
    assert searcher.predict(np.array([[0.1, 0.2, 0.3]], "float32"))[0] == pytest.approx(0.0, abs=0.01)


def test_training_learns_to_tell_the_normal_digit(trained):
    detector, x, labels = trained
    assert evaluation.auroc(labels, detector.predict(x)) > 0.9  # measured 0.96 to 0.99


def test_a_long_search_hardly_depends_on_order_and_batch(trained):
    detector, x, labels = trained
    for steps, median, worst in ((50, 1e-6, 1e-5), (500, 1e-6, 1e-3)):
        searcher = with_steps(detector, steps)
        scores = searcher.predict(x, batch_size=128)
        for other in (searcher.predict(x[::-1])[::-1], searcher.predict(x, batch_size=50)):
            error = np.abs(other - scores) / scores
            assert np.median(error) <= median
            assert error.max() <= worst
            assert evaluation.auroc(labels, other) == pytest.approx(evaluation.auroc(labels, scores), abs=1e-4)


def test_every_query_begins_alike(trained):
    detector, x, _ = trained
    twice = np.concatenate([x[:1], x[3:4], x[:1]])
    scores = detector.predict(twice)
    assert scores[0] == pytest.approx(scores[2], rel=1e-6)
    begun = Explainer(with_steps(detector, 0)).predict(x)["latent"]
    assert np.array_equal(begun, np.repeat(begun[:1], len(x), axis=0))
    assert not np.array_equal(begun[0], Explainer(with_steps(detector, 0, seed=1)).predict(x)["latent"][0])


def test_more_steps_and_more_restarts_find_no_worse(trained):
    detector, x, _ = trained
    few, many = (with_steps(detector, steps).predict(x) for steps in (5, 200))
    assert np.median(many) < np.median(few)
    once, best = (with_steps(detector, 60, restarts=k).predict(x) for k in (1, 4))
    assert (best <= once * (1 + 1e-3)).all()  # the first of the four begins where the one did
    assert (best < once).any()


def test_a_trajectory_falls_to_the_score(trained):
    detector, x, _ = trained
    path = detector.trajectory(x[:8], at=(0, 10, 60))
    values = np.stack([state["score"] for state in path])
    assert (np.diff(values, axis=0) <= 0).all()
    assert values[-1] == pytest.approx(detector.predict(x[:8]), rel=1e-4)
    assert path[0]["reconstruction"].shape == (8, *SHAPE)
    with pytest.raises(ValueError, match="ascending"):
        detector.trajectory(x[:8], at=(10, 5))


def test_an_encoder_is_where_the_search_begins(trained):
    detector, x, _ = trained
    encoder = build_dcgan_encoder(SHAPE, 8, 8, latent_activation=None, seed=0)
    warm = with_steps(detector, 0, encoder=encoder)
    assert Explainer(warm).predict(x)["latent"] == pytest.approx(encoder.predict(x, verbose=0), abs=1e-5)
    searched = with_steps(detector, 30, encoder=encoder)
    assert (searched.predict(x) <= warm.predict(x)).all()
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(searched))
    assert loaded.encoder.input_shape == encoder.input_shape
    with pytest.raises(ValueError, match="restarts=1 with an encoder"):
        with_steps(detector, 5, encoder=encoder, restarts=2)
    with pytest.raises(ValueError, match="encoder to make"):
        with_steps(detector, 5, encoder=build_dcgan_encoder(SHAPE, 5, 4))


def test_encoders_of_other_detectors_begin_the_search():
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    gan = build_detector("efficientgan", (6,), latent_dim=3)
    judge = build_detector("anogan", (6,), latent_dim=3).discriminator
    warm = AnoGAN(gan.generator, judge, encoder=gan.encoder, steps=0)
    assert Explainer(warm).predict(rows.tolist())["latent"] == pytest.approx(gan.encoder.predict(rows, verbose=0))


def test_a_file_keeps_the_encoder(trained, tmp_path):
    detector, x, _ = trained
    warm = with_steps(detector, 5, encoder=build_dcgan_encoder(SHAPE, 8, 8, seed=0))
    warm.save(tmp_path / "warm.keras")
    loaded = keras.models.load_model(tmp_path / "warm.keras")
    assert loaded.predict(x) == pytest.approx(warm.predict(x), rel=1e-4)


def test_networks_that_are_trained_already_need_no_fit_and_stay_as_they_are(trained):
    fanogan = build_detector("fanogan", SHAPE, latent_dim=4)
    detector = AnoGAN(fanogan.generator, fanogan.critic, steps=5)
    before = weights_by_path(detector)
    scores = detector.predict(trained[1][:8])
    assert scores.shape == (8,)
    assert not changed(before, weights_by_path(detector))


def test_the_search_runs_in_a_sequential_under_xla_and_exported(trained, tmp_path):
    detector, x, _ = trained
    searcher = with_steps(detector, 20)
    scores = searcher.predict(x)
    threshold = ConformalThreshold(0.1).adapt(scores)
    model = keras.Sequential([keras.Input(SHAPE), searcher, threshold])
    clear = np.abs(scores / threshold.threshold - 1.0) > 1e-4  # not the row that the threshold is, to the last bit
    alarms = (scores > threshold.threshold)[clear].tolist()
    assert model.predict(x, verbose=0)[clear].tolist() == alarms
    model.export(tmp_path / "model", verbose=False)
    served = tf.saved_model.load(tmp_path / "model")
    assert served.serve(tf.constant(x)).numpy()[clear].tolist() == alarms
    compiled = tf.function(searcher, jit_compile=True)(tf.constant(x))
    assert np.median(np.abs(compiled.numpy() - scores) / scores) < 1e-4


def test_validation_searches_fewer_steps(trained):
    detector, x, _ = trained
    quick = with_steps(detector, 40, monitor_steps=3)
    logged = quick.evaluate(x, batch_size=128, verbose=0, return_dict=True)
    three_steps = with_steps(detector, 40).trajectory(x, at=(3,))[0]["score"]
    assert logged["score"] == pytest.approx(three_steps.mean(), rel=1e-3)


def test_bad_arguments_are_named(trained):
    detector, _, _ = trained
    for arguments, word in (
        ({"lambda_": 1.5}, "1.5"),
        ({"monitor_steps": -1}, "-1"),
        ({"learning_rate": -1}, "-1"),
        ({"degree": 0.5}, "degree=0.5"),
        ({"degree": math.inf}, "degree=inf"),
        ({"prior_weight": -0.1}, "prior_weight=-0.1"),
        ({"prior_weight": math.inf}, "prior_weight=inf"),
    ):
        with pytest.raises(ValueError, match=word):
            with_steps(detector, **{"steps": 5, **arguments})
    z = keras.Input((1, 1, 8))
    with pytest.raises(ValueError, match=r"z \(batch, latent_dim\)"):
        AnoGAN(keras.Model(z, detector.generator(keras.layers.Flatten()(z))), detector.discriminator)
    with pytest.raises(ValueError, match="latent_dim=0"):
        build_detector("anogan", SHAPE, latent_dim=0)

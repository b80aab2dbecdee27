"""What `fit` is given: cast, warned of, or refused with one sentence that speaks of what the user passed."""

import functools
import warnings

import keras
import numpy as np
import pandas
import pytest
import tensorflow as tf

from keras_anogan import build_detector

DRAW = np.random.default_rng(0)
ROWS = DRAW.uniform(-1, 1, (32, 4)).astype("float32")
IMAGES = DRAW.uniform(-1, 1, (32, 8, 8, 1)).astype("float32")
BYTES = DRAW.integers(0, 256, (32, 8, 8, 1), dtype="uint8")
NAMES = ("autoencoder", "pca")  # one that is trained, one that is solved


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)  # tracing would take most of the time
    yield
    tf.config.run_functions_eagerly(False)


def make(name, shape):
    params = {} if name == "pca" or len(shape) == 1 else {"filters": 2}
    detector = build_detector(name, shape, **params)
    detector.compile()
    return detector


shared = functools.cache(make)  # one for most tests: building costs more than a step


def fit(detector, x, **kwargs):
    detector.step.assign(0)
    detector.fit(x, verbose=0, **kwargs)
    return detector


def batched(x):
    return tf.data.Dataset.from_tensor_slices(x).batch(16)


class Tensor:
    """What PyTorch's tensors answer: NumPy only after `detach` and `cpu`."""

    def __init__(self, x, ready=False):
        self.x, self.ready = x, ready

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.x, ready=True)

    def numpy(self):
        assert self.ready
        return self.x

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Sequence(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.x[16 * index : 16 * index + 16],)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "given",
    [
        ROWS.tolist(),
        pandas.DataFrame(ROWS, columns=list("abcd")),
        pandas.DataFrame(ROWS.round(1) * 10).astype("int64"),
        Tensor(ROWS),
        tf.constant(ROWS),
        (ROWS, ["a"] * 32),
        batched(ROWS.astype("float64")),
        batched((100 * ROWS).astype("int32")),
        batched((ROWS.astype("float64"), np.zeros(32))),
    ],
    ids=["list", "frame", "frame of integers", "torch", "tensor", "labels", "float64", "int32", "pairs"],
)
def test_rows_of_any_kind_are_trained_on(name, given):
    assert int(fit(shared(name, (4,)), given).step) >= 1


def test_a_data_set_teaches_what_its_rows_teach():
    wanted, found = fit(make("pca", (4,)), ROWS), fit(make("pca", (4,)), batched(ROWS.astype("float64")))
    np.testing.assert_allclose(found.predict(ROWS), wanted.predict(ROWS), rtol=1e-4)


@pytest.mark.parametrize("give", [lambda: iter([ROWS[:16].astype("float64"), ROWS[16:]]), lambda: Sequence(ROWS)])
def test_generators_and_sequences_of_batches_train(give):
    assert int(fit(shared("autoencoder", (4,)), give()).step) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", [255 * (IMAGES + 1) / 2, batched(255 * (IMAGES + 1) / 2)], ids=["array", "data set"])
def test_images_that_do_not_lie_in_minus_one_to_one_are_warned_of(name, given):
    with pytest.warns(UserWarning, match=r"\[-1, 1\]. Received: values from 0\.\d+ to 254"):
        fit(shared(name, (8, 8, 1)), given)


def test_scaled_images_and_rows_of_any_range_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(shared("pca", (8, 8, 1)), IMAGES)
        fit(shared("pca", (4,)), 1000 * ROWS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "given", "kwargs", "sentence"),
    [
        ((8, 8, 1), BYTES, {}, "expected float images.*dtype uint8"),
        ((8, 8, 1), batched(BYTES), {}, "expected float images.*dtype uint8"),
        ((4,), ROWS, {"class_weight": {0: 1.0}}, "no `class_weight`"),
        ((4,), ROWS, {"sample_weight": np.ones(32)}, "no `sample_weight`"),
        ((4,), batched((ROWS, ROWS, np.ones(32))), {}, "three parts"),
        ((4,), (ROWS, ROWS, np.ones(32)), {}, "pair of rows and labels. Received: tuple, 3 parts"),
        ((4,), tf.data.Dataset.from_tensor_slices(ROWS), {}, r"Received: shape \(4,\); x.batch\(32\)"),
        ((4,), batched(ROWS[:, :3]), {}, r"\(None, 4\). Received: shape \(None, 3\)"),
        ((4,), batched(np.full((32, 4), "a")), {}, "batches of numbers"),
        ((4,), [[1.0, 2.0], [1.0]], {}, "rows of several shapes"),
        ((4,), pandas.DataFrame({"a": [1, 2], "colour": ["red", "blue"]}), {}, "columns of numbers.*'colour'"),
        ((4,), None, {}, "Received: NoneType"),
        ((4,), {"a": ROWS}, {}, "Received: dict"),
        ((4,), "rows.csv", {}, "Received: str, 'rows.csv'"),
        ((4,), ROWS, {"validation_data": ROWS[:, :3]}, r"validation_data expected rows of shape \(n, 4\)"),
        ((4,), ROWS, {"validation_data": batched(ROWS[:, :3])}, r"validation_data expected batches of shape"),
        ((8, 8, 1), IMAGES, {"validation_data": BYTES}, "validation_data expected float images"),
        ((4,), ROWS, {"validation_data": (ROWS, ROWS, ROWS)}, "validation_data expected rows, or a pair"),
    ],
)
def test_what_cannot_be_trained_on_gets_one_sentence(name, shape, given, kwargs, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        fit(shared(name, shape), given, **kwargs)
    assert "\n" not in str(error.value)


def test_what_has_no_end_cannot_be_solved():
    for given in (batched(ROWS).repeat(), iter([ROWS]), Sequence(ROWS)):
        with pytest.raises(ValueError, match="PCA expected rows that have an end"):
            fit(shared("pca", (4,)), given)


def test_a_generator_of_bytes_or_of_nothing_is_refused():
    with pytest.raises(ValueError, match="float images"):
        fit(shared("autoencoder", (8, 8, 1)), iter([BYTES]))
    with pytest.raises(ValueError, match="one that gives none"):
        fit(shared("autoencoder", (4,)), iter(()))


@pytest.mark.parametrize("name", NAMES)
def test_a_mistyped_argument_is_refused(name):
    with pytest.raises(TypeError, match="epohcs"):
        fit(shared(name, (4,)), ROWS, epohcs=3)

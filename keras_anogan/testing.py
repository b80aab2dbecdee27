"""`check_detector`: the contract that every detector keeps, ours and yours, as named checks.

from keras_anogan.testing import check_detector

def make_detector():                      # fresh, compiled, always with the same seed
    detector = MyDetector(...)
    detector.compile(jit_compile=False)
    return detector

check_detector(make_detector, x)          # x: 16 to 64 rows of normal data; raises AssertionError
"""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from keras_anogan.detector import AnomalyDetector, Explainer

Check = Callable[["Subject"], None]
CHECKS: dict[str, Check] = {}
BATCH = 8


def check_detector(
    make_detector: Callable[[], AnomalyDetector],
    x: Any,
    y: Any = None,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> None:
    """Run every check of the contract (see `CHECKS`) on a detector.

    Args:
        make_detector: returns a fresh, compiled detector, with the same seed each time.
        x: rows of normal data, (n, ...) with n >= 16, as the detector takes them.
        y: labels of these rows, for a class that uses labels of normal data.
        only: names of the checks to run; default all.
        skip: names of checks to leave out.

    Raises:
        AssertionError: names every check that failed, and why.
        ValueError: for a detector in place of a function that makes it, an unknown name, or fewer than 16 rows.
    """
    if isinstance(make_detector, AnomalyDetector):
        raise ValueError(
            "Expected a function that returns a fresh, compiled detector each time. "
            f"Received: a {type(make_detector).__name__}; lambda: build_detector(...) after compile makes one."
        )
    if unknown := [name for name in (*only, *skip) if name not in CHECKS]:
        raise ValueError(f"Expected names of checks, {tuple(CHECKS)}. Received: {unknown[0]!r}.")
    if len(x) < 16:
        raise ValueError(f"Expected at least 16 rows to check with. Received: {len(x)}.")
    subject = Subject(make_detector, np.asarray(x, "float32"), y)
    failures = []
    for name in only or CHECKS:
        if name not in skip:
            try:
                CHECKS[name](subject)
            except Exception as error:  # any exception is a broken contract
                failures.append(f"{name}: {error}" if isinstance(error, AssertionError) else f"{name}: {error!r}")
    if failures:
        raise AssertionError("The detector breaks its contract.\n" + "\n".join(failures))


class Subject:
    """The detector under test: fresh ones, and what several checks read, made once: tracing costs the most.

    That is one detector trained for two epochs, what was saved of it between them, its scores, and one trained alike
    with labels.
    """

    def __init__(self, make_detector: Callable[[], AnomalyDetector], x: np.ndarray, y: Any) -> None:
        self.make = make_detector
        self.x, self.y = x, y

    def fit(self, detector: AnomalyDetector, y: Any = None, **kwargs: Any) -> AnomalyDetector:
        """The detector, trained for two epochs on the rows, with their labels or with `y`."""
        labels = self.y if y is None else y
        data = self.x if labels is None else (self.x, labels)
        detector.fit(data, batch_size=BATCH, verbose=0, **{"epochs": 2, **kwargs})
        return detector

    @functools.cached_property
    def trained(self) -> AnomalyDetector:
        """A detector that was trained once for all checks; its weights before are in `initial`."""
        detector = self.make()
        self.initial = weights_by_path(detector)
        if detector.tags.closed_form:
            return self.fit(detector)
        self.halfway = _SavedAfterOneEpoch()
        return self.fit(detector, callbacks=[self.halfway])

    @functools.cached_property
    def labelled(self) -> AnomalyDetector:
        return self.fit(self.make(), y=np.arange(len(self.x)) % 2)

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """What the trained detector says of the rows, (n,)."""
        return self.trained.predict(self.x)

    def assert_same_scores(self, got: Any, want: Any, what: str) -> None:
        """Fail unless scores agree to 1e-5. A search amplifies rounding: there half agree to 1e-6 and all to 1e-3."""
        got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
        assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
        error = np.abs(got - want) / np.maximum(np.abs(want), 1e-3 * np.abs(want).max() + 1e-12)
        if self.trained.tags.search_at_query:
            assert np.median(error) <= 1e-6, f"{what}: median relative difference {np.median(error):.2g} > 1e-6"
            assert error.max() <= 1e-3, f"{what}: relative difference {error.max():.2g} > 1e-3"
        else:
            assert error.max() <= 1e-5, f"{what}: relative difference {error.max():.2g} > 1e-5"


def check(function: Check) -> Check:
    """Register a check under its name."""
    CHECKS[function.__name__] = function
    return function


@check
def score_is_one_finite_float32_per_sample(subject: Subject) -> None:
    explained = Explainer(subject.trained).predict(subject.x)
    scores = subject.scores
    assert scores.shape == (len(subject.x),), f"shape {scores.shape} instead of {(len(subject.x),)}"
    assert scores.dtype == np.float32, f"dtype {scores.dtype} instead of float32"
    assert np.isfinite(scores).all(), "a score is not finite"
    subject.assert_same_scores(explained["score"], scores, "explain's score")
    if subject.x.ndim == 4:
        shape = explained["anomaly_map"].shape if "anomaly_map" in explained else subject.x.shape[:3]
        assert shape == subject.x.shape[:3], f"anomaly_map has shape {shape} instead of {subject.x.shape[:3]}"


@check
def score_depends_on_the_sample_alone(subject: Subject) -> None:
    x, scores, detector = subject.x, subject.scores, subject.trained
    subject.assert_same_scores(detector.predict(x), scores, "scored again")
    subject.assert_same_scores(detector.predict(x[::-1])[::-1], scores, "in another order")
    subject.assert_same_scores(detector.predict(x, batch_size=5), scores, "in batches of 5")
    alone = [detector.predict(x[i : i + 1])[0] for i in range(4)]
    subject.assert_same_scores(alone, scores[:4], "alone")


@check
def predict_leaves_every_weight(subject: Subject) -> None:
    detector = subject.trained
    before = weights_by_path(detector)
    detector.predict(subject.x)
    moved = changed(before, weights_by_path(detector))
    assert not moved, f"predict moved {moved[0]}"


@check
def fit_moves_the_players_networks_only(subject: Subject) -> None:
    detector = subject.trained
    moved = set(changed(subject.initial, weights_by_path(detector)))
    assert moved, "fit moved nothing"
    owned = {key for networks in detector.players.values() for key in networks}
    for key in detector.networks:
        own = {f"{key}/{i}" for i in range(len(getattr(detector, key).weights))}
        if key in owned:
            assert moved & own, f"fit did not move the network {key!r}"
        else:
            assert not moved & own, f"fit moved the network {key!r}, which belongs to no player"


@check
def labels_are_ignored(subject: Subject) -> None:
    if subject.trained.tags.uses_normal_labels:
        return
    moved = changed(weights_by_path(subject.trained), weights_by_path(subject.labelled))
    assert not moved, f"fit((x, y)) gave another {moved[0]} than fit(x)"


@check
def same_seed_gives_same_weights(subject: Subject) -> None:
    weights = weights_by_path(subject.trained)
    if not subject.trained.tags.uses_normal_labels and not changed(weights, weights_by_path(subject.labelled)):
        return  # a second run whose labels were ignored is a second run
    moved = changed(weights, weights_by_path(subject.fit(subject.make())))
    assert not moved, f"a second run with the same seed gave another {moved[0]}"


@check
def saving_keeps_scores_and_optimizers(subject: Subject) -> None:
    detector = subject.trained
    loaded = save_and_load(detector)
    subject.assert_same_scores(loaded.predict(subject.x), subject.scores, "after loading")
    for player, optimizer in detector.optimizers.items():
        assert player in loaded.optimizers, f"the optimizer of {player!r} is gone after loading"
        slots, found = optimizer.variables, loaded.optimizers[player].variables
        assert len(slots) == len(found), f"the optimizer of {player!r} lost its slots"
        for a, b in zip(slots, found, strict=True):
            assert np.array_equal(a, b), f"the optimizer of {player!r} came back with another {a.name}"


@check
def training_resumes_exactly(subject: Subject) -> None:
    if subject.trained.tags.closed_form:
        return
    undisturbed = weights_by_path(subject.trained)
    resumed = subject.fit(subject.halfway.load(), epochs=2, initial_epoch=1)
    moved = changed(undisturbed, weights_by_path(resumed))
    assert not moved, f"a run that was saved and resumed gave another {moved[0]} than the undisturbed one"


@check
def graph_scores_as_eager(subject: Subject) -> None:
    eager = subject.trained(keras.ops.convert_to_tensor(subject.x))
    subject.assert_same_scores(eager, subject.scores, "called eagerly")


@check
def export_scores_alike_without_the_package(subject: Subject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subject.trained.export(f"{folder}/model", verbose=False)
        np.save(f"{folder}/x.npy", subject.x)
        served = score_in_another_process(folder)
    subject.assert_same_scores(served, subject.scores, "exported")


@check
def trains_in_bfloat16(subject: Subject) -> None:
    _trains_under_policy(subject, "mixed_bfloat16")


@check
def trains_in_float16(subject: Subject) -> None:
    _trains_under_policy(subject, "mixed_float16")


@check
def refuses_bad_input_with_a_sentence(subject: Subject) -> None:
    detector, x = subject.trained, subject.x
    poisoned = x.copy()
    poisoned[3] = np.nan
    for what, bad, word in (
        ("NaN", poisoned, "nan"),
        ("no rows", x[:0], "at least one row"),
        ("a wrong rank", x[..., None], str(x[..., None].shape)),
        ("a wrong size", np.concatenate([x, x], axis=1), str(np.concatenate([x, x], axis=1).shape)),
        ("strings", np.full(x.shape, "a"), "dtype"),
    ):
        for verb in (detector.predict, detector.fit):
            _assert_refused(functools.partial(verb, bad), f"{verb.__name__} of {what}", word)
    _assert_refused(lambda: detector(keras.ops.ones((2, *x.shape[1:], 1))), "a call with a wrong shape", "Received")
    _assert_refused(lambda: detector.compile(optimizers={"nobody": "adam"}), "an unknown player", "nobody")


def weights_by_path(detector: AnomalyDetector) -> dict[str, np.ndarray]:
    """Every weight of a detector by a name that two instances share: "network/index", or "own/index"."""
    found, seen = {}, set()
    for key in detector.networks:
        for i, weight in enumerate(getattr(detector, key).weights):
            found[f"{key}/{i}"] = np.array(weight)
            seen.add(id(weight))
    own = [weight for weight in detector.weights if id(weight) not in seen]
    return {**found, **{f"own/{i}": np.array(weight) for i, weight in enumerate(own)}}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """Names of the weights that are not equal, bit by bit."""
    return [name for name in before if not np.array_equal(before[name], after[name])]


class _SavedAfterOneEpoch(keras.callbacks.Callback):
    """Keeps the bytes of the `.keras` file that the model would be after the first epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            with tempfile.TemporaryDirectory() as folder:
                self.model.save(f"{folder}/detector.keras")
                self.file = pathlib.Path(folder, "detector.keras").read_bytes()

    def load(self) -> AnomalyDetector:
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "detector.keras").write_bytes(self.file)
            return keras.models.load_model(f"{folder}/detector.keras")


def save_and_load(detector: AnomalyDetector) -> AnomalyDetector:
    """The detector after a round trip through a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        detector.save(f"{folder}/detector.keras")
        return keras.models.load_model(f"{folder}/detector.keras")


_SCORE_FOLDERS = """
import sys
sys.modules['keras_anogan'] = None
import numpy as np, tensorflow as tf
for folder in map(str.rstrip, sys.stdin):
    try:
        served = tf.saved_model.load(f'{folder}/model').signatures['serving_default']
        name, = served.structured_input_signature[1]
        out = served(**{name: tf.constant(np.load(f'{folder}/x.npy'))})
        np.save(f'{folder}/scores.npy', next(iter(out.values())).numpy())
        print('done', flush=True)
    except Exception as error:
        print(' '.join(repr(error).split())[-300:], flush=True)
"""


@functools.cache
def _other_process() -> subprocess.Popen:
    """A process where importing keras_anogan fails, for all detectors of this one: importing TensorFlow takes seconds.

    It scores the folders whose names it is told, a line each, and ends with this process, which closes the pipe.
    """
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _SCORE_FOLDERS]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def score_in_another_process(folder: Any) -> np.ndarray:
    """Scores of `folder`/x.npy by the SavedModel `folder`/model where importing keras_anogan fails."""
    process = _other_process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{folder}\n")
    process.stdin.flush()
    answer = process.stdout.readline().strip()
    if not answer:
        _other_process.cache_clear()  # it died: the next model gets a process of its own
    assert answer == "done", f"the exported model does not run elsewhere: {answer or 'the process died'}"
    return np.load(pathlib.Path(folder) / "scores.npy")


def _trains_under_policy(subject: Subject, policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        detector = subject.make()
        start = weights_by_path(detector)
        subject.fit(detector)
        scores = detector.predict(subject.x)
    except Exception as error:
        half = policy.removeprefix("mixed_")
        if half not in str(error):
            raise
        raise AssertionError(
            f"under {policy} a network returns {half}, which does not mix with float32 data; end every network in a "
            "float32 layer, such as keras.layers.Activation('linear', dtype='float32')"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)
    weights = weights_by_path(detector)
    assert scores.dtype == np.float32, f"scores have dtype {scores.dtype} under {policy}"
    assert np.isfinite(scores).all(), f"a score is not finite under {policy}"
    bad = [name for name, value in weights.items() if not np.isfinite(value).all()]
    assert not bad, f"{bad[0]} is not finite after training under {policy}"
    stuck = {key for networks in detector.players.values() for key in networks}
    stuck -= {name.split("/")[0] for name in changed(start, weights)}
    assert not stuck, f"the network {min(stuck)!r} did not move under {policy}"


def _assert_refused(action: Callable[[], Any], what: str, word: str) -> None:
    try:
        action()
    except ValueError as error:
        assert word in str(error), f"{what} was refused without naming {word!r}: {error}"
    else:
        raise AssertionError(f"{what} was not refused")

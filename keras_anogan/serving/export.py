"""A SavedModel that proves itself: written, loaded, compared with the detector, and only then moved into place."""

from __future__ import annotations

import math
import pathlib
import shutil
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.files import check_new_folder

MOST_BYTES = 2**23  # of the samples that a model is proved on
SCORE_TOLERANCE = 1e-5  # relative, float32, one pass
SEARCH_TOLERANCE = 1e-3  # after an iterative search at query time


def export(fitted: Any, path: Any, sample: Any = None) -> None:
    """Write a `FittedDetector` as a SavedModel; see `FittedDetector.export`."""
    path = pathlib.Path(path)
    check_new_folder(path)
    if sample is None:
        few = MOST_BYTES // (4 * math.prod(fitted.detector.sample_shape))  # of large photographs
        sample = fitted.raw.sample(rows=min(16, max(2, few)))
    else:
        sample = fitted.check_raw(sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as work:
        target = pathlib.Path(work) / "model"
        write_saved_model(fitted, target)
        check_exported(fitted, target, sample)
        if path.exists():
            path.rmdir()
        shutil.move(target, path)


def write_saved_model(fitted: Any, target: pathlib.Path) -> None:
    """Write the endpoints to the folder `target`.

    They are `serving_default` (the score) and `explain` (everything) of raw input, and `encoded`, the score of the
    detector's own input: resizing and looking up words are what small devices have no kernels for.
    """
    archive = keras.export.ExportArchive()
    archive.track(fitted)
    for endpoint, function in (("serving_default", lambda raw: {"score": fitted(raw)}), ("explain", fitted.explain)):
        archive.add_endpoint(endpoint, *fitted.raw.served(function))
    spec = tf.TensorSpec((None, *fitted.detector.sample_shape), "float32", name="encoded")
    archive.add_endpoint("encoded", lambda encoded: {"score": fitted.detector(encoded)}, [spec])
    archive.write_out(str(target), verbose=False)


def check_exported(fitted: Any, target: pathlib.Path, sample: Any) -> None:
    """Compare scores and alarms of the SavedModel in `target` with the detector's, on checked raw samples.

    Raises:
        RuntimeError: if scores differ by more than the tolerance, or alarms where a score is not at the threshold.
    """
    signatures = tf.saved_model.load(str(target)).signatures
    given = fitted.raw.named(sample)
    served = signatures["explain"](**given)
    plain = signatures["serving_default"](**given)["score"].numpy()
    tensors = {key: tf.constant(part) for key, part in sample.items()} if isinstance(sample, dict) else sample
    encoded = signatures["encoded"](encoded=tf.convert_to_tensor(fitted.preprocess(tensors)))["score"].numpy()
    want = fitted.detect(sample)
    tolerance = SEARCH_TOLERANCE if fitted.detector.tags.search_at_query else SCORE_TOLERANCE
    scale = np.maximum(np.abs(want["score"]), 1e-6)
    pairs = ((plain, fitted.predict(sample)), (served["score"].numpy(), want["score"]), (encoded, want["score"]))
    error = max(float(np.max(np.abs(got - score) / scale)) for got, score in pairs)
    clear = np.abs(want["score"] - fitted.threshold.threshold) > tolerance * scale
    alarms_differ = (served["is_anomaly"].numpy() != want["is_anomaly"])[clear].any()
    if not error <= tolerance or alarms_differ:
        raise RuntimeError(
            f"The exported model's scores differ from predict's by {error:.2g} (relative; at most {tolerance:g} is "
            f"allowed){', and so do its alarms' if alarms_differ else ''}. Nothing was exported."
        )

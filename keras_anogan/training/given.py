"""What users hand to `fit`, in the form that training takes, or one sentence on why not."""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Shape = tuple[int | None, ...]
LIMIT = 1.0 + 1e-3  # of images in [-1, 1], with some room for rounding


def as_array(x: Any, owner: str = "fit") -> Any:
    """Lists, tensors of TensorFlow and PyTorch, and DataFrames as NumPy arrays; anything else as it is.

    Raises:
        ValueError: for rows of several shapes, or columns that are no numbers.
    """
    if hasattr(x, "detach") and hasattr(x, "numpy"):  # a tensor of PyTorch, maybe on a GPU and in a graph
        return x.detach().cpu().numpy()
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):  # a DataFrame
        texts = [str(name) for name, kind in x.dtypes.items() if getattr(kind, "kind", "O") not in "fiub"]
        if texts:
            raise ValueError(
                f"{owner} expected columns of numbers. Received: {', '.join(map(repr, texts[:3]))} of another dtype; "
                "a TableEncoder turns columns into numbers."
            )
        return x.to_numpy(dtype="float64", na_value=np.nan)
    if isinstance(x, (list, tf.Tensor)):
        try:
            return np.asarray(x)
        except ValueError:
            raise ValueError(f"{owner} expected rows of one shape. Received: rows of several shapes.") from None
    return x


def refuse_arguments(owner: str, kwargs: dict[str, Any]) -> None:
    """Refuse arguments of Keras's `fit` that mean nothing here, and those that it has not.

    Raises:
        ValueError: for weights of samples or classes.
        TypeError: for an unknown name.
    """
    for name in ("sample_weight", "class_weight"):
        if kwargs.get(name) is not None:
            raise ValueError(
                f"{owner} trains on normal data that all count alike. Expected no `{name}`. Received: one; give the "
                "rows that shall count more than once."
            )
    if unknown := sorted(set(kwargs) - set(inspect.signature(keras.Model.fit).parameters)):
        raise TypeError(f"{owner}.fit() got an unexpected keyword argument {unknown[0]!r}")


def warn_of_range(low: float, high: float, shape: Shape, owner: str) -> None:
    """Warn of images or windows that do not lie in [-1, 1], where the networks' activations and noise live."""
    if len(shape) >= 3 and (low < -LIMIT or high > LIMIT):
        scale = "x / 127.5 - 1.0" if low >= 0.0 and high <= 255.0 else "2.0 * (x - low) / (high - low) - 1.0"
        warnings.warn(
            f"{owner} expected images in [-1, 1]. Received: values from {low:g} to {high:g}; it trains on them as they "
            f"are, and {scale} would scale them.",
            UserWarning,
            stacklevel=4,  # who called `fit`
        )


def checked_batches(x: Any, shape: Shape, owner: str) -> Any:
    """Data that only Keras knows how to read, whose batches are float32 of the right shape as far as they can be asked.

    Args:
        x: a `tf.data.Dataset`, a generator of batches, a `keras.utils.PyDataset`, or what else Keras takes.
        shape: expected shape of a row; None matches any size.
        owner: who expects it, for the sentence.

    Raises:
        ValueError: for nothing at all, sample weights, a wrong shape, or a dtype that is not a number or, of images,
            not a float.
    """
    if x is None or isinstance(x, (str, bytes, dict, int, float)) or (isinstance(x, tuple) and len(x) != 2):
        what = f"{len(x)} parts" if isinstance(x, (tuple, dict)) else repr(x)[:40]
        raise ValueError(f"{owner} expected rows, or a pair of rows and labels. Received: {type(x).__name__}, {what}.")
    if isinstance(x, tf.data.Dataset):
        return _checked_dataset(x, shape, owner)
    if isinstance(x, Iterator):
        return _checked_generator(x, shape, owner)
    if isinstance(x, keras.utils.PyDataset) and len(x):
        first = _data_of_batch(x[0], owner)
        _check_batch(tuple(np.shape(first)), np.asarray(first).dtype, shape, owner)
    return x


def _data_of_batch(batch: Any, owner: str) -> Any:
    """The rows of a batch, which may have labels."""
    if isinstance(batch, (tuple, list)) and len(batch) == 3:
        raise ValueError(
            f"{owner} trains on normal data that all count alike. Expected batches x or (x, y). Received: batches of "
            "three parts, the third of which would be sample weights."
        )
    return batch[0] if isinstance(batch, (tuple, list)) and len(batch) in (1, 2) else batch


def _check_batch(found: tuple[int | None, ...], dtype: np.dtype, shape: Shape, owner: str) -> None:
    """Refuse batches that no training step takes; `found` is a batch's shape."""
    if dtype.kind not in "fiubV":  # V: bfloat16
        raise ValueError(f"{owner} expected batches of numbers. Received: dtype {dtype}.")
    fits = len(found) == len(shape) + 1 and all(
        None in (got, want) or got == want for got, want in zip(found[1:], shape, strict=True)
    )
    if not fits:
        hint = "; x.batch(32) makes batches of rows" if len(found) == len(shape) else ""
        raise ValueError(f"{owner} expected batches of shape {(None, *shape)}. Received: shape {found}{hint}.")
    if len(shape) >= 3 and dtype.kind not in "fV":
        raise ValueError(
            f"{owner} expected float images, scaled to the range of its networks. Received: dtype {dtype}; "
            "tf.cast(x, 'float32') / 127.5 - 1.0 scales bytes."
        )


def _checked_dataset(dataset: tf.data.Dataset, shape: Shape, owner: str) -> tf.data.Dataset:
    spec = _data_of_batch(dataset.element_spec, owner)
    if isinstance(spec, dict) or not hasattr(spec, "dtype"):
        raise ValueError(f"{owner} expected a data set of batches x or (x, y). Received: batches of {spec!r}.")
    if spec.shape.rank is not None:
        _check_batch(tuple(spec.shape), np.dtype(spec.dtype.as_numpy_dtype), shape, owner)
    told: list[bool] = []

    def look(low: Any, high: Any) -> None:
        if not told:
            told.append(True)
            warn_of_range(float(low), float(high), shape, owner)

    def convert(*parts: Any) -> Any:
        first, *others = parts
        x = tf.cast(first, "float32")
        if len(shape) >= 3:
            with tf.control_dependencies([tf.numpy_function(look, [tf.reduce_min(x), tf.reduce_max(x)], [])]):
                x = tf.identity(x)
        return (x, *others) if isinstance(dataset.element_spec, (tuple, list)) else x

    return dataset.map(convert)


def _checked_generator(batches: Iterator, shape: Shape, owner: str) -> Iterator:
    try:
        first = next(batches)
    except StopIteration:
        raise ValueError(f"{owner} expected a generator of batches. Received: one that gives none.") from None
    x = as_array(_data_of_batch(first, owner), owner)
    _check_batch(tuple(np.shape(x)), np.asarray(x).dtype, shape, owner)
    warn_of_range(float(np.min(x)), float(np.max(x)), shape, owner)

    def converted() -> Iterator:
        for batch in itertools.chain([first], batches):
            x = np.asarray(as_array(_data_of_batch(batch, owner), owner), "float32")
            yield (x, batch[1]) if isinstance(batch, (tuple, list)) and len(batch) == 2 else (x,)

    return converted()

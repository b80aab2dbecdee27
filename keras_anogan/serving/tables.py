"""Columns of a table as the numbers a detector takes: a Keras layer that is saved and served with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_anogan.datasets.table import some_names
from keras_anogan.training.batches import gathered, in_batches

if TYPE_CHECKING:
    import pandas as pd


MISSING = "(missing)"


CHUNK = 16_384


def raw_columns(frame: Any, dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    """The columns a detector reads as arrays: float64 (n,) with NaN for missing, text (n,) with "(missing)".

    Args:
        frame: a DataFrame, or a dict of arrays.
        dtypes: name to "float64" or "string".

    Raises:
        ValueError: for anything else, a missing column, text where a number was, an infinite number, or no rows.
    """
    import pandas as pd

    if isinstance(frame, dict):
        frame = pd.DataFrame({name: np.asarray(values).ravel() for name, values in frame.items()})
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"Expected a DataFrame or a dict of columns. Received: {type(frame).__name__}.")
    if lost := [name for name in dtypes if name not in frame.columns]:
        raise ValueError(f"Expected the columns {some_names(dtypes)}. Received: a table without {lost[0]!r}.")
    if twice := [name for name in dtypes if frame.columns.tolist().count(name) > 1]:
        raise ValueError(f"Expected every column once. Received: {twice[0]!r} twice.")
    if len(frame) == 0:
        raise ValueError("Expected at least one row. Received: none.")
    return {
        name: _texts(frame[name]) if dtype == "string" else _numbers(frame[name], name)
        for name, dtype in dtypes.items()
    }


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        column = (pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    values = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    bad = np.flatnonzero((np.isnan(values) & ~column.isna().to_numpy()) | np.isinf(values))
    if len(bad):
        found: Any = column.iloc[int(bad[0])]
        found = found.item() if hasattr(found, "item") else found
        raise ValueError(f"Expected numbers in column {name!r}. Received: {found!r} in row {bad[0] + 1}.")
    return values


def _texts(column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy()
    cells = column.astype(object).to_numpy()
    return np.array([MISSING if gone else _text(cell) for cell, gone in zip(cells, missing, strict=True)], dtype=object)


def _text(cell: Any) -> str:
    """A cell as text; a whole number without a decimal point, so that 1.0 beside a missing cell reads as 1 without."""
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer() and abs(float(cell)) < 2**53:
        return str(int(cell))
    return str(cell)


# The encoder.


@keras.saving.register_keras_serializable("keras_anogan")
class NumericColumn(layers.Layer):
    """A column of numbers (batch, 1) as two (batch, 2): standardised and cut off at 10, and 1 where it is missing.

    Mean and spread are those of the training rows; a missing number stands at the mean.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # seconds since 1970 need all of float64's digits

    def build(self, input_shape: Any) -> None:
        fixed = {"shape": (), "trainable": False, "dtype": "float64"}
        self.mean = self.add_weight(initializer="zeros", name="mean", **fixed)
        self.spread = self.add_weight(initializer="ones", name="spread", **fixed)
        self.built = True

    def adapt(self, values: Any) -> None:
        """Learn mean and standard deviation, NaN left out.

        Args:
            values: float (n,), or a `tf.data.Dataset` of batches (as `FeatureSpace.adapt` gives it).
        """
        if not self.built:
            self.build((None, 1))
        if hasattr(values, "as_numpy_iterator"):
            values = np.concatenate([batch.ravel() for batch in values.as_numpy_iterator()])
        values = np.asarray(values, "float64")
        values = values[np.isfinite(values)]
        self.mean.assign(values.mean() if len(values) else 0.0)
        spread = values.std() if len(values) else 0.0
        self.spread.assign(spread if spread > 0.0 else 1.0)

    def call(self, x: Any) -> Any:
        missing = ops.isnan(x)
        x = ops.cast(x, "float64")
        scaled = ops.cast(ops.clip((x - self.mean) / self.spread, -10.0, 10.0), "float32")
        known = ops.where(missing, ops.zeros_like(scaled), scaled)
        return ops.concatenate([known, ops.cast(missing, "float32")], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable("keras_anogan")
class CategoryColumn(layers.StringLookup):
    """Keras's StringLookup with the words it is given.

    They stand in the config: a file of words, which is what an adapted one saves, loses those with line ends.
    """

    def adapt(self, data: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: `FeatureSpace.adapt` calls it for every column."""


@keras.saving.register_keras_serializable("keras_anogan")
class TableEncoder(layers.Layer):
    """A dict of columns, (batch,) each, to encoded rows float32 (batch, features), by `keras.utils.FeatureSpace`.

    A number becomes two features (`NumericColumn`); a category as many as it has values in the training rows, the
    `max_categories` most frequent ones, and one, the first, for all others. `adapt` comes before anything else.

    Args:
        dtypes: name of a column to "float64" or "string", in the order of the features.
        max_categories: values of a column that get a feature of their own.
        encoder: the model over the columns that `adapt` made; loading passes it.
    """

    def __init__(
        self,
        dtypes: dict[str, str],
        max_categories: int = 100,
        encoder: keras.Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.dtypes = dict(dtypes)
        self.max_categories = max_categories
        self.encoder = encoder

    def adapt(self, raw: dict[str, np.ndarray]) -> TableEncoder:
        """Learn ranges and categories from normal training rows, columns as `raw_columns` gives them."""
        from keras.utils import FeatureSpace

        features = {}
        for key, (name, dtype) in zip(self._keys(), self.dtypes.items(), strict=True):
            if dtype == "float64":
                preprocessor: layers.Layer = NumericColumn(name=f"number_{key}", dtype="float32")
            else:
                preprocessor = CategoryColumn(
                    vocabulary=self._most_frequent(raw[name]),
                    num_oov_indices=1,
                    output_mode="one_hot",
                    name=f"category_{key}",
                )
            features[key] = FeatureSpace.feature(preprocessor=preprocessor, dtype=dtype, output_mode="float")
        space = FeatureSpace(features=features, output_mode="dict")
        columns = {key: raw[name] for key, name in zip(self._keys(), self.dtypes, strict=True)}
        space.adapt(tf.data.Dataset.from_tensor_slices(columns).batch(CHUNK))
        inputs, encoded = space.get_inputs(), space.get_encoded_features()
        joined = layers.Concatenate(dtype="float32")([encoded[key] for key in features])
        self.encoder = keras.Model([inputs[key] for key in features], joined, name="columns")
        return self

    def _most_frequent(self, cells: np.ndarray) -> list[str]:
        values, counts = np.unique(cells.astype(object), return_counts=True)
        return [str(value) for value in values[np.argsort(-counts, kind="stable")[: self.max_categories]]]

    def call(self, raw: dict[str, Any]) -> Any:
        return ops.cast(self._adapted([ops.reshape(raw[name], (-1, 1)) for name in self.dtypes]), "float32")

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (None, *self._adapted.output_shape[1:])

    @property
    def _adapted(self) -> keras.Model:
        if self.encoder is None:
            raise ValueError("Expected a TableEncoder that has seen training rows. Received: one that is not adapted.")
        return self.encoder

    def check_raw(self, raw: Any) -> dict[str, np.ndarray]:
        """`raw_columns` of a DataFrame or a dict of arrays."""
        return raw_columns(raw, self.dtypes)

    def random_raw(self, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Seeded random columns: numbers about the training rows', some missing; their categories, and unseen ones."""
        draw = np.random.default_rng(seed)
        found: dict[str, np.ndarray] = {}
        for name in self.dtypes:
            layer, known = self._layer(name), self.categories(name)
            if known is not None:
                found[name] = draw.choice(np.array([*known, "(unseen)"], dtype=object), rows)
                continue
            values = float(layer.mean) + 2.0 * float(layer.spread) * draw.standard_normal(rows)
            found[name] = np.where(draw.random(rows) < 0.1, np.nan, values)
        return found

    def encode(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        """Encoded rows float32 (n, features) of columns (n,)."""
        run = tf.function(self, reduce_retracing=True)
        return gathered(in_batches(run, raw, CHUNK))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """For each feature the column that it comes from."""
        return tuple(name for name in self.dtypes for _ in range(self._width(name)))

    def categories(self, name: str) -> list[str] | None:
        """The values of a category that have a feature of their own; None for a column of numbers."""
        layer = self._layer(name)
        if isinstance(layer, NumericColumn):
            return None
        return [str(value) for value in layer.get_vocabulary(include_special_tokens=False)]

    def unseen(self, raw: dict[str, np.ndarray]) -> list[tuple[str, int, str, int]]:
        """(column, how many rows, one of the values, its row) for values without a feature of their own."""
        found = []
        for name, values in raw.items():
            if (known := self.categories(name)) is not None:
                rows = np.flatnonzero(~np.isin(values.astype(object), np.array(known, dtype=object)))
                found += [(name, len(rows), str(values[rows[0]]), int(rows[0]))] if len(rows) else []
        return found

    def _keys(self) -> list[str]:
        return [f"column_{i}" for i in range(len(self.dtypes))]  # a column may have a name that no layer may have

    def _layer(self, name: str) -> Any:
        kind = "number" if self.dtypes[name] == "float64" else "category"
        return self._adapted.get_layer(f"{kind}_column_{list(self.dtypes).index(name)}")

    def _width(self, name: str) -> int:
        layer = self._layer(name)
        return 2 if isinstance(layer, NumericColumn) else layer.vocabulary_size()

    def get_config(self) -> dict:
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {
            "dtypes": dict(self.dtypes),
            "max_categories": self.max_categories,
            "encoder": encoder,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> TableEncoder:
        encoder = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        return cls(**{**config, "encoder": encoder})

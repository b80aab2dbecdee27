"""Columns of a table as the numbers a detector takes: a Keras layer that is saved and served with it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_anogan.datasets.cells import Format, apply_format
from keras_anogan.datasets.conditions import BOOLEANS, some_names
from keras_anogan.nn.scaling import centre_and_spread, far_cells
from keras_anogan.serving.deviations import ColumnDeviations
from keras_anogan.training.batches import gathered, in_batches
from keras_anogan.words import counted

if TYPE_CHECKING:
    import pandas as pd


MISSING = "(missing)"


CHUNK = 16_384


MOST_RARE = 10_000  # values of a category that are kept by name though they have no feature of their own


def raw_columns(
    frame: Any, dtypes: dict[str, str], formats: Mapping[str, Format] | None = None
) -> dict[str, np.ndarray]:
    """The columns a detector reads as arrays: float64 (n,) with NaN for missing, text (n,) with "(missing)".

    Args:
        frame: a DataFrame, or a dict of arrays.
        dtypes: name to "float64" or "string".
        formats: how columns of text are read as numbers or dates (`datasets.cells`).

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
        name: _texts(frame[name]) if dtype == "string" else _numbers(frame[name], name, (formats or {}).get(name))
        for name, dtype in dtypes.items()
    }


def _numbers(column: pd.Series, name: str, written: Format | None) -> np.ndarray:
    import pandas as pd

    column = given = column.reset_index(drop=True)
    missing = given.isna().to_numpy()
    if written is not None and (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        column = apply_format(given, written)
        missing = missing | given.astype(str).str.strip().isin(written["words"]).to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        column = (pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    values = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    bad = np.flatnonzero((np.isnan(values) & ~missing) | np.isinf(values))
    if len(bad):
        found: Any = given.iloc[int(bad[0])]
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


def by_frequency(cells: np.ndarray) -> list[str]:
    """Different values, the most frequent ones first."""
    values, counts = np.unique(cells.astype(object), return_counts=True)
    return [str(value) for value in values[np.argsort(-counts, kind="stable")]]


@keras.saving.register_keras_serializable("keras_anogan")
class NumericColumn(layers.Layer):
    """Numbers (batch, k) as (batch, 2 k): each standardised and cut off at 10, then 1 where it is missing, else 0.

    Mean and spread are those of the training rows without cells that lie far away (`far_cells`); a missing number
    stands at the mean. A constant column is 0, and a number that differs from it shows by their difference.

    Args:
        columns: k; None for one column with scalar weights, as files of before have it.
    """

    def __init__(self, columns: int | None = None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # seconds since 1970 need all of float64's digits
        self.columns = columns

    def build(self, input_shape: Any) -> None:
        shape = () if self.columns is None else (self.columns,)
        fixed: Any = {"shape": shape, "trainable": False, "dtype": "float64"}
        self.mean = self.add_weight(initializer="zeros", name="mean", **fixed)
        self.spread = self.add_weight(initializer="ones", name="spread", **fixed)
        self.built = True

    def adapt(self, values: np.ndarray) -> None:
        """Learn mean and standard deviation of each column, NaN left out.

        Args:
            values: float (n, k).
        """
        if not self.built:
            self.build((None, self.columns))
        mean, spread = np.array([centre_and_spread(column) for column in np.asarray(values, "float64").T]).T
        self.mean.assign(mean)
        self.spread.assign(spread)

    def call(self, x: Any) -> Any:
        missing = ops.isnan(x)
        x = ops.cast(x, "float64")
        scaled = ops.cast(ops.clip((x - self.mean) / self.spread, -10.0, 10.0), "float32")
        known = ops.where(missing, ops.zeros_like(scaled), scaled)
        both = ops.stack([known, ops.cast(missing, "float32")], axis=-1)
        return ops.reshape(both, (-1, 2 * (self.columns or 1)))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable("keras_anogan")
class CategoryColumn(layers.StringLookup):
    """Keras's StringLookup with the words it is given.

    They stand in the config: a file of words, which is what an adapted one saves, loses those with line ends.
    """


@keras.saving.register_keras_serializable("keras_anogan")
class TableEncoder(layers.Layer):
    """A dict of columns, (batch,) each, to encoded rows float32 (batch, features).

    A number becomes two features (`NumericColumn`); a category as many as it has values in the training rows, the
    `max_categories` most frequent ones, and one, the first, for all others. `adapt` comes before anything else.

    Args:
        dtypes: name of a column to "float64" or "string", in the order of the features.
        max_categories: values of a column that get a feature of their own.
        encoder: the model over the columns that `adapt` made; loading passes it.
        formats: how columns of text are read as numbers or dates (`datasets.cells`).
        ranges: lowest and highest number of a column in the training rows; `adapt` learns them.
        rare: values of a category in the training rows without a feature of their own; `adapt` learns them.
        deviations: `ColumnDeviations` of training rows; `adapt` makes it.
    """

    formats: dict[str, Format]
    ranges: dict[str, list[float]]
    rare: dict[str, list[str]]

    def __init__(
        self,
        dtypes: dict[str, str],
        max_categories: int = 100,
        encoder: keras.Model | None = None,
        name: str | None = None,
        formats: Mapping[str, Format] | None = None,
        ranges: Mapping[str, Sequence[float]] | None = None,
        rare: Mapping[str, Sequence[str]] | None = None,
        deviations: ColumnDeviations | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.dtypes = dict(dtypes)
        self.max_categories = max_categories
        self.encoder = encoder
        self.__dict__.update(  # Keras would wrap them, and could not write them
            formats={key: dict(value) for key, value in (formats or {}).items()},
            ranges={key: list(value) for key, value in (ranges or {}).items()},
            rare={key: list(value) for key, value in (rare or {}).items()},
        )
        self.deviations = deviations

    def adapt(self, raw: dict[str, np.ndarray]) -> TableEncoder:
        """Learn ranges and categories from normal training rows, columns as `raw_columns` gives them."""
        inputs: list[Any] = []
        encoded = []
        if numbers := self._numbers():
            layer: Any = NumericColumn(len(numbers), name="numbers", dtype="float32")  # one layer: 200 cost seconds
            layer.adapt(np.stack([np.asarray(raw[name], "float64") for name in numbers], axis=1))
            inputs.append(keras.Input((len(numbers),), dtype="float64", name="numbers_in"))
            encoded.append(layer(inputs[-1]))
        for key, (name, dtype) in zip(self._keys(), self.dtypes.items(), strict=True):
            if dtype == "string":
                values = by_frequency(raw[name])
                words, self.rare[name] = values[: self.max_categories], values[self.max_categories :][:MOST_RARE]
                layer = CategoryColumn(
                    vocabulary=words, num_oov_indices=1, output_mode="one_hot", name=f"category_{key}"
                )
                inputs.append(keras.Input((1,), dtype="string", name=key))
                encoded.append(layer(inputs[-1]))
            elif len(near := raw[name][np.isfinite(raw[name]) & ~far_cells(raw[name])]):
                self.ranges[name] = [float(near.min()), float(near.max())]
        joined = layers.Concatenate(dtype="float32")(encoded) if len(encoded) > 1 else encoded[0]
        self.encoder = keras.Model(inputs, joined, name="columns")
        rows = len(raw[next(iter(self.dtypes))])
        some = np.linspace(0, rows - 1, min(rows, CHUNK)).astype(int)
        sample = self.encoder(self._inputs({name: tf.constant(raw[name][some]) for name in self.dtypes}))
        self.deviations = ColumnDeviations(self.feature_columns).adapt(np.asarray(sample))
        return self

    def call(self, raw: dict[str, Any]) -> Any:
        return ops.cast(self._adapted(self._inputs(raw)), "float32")

    def _inputs(self, raw: dict[str, Any]) -> list[Any]:
        """What the model over the columns takes: all numbers as one tensor, then each category; or, in files of before,
        each column."""
        cells = {name: ops.reshape(raw[name], (-1, 1)) for name in self.dtypes}
        if not self._together():
            return list(cells.values())
        numbers = [ops.cast(cells[name], "float64") for name in self._numbers()]
        first = [ops.concatenate(numbers, axis=-1)] if numbers else []
        return first + [cells[name] for name, dtype in self.dtypes.items() if dtype == "string"]

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (None, *self._adapted.output_shape[1:])

    @property
    def _adapted(self) -> keras.Model:
        if self.encoder is None:
            raise ValueError("Expected a TableEncoder that has seen training rows. Received: one that is not adapted.")
        return self.encoder

    def check_raw(self, raw: Any) -> dict[str, np.ndarray]:
        """`raw_columns` of a DataFrame or a dict of arrays; True is "true" where that was learnt."""
        found = raw_columns(raw, self.dtypes, self.formats)
        for name in self.dtypes:
            spellings = {word.lower(): word for word in self.categories(name) or () if word.lower() in BOOLEANS}
            if len(spellings) > 0:
                found[name] = np.array([spellings.get(cell.lower(), cell) for cell in found[name]], dtype=object)
        return found

    @property
    def wanted(self) -> dict[str, Format]:
        """How a further table is read, for `datasets.open_table`."""
        kinds = {name: "number" if dtype == "float64" else "category" for name, dtype in self.dtypes.items()}
        return {name: self.formats.get(name, {"kind": kind}) for name, kind in kinds.items()}

    def random_raw(self, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Seeded random columns: numbers about the training rows', some missing; their categories, and unseen ones."""
        draw = np.random.default_rng(seed)
        found: dict[str, np.ndarray] = {}
        for name in self.dtypes:
            known = self.categories(name)
            if known is not None:
                found[name] = draw.choice(np.array([*known, "(unseen)"], dtype=object), rows)
                continue
            mean, spread = self._scale(name)
            values = mean + 2.0 * spread * draw.standard_normal(rows)
            found[name] = np.where(draw.random(rows) < 0.1, np.nan, values)
        return found

    def encode(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        """Encoded rows float32 (n, features) of columns (n,)."""
        run = tf.function(self, reduce_retracing=True)
        return gathered(in_batches(run, raw, CHUNK))

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """For each feature the column that it comes from."""
        names = list(self.dtypes)
        if self._together():
            names.sort(key=lambda name: self.dtypes[name] == "string")
        return tuple(name for name in names for _ in range(self._width(name)))

    def categories(self, name: str) -> list[str] | None:
        """The values of a category that have a feature of their own; None for a column of numbers."""
        if self.dtypes[name] == "float64":
            return None
        return [str(value) for value in self._layer(name).get_vocabulary(include_special_tokens=False)]

    def unseen(self, raw: dict[str, np.ndarray]) -> list[tuple[str, int, str, int]]:
        """(column, how many rows, one of the values, its row) for values that no training row had."""
        return [(name, len(rows), str(raw[name][rows[0]]), int(rows[0])) for name, rows in self._others(raw, False)]

    def remarks(self, raw: dict[str, np.ndarray]) -> list[str]:
        """What of further rows no training row was like, one sentence for each column and kind."""
        found = []
        for name, values in raw.items():
            if name not in self.ranges:
                continue
            low, high = self.ranges[name]
            outside = int(((values < low) | (values > high)).sum())
            if outside >= max(0.1 * len(values), min(5, len(values))):
                found.append(
                    f"Column {name!r} lies outside what was seen, {self.shown(name, low)} to {self.shown(name, high)}, "
                    f"in {outside:,} of {counted(len(values), 'rows')}."
                )
        for name, count, value, row in self.unseen(raw):
            found.append(
                f"Column {name!r} has {counted(count, 'rows')} with a value that the detector does not know, "
                f"such as {value!r} in row {row + 1}; it counts as unknown."
            )
        for name, rows in self._others(raw, True):
            found.append(
                f"Column {name!r} has {counted(len(rows), 'rows')} with a rare value, such as "
                f"{str(raw[name][rows[0]])!r} in row {rows[0] + 1}; the detector tells apart the "
                f"{self.max_categories:,} most frequent ones."
            )
        return found

    def _others(self, raw: dict[str, np.ndarray], rare: bool) -> list[tuple[str, np.ndarray]]:
        """Rows with values without a feature of their own, by column: those that training rows had, or the others."""
        found = []
        for name, values in raw.items():
            if (known := self.categories(name)) is not None:
                trained = np.array(self.rare.get(name, []), dtype=object)
                other = ~np.isin(values.astype(object), np.array(known, dtype=object))
                rows = np.flatnonzero(other & (np.isin(values.astype(object), trained) == rare))
                found += [(name, rows)] if len(rows) else []
        return found

    def shown(self, name: str, value: Any) -> str:
        """A raw cell for a reader: a date as a date, a missing one as such."""
        if isinstance(value, str):
            return value
        if np.isnan(value):
            return MISSING
        if self.formats.get(name, {}).get("kind") == "date":
            moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=float(value))
            return moment.isoformat(sep=" ", timespec="auto").removesuffix(" 00:00:00")
        return f"{value:.6g}"

    def _keys(self) -> list[str]:
        return [f"column_{i}" for i in range(len(self.dtypes))]  # a column may have a name that no layer may have

    def _numbers(self) -> list[str]:
        return [name for name, dtype in self.dtypes.items() if dtype == "float64"]

    def _together(self) -> bool:
        """Whether one layer standardises all numbers, their features first; in files of before each has its own."""
        return not any(layer.name.startswith("number_column_") for layer in self._adapted.layers)

    def _layer(self, name: str) -> Any:
        kind = "number" if self.dtypes[name] == "float64" else "category"
        return self._adapted.get_layer(f"{kind}_column_{list(self.dtypes).index(name)}")

    def _scale(self, name: str) -> tuple[float, float]:
        """Mean and spread of a column of numbers."""
        if not self._together():
            return float(self._layer(name).mean), float(self._layer(name).spread)
        layer, i = self._adapted.get_layer("numbers"), self._numbers().index(name)
        return float(layer.mean[i]), float(layer.spread[i])

    def _width(self, name: str) -> int:
        return 2 if self.dtypes[name] == "float64" else self._layer(name).vocabulary_size()

    def get_config(self) -> dict:
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {
            "dtypes": dict(self.dtypes),
            "max_categories": self.max_categories,
            "encoder": encoder,
            "name": self.name,
            "formats": self.formats,
            "ranges": self.ranges,
            "rare": self.rare,
            "deviations": keras.saving.serialize_keras_object(self.deviations),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> TableEncoder:
        encoder = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        deviations = keras.saving.deserialize_keras_object(config.get("deviations"), custom_objects=custom_objects)
        return cls(**{**config, "encoder": encoder, "deviations": deviations})

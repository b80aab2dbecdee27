"""Tables: a CSV or Parquet file of numeric and categorical columns, with cells missing, as rows for a detector.

`TableEncoder` learns from normal training rows how each column becomes numbers. It is a Keras layer over
`keras.utils.FeatureSpace`, so that it is saved and exported with the detector: raw rows in, scores out.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_anogan.datasets.protocols import three_ways

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MISSING = "(missing)"
CHUNK = 16_384


def is_table(path: Any) -> bool:
    """Whether a name is that of a table file: .csv, .csv.gz or .parquet."""
    return str(path).lower().endswith(SUFFIXES)


def read_table(path: Any) -> pd.DataFrame:
    """A CSV (with a header) or Parquet file as a DataFrame; columns of ISO 8601 dates become dates.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can't be read, has no rows, or two columns of one name.
    """
    import pandas as pd

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table file. Received: {path}, which does not exist or is a folder.")
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path, low_memory=False)
    except ImportError as error:
        raise ValueError(
            f"Could not read {path}: Parquet needs pyarrow; pip install 'keras_anogan[parquet]'."
        ) from error
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"Could not read {path} as a table: {str(error).strip().splitlines()[0]}") from error
    if frame.columns.duplicated().any():
        raise ValueError(
            f"Expected every column once in {path}. Received: {frame.columns[frame.columns.duplicated()][0]!r}."
        )
    if len(frame) == 0:
        raise ValueError(f"Expected at least one row in {path}. Received: none.")
    frame.columns = [str(name) for name in frame.columns]
    for name in frame.columns:
        if _looks_like_dates(frame[name]):
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", errors="coerce", utc=True)
    return frame


def _looks_like_dates(column: pd.Series) -> bool:
    """Whether all cells are text such as 2026-11-22 or 2026-11-22T08:30:00Z, and dates that there are."""
    import pandas as pd

    cells = column.dropna()
    if len(cells) == 0 or not all(isinstance(cell, str) for cell in cells):
        return False
    if not cells.str.match(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)").all():
        return False
    return bool(pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True).notna().all())


def normal_rows(frame: pd.DataFrame, condition: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows meet a condition such as `label == "ok"`, bool (n,), and the columns that it names.

    Args:
        frame: the table.
        condition: an expression as `pandas.DataFrame.eval` takes it.

    Raises:
        ValueError: if it is not an expression over columns of the table that is true or false for each row.
    """
    try:
        tree = ast.parse(condition.replace("`", ""), mode="eval")
        found = frame.eval(condition, engine="python")
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"Expected a condition over the columns {_some(frame.columns)}, such as 'label == \"ok\"'. "
            f"Received: {condition!r} ({reason})."
        ) from error
    if getattr(found, "shape", None) != (len(frame),) or found.dtype != bool:
        raise ValueError(f"Expected a condition that is true or false for each row. Received: {condition!r}.")
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found.to_numpy(), tuple(name for name in frame.columns if name in named or f"`{name}`" in condition)


def choose_columns(frame: pd.DataFrame, drop: Sequence[str] = ()) -> dict[str, str]:
    """What a detector reads: name to "float32" (numbers, and dates as seconds) or "string" (categories).

    That is all columns but those in `drop` and those without any cell; numbers are columns in which every cell is one.

    Raises:
        ValueError: for a column in `drop` that there is not, or nothing left.
    """
    import pandas as pd

    if unknown := [name for name in drop if name not in frame.columns]:
        raise ValueError(f"Expected columns of the table, {_some(frame.columns)}. Received: --drop {unknown[0]}.")
    dtypes = {}
    for name in frame.columns:
        if name in drop or frame[name].isna().all():
            continue
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        dtypes[name] = "float32" if numeric or pd.api.types.is_datetime64_any_dtype(column) else "string"
    if not dtypes:
        raise ValueError(f"Expected a column to learn from. Received: none but {_some(drop)} and empty ones.")
    return dtypes


def raw_columns(frame: Any, dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    """The columns a detector reads as arrays: float32 (n,) with NaN for missing, str (n,) with "(missing)".

    Args:
        frame: a DataFrame, or a dict of arrays.
        dtypes: name to "float32" or "string".

    Raises:
        ValueError: for a missing column, text where a number was, an infinite number, or no rows.
    """
    import pandas as pd

    frame = (
        frame if isinstance(frame, pd.DataFrame) else pd.DataFrame({k: np.asarray(v).ravel() for k, v in frame.items()})
    )
    if lost := [name for name in dtypes if name not in frame.columns]:
        raise ValueError(f"Expected the columns {_some(dtypes)}. Received: a table without {lost[0]!r}.")
    if len(frame) == 0:
        raise ValueError("Expected at least one row. Received: none.")
    found: dict[str, np.ndarray] = {}
    for name, dtype in dtypes.items():
        column = frame[name]
        if dtype == "string":
            column = column.map(lambda cell: cell.decode() if isinstance(cell, bytes) else cell)
            found[name] = _as_text(column).to_numpy(dtype=object).astype(str)
            continue
        if pd.api.types.is_datetime64_any_dtype(column):
            column = (pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        values = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
        bad = np.flatnonzero((np.isnan(values) & ~column.isna().to_numpy()) | np.isinf(values))
        if len(bad):
            raise ValueError(f"Expected numbers in column {name!r}. Received: {column.iloc[bad[0]]!r} in row {bad[0]}.")
        found[name] = values.astype("float32")
    return found


def _as_text(column: pd.Series) -> pd.Series:
    """Cells as text; whole numbers without a decimal point, so that a column with cells missing reads as without."""
    import pandas as pd

    whole = pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all()
    text = column.astype("Int64").astype(object) if whole else column.astype(object)
    return text.map(lambda cell: MISSING if cell is pd.NA or cell is None or cell != cell else str(cell))


# The encoder.


@keras.saving.register_keras_serializable("keras_anogan")
class NumericColumn(layers.Layer):
    """A column of numbers (batch, 1) as two (batch, 2): standardised and cut off at 10, and 1 where it is missing.

    Mean and spread are those of the training rows; a missing number stands at the mean.
    """

    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.spread = self.add_weight(shape=(), initializer="ones", trainable=False, name="spread")
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
        scaled = ops.clip((x - self.mean) / self.spread, -10.0, 10.0)
        return ops.concatenate([ops.where(missing, 0.0, scaled), ops.cast(missing, "float32")], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable("keras_anogan")
class TableEncoder(layers.Layer):
    """A dict of columns, (batch,) each, to encoded rows float32 (batch, features), by `keras.utils.FeatureSpace`.

    A number becomes two features (`NumericColumn`); a category as many as it has values in the training rows, the
    `max_categories` most frequent ones, and one, the first, for all others. `adapt` comes before anything else.

    Args:
        dtypes: name of a column to "float32" or "string", in the order of the features.
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
        super().__init__(name=name, dtype="float32")
        self.dtypes = dict(dtypes)
        self.max_categories = max_categories
        self.encoder = encoder

    def adapt(self, raw: dict[str, np.ndarray]) -> TableEncoder:
        """Learn ranges and categories from normal training rows, columns as `raw_columns` gives them."""
        from keras.utils import FeatureSpace

        features = {}
        for key, dtype in zip(self._keys(), self.dtypes.values(), strict=True):
            if dtype == "float32":
                preprocessor: layers.Layer = NumericColumn(name=f"number_{key}", dtype="float32")
            else:
                preprocessor = layers.StringLookup(
                    max_tokens=self.max_categories + 1, num_oov_indices=1, output_mode="one_hot", name=f"category_{key}"
                )
            features[key] = FeatureSpace.feature(preprocessor=preprocessor, dtype=dtype, output_mode="float")
        space = FeatureSpace(features=features, output_mode="dict")
        columns = {key: raw[name] for key, name in zip(self._keys(), self.dtypes, strict=True)}
        space.adapt(tf.data.Dataset.from_tensor_slices(columns).batch(CHUNK))
        inputs, encoded = space.get_inputs(), space.get_encoded_features()
        joined = layers.Concatenate(dtype="float32")([encoded[key] for key in features])
        self.encoder = keras.Model([inputs[key] for key in features], joined, name="columns")
        return self

    def call(self, raw: dict[str, Any]) -> Any:
        return self._adapted([ops.reshape(raw[name], (-1, 1)) for name in self.dtypes])

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
                found[name] = draw.choice([*known, "(unseen)"], rows).astype(str)
                continue
            values = float(layer.mean) + 2.0 * float(layer.spread) * draw.standard_normal(rows)
            found[name] = np.where(draw.random(rows) < 0.1, np.nan, values).astype("float32")
        return found

    def encode(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        """Encoded rows float32 (n, features) of columns (n,)."""
        run = tf.function(self, reduce_retracing=True)
        n = len(next(iter(raw.values())))
        starts = range(0, n, CHUNK)
        return np.concatenate([run({k: tf.constant(v[i : i + CHUNK]) for k, v in raw.items()}) for i in starts])

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """For each feature the column that it comes from."""
        return tuple(name for name in self.dtypes for _ in range(self._width(name)))

    def categories(self, name: str) -> list[str] | None:
        """The values of a category that have a feature of their own; None for a column of numbers."""
        layer = self._layer(name)
        return None if isinstance(layer, NumericColumn) else layer.get_vocabulary(include_special_tokens=False)

    def unseen(self, raw: dict[str, np.ndarray]) -> list[tuple[str, int, str, int]]:
        """(column, how many rows, one of the values, its row) for values without a feature of their own."""
        found = []
        for name, values in raw.items():
            if (known := self.categories(name)) is not None:
                rows = np.flatnonzero(~np.isin(values, known))
                found += [(name, len(rows), str(values[rows[0]]), int(rows[0]))] if len(rows) else []
        return found

    def _keys(self) -> list[str]:
        return [f"column_{i}" for i in range(len(self.dtypes))]  # a column may have a name that no layer may have

    def _layer(self, name: str) -> Any:
        kind = "number" if self.dtypes[name] == "float32" else "category"
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


@dataclasses.dataclass(frozen=True)
class TableTask:
    """A table split and encoded.

    Attributes:
        train, stop, calibrate, test: encoded rows, float32 (n, features).
        labels: (len(test),): 1 anomalous, 0 normal.
        test_rows: row numbers of the test rows in the file.
        encoder: from raw columns to encoded rows.
        skipped: columns left out, because the condition names them.
    """

    train: np.ndarray
    stop: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    test_rows: np.ndarray
    encoder: TableEncoder
    skipped: tuple[str, ...]


def split_table(
    frame: pd.DataFrame,
    normal_where: str | None = None,
    drop: Sequence[str] = (),
    stop: float = 0.1,
    calibrate: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
) -> TableTask:
    """Split normal rows for training, stopping, calibration and testing, and encode them by the training rows.

    All anomalous rows are for testing. Columns that `normal_where` names are labels: no detector sees them.

    Args:
        frame: the table.
        normal_where: a condition that normal rows meet (see `normal_rows`); None if all rows are normal.
        drop: further columns to leave out, such as an id.
        stop, calibrate, test: shares of the normal rows; the first two of what testing leaves.
        seed: of the split.

    Raises:
        ValueError: for a bad condition or column, or fewer than 20 normal rows.
    """
    normal, named = (np.ones(len(frame), bool), ()) if normal_where is None else normal_rows(frame, normal_where)
    if normal.sum() < 20:
        raise ValueError(
            f"Expected at least 20 normal rows to learn from. Received: {int(normal.sum())} of {len(frame)}."
        )
    dtypes = choose_columns(frame, (*drop, *named))
    order = np.flatnonzero(normal)
    rest, tested, _ = three_ways(len(order), test, 0.0, seed)
    train, stopped, calibrated = (order[rest][part] for part in three_ways(len(rest), stop, calibrate, seed + 1))
    judged = np.sort(np.concatenate([order[tested], np.flatnonzero(~normal)]))
    raw = raw_columns(frame, dtypes)
    encoder = TableEncoder(dtypes).adapt({name: values[train] for name, values in raw.items()})
    rows = encoder.encode(raw)
    return TableTask(
        train=rows[train],
        stop=rows[stopped],
        calibrate=rows[calibrated],
        test=rows[judged],
        labels=(~normal[judged]).astype("int64"),
        test_rows=judged,
        encoder=encoder,
        skipped=named,
    )


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

"""Tables: a CSV or Parquet file as a DataFrame, its normal rows by a condition, and the columns to learn from.

Here cells stay as they are; `keras_anogan.serving.tables` turns them into numbers.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import pathlib
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)"


SUFFIXES = (".csv", ".csv.gz", ".parquet")


def is_table(path: Any) -> bool:
    """Whether a name is that of a table file: .csv, .csv.gz or .parquet."""
    return str(path).lower().endswith(SUFFIXES)


def read_table(path: Any, text: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV (with a header) or Parquet file as a DataFrame.

    A column holds numbers if every cell is one, dates if every cell is an ISO 8601 date, else text. A file to be scored
    may hold numbers alone in a column that the training file held text in. Such columns are named in `text`, so that
    007 stays "007".

    Args:
        path: the file.
        text: columns to read as text, whatever their cells look like.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can't be read, has no rows, or two columns of one name.
    """
    import pandas as pd

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table file. Received: {path}, which does not exist or is a folder.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header
            frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path, text)
    except ImportError as error:
        raise ValueError(
            f"Could not read {path}: Parquet needs pyarrow; pip install 'keras_anogan[parquet]'."
        ) from error
    except (ValueError, OSError, EOFError, pd.errors.ParserWarning) as error:
        raise ValueError(f"Could not read {path} as a table: {str(error).strip().splitlines()[0]}") from error
    frame.columns = [str(name) for name in frame.columns]
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"Expected every column once in {path}. Received: {twice!r} twice.")
    if len(frame) == 0:
        raise ValueError(f"Expected at least one row in {path}. Received: none.")
    for name in frame.columns:
        if name not in text:
            frame[name] = _typed(frame[name])
    return frame.reset_index(drop=True)


def _read_csv(path: pathlib.Path, text: Sequence[str]) -> pd.DataFrame:
    """A CSV in which columns that are no numbers are text as it stands in the file: "true" is not True."""
    import pandas as pd

    header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].tolist()
    frame = pd.read_csv(path, low_memory=False, index_col=False)
    if len({str(name) for name in header}) < len(header):
        frame.columns = header
        return frame
    numeric = {name for name in frame.columns if _is_number(frame[name])}
    as_text = [name for name in frame.columns if name not in numeric or name in text]
    if as_text:
        again = pd.read_csv(path, index_col=False, usecols=as_text, dtype=str)
        for name in as_text:
            frame[name] = again[name].astype(object)
    return frame


def _is_number(column: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _typed(column: pd.Series) -> pd.Series:
    """Decimals and durations as numbers, dates and ISO 8601 texts of dates as dates; other columns as they are."""
    import pandas as pd

    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds()
    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return column
    cells = column.dropna()
    if len(cells) and all(isinstance(cell, decimal.Decimal) for cell in cells):
        return column.astype("float64")
    if len(cells) and all(isinstance(cell, datetime.date) for cell in cells):
        return pd.to_datetime(column, utc=True)
    if len(cells) and all(isinstance(cell, str) for cell in cells) and cells.str.match(DATE).all():
        dates = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
        return dates if dates.notna().sum() == len(cells) else column
    return column


def normal_rows(frame: pd.DataFrame, condition: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows meet a condition such as `label == "ok"`, bool (n,), and the columns that it names.

    Args:
        frame: the table.
        condition: an expression as `pandas.DataFrame.eval` takes it.

    Raises:
        ValueError: if it is not an expression over columns of the table that is true or false for each row.
    """
    try:
        quoted = re.findall("`([^`]+)`", condition)  # names that Python does not know for names
        tree = ast.parse(re.sub("`[^`]+`", "_", condition), mode="eval")
        found = frame.eval(condition, engine="python")
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"Expected a condition over the columns {some_names(frame.columns)}, such as 'label == \"ok\"'. "
            f"Received: {condition!r} ({reason})."
        ) from error
    import pandas as pd

    if getattr(found, "shape", None) != (len(frame),) or not pd.api.types.is_bool_dtype(found):
        raise ValueError(f"Expected a condition that is true or false for each row. Received: {condition!r}.")
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named |= set(quoted)
    return found.fillna(False).to_numpy(bool), tuple(name for name in frame.columns if name in named)


def choose_columns(frame: pd.DataFrame, drop: Sequence[str] = ()) -> dict[str, str]:
    """The columns that a detector reads: name -> "float64" (numbers, and dates as seconds) or "string" (categories).

    These are all columns but those in `drop` and those that are empty.

    Args:
        frame: the table, as `read_table` gives it.
        drop: names of columns to leave out.

    Raises:
        ValueError: for a column in `drop` that the table lacks, a column whose name is no text, or no column left.
    """
    import pandas as pd

    if any(not isinstance(name, str) for name in frame.columns):
        wrong = next(name for name in frame.columns if not isinstance(name, str))
        raise ValueError(f"Expected columns with names. Received: {wrong!r}; frame.columns.astype(str) would do.")
    if unknown := [name for name in drop if name not in frame.columns]:
        raise ValueError(f"Expected columns of the table, {some_names(frame.columns)}. Received: --drop {unknown[0]}.")
    dtypes = {}
    for name in frame.columns:
        if name in drop or frame[name].isna().all():
            continue
        column = frame[name]
        dtypes[name] = "float64" if _is_number(column) or pd.api.types.is_datetime64_any_dtype(column) else "string"
    if not dtypes:
        raise ValueError(f"Expected a column to learn from. Received: none but {some_names(drop)} and empty ones.")
    return dtypes


def some_names(names: Any) -> str:
    """Names for a message: the first eight, and how many more there are."""
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

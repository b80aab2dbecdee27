"""Tables: a CSV or Parquet file as a DataFrame of numbers, dates and text, however it is written.

What was guessed is told. `keras_anogan.datasets.columns` chooses the columns to learn from, and
`keras_anogan.serving.tables` turns them into a detector's input.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import pathlib
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_anogan.datasets import cells
from keras_anogan.datasets.cells import Format
from keras_anogan.datasets.columns import choose_columns
from keras_anogan.datasets.conditions import normal_rows, some_names
from keras_anogan.datasets.dialect import read_cells, read_names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "choose_columns", "is_table", "normal_rows", "open_table", "read_table", "type_columns"]

PANDAS = "Error tokenizing data. C error: "  # before the reason
SUFFIXES = (".csv", ".csv.gz", ".parquet")
UNREADABLE = 0.5


@dataclasses.dataclass(frozen=True)
class Table:
    """A table and how it was read.

    Attributes:
        frame: numbers, dates in UTC, and text.
        formats: how columns of text became numbers or dates, for those that did; `type_columns` takes them again.
        remarks: what was guessed, one sentence each.
        notes: the same of a single column, in a few words.
        noted: those of the remarks that `notes` say too.
    """

    frame: pd.DataFrame
    formats: dict[str, Format]
    remarks: list[str]
    notes: dict[str, str]
    noted: tuple[str, ...] = ()


def is_table(path: Any) -> bool:
    """Whether a name is that of a table file: .csv, .csv.gz or .parquet."""
    return str(path).lower().endswith(SUFFIXES)


def read_table(path: Any, text: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV (with a header) or Parquet file as a DataFrame; warns of what it had to guess.

    Encoding and separator of a CSV are found. A column holds numbers or dates if nearly every cell is one, however it
    is written (1,234.50; 12,5; 12.5%; 31.01.2024), else text. A file to be scored may hold numbers alone in a column
    that the training file held text in. Such columns are named in `text`, so that 007 stays "007".

    Args:
        path: the file.
        text: columns to read as text, whatever their cells look like.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it can't be read, has no rows, or two columns of one name.
    """
    table = open_table(path, {name: {"kind": "category"} for name in text})
    for remark in table.remarks:
        warnings.warn(remark, stacklevel=2)
    return table.frame


def open_table(
    path: Any,
    wanted: Mapping[str, Format] | None = None,
    of: Container[str] | None = None,
    unreadable: float = UNREADABLE,
) -> Table:
    """A table file and how it was read.

    Args:
        path: the file.
        wanted, of, unreadable: as `type_columns` takes them.

    Raises:
        FileNotFoundError, ValueError: as `read_table` and `type_columns` do.
    """
    import pandas as pd

    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a table file. Received: {path}, which does not exist or is a folder.")
    separator = ","
    remarks: list[str] = []
    with _reading(path):
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame, separator, remarks = read_cells(path)
    frame.columns = [str(name) for name in frame.columns]
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"Expected every column once in {path}. Received: {twice!r} twice.")
    if len(frame) == 0:
        raise ValueError(f"Expected at least one row in {path}. Received: none.")
    table = type_columns(frame.reset_index(drop=True), wanted, separator, of, unreadable)
    return dataclasses.replace(table, remarks=[*remarks, *table.remarks])


def column_names(path: Any) -> list[str] | None:
    """The names of the columns of a table file, without reading its rows; None for Parquet.

    Raises:
        ValueError: if its first line can't be read.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".parquet":
        return None
    with _reading(path):
        return read_names(path)


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    """One sentence for whatever is wrong with a file while it is read."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header
            yield
    except ImportError as error:
        raise ValueError(
            f"Could not read {path}: Parquet needs pyarrow; pip install 'keras_anogan[parquet]'."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"Could not read {path} as a table: it is empty.") from error
    except (ValueError, OSError, EOFError, pd.errors.ParserWarning) as error:
        why = str(error).strip().splitlines()[0].removeprefix(PANDAS).rstrip(".")
        raise ValueError(f"Could not read {path} as a table: {why}.") from error


def type_columns(
    frame: pd.DataFrame,
    wanted: Mapping[str, Format] | None = None,
    separator: str = ",",
    of: Container[str] | None = None,
    unreadable: float = UNREADABLE,
) -> Table:
    """Columns of text that hold numbers or dates as such.

    Args:
        frame: the table.
        wanted: {"kind": "category"} or {"kind": "id"} for a column that stays text, {"kind": "number"} or
            {"kind": "date"} for one that has to be that, or a whole format (`datasets.cells`) as of an earlier table.
        separator: of the file, which hints at its decimal mark.
        of: columns that remarks are wanted of; default: all. Of one that is read as in `wanted` none is needed.
        unreadable: share of a column's cells up to which those that are no number, or no date, count as missing; with
            more of them the column is refused. A part of a table may have any share of them.

    Raises:
        ValueError: for a column that is not what it has to be.
    """
    import pandas as pd

    wanted = wanted or {}
    index, frame = frame.index, frame.reset_index(drop=True)
    if plain := {name: column.astype(object) for name, column in frame.items() if hasattr(column, "cat")}:
        frame = frame.assign(**plain)
    texts = {name: cells.known_cells(column) for name, column in frame.items() if _is_text(column)}
    mark = cells.decimal_mark(list(texts.values()), separator)
    made: dict[Any, Any] = {}
    found: dict[str, Format] = {}
    notes: dict[str, str] = {}
    converted: dict[str, list[str]] = {"numbers": [], "dates": []}
    remarks: list[str] = []
    for name, column in frame.items():
        want = wanted.get(str(name), {})
        if name not in texts or want.get("kind") in ("category", "id"):
            made[name] = column if name in texts else _native(column)
            if pd.api.types.is_datetime64_any_dtype(made[name]):
                found[str(name)] = {"kind": "date", "date": cells.ISO, "words": []}
            continue
        known = texts[name]
        numbers = cells.plain_numbers(known, mark) if want in ({}, {"kind": "number"}) else None
        fraction = numbers is not None and bool((numbers % 1 != 0).any())
        code = None if want or fraction else cells.is_code(known)
        if numbers is not None and not code:
            made[name] = numbers.reindex(column.index)
            continue
        how = None if code else _format(str(name), known, want, mark, unreadable)
        made[name] = column.astype(object) if how is None else cells.apply_format(known, how).reindex(column.index)
        if code and cells.find_number(known, mark):
            notes[str(name)] = f"{code}: taken for text"
        if how is not None:
            plural = "dates" if how["kind"] == "date" else "numbers"
            example = _example(known, made[name], how)
            told = of is None or str(name) in of
            before = {key: want[key] for key in ("decimal", "thousands", "date") if key in want}
            as_before = bool(before) and all(how.get(key) == value for key, value in before.items())
            if example and told and not as_before and how.get("date") != cells.ISO:
                converted[plural].append(f"{name!r} ({example})")
            bad = known[made[name][known.index].isna()]
            if len(bad) and told:
                one = len(bad) == 1
                such = f"is no {plural[:-1]}, {bad.iloc[0]!r}" if one else f"are no {plural}, such as {bad.iloc[0]!r}"
                count = "it counts" if one else "they count"
                remarks.append(f"{len(bad):,} of {len(column):,} cells of {name!r} {such}: {count} as missing.")
            if example or len(bad):
                are = f"1 cell is no {plural[:-1]}" if len(bad) == 1 else f"{len(bad):,} cells are no {plural}"
                odd = f"{are} ({bad.iloc[0]!r}), and counted as missing" if len(bad) else ""
                found[str(name)], notes[str(name)] = how, "; ".join(part for part in (example, odd) if part)
    read = [f"Read as {plural}: {some_names(which)}." for plural, which in converted.items() if which]
    table = pd.DataFrame(made, columns=frame.columns).set_axis(index, axis=0)
    return Table(table, found, [*read, *remarks], notes, (*read, *remarks))


def _is_text(column: pd.Series) -> bool:
    """Whether a column holds text alone, and some of it."""
    import pandas as pd

    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return False
    return pd.api.types.infer_dtype(column, skipna=True) == "string" and bool(column.notna().any())


def _native(column: pd.Series) -> pd.Series:
    """Decimals and durations as numbers, dates as dates; others as they are."""
    import pandas as pd

    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds()
    if not pd.api.types.is_object_dtype(column):
        return column
    known = column.dropna()
    if len(known) and all(isinstance(cell, decimal.Decimal) for cell in known):
        return column.astype("float64")
    if len(known) and all(isinstance(cell, datetime.date) for cell in known):
        return pd.to_datetime(column, utc=True)
    return column


def _format(name: str, known: pd.Series, want: Format, mark: str, unreadable: float) -> Format | None:
    """How a column of text is to be read; None for text.

    Raises:
        ValueError: for a column that has to be numbers, or dates, and isn't.
    """
    if not want:
        return cells.find_format(known, mark)
    whole = {"decimal": ".", "thousands": "", "words": [], **want}
    if "date" in whole or (whole["kind"] == "number" and ("decimal" in want or mark != ",")):
        bad = known[cells.apply_format(known, whole).isna() & ~known.isin(whole["words"])]
        if len(bad) <= unreadable * len(known):
            return whole
    else:
        bad = known
    found = None if whole["kind"] == "number" else cells.find_date(known, 0.5)
    found = found or cells.find_number(known, mark, 0.5)
    if found is None:
        what = "numbers" if whole["kind"] == "number" else "dates"
        raise ValueError(f"Expected {what} in column {name!r}. Received: {bad.iloc[0]!r} in row {bad.index[0] + 1}.")
    return found


def _example(known: pd.Series, made: pd.Series, how: Format) -> str:
    """One cell of text, and what it became; "" where all cells are numbers as Python writes them."""
    good = known[made[known.index].notna()]
    if len(good) and how["kind"] == "date":
        return f"{good.iloc[0]} is {made[good.index[0]]:%Y-%m-%d}{_other_order(good, how['date'])}"
    if (how["decimal"], how["thousands"]) != cells.PLAIN:
        good = good[good.str.contains(r"[.,' ]")]
    else:
        good = good[good.str.contains(cells.SIGNS)]
    return f"{good.iloc[0]} is {made[good.index[0]]:.9g}" if len(good) else ""


def _other_order(known: pd.Series, style: str) -> str:
    """A warning where day and month could be the other way round."""
    swapped = style.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    if swapped == style or "%m" not in style:
        return ""
    other = cells.apply_format(known, {"kind": "date", "date": swapped})
    return f"; {swapped} would fit too" if other.notna().all() else ""

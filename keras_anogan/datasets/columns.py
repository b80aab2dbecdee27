"""What each column of a table is, and which of them a detector learns from.

Dates, ids and counters are told and left out: in every later row they lie outside what was seen, so that each would be
an alarm.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_anogan.datasets.conditions import some_names
from keras_anogan.nn.scaling import far_cells, is_constant
from keras_anogan.words import counted

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT = {
    "date": "a date: later rows lie outside what was seen",
    "id": "an id: it names a row",
    "counter": "it counts: later rows lie outside what was seen",
    "index": "the number of the row",
    "empty": "no cell holds anything",
    "label": "the condition names it",
    "dropped": "--drop",
    "row id": "--id-column",
}
KINDS = ("number", "date", "category", "id")
FEW = 20  # rows below which nothing is called an id or a counter
MOST_LINES = 60  # of a report of columns
EXACT = 2**53  # whole numbers up to here are numbers; float64 can't tell longer ones apart
NAMES = re.compile(
    r"(^|[\W_])(?i:id|ids|uid|uuid|guid|key|index|idx|nr|no|serial|record|row)($|[\W_])|[a-z](Id|ID)$",
)
TIMES = re.compile(r"time|date|stamp|epoch|(^|[\W_])(ts|dt)($|[\W_])", re.I)
UNNAMED = re.compile(r"Unnamed: \d+|\s*|nan|None|__index_level_\d+__|level_\d+")


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column of a table was taken for.

    Attributes:
        name: in the table.
        kind: "number", "constant", "category", or one that is left out unless asked for (`LEFT_OUT`).
        used: whether a detector reads it.
        dtype: what a detector reads, "float64" or "string".
        missing: empty cells.
        unique: different cells.
        low, high: of numbers and dates (as ISO 8601), without cells far from all others; None for text.
        remark: what should be known of it.
    """

    name: str
    kind: str
    used: bool
    dtype: str
    missing: int
    unique: int
    low: float | str | None = None
    high: float | str | None = None
    remark: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The column for JSON."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "dtype"}


def choose_columns(
    frame: pd.DataFrame, drop: Sequence[str] = (), wanted: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, str]:
    """The columns that a detector reads: name -> "float64" (numbers, and dates as seconds) or "string" (categories).

    Args:
        frame, drop, wanted: as `describe_columns` takes them.

    Raises:
        ValueError: as `describe_columns` does, and if no column is left.
    """
    return features(describe_columns(frame, drop, wanted))


def features(columns: Sequence[Column]) -> dict[str, str]:
    """The columns that a detector reads: name -> "float64" or "string".

    Raises:
        ValueError: if there are none.
    """
    dtypes = {column.name: column.dtype for column in columns if column.used}
    if not dtypes:
        why = "; ".join(f"{column.name}: {LEFT_OUT[column.kind]}" for column in columns[:8])
        raise ValueError(f"Expected a column to learn from; --column NAME=number keeps one. Received: {why}.")
    return dtypes


def describe_columns(
    frame: pd.DataFrame,
    drop: Sequence[str] = (),
    wanted: Mapping[str, dict[str, Any]] | None = None,
    rows: np.ndarray | None = None,
    labels: Sequence[str] = (),
    row_id: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> list[Column]:
    """What each column is, in the order of the table.

    Args:
        frame: the table, as `read_table` gives it.
        drop: columns to leave out.
        wanted: {"kind": "number"}, "date" or "category", for columns to keep as that, or "id" for one to leave out.
        rows: (k,) numbers of the normal rows, in order: what counts in these is a counter; default: all.
        labels: columns that tell what is normal.
        row_id: column that names the rows.
        notes: what is known of columns already, in a few words.

    Raises:
        ValueError: for a name in `drop`, `wanted` or `row_id` that the table lacks, or a column whose name is no text.
    """
    wanted = wanted or {}
    if any(not isinstance(name, str) for name in frame.columns):
        wrong = next(name for name in frame.columns if not isinstance(name, str))
        raise ValueError(f"Expected columns with names. Received: {wrong!r}; frame.columns.astype(str) would do.")
    asked = [*([("--id-column", row_id)] if row_id is not None else []), *(("--drop", name) for name in drop)]
    for option, name in [*asked, *(("--column", name) for name in wanted)]:
        if name not in frame.columns:
            raise ValueError(f"Expected columns of the table, {some_names(frame.columns)}. Received: {option} {name}.")
    found = []
    for name in frame.columns:
        column = frame[name] if rows is None else frame[name].iloc[rows]
        forced = "row id" if name == row_id else "label" if name in labels else "dropped" if name in drop else ""
        kind, remark = _kind(name, column, forced or str(wanted.get(name, {}).get("kind", "")))
        found.append(_described(frame[name], kind, [remark, (notes or {}).get(name, "")], keep=name in wanted))
    return found


def _described(column: pd.Series, kind: str, remarks: list[str], keep: bool) -> Column:
    import pandas as pd

    known = column.dropna()
    dated = pd.api.types.is_datetime64_any_dtype(column)
    number = _is_number(column) and kind not in ("category", "id")
    low: float | str | None = None
    high: float | str | None = None
    if len(known) and dated:
        low, high = (f"{edge:%Y-%m-%dT%H:%M:%S}" for edge in (known.min(), known.max()))
    elif len(known) and _is_number(column):
        values = known.to_numpy("float64")
        values = values[np.isfinite(values) & ~far_cells(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (None, None)
    return Column(
        name=str(column.name),
        kind=kind,
        used=kind not in LEFT_OUT or (keep and kind == "date"),
        dtype="float64" if number or dated else "string",
        missing=int(column.isna().sum()),
        unique=int(known.astype(str).nunique() if known.dtype == object else known.nunique()),
        low=low,
        high=high,
        remark="; ".join(remark for remark in remarks if remark),
    )


def _is_number(column: pd.Series) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _kind(name: str, column: pd.Series, asked: str) -> tuple[str, str]:
    """What a column is, as asked for or else by its cells, and a remark."""
    import pandas as pd

    known = column.dropna()
    if asked and asked in (*LEFT_OUT, "category"):
        return asked, ""
    if len(known) == 0:
        return "empty", ""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date", ""
    if not _is_number(column):
        return _kind_of_text(known)
    values = known.to_numpy("float64")
    whole = bool(np.isfinite(values).all() and (values == np.round(values)).all())
    if not asked and whole and np.abs(values).max() > EXACT:
        kind, _ = _kind_of_text(known.astype(str))
        return kind, "more digits than a number keeps: taken for text"
    if is_constant(values):
        return "constant", f"always {values[0]:.6g}: a row that differs shows"
    if not asked and (found := _names_rows(name, values, whole, len(column))) is not None:
        return found
    if far := int(far_cells(column.to_numpy("float64", na_value=np.nan)).sum()):
        cells = column.to_numpy("float64", na_value=np.nan)
        row = int(np.flatnonzero(far_cells(cells))[0])
        label = column.index[row]
        place = int(label) + 1 if isinstance(label, (int, np.integer)) else row + 1
        told = f"{counted(far, 'cells')} far from all others, such as {cells[row]:.6g} in row {place}"
        return "number", told
    return "number", ""


def _kind_of_text(known: pd.Series) -> tuple[str, str]:
    texts = known.astype(str)
    counts = texts.value_counts()
    if len(known) >= FEW and len(counts) > 0.5 * len(known):
        return "id", f"{len(counts):,} of {len(known):,} cells differ"
    if len(counts) == 1:
        return "category", f"always {counts.index[0]}: a row that differs shows"
    shown = ", ".join(str(word) for word in counts.index[:3])
    return "category", shown + (", ..." if len(counts) > 3 else "")


def _names_rows(name: str, values: np.ndarray, whole: bool, rows: int) -> tuple[str, str] | None:
    """ "date", "index", "counter" or "id", and why, for numbers that are no measurements; None for others."""
    n, different = len(values), len(np.unique(values))
    if n < FEW:
        return None
    steps = np.diff(values)
    falls_never = bool((steps >= 0).all() or (steps <= 0).all())
    if whole and UNNAMED.fullmatch(name) and (falls_never or different == n):
        return "index", "it has no name, and counts"
    if whole and (date := _dates_as_numbers(name, values)):
        return "date", date
    if falls_never and different > max(FEW - 1, 0.1 * n):
        return "counter", f"it never {'falls' if values[-1] > values[0] else 'rises'} from one row to the next"
    if whole and different == n == rows:
        pairs = n * (n - 1) / 2 / (values.max() - values.min() + 1)  # equal ones, were they drawn from their range
        if pairs >= 5 or NAMES.search(name):
            return "id", "no whole number in it comes twice"
    return None


def _dates_as_numbers(name: str, values: np.ndarray) -> str:
    """Why whole numbers are dates, or nothing."""
    import pandas as pd

    if values.min() >= 19_000_101 and values.max() <= 21_001_231:
        days = pd.Series(np.unique(values).astype("int64").astype(str))
        if pd.to_datetime(days, format="%Y%m%d", errors="coerce").notna().all() and len(days) > 5:
            return f"{int(values[0])} is a day"
    for unit, factor in (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6)):
        if TIMES.search(name) and 6.3e8 * factor <= values.min() and values.max() <= 2.6e9 * factor:
            return f"{unit} since 1970"
    return ""


def carried_columns(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Columns that name rows, so that scores carry them: ids, and counters that are called like one.

    Args:
        columns: (name, kind) of each column that is left out.
    """
    return [name for name, kind in columns if kind == "id" or (kind == "counter" and NAMES.search(name))]


def lines_of(columns: Sequence[Column], most: int = MOST_LINES) -> list[str]:
    """The columns as lines of a table for a terminal: name, kind, missing, unique, range and remark."""
    if not columns:
        return []
    head = ("column", "taken for", "missing", "unique", "range", "remark")
    rows = [head]
    for column in columns[:most]:
        kind = column.kind if column.used else f"{column.kind}, left out"
        between = "" if column.low is None else f"{_short(column.low)} to {_short(column.high)}"
        row = (column.name, kind, f"{column.missing:,}", f"{column.unique:,}", between, column.remark)
        rows.append(row)
    widths = [min(32, max(len(row[i]) for row in rows)) for i in range(len(head) - 1)]
    sides = ("<", "<", ">", ">", "<")
    lines = []
    for *short, remark in rows:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(short, sides, widths, strict=True)]
        lines.append("  ".join([*cells, remark]).rstrip())
    more = len(columns) - most
    return [*lines, *([f"... and {counted(more, 'more columns')} in metrics.json"] if more > 0 else [])]


def _short(value: float | str | None) -> str:
    if isinstance(value, str):
        return value[:10]  # the day
    return "" if value is None else f"{value:.6g}"

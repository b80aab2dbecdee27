"""Which rows of a table are normal: a condition over its columns, true or false for each row."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

BOOLEANS = {"true": True, "false": False}


def some_names(names: Any) -> str:
    """Names for a message: the first eight, and how many more there are."""
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def normal_rows(frame: pd.DataFrame, condition: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows meet a condition such as `label == "ok"`, bool (n,), and the columns that it names.

    True and "true" are the same in a column of such cells, whether a CSV or a Parquet file holds them, and so are 1
    and "1" in a column of numbers.

    Args:
        frame: the table.
        condition: an expression as `pandas.DataFrame.eval` takes it.

    Raises:
        ValueError: if it is not an expression over columns of the table that is true or false for each row, or compares
            text with a number.
    """
    try:
        tree, columns = _parsed(condition, frame)
        shown = frame[list(columns.values())].set_axis(list(columns), axis=1)
        for name, column in shown.items():
            if hasattr(column, "cat"):
                shown[name] = column.astype(object)
            if _holds(shown[name]):
                shown[name] = _as_booleans(shown[name])
        _Alike(shown, columns).visit(tree)
        found = shown.eval(ast.unparse(tree), engine="python")
    except _Unlike as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"Expected a condition over the columns {some_names(frame.columns)}, such as 'label == \"ok\"'. "
            f"Received: {condition!r} ({reason})."
        ) from error
    import pandas as pd

    if getattr(found, "shape", None) != (len(frame),) or not pd.api.types.is_bool_dtype(found):
        raise ValueError(f"Expected a condition that is true or false for each row. Received: {condition!r}.")
    return found.fillna(False).to_numpy(bool), tuple(name for name in frame.columns if name in columns.values())


def _parsed(condition: str, frame: pd.DataFrame) -> tuple[ast.Expression, dict[str, str]]:
    """The tree of a condition, and the columns by the names they have in it; `quoted ones` have none of Python's."""
    columns: dict[str, str] = {}

    def rename(quoted: re.Match) -> str:
        alias = f"quoted_{len(columns)}_"
        columns[alias] = quoted[1]
        return alias

    tree = ast.parse(re.sub("`([^`]+)`", rename, condition), mode="eval")
    if lost := [name for name in columns.values() if name not in frame.columns]:
        raise KeyError(f"no column {lost[0]}")
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(columns)
    columns |= {name: name for name in frame.columns if name in named}
    return tree, columns


def _holds(column: pd.Series) -> bool:
    """Whether all known cells are true or false, or say so."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column):
        return True
    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return False
    known = column.dropna().astype(str).str.strip().str.lower()
    return len(known) > 0 and bool(known.isin(list(BOOLEANS)).all())


def _as_booleans(column: pd.Series) -> pd.Series:
    known = column.dropna().astype(str).str.strip().str.lower().map(BOOLEANS)
    return known.reindex(column.index).astype("boolean") if column.isna().any() else known.astype(bool)


class _Unlike(ValueError):
    """A column compared with what none of its cells can be."""


class _Alike(ast.NodeTransformer):
    """Constants of a condition as cells of the column that they are compared with."""

    def __init__(self, frame: pd.DataFrame, columns: dict[str, str]) -> None:
        self.frame, self.columns = frame, columns

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        names = [side.id for side in sides if isinstance(side, ast.Name) and side.id in self.columns]
        if len(names) != 1:
            return node
        for side in sides:
            for constant in getattr(side, "elts", [side]):
                if isinstance(constant, ast.Constant):
                    constant.value = self._cell(names[0], constant.value)
        return node

    def _cell(self, name: str, value: Any) -> Any:
        import pandas as pd

        column = self.frame[name]
        words = isinstance(value, str)
        if pd.api.types.is_bool_dtype(column):
            word = str(value).strip().lower()
            if word in BOOLEANS:
                return BOOLEANS[word]
            if not words:
                return value
        elif pd.api.types.is_numeric_dtype(column):
            if not words:
                return value
            try:
                return float(value)
            except ValueError:
                pass
        elif words or not all(isinstance(cell, str) for cell in column.dropna()):
            return value
        known = column.dropna()
        held = "" if len(known) == 0 else f", such as {getattr(known.iloc[0], 'item', lambda: known.iloc[0])()!r}"
        numbers = "true or false" if pd.api.types.is_bool_dtype(column) else "numbers"
        kind = numbers if pd.api.types.is_numeric_dtype(column) else "text"
        raise _Unlike(
            f"Expected a condition that compares {self.columns[name]!r} with its cells, which are {kind}{held}. "
            f"Received: {value!r}."
        )


def normal_of(frame: pd.DataFrame, condition: str | None, least: int = 20) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which rows are normal, bool (n,), and the columns that the condition names; all rows without a condition.

    Raises:
        ValueError: for a bad condition, rows of which it can't tell, or fewer than `least` normal rows.
    """
    normal, named = (np.ones(len(frame), bool), ()) if condition is None else normal_rows(frame, condition)
    if len(named) and frame[list(named)].isna().any(axis=None):
        gone = int(frame[list(named)].isna().any(axis=1).sum())
        raise ValueError(
            f"Expected every row to have {some_names(named)}, which tells whether it is normal. "
            f"Received: {gone} without."
        )
    if normal.sum() < least:
        raise ValueError(
            f"Expected at least {least} normal rows to learn from. Received: {int(normal.sum())} of {len(frame)}"
            f"{cells_of(frame, named)}."
        )
    return normal, named


def cells_of(frame: pd.DataFrame, named: tuple[str, ...], most: int = 4) -> str:
    """What the columns of a condition hold, for the end of a sentence: "; 'state' holds 'ok', 'broken'"."""
    told = []
    for name in named:
        values = frame[name].value_counts().index.tolist()
        cells = ", ".join(repr(str(value)) for value in values[:most])
        told.append(f"; {name!r} holds {cells}{' and others' if len(values) > most else ''}")
    return "".join(told)

"""Cells of text as numbers and dates: how a column is written, found out once and read alike ever after.

A format is a dict that JSON takes, {"kind": "number", "decimal": ",", "thousands": ".", "words": ["error"]} or
{"kind": "date", "date": "%d.%m.%Y", "words": []}. Words stand for missing cells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Format = dict[str, Any]
NEARLY = 0.8  # of the known cells have to be numbers, or dates, for a column to be one of them
MOST = 1_000  # different cells that are looked at to find out how a column is written
WORDS = 20  # of those that are no numbers, kept with the format
BLANKS = (
    "-",
    "--",
    "---",
    "?",
    ".",
    "*",
    "x",
    "X",
    "N.A.",
    "n.a.",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "Inf",
    "inf",
    "-inf",
)
SIGNS = re.compile(r"[%‰€$£¥]|°[CFK]?")
SPACES = re.compile("[\u00a0\u202f\u2009]")
GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3})+")  # 1.234 is a number, or a thousand written in German
ZEROS = re.compile(r"0\d+")  # 007
ISO = "ISO8601"
ISO_DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)"
DAYS: tuple[str, ...] = ("%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d")
DAYS += ("%Y%m%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d/%b/%Y", "%d/%m/%y", "%m/%d/%y")
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    ":%H:%M:%S %z",
    ", %H:%M",
    ", %H:%M:%S",
)
PLAIN = (".", "")
STYLES = {  # by what the file's other columns, or its separator, tell of the decimal mark
    ".": (PLAIN, (".", ","), (".", " "), (".", "'"), (",", ""), (",", "."), (",", " ")),
    ",": ((",", ""), (",", "."), (",", " "), PLAIN, (".", ","), (".", " "), (".", "'")),
    ";": (PLAIN, (",", ""), (",", "."), (",", " "), (".", ","), (".", " "), (".", "'")),
}


def pattern_of(decimal: str, thousands: str) -> re.Pattern:
    """What a number looks like with a decimal mark, and a mark between thousands or none."""
    d = re.escape(decimal)
    whole = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)" if thousands else r"\d+"
    return re.compile(rf"[-+]?(?:{whole}(?:{d}\d*)?|{d}\d+)(?:[eE][-+]?\d+)?")


PATTERNS = {style: pattern_of(*style) for style in STYLES["."]}


def bare(cell: str) -> str:
    """A cell without what stands around its number: % and currencies, odd spaces, a long minus."""
    cell = SPACES.sub(" ", cell).replace("’", "'").replace("−", "-")
    return SIGNS.sub("", cell).strip().replace("- ", "-")


def known_cells(column: pd.Series) -> pd.Series:
    """The cells that are not missing, as text."""
    return column.dropna().astype(str).str.strip()


def plain_numbers(known: pd.Series, mark: str) -> pd.Series | None:
    """Cells as float64 where each is a number as Python writes them, and none could mean another; else None."""
    import pandas as pd

    numbers = pd.to_numeric(known, errors="coerce").astype("float64")
    if not np.isfinite(numbers).all() or (mark == "," and known.str.fullmatch(GROUPED).any()):
        return None
    return numbers


def number_styles(cells: list[str]) -> tuple[float, list[tuple[str, str]]]:
    """The share of cells that are numbers in the best style, and all styles in which as many are."""
    cells = [bare(cell) for cell in cells]
    found = {style: sum(p.fullmatch(cell) is not None for cell in cells) for style, p in PATTERNS.items()}
    best = max(found.values(), default=0)
    return best / max(len(cells), 1), [style for style, count in found.items() if count == best]


def decimal_mark(columns: list[pd.Series], separator: str) -> str:
    """The decimal mark of a file, where columns of it leave no doubt; else what its separator suggests.

    A file that writes 12,5 means a thousand by 1.234, and one that writes 12.5 means one and a bit.
    """
    votes = set()
    for column in columns:
        cells = column.iloc[: 10 * MOST].drop_duplicates().iloc[:MOST].tolist()
        if not any("." in cell or "," in cell for cell in cells):
            continue
        share, styles = number_styles(cells)
        marked = [cell for cell in cells if "." in cell or "," in cell]
        if share >= NEARLY and marked and len({decimal for decimal, _ in styles}) == 1:
            votes.add(styles[0][0])
    return votes.pop() if len(votes) == 1 else ";" if separator in (";", "\t") else "."


def find_format(column: pd.Series, mark: str = ".", least: float = NEARLY) -> Format | None:
    """How a column of text writes numbers or dates; None for one of neither.

    Args:
        column: cells of text, missing ones NaN.
        mark: what `decimal_mark` says of the file.
        least: share of the known cells that have to be numbers, or dates.
    """
    return find_number(column, mark, least) or find_date(column, least)


def find_number(column: pd.Series, mark: str = ".", least: float = NEARLY) -> Format | None:
    """How a column of text writes numbers, or None."""
    known = known_cells(column)
    cells = known.drop_duplicates()[:MOST].tolist()
    share, styles = number_styles(cells)
    if not cells or share < 0.5 * least:
        return None
    decimal, thousands = next(style for style in STYLES[mark] if style in styles)
    if not any(mark in cell for cell in cells for mark in ".,"):
        decimal = "."
    found = {"kind": "number", "decimal": decimal, "thousands": thousands, "words": []}
    return _with_words(known, found, least)


def find_date(column: pd.Series, least: float = NEARLY) -> Format | None:
    """How a column of text writes dates, or None; where day and month could be either, the day comes first."""
    known = known_cells(column)
    cells = known.drop_duplicates()[:MOST]
    cells = cells[~cells.isin(BLANKS)]
    if len(cells) == 0 or not cells.str.contains(r"\d", regex=True).mean() >= 0.5 * least:
        return None
    if cells.str.match(ISO_DATE).mean() >= 0.5 * least:
        return _with_words(known, {"kind": "date", "date": ISO, "words": []}, least)
    best = None
    for style in (day + time for day in DAYS for time in TIMES):
        if _dates(cells[:20], style).notna().mean() < 0.5:
            continue
        share = float(_dates(cells, style).notna().mean())
        if share >= 0.5 * least and (best is None or share > best[0]):
            best = (share, style)
    return _with_words(known, {"kind": "date", "date": best[1], "words": []}, least) if best else None


def _with_words(known: pd.Series, found: Format, least: float) -> Format | None:
    """A format with the words that are none of its cells, if these are few enough."""
    bad = known[apply_format(known, found).isna()]
    told = len(known) - int(known.isin(BLANKS).sum())  # a dash says that there is nothing
    if len(known) - len(bad) < max(least * told, 1):
        return None
    return {**found, "words": bad.value_counts().index[:WORDS].tolist()}


def apply_format(column: pd.Series, found: Format) -> pd.Series:
    """Cells of text as float64, or as dates in UTC; NaN, or NaT, for a cell that is none."""
    import pandas as pd

    if found["kind"] == "date":
        return _dates(column, found["date"])
    known = known_cells(column)
    if (found["decimal"], found["thousands"]) == PLAIN:
        numbers = pd.to_numeric(known, errors="coerce")
        rest = known[numbers.isna()]
    else:
        numbers, rest = pd.Series(np.nan, known.index, dtype="float64"), known
    if len(rest):
        marks, matching = (found["decimal"], found["thousands"]), PATTERNS[found["decimal"], found["thousands"]]
        different = {cell: _number(cell, matching, *marks) for cell in rest.unique()}
        numbers = numbers.astype("float64")
        numbers.loc[rest.index] = rest.map(different).astype("float64")
    numbers = numbers.where(np.isfinite(numbers.astype("float64")))
    return numbers.astype("float64").reindex(column.index)


def _number(cell: str, matching: re.Pattern, decimal: str, thousands: str) -> float:
    cell = bare(cell)
    if not matching.fullmatch(cell):
        return np.nan
    return float(cell.replace(thousands, "").replace(decimal, ".") if thousands else cell.replace(decimal, "."))


def _dates(column: pd.Series, style: str) -> pd.Series:
    import pandas as pd

    text = column.astype(object).where(column.notna(), None)
    if style != ISO:
        return pd.to_datetime(text, format=style, errors="coerce", utc=True)
    looks = column.astype(str).str.strip().str.match(ISO_DATE)
    return pd.to_datetime(text.where(looks, None), format=ISO, errors="coerce", utc=True)


def is_code(cells: pd.Series) -> str | None:
    """Why whole numbers among cells of text are names rather than amounts, or None: 007, or more digits than fit."""
    if (zeros := cells[cells.str.fullmatch(ZEROS)]).size:
        return f"cells such as {zeros.iloc[0]} begin with zeros"
    long = cells[cells.str.fullmatch(r"[-+]?\d{16,}")]
    return f"{long.iloc[0]} has more digits than a number keeps" if any(abs(int(c)) > 2**53 for c in long) else None

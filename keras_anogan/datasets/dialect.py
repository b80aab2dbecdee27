"""CSV files as other programs write them: their encoding, their separator, and their cells as text."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
BLOCK = 2**20
SAMPLE = 2**16
NOT_IN_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # bytes that cp1252 has no character for


def read_cells(path: pathlib.Path) -> tuple[pd.DataFrame, str, list[str]]:
    """A CSV file with every cell as text, missing ones as NaN; its separator; and what was found out about it.

    Raises:
        ValueError: if it is no text, or no table.
    """
    import pandas as pd

    separator, reading = _dialect(path)
    encoding = reading["encoding"]
    header = pd.read_csv(path, header=None, nrows=1, **reading).iloc[0]
    frame = pd.read_csv(path, index_col=False, **reading)
    if header.dropna().duplicated().any():  # pandas would number them
        frame.columns = header
    remarks = []
    if separator not in (",", "\x1f"):
        remarks.append(f"Read {path.name} as columns between {SEPARATORS.get(separator, repr(separator))}.")
    if encoding not in ("utf-8", "utf-8-sig"):
        remarks.append(f"Read {path.name} as {encoding}, since it is not UTF-8.")
    numbers = pd.to_numeric(header, errors="coerce")
    if numbers.notna().all() and numbers.tolist() != list(range(len(numbers))):
        remarks.append(f"The first line of {path.name} holds numbers only, and counts as the names of the columns.")
    return frame, separator, remarks


def read_names(path: pathlib.Path) -> list[str]:
    """The names of the columns of a CSV file, without its rows.

    Raises:
        ValueError: as `read_cells` does, of the first line.
    """
    import pandas as pd

    return [str(name) for name in pd.read_csv(path, index_col=False, nrows=0, **_dialect(path)[1]).columns]


def _dialect(path: pathlib.Path) -> tuple[str, dict[str, Any]]:
    """The separator of a CSV file, and how pandas has to read it."""
    encoding, separator, above = find_dialect(path)
    return separator, {
        "encoding": encoding,
        "sep": r"\s+" if separator == " " else separator,
        "skiprows": above,
        "dtype": str,
    }


def find_dialect(path: pathlib.Path) -> tuple[str, str, int]:
    """Encoding and separator of a CSV file, and how many lines stand above its header.

    Raises:
        ValueError: for a file that holds no text.
    """
    encoding = find_encoding(path)
    sample = _sample(path, encoding)
    told = re.match(r'"?sep=(.)"?\r?\n', sample)  # Excel's first line
    return encoding, told[1] if told else find_separator(sample), 1 if told else 0


def find_encoding(path: pathlib.Path) -> str:
    """By its first bytes, or else UTF-8 if it is that from beginning to end, or else what Windows writes.

    Raises:
        ValueError: for a file that holds no text.
    """
    decoder, utf8, windows = codecs.getincrementaldecoder("utf-8")(), True, True
    for number, block in enumerate(_blocks(path)):
        if number == 0:
            for mark, encoding in MARKS:
                if block.startswith(mark):
                    return encoding
            if b"\0" in block:
                return _wide(block)
        if utf8:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                utf8 = False
        windows &= NOT_IN_WINDOWS.search(block) is None
    return "utf-8" if utf8 else "cp1252" if windows else "latin-1"


def _wide(block: bytes) -> str:
    """UTF-16 without a mark: in text every other byte is zero."""
    even, odd = block[0::2].count(0), block[1::2].count(0)
    if max(even, odd) < 0.3 * len(block) / 2 or min(even, odd) > 0.1 * max(even, odd):
        raise ValueError("it holds bytes that are no text")
    return "utf-16-le" if odd > even else "utf-16-be"


def _blocks(path: pathlib.Path) -> Iterator[bytes]:
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _sample(path: pathlib.Path, encoding: str) -> str:
    """The first lines, whole."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding=encoding, newline="") as file:
        text = file.read(SAMPLE)
        more = bool(file.read(1))
    return text[: text.rfind("\n") + 1] if more and "\n" in text else text


def find_separator(sample: str) -> str:
    """What stands between the cells of each line alike; of several, what gives most columns.

    The csv module's Sniffer also takes a letter for a separator, so candidates are few here, and all lines count.
    """
    counts = {}
    for separator in SEPARATORS:
        spaced = re.sub(" +", " ", sample) if separator == " " else sample
        rows = csv.reader(io.StringIO(spaced, newline=""), delimiter=separator)
        counts[separator] = [len(row) for row in rows if row]
    alike = {s: found[0] for s, found in counts.items() if len(set(found)) == 1 and found[0] > 1}
    if list(alike) == [" "] and len(counts[" "]) < 3:  # two lines of prose
        alike = {}
    if alike:
        return max(alike, key=lambda separator: alike[separator])
    named = {s: found[0] for s, found in counts.items() if s != " " and found and found[0] > 1}
    if named:  # lines of unequal length, of which pandas tells
        return max(named, key=lambda separator: named[separator])
    return "," if "," not in sample else "\x1f"  # one column

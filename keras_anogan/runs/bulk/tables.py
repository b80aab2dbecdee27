"""Blocks of rows of CSV and Parquet files. A worker reads its own rows alone, so that a table may be of any length."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from keras_anogan.datasets import is_table
from keras_anogan.datasets.conditions import some_names
from keras_anogan.datasets.dialect import find_dialect
from keras_anogan.datasets.table import column_names
from keras_anogan.runs.folder import Run
from keras_anogan.runs.inputs import Inputs, table_inputs

BYTEWISE = ("utf-8", "utf-8-sig", "cp1252", "latin-1")  # encodings in which the byte of a line's end is nothing else


def cut(run: Run, data: Sequence[str], size: int) -> list[tuple[int, dict[str, Any]]]:
    """(rows, where they are) of each block; a block is of one file.

    Raises:
        FileNotFoundError, ValueError: for a path without tables, or one that can't be read from its middle.
    """
    files = [path for source in data for path in _tables_in(pathlib.Path(source))]
    for path in files:
        _check_columns(path, list(run.fitted.raw_columns or ()))
    found = []
    for path in files:
        pieces = _of_parquet(path, size) if path.suffix.lower() == ".parquet" else _of_csv(path, size)
        first = 0
        for rows, piece in pieces:
            found.append((rows, {"file": str(path), "name": path.name, "first": first, "rows": rows, **piece}))
            first += rows
    if not found:
        raise ValueError(f"Expected rows. Received: {', '.join(map(str, data))}, with none.")
    return found


@contextlib.contextmanager
def opened(run: Run, place: dict[str, Any]) -> Iterator[tuple[Inputs, dict[str, str]]]:
    """The rows of a block; a table has no rows that can't be read.

    Raises:
        ValueError: for rows that are not those the block was cut for, a column that is missing or is no number.
    """
    path = pathlib.Path(place["file"])
    with tempfile.TemporaryDirectory() as folder:
        piece = pathlib.Path(folder, path.name)
        if path.suffix.lower() == ".parquet":
            _copy_rows(path, piece, place["first"], place["rows"])
        else:
            _copy_bytes(path, piece, place["header"], place["start"], place["end"])
        try:
            inputs = table_inputs(run, str(piece), is_part=True)
        except ValueError as error:  # of the piece, whose lines are others than the file's
            where = f"rows {place['first'] + 1:,} to {place['first'] + place['rows']:,} of {path}, cut out"
            raise ValueError(str(error).replace(str(piece), where)) from error
    rows = len(inputs.rows)
    if rows != place["rows"]:
        raise ValueError(
            f"Expected {place['rows']:,} rows from row {place['first'] + 1:,} of {path}. Received: {rows:,}."
        )
    numbers = [f"row-{place['first'] + i + 1}" for i in range(rows)]
    ids = {"file": [place["name"]] * rows, **inputs.ids, "id": numbers}
    yield dataclasses.replace(inputs, ids=ids, labels=None), {}


def _tables_in(source: pathlib.Path) -> list[pathlib.Path]:
    """A table file itself, or those in a folder or that fit a pattern, in the order of their names."""
    if source.is_dir():
        found = [path for path in source.rglob("*") if is_table(path) and not path.name.startswith(("_", "."))]
    elif source.is_file():
        found = [source]
    else:
        found = [path for path in source.parent.glob(source.name) if is_table(path)] if source.parent.is_dir() else []
    if not found:
        raise FileNotFoundError(f"Expected table files (.csv or .parquet). Received: {source}; none is there.")
    return sorted(found)


def _check_columns(path: pathlib.Path, needed: Sequence[str]) -> None:
    """Refuse a file without a column that the detector reads, before any row is scored.

    Raises:
        ValueError: naming the first one.
    """
    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        with _reading(path):
            found = [str(name) for name in parquet.read_schema(path).names]
    else:
        found = column_names(path) or []
    if lost := [name for name in needed if name not in found]:
        raise ValueError(f"Expected the columns {some_names(list(needed))}. Received: {path}, without {lost[0]!r}.")


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    """One sentence for a Parquet file that can't be read."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ValueError(f"Could not read {path} as a table: {str(error).splitlines()[0].rstrip('.')}.") from error


# CSV: bytes from the beginning of a row to the end of another.


def _of_csv(path: pathlib.Path, size: int) -> list[tuple[int, dict[str, Any]]]:
    """(rows, {"header", "start", "end"}) of each block, in bytes; a line's end within quotes ends no row."""
    encoding, separator, above = find_dialect(path)
    if path.suffix.lower() == ".gz" or encoding not in BYTEWISE:
        what = "which is compressed as one piece" if path.suffix.lower() == ".gz" else f"in {encoding}"
        raise ValueError(
            f"Expected a table that can be read from its middle: Parquet, or CSV in UTF-8. Received: {path}, {what}; "
            "without --engine it is read as a whole."
        )
    found: list[tuple[int, dict[str, Any]]] = []
    with open(path, "rb") as file:
        read = sum(len(file.readline()) for _ in range(above))

        def lines() -> Iterator[str]:
            nonlocal read
            for line in file:
                read += len(line)
                yield line.decode("latin-1")

        records = csv.reader(lines(), delimiter=separator)
        next(records, None)
        header = start = read
        rows = 0
        for record in records:
            rows += len(record) > 1 or any(cell.strip() for cell in record)  # pandas leaves blank lines out
            if rows == size:
                found.append((rows, {"header": header, "start": start, "end": read}))
                start, rows = read, 0
        if rows:
            found.append((rows, {"header": header, "start": start, "end": read}))
    return found


def _copy_bytes(path: pathlib.Path, piece: pathlib.Path, header: int, start: int, end: int) -> None:
    """A file of the first bytes of a CSV file, its header, and of those of some rows."""
    with open(path, "rb") as file, open(piece, "wb") as target:
        target.write(file.read(header))
        file.seek(start)
        while start < end:
            content = file.read(min(end - start, 2**20))
            if not content:
                raise ValueError(f"Expected {end:,} bytes or more in {path}. Received: {start:,}; it was changed.")
            target.write(content)
            start += len(content)


# Parquet: rows by their numbers.


def _of_parquet(path: pathlib.Path, size: int) -> list[tuple[int, dict[str, Any]]]:
    from pyarrow import parquet

    with _reading(path):
        rows = parquet.read_metadata(path).num_rows
    return [(min(size, rows - first), {}) for first in range(0, rows, size)]


def _copy_rows(path: pathlib.Path, piece: pathlib.Path, first: int, rows: int) -> None:
    """A Parquet file of some rows of another, of which only the groups that hold them are read."""
    import pyarrow
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        begin, parts = 0, []
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            if begin < first + rows and first < end:
                held = file.read_row_group(group)
                parts.append(held.slice(max(first - begin, 0), min(end, first + rows) - max(first, begin)))
            begin = end
        parquet.write_table(pyarrow.concat_tables(parts), piece)

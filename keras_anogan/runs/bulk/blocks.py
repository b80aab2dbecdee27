"""Data cut into blocks that any worker can read for itself."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from keras_anogan.runs.bulk import footage, images, tables
from keras_anogan.runs.folder import Run
from keras_anogan.runs.inputs import Inputs

KINDS: dict[str, Any] = {"images": images, "table": tables, "footage": footage}
SIZES = {"images": 1000, "table": 50_000, "footage": 10_000}  # images, rows, frames in a block


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of the data.

    Attributes:
        number: its place, from 0.
        rows: images, rows or frames in it.
        place: where they are, for the module of the kind; what JSON can hold.
    """

    number: int
    rows: int
    place: dict[str, Any]

    @property
    def file(self) -> str:
        return f"part-{self.number:06d}.parquet"


def cut(run: Run, data: Sequence[str], size: int | None = None) -> list[Block]:
    """The blocks of images, tables or footage, in an order that depends on the data alone.

    Args:
        run: a finished run.
        data: folders, files, patterns or addresses, of what the run was trained on.
        size: images, rows or frames in a block; default: `SIZES`.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the data.
    """
    places = KINDS[run.kind].cut(run, data, size or SIZES[run.kind])
    return [Block(number, rows, place) for number, (rows, place) in enumerate(places)]


def opened(run: Run, block: Block) -> contextlib.AbstractContextManager[tuple[Inputs, dict[str, str]]]:
    """A block as what is scored, while the context lasts, and what of it can't be read: name to reason."""
    return KINDS[run.kind].opened(run, block.place)


def digest(blocks: Sequence[Block]) -> str:
    """SHA-256 over where the blocks are: what tells these data from others."""
    return hashlib.sha256(json.dumps([block.place for block in blocks]).encode()).hexdigest()

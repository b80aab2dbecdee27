"""Files that are whole or absent: written under a temporary name beside them, then renamed."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any


def write_json(path: pathlib.Path, content: Any) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


class replacing:
    """A temporary name beside a file, renamed to it only when all has been written."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> pathlib.Path:
        return self.partial

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)


def lies_in(path: Any, folder: Any) -> bool:
    """Whether a path is a folder or lies below it."""
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(folder).resolve())

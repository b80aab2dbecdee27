"""Files that are whole or as they were before: written under a temporary name beside them, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any

PARTIAL = ".partial-"  # before the file's own name, whose suffix some writers go by


class replacing:
    """A temporary name beside a file, which takes the file's place when the block ends without an error.

        with replacing(path) as partial:
            partial.write_bytes(content)

    Args:
        path: the file to write; its folder has to exist.
    """

    def __init__(self, path: Any) -> None:
        self.path = pathlib.Path(path)
        self.partial = self.path.with_name(f"{PARTIAL}{self.path.name}")

    def __enter__(self) -> pathlib.Path:
        return self.partial

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)


def is_partial(path: Any) -> bool:
    """Whether a file has the name that `replacing` gives while it writes: what a killed process may leave behind."""
    name = pathlib.Path(path).name
    return name.startswith(PARTIAL) or name.endswith(".partial")  # the second is the name in earlier versions


def write_json(path: Any, content: Any) -> None:
    """Write what `json.dumps` takes, indented."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Any) -> Any:
    """What a file that `write_json` wrote holds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Could not read {path}: {error}.") from error


def check_new_folder(path: Any) -> None:
    """Refuse to export to a file, or to a folder that holds something.

    Raises:
        FileExistsError: one sentence.
    """
    path = pathlib.Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        what = "which is not empty" if path.is_dir() else "which is a file"
        raise FileExistsError(f"Expected a new or empty folder to export to. Received: {path}, {what}.")


def lies_in(path: Any, folder: Any) -> bool:
    """Whether a path is a folder or lies below it."""
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(folder).resolve())


def file_digest(path: Any) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

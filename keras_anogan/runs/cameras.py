"""The file that names the cameras of `watch`, one table each:

[gate]
source = "rtsp://gate/stream"

[yard]
source = "http://yard/video"
learn = true
"""

from __future__ import annotations

import dataclasses
import difflib
import pathlib
import re
import tomllib
from typing import Any

NAME = re.compile(r"[\w.-]+")
TAKEN = ("health", "outbox")  # files of the service itself


@dataclasses.dataclass(frozen=True)
class Camera:
    """What is watched.

    Attributes:
        name: of its files.
        source: address (rtsp://, http://), file or folder.
        learn: whether its threshold goes on learning.
        protect: whether it learns from frames without an alarm alone.
    """

    name: str
    source: str
    learn: bool = False
    protect: bool = True


def read_cameras(path: Any) -> list[Camera]:
    """The cameras of a TOML file, in its order.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: one sentence on what is wrong in it.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a TOML file of cameras. Received: {path}; no such file.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"Expected a TOML file of cameras. Received: {path}, which is none: {error}.") from error
    if not content:
        raise ValueError(f"Expected a table for each camera, such as [gate], in {path}. Received: none.")
    names = [name.lower() for name in content]
    if twice := [name for name in content if names.count(name.lower()) > 1]:
        raise ValueError(f"Expected names that differ in more than their case. Received: {' and '.join(twice)}.")
    return [_camera(path, name, table) for name, table in content.items()]


def _camera(path: pathlib.Path, name: str, table: Any) -> Camera:
    if not isinstance(table, dict):
        raise ValueError(
            f"Expected a table for each camera, such as [gate], in {path}. Received: {name} outside of a table."
        )
    if not NAME.fullmatch(name) or name.startswith("."):
        raise ValueError(f"Expected names of cameras of letters, digits, - and _. Received: {name!r} in {path}.")
    if name.lower() in TAKEN:
        raise ValueError(f"Expected another name of a camera. Received: {name}, a file of the service itself.")
    kinds = {"source": str, "learn": bool, "protect": bool}
    for key, value in table.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise ValueError(f"Expected source, learn and protect of a camera. Received: {key} of {name}{meant}")
        if not isinstance(value, kinds[key]):
            what = "text" if kinds[key] is str else "true or false"
            raise ValueError(f"Expected {key} of the camera {name} to be {what}. Received: {value!r}.")
    if not table.get("source"):
        raise ValueError(f"Expected a source of every camera. Received: none of {name} in {path}.")
    return Camera(name, **table)

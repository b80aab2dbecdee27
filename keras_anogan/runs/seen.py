"""Whether data to score are the ones that a run was trained on: their scores look better than those of new data."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_anogan.datasets.image_layout import find_layout
from keras_anogan.datasets.image_remarks import count_of
from keras_anogan.files import lies_in
from keras_anogan.runs.arguments import NAMED_SETS

HIGHER = "what it has not seen scores higher"


def on_seen_images(arguments: Any, paths: Sequence[pathlib.Path]) -> list[str]:
    """A remark on images that are among the normal ones of the run's own folder.

    Args:
        arguments: of the run; its folder may be gone.
        paths: files to score.
    """
    root = pathlib.Path(arguments.data)
    if arguments.data in NAMED_SETS or not root.is_dir():
        return []
    try:
        layout = find_layout(root, True, arguments.normal_dir or (), arguments.abnormal_dir or (), arguments.flat)
    except (ValueError, OSError):  # it is another folder by now
        return []
    own = {os.path.realpath(path) for path in layout.train}
    seen = sum(os.path.realpath(path) in own for path in paths)
    if not seen:
        return []
    return [f"{count_of(seen, paths)} of those that the run was trained, calibrated or tested on: {HIGHER}."]


def on_seen_table(config: dict[str, Any], fingerprint: str) -> list[str]:
    """A remark on the very table of a run, wherever it lies.

    Args:
        config: of the run.
        fingerprint: SHA-256 of the table to score.
    """
    if fingerprint != config["data"]["fingerprint"]:
        return []
    return [f"This is the table that the run was trained, calibrated and tested on: {HIGHER}."]


def on_seen_footage(arguments: Any, days: Any) -> list[str]:
    """A remark on days that are among those of a run, or hold them.

    Args:
        arguments: of the run.
        days: one path or several, or frames.
    """
    several = days if isinstance(days, (list, tuple)) else [days]
    paths = [day for day in several if isinstance(day, (str, os.PathLike))]
    seen = [day for day in paths if any(lies_in(day, own) or lies_in(own, day) for own in arguments.days)]
    if not seen:
        return []
    return [f"The run was trained and calibrated on footage in {seen[0]}: {HIGHER}."]

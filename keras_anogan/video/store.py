"""A prepared store: frames as raw bytes in files that are mapped, so that 24 GB of them take no memory."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_anogan.files import read_json, replacing, write_json
from keras_anogan.video.files import VideoFile
from keras_anogan.video.footage import Footage
from keras_anogan.video.recordings import ArrayRecording

STORE = "footage.json"


def is_store(path: Any) -> bool:
    """Whether a path is a folder that `prepare` wrote."""
    return isinstance(path, (str, os.PathLike)) and (pathlib.Path(path) / STORE).exists()


def write_recording(recording: Any, target: pathlib.Path) -> tuple[int, int]:
    """Write a recording to a store: its frames first, then what is known of them, so that the second means "done".

    Args:
        recording: what `Footage` takes.
        target: the .json file of the recording; beside it go its frames, under the suffix .frames, and their times, if
            they are known, as float64 under .seconds.

    Returns:
        How many frames could be read, and how many could not.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    corrupt = []
    nothing = np.zeros(recording.frame_shape, "uint8")
    with replacing(target.with_suffix(".frames")) as partial, open(partial, "wb") as file:
        for i, frame in decoded(recording):
            corrupt += [i] if frame is None else []
            file.write((nothing if frame is None else np.ascontiguousarray(frame)).tobytes())
    known = recording.seconds is not None
    if known:
        with replacing(target.with_suffix(".seconds")) as partial:
            partial.write_bytes(np.asarray(recording.seconds, "<f8").tobytes())
    facts = {
        "frames": len(recording),
        "frame_shape": list(recording.frame_shape),
        "breaks": [int(i) for i in recording.breaks],
        "corrupt": [int(i) for i in corrupt],
        "seconds": known,
        "source_size": [int(side) for side in recording.source_size],
    }
    write_json(target, facts)
    return len(recording) - len(corrupt), len(corrupt)


def decoded(recording: Any) -> Iterator[tuple[int, np.ndarray | None]]:
    """(number, frame or None where it can't be read), all frames of a recording in order."""
    if isinstance(recording, VideoFile):
        yield from recording.decode()
        return
    corrupt = set(recording.corrupt)
    for i in range(len(recording)):
        yield i, None if i in corrupt else recording.read(np.array([i]))[0]


def open_store(out: pathlib.Path) -> Footage:
    """The footage that `prepare` wrote to a folder.

    Raises:
        ValueError: for a store that is damaged.
    """
    recordings = []
    try:
        asked = read_json(out / STORE)
        every = int(asked["every"])
        for day, name, _ in asked["recordings"]:
            facts = read_json(out / day / f"{name}.json")
            shape = (facts["frames"], *facts["frame_shape"])
            frames = np.memmap(out / day / f"{name}.frames", "uint8", "r", shape=shape)
            known = facts.get("seconds", False)  # stores of before times were kept have neither these nor a size
            times = np.memmap(out / day / f"{name}.seconds", "<f8", "r", shape=shape[:1]) if known else None
            size = tuple(facts.get("source_size", shape[1:3]))
            recordings.append(ArrayRecording(frames, day, name, facts["breaks"], facts["corrupt"], times, size))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"Could not open the store {out}: {error}; prepare it again.") from error
    return Footage(recordings, every)

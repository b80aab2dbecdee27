"""Blocks of frames of footage. A block reads the frames before it that its first window needs, and judges its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_anogan.runs.folder import Run
from keras_anogan.runs.inputs import Inputs, frame_columns
from keras_anogan.video import Footage, VideoWindows


def cut(run: Run, data: Sequence[str], size: int) -> list[tuple[int, dict[str, Any]]]:
    """(frames, where they are) of each block; a block is of one recording.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `Run.open` does.
    """
    found = []
    for number, recording in enumerate(run.open(list(data)).recordings):
        for first in range(0, len(recording), size):
            frames = min(size, len(recording) - first)
            where = {"sources": list(data), "recording": number, "name": f"{recording.day}/{recording.name}"}
            found.append((frames, {**where, "first": first, "frames": frames}))
    return found


@contextlib.contextmanager
def opened(run: Run, place: dict[str, Any]) -> Iterator[tuple[Inputs, dict[str, str]]]:
    """The windows that judge the frames of a block, and none that can't be read: such frames stay without a score.

    The rows are None where no window judges any frame.
    """
    whole = run.open(place["sources"])
    footage = Footage([whole.recordings[place["recording"]]], whole.every)
    first, frames = place["first"], place["frames"]
    columns = {name: values[first : first + frames] for name, values in frame_columns(footage).items()}
    try:
        windows = VideoWindows(footage, run.length, batch_size=32, sampling="sliding")
    except ValueError:  # a recording without so many frames in a row
        yield Inputs(None, columns, footage=footage), {}
        return
    judges = windows.starts + run.length - 1
    windows.starts = windows.starts[(judges >= first) & (judges < first + frames)]
    yield Inputs(windows if len(windows.starts) else None, columns, footage=footage), {}

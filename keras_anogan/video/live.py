"""Frames as they come, from files or from a camera."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_anogan.streams import Frame
from keras_anogan.video.clock import Pace, now
from keras_anogan.video.files import av_error, decoded_frames, opened_video, pixels_of, shown_size, without_password
from keras_anogan.video.footage import Footage
from keras_anogan.video.opening import open_footage
from keras_anogan.video.store import decoded

PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a lost camera is connected to again: doubled from one to the other
SILENCE = 30.0  # seconds without a frame after which a connection is given up, if half of the timeout is not shorter


def read_frames(
    source: Any,
    size: tuple[int, int] | None = None,
    grey: bool | None = None,
    every: int = 1,
    timeout: float = 10.0,
    first: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Frame]:
    """Frames of a file, a folder, a prepared store, or an address (rtsp://, http://), in order.

    A file or a recording at an address ends. A camera that hangs up, or is silent for half of `timeout` (at most 30
    seconds), is connected to again after pauses that grow from half a second to 30. The index of frames jumps then, and
    where times are missing: see `clock.holes`.

    Args:
        source: path or address.
        size, grey, every: as in `open_footage`.
        timeout: seconds without a frame after which a camera is given up, those of all attempts to connect together.
        first: index of a camera's first frame.
        say: takes one line of news at a time: that a camera hung up, and that it is back.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with the source.
        TimeoutError: while iterating, if a camera is gone for `timeout` seconds.
    """
    if is_address(source):
        return _live_frames(str(source), size, grey, every, timeout, first, say)
    return _recorded_frames(open_footage(source, size, grey, every))  # opened at once: mistakes are told at once


def is_address(source: Any) -> bool:
    """Whether a source is an address, such as rtsp://camera/stream."""
    return isinstance(source, str) and "://" in source


def _recorded_frames(footage: Footage) -> Iterator[Frame]:
    base = 0
    for recording in footage.recordings:
        jumps = set(recording.breaks)
        where = f"{recording.day}/{recording.name}"
        for i, image in decoded(recording):
            base += 1 if i in jumps else 0  # a gap: the index jumps
            seconds = None if recording.seconds is None else float(recording.seconds[i])
            yield Frame(base + i, image, "" if image is not None else "can't be decoded", where, seconds)
        base += len(recording) + 1  # a window must not cross files


def _live_frames(
    address: str,
    size: tuple[int, int] | None,
    grey: bool | None,
    every: int,
    timeout: float,
    first: int,
    say: Callable[[str], None],
) -> Iterator[Frame]:
    index, number, pace = first, 0, Pace()
    for pixels, seconds, anew in _from_camera(address, size, bool(grey), timeout, say):
        pace = Pace() if anew else pace
        if pace.jumps(seconds) or anew:
            index, number = index + 1, 0
        if number % every == 0:
            yield Frame(index, pixels, "can't be decoded" if pixels is None else "", time=now())
            index += 1
        number += 1


class _HungUp(Exception):
    """A connection that ended, and why."""


def _from_camera(
    address: str, size: tuple[int, int] | None, grey: bool, timeout: float, say: Callable[[str], None]
) -> Iterator[tuple[np.ndarray | None, float | None, bool]]:
    """(frame, its time, whether a connection begins anew with it) of one connection after the other."""
    heard, lost, pause, limits = time.monotonic(), 0.0, PAUSE, (timeout, min(timeout / 2.0, SILENCE))
    name = without_password(address)
    while True:
        connection = _connected(address, size, grey, limits, again=lost > 0.0)
        try:
            for pixels, seconds in connection:
                if lost:
                    say(f"{name} is back after {time.monotonic() - lost:.1f} s.")
                heard, anew, lost, pause = time.monotonic(), lost > 0.0, 0.0, PAUSE
                yield pixels, seconds, anew
            return
        except _HungUp as error:
            why = str(error)
        if not lost:
            lost = time.monotonic()
            say(f"{name} hung up ({why}); connecting again until {timeout:g} s after its last frame.")
        left = heard + timeout - time.monotonic() - pause
        if left <= 0.0:
            raise TimeoutError(f"Expected frames from {name}. Received: none for {timeout:g} s ({why}).")
        time.sleep(pause)
        pause, limits = min(2.0 * pause, LONGEST_PAUSE), (min(left, limits[1]), limits[1])


def _connected(
    address: str, size: tuple[int, int] | None, grey: bool, limits: tuple[float, float], again: bool
) -> Iterator[tuple[np.ndarray | None, float | None]]:
    """(frame, or None where it can't be decoded; its time) of one connection; it returns at the end of a recording.

    `limits` are the seconds that a camera may take to answer, and then to send a frame.

    Raises:
        _HungUp: if a camera ends it, is silent for too long, or does not answer when it is asked `again`.
        ValueError: if nothing answers the first time.
    """
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(opened_video(address, timeout=limits))
        except ValueError as error:
            if not again:
                raise
            raise _HungUp(getattr(error.__cause__, "strerror", None) or "no answer") from error
        stream = container.streams.video[0]
        try:
            for frame in decoded_frames(container, stream):
                if frame is None or frame.is_corrupt:
                    yield None, None if frame is None else frame.time
                else:
                    yield pixels_of(frame, size or shown_size(frame, stream), grey), frame.time
        except av_error() as error:
            silent = type(error).__name__ == "ExitError"  # what PyAV raises at its own time limit
            raise _HungUp(
                f"silent for {limits[1]:g} s" if silent else error.strerror or type(error).__name__
            ) from error
        if container.duration is None:  # a recording says how long it is
            raise _HungUp("the stream ended")

"""Frames as they come, from files or from a camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras_anogan.streams import Frame
from keras_anogan.video.files import av_error, decoded_frames, opened_video, pixels_of
from keras_anogan.video.footage import Footage
from keras_anogan.video.opening import open_footage
from keras_anogan.video.store import decoded


def read_frames(
    source: Any, size: tuple[int, int] | None = None, grey: bool | None = None, every: int = 1, timeout: float = 10.0
) -> Iterator[Frame]:
    """Frames of a file, a folder, a prepared store, or an address (rtsp://, http://), in order.

    Args:
        source: path or address.
        size, grey, every: as in `open_footage`.
        timeout: seconds that an address may take to answer.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with the source.
    """
    if is_address(source):
        return _live_frames(str(source), size, grey, every, timeout)
    return _recorded_frames(open_footage(source, size, grey, every))  # opened at once: mistakes are told at once


def is_address(source: Any) -> bool:
    """Whether a source is an address, such as rtsp://camera/stream."""
    return isinstance(source, str) and "://" in source


def _recorded_frames(footage: Footage) -> Iterator[Frame]:
    base = 0
    for recording in footage.recordings:
        jumps = set(recording.breaks)
        for i, image in decoded(recording):
            base += 1 if i in jumps else 0  # a gap: the index jumps
            yield Frame(base + i, image, "" if image is not None else "can't be decoded")
        base += len(recording) + 1  # a window must not cross files


def _live_frames(address: str, size: Any, grey: bool | None, every: int, timeout: float) -> Iterator[Frame]:
    number = 0
    with opened_video(address, timeout=timeout) as container:
        try:
            for frame in decoded_frames(container, container.streams.video[0]):
                if number % every == 0:
                    broken = frame is None or frame.is_corrupt
                    image = None if broken else pixels_of(frame, size, bool(grey))
                    yield Frame(number // every, image, "can't be decoded" if broken else "")
                number += 1
        except av_error() as error:
            what = error.strerror or type(error).__name__
            raise TimeoutError(f"Expected frames from {address}. Received: none any more ({what}).") from error

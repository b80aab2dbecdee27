"""Video files, read and written; the only module that imports PyAV."""

from __future__ import annotations

import contextlib
import copy
import fractions
import pathlib
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_anogan.files import replacing
from keras_anogan.video.clock import holes
from keras_anogan.video.recordings import thinned

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".ts", ".wmv")


FAR = 100  # frames further apart than that are sought one by one in a video file; nearer ones are decoded in one go


class VideoFile:
    """Frames of a video file, by PyAV (`pip install keras-anogan[video]`).

    Frames are as a player shows them: turned as the file says, their pixels made square. Where times are missing in the
    file there is a gap: see `clock.holes`. To read a frame it seeks to the key frame before it and decodes from there.
    An AVI file whose frames were reordered has no times to seek by, and is read from its start. Reading a frame that
    can't be decoded is an error; `prepare` leaves such frames out, and makes random access cheap.

    Args:
        path: the file.
        day, name, size, grey, every: as in `FrameFolder`; but with grey=None frames have three channels.

    Attributes:
        seconds: float64 (n,), the time of each frame after the file's first.
        source_size: (height, width) at which a player shows it.

    Raises:
        ImportError: without PyAV.
        ValueError: for a file that is no video, or has no frames.
    """

    corrupt: tuple[int, ...] = ()

    def __init__(
        self,
        path: pathlib.Path,
        day: str = "0",
        name: str = "0",
        size: tuple[int, int] | None = None,
        grey: bool | None = None,
        every: int = 1,
    ) -> None:
        self.path, self.day, self.name, self.grey = path, day, name, bool(grey)
        with opened_video(path) as container:
            stream = container.streams.video[0]
            times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            reordered = bool(getattr(stream.codec_context, "has_b_frames", True))
            self._in_order = "avi" in container.format.name.split(",") and reordered  # its times are of decoding
            step = float(stream.time_base or 0.0)
            self.source_size = stream.codec_context.height, stream.codec_context.width
        if len(times) == 0:
            raise ValueError(f"Expected a video with frames. Received: {path}, without any.")
        with opened_video(path) as container:
            stream = container.streams.video[0]
            first = next((frame for frame in decoded_frames(container, stream) if frame is not None), None)
            if first is not None:
                self.source_size = shown_size(first, stream)
        self.every = every
        self.times = np.asarray(times[::every], "int64")
        seconds = step * (np.asarray(times, "float64") - times[0])
        self.seconds = seconds[::every]
        self.breaks = thinned(holes(seconds), len(seconds), every)
        self._shape = (*(size or self.source_size), 1 if self.grey else 3)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self._shape

    def original(self) -> VideoFile:
        """The same frames at their own size, in three channels."""
        other = copy.copy(self)
        other.grey, other._shape = False, (*self.source_size, 3)
        return other

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices.

        Raises:
            ValueError: if one of them can't be decoded.
        """
        frames = np.zeros((len(indices), *self._shape), "uint8")
        if self._in_order:
            return self._read_in_order(frames, {int(index): k for k, index in enumerate(indices)})
        for group in np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) > FAR) + 1):
            wanted = {int(self.times[indices[k]]): int(k) for k in group}
            self._decode_into(frames, wanted, first=min(wanted))
            if wanted:  # some containers seek past the frame, or not at all
                self._decode_into(frames, wanted, first=None)
            if wanted:
                raise self._no_frame(indices[min(wanted.values())])
        return frames

    def _read_in_order(self, frames: np.ndarray, wanted: dict[int, int]) -> np.ndarray:
        """Read from the start, because nothing in the file says where a frame is."""
        last = max(wanted, default=-1)
        for i, pixels in self.decode() if wanted else ():
            if i in wanted:
                if pixels is None:
                    raise self._no_frame(i)
                frames[wanted[i]] = pixels
            if i == last:
                break
        return frames

    def _no_frame(self, index: int) -> ValueError:
        return ValueError(f"Could not decode frame {index} of {self.path}; `prepare` leaves such frames out.")

    def _decode_into(self, frames: np.ndarray, wanted: dict[int, int], first: int | None) -> None:
        """Decode from the key frame before time `first`, or from the start, into `frames`.

        Args:
            frames: uint8 (k, H, W, C), to be filled.
            wanted: time -> place in `frames`; what is found is taken out of it.
            first: the time to seek to; None begins at the start.
        """
        last = max(wanted)
        with opened_video(self.path) as container:
            stream = container.streams.video[0]
            if first is not None:
                with contextlib.suppress(av_error()):
                    container.seek(first, stream=stream, backward=True, any_frame=False)
            for frame in decoded_frames(container, stream):
                if frame is not None and frame.pts in wanted and not frame.is_corrupt:
                    frames[wanted.pop(frame.pts)] = pixels_of(frame, self._shape[:2], self.grey)
                if not wanted or (frame is not None and frame.pts is not None and frame.pts > last):
                    return

    def decode(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """(index, frame or None where it can't be decoded), all of them in order, in one pass."""
        place = {int(time): i for i, time in enumerate(self.times)}
        done = -1
        with opened_video(self.path) as container:
            for number, frame in enumerate(decoded_frames(container, container.streams.video[0])):
                if frame is None:
                    continue
                i = place.get(frame.pts, -1)
                if self._in_order:
                    i = -1 if number % self.every else number // self.every
                if not done < i < len(self.times):
                    continue
                yield from ((k, None) for k in range(done + 1, i))
                yield i, None if frame.is_corrupt else pixels_of(frame, self._shape[:2], self.grey)
                done = i
        yield from ((k, None) for k in range(done + 1, len(self.times)))


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "Expected PyAV to read video. Received: it is not installed; pip install 'keras-anogan[video]'."
        ) from error
    return av


def av_error() -> Any:
    """The class of PyAV's errors."""
    return _av().error.FFmpegError


@contextlib.contextmanager
def opened_video(path: Any, **options: Any) -> Iterator[Any]:
    """A context with PyAV's container of a file or an address, whose first stream is video.

    Raises:
        ImportError: without PyAV.
        ValueError: for what can't be opened, or has no pictures.
    """
    av = _av()  # its logging stays off: with a level set, reading can hang
    try:
        container = av.open(str(path), **options)
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"Could not open the video {without_password(path)}: {error.strerror or error}.") from error
    with container:
        if not container.streams.video:
            raise ValueError(f"Expected a video. Received: {without_password(path)}, which has no pictures.")
        container.streams.video[0].thread_type = "AUTO"
        yield container


def without_password(address: Any) -> str:
    """An address as it may be printed and kept: rtsp://user:password@camera is rtsp://camera."""
    return re.sub(r"//[^/@]*@", "//", str(address))


def decoded_frames(container: Any, stream: Any) -> Iterator[Any]:
    """PyAV's frames in the order of decoding; None for a packet that can't be decoded."""
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av_error():
            decoded = [None]
        yield from decoded


def shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    """(height, width) at which a player shows PyAV's frame of a stream: its pixels made square, then turned."""
    ratio = stream.codec_context.sample_aspect_ratio or 1
    width = max(1, round(frame.width * ratio))
    return (width, frame.height) if _turns(frame)[0] else (frame.height, width)


def pixels_of(frame: Any, size: tuple[int, int], grey: bool) -> np.ndarray:
    """PyAV's frame, turned as its file says, as uint8 (H, W, 1 or 3) of a size, (height, width)."""
    sideways, mirrored, upside_down = _turns(frame)
    width, height = size if sideways else size[::-1]
    pixels = frame.reformat(width, height, format="gray" if grey else "rgb24", interpolation="AREA").to_ndarray()
    pixels = pixels[..., None] if grey else pixels
    pixels = pixels.swapaxes(0, 1) if sideways else pixels
    return np.ascontiguousarray(pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1])


def _turns(frame: Any) -> tuple[bool, bool, bool]:
    """Whether a player swaps the axes of a frame, and whether it then mirrors left and right, top and bottom.

    The matrix maps (x, y) to (a x + c y, b x + d y). A turn by another angle counts as the nearest quarter.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("9i", bytes(data))
            sideways = abs(a) < abs(b)
            return sideways, (c if sideways else a) < 0, (b if sideways else d) < 0
    return False, False, False


def write_video(path: Any, frames: Iterable[np.ndarray], rate: float = 10) -> None:
    """Write frames, uint8 (H, W, 3) with even sides, as a video file, under a temporary name first.

    Args:
        path: file; its suffix decides the container (.mp4, .mkv, .avi).
        frames: in order.
        rate: frames a second, such as 25 or 29.97.

    Raises:
        ImportError: without PyAV.
        ValueError: for a suffix that is no video's, or no frames.
    """
    av = _av()
    path, count = check_video_target(path), 0
    with replacing(path) as partial:
        with av.open(str(partial), "w") as container:
            stream: Any = None
            for frame in frames:
                if stream is None:
                    stream = container.add_stream("mpeg4", rate=fractions.Fraction(rate).limit_denominator(1001))
                    stream.height, stream.width = frame.shape[:2]
                    stream.pix_fmt, stream.bit_rate = "yuv420p", max(2_000_000, 4 * frame.shape[0] * frame.shape[1])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
                count += 1
            if stream is not None:
                container.mux(stream.encode())
        if count == 0:
            raise ValueError(f"Expected frames to write to {path}. Received: none.")


def check_video_target(path: Any) -> pathlib.Path:
    """The path, if a video can be written to it; raises what `write_video` does."""
    _av()
    path = pathlib.Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise ValueError(f"Expected a video file to write ({', '.join(VIDEO_SUFFIXES[:3])}). Received: {path}.")
    return path

"""Days of camera footage: folders of video files or frames, as one row of frames, and windows of it as batches.

    footage = open_footage("days/")                        # folders of frames, video files, .npy; or a prepared store
    windows = VideoWindows(footage, sample_size=8, subsample_size=7, batch_size=64)
    model.fit(windows)                                     # x: 7 frames, y: all 8, float32 in [-1, 1]

An index comes first: `window_starts` says where a window may begin, so that none crosses a day, a file, a gap in the
numbers of frames, or a frame that can't be read. Frames are read when a batch needs them, each once.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pathlib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.datasets.image_folder import SUFFIXES as IMAGE_SUFFIXES
from keras_anogan.datasets.image_folder import load_image

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".ts", ".wmv")
STORE = "footage.json"
SAMPLINGS = ("uniform", "sliding")
AHEAD_BYTES = 2**30  # of batches that wait in a `BatchLoader`
BLOCK = 2**16
FAR = 100  # frames further apart than that are sought one by one in a video file


# The index.


def window_starts(segments: Any, sample_size: int, stride: int = 1) -> np.ndarray:
    """Where windows of consecutive frames may begin: int64, ascending.

    Args:
        segments: integers (n,), one for each frame: frames with the same number follow one another without a gap; a
            negative one is a frame that can't be used.
        sample_size: frames of a window, >= 1.
        stride: frames from one start to the next in a segment, >= 1.

    Raises:
        ValueError: for sizes below 1, or segments that are not (n,).
    """
    segments = np.asarray(segments)
    if segments.ndim != 1:
        raise ValueError(f"Expected segments of shape (n,). Received: shape {segments.shape}.")
    if sample_size < 1 or stride < 1:
        raise ValueError(f"Expected sample_size >= 1 and stride >= 1. Received: {sample_size} and {stride}.")
    if len(segments) == 0:
        return np.empty(0, "int64")
    edges = np.concatenate([[0], np.flatnonzero(np.diff(segments)) + 1, [len(segments)]])
    first, last = edges[:-1], edges[1:] - sample_size
    usable = (segments[first] >= 0) & (last >= first)
    first, count = first[usable], (last[usable] - first[usable]) // stride + 1
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return (np.repeat(first, count) + stride * within).astype("int64")


# Recordings: where frames come from.


class ArrayRecording:
    """Frames in an array or memmap, uint8 (n, H, W, C); `broken` frames begin a new segment or can't be used.

    Args:
        frames: uint8 (n, H, W, C), or (n, H, W) for grey.
        day, name: what they are called.
        breaks: frames before which there is a gap.
        corrupt: frames that can't be used.

    Raises:
        ValueError: for another dtype or shape.
    """

    def __init__(
        self, frames: Any, day: str = "0", name: str = "0", breaks: Sequence[int] = (), corrupt: Sequence[int] = ()
    ) -> None:
        frames = frames if hasattr(frames, "shape") else np.asarray(frames)
        if frames.dtype != np.uint8 or frames.ndim not in (3, 4):
            raise ValueError(
                "Expected frames, uint8 (n, height, width) or (n, height, width, channels). "
                f"Received: {frames.dtype} {frames.shape}."
            )
        if frames.ndim == 4 and frames.shape[3] not in (1, 3):
            raise ValueError(f"Expected frames of 1 or 3 channels. Received: {frames.shape[3]}, in {day}/{name}.")
        if 0 in frames.shape:
            raise ValueError(
                f"Expected at least one frame in {day}/{name}. Received: an array of shape {frames.shape}."
            )
        self.frames = frames[..., None] if frames.ndim == 3 else frames
        self.day, self.name = day, name
        self.breaks, self.corrupt = tuple(breaks), tuple(corrupt)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return tuple(self.frames.shape[1:])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.asarray(self.frames[indices])


class FrameFolder:
    """Image files as frames, in the order of the numbers in their names; a number that is missing is a gap.

    Every file is decoded once when the folder is scanned; one that can't be read, or has another size while no `size`
    is asked for, is a corrupt frame.

    Args:
        paths: the files.
        day, name: what they are called.
        size: (height, width) to resize to; None for the first frame's.
        grey: True for one channel, False for three, None for what the first frame has.
        every: take every so many frames.

    Raises:
        ValueError: if none of the files can be read.
    """

    def __init__(
        self,
        paths: Sequence[pathlib.Path],
        day: str = "0",
        name: str = "0",
        size: tuple[int, int] | None = None,
        grey: bool | None = None,
        every: int = 1,
    ) -> None:
        self.paths = sorted(paths, key=_natural)
        numbers = [_number(path) for path in self.paths]
        gaps = set()
        if None not in numbers and len(set(numbers)) == len(numbers):
            gaps = {i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1}  # type: ignore[operator]
        self.paths, self.breaks = self.paths[::every], _thinned(gaps, len(self.paths), every)
        self.day, self.name, self.size, self.grey = day, name, size, grey
        self.corrupt: tuple[int, ...] = ()
        self._shape: tuple[int, ...] | None = None
        with ThreadPoolExecutor(4) as pool:
            shapes = list(pool.map(self._shape_of, self.paths))
        found = next((shape for shape in shapes if shape is not None), None)
        if found is None:
            raise ValueError(f"Expected frames that can be read in {self.paths[0].parent}. Received: none.")
        self.grey = found[2] == 1 if grey is None else grey
        self._shape = (*found[:2], 1 if self.grey else 3)
        self.corrupt = tuple(i for i, shape in enumerate(shapes) if shape is None or shape[:2] != found[:2])

    def _shape_of(self, path: pathlib.Path) -> tuple[int, ...] | None:
        try:
            return _fit(load_image(path), self.size, self.grey).shape
        except (ValueError, OSError):
            return None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return self._shape  # type: ignore[return-value]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.stack([_fit(load_image(self.paths[i]), self.size, self.grey) for i in indices])


class VideoFile:
    """Frames of a video file, by PyAV (`pip install keras-anogan[video]`).

    Reading seeks to the key frame before and decodes from there; an AVI file whose frames were reordered has no times
    to seek by, and is read from its start. `prepare` makes random access cheap, and leaves out frames that can't be
    decoded; a file that is read as it is has to be whole.

    Args:
        path: the file.
        day, name, size, grey, every: as in `FrameFolder`; grey=None is colour.

    Raises:
        ImportError: without PyAV.
        ValueError: for a file that is no video, or has no frames.
    """

    breaks: tuple[int, ...] = ()
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
        self.path, self.day, self.name, self.size, self.grey = path, day, name, size, bool(grey)
        with _opened_video(path) as container:
            stream = container.streams.video[0]
            times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            reordered = bool(getattr(stream.codec_context, "has_b_frames", True))
            self._in_order = "avi" in container.format.name.split(",") and reordered  # its times are of decoding
            height, width = size or (stream.codec_context.height, stream.codec_context.width)
        self.every = every
        self.times = np.asarray(times[::every], "int64")
        if len(self.times) == 0:
            raise ValueError(f"Expected a video with frames. Received: {path}, without any.")
        self._shape = (height, width, 1 if self.grey else 3)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return self._shape

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
        """Decode from the key frame before time `first`, or from the start; what is found is taken off `wanted`."""
        last = max(wanted)
        with _opened_video(self.path) as container:
            stream = container.streams.video[0]
            if first is not None:
                with contextlib.suppress(_av_error()):
                    container.seek(first, stream=stream, backward=True, any_frame=False)
            for frame in _decoded_frames(container, stream):
                if frame is not None and frame.pts in wanted and not frame.is_corrupt:
                    frames[wanted.pop(frame.pts)] = _pixels(frame, self.size, self.grey)
                if not wanted or (frame is not None and frame.pts is not None and frame.pts > last):
                    return

    def decode(self) -> Iterator[tuple[int, np.ndarray | None]]:
        """(index, frame or None where it can't be decoded), all of them in order, in one pass."""
        place = {int(time): i for i, time in enumerate(self.times)}
        done = -1
        with _opened_video(self.path) as container:
            for number, frame in enumerate(_decoded_frames(container, container.streams.video[0])):
                if frame is None:
                    continue
                i = place.get(frame.pts, -1)
                if self._in_order:
                    i = -1 if number % self.every else number // self.every
                if not done < i < len(self.times):
                    continue
                yield from ((k, None) for k in range(done + 1, i))
                yield i, None if frame.is_corrupt else _pixels(frame, self.size, self.grey)
                done = i
        yield from ((k, None) for k in range(done + 1, len(self.times)))


# Footage: recordings of several days as one row of frames.


class Footage:
    """Recordings, one after the other, as one row of frames.

    Args:
        recordings: objects with `day`, `name`, `frame_shape`, `breaks`, `corrupt`, `len` and `read(indices)`, such as
            `ArrayRecording`, `FrameFolder` and `VideoFile`.
        every: of so many frames of the source one is here.

    Attributes:
        offsets: int64, the place of each recording's first frame in the row, and the length of the row.

    Raises:
        ValueError: for no recordings, or frames of several shapes.
    """

    def __init__(self, recordings: Sequence[Any], every: int = 1) -> None:
        if not recordings:
            raise ValueError("Expected at least one recording. Received: none.")
        self.recordings = tuple(recordings)
        first = self.recordings[0]
        for recording in self.recordings:
            if recording.frame_shape != first.frame_shape:
                raise ValueError(
                    f"Expected frames of one shape. Received: {first.frame_shape} in {first.day}/{first.name} and "
                    f"{recording.frame_shape} in {recording.day}/{recording.name}; a size resizes them."
                )
        self.offsets = np.concatenate([[0], np.cumsum([len(recording) for recording in self.recordings])])
        self.keep: np.ndarray | None = None
        self.every = every

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self.recordings[0].frame_shape

    @property
    def days(self) -> tuple[str, ...]:
        """Names of the days, in order."""
        return tuple(dict.fromkeys(recording.day for recording in self.recordings))

    @functools.cached_property
    def segments(self) -> np.ndarray:
        """For each frame the number of its run of frames without a gap; -1 for one that can't be used: int32 (n,)."""
        starts = np.zeros(len(self), bool)
        corrupt = np.zeros(len(self), bool)
        for recording, offset in zip(self.recordings, self.offsets, strict=False):
            starts[offset : offset + 1] = True
            for places, mask in ((recording.breaks, starts), (recording.corrupt, corrupt)):
                if len(places):
                    mask[offset + np.asarray(places, "int64")] = True
        return np.where(corrupt, -1, np.cumsum(starts, dtype="int32") - 1).astype("int32")

    def day_of(self, frames: Any) -> np.ndarray:
        """For places in the row the number of the day, an index into `days`."""
        numbers = np.array([self.days.index(recording.day) for recording in self.recordings])
        return numbers[np.searchsorted(self.offsets, np.asarray(frames), side="right") - 1]

    def where(self, frame: int) -> tuple[str, str, int]:
        """(day, recording, number in the recording) of a place in the row."""
        i = bisect.bisect_right(self.offsets, frame) - 1
        return self.recordings[i].day, self.recordings[i].name, int(frame - self.offsets[i])

    def masked(self, keep: Any) -> Footage:
        """The same footage, of which only the frames that `keep`, bool (n,), marks can be used."""
        keep = np.asarray(keep, bool)
        part = Footage(self.recordings, self.every)
        part.keep = keep if self.keep is None else keep & self.keep
        part.__dict__["segments"] = np.where(keep, self.segments, -1).astype("int32")
        return part

    def of_days(self, days: Sequence[str]) -> Footage:
        """The recordings of these days alone.

        Raises:
            ValueError: for a day that is not there.
        """
        if unknown := [day for day in days if day not in self.days]:
            raise ValueError(f"Expected some of the days {self.days}. Received: {unknown[0]!r}.")
        chosen = [recording.day in days for recording in self.recordings]
        part = Footage([r for r, is_in in zip(self.recordings, chosen, strict=True) if is_in], self.every)
        if self.keep is None:
            return part
        return part.masked(self.keep[np.repeat(chosen, np.diff(self.offsets))])

    def read(self, indices: Any) -> np.ndarray:
        """Frames at any places of the row, uint8 (k, H, W, C); each is read once, however often it is asked for."""
        indices = np.asarray(indices, "int64")
        ascending = len(indices) > 0 and (np.diff(indices) > 0).all()
        unique, back = (indices, None) if ascending else np.unique(indices, return_inverse=True)
        if len(unique) and not 0 <= unique[0] <= unique[-1] < len(self):
            raise IndexError(f"Expected frames 0 to {len(self) - 1}. Received: {unique[0]} to {unique[-1]}.")
        owners = np.searchsorted(self.offsets, unique, side="right") - 1
        parts = [self.recordings[i].read(unique[owners == i] - self.offsets[i]) for i in np.unique(owners)]
        frames = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return frames if back is None else frames[back.ravel()]

    @property
    def skipped(self) -> int:
        """How many frames can't be used."""
        return sum(len(recording.corrupt) for recording in self.recordings)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, sizes and some frames of each recording."""
        digest = hashlib.sha256()
        for recording in self.recordings:
            digest.update(f"{recording.day}\0{recording.name}\n{_contents(recording)}".encode())
        return digest.hexdigest()

    @functools.cached_property
    def used(self) -> dict[str, tuple[str, np.ndarray]]:
        """What can be used of each recording: SHA-256 over size and some frames -> (its day, bool (frames,))."""
        usable = self.segments >= 0
        return {
            _contents(recording): (recording.day, usable[first:last])
            for recording, first, last in zip(self.recordings, self.offsets[:-1], self.offsets[1:], strict=True)
        }


def _contents(recording: Any) -> str:
    """SHA-256 over size, shape, and some sixteen frames of a recording."""
    good = np.setdiff1d(np.arange(len(recording)), np.asarray(recording.corrupt, "int64"))
    digest = hashlib.sha256(f"{len(recording)}\0{recording.frame_shape}".encode())
    digest.update(recording.read(good[:: max(1, len(good) // 16)]).tobytes())
    return digest.hexdigest()


def _source_contents(recording: Any) -> str:
    """What tells a recording's source from another of its name and length: of a video file its size and first MiB, so
    that nothing has to be decoded, of others `_contents`."""
    if not isinstance(recording, VideoFile):
        return _contents(recording)
    with open(recording.path, "rb") as file:
        digest = hashlib.sha256(file.read(1 << 20))
    return f"{recording.path.stat().st_size} {digest.hexdigest()}"


def open_footage(source: Any, size: tuple[int, int] | None = None, grey: bool | None = None, every: int = 1) -> Footage:
    """Footage of a store, of days on disk, or of arrays.

    Args:
        source: a folder that `prepare` wrote; a folder of days; one day; a list of days, which are folders, files or
            stores; frames, uint8 (n, H, W[, C]); a list of such arrays, or a dict of them by name, each a day of its
            own. A day holds video files, .npy files, image files (one recording), or folders of them (one recording
            each; such a day has to stand in a list, or it is taken for a folder of days).
        size: (height, width) to resize frames to; None leaves them. A store and arrays are taken as they are.
        grey: True for one channel, False for three; None for what is there.
        every: take every so many frames.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the source.
        ImportError: for video files without PyAV.
    """
    if every < 1:
        raise ValueError(f"Expected every >= 1. Received: every={every!r}.")
    if isinstance(source, Footage):
        return source
    if hasattr(source, "shape"):
        return Footage([ArrayRecording(source)])
    if isinstance(source, dict):
        return Footage([ArrayRecording(frames, day=str(name)) for name, frames in source.items()])
    if isinstance(source, (list, tuple)) and source and hasattr(source[0], "shape"):
        return Footage([ArrayRecording(frames, day=str(i)) for i, frames in enumerate(source)])
    single = isinstance(source, (str, os.PathLike))
    paths = [pathlib.Path(day) for day in ([source] if single else source)]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"Expected footage in {path}. Received: nothing is there.")
    if single and paths[0].is_dir() and not is_store(paths[0]):
        paths = _days_in(paths[0])
    recordings, thinned = [], set()
    for path in paths:
        if is_store(path):
            if size is not None or grey is not None or every != 1:
                raise ValueError(
                    f"Expected no size, grey or every for a prepared store. Received: some for {path}; prepare again."
                )
            store = _open_store(path)
            found, thinning = list(store.recordings), store.every
        else:
            found, thinning = _recordings(path, size, grey, every), every
        if not found:
            what = f"{', '.join(VIDEO_SUFFIXES[:3])}, .npy or image files"
            raise ValueError(f"Expected {what} in {path}. Received: none.")
        recordings += found
        thinned.add(thinning)
    if len(thinned) > 1:
        raise ValueError(f"Expected footage with one `every`. Received: {sorted(thinned)}.")
    return Footage(recordings, thinned.pop() if thinned else 1)


def is_store(path: Any) -> bool:
    """Whether a path is a folder that `prepare` wrote."""
    return isinstance(path, (str, os.PathLike)) and (pathlib.Path(path) / STORE).exists()


def _days_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Folders of days in a folder, or the folder itself, a day."""
    own = _sources(folder, deep=False)
    days = [path for path in _listed(folder) if path.is_dir() and _sources(path, deep=True)]
    if own and days:
        raise ValueError(
            f"Expected either recordings or folders of days in {folder}. Received: both, such as {days[0].name}/ and "
            f"{own[0][1]}; move one of them away, or give the days one by one."
        )
    return days or [folder]


def _recordings(day: pathlib.Path, size: Any, grey: bool | None, every: int) -> list[Any]:
    sources = [(day, day.stem)] if day.is_file() else _sources(day, deep=True)
    name = day.resolve().name if day.is_dir() else day.stem
    return [_recording(path, name, called, size, grey, every) for path, called in sources]


def _recording(path: Any, day: str, name: str, size: Any, grey: bool | None, every: int) -> Any:
    if isinstance(path, list):
        return FrameFolder(path, day, name, size, grey, every)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoFile(path, day, name, size, grey, every)
    if path.suffix.lower() != ".npy":
        raise ValueError(f"Expected a video, an .npy file or a folder of frames. Received: {path}.")
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"Could not read the array {path}: it is no whole .npy file of numbers.") from error
    recording = ArrayRecording(frames[::every], day, name)
    wanted = (*(size or recording.frame_shape[:2]), recording.frame_shape[2] if grey is None else 1 if grey else 3)
    return recording if wanted == recording.frame_shape else _Fitted(recording, size, grey)


class _Fitted(ArrayRecording):
    """An array whose frames are resized, or made grey, when they are read."""

    def __init__(self, inner: ArrayRecording, size: tuple[int, int] | None, grey: bool | None) -> None:
        super().__init__(inner.frames, inner.day, inner.name)
        self.size, self.grey = size, grey

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return self.read(np.zeros(1, "int64")).shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        return np.stack([_fit(frame, self.size, self.grey) for frame in super().read(indices)])


def _sources(day: pathlib.Path, deep: bool) -> list[tuple[Any, str]]:
    """(file, or list of frames; name) of each recording in a day's folder; `deep` looks into folders of frames too."""
    files = [path for path in _listed(day) if path.is_file()]
    found: list[tuple[Any, str]] = [
        (path, path.stem) for path in files if path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")
    ]
    if frames := [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]:
        found.append((frames, day.name))
    if deep:
        for folder in (path for path in _listed(day) if path.is_dir()):
            frames = [path for path in _listed(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
            found += [(frames, folder.name)] if frames else []
            found += [
                (path, f"{folder.name}_{path.stem}")
                for path in _listed(folder)
                if path.is_file() and path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")
            ]
    return found


def _listed(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)


def _natural(path: pathlib.Path) -> list[Any]:
    """Sorts 2.png before 10.png."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", path.name)]


def _number(path: pathlib.Path) -> int | None:
    """The last number in a file's name."""
    numbers = re.findall(r"[0-9]+", path.stem)
    return int(numbers[-1]) if numbers else None


def _thinned(gaps: set[int], total: int, every: int) -> tuple[int, ...]:
    """Places of gaps among every so many frames: where one lies between a frame that is kept and the one before."""
    return tuple(sorted({-(-gap // every) for gap in gaps if -(-gap // every) * every < total} - {0}))


def _fit(frame: np.ndarray, size: tuple[int, int] | None, grey: bool | None) -> np.ndarray:
    """A frame (H, W, C) with the size and channels that are asked for."""
    from PIL import Image

    channels = frame.shape[-1] if grey is None else 1 if grey else 3
    if (size is None or frame.shape[:2] == tuple(size)) and frame.shape[-1] == channels:
        return frame
    image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)  # Pillow's has anti-aliasing
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


# Video files.


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "Expected PyAV to read video. Received: it is not installed; pip install 'keras-anogan[video]'."
        ) from error
    return av


def _av_error() -> Any:
    return _av().error.FFmpegError


@contextlib.contextmanager
def _opened_video(path: Any, **options: Any) -> Iterator[Any]:
    av = _av()  # its logging stays off: with a level set, reading can hang
    try:
        container = av.open(str(path), **options)
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"Could not open the video {path}: {error.strerror or error}.") from error
    with container:
        if not container.streams.video:
            raise ValueError(f"Expected a video. Received: {path}, which has no pictures.")
        container.streams.video[0].thread_type = "AUTO"
        yield container


def _decoded_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Frames as they are decoded; None for a packet that can't be."""
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except _av_error():
            decoded = [None]
        yield from decoded


def _pixels(frame: Any, size: tuple[int, int] | None, grey: bool) -> np.ndarray:
    height, width = size or (frame.height, frame.width)
    pixels = frame.reformat(width, height, format="gray" if grey else "rgb24", interpolation="AREA").to_ndarray()
    return pixels[..., None] if grey else pixels


def write_video(path: Any, frames: Iterable[np.ndarray], rate: int = 10) -> None:
    """Write frames, uint8 (H, W, 3) with even sides, as a video file, under a temporary name first.

    Args:
        path: file; its suffix decides the container (.mp4, .mkv, .avi).
        frames: in order.
        rate: frames a second.

    Raises:
        ImportError: without PyAV.
        ValueError: for a suffix that is no video's, or no frames.
    """
    av = _av()
    path = check_video_target(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        count = 0
        with av.open(str(partial), "w") as container:
            stream: Any = None
            for frame in frames:
                if stream is None:
                    stream = container.add_stream("mpeg4", rate=rate)
                    stream.height, stream.width = frame.shape[:2]
                    stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
                count += 1
            if stream is not None:
                container.mux(stream.encode())
        if count == 0:
            raise ValueError(f"Expected frames to write to {path}. Received: none.")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_video_target(path: Any) -> pathlib.Path:
    """A path to write a video to, or a sentence: see `write_video`."""
    _av()
    path = pathlib.Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise ValueError(f"Expected a video file to write ({', '.join(VIDEO_SUFFIXES[:3])}). Received: {path}.")
    return path


# A prepared store.


def prepare(
    source: Any,
    out: Any,
    size: tuple[int, int] | None = None,
    grey: bool | None = None,
    every: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> Footage:
    """Convert footage once to a compact store with random access; an interrupted one goes on with the next recording.

    `OUT/<day>/<recording>.frames` holds the frames as bytes, `.json` beside it their shape, gaps and corrupt frames;
    `OUT/footage.json` what was asked for.

    Args:
        source, size, grey, every: as in `open_footage`.
        out: folder; new, empty, or begun by the same call.
        say: takes one line of news at a time.

    Returns:
        The prepared footage.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the source or the folder.
    """
    out = pathlib.Path(out)
    footage = open_footage(source, size, grey, every)
    asked = {
        "version": 1,
        "frame_shape": list(footage.frame_shape),
        "every": every,
        "recordings": [[recording.day, recording.name, len(recording)] for recording in footage.recordings],
        "contents": [_source_contents(recording) for recording in footage.recordings],
    }
    names = [(recording.day, recording.name) for recording in footage.recordings]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"Expected recordings of different names in a day. Received: two of {'/'.join(twice[0])}.")
    for name in {part for pair in names for part in pair}:
        if name in ("", ".", "..") or "/" in name or os.sep in name:
            raise ValueError(f"Expected days and recordings that can name a file. Received: {name!r}.")
    unfinished = out / f".{STORE}"
    for path in (out / STORE, unfinished):
        if path.exists() and _read_json(path) != asked:
            raise ValueError(f"{out} was prepared from other footage, or otherwise; choose another folder.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the store. Received: {out}, which is a file.")
    if out.is_dir() and any(out.iterdir()) and not (unfinished.exists() or (out / STORE).exists()):
        raise ValueError(f"Expected a new or empty folder for the store. Received: {out}, which holds other files.")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / STORE).exists():
        _write_json(unfinished, asked)
        for recording in footage.recordings:
            target = out / recording.day / f"{recording.name}.json"
            if target.exists():
                say(f"{recording.day}/{recording.name}: done before.")
                continue
            begun = time.perf_counter()
            kept, corrupt = _write_recording(recording, target)
            broken = f", {corrupt} that can't be read left out" if corrupt else ""
            say(f"{recording.day}/{recording.name}: {kept:,} frames{broken}, {time.perf_counter() - begun:.1f} s.")
        os.replace(unfinished, out / STORE)
    return _open_store(out)


def _write_recording(recording: Any, target: pathlib.Path) -> tuple[int, int]:
    """Write frames, then what is known of them; returns how many were read, and how many could not be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    frames, partial = target.with_suffix(".frames"), target.with_suffix(".frames.partial")
    corrupt = []
    nothing = np.zeros(recording.frame_shape, "uint8")
    with open(partial, "wb") as file:
        for i, frame in _decoded(recording):
            corrupt += [i] if frame is None else []
            file.write((nothing if frame is None else np.ascontiguousarray(frame)).tobytes())
    os.replace(partial, frames)
    facts = {
        "frames": len(recording),
        "frame_shape": list(recording.frame_shape),
        "breaks": [int(i) for i in recording.breaks],
        "corrupt": [int(i) for i in corrupt],
    }
    _write_json(target, facts)
    return len(recording) - len(corrupt), len(corrupt)


def _write_json(path: pathlib.Path, content: Any) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content))
    os.replace(partial, path)


def _read_json(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"Could not read {path}: {error}.") from error


def _decoded(recording: Any) -> Iterator[tuple[int, np.ndarray | None]]:
    if isinstance(recording, VideoFile):
        yield from recording.decode()
        return
    corrupt = set(recording.corrupt)
    for i in range(len(recording)):
        yield i, None if i in corrupt else recording.read(np.array([i]))[0]


def _open_store(out: pathlib.Path) -> Footage:
    recordings = []
    try:
        asked = _read_json(out / STORE)
        every = int(asked["every"])
        for day, name, _ in asked["recordings"]:
            facts = _read_json(out / day / f"{name}.json")
            shape = (facts["frames"], *facts["frame_shape"])
            frames = np.memmap(out / day / f"{name}.frames", "uint8", "r", shape=shape)
            recordings.append(ArrayRecording(frames, day, name, facts["breaks"], facts["corrupt"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"Could not open the store {out}: {error}; prepare it again.") from error
    return Footage(recordings, every)


# Windows as batches.


class VideoWindows(keras.utils.PyDataset):
    """Windows of footage as batches, float32 in [-1, 1]: for `fit`, `predict`, IFTM, and loops of your own.

    Sampling "uniform", for training: windows that do not overlap; a batch comes from one day and mixes its hours: it
    takes one window from each of `batch_size` equal parts of the day. Every window is seen once an epoch; where the
    parts are not equally long some are seen twice, so that all batches have `batch_size` windows. The order is a
    function of (seed, epoch). Sampling "sliding", for scoring: every window, in order, the last batch short.

    Args:
        footage: what `open_footage` takes, or gives.
        sample_size: frames of a window.
        subsample_size: frames of x; batches are then pairs (x, y), y all `sample_size` frames. None: batches are whole
            windows, as detectors take them.
        batch_size: windows in a batch.
        sampling: "uniform" or "sliding".
        stride: frames from one window to the next; default: `sample_size` (uniform), 1 (sliding).
        days: names of the days to take; default all.
        seed: of the order.
        **kwargs: of `keras.utils.PyDataset`, such as workers.

    Attributes:
        starts: where in the footage each window begins.
        day_numbers: number of the day that each window is of.
        epoch: of which the order is; `fit` moves it on.
        error: why a batch of `as_dataset` could not be read, where TensorFlow only tells that something failed.

    Raises:
        ValueError: one sentence, for sizes that make no sense, or footage without a single window.
    """

    def __init__(
        self,
        footage: Any,
        sample_size: int = 8,
        subsample_size: int | None = None,
        batch_size: int = 32,
        sampling: str = "uniform",
        stride: int | None = None,
        days: Sequence[str] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sampling not in SAMPLINGS:
            raise ValueError(f"Expected the sampling to be one of {SAMPLINGS}. Received: sampling={sampling!r}.")
        if subsample_size is not None and not 1 <= subsample_size <= sample_size:
            raise ValueError(
                f"Expected 1 <= subsample_size <= sample_size. Received: {subsample_size} and {sample_size}."
            )
        if batch_size < 1:
            raise ValueError(f"Expected batch_size >= 1. Received: batch_size={batch_size!r}.")
        footage = open_footage(footage)
        self.footage = footage if days is None else footage.of_days(days)
        self.sample_size, self.subsample_size = sample_size, subsample_size
        self.batch_size, self.sampling, self.seed = int(batch_size), sampling, int(seed)
        stride = stride or (sample_size if sampling == "uniform" else 1)
        self.starts = window_starts(self.footage.segments, sample_size, stride)
        if len(self.starts) == 0:
            raise ValueError(
                f"Expected at least {sample_size} frames in a row. Received: {len(self.footage)} frames without such a "
                "run; a number that is missing in the names of image files is a gap."
            )
        self.epoch = 0
        self.error: Exception | None = None
        self._orders: dict[int, list[np.ndarray]] = {}
        self.day_numbers = self.footage.day_of(self.starts)

    def __len__(self) -> int:
        if self.sampling == "sliding":
            return -(-len(self.starts) // self.batch_size)
        return int(sum(-(-count // self.batch_size) for count in np.bincount(self.day_numbers) if count))

    def order(self, epoch: int) -> list[np.ndarray]:
        """For each batch of an epoch the numbers of its windows, indices into `starts`."""
        if self.sampling == "sliding":
            return np.split(np.arange(len(self.starts)), range(self.batch_size, len(self.starts), self.batch_size))
        draw = np.random.default_rng((self.seed, epoch))
        batches: list[np.ndarray] = []
        for day in np.unique(self.day_numbers):
            windows = np.flatnonzero(self.day_numbers == day)
            count = -(-len(windows) // self.batch_size)
            edges = np.arange(self.batch_size + 1) * len(windows) // self.batch_size
            columns = []
            for first, last in itertools.pairwise(edges.tolist()):
                part = draw.permutation(windows[first:last]) if last > first else draw.choice(windows, 1)
                columns.append(np.resize(part, count))  # a shorter part repeats what it began with
            batches += list(np.stack(columns, axis=1))
        return [batches[i] for i in draw.permutation(len(batches))]

    def _order_of(self, epoch: int) -> list[np.ndarray]:
        """`order`, remembered for two epochs."""
        if epoch not in self._orders:
            self._orders = {kept: numbers for kept, numbers in self._orders.items() if kept == epoch - 1}
            self._orders[epoch] = self.order(epoch)
        return self._orders[epoch]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}. Received: {index}.")
        windows = self.load(self._order_of(self.epoch)[index])
        return windows if self.subsample_size is None else (windows[:, : self.subsample_size], windows)

    def load(self, numbers: Any) -> np.ndarray:
        """The windows of these numbers, float32 (k, sample_size, H, W, C) in [-1, 1]; each frame is read once."""
        places = self.starts[np.asarray(numbers)][:, None] + np.arange(self.sample_size)
        return to_float(self.footage.read(places.ravel())).reshape(*places.shape, *self.footage.frame_shape)

    @property
    def used(self) -> dict[str, tuple[str, np.ndarray]]:
        """Which frames of which recordings these windows have: see `Footage.used`."""
        return self.footage.used

    def on_epoch_end(self) -> None:
        """Move on to the order of the next epoch; Keras calls it."""
        if self.sampling == "uniform":
            self.epoch += 1

    def as_dataset(self, steps: int | None = None) -> tf.data.Dataset:
        """The batches of epoch `self.epoch` as a `tf.data.Dataset`; the epoch is read when iteration begins.

        Args:
            steps: batches in an epoch: its first ones, or, where it has fewer, over again; default: all.
        """
        count = steps or len(self)
        shape = (None, self.sample_size, *self.footage.frame_shape)
        size = self.batch_size if self.sampling == "uniform" else None

        def batch(index: Any, epoch: Any) -> np.ndarray:
            try:
                return self.load(self._order_of(int(epoch))[int(index) % len(self)])
            except Exception as error:
                self.error = error
                raise

        def load(index: tf.Tensor, epoch: tf.Tensor) -> Any:
            windows = tf.ensure_shape(tf.numpy_function(batch, [index, epoch], tf.float32), (size, *shape[1:]))
            return windows if self.subsample_size is None else (windows[:, : self.subsample_size], windows)

        epoch = tf.data.Dataset.range(1).map(lambda _: tf.numpy_function(lambda: np.int64(self.epoch), [], tf.int64))
        dataset = epoch.flat_map(lambda e: tf.data.Dataset.range(count).map(lambda i: (i, tf.ensure_shape(e, ()))))
        dataset = dataset.map(load, num_parallel_calls=2)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False  # with it on, short fits stall for seconds at their end
        return dataset.with_options(options)


def to_float(frames: np.ndarray) -> np.ndarray:
    """Frames in 0..255 as float32 in [-1, 1]: (v - 127.5) / 127.5."""
    scaled = np.empty(frames.shape, "float32")
    given, made = frames.reshape(-1), scaled.reshape(-1)
    for i in range(0, len(given), BLOCK):  # while a block is in the processor's cache
        block = made[i : i + BLOCK]
        block[:] = given[i : i + BLOCK]
        block -= np.float32(127.5)
        block *= np.float32(1.0 / 127.5)
    return scaled


def split_footage(
    footage: Footage, sample_size: int = 8, stop: float = 0.1, calibrate: float = 0.2
) -> dict[str, Footage]:
    """Normal footage split into "train", "stop" and "calibrate", each spread over the whole recording.

    Six days and more are split by days; less footage by blocks of each segment, so that all three see all hours.
    Never the last days for calibration: scenes drift, and a threshold from one quiet evening is no threshold.

    Args:
        footage: normal footage.
        sample_size: frames of a window; a block has at least twice as many.
        stop, calibrate: shares.

    Raises:
        ValueError: for shares that leave nothing to train on, or footage too short to be split.
    """
    if not (0.0 < stop < 1.0 and 0.0 < calibrate < 1.0 and stop + calibrate < 1.0):
        raise ValueError(f"Expected shares that leave some to train on. Received: stop={stop}, calibrate={calibrate}.")
    if len(footage.days) >= 6:
        roles = _spread(len(footage.days), stop, calibrate)
        numbers = np.array([footage.days.index(recording.day) for recording in footage.recordings])
        role = np.repeat(roles[numbers], np.diff(footage.offsets))
    else:
        blocks = _blocks(footage.segments, 2 * sample_size)
        usable = np.unique(blocks[blocks >= 0])
        if len(usable) < 3:
            raise ValueError(
                f"Expected at least {6 * sample_size} frames in a row to split. Received: {len(footage)} frames."
            )
        of_block = np.zeros(len(blocks) + 1, int)
        of_block[usable] = _spread(len(usable), stop, calibrate)
        role = of_block[blocks]
    return {name: footage.masked(role == i) for i, name in enumerate(("train", "stop", "calibrate"))}


def _spread(n: int, stop: float, calibrate: float) -> np.ndarray:
    """Roles 0 (train), 1 (stop), 2 (calibrate) of n blocks in a row, evenly spread, never an end if that can be."""
    roles = np.zeros(n, int)
    for role, share in ((2, calibrate), (1, stop)):
        free = np.flatnonzero(roles == 0)
        count = min(max(1, round(share * n)), len(free) - 1)
        roles[free[((np.arange(count) + 0.5) * len(free) / count).astype(int)]] = role
    return roles


def _blocks(segments: np.ndarray, least: int) -> np.ndarray:
    """For each frame the number of its block, -1 where it has none: segments cut into up to twenty blocks each."""
    blocks, number = np.full(len(segments), -1), 0
    edges = np.concatenate([[0], np.flatnonzero(np.diff(segments)) + 1, [len(segments)]])
    for first, last in itertools.pairwise(edges.tolist()):
        if segments[first] >= 0 and last - first >= least:
            count = min(20, (last - first) // least)
            blocks[first:last] = number + np.arange(last - first) * count // (last - first)
            number += count
    return blocks


def scores_by_frame(windows: VideoWindows, scores: Any, at: int = -1) -> np.ndarray:
    """Scores of windows as scores of frames, float32 (frames,): NaN where no window judges a frame.

    Args:
        windows: whose `starts` the scores belong to.
        scores: (len(windows.starts),), in order.
        at: which frame of its window a score judges; -1 the last, the forecast.

    Raises:
        ValueError: for another number of scores.
    """
    scores = np.asarray(scores, "float32")
    if scores.shape != windows.starts.shape:
        raise ValueError(f"Expected {len(windows.starts)} scores. Received: shape {scores.shape}.")
    frames = np.full(len(windows.footage), np.nan, "float32")
    frames[windows.starts + at % windows.sample_size] = scores
    return frames


# The thesis's names.


class UniformBatchGenerator(VideoWindows):
    """The thesis's generator for training: `VideoWindows` with sampling "uniform", from paths of days.

    Unlike there a day may have any number of files of any length.

    Args:
        day_paths: a folder for each day.
        batch_size, sample_size, subsample_size: as in `VideoWindows`.
        **kwargs: `size`, `grey`, `every` of `open_footage`, and what else `VideoWindows` takes.
    """

    def __init__(
        self, day_paths: Sequence[Any], batch_size: int, sample_size: int, subsample_size: int, **kwargs: Any
    ) -> None:
        opening = {key: kwargs.pop(key) for key in ("size", "grey", "every") if key in kwargs}
        footage = open_footage(list(day_paths), **opening)
        super().__init__(footage, sample_size, subsample_size, batch_size, sampling="uniform", **kwargs)


class SlidingWindowBatchGenerator(VideoWindows):
    """The thesis's generator for evaluation: `VideoWindows` with sampling "sliding", file by file.

    Args:
        file_paths: video files, .npy files or folders of frames.
        batch_size, sample_size, subsample_size: as in `VideoWindows`.
        **kwargs: as in `UniformBatchGenerator`.
    """

    def __init__(
        self, file_paths: Sequence[Any], batch_size: int, sample_size: int, subsample_size: int, **kwargs: Any
    ) -> None:
        opening = {key: kwargs.pop(key) for key in ("size", "grey", "every") if key in kwargs}
        footage = open_footage(list(file_paths), **opening)
        super().__init__(footage, sample_size, subsample_size, batch_size, sampling="sliding", **kwargs)


class BatchLoader:
    """Batches of a generator, made by threads in the background, in order: the thesis's loader without its traps.

    A worker that fails raises its error in `get_batch`, where the thesis's would wait for ever.

    Args:
        generator: an object with `len` and `generator[i]`, such as `VideoWindows`.
        max_queue_size: batches that may be ready before they are taken; fewer where they would be over 1 GiB.
        no_workers: threads.

    Raises:
        ValueError: for sizes below 1.
    """

    def __init__(self, generator: Any, max_queue_size: int = 32, no_workers: int = 4) -> None:
        if max_queue_size < 1 or no_workers < 1:
            raise ValueError(
                f"Expected max_queue_size >= 1 and no_workers >= 1. Received: {max_queue_size} and {no_workers}."
            )
        self.generator = generator
        self._pool = ThreadPoolExecutor(no_workers, thread_name_prefix="batches")
        self._waiting: list[Any] = []
        self._submitted, self._taken, self._total = 0, 0, len(generator)
        self._most = max_queue_size
        self._ahead = min(no_workers, max_queue_size)  # until the first batch says how large they are
        self._submit()

    def _submit(self) -> None:
        while self._submitted < self._total and len(self._waiting) < self._ahead:
            self._waiting.append(self._pool.submit(self.generator.__getitem__, self._submitted))
            self._submitted += 1

    def __len__(self) -> int:
        return self._total

    def get_batch(self) -> Any:
        """The next batch.

        Raises:
            StopIteration: when all have been taken.
        """
        if self._taken == self._total:
            raise StopIteration
        waiting = self._waiting.pop(0)
        self._taken += 1
        try:
            batch = waiting.result()
            arrays = batch if isinstance(batch, (tuple, list)) else (batch,)
            size = sum(getattr(array, "nbytes", 0) for array in arrays)
            self._ahead = max(1, min(self._most, AHEAD_BYTES // max(1, size)))
        finally:
            self._submit()
        return batch

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._total - self._taken):
            yield self.get_batch()

    def shutdown_workers(self) -> None:
        """Stop the threads; batches that are not begun are dropped."""
        self._total = self._taken
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.shutdown_workers()


# Live sources.


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a stream.

    Attributes:
        index: its number in the source; a jump means that frames between were dropped.
        image: uint8 (H, W, C), or None where it can't be used.
        problem: why it can't, or "".
    """

    index: int
    image: np.ndarray | None
    problem: str = ""


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
        for i, image in _decoded(recording):
            base += 1 if i in jumps else 0  # a gap: the index jumps
            yield Frame(base + i, image, "" if image is not None else "can't be decoded")
        base += len(recording) + 1  # a window must not cross files


def _live_frames(address: str, size: Any, grey: bool | None, every: int, timeout: float) -> Iterator[Frame]:
    number = 0
    with _opened_video(address, timeout=timeout) as container:
        try:
            for frame in _decoded_frames(container, container.streams.video[0]):
                if number % every == 0:
                    broken = frame is None or frame.is_corrupt
                    image = None if broken else _pixels(frame, size, bool(grey))
                    yield Frame(number // every, image, "can't be decoded" if broken else "")
                number += 1
        except _av_error() as error:
            what = error.strerror or type(error).__name__
            raise TimeoutError(f"Expected frames from {address}. Received: none any more ({what}).") from error


class Feed:
    """Items of a source, read by a thread of its own, with a limit on waiting and on what may wait.

    Args:
        source: an iterable.
        timeout: seconds to wait for the next item; None for ever.
        max_queue: items that may wait; the source waits then.
        drop: whether the oldest waiting item is dropped instead, so that a live source is never far behind.

    Attributes:
        index: number in the source of the item that was given last.
        dropped: how many were dropped.

    Raises:
        TimeoutError: while iterating, if the source gives nothing for `timeout` seconds.
    """

    def __init__(self, source: Iterable[Any], timeout: float | None = 10.0, max_queue: int = 8, drop: bool = False):
        self.timeout, self.drop = timeout, drop
        self.dropped, self.index = 0, -1
        self._queue: queue.Queue = queue.Queue(max_queue)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(source,), daemon=True, name="feed")

    def _read(self, source: Iterable[Any]) -> None:
        try:
            for number, item in enumerate(source):
                if not self._put((number, item, None)):
                    return
            self._put((-1, None, StopIteration()))
        except BaseException as error:  # told to whoever iterates
            self._put((-1, None, error))

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1 if not self.drop else 0.001)
                return True
            except queue.Full:
                if self.drop and item[2] is None:
                    with contextlib.suppress(queue.Empty):
                        self._queue.get_nowait()
                        self.dropped += 1
        return False

    def __iter__(self) -> Iterator[Any]:
        if self._thread.ident is not None:
            raise ValueError("Expected a feed to be read once. Received: one that was read before.")
        self._thread.start()
        try:
            while True:
                try:
                    number, item, error = self._queue.get(timeout=self.timeout)
                except queue.Empty:
                    raise TimeoutError(
                        f"Expected a frame within {self.timeout:g} s. Received: none; the source has stalled."
                    ) from None
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                self.index = number
                yield item
        finally:
            self._stopped.set()

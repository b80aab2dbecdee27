"""Recordings: frames of one camera, all of one size, from arrays, folders of images, or a store."""

from __future__ import annotations

import collections
import copy
import pathlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_anogan.datasets.image_files import load_image


class ArrayRecording:
    """Frames in an array or a memmap.

    Args:
        frames: uint8 (n, H, W, C), or (n, H, W) for grey.
        day, name: of the day, and of the recording in it.
        breaks: numbers of the frames before which there is a gap.
        corrupt: numbers of the frames that can't be used.
        seconds: (n,), the time of each frame after the first; None where nobody knows.
        source_size: (height, width) of what the frames were made from; default: their own.

    Raises:
        ValueError: for another dtype or shape.
    """

    def __init__(
        self,
        frames: Any,
        day: str = "0",
        name: str = "0",
        breaks: Sequence[int] = (),
        corrupt: Sequence[int] = (),
        seconds: Any = None,
        source_size: tuple[int, int] | None = None,
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
        self.seconds = seconds
        self.source_size: tuple[int, int] = tuple(source_size or self.frames.shape[1:3])

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return tuple(self.frames.shape[1:])

    def original(self) -> ArrayRecording:
        """Itself: an array has no other frames."""
        return self

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.asarray(self.frames[indices])


class FrameFolder:
    """Image files as frames, in the order of the numbers in their names; a number that is missing is a gap.

    Every file is decoded once when the folder is opened. A frame is corrupt if its file can't be read, or if it has
    another size than the first and no `size` is asked for. When they were taken is not known.

    Args:
        paths: the files.
        day, name: of the day, and of the recording in it.
        size: (height, width) to resize to; None for the first frame's.
        grey: True for one channel, False for three, None for what the first frame has.
        every: take every so many frames.

    Attributes:
        source_size: (height, width) of the first frame's file.

    Raises:
        ValueError: if none of the files can be read, or if they are no frames of one camera: one has no number in its
            name, or more than a tenth have another size than most.
    """

    seconds: None = None

    def __init__(
        self,
        paths: Sequence[pathlib.Path],
        day: str = "0",
        name: str = "0",
        size: tuple[int, int] | None = None,
        grey: bool | None = None,
        every: int = 1,
    ) -> None:
        self.paths = sorted(paths, key=natural_order)
        numbers = [_number(path) for path in self.paths]
        if None in numbers:
            raise _no_frames(self.paths, f"{self.paths[numbers.index(None)].name}, which has no number")
        gaps = set()
        if len(set(numbers)) == len(numbers):
            gaps = {i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1}  # type: ignore[operator]
        self.paths, self.breaks = self.paths[::every], thinned(gaps, len(self.paths), every)
        self.day, self.name, self.size, self.grey = day, name, size, grey
        self.corrupt: tuple[int, ...] = ()
        with ThreadPoolExecutor(4) as pool:
            shapes = list(pool.map(_shape_of, self.paths))
        sizes = collections.Counter(shape[:2] for shape in shapes if shape is not None)
        if not sizes:
            raise ValueError(f"Expected frames that can be read in {self.paths[0].parent}. Received: none.")
        (often, count), *others = sizes.most_common()
        if count < 0.9 * sizes.total() and len(self.paths) > 10:
            two = " and ".join(f"{width} x {height}" for height, width in (often, others[0][0]))
            raise _no_frames(self.paths, f"pictures of {len(sizes)} sizes, such as {two}")
        found = next(shape for shape in shapes if shape is not None)
        self.source_size: tuple[int, int] = found[:2]  # type: ignore[assignment]
        self.grey = found[2] == 1 if grey is None else grey
        self._shape = (*(size or self.source_size), 1 if self.grey else 3)
        wrong = () if size is not None else set(sizes) - {self.source_size}
        self.corrupt = tuple(i for i, shape in enumerate(shapes) if shape is None or shape[:2] in wrong)

    def original(self) -> FrameFolder:
        """The same frames at their own size, in three channels."""
        other = copy.copy(self)
        other.size, other.grey, other._shape = self.source_size, False, (*self.source_size, 3)
        return other

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self._shape

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.stack([_fit(load_image(self.paths[i], white=65535), self.size, self.grey) for i in indices])


class Fitted(ArrayRecording):
    """An array whose frames are resized, or made grey, when they are read."""

    def __init__(self, inner: ArrayRecording, size: tuple[int, int] | None, grey: bool | None) -> None:
        super().__init__(inner.frames, inner.day, inner.name)
        self.size, self.grey, self._inner = size, grey, inner

    def original(self) -> ArrayRecording:
        """The array itself."""
        return self._inner

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self.read(np.zeros(1, "int64")).shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.stack([_fit(frame, self.size, self.grey) for frame in super().read(indices)])


def _shape_of(path: pathlib.Path) -> tuple[int, ...] | None:
    try:
        return load_image(path, white=65535).shape
    except (ValueError, OSError):
        return None


def _no_frames(paths: Sequence[pathlib.Path], what: str) -> ValueError:
    return ValueError(
        f"Expected the frames of one camera, of one size and with numbers in their names, in {paths[0].parent}. "
        f"Received: {what}; photographs are for `train` and `score`."
    )


def natural_order(path: pathlib.Path) -> list[Any]:
    """What to sort file names by, so that 2.png comes before 10.png."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", path.name)]


def _number(path: pathlib.Path) -> int | None:
    """The last number in a file's name."""
    numbers = re.findall(r"[0-9]+", path.stem)
    return int(numbers[-1]) if numbers else None


def thinned(gaps: set[int], total: int, every: int) -> tuple[int, ...]:
    """Where gaps are when only every so many frames are kept: before a kept frame, if a gap lies on the way to it."""
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

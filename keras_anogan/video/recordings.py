"""Recordings: frames of one camera, all of one size, from arrays, folders of images, or a store."""

from __future__ import annotations

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
        """(H, W, C) of every frame."""
        return tuple(self.frames.shape[1:])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.asarray(self.frames[indices])


class FrameFolder:
    """Image files as frames, in the order of the numbers in their names; a number that is missing is a gap.

    Every file is decoded once when the folder is opened. A frame is corrupt if its file can't be read, or if it has
    another size than the first and no `size` is asked for.

    Args:
        paths: the files.
        day, name: of the day, and of the recording in it.
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
        self.paths = sorted(paths, key=natural_order)
        numbers = [_number(path) for path in self.paths]
        gaps = set()
        if None not in numbers and len(set(numbers)) == len(numbers):
            gaps = {i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1}  # type: ignore[operator]
        self.paths, self.breaks = self.paths[::every], thinned(gaps, len(self.paths), every)
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
            return _fit(load_image(path, white=65535), self.size, self.grey).shape
        except (ValueError, OSError):
            return None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self._shape  # type: ignore[return-value]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.stack([_fit(load_image(self.paths[i], white=65535), self.size, self.grey) for i in indices])


class Fitted(ArrayRecording):
    """An array whose frames are resized, or made grey, when they are read."""

    def __init__(self, inner: ArrayRecording, size: tuple[int, int] | None, grey: bool | None) -> None:
        super().__init__(inner.frames, inner.day, inner.name)
        self.size, self.grey = size, grey

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every frame."""
        return self.read(np.zeros(1, "int64")).shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Frames, uint8 (k, H, W, C), at ascending indices."""
        return np.stack([_fit(frame, self.size, self.grey) for frame in super().read(indices)])


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

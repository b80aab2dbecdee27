"""Footage: recordings of several days as one row of frames, and its split into parts for training and calibration."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np


class Footage:
    """Recordings, one after the other, as one row of frames.

    Args:
        recordings: objects with `day`, `name`, `frame_shape`, `breaks`, `corrupt`, `seconds`, `source_size`, `len`,
            `read(indices)` and `original()`, such as `ArrayRecording`, `FrameFolder` and `VideoFile`.
        every: the recordings have one of every so many frames of their source.

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
        """For each frame the number of the run of frames without a gap that it is in, or -1 where it can't be used.

        Returns:
            int32 (n,).
        """
        starts = np.zeros(len(self), bool)
        corrupt = np.zeros(len(self), bool)
        for recording, offset in zip(self.recordings, self.offsets, strict=False):
            starts[offset : offset + 1] = True
            for places, mask in ((recording.breaks, starts), (recording.corrupt, corrupt)):
                if len(places):
                    mask[offset + np.asarray(places, "int64")] = True
        return np.where(corrupt, -1, np.cumsum(starts, dtype="int32") - 1).astype("int32")

    @functools.cached_property
    def seconds(self) -> np.ndarray:
        """For each frame its time after the first frame of its recording, float64 (n,); NaN where nobody knows."""
        found = np.full(len(self), np.nan)
        for recording, offset in zip(self.recordings, self.offsets, strict=False):
            if recording.seconds is not None:
                found[offset : offset + len(recording)] = recording.seconds
        return found

    def day_of(self, frames: Any) -> np.ndarray:
        """For places in the row, int (k,), the number of the day, int (k,), an index into `days`."""
        numbers = np.array([self.days.index(recording.day) for recording in self.recordings])
        return numbers[np.searchsorted(self.offsets, np.asarray(frames), side="right") - 1]

    def where(self, frame: int) -> tuple[str, str, int]:
        """(day, recording, number in the recording) of a place in the row."""
        i = bisect.bisect_right(self.offsets, frame) - 1
        return self.recordings[i].day, self.recordings[i].name, int(frame - self.offsets[i])

    def masked(self, keep: Any) -> Footage:
        """The same footage, in which only the frames that `keep`, bool (n,), marks can be used."""
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
        """Frames at any places of the row, uint8 (k, H, W, C); each is read once, however often it is asked for.

        Raises:
            IndexError: for a place outside the row.
        """
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
        """SHA-256 over names, sizes and some frames of each recording: what tells this footage from another."""
        digest = hashlib.sha256()
        for recording in self.recordings:
            digest.update(f"{recording.day}\0{recording.name}\n{contents_of(recording)}".encode())
        return digest.hexdigest()

    @functools.cached_property
    def used(self) -> dict[str, tuple[str, np.ndarray]]:
        """Which frames can be used, by recording: `contents_of` it -> (its day, bool (frames,)).

        Two parts of the same footage are compared by it, whatever folders they were opened from.
        """
        usable = self.segments >= 0
        return {
            contents_of(recording): (recording.day, usable[first:last])
            for recording, first, last in zip(self.recordings, self.offsets[:-1], self.offsets[1:], strict=True)
        }


def contents_of(recording: Any) -> str:
    """SHA-256 over length, frame shape and some sixteen frames of a recording, spread over it."""
    good = np.setdiff1d(np.arange(len(recording)), np.asarray(recording.corrupt, "int64"))
    digest = hashlib.sha256(f"{len(recording)}\0{recording.frame_shape}".encode())
    digest.update(recording.read(good[:: max(1, len(good) // 16)]).tobytes())
    return digest.hexdigest()


def split_footage(
    footage: Footage, sample_size: int = 8, stop: float = 0.1, calibrate: float = 0.2
) -> dict[str, Footage]:
    """Normal footage split into "train", "stop" and "calibrate", each spread over the whole recording.

    Six days or more are split by days; fewer days by blocks of each segment, so that all three parts see all hours.
    Calibration days are spread, and never just the last ones: scenes drift, and a threshold that was set on one quiet
    evening is wrong at noon.

    Args:
        footage: normal footage.
        sample_size: frames of a window; a block has at least twice as many.
        stop, calibrate: shares of the footage, in (0, 1), together below 1; the rest is for training.

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
    """Roles 0 (train), 1 (stop), 2 (calibrate) of n blocks in a row: evenly spread, where possible not at the ends."""
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

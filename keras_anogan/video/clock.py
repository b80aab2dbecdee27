"""The time of frames: how it is written, and where some of it is missing."""

from __future__ import annotations

import collections
import datetime
import math

import numpy as np

HOLE = 5.0  # times the steps around it: a longer one is a hole
LEAST = 1.0  # seconds: a shorter step is none
AROUND = 31  # steps that say how long one is here


def holes(seconds: np.ndarray) -> set[int]:
    """Numbers of the frames before which frames are missing.

    A step from one frame to the next is a hole if it is longer than a second, and longer than five times the median of
    the 31 steps around it. So a rate may change within a file, and a frame may come every ten seconds.

    Args:
        seconds: (n,) times of the frames, ascending.
    """
    from scipy.ndimage import median_filter

    steps = np.diff(np.asarray(seconds, "float64"))
    if len(steps) == 0:
        return set()
    usual = median_filter(steps, size=AROUND, mode="reflect")
    return {int(i) + 1 for i in np.flatnonzero((steps > LEAST) & (steps > HOLE * usual))}


class Pace:
    """`holes` of a stream, whose next frames nobody knows yet: the median is that of the 31 steps before."""

    def __init__(self) -> None:
        self._steps: collections.deque[float] = collections.deque(maxlen=AROUND)
        self._last: float | None = None

    def jumps(self, seconds: float | None) -> bool:
        """Whether frames are missing before the one of this time; also where time runs backwards, None if unknown."""
        if seconds is None:
            return False
        step = 0.0 if self._last is None else seconds - self._last
        usual = float(np.median(self._steps)) if self._steps else math.inf
        if self._last is not None:
            self._steps.append(max(0.0, step))
        self._last = seconds
        return step < 0.0 or (step > LEAST and step > HOLE * usual)


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: 83.42 is "0:01:23.4"."""
    tenths = int(10.0 * seconds + 0.5)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}.{rest % 10}"


def duration(seconds: float) -> str:
    """A length of time, e.g. "1.6 s" or "0:02:05.0"."""
    return f"{seconds:.1f} s" if seconds < 60.0 else clock(seconds)


def now() -> datetime.datetime:
    """The wall clock, with its offset from UTC."""
    return datetime.datetime.now().astimezone()


def iso(time: datetime.datetime) -> str:
    """ISO 8601 with the offset from UTC, e.g. "2026-11-27T08:00:00.125+00:00"."""
    return time.isoformat(timespec="milliseconds")

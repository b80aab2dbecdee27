"""Watch a stream of frames with a finished run."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from keras_anogan.iftm import IFTM, Result
from keras_anogan.models.composed import SmoothedDetector
from keras_anogan.runs.alarms import EVENT_GAP, alarm_picture
from keras_anogan.runs.checks import check_watching
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.streams import Feed, Frame
from keras_anogan.video import VIDEO_SUFFIXES, is_address, read_frames
from keras_anogan.video.clock import clock, duration, iso


def watch(
    run: Any,
    source: Any,
    out: Any,
    learn: bool = False,
    protect: bool = True,
    state: Any = None,
    pictures: Any = None,
    timeout: float = 10.0,
    most: int | None = None,
    say: Say = print,
) -> dict[str, int]:
    """Judge a stream frame by frame as it comes: a line of news when an event begins, and one when it is over.

    A camera that hangs up is connected to again: see `video.read_frames`. No window crosses what was missed.

    Args:
        run: run folder.
        source: file, folder, prepared store, or address (rtsp://, http://).
        out: CSV file, written line by line: frame, its time, anomaly_score, threshold, is_anomaly, problem, run. A line
            for each frame that is judged or of no use, none while a window fills up; `frame` counts the stream's frames
            and jumps at gaps and from one recording to the next. Of a camera `time` is the wall clock, ISO 8601 with
            its offset from UTC; of recordings there are `recording` and `seconds` within it, empty where nobody knows.
            To a file that this run wrote before lines are added, and a camera's frames are counted on.
        learn: whether the threshold goes on learning; not a conformal one.
        protect: whether it learns only from frames without an alarm.
        state: file with the threshold's state: gone on from if it is there, written at the end and every 100 frames.
        pictures: folder for a picture of each event's first alarm: frame, forecast, mask, error; None for none.
        timeout: seconds without a frame that end it, those of attempts to connect again included.
        most: lines to write; None for all.
        say: takes one line of news at a time.

    Returns:
        `frames`, `judged`, `alarms`, `events`, `problems`.

    Raises:
        TimeoutError: if the source gives nothing for `timeout` seconds.
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run, source or CSV file.
    """
    out = pathlib.Path(out)
    check_watching(run, source, out, learn, most)
    loaded = load_run(run)
    lines = Lines(out, loaded, is_address(source))
    iftm = iftm_of(loaded)
    if state is not None and pathlib.Path(state).exists():
        iftm.load_state(state)
        say(f"Going on with the threshold {iftm.threshold:.6g} from {state}.")
    elif state is not None:
        pathlib.Path(state).parent.mkdir(parents=True, exist_ok=True)
    if lines.goes_on:
        say(f"Adding to {out}.")
    feed = feed_of(loaded, source, timeout, lines.next, say)
    stream = iftm.stream(feed, learn=learn, protect=protect, keep_frames=True)
    watcher = Watcher(loaded, pictures, say)
    try:
        with lines.opened() as write:
            for result in stream:
                if state is not None and watcher.counts["frames"] % 100 == 0:
                    iftm.save_state(state)  # what the results before this one taught
                write(result, feed.item)
                watcher.take(result, feed.item)
                if most is not None and watcher.counts["frames"] >= most:
                    break
    finally:  # a live stream ends by a timeout, or by Ctrl-C
        stream.close()
        watcher.close(over=False)
        if state is not None:
            iftm.save_state(state)
    if watcher.counts["judged"] == 0:
        say(f"No frame was judged: it takes {loaded.length} usable frames in a row.")
    return watcher.counts


def iftm_of(run: Run) -> IFTM:
    """A run's detector and threshold around a stream of frames."""
    detector: Any = run.fitted.detector
    if not hasattr(detector, "past"):  # a stream has to be told that it judges windows and not single frames
        detector = SmoothedDetector(detector, length=1)
    return IFTM(detector, threshold=run.fitted.threshold)


def feed_of(run: Run, source: Any, timeout: float, first: int, say: Say, done: int = -1) -> Feed:
    """Frames as they come, read in a thread of its own; a camera's are dropped while nobody is ready for them.

    Args:
        run, source, timeout, say: as `watch` takes them.
        first: index of a camera's first frame.
        done: index of the last frame of a recording that has been judged: what the next window needs of those before
            is read again, and no more.
    """
    if not is_address(source):
        frames = read_frames(run.open(source))
        needed = done + 2 - run.length
        return Feed(itertools.dropwhile(lambda frame: frame.index < needed, frames), timeout=None)
    is_file = pathlib.PurePosixPath(str(source)).suffix.lower() in VIDEO_SUFFIXES  # a file can wait
    frames = read_frames(source, timeout=timeout, first=first, say=say, **run.reading())
    return Feed(frames, timeout=timeout, drop=not is_file)


class Lines:
    """The CSV file of a stream: a new one, or one that is gone on with.

    Attributes:
        goes_on: whether there are lines of before.
        next: index of a camera's next frame: it jumps over a gap from those of before.

    Raises:
        ValueError: for a file that this run did not write, or from another kind of source.
    """

    def __init__(self, path: pathlib.Path, run: Run, live: bool) -> None:
        self.path, self.live = path, live
        digest = hashlib.sha256((run.folder / "config.json").read_bytes()).hexdigest()
        self.run = f"{run.folder.resolve().name}-{digest[:8]}"
        when = ["time"] if live else ["recording", "seconds"]
        self.header = ["frame", *when, "anomaly_score", "threshold", "is_anomaly", "problem", "run"]
        self.goes_on, self.next = path.exists() and path.stat().st_size > 0, 0
        if self.goes_on:
            self._read()

    def _read(self) -> None:
        """Look at the first line and the last whole one; half a line, of a killed process, is cut off."""
        with open(self.path, "rb") as file:
            header = file.readline().decode("utf-8", "replace").strip().split(",")
            begin = max(file.tell(), self.path.stat().st_size - 4096)
            file.seek(begin)
            whole, _, half = file.read().rpartition(b"\n")
        *_, last = csv.reader(whole.decode("utf-8", "replace").splitlines() or [""])
        if header != self.header:
            what = "other columns"
        elif last and last[-1].rpartition("-")[2] != self.run.rpartition("-")[2]:
            what = f"lines of the run {last[-1]}"
        else:
            self.next = int(last[0]) + 2 if last else 0
            if half:
                os.truncate(self.path, self.path.stat().st_size - len(half))
            return
        source = "a camera" if self.live else "recordings"
        raise ValueError(
            f"Expected a new CSV file, or one that this run wrote of {source}. Received: {self.path}, which has "
            f"{what}; choose another --out."
        )

    @contextlib.contextmanager
    def opened(self) -> Iterator[Callable[[Result, Frame], None]]:
        """A function that writes the line of a result and its frame, at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not self.goes_on:
                writer.writerow(self.header)

            def write(result: Result, frame: Frame) -> None:
                score, alarm = ("", "") if result.anomaly is None else (f"{result.error:.9g}", int(result.anomaly))
                when = [frame.recording, "" if frame.seconds is None else f"{frame.seconds:.3f}"]
                when = [iso(frame.time) if frame.time else ""] if self.live else when
                line = [score, f"{result.threshold:.9g}", alarm, result.problem, self.run]
                writer.writerow([result.index, *when, *line])
                file.flush()

            yield write


def _moment(frame: Frame) -> str:
    """When a frame was, by the wall clock or within its recording, and its number."""
    if frame.time is not None:
        return f"{frame.time.isoformat(sep=' ', timespec='seconds')}, frame {frame.index}"
    return f"frame {frame.index}" if frame.seconds is None else f"{clock(frame.seconds)}, frame {frame.index}"


def _length(first: Frame, last: Frame) -> str:
    """How long it was from one frame to another, for a sentence."""
    if first.time is not None and last.time is not None:
        return f", after {duration((last.time - first.time).total_seconds())}"
    if first.seconds is None or last.seconds is None:
        return ""
    return f", after {duration(last.seconds - first.seconds)}"


class Watcher:
    """Counts results, and tells of each event when it begins and when it is over."""

    def __init__(self, run: Run, pictures: Any, say: Say) -> None:
        self.run, self.pictures, self.say = run, pictures, say
        self.counts = dict.fromkeys(("frames", "judged", "alarms", "events", "problems"), 0)
        self.first: Frame | None = None  # first and last alarm of the event that goes on
        self.last: Frame | None = None
        self.peak = 0.0

    def take(self, result: Result, frame: Frame) -> None:
        """Count a result; say so if an event is over or begins with it, and write the picture of one that begins."""
        self.counts["frames"] += 1
        self.counts["judged"] += result.anomaly is not None
        self.counts["alarms"] += bool(result.anomaly)
        self.counts["problems"] += bool(result.problem)
        if self.last is not None:
            quiet = frame.index - self.last.index - bool(result.anomaly)
            if quiet > EVENT_GAP or frame.recording != self.last.recording:
                self.close()
        if not result.anomaly:
            return
        if self.first is None:
            self.counts["events"] += 1
            self.first, self.peak = frame, result.error
            self.begins(result, frame)
            if self.pictures is not None:
                path = pathlib.Path(self.pictures) / f"frame-{result.index:08d}.png"
                alarm_picture(path, result, self.run.fitted, _moment(frame))
        self.last, self.peak = frame, max(self.peak, result.error)

    def begins(self, result: Result, frame: Frame) -> None:
        """Tell of an event that begins."""
        self.say(f"Alarm at {_moment(frame)}: {result.error:.4g}, above {result.threshold:.4g}.")

    def close(self, over: bool = True) -> None:
        """Tell of the event that goes on, if there is one, that it is over, or that it is not where the stream ends."""
        if self.first is not None and self.last is not None:
            self.ends(self.first, self.last, over)
        self.first = self.last = None

    def ends(self, first: Frame, last: Frame, over: bool) -> None:
        """Tell of an event that is over, or goes on where the stream ends."""
        ends = f"{_moment(last)}{_length(first, last)}: up to {self.peak:.4g}"
        self.say(f"Alarm over at {ends}." if over else f"Alarm still on at the end, {ends}.")

"""Watch a stream of frames with a finished run."""

from __future__ import annotations

import csv
import pathlib
from typing import Any

from keras_anogan.iftm import IFTM, Result
from keras_anogan.models.composed import SmoothedDetector
from keras_anogan.runs.alarms import EVENT_GAP, alarm_picture
from keras_anogan.runs.checks import check_watching
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.streams import Feed
from keras_anogan.video import VIDEO_SUFFIXES, is_address, read_frames


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
    """Judge a stream frame by frame as it comes: one line of news for each event.

    Args:
        run: run folder.
        source: file, folder, prepared store, or address (rtsp://, http://).
        out: CSV file, written line by line: frame, anomaly_score, threshold, is_anomaly, problem. A line for each frame
            that is judged or of no use, none while a window fills up; `frame` counts the stream's frames and jumps at
            gaps and from one recording to the next. With a `state` to go on from, lines are added.
        learn: whether the threshold goes on learning; not a conformal one.
        protect: whether it learns only from frames without an alarm.
        state: file with the threshold's state: gone on from if it is there, written at the end and every 100 frames.
        pictures: folder for a picture of each event's first alarm: frame, forecast, mask, error; None for none.
        timeout: seconds without a frame that end it.
        most: lines to write; None for all.
        say: takes one line of news at a time.

    Returns:
        `frames`, `judged`, `alarms`, `events`, `problems`.

    Raises:
        TimeoutError: if the source gives nothing for `timeout` seconds.
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run or source.
    """
    out = pathlib.Path(out)
    check_watching(run, source, out, learn, most)
    loaded = load_run(run)
    detector: Any = loaded.fitted.detector
    if not hasattr(detector, "past"):  # a stream has to be told that it judges windows and not single frames
        detector = SmoothedDetector(detector, length=1)
    iftm = IFTM(detector, threshold=loaded.fitted.threshold)
    goes_on = state is not None and pathlib.Path(state).exists()
    if goes_on:
        iftm.load_state(state)
        say(f"Going on with the threshold {iftm.threshold:.6g} from {state}.")
    elif state is not None:
        pathlib.Path(state).parent.mkdir(parents=True, exist_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    appends = goes_on and out.exists()
    stream = iftm.stream(_feed(loaded, source, timeout), learn=learn, protect=protect, keep_frames=True)
    watcher = _Watcher(loaded, pictures, say)
    try:
        with open(out, "a" if appends else "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if not appends:
                writer.writerow(["frame", "anomaly_score", "threshold", "is_anomaly", "problem"])
            for result in stream:
                if state is not None and watcher.counts["frames"] % 100 == 0:
                    iftm.save_state(state)  # what the results before this one taught
                writer.writerow(_line(result))
                file.flush()
                watcher.take(result)
                if most is not None and watcher.counts["frames"] >= most:
                    break
    finally:  # a live stream ends by a timeout, or by Ctrl-C
        stream.close()
        if state is not None:
            iftm.save_state(state)
    if watcher.counts["judged"] == 0:
        say(f"No frame was judged: it takes {loaded.length} usable frames in a row.")
    return watcher.counts


def _feed(run: Run, source: Any, timeout: float) -> Feed:
    """Frames as they come, read in a thread of its own; a camera's are dropped while nobody is ready for them."""
    if not is_address(source):
        return Feed(read_frames(run.open(source)), timeout=None)
    is_file = pathlib.PurePosixPath(str(source)).suffix.lower() in VIDEO_SUFFIXES  # a file can wait
    return Feed(read_frames(source, timeout=timeout, **run.reading()), timeout=timeout, drop=not is_file)


def _line(result: Result) -> list[Any]:
    """What the CSV file says of a frame."""
    score, alarm = ("", "") if result.anomaly is None else (f"{result.error:.9g}", int(result.anomaly))
    return [result.index, score, f"{result.threshold:.9g}", alarm, result.problem]


class _Watcher:
    """Counts results, and tells of each event when it begins."""

    def __init__(self, run: Run, pictures: Any, say: Say) -> None:
        self.run, self.pictures, self.say = run, pictures, say
        self.counts = dict.fromkeys(("frames", "judged", "alarms", "events", "problems"), 0)
        self.quiet = EVENT_GAP + 1  # frames since the last alarm

    def take(self, result: Result) -> None:
        """Count a result; if it begins an event, say so and write its picture."""
        self.counts["frames"] += 1
        self.counts["judged"] += result.anomaly is not None
        self.counts["alarms"] += bool(result.anomaly)
        self.counts["problems"] += bool(result.problem)
        if result.anomaly and self.quiet > EVENT_GAP:
            self.counts["events"] += 1
            self.say(f"Alarm at frame {result.index}: {result.error:.4g}, above {result.threshold:.4g}.")
            if self.pictures is not None:
                path = pathlib.Path(self.pictures) / f"frame-{result.index:08d}.png"
                alarm_picture(path, result, self.run.fitted)
        self.quiet = 0 if result.anomaly else self.quiet + 1

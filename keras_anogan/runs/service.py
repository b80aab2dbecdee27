"""Several cameras in one process: a thread, a threshold, a CSV file for each, and one stream of events for all."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from keras_anogan.files import read_json, write_json
from keras_anogan.iftm import IFTM, Result
from keras_anogan.runs.cameras import Camera
from keras_anogan.runs.checks import check_cameras
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.runs.outbox import Outbox
from keras_anogan.runs.watching import Lines, Watcher, feed_of, iftm_of
from keras_anogan.streams import Frame
from keras_anogan.video import is_address
from keras_anogan.video.clock import iso, now
from keras_anogan.video.files import without_password

HEALTH, STATE = 5.0, 60.0  # seconds between the files of health, and of a threshold's state
PAUSES = (1.0, 60.0)  # seconds before a camera is tried again: the first, and the longest
PATIENCE = 5.0  # seconds for the threads to end
Event = dict[str, Any]


def watch_cameras(
    run: Any,
    cameras: Sequence[Camera],
    out: Any,
    emit: Callable[[Event], None],
    webhook: str | None = None,
    pictures: bool = False,
    timeout: float = 10.0,
    stop: threading.Event | None = None,
    say: Say = print,
) -> dict[str, dict[str, Any]]:
    """Watch several cameras until all have ended, or `stop` is set. One that is down is tried again for ever.

    Args:
        run: run folder, of footage.
        cameras: what `read_cameras` gives.
        out: folder: `<camera>.csv` as `watch` writes it; `<camera>.npz`, the state of a threshold that learns, every
            minute and at the end; `<camera>.alarm.json`, the alarm that goes on; `health.json` every five seconds;
            `outbox/`, events that the webhook has not taken. A second start goes on with them.
        emit: takes one event at a time, what JSON can hold. All have `camera`, `event` and `now`. "alarm" has `frame`,
            its `time` or `recording` and `seconds`, `score`, `threshold`. "over" has the same of the last alarm,
            `began`, `peak`, and `certain`: false where the stream or the process ended first. "down" and "failed" have
            `why`; "failed" is a recording that can't be read, which is not tried again. "ended" has counts since the
            start, as `health.json` has.
        webhook: address that gets each event by POST, again and again until it takes it.
        pictures: whether to write a picture of each event's first alarm, to `<camera>/`.
        timeout: seconds without a frame after which a camera is down.
        stop: ends it, within a few seconds.
        say: takes lines of news about connections.

    Returns:
        What `health.json` says of each camera at the end.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the run, the folder or a CSV file.
    """
    out, stop = pathlib.Path(out), stop or threading.Event()
    check_cameras(run, cameras, out, webhook)
    loaded = load_run(run)
    out.mkdir(parents=True, exist_ok=True)
    outbox = None if webhook is None else Outbox(out / "outbox", webhook)
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            emit(event)
            if outbox is not None:
                outbox.put(event)

    first = iftm_of(loaded)
    places = {"out": out, "pictures": pictures, "timeout": timeout, "stop": stop, "tell": tell, "say": say}
    watched = [_Watched(loaded, first, camera, **places) for camera in cameras]
    try:
        for each in watched:
            each.start()
        while any(each.is_alive() for each in watched) and not stop.wait(0.2):
            _write_health(out, watched, outbox, least=HEALTH)
    finally:
        stop.set()
        until = time.monotonic() + PATIENCE
        for each in watched:
            each.join(max(0.0, until - time.monotonic()))
        if outbox is not None:
            outbox.close()
        _write_health(out, watched, outbox)
    return {each.camera.name: each.health for each in watched}


def _write_health(out: pathlib.Path, watched: Sequence[_Watched], outbox: Outbox | None, least: float = 0.0) -> None:
    """Write `health.json`, unless it is younger than `least` seconds."""
    path = out / "health.json"
    if least and path.exists() and time.time() - path.stat().st_mtime < least:
        return
    found = {"now": iso(now()), "cameras": {each.camera.name: each.health for each in watched}}
    if outbox is not None:
        found["webhook"] = {"waiting": len(outbox.waiting), "problem": outbox.problem}
    write_json(path, found)


class _Watched(threading.Thread):
    """One camera: follows its stream, and begins again when that breaks.

    Attributes:
        health: `state` ("connecting", "watching", "down", "failed", "ended", "stopped"), `why` it is down or failed,
            `last_frame`, and the counts of `Watcher` since the start.
    """

    def __init__(
        self,
        run: Run,
        first: IFTM,
        camera: Camera,
        out: pathlib.Path,
        pictures: bool,
        timeout: float,
        stop: threading.Event,
        tell: Callable[[Event], None],
        say: Say,
    ) -> None:
        super().__init__(daemon=True, name=f"camera {camera.name}")
        self.run_folder, self.camera, self.stop, self.timeout, self.say = run, camera, stop, timeout, say
        self.path, self.state_path = out / f"{camera.name}.csv", out / f"{camera.name}.npz"
        self.pictures = out / camera.name if pictures else None
        self.iftm = first.for_camera(camera.name)
        self.iftm.threshold_model.set_weights(first.threshold_model.get_weights())
        if camera.learn and self.state_path.exists():
            self.iftm.load_state(self.state_path)
        Lines(self.path, run, is_address(camera.source))  # a file of another run is told before anything is watched
        self._tell = tell
        self.watcher = _Reporter(run, self.pictures, self.tell, out / f"{camera.name}.alarm.json")
        self.health: dict[str, Any] = {"state": "connecting", "why": "", "last_frame": None, **self.watcher.counts}
        self.pause = PAUSES[0]

    def tell(self, event: str, **more: Any) -> None:
        self._tell({"camera": self.camera.name, "event": event, "now": iso(now()), **more})

    def run(self) -> None:
        """Follow the stream; after an error wait a little longer each time, and begin again."""
        while not self.stop.is_set():
            try:
                self._follow()
                if not self.stop.is_set():
                    self.health["state"] = "ended"
                    self.tell("ended", **self.watcher.counts)
                    return
            except Exception as error:  # whatever breaks one camera must not end the others
                why = without_password(" ".join(str(error).split()) or type(error).__name__)
                if not is_address(self.camera.source):  # a file does not mend itself
                    self.health |= {"state": "failed", "why": why}
                    self.tell("failed", why=why)
                    return
                if self.health["state"] != "down":
                    self.tell("down", why=why)
                self.health |= {"state": "down", "why": why}
                self.stop.wait(self.pause)
                self.pause = min(2.0 * self.pause, PAUSES[1])
        self.health["state"] = "stopped"

    def _follow(self) -> None:
        """Judge frames until the stream ends, breaks or is to stop."""
        camera, live = self.camera, is_address(self.camera.source)
        lines = Lines(self.path, self.run_folder, live)
        done = -1 if live or not lines.goes_on else lines.next - 2  # frames of a recording that have been judged
        feed = feed_of(self.run_folder, camera.source, self.timeout, lines.next, self.say, done)
        stream = self.iftm.stream(
            feed, learn=camera.learn, protect=camera.protect, keep_frames=self.pictures is not None
        )
        saved = time.monotonic()
        try:
            with lines.opened() as write:
                for result in stream:
                    if result.index > done:
                        write(result, feed.item)
                        self._take(result, feed.item)
                    if camera.learn and time.monotonic() - saved > STATE:
                        self.iftm.save_state(self.state_path)
                        saved = time.monotonic()
                    if self.stop.is_set():
                        break
        finally:
            stream.close()
            self.watcher.close(over=False)
            if camera.learn:
                self.iftm.save_state(self.state_path)

    def _take(self, result: Result, frame: Frame) -> None:
        if self.health["state"] == "down":
            self.tell("up")
        self.pause = PAUSES[0]
        self.watcher.take(result, frame)
        self.health |= {"state": "watching", "why": "", "last_frame": iso(now()), **self.watcher.counts}


class _Reporter(Watcher):
    """A `Watcher` that tells of events as JSON can hold them."""

    def __init__(self, run: Run, pictures: Any, tell: Callable[..., None], kept: pathlib.Path) -> None:
        super().__init__(run, pictures, say=lambda line: None)
        self.tell, self.kept = tell, kept
        if kept.exists():  # of a process that was killed: whoever was told of the alarm is told that it is over
            alarm = read_json(kept)
            self.tell("over", **alarm["when"], began=alarm["when"], peak=alarm["score"], certain=False)
            kept.unlink()

    def begins(self, result: Result, frame: Frame) -> None:
        write_json(self.kept, {"when": _when(frame), "score": float(result.error)})
        self.tell("alarm", **_when(frame), score=float(result.error), threshold=float(result.threshold))

    def ends(self, first: Frame, last: Frame, over: bool) -> None:
        self.tell("over", **_when(last), began=_when(first), peak=float(self.peak), certain=over)
        self.kept.unlink(missing_ok=True)


def _when(frame: Frame) -> dict[str, Any]:
    """Number and time of a frame: by the wall clock, or within its recording."""
    if frame.time is not None:
        return {"frame": frame.index, "time": iso(frame.time)}
    return {"frame": frame.index, "recording": frame.recording, "seconds": frame.seconds}

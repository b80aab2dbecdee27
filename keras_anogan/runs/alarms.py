"""Alarms of footage: frames in a row that are one event, when it began and ended, and what it looks like."""

from __future__ import annotations

import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_anogan.files import replacing
from keras_anogan.iftm import Result
from keras_anogan.nn.scaling import BYTE_OFFSET, BYTE_SCALE, to_float
from keras_anogan.pictures import to_pixels
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video.clock import clock, duration
from keras_anogan.video.files import write_video
from keras_anogan.video.footage import Footage
from keras_anogan.video.store import decoded

EVENT_GAP = 5  # frames without an alarm that do not end an event yet
RED, ORANGE, BLUE, DARK, WHITE = (230, 40, 30), (217, 120, 74), (74, 134, 181), (24, 24, 24), (255, 255, 255)


@dataclasses.dataclass(frozen=True)
class Event:
    """Alarms in a row.

    Attributes:
        day, recording: where.
        first, last: frames of the recording, both alarms.
        peak: place in the footage of the frame with the highest score.
        score: of that frame.
        begin, end: times of the first and the last alarm in the recording, in seconds; NaN where nobody knows.
    """

    day: str
    recording: str
    first: int
    last: int
    peak: int
    score: float
    begin: float = math.nan
    end: float = math.nan

    @property
    def span(self) -> str:
        """When it was: "0:01:23.4 to 0:01:25.0 (1.6 s), frames 2085 to 2125", without a clock the frames alone."""
        one = self.first == self.last
        frames = f"frame {self.first}" if one else f"frames {self.first} to {self.last}"
        if math.isnan(self.begin):
            return frames
        to = "" if one else f" to {clock(self.end)} ({duration(self.end - self.begin)})"
        return f"{clock(self.begin)}{to}, {frames}"

    @property
    def title(self) -> str:
        """Where and when it was, and its highest score."""
        return f"{self.day}/{self.recording}, {self.span}: up to {self.score:.4g}"


def frame_title(footage: Footage, place: int) -> str:
    """Day, recording, time and number of a frame: "06/street, 0:01:23.4, frame 2085"."""
    day, recording, frame = footage.where(place)
    seconds = footage.seconds[place]
    return f"{day}/{recording}, {'' if np.isnan(seconds) else f'{clock(seconds)}, '}frame {frame}"


def find_events(footage: Footage, alarms: np.ndarray, scores: np.ndarray) -> list[Event]:
    """Alarms joined to events, in order; up to five frames without an alarm do not end one, another recording does."""
    places = np.flatnonzero(alarms)
    if len(places) == 0:
        return []
    owner = np.searchsorted(footage.offsets, places, side="right")
    apart = (np.diff(places) > EVENT_GAP + 1) | (np.diff(owner) > 0)
    events = []
    for group in np.split(places, np.flatnonzero(apart) + 1):
        peak = int(group[np.argmax(scores[group])])
        day, recording, first = footage.where(int(group[0]))
        last = footage.where(int(group[-1]))[2]
        begin, end = (float(footage.seconds[place]) for place in (group[0], group[-1]))
        events.append(Event(day, recording, first, last, peak, float(scores[peak]), begin, end))
    return events


def write_events(path: pathlib.Path, events: Sequence[Event]) -> None:
    """Write a line for each event, in order; begin, end and duration are seconds, empty where nobody knows."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["day", "recording", "first", "last", "begin", "end", "duration", "anomaly_score"])
        for event in events:
            times = (event.begin, event.end, event.end - event.begin)
            told = ["" if math.isnan(seconds) else f"{seconds:.3f}" for seconds in times]
            writer.writerow([event.day, event.recording, event.first, event.last, *told, f"{event.score:.9g}"])


def alarm_panels(fitted: FittedDetector, footage: Footage, place: int) -> dict[str, np.ndarray]:
    """Frame, forecast or reconstruction, mask and error map (bytes) of the window that judges a frame, its last."""
    length = int(fitted.raw_shape[0] or 0)
    window = footage.read(np.arange(place - length + 1, place + 1))[None]
    return _drawn(window[0, -1], {key: np.asarray(value) for key, value in fitted.explain(window).items()})


def _drawn(frame: np.ndarray, explained: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A frame of bytes and what is known of it as pixels; of a window's reconstruction the last frame is shown."""
    from keras_anogan.plots import heat_pixels

    panels = {"frame": to_pixels(to_float(frame))}
    if "forecast" in explained:
        panels["forecast"] = to_pixels(explained["forecast"][0, -1])
    if "mask" in explained:
        panels["mask"] = to_pixels(explained["mask"][0, -1] * 2.0 - 1.0)
    found = explained["anomaly_map"][0] if "anomaly_map" in explained else None
    if found is None and "reconstruction" in explained:
        x_hat = explained["reconstruction"][0, -1]
        panels["reconstruction"] = to_pixels(x_hat)
        found = np.abs(to_float(frame) - x_hat).mean(axis=-1)
    if found is not None:
        panels["error"] = heat_pixels(2.0 * found)  # bright yellow is 0.5 of a range of 2
    return panels


def alarm_picture(path: pathlib.Path, result: Result, fitted: FittedDetector, when: str) -> None:
    """Write what a stream's alarm looks like: frame, forecast, mask and error; `when` stands in its title."""
    from keras_anogan.plots import save_panels

    if result.actual is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    explained = fitted.detector.explain(tf.constant(result.actual[None]))
    frame = np.round((result.actual[-1] - BYTE_OFFSET) / BYTE_SCALE).astype("uint8")
    title = f"{when}: {result.error:.4g} > {result.threshold:.4g}".replace(", frame", "\nframe")  # one panel is narrow
    with replacing(path) as partial:
        save_panels([(title, _drawn(frame, {key: np.asarray(value) for key, value in explained.items()}))], partial)


def annotate_video(
    path: pathlib.Path, footage: Footage, scores: np.ndarray, alarms: np.ndarray, threshold: float
) -> None:
    """A video of the footage at the size of its source: red edges at alarms, time and score above, a bar of it below.

    The mark in the bar is the threshold. A recording of another size than the first is fitted into that. A store keeps
    small frames; they are enlarged.
    """
    from PIL import Image, ImageOps

    low = min(0.0, float(np.nanmin(scores)))
    high = 2.0 * threshold - low if threshold > low else float(np.nanmax(scores))
    shares = (np.append(scores, threshold) - low) / max(high - low, 1e-12)
    height, width = footage.recordings[0].source_size

    def drawn() -> Iterator[np.ndarray]:
        for recording, offset in zip(footage.recordings, footage.offsets, strict=False):
            rows, columns = recording.source_size
            for i, frame in decoded(recording.original()):
                pixels = np.zeros((rows, columns, 3), "uint8") if frame is None else frame
                image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
                image = image if image.size == (columns, rows) else image.resize((columns, rows))
                image = image if image.size == (width, height) else ImageOps.pad(image, (width, height))
                place = int(offset) + i
                told = [] if np.isnan(footage.seconds[place]) else [clock(footage.seconds[place])]
                told += [f"{scores[place]:.4g}"] if np.isfinite(scores[place]) else []
                _mark(image, "  ".join(told), shares[place], shares[-1], bool(alarms[place]))
                yield np.asarray(image)[: height // 2 * 2, : width // 2 * 2]

    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, drawn(), _rate(footage.seconds))


def _rate(seconds: np.ndarray) -> float:
    """Frames a second of a film that lasts as long as what it shows; 10 where nobody knows."""
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0.0)]
    return float(np.clip(1.0 / np.median(steps), 1.0, 120.0)) if len(steps) else 10.0


def _mark(image: Any, words: str, share: float, threshold: float, alarm: bool) -> None:
    """Draw words, a bar of a share, NaN for none, with a mark at the threshold, and an alarm's edge into a picture."""
    from PIL import ImageDraw, ImageFont

    draw, (width, height) = ImageDraw.Draw(image), image.size
    edge = max(2, min(width, height) // 40)
    if np.isfinite(share):
        top, length = height - 3 * edge, width - 2 * edge - 1
        ends = [edge + length * float(np.clip(end, 0.0, 1.0)) for end in (1.0, share, threshold)]
        draw.rectangle((edge, top, ends[0], height - edge - 1), DARK)
        draw.rectangle((edge, top, ends[1], height - edge - 1), ORANGE if alarm else BLUE)
        draw.line((ends[2], top, ends[2], height - edge - 1), WHITE)
    if words:
        place, size, lines = (2 * edge, 2 * edge), max(8, height // 24), words.replace("  ", "\n")
        for told, pixels in ((words, size), (lines, size), (lines, 6)):  # in a narrow picture two lines, or small ones
            font = ImageFont.load_default(pixels)
            box = draw.textbbox(place, told, font)
            if box[2] <= width - edge:
                break
        draw.rectangle(box, DARK)
        draw.text(place, told, WHITE, font)
    if alarm:
        draw.rectangle((0, 0, width - 1, height - 1), outline=RED, width=edge)

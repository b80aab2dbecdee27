"""Alarms of footage: frames in a row that are one event, and their pictures."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_anogan.files import replacing
from keras_anogan.iftm import Result
from keras_anogan.nn.scaling import BYTE_OFFSET, BYTE_SCALE, to_float
from keras_anogan.pictures import to_pixels
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.video.files import write_video
from keras_anogan.video.footage import Footage

EVENT_GAP = 5  # frames without an alarm that end an event


@dataclasses.dataclass(frozen=True)
class Event:
    """Alarms in a row.

    Attributes:
        day, recording: where.
        first, last: frames of the recording, both alarms.
        peak: place in the footage of the frame with the highest score.
        score: of that frame.
    """

    day: str
    recording: str
    first: int
    last: int
    peak: int
    score: float


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
        events.append(Event(day, recording, first, last, peak, float(scores[peak])))
    return events


def alarm_panels(fitted: FittedDetector, footage: Footage, place: int) -> dict[str, np.ndarray]:
    """Frame, forecast, mask and error map (bytes) of the window that judges a frame, its last."""
    length = int(fitted.raw_shape[0] or 0)
    window = footage.read(np.arange(place - length + 1, place + 1))[None]
    return _drawn(window[0, -1], {key: np.asarray(value) for key, value in fitted.explain(window).items()})


def _drawn(frame: np.ndarray, explained: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A frame of bytes and what is known of it as pixels; a detector that makes no forecast shows the frame alone."""
    from keras_anogan.plots import heat_pixels

    panels = {"frame": to_pixels(to_float(frame))}
    if "forecast" in explained:
        panels["forecast"] = to_pixels(explained["forecast"][0, -1])
    if "mask" in explained:
        panels["mask"] = to_pixels(explained["mask"][0, -1] * 2.0 - 1.0)
    if "anomaly_map" in explained:
        panels["error"] = heat_pixels(2.0 * explained["anomaly_map"][0])  # bright yellow is 0.5 of a range of 2
    return panels


def alarm_picture(path: pathlib.Path, result: Result, fitted: FittedDetector) -> None:
    """Write what a stream's alarm looks like: frame, forecast, mask and error."""
    from keras_anogan.plots import save_panels

    if result.actual is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    explained = fitted.detector.explain(tf.constant(result.actual[None]))
    frame = np.round((result.actual[-1] - BYTE_OFFSET) / BYTE_SCALE).astype("uint8")
    title = f"frame {result.index}: {result.error:.4g}, threshold {result.threshold:.4g}"
    with replacing(path) as partial:
        save_panels([(title, _drawn(frame, {key: np.asarray(value) for key, value in explained.items()}))], partial)


def annotate_video(
    path: pathlib.Path, footage: Footage, scores: np.ndarray, alarms: np.ndarray, threshold: float
) -> None:
    """A video of the footage: red edges at alarms, and below a bar of the score, with a mark at the threshold."""
    most = 2.0 * threshold if threshold > 0.0 else float(np.nanmax(scores))

    def drawn() -> Iterator[np.ndarray]:
        for place in range(len(footage)):
            try:
                frame = np.repeat(footage.read([place])[0], 3 // footage.frame_shape[2], axis=-1)
            except ValueError:  # a frame that can't be decoded
                frame = np.zeros((*footage.frame_shape[:2], 3), "uint8")
            scale = max(1, 256 // frame.shape[1])
            frame = frame.repeat(scale, axis=0).repeat(scale, axis=1)
            height, width = frame.shape[:2]
            bar = np.full((max(8, height // 12), width, 3), 24, "uint8")
            if np.isfinite(scores[place]):
                length = int(width * min(1.0, scores[place] / most))
                bar[2:-2, :length] = (217, 100, 74) if alarms[place] else (74, 134, 181)
                bar[:, int(width * min(1.0, threshold / most)) - 1] = 255
            if alarms[place]:
                edge = max(2, height // 40)
                for side in (np.s_[:edge], np.s_[-edge:], np.s_[:, :edge], np.s_[:, -edge:]):
                    frame[side] = (230, 40, 30)
            whole = np.concatenate([frame, bar])
            yield whole[: len(whole) // 2 * 2, : width // 2 * 2]

    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, drawn())

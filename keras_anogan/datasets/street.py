"""A made-up street, filmed for days: something to train on and to test with where there is no camera.

Day and night, weather, people on a pavement, cars on a road with two lanes; and, on some days, what should not be:
a car in the wrong lane, somebody running, an object left behind, a camera that was pushed. A day is a function of
(seed, its number), the same on every machine.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

HEIGHT, WIDTH = 64, 128
KINDS = ("wrong_way", "running", "abandoned_object", "camera_shift")
WEATHERS = ("clear", "cloudy", "rain", "fog")
LANES = {-1: (46.0, 52.0), 1: (55.0, 61.0)}  # rows of a car that drives to the left, and to the right
PAVEMENT = (34.0, 42.0)


@dataclasses.dataclass(frozen=True)
class StreetDay:
    """One day of the street.

    Attributes:
        name: "00", "01", ...
        frames: uint8 (n, 64, 128, 3), from midnight to midnight.
        labels: int64 (n,): 1 where something should not be.
        masks: bool (n, 64, 128): where it is; all of a frame while the camera is shifted.
        events: (kind, first frame, frame after the last) of each.
        weather: "clear", "cloudy", "rain" or "fog".
    """

    name: str
    frames: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    events: tuple[tuple[str, int, int], ...]
    weather: str


@dataclasses.dataclass(frozen=True)
class _Mover:
    """A box that moves: rows, place of its left edge at frame 0, pixels a frame, width, colour, lights in front."""

    rows: tuple[float, float]
    left: float
    speed: float
    width: float
    colour: np.ndarray
    lights: bool = False


def make_street(
    days: int = 6, frames: int = 288, anomalous_days: Sequence[int] = (-1,), kinds: Sequence[str] = KINDS, seed: int = 0
) -> list[StreetDay]:
    """Days of the street.

    Args:
        days: how many.
        frames: of each day. The light of 24 hours passes in them, whatever their number; people and cars move by the
            frame.
        anomalous_days: numbers of the days on which something happens; -1 is the last one.
        kinds: what happens on such a day, one after the other: "wrong_way", "running", "abandoned_object",
            "camera_shift".
        seed: decides everything, together with the number of a day.

    Raises:
        ValueError: for less than one day, days too short for the kinds, an unknown kind, or a day that is not there.
    """
    if days < 1 or frames < 8 * max(1, len(kinds)):
        raise ValueError(
            f"Expected days >= 1 and at least {8 * max(1, len(kinds))} frames. Received: days={days}, frames={frames}."
        )
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"Expected some of the kinds {KINDS}. Received: {unknown[0]!r}.")
    if outside := [day for day in anomalous_days if not -days <= day < days]:
        raise ValueError(f"Expected anomalous days from {-days} to {days - 1}. Received: {outside[0]}.")
    chosen = {day % days for day in anomalous_days}
    return [_make_day(day, frames, tuple(kinds) if day in chosen else (), seed) for day in range(days)]


def write_street(folder: Any, street: Sequence[StreetDay]) -> None:
    """Write each day as `<folder>/<day>/street.npy`: a folder of days, as `video.open_footage` reads it."""
    for day in street:
        target = pathlib.Path(folder) / day.name
        target.mkdir(parents=True, exist_ok=True)
        np.save(target / "street.npy", day.frames)


def _make_day(number: int, frames: int, kinds: tuple[str, ...], seed: int) -> StreetDay:
    draw = np.random.default_rng((seed, number))
    weather = WEATHERS[int(draw.integers(len(WEATHERS)))]
    movers = _traffic(draw, frames)
    events = _events(draw, frames, kinds)
    strange = [(first, last, _strange(draw, kind, first, last)) for kind, first, last in events]
    shift = (int(draw.choice([-1, 1])) * int(draw.integers(2, 5)), int(draw.integers(4, 9)))  # rows, columns
    still = _scene()
    film = np.empty((frames, HEIGHT, WIDTH, 3), "uint8")
    masks = np.zeros((frames, HEIGHT, WIDTH), bool)
    for t in range(frames):
        picture = still.copy()
        for mover in movers:
            _paint(picture, mover, t)
        for first, last, thing in strange:
            if first <= t < last:
                if thing is None:
                    masks[t] = True
                    picture = np.roll(picture, shift, axis=(0, 1))
                else:
                    masks[t] |= _paint(picture, thing, t) > 0.5
        film[t] = _expose(picture, _daylight(t / frames), weather, draw)
    labels = np.zeros(frames, "int64")
    for _, first, last in events:
        labels[first:last] = 1
    labels &= masks.any(axis=(1, 2))  # a car has left the picture before its event ends
    return StreetDay(f"{number:02d}", film, labels, masks, tuple(events), weather)


def _traffic(draw: np.random.Generator, frames: int) -> list[_Mover]:
    """People and cars of a normal day, more of them in daylight."""
    movers = []
    for t in range(-40, frames):
        busy = 0.25 + 0.75 * _daylight(max(t, 0) / frames)
        for direction, rows in LANES.items():
            if draw.random() < 0.035 * busy:
                movers.append(_car(draw, direction, rows, t))
        if draw.random() < 0.05 * busy:
            movers.append(_walker(draw, t, draw.uniform(0.4, 0.8)))
    return movers


def _car(draw: np.random.Generator, direction: int, rows: tuple[float, float], t: int) -> _Mover:
    speed, width = direction * draw.uniform(2.2, 3.2), draw.uniform(12.0, 17.0)
    left = (-width if direction > 0 else float(WIDTH)) - speed * t
    return _Mover(rows, left, speed, width, draw.uniform(0.15, 0.95, 3), lights=True)


def _walker(draw: np.random.Generator, t: int, pace: float) -> _Mover:
    direction = int(draw.choice([-1, 1]))
    top, speed = draw.uniform(*PAVEMENT) - 7.0, direction * pace
    left = (-3.0 if direction > 0 else float(WIDTH)) - speed * t
    return _Mover((top, top + 8.0), left, speed, 3.0, draw.uniform(0.1, 0.8, 3))


def _events(draw: np.random.Generator, frames: int, kinds: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """One event of each kind, in turns over the day, each in a part of its own."""
    part = frames // max(1, len(kinds))
    events = []
    for i, kind in enumerate(kinds):
        length = max(4, min(part // 2, 40))
        first = i * part + int(draw.integers(0, part - length))
        events.append((kind, first, first + length))
    return events


def _strange(draw: np.random.Generator, kind: str, first: int, last: int) -> _Mover | None:
    """What does not belong there; None for the camera itself."""
    if kind == "wrong_way":
        direction = int(draw.choice([-1, 1]))
        speed = direction * (WIDTH + 10.0) / (last - first)
        left = (-8.0 if direction > 0 else WIDTH - 6.0) - speed * first
        return _Mover(LANES[-direction], left, speed, 14.0, draw.uniform(0.15, 0.95, 3), lights=True)
    if kind == "running":
        direction = int(draw.choice([-1, 1]))
        speed = direction * max(2.5, (WIDTH + 3.0) / (last - first))
        left = (-2.0 if direction > 0 else WIDTH - 1.0) - speed * first
        top = draw.uniform(*PAVEMENT) - 7.0
        return _Mover((top, top + 8.0), left, speed, 3.0, draw.uniform(0.1, 0.8, 3))
    if kind == "abandoned_object":
        top, left = draw.uniform(36.0, 40.0), draw.uniform(10.0, WIDTH - 20.0)
        return _Mover((top, top + 5.0), left, 0.0, 6.0, draw.uniform(0.5, 1.0, 3) * [1.0, 0.4, 0.2])
    return None


def _scene() -> np.ndarray:
    """Sky, houses with windows, pavement, road with a line: float32 (H, W, 3) in [0, 1] at noon."""
    draw = np.random.default_rng(0)  # the same street every day
    scene = np.empty((HEIGHT, WIDTH, 3), "float32")
    scene[:18] = (0.55, 0.72, 0.92)
    left = 0
    while left < WIDTH:
        width, top = int(draw.integers(14, 24)), int(draw.integers(6, 15))
        scene[top:33, left : left + width] = draw.uniform(0.35, 0.75, 3)
        for row in range(top + 3, 29, 6):
            for column in range(left + 3, min(left + width - 3, WIDTH), 5):
                scene[row : row + 3, column : column + 2] = (0.25, 0.3, 0.4)
        left += width
    scene[33:44] = (0.62, 0.6, 0.57)
    scene[44:] = (0.33, 0.33, 0.35)
    scene[53, ::1] = np.where((np.arange(WIDTH) // 6 % 2 == 0)[:, None], 0.85, 0.33)
    return scene + draw.normal(0.0, 0.02, scene.shape).astype("float32")


def _paint(picture: np.ndarray, mover: _Mover, t: int) -> np.ndarray:
    """Blend a box into a picture in place, edges included; returns its coverage, float32 (H, W)."""
    left = mover.left + mover.speed * t
    cover = np.outer(_covered(HEIGHT, *mover.rows), _covered(WIDTH, left, left + mover.width)).astype("float32")
    if cover.any():
        picture += cover[..., None] * (mover.colour.astype("float32") - picture)
        if mover.lights:
            front = left + (mover.width if mover.speed > 0 else -2.0)
            rows = _covered(HEIGHT, mover.rows[0] + 2.0, mover.rows[1] - 2.0)
            lit = np.outer(rows, _covered(WIDTH, front, front + 2.0))
            picture += 1.5 * lit[..., None].astype("float32")
    return cover


def _covered(size: int, first: float, last: float) -> np.ndarray:
    """How much of each of `size` pixels lies between two places."""
    pixels = np.arange(size)
    return np.clip(np.minimum(pixels + 1.0, last) - np.maximum(pixels, first), 0.0, 1.0)


def _daylight(share: float) -> float:
    """From 0 at midnight to 1 at noon, for a share of the day."""
    return 0.5 - 0.5 * math.cos(2.0 * math.pi * share)


def _expose(picture: np.ndarray, light: float, weather: str, draw: np.random.Generator) -> np.ndarray:
    """What the camera makes of a picture: light, weather, noise, bytes."""
    seen = picture * (0.3 + 0.7 * light)
    if weather == "cloudy":
        seen = 0.85 * seen
    elif weather == "fog":
        seen = 0.55 * seen + 0.45 * (0.25 + 0.5 * light)
    elif weather == "rain":
        drops = draw.random((HEIGHT // 4, WIDTH, 1)).astype("float32") > 0.985
        seen = 0.9 * seen + 0.15 * np.repeat(drops, 4, axis=0)
    seen = seen + draw.normal(0.0, 0.012, seen.shape)
    return (np.clip(seen, 0.0, 1.0) * 255.0 + 0.5).astype("uint8")

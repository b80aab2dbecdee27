"""The time of frames: how it is written, and where some of it is missing."""

import re

import numpy as np
import pytest

from keras_anogan.video.clock import Pace, clock, duration, holes, iso, now


def times(*steps):
    """Times of frames with these steps between them."""
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ([0.04] * 20 + [60.0] + [0.04] * 20, {21}),
        ([0.04] * 20 + [1.01] + [0.04] * 3 + [7.0], {21, 25}),
        ([0.04] * 20 + [0.99] + [0.04] * 20, set()),  # a second of a busy camera
        ([10.0] * 40, set()),  # a frame every ten seconds
        ([10.0] * 20 + [45.0] + [10.0] * 20, set()),
        ([10.0] * 20 + [55.0] + [10.0] * 20, {21}),
        ([0.04] * 40 + [2.0] * 40 + [0.04] * 40, set()),  # slower by night
        ([0.03, 0.1, 0.02, 0.3] * 20, set()),  # a telephone
        ([], set()),
        ([3.0], set()),
    ],
)
def test_a_hole_is_a_long_step_among_short_ones(steps, want):
    assert holes(times(*steps)) == want


def test_a_stream_finds_the_same_holes_and_time_that_runs_backwards():
    pace = Pace()
    assert [i for i, second in enumerate(times(*[0.04] * 20, 60.0, *[0.04] * 20)) if pace.jumps(second)] == [21]
    assert not pace.jumps(None)
    assert pace.jumps(5.0)
    slow = Pace()
    assert not any(slow.jumps(10.0 * i) for i in range(40))


def test_seconds_are_written_as_a_clock():
    assert [clock(s) for s in (0.0, 83.42, 59.96, 3599.99, 90_061.5)] == [
        "0:00:00.0", "0:01:23.4", "0:01:00.0", "1:00:00.0", "25:01:01.5",
    ]  # fmt: skip
    assert [duration(s) for s in (0.0, 1.64, 125.0)] == ["0.0 s", "1.6 s", "0:02:05.0"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", iso(now()))

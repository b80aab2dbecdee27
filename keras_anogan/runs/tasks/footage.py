"""Days of footage as a task: windows of frames."""

from __future__ import annotations

from typing import Any

from keras_anogan.runs.tasks.base import Task
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.serving.preprocessing import rescaling
from keras_anogan.video import Footage, VideoWindows, is_store, open_footage, split_footage
from keras_anogan.video.opening import size_remarks
from keras_anogan.video.order import order_remarks
from keras_anogan.words import counted


def load_footage(arguments: VideoArguments) -> Task:
    """Footage, split by days."""
    days: Any = arguments.days if len(arguments.days) > 1 else arguments.days[0]
    if is_store(days) and (arguments.size is not None or arguments.grey or arguments.every != 1):
        raise ValueError(
            f"Expected --size, --grey and --every when footage is prepared. Received: some of them for {days}."
        )
    footage = open_footage(days) if is_store(days) else open_footage(days, **arguments.opening)
    length = arguments.length
    scored = length + arguments.smooth - 1  # frames behind a score
    parts = split_footage(footage, scored)
    train = VideoWindows(
        parts["train"], length, batch_size=arguments.batch_size, stride=arguments.stride or length, seed=arguments.seed
    )
    calibrate = VideoWindows(parts["calibrate"], scored, batch_size=32, sampling="sliding")
    lost = f"Left out {counted(footage.skipped, 'frames')} that can't be read."
    height, width, _ = footage.frame_shape
    return Task(
        kind="footage",
        train=train,
        stop=VideoWindows(parts["stop"], length, batch_size=32, sampling="sliding", stride=4),
        calibrate=calibrate,
        preprocessing=rescaling(name="preprocessing"),
        fingerprint=footage.fingerprint,
        name=footage_name(footage),
        raw_shape=(scored, *footage.frame_shape),
        raw_dtype="uint8",
        remarks=(
            *((lost,) if footage.skipped else ()),
            f"Frames of {width} x {height} pixels.",
            *size_remarks(footage),
            *order_remarks(footage),
        ),
        groups=calibrate.day_numbers if arguments.by_day else None,
    )


def footage_name(footage: Footage) -> str:
    """How much footage there is, in a few words."""
    days, recordings = counted(len(footage.days), "days"), counted(len(footage.recordings), "recordings")
    return f"{days} of footage, {recordings}, {counted(len(footage), 'frames')}"

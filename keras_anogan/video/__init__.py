"""Footage of many days: opened from files, prepared once, cut into windows that cross no gap, or read as it comes."""

from keras_anogan.nn.scaling import to_float
from keras_anogan.video.files import VIDEO_SUFFIXES, VideoFile, check_video_target, write_video
from keras_anogan.video.footage import Footage, split_footage
from keras_anogan.video.live import is_address, read_frames
from keras_anogan.video.opening import open_footage, prepare
from keras_anogan.video.recordings import ArrayRecording, FrameFolder
from keras_anogan.video.store import is_store
from keras_anogan.video.windows import (
    SlidingWindowBatchGenerator,
    UniformBatchGenerator,
    VideoWindows,
    scores_by_frame,
    window_starts,
)

__all__ = [
    "VIDEO_SUFFIXES",
    "ArrayRecording",
    "Footage",
    "FrameFolder",
    "SlidingWindowBatchGenerator",
    "UniformBatchGenerator",
    "VideoFile",
    "VideoWindows",
    "check_video_target",
    "is_address",
    "is_store",
    "open_footage",
    "prepare",
    "read_frames",
    "scores_by_frame",
    "split_footage",
    "to_float",
    "window_starts",
    "write_video",
]

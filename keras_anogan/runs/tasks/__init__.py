"""From the words of a command to data: what a run trains, calibrates and tests on, of images, tables and footage."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_anogan.runs.arguments import NAMED_SETS, Arguments
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.tasks.base import Task
from keras_anogan.runs.tasks.footage import footage_name, load_footage
from keras_anogan.runs.tasks.images import load_folder, load_named
from keras_anogan.runs.tasks.tables import TableTask, load_table, split_table
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.thresholds import LEAST_ALPHA, calibration_needed, lowest_alpha, proposed_alpha
from keras_anogan.words import counted

__all__ = [
    "TableTask",
    "Task",
    "check_calibration",
    "footage_name",
    "load_task",
    "on_few",
    "settle_alpha",
    "split_table",
]
LEAST_TRAINED = 10  # a rule of thumb: with fewer, what is normal is a handful of samples


def load_task(arguments: RunArguments) -> Task:
    """Load and split the data of a run.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with the data.
    """
    if isinstance(arguments, VideoArguments):
        return load_footage(arguments)
    assert isinstance(arguments, Arguments)
    load = load_named if arguments.data in NAMED_SETS else load_table if arguments.is_table else load_folder
    return load(arguments)


def on_few(task: Task) -> list[str]:
    """A remark on so few data that hardly anything can be learnt of them."""
    left = task.counts["train"]
    if left >= LEAST_TRAINED:
        return []
    of = f"{counted(left, f'normal {task.noun}')} {'is' if left == 1 else 'are'}"
    return [
        f"{of} left to train on, too few to learn what is normal: {LEAST_TRAINED} are the least, a hundred are better. "
        "The others are kept apart, to calibrate and to test."
    ]


def settle_alpha(arguments: RunArguments, task: Task) -> RunArguments:
    """The arguments with a false-alarm rate: the one asked for, or 1 %, or the lowest that the data allow."""
    if arguments.alpha is not None:
        return arguments
    have = task.counts["calibrate"] if task.parts is None else task.parts
    if task.groups is not None:  # each day has its own threshold
        have = int(np.unique(task.groups, return_counts=True)[1].min())
    takes_any = not arguments.build_threshold().takes_groups  # what does not count calibration scores
    return dataclasses.replace(arguments, alpha=LEAST_ALPHA if takes_any else proposed_alpha(have))


def check_calibration(arguments: RunArguments, task: Task) -> None:
    """Refuse too few calibration data before hours of training.

    Raises:
        ValueError: one sentence that says how many the threshold needs, or which rate would do.
    """
    assert arguments.alpha is not None
    have, needed = task.counts["calibrate"], calibration_needed(arguments.alpha)
    threshold = arguments.build_threshold(capacity=have)
    if threshold.takes_groups and task.groups is None and have < needed:  # one rate for all, by an order statistic
        total = sum(count for key, count in task.counts.items() if key != "test")
        footage = "Too little footage to calibrate. " if task.kind == "footage" else ""
        raise ValueError(
            f"{footage}Expected at least {needed} {task.noun} to calibrate --alpha {arguments.alpha:g} "
            f"(n >= 1/alpha - 1). Received: {have} of {total} normal {task.noun}; "
            f"--alpha {lowest_alpha(have):.4f} or more would do."
        )
    try:
        threshold.adapt(np.linspace(0.0, 1.0, have), **({} if task.groups is None else {"groups": task.groups}))
    except ValueError as error:
        what = "footage" if task.kind == "footage" else f"normal {task.noun}"
        raise ValueError(f"Too {'little' if what == 'footage' else 'few'} {what} to calibrate: {error}") from error

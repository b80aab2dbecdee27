"""Options that have no effect on a run: refused where they were given, and not listed among its settings."""

from __future__ import annotations

from typing import Any

from keras_anogan.catalogue import ORDER_STATISTICS, SET_BY_ALPHA, listing
from keras_anogan.runs.arguments import NAMED_SETS
from keras_anogan.runs.video_arguments import VideoArguments

LENGTHS = ("epochs", "budget", "batch_size", "learning_rate")


def idle_options(arguments: Any) -> dict[str, str]:
    """The arguments that have no effect on a run, and for each beside what it has none.

    Args:
        arguments: `Arguments` of images or a table, or `VideoArguments` of footage.
    """
    found: dict[str, str] = {}
    threshold, detector = arguments.threshold, arguments.detector
    footage = isinstance(arguments, VideoArguments)
    if arguments.tags.closed_form:
        lengths = (*LENGTHS, "smoke") if footage else LENGTHS  # of images and rows --smoke takes few
        found |= dict.fromkeys(lengths, f"{detector}, which is solved at once")
    if threshold in SET_BY_ALPHA:
        found["k"] = f"--threshold {threshold}, which --alpha sets"
    elif not _has_own_map_threshold(arguments):
        found["alpha"] = f"--threshold {threshold}, which --k sets"
    if footage:
        if threshold not in ORDER_STATISTICS:
            found["by_day"] = f"--threshold {threshold}"
        if "filters" not in listing(detector).parameters:
            found["filters"] = detector
    elif arguments.is_table or arguments.data in NAMED_SETS:
        found |= dict.fromkeys(("skip_broken", "color", "flat"), arguments.data)
    return found


def _has_own_map_threshold(arguments: Any) -> bool:
    """Whether maps have a threshold of their own, which `alpha` sets: those of a detector with its paper's score."""
    if arguments.kind != "images":
        return False
    return arguments.reduction == "paper" or (arguments.reduction is None and arguments.data in NAMED_SETS)

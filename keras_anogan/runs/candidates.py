"""Which detectors a benchmark trains, and how long each of them; known without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import shlex
from collections.abc import Sequence
from typing import Any

from keras_anogan.catalogue import list_detectors, listing, meant
from keras_anogan.datasets import is_table
from keras_anogan.runs.arguments import NAMED_SETS, ON_GRID, Arguments
from keras_anogan.runs.checks import check_training
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.video_arguments import VideoArguments
from keras_anogan.words import counted

FILE = "benchmark.json"
PLAIN = 5.0  # seconds of a detector that is solved at once
OVERHEAD = 25.0  # seconds that a network takes besides its training: tracing, calibration, tests, files
SLACK = 0.85  # steps are timed before, and some of them are slower
LEAST = 3.0  # seconds of training for a network
# Those come first, the others by name.
FIRST = ("pca", "neighbors", "gaussian", "patch_gaussian", "patch_neighbors", "flow", "autoencoder", "fanogan", "cvgan")


@dataclasses.dataclass(frozen=True)
class Contest:
    """What a benchmark is going to train.

    Attributes:
        data: as the command was given them.
        kind: "images", "table" or "footage".
        budget: seconds of all.
        candidates: what each detector is asked for, by its name; the plain ones first.
        left_out: why, by the name of a detector that is not trained.
        options: what all of them are asked for alike.
    """

    data: str | list[str]
    kind: str
    budget: float
    candidates: dict[str, RunArguments]
    left_out: dict[str, str]
    options: dict[str, Any]

    @property
    def share(self) -> float:
        """Seconds of training for each network."""
        return _share(self.budget, len(self.networks), len(self.candidates) - len(self.networks))

    @property
    def networks(self) -> list[str]:
        """Candidates that are trained, not solved."""
        return [name for name, arguments in self.candidates.items() if not arguments.tags.closed_form]

    @property
    def asked(self) -> dict[str, Any]:
        """What has to be equal for a benchmark to go on."""
        asked = {
            "data": self.data,
            "budget": f"{self.budget:g} s",
            "detectors": list(self.candidates),
            "options": self.options,
        }
        return json.loads(json.dumps(asked))

    def command(self, name: str) -> str:
        """The command that trains one of them, with the length that `train` chooses by itself."""
        words = ["keras-anogan", "train-video" if self.kind == "footage" else "train"]
        words += [self.data] if isinstance(self.data, str) else self.data
        words += ["--detector", name]
        for key, value in self.options.items():
            option = f"--{key.replace('_', '-')}"
            if value is True:
                words.append(option)
            elif value not in (None, False, "auto"):
                values = value if isinstance(value, list) else [value]
                for each in values:
                    words += [option, "x".join(map(str, each)) if isinstance(each, tuple) else str(each)]
        return shlex.join([*words, "--out", f"runs/{name}"])


def plan_benchmark(data: Any, budget: float, detectors: Sequence[str] | None = None, **options: Any) -> Contest:
    """The detectors that fit the data, and what each is asked for.

    Args:
        data: of `Arguments`, or a list of days of footage.
        budget: seconds of all.
        detectors: names; None for all that fit.
        **options: of `Arguments`, or of `VideoArguments`, for all alike.

    Raises:
        ValueError: one sentence: an unknown detector, one that does not fit, or too little time.
    """
    if not 0.0 < budget < math.inf:
        raise ValueError(f"Expected --budget > 0. Received: {budget:g} seconds.")
    footage = not isinstance(data, str)
    if not footage and data not in NAMED_SETS and not os.path.exists(data):
        raise FileNotFoundError(
            f"Expected a folder of images, a table, or {', '.join(NAMED_SETS)}. Received: {data}, which does not exist."
        )
    data = list(data) if footage else data
    noun = "window" if footage else "table" if is_table(data) else "image"
    names, left_out = _names(noun, detectors, options)
    contest = Contest(data, "footage", budget, {}, left_out, options)
    least = [name for name in names if not listing(name).tags.closed_form]
    share = _share(budget, len(least), len(names) - len(least))
    if least and share < LEAST:
        needed = math.ceil(PLAIN * (len(names) - len(least)) + len(least) * (OVERHEAD + LEAST / SLACK))
        raise ValueError(
            f"Expected --budget {needed}s or more for {counted(len(least), 'networks')}. Received: {budget:g} s; "
            "--detector chooses fewer."
        )
    found: dict[str, RunArguments] = {}
    for name in names:
        given = {"detector": name, **({} if listing(name).tags.closed_form else {"budget": share}), **options}
        found[name] = VideoArguments(days=tuple(data), **given) if footage else Arguments(data=data, **given)
    kind = next(iter(found.values())).kind
    return dataclasses.replace(contest, kind=kind, candidates=found)


def _share(budget: float, networks: int, plain: int) -> float:
    """Seconds of training for each of so many networks, beside so many plain detectors."""
    return SLACK * ((budget - PLAIN * plain) / max(1, networks) - OVERHEAD)


def _names(noun: str, detectors: Sequence[str] | None, options: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The detectors to train, plain ones first, and why others are not."""
    fitting, left_out = list_detectors(noun), {}
    if options.get("features"):  # detectors see rows of features, or a grid
        fitting = (*list_detectors("table"), *ON_GRID)
    for name in detectors or ():
        if name not in fitting:
            near = meant(name, fitting) or "."
            raise ValueError(f"Expected --detector to be one of {', '.join(fitting)}. Received: {name!r}{near}")
    names = list(dict.fromkeys(detectors or fitting))
    for name in list(names):
        tags = listing(name).tags
        if tags.uses_normal_labels and options.get("abnormal") is None and not detectors:
            left_out[name] = "it learns from the classes of normal images, which are not known here"
        elif tags.search_at_query and not detectors:
            left_out[name] = f"it searches hundreds of steps for each {noun}; --detector {name} takes it in"
        if name in left_out:
            names.remove(name)
    order = [name for name in FIRST if name in names]
    return [*order, *(name for name in names if name not in order)], left_out


def check_benchmark(contest: Contest, out: Any) -> None:
    """Refuse data that are not there, or a folder that holds something else.

    Raises:
        FileNotFoundError, ValueError: one sentence.
    """
    out = pathlib.Path(out)
    first = next(iter(contest.candidates.values()))
    name = next(iter(contest.candidates))
    if out.is_dir() and any(out.iterdir()) and not (out / FILE).exists():
        raise ValueError(
            f"Expected a new or empty folder, or an earlier benchmark. Received: {out}, which holds other files."
        )
    if (out / FILE).exists():
        before = json.loads((out / FILE).read_text(encoding="utf-8"))["asked"]
        other = [key for key, value in contest.asked.items() if before.get(key) != value]
        if other:
            then, now = (", ".join(f"{key} {asked.get(key)}" for key in other) for asked in (before, contest.asked))
            raise ValueError(
                f"{out} was started with {then}. Received: {now}. Repeat the same command to go on, "
                "which has all of its budget again, or choose another folder."
            )
    check_training(first, out / name)

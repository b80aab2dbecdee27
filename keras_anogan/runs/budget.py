"""How long to train: as many updates as fit into a time, which is told before training begins.

Epochs are the wrong unit for a folder: twenty of them are forty updates of 84 images, and half an hour of a thousand.
So the first steps are timed, on networks that are thrown away, and the number of updates follows.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

from keras_anogan.models import build_phases, parameters_of, steps_per_epoch
from keras_anogan.runs.run_arguments import RunArguments
from keras_anogan.runs.tasks import Task
from keras_anogan.training.adversarial import AdversarialModel
from keras_anogan.words import counted

EPOCHS = 20  # so many times held-out data are scored, and a backup is written
ENOUGH = 1_000  # updates: with fewer a narrower network is taken
LEAST = 300  # updates: with fewer nothing much is learned
TIMED = 4  # steps
SHORT = 120.0  # seconds


@dataclasses.dataclass(frozen=True)
class Plan:
    """How each phase is trained.

    Attributes:
        epochs: of each phase whose length its detector leaves open (see `length`).
        steps: training steps of an epoch; None for one pass over the rows.
        batch_size: rows of one player's batch.
        params: what the budget chose of the detector's parameters.
        remarks: what there is to say about it.
    """

    epochs: int
    steps: int | None
    batch_size: int
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def length(self, model: AdversarialModel) -> tuple[int, int | None]:
        """Epochs of a phase, and steps of each: one epoch of the steps that the phase asks for, if it does."""
        steps = model.default_steps()
        return (self.epochs, self.steps) if steps is None else (1, steps)


def plan_training(arguments: RunArguments, task: Task) -> Plan:
    """How to train what was asked for; steps are timed where a budget rules, which takes some seconds."""
    rows = task.counts["train"]
    batch = arguments.batch_size or fitting_batch(rows)
    if arguments.epochs is not None:
        steps = steps_per_epoch(str(arguments.detector), task.shape, rows, batch)
        if arguments.smoke:
            steps = 1 if task.kind == "footage" else None
        return Plan(arguments.epochs, steps, batch)
    assert arguments.budget is not None
    if arguments.entry.tags.closed_form:
        return Plan(1, None, batch)
    found: list[tuple[int, dict[str, Any]]] = []
    for params in _widths(arguments):
        each, fixed = _seconds(arguments, task, batch, params)
        found.append((max(1, int((arguments.budget / len(arguments.seeds) - fixed) / each)), params))
        if found[-1][0] >= ENOUGH:
            break
    updates, params = found[-1]
    epochs = min(EPOCHS, updates)
    steps = math.ceil(updates / epochs)
    return Plan(epochs, steps, batch, params, tuple(_remarks(arguments, task, epochs * steps, batch, params)))


def fitting_batch(rows: int) -> int:
    """Rows of a batch: 64, or fewer where that would be more than half of them: a power of two, 8 at least."""
    return max(8, min(64, 2 ** int(math.log2(max(1, rows // 2)))))


def _widths(arguments: RunArguments) -> list[dict[str, Any]]:
    """Widths to try, the detector's own first, then a half and a quarter; nothing to choose if it was said, or if the
    networks have no filters. Each is traced, so with little time the half is skipped."""
    known, given = parameters_of(str(arguments.detector)), arguments.built_with
    if "filters" in given or "filters" not in known or given.get("architecture") == "mlp":
        return [{}]
    parts = (2, 4) if float(arguments.budget or 0) >= SHORT else (4,)
    return [{}, *({"filters": max(8, known["filters"].default // part)} for part in parts)]


def _seconds(arguments: RunArguments, task: Task, batch: int, params: dict[str, Any]) -> tuple[float, float]:
    """Seconds of one step of every phase together, and those of phases that ask for a number of steps; measured on
    networks like the ones that will be trained."""
    built = {**arguments.built_with, **params}
    each, fixed = 0.0, 0.0
    for model in build_phases(str(arguments.detector), task.shape, seed=arguments.seed, **built).values():
        model.compile(optimizers=model.adam_optimizers(0.0))
        rows = (task.train, task.train_classes) if model.uses_labels else task.train
        size = None if task.kind == "footage" else batch  # windows come in batches
        settings: dict[str, Any] = {"batch_size": size, "epochs": 1, "verbose": 0}
        model.fit(rows, steps_per_epoch=1, **settings)  # the first one is traced, and reads the images
        start = time.perf_counter()
        model.fit(rows, steps_per_epoch=TIMED, **settings)
        seconds = (time.perf_counter() - start) / TIMED
        steps = model.default_steps()
        each, fixed = (each + seconds, fixed) if steps is None else (each, fixed + steps * seconds)
    return each, fixed


def _remarks(arguments: RunArguments, task: Task, updates: int, batch: int, params: dict[str, Any]) -> list[str]:
    """What is going to happen, and whether it can be enough."""
    minutes = float(arguments.budget or 0) / 60.0
    width = f", {params['filters']} filters" if params else ""
    width += f", for each of {len(arguments.seeds)} members" if len(arguments.seeds) > 1 else ""
    remarks = [
        f"Training takes some {counted(minutes, 'minutes', '.3g')}: {counted(updates, 'updates')} in batches of "
        f"{batch}{width} (--budget or --epochs changes that)."
    ]
    if updates < LEAST:
        enough = math.ceil(minutes * LEAST / updates)
        smaller = {"images": " a smaller --image-size,", "table": "", "footage": " a smaller --size,"}[task.kind]
        remarks.append(
            f"{counted(updates, 'updates')} {'is' if updates == 1 else 'are'} too few to learn from, {LEAST:,} are the "
            f"least. --budget {enough}m,{smaller} or --detector pca, which is solved at once, would do."
        )
    return remarks

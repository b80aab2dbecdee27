"""Finished runs side by side: what differs between them, and what each says of the same data, as one page."""

from __future__ import annotations

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan import evaluation, plots
from keras_anogan.runs.checks import check_comparing
from keras_anogan.runs.examples import ScoredRows, examples_of
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.runs.inputs import Inputs, read_inputs
from keras_anogan.runs.page import write_page
from keras_anogan.runs.tasks import load_task
from keras_anogan.runs.verdict import Verdict
from keras_anogan.serving.scoring import Scorer
from keras_anogan.words import counted, listed

SHOWN = 6  # inputs that go through every run side by side


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the runs.

    Attributes:
        name: its folder's.
        run: the run.
        inputs: the data as this run reads them.
        results: `score`, `is_anomaly` and what else it says of each row.
    """

    name: str
    run: Run
    inputs: Inputs
    results: dict[str, np.ndarray]

    @property
    def scored(self) -> ScoredRows:
        """The rows and what was said of them, as a report shows them."""
        ids = [", ".join(map(str, names)) for names in zip(*self.inputs.ids.values(), strict=True)]
        return ScoredRows(self.inputs.rows, ids, self.results, self.inputs.labels, raw=self.inputs.raw)


def compare(runs: Sequence[Any], data: Any = None, out: Any = "compare.html", say: Say = print) -> dict[str, Any]:
    """Write one page about finished runs: settings that differ, losses, and scores of the same data.

    Args:
        runs: two or more run folders, of images or of tables; the first is the one that others are compared with.
        data: what `score` takes; None for the test rows that all of them have in common.
        out: the page, which needs no other file.
        say: takes one line of news at a time.

    Returns:
        `sentence`, what is ahead of what; `runs`, for each of them `name`, `detector`, `rows`, `alarms`, and `auroc`,
        `interval` and `difference` (to the first run, with its interval) where labels of both kinds are known.

    Raises:
        FileNotFoundError, ValueError: one sentence: fewer than two runs, an unfinished one, runs of different kinds or
            of footage, runs without the same test rows where no data are given.
    """
    out = pathlib.Path(out)
    check_comparing(runs, data, out)
    loaded = [load_run(run) for run in runs]
    names = _names([run.folder for run in loaded])
    noun = "images" if loaded[0].kind == "images" else "rows"
    sides = []
    for name, run, inputs in zip(names, loaded, _inputs(loaded, data), strict=True):
        sides.append(Side(name, run, inputs, dict(Scorer(run.fitted).numbers(inputs.rows))))
        say(f"{name}: scored {counted(len(sides[-1].results['score']), noun)}.")
    labels = sides[0].inputs.labels
    known = labels is not None and 0 < labels.sum() < len(labels)
    lines = [numbers_of(side, sides[0], known) for side in sides]
    sentence = _sentence(sides, lines, known)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_page(
        out,
        "compare.html.jinja",
        title=f"{counted(len(sides), 'runs')} compared",
        names=names,
        verdict=Verdict("open", sentence),
        warnings=sorted({remark for side in sides for remark in side.inputs.remarks}),
        tiles=[],
        config=None,
        noun=noun,
        count=len(sides[0].results["score"]),
        lines=lines,
        known=known,
        figures=figures_of(sides, known),
        examples=examples_through(sides),
        differing=_differing(sides),
    )
    return {"sentence": sentence, "runs": lines}


def _names(folders: list[pathlib.Path]) -> list[str]:
    """The folders' names; whole paths where two are called alike."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _inputs(runs: list[Run], data: Any) -> list[Inputs]:
    """The data as each run reads them: those given, or the test rows that all have in common."""
    if data is not None:
        found = [read_inputs(run, data) for run in runs]
    else:
        tasks = [load_task(run.arguments) for run in runs]
        found = [Inputs(task.test, {"id": task.test_ids}, task.labels, raw=task.raw_test) for task in tasks]
    first = found[0]
    for run, inputs in zip(runs[1:], found[1:], strict=True):
        same = next(iter(inputs.ids.values())) == next(iter(first.ids.values()))
        if inputs.labels is not None and first.labels is not None:
            same = same and np.array_equal(first.labels, inputs.labels)
        if not same:
            raise ValueError(
                f"Expected runs with the same test rows. Received: {runs[0].folder} and {run.folder}, which tested on "
                "others; --data tells what to compare them on."
            )
    return found


def numbers_of(side: Side, first: Side, known: bool) -> dict[str, Any]:
    """What a page says of a run's scores, beside the first one's; `known`: whether labels of both kinds are."""
    score, alarms = side.results["score"], np.asarray(side.results["is_anomaly"]).astype(bool)
    line: dict[str, Any] = {
        "name": side.name,
        "detector": str(side.run.arguments.detector),
        "rows": len(score),
        "alarms": int(alarms.sum()),
        "minutes": sum(side.run.metrics.get("seconds", {}).values()) / 60.0,
    }
    labels = side.inputs.labels
    if labels is not None:
        counts = evaluation.alarm_counts(labels, alarms)
        line |= {"counts": counts, "rates": evaluation.alarm_rates(labels, alarms)}
    if known:
        line |= {"auroc": evaluation.auroc(labels, score), "interval": evaluation.auroc_interval(labels, score)}
        if side is not first:
            line["difference"] = evaluation.auroc_difference(labels, score, first.results["score"])
    return line


def _sentence(sides: list[Side], lines: list[dict[str, Any]], known: bool) -> str:
    """Which run is ahead, and whether its lead over the next one may be chance."""
    if not known:
        return "No labels of both kinds are known: losses, settings and scores can be compared, not how good they are."
    order = sorted(range(len(lines)), key=lambda i: -lines[i]["auroc"])
    best, second = order[:2]
    labels: Any = sides[0].inputs.labels
    scores = [sides[i].results["score"] for i in (best, second)]
    difference, low, high = evaluation.auroc_difference(labels, *scores)
    told = [f"{lines[i]['name']} ({lines[i]['auroc']:.3f})" for i in order]
    if difference == 0.0:
        return f"{listed(told[:2])} are equally good by AUROC{', before ' + listed(told[2:]) if told[2:] else ''}."
    chance = "may be chance" if low <= 0.0 <= high else "is more than chance"
    lead = f"its lead over {lines[second]['name']}, {difference:.3f}, {chance} (95 %: {low:.3f} to {high:.3f})"
    return f"By AUROC {told[0]} is ahead of {listed(told[1:])}; {lead}."


def figures_of(sides: list[Side], known: bool) -> dict[str, Any]:
    """ROC curves of all sides, and the histogram and the losses of each."""
    first, draw = sides[0], plots.themed_uris
    others = {side.name: side.results["score"] for side in sides[1:]}
    labels: Any = first.inputs.labels
    roc = functools.partial(plots.plot_roc, labels, first.results["score"], others, name=first.name)
    histograms = []
    for side in sides:
        threshold = side.run.fitted.threshold.threshold
        draw_scores = functools.partial(plots.plot_histogram, side.results["score"], side.inputs.labels, threshold)
        histograms.append((side.name, draw(draw_scores)))
    losses = []
    for side in sides:
        history = read_history(side.run.folder / "history.csv")
        for phase, logs in ((phase, logs) for phase, logs in history.items() if len(logs) > 1):
            draw_losses = functools.partial(plots.plot_history, phase, logs)
            losses.append((f"{side.name}: {phase}", draw(draw_losses)))
    return {"roc": draw(roc) if known else None, "histograms": histograms, "losses": losses, "history": []}


def read_history(path: pathlib.Path) -> dict[str, list[dict[str, float]]]:
    """The logs of every phase and epoch, as `write_history` wrote them; nothing for a run that was solved."""
    history: dict[str, list[dict[str, float]]] = {}
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                logs = {key: float(value) for key, value in line.items() if key not in ("phase", "epoch") and value}
                history.setdefault(line["phase"], []).append(logs)
    return history


def examples_through(sides: list[Side]) -> list[list[tuple[str, Any]]]:
    """The same rows through every run: those on which the runs disagree most, and the most anomalous of the first.

    Runs have scores of different sizes, so they are compared by rank.
    """
    ranks = np.stack([np.argsort(np.argsort(side.results["score"], kind="stable")) for side in sides])
    disputed = np.argsort(np.min(ranks, axis=0) - np.max(ranks, axis=0), kind="stable")
    chosen = list(dict.fromkeys([*disputed[: SHOWN // 2].tolist(), *np.argsort(-ranks[0]).tolist()]))[:SHOWN]
    found = [examples_of(chosen, side.scored, side.run.fitted) for side in sides]
    return [[(side.name, made[row]) for side, made in zip(sides, found, strict=True)] for row in chosen]


def _differing(sides: list[Side]) -> list[tuple[str, list[str]]]:
    """(setting, its value in each run) of the settings that are not the same in all."""
    flat = [_flat({**side.run.config["arguments"], "plan": side.run.config.get("plan") or {}}) for side in sides]
    keys = list(dict.fromkeys(key for settings in flat for key in settings))
    values = [(key, [settings.get(key, "") for settings in flat]) for key in keys if key != "plan remarks"]
    return [(key, found) for key, found in values if len(set(found)) > 1]


def _flat(settings: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= {f"{key} {inner}": text for inner, text in _flat(value).items()}
        elif value is not None:
            found[key] = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return found

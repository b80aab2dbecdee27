"""Which detector? Every one that fits a user's own data, within one budget of time, on one page."""

from __future__ import annotations

import dataclasses
import gc
import json
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from scipy.stats import spearmanr

from keras_anogan import evaluation
from keras_anogan.datasets.spoilt import KINDS, spoilt_images, spoilt_rows, spoilt_windows
from keras_anogan.files import write_json
from keras_anogan.runs.candidates import FILE, OVERHEAD, Contest, check_benchmark, plan_benchmark
from keras_anogan.runs.comparing import Side, examples_through, figures_of, numbers_of
from keras_anogan.runs.folder import Say, load_run
from keras_anogan.runs.inputs import Inputs
from keras_anogan.runs.page import write_page
from keras_anogan.runs.tasks import Task, check_calibration, load_task, settle_alpha
from keras_anogan.runs.training import Progress, train
from keras_anogan.runs.verdict import Verdict
from keras_anogan.serving.scoring import Scorer, as_rows, batch_size
from keras_anogan.serving.scoring import numbers_of as scores_of
from keras_anogan.words import counted, listed

MOST_SPOILT = 300  # held-out samples that are spoilt
MOST_CURVES = 6  # detectors whose scores are drawn
LEVEL = 0.0005  # a difference of AUROC that no digit shows
MOST_THROUGH = 3  # detectors that the same inputs go through


def benchmark(
    data: Any,
    out: Any,
    budget: float = 1200.0,
    detectors: Sequence[str] | None = None,
    say: Say = print,
    progress: Progress = lambda phase, epochs: [],
    **options: Any,
) -> dict[str, Any]:
    """Train every detector that fits the data, and order them; the same call on an unfinished folder goes on.

    Where anomalous test rows are known, the order is by AUROC. Else it is by how well each detector tells held-out
    normal rows from spoilt copies of them (see `datasets.spoilt`), which may not look like the anomalies to come.

    Args:
        data: as `Arguments` takes them, or a list of days of footage.
        out: folder for a run of each detector, `benchmark.json` and `benchmark.html`.
        budget: seconds of all; what is over when it is spent is left out, and trained by the next call.
        detectors: names; None for all that fit.
        say: takes one line of news at a time.
        progress: makes callbacks that show the progress of a phase, given its name and epochs.
        **options: of `Arguments`, or of `VideoArguments`, for all alike.

    Returns:
        The content of `benchmark.json`: `sentence`, `command`, which trains the first one, `lines`, for each detector
        what is known of it, the best one first, `left_out` and `failed`, why by name.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence, for bad data or options, or another's folder.
        RuntimeError: if no detector could be trained.
    """
    start = time.monotonic()
    out = pathlib.Path(out)
    contest = plan_benchmark(data, budget, detectors, **options)
    check_benchmark(contest, out)
    first = next(iter(contest.candidates.values()))
    task = load_task(first)
    check_calibration(settle_alpha(first, task), task)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / FILE).exists():  # an earlier result stays until there is a new one
        write_json(out / FILE, {"asked": contest.asked})
    names = list(contest.candidates)
    say(f"{counted(len(names), 'detectors')} for {contest.kind}: {listed(names)}.")
    if contest.networks:
        each = " each" if len(contest.networks) > 1 else ""
        say(f"{counted(len(contest.networks), 'networks')}, {contest.share:.3g} seconds of training{each}.")
    failed, late = _train_all(contest, out, start, say, progress)
    judged = _Judged.of(contest, task, out, [name for name in names if name not in {**failed, **late}])
    untried = [name for name in names if name in {**failed, **late}]
    if not judged.sides:
        raise RuntimeError(f"No detector could be trained. {next(iter({**failed, **late}.values()))}")
    result = {
        "asked": contest.asked,
        "sentence": judged.sentence + (f" Not trained yet: {listed(untried)}." if untried else ""),
        "command": contest.command(judged.lines[0]["name"]),
        "seconds": round(time.monotonic() - start, 1),
        "lines": judged.lines,
        "left_out": {**contest.left_out, **late},
        "failed": failed,
    }
    _write(out / "benchmark.html", contest, task, judged, result)
    write_json(out / FILE, json.loads(json.dumps(result, default=float)))
    return result


def _train_all(
    contest: Contest, out: pathlib.Path, start: float, say: Say, progress: Progress
) -> tuple[dict[str, str], dict[str, str]]:
    """Train one after the other; returns what went wrong with some, and which are left for lack of time."""
    failed: dict[str, str] = {}
    late: dict[str, str] = {}
    longest = contest.share + OVERHEAD  # of a network so far
    for name, arguments in contest.candidates.items():
        folder, left = out / name, contest.budget - (time.monotonic() - start)
        if (folder / "metrics.json").exists():
            continue
        if name in contest.networks and left < longest:
            late[name] = (
                f"it takes some {longest:.3g} seconds, and {max(0.0, left):.3g} of {contest.budget:.4g} were left; the "
                "same command trains it"
            )
            say(f"{name} is left out: {late[name]}.")
            continue
        begun = time.monotonic()
        try:
            train(arguments, folder, say=lambda line: None, progress=progress)
        except Exception as error:  # whatever one detector makes of the data: the others go on
            failed[name] = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"{name} failed: {failed[name]}")
        else:
            say(f"{name}: {counted(time.monotonic() - begun, 'seconds', '.3g')}.")
        if name in contest.networks:
            longest = max(longest, time.monotonic() - begun)
        keras.backend.clear_session()
        gc.collect()
    return failed, late


@dataclasses.dataclass(frozen=True)
class _Judged:
    """What the trained detectors say, the best one first.

    Attributes:
        sides: of each detector its run and its scores of the test rows; without test rows, scores of none.
        lines: of each detector what the page tells of it.
        sentence: what that means.
        known: whether there are normal and anomalous test rows.
        agreement: rank correlation of the two orders, where both are known of four detectors or more.
    """

    sides: list[Side]
    lines: list[dict[str, Any]]
    sentence: str = ""
    known: bool = False
    agreement: float | None = None

    @classmethod
    def of(cls, contest: Contest, task: Task, out: pathlib.Path, names: list[str]) -> _Judged:
        if not names:
            return cls([], [])
        held_out, copies = _spoilt(task)
        sides, lines = [], []
        for name in names:
            side, line = _side(name, out / name, task)
            line |= _told_apart(side.run.fitted, held_out, copies)
            sides.append(side)
            lines.append(line)
        known = task.known
        order = sorted(range(len(lines)), key=lambda i: -lines[i]["auroc" if known else "spoilt"])
        sides, lines = [sides[i] for i in order], [lines[i] for i in order]
        if known:
            for side, line in zip(sides[1:], lines[1:], strict=True):
                line["difference"] = numbers_of(side, sides[0], known)["difference"]
        plain = [name for name in contest.candidates if name not in contest.networks]
        agreement = None
        if known and len(lines) > 3:
            agreement = float(spearmanr(*([line[key] for line in lines] for key in ("auroc", "spoilt"))).statistic)
        return cls(sides, lines, _sentence(lines, known, plain), known, agreement)


def _side(name: str, folder: pathlib.Path, task: Task) -> tuple[Side, dict[str, Any]]:
    """A run, its scores of the test rows, and what it cost."""
    run = load_run(folder)
    rows = as_rows(task.stop) if task.test is None else task.test
    scorer = Scorer(run.fitted)
    few = rows[np.arange(min(len(rows), scorer.size))]
    scorer.numbers(few)  # traced
    begun = time.perf_counter()
    scorer.numbers(few)
    cost = {
        "milliseconds": 1e3 * (time.perf_counter() - begun) / len(few),
        "megabytes": (folder / "detector.keras").stat().st_size / 1e6,
    }
    if task.test is None:
        nothing = {"score": np.zeros(0), "is_anomaly": np.zeros(0, bool)}
        side = Side(name, run, Inputs(rows, {"id": []}), nothing)
    else:
        inputs = Inputs(task.test, {"id": task.test_ids}, task.labels, raw=task.raw_test)
        side = Side(name, run, inputs, dict(scorer.numbers(task.test)))
    trained = {key: value for key, value in run.metrics["seconds"].items() if key != "evaluation"}
    return side, {**numbers_of(side, side, task.known), **cost, "minutes": sum(trained.values()) / 60.0}


def _spoilt(task: Task) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Held-out normal samples, which set no threshold, and spoilt copies of them by kind."""
    rows: Any = as_rows(task.stop)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_SPOILT)).round().astype("int64"))
    held_out = np.asarray(rows[chosen], "float32")
    if task.kind == "images":
        return held_out, spoilt_images(held_out)
    if task.kind == "footage":
        return held_out, spoilt_windows(held_out)
    names = np.array(task.preprocessing.feature_columns)
    return held_out, spoilt_rows(held_out, [np.flatnonzero(names == name) for name in dict.fromkeys(names)])


def _told_apart(fitted: Any, held_out: np.ndarray, copies: dict[str, np.ndarray]) -> dict[str, Any]:
    """AUROC of spoilt copies against the samples they were made of: `spoilt`, the mean, and `kinds`."""
    detector = fitted.detector
    find: Callable = lambda x: scores_of(detector.explain, x, batch_size(detector.sample_shape))["score"]  # noqa: E731
    normal = find(held_out)
    labels = np.repeat([0, 1], len(normal))
    kinds = {kind: evaluation.auroc(labels, np.concatenate([normal, find(x)])) for kind, x in copies.items()}
    return {"spoilt": float(np.mean(list(kinds.values()))), "kinds": kinds}


def _sentence(lines: list[dict[str, Any]], known: bool, plain: list[str]) -> str:
    """Which detector is first, and what its lead is worth."""
    first = lines[0]
    of = counted(len(lines), "detectors")
    if len(lines) == 1:
        return f"{first['name']} is the only detector that was trained."
    second = lines[1]
    if not known:
        return (
            "Without anomalies to test on nobody can tell which detector is best. At telling spoilt copies from "
            f"held-out normal data {first['name']} ({first['spoilt']:.2f}) is first of {of}, before {second['name']} "
            f"({second['spoilt']:.2f})."
        )
    difference, low, high = (-value for value in (second["difference"][0], *second["difference"][:0:-1]))
    lead = f"its lead over {second['name']} ({second['auroc']:.3f}), {difference:.3f}, "
    chance = f"{'may be' if low <= 0.0 else 'is more than'} chance (95 %: {low:.3f} to {high:.3f})"
    if abs(difference) < LEVEL:
        level = [line["name"] for line in lines if first["auroc"] - line["auroc"] < LEVEL]
        return f"By AUROC {listed(level)} ({first['auroc']:.3f}) are level, of {of}."
    told = f"By AUROC {first['name']} ({first['auroc']:.3f}) is first of {of}; {lead}{chance}."
    equal = [line["name"] for line in lines[1:] if line["name"] in plain and line["difference"][2] >= 0.0]
    if first["name"] not in plain and equal:
        told += f" {listed(equal)}, solved at once, may be as good."
    return told


def _write(path: pathlib.Path, contest: Contest, task: Task, judged: _Judged, result: dict[str, Any]) -> None:
    tested, drawn = task.test is not None, judged.sides[:MOST_CURVES]
    figures = figures_of(drawn, judged.known) if tested else {"roc": None, "histograms": [], "losses": []}
    write_page(
        path,
        "benchmark.html.jinja",
        title=f"{counted(len(judged.lines), 'detectors')} on {task.name}",
        names=[side.name for side in judged.sides],
        verdict=Verdict("open", result["sentence"]),
        warnings=list(task.remarks),
        tiles=[],
        config=None,
        noun=task.noun,
        count=task.counts.get("test", 0),
        known=judged.known,
        agreement=judged.agreement,
        told=KINDS,
        solved=judged.lines[0]["name"] not in contest.networks,
        trained=[60.0 * line["minutes"] for line in judged.lines if line["name"] in contest.networks],
        kinds=list(judged.lines[0]["kinds"]),
        held_out=min(MOST_SPOILT, task.counts["stop"]),
        figures={**figures, "history": []},
        examples=examples_through(judged.sides[:MOST_THROUGH]) if tested else [],
        seconds=result["seconds"],
        contest=contest,
        **{key: result[key] for key in ("lines", "left_out", "failed", "command")},
    )

"""Running an experiment over seeds and parts (digits, say), and the JSON file that holds what came out.

Every finished (seed, part) is kept beside the results, so that an interrupted experiment goes on where it stopped
and several processes can share one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from keras_anogan import evaluation
from keras_anogan._version import versions
from keras_anogan.recipes.tables import mean

Numbers = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An experiment with its settings.

    Attributes:
        name: `<detector>-<dataset>-<protocol>`.
        what: one sentence.
        metric: what `values` holds, one number per seed.
        settings: what was trained and how; settings are fixed here, never chosen on the test rows.
        published: value and source of the number that is reproduced, or None.
        run: seed -> {"value": the metric, other numbers by name}; with `parts`, (seed, part) -> the same.
        baselines: () -> numbers by name on the same test rows; with `parts`, part -> the same.
        target: the value that the mean is meant to reach; None where none was set.
        parts: what the metric is averaged over within a seed, such as ten digits; empty for a single task.
        part: what one of the parts is called.
        seeds: that `reproduce` runs unless told otherwise.
        lower_is_better: whether the target is to be stayed below.
        shown: baselines that stand beside the metric in the table; default: those in the metric's own measure.
    """

    name: str
    what: str
    metric: str
    settings: dict[str, Any]
    published: dict[str, Any] | None
    run: Callable[..., Numbers]
    baselines: Callable[..., Numbers]
    target: float | None
    parts: tuple[int, ...] = ()
    part: str = "digit"
    seeds: tuple[int, ...] = (0, 1, 2)
    lower_is_better: bool = False
    shown: tuple[str, ...] = ()


def run_recipe(
    recipe: Recipe,
    seeds: Sequence[int] = (0, 1, 2),
    out: Any = "benchmarks/results",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run a recipe for every seed (and part) and write `<out>/<name>.json`.

    A (seed, part) that was finished at the same commit with the same settings and versions is not run again.

    Raises:
        ValueError: for no seeds.
    """
    if not seeds:
        raise ValueError("Expected at least one seed. Received: none.")
    cells = _Cells(recipe, pathlib.Path(out) / ".cells" / recipe.name)
    parts = recipe.parts or (None,)
    baselines, runs = [], []
    for part in parts:
        baselines.append(cells.get(f"baseline{_suffix(recipe, part)}", recipe.baselines, *_given(part)))
    for seed in seeds:
        row = []
        for part in parts:
            row.append(cells.get(f"seed {seed}{_suffix(recipe, part)}", recipe.run, seed, *_given(part), say=say))
        runs.append(row)
    per_seed = [{key: mean([cell[key] for cell in row]) for key in row[0]} for row in runs]
    result = {
        "name": recipe.name,
        "what": recipe.what,
        "command": f"keras-anogan reproduce {recipe.name} " + " ".join(f"--seed {seed}" for seed in seeds),
        "metric": recipe.metric,
        "target": recipe.target,
        "seeds": list(seeds),
        "values": [round(numbers["value"], 6) for numbers in per_seed],
        **_summary([numbers["value"] for numbers in per_seed]),
        "beside": {
            key: {
                "values": [round(numbers[key], 6) for numbers in per_seed],
                **_summary([numbers[key] for numbers in per_seed]),
            }
            for key in per_seed[0]
            if key != "value"
        },
        "baselines": {key: round(mean([numbers[key] for numbers in baselines]), 6) for key in baselines[0]},
        "published": recipe.published,
        "settings": recipe.settings,
    }
    if recipe.parts:
        result["part"] = recipe.part
        result["parts"] = {
            str(part): {
                **{
                    key: {"values": [round(row[i][key], 6) for row in runs], **_summary([row[i][key] for row in runs])}
                    for key in runs[0][0]
                },
                **{key: round(value, 6) for key, value in baselines[i].items()},
            }
            for i, part in enumerate(parts)
        }
    return write_result(result, cells.seconds, out, cells.where)


class _Cells:
    """Finished (seed, part) of a recipe, one small file each."""

    def __init__(self, recipe: Recipe, folder: pathlib.Path) -> None:
        self.folder, self.seconds = folder, 0.0
        self.where = where = circumstances()
        self.made_by = json.loads(json.dumps({**where, "settings": recipe.settings}))
        revision = where["git_revision"]
        self.keep = revision is not None and not revision.endswith("-dirty")  # code that no commit holds may change

    def get(self, name: str, function: Callable[..., Numbers], *arguments: Any, say: Any = None) -> Numbers:
        path = self.folder / f"{name}.json"
        if self.keep and path.exists():
            cell = json.loads(path.read_text())
            if cell["made_by"] == self.made_by:
                self.seconds += cell["seconds"]
                return cell["numbers"]
        start = time.perf_counter()
        numbers = {key: float(value) for key, value in function(*arguments).items()}
        seconds = time.perf_counter() - start
        self.seconds += seconds
        if say is not None:
            say(f"{name}: " + ", ".join(f"{key} {value:.5f}" for key, value in numbers.items()) + f"; {seconds:.0f} s")
        if self.keep:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(json.dumps({"numbers": numbers, "seconds": seconds, "made_by": self.made_by}))
            partial.replace(path)
        return numbers


def write_result(
    result: dict[str, Any], seconds: float, out: Any, where: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Add time and circumstances to a result and write it as `<out>/<name>.json`; returns the whole.

    Args:
        result: with its `name`.
        seconds: it took.
        out: folder.
        where: `circumstances()` when the work began; default: now.
    """
    result = {**result, "minutes": round(seconds / 60, 1), **(where or circumstances())}
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".{result['name']}.partial"
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(out / f"{result['name']}.json")
    return result


def read_result(folder: Any, name: str) -> dict[str, Any]:
    """The result `<folder>/<name>.json`.

    Raises:
        FileNotFoundError: if there is none yet.
    """
    path = pathlib.Path(folder) / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(
            f"Expected the result {path}. Received: none; `keras-anogan reproduce {name}` writes it."
        )
    return json.loads(path.read_text())


def circumstances() -> dict[str, Any]:
    """Where a number came from: machine, versions and git revision."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "versions": versions(),
        "git_revision": _revision(),
    }


def _suffix(recipe: Recipe, part: int | None) -> str:
    return "" if part is None else f", {recipe.part} {part}"


def _given(part: int | None) -> tuple[int, ...]:
    return () if part is None else (part,)


def _revision() -> str | None:
    """The commit, with "-dirty" if a tracked file that is no result differs from it; None outside a git checkout."""
    here = pathlib.Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=here.parent).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # installed into another project's checkout: not its commit
        changes = git(
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ":/",
            ":(top,exclude)benchmarks/results",
            ":(top,exclude)README.md",
            ":(top,exclude)docs",
        )
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def _summary(values: list[float]) -> dict[str, Any]:
    return {
        key: [round(v, 6) for v in value] if isinstance(value, list) else value if value is None else round(value, 6)
        for key, value in evaluation.summarise(values).items()
    }

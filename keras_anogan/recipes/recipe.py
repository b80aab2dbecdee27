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
from keras_anogan.files import write_json
from keras_anogan.recipes.tables import mean

Numbers = dict[str, float]
Job = tuple[str, str, tuple[int, ...]]  # name of a cell, the recipe's function that makes it, and its arguments


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An experiment with its settings.

    Attributes:
        name: `<detector>-<dataset>-<protocol>`.
        what: one sentence.
        metric: what the number of a seed is.
        settings: what was trained and how, as the result file and the tables say it; fixed before the run, never
            chosen on its test rows.
        published: value and source of the number that is reproduced, or None.
        run: trains and judges: seed -> {"value": the metric, other numbers by name}; with `parts`, (seed, part) -> the
            same.
        baselines: () -> numbers by name on the same test rows; with `parts`, part -> the same.
        target: the value that the mean is meant to reach; None where none was set.
        parts: what the metric is averaged over within a seed, such as ten digits; empty for a single task.
        part: what one of the parts is called.
        seeds: that `reproduce` runs unless told otherwise.
        lower_is_better: whether the target is a bound from above.
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
    engine: str = "local",
    address: str | None = None,
) -> dict[str, Any]:
    """Run a recipe for every seed (and part) and write `<out>/<name>.json`.

    A (seed, part) that was finished at the same commit with the same settings and versions is not run again.

    Args:
        recipe: what to run.
        seeds: of the runs; at least one.
        out: folder of the result file; finished cells lie in its `.cells/<name>`.
        say: is given a line for each finished (seed, part).
        engine: "local", one after the other in this process, or "ray", on all workers of a cluster, one core each.
        address: of a running Ray cluster, such as "auto"; None starts one on this machine.

    Returns:
        What the file holds: `values` (the metric of each seed) and their `mean`, `std`, ...; `beside`, `baselines` and
        `parts`; settings, target, published number; time and circumstances.

    Raises:
        ValueError: for no seeds, or another engine.
    """
    if not seeds:
        raise ValueError("Expected at least one seed. Received: none.")
    if engine not in ("local", "ray"):
        raise ValueError(f"Expected the engine to be local or ray. Received: {engine}.")
    cells = _Cells(recipe, pathlib.Path(out) / ".cells" / recipe.name)
    parts: dict[str, tuple[int, ...]] = {f", {recipe.part} {part}": (part,) for part in recipe.parts} or {"": ()}
    if engine == "ray":
        jobs: list[Job] = [(f"baseline{suffix}", "baselines", part) for suffix, part in parts.items()]
        jobs += [(f"seed {seed}{suffix}", "run", (seed, *part)) for seed in seeds for suffix, part in parts.items()]
        cells.spread(jobs, address, say)
    baselines = [cells.get(f"baseline{suffix}", recipe.baselines, *part) for suffix, part in parts.items()]
    runs = [
        [cells.get(f"seed {seed}{suffix}", recipe.run, seed, *part, say=say) for suffix, part in parts.items()]
        for seed in seeds
    ]
    result = _result(recipe, seeds, runs, baselines)
    return write_result(result, cells.seconds, out, cells.where)


def _result(
    recipe: Recipe, seeds: Sequence[int], runs: list[list[Numbers]], baselines: list[Numbers]
) -> dict[str, Any]:
    """What a result file says of the numbers: `runs` by seed and part, `baselines` by part."""
    per_seed = [{key: mean([cell[key] for cell in row]) for key in row[0]} for row in runs]
    beside = [key for key in per_seed[0] if key != "value"]
    result = {
        "name": recipe.name,
        "what": recipe.what,
        "command": f"keras-anogan reproduce {recipe.name} " + " ".join(f"--seed {seed}" for seed in seeds),
        "metric": recipe.metric,
        "target": recipe.target,
        "seeds": list(seeds),
        **_over_seeds([numbers["value"] for numbers in per_seed]),
        "beside": {key: _over_seeds([numbers[key] for numbers in per_seed]) for key in beside},
        "baselines": {key: round(mean([numbers[key] for numbers in baselines]), 6) for key in baselines[0]},
        "published": recipe.published,
        "settings": recipe.settings,
    }
    if recipe.parts:
        result["part"] = recipe.part
        result["parts"] = {
            str(part): {
                **{key: _over_seeds([row[i][key] for row in runs]) for key in runs[0][0]},
                **{key: round(value, 6) for key, value in baselines[i].items()},
            }
            for i, part in enumerate(recipe.parts)
        }
    return result


def _over_seeds(values: list[float]) -> dict[str, Any]:
    """One number of every seed, and `evaluation.summarise` of them, to six digits."""
    summary = evaluation.summarise(values).items()
    return {"values": _rounded(values), **{key: _rounded(value) for key, value in summary}}


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value if value is None else round(value, 6)


class _Cells:
    """Finished (seed, part) of a recipe, one small file each.

    Attributes:
        seconds: that the cells asked for so far took, whenever they were made.
        where: `circumstances()` when the work began.
    """

    def __init__(self, recipe: Recipe, folder: pathlib.Path) -> None:
        self.recipe, self.folder, self.seconds = recipe, folder, 0.0
        self.known: dict[str, tuple[Numbers, float]] = {}  # numbers and seconds of cells that others have made
        self.where = where = circumstances()
        self.made_by = json.loads(json.dumps({**where, "settings": recipe.settings}))
        revision = where["git_revision"]
        self.keep = revision is not None and not revision.endswith("-dirty")  # code that no commit holds may change

    def get(self, name: str, function: Callable[..., Numbers], *arguments: Any, say: Any = None) -> Numbers:
        """The cell of that name; `function(*arguments)` makes it unless it was made at this commit and settings."""
        path = self.folder / f"{name}.json"
        if name in self.known:
            self.seconds += self.known[name][1]
            return self.known[name][0]
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
            say(f"{name}: {_listed(numbers)}; {seconds:.0f} s")
        if self.keep:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")  # another process may write the same cell
            partial.write_text(json.dumps({"numbers": numbers, "seconds": seconds, "made_by": self.made_by}))
            partial.replace(path)
        return numbers

    def spread(self, jobs: Sequence[Job], address: str | None, say: Callable[[str], None]) -> None:
        """Make cells on the workers of Ray, a core each; `get` then has them."""
        from keras_anogan.serving.cluster import start_ray

        ray = start_ray(address)
        make = ray.remote(num_cpus=1, max_retries=3)(_make)
        names = {make.remote(self.recipe, str(self.folder.resolve()), *job): job[0] for job in jobs}
        waiting = list(names)
        while waiting:
            done, waiting = ray.wait(waiting)
            numbers, seconds = self.known[names[done[0]]] = ray.get(done[0])
            say(f"{names[done[0]]}: {_listed(numbers)}; {seconds:.0f} s")


def _make(recipe: Recipe, folder: str, name: str, which: str, arguments: tuple[int, ...]) -> tuple[Numbers, float]:
    """A cell and the seconds it took, made in a worker of Ray's."""
    from keras_anogan.serving.cluster import begin_worker

    begin_worker(1)
    cells = _Cells(recipe, pathlib.Path(folder))
    return cells.get(name, getattr(recipe, which), *arguments), cells.seconds


def _listed(numbers: Numbers) -> str:
    return ", ".join(f"{key} {value:.5f}" for key, value in numbers.items())


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
    write_json(out / f"{result['name']}.json", result)
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

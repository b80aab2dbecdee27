"""Writes the tables of README.md and docs/ from benchmarks/results/*.json: `make results`."""

from __future__ import annotations

import json
import pathlib
import re
import textwrap

from keras_anogan.recipes import RECIPES
from keras_anogan.recipes.tables import baselines_of, part_table

BEGIN, END = "<!-- results: written by `make results` -->", "<!-- end of results -->"


def render(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """The pages with tables made anew from the result files, README.md and those under docs/: path -> text."""
    results = [json.loads(path.read_text()) for path in sorted((root / "benchmarks" / "results").glob("*.json"))]
    readme = root / "README.md"
    table = front({result["name"]: result for result in results})
    return {readme: _between_marks(readme.read_text(), table)} | documents(root / "docs", results)


def _between_marks(text: str, tables: str) -> str:
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{tables}{END}{tail}"


# The experiments on the front page: (what was asked, page) by name.
FRONT = {
    "fanogan_best-mnist-oneclass": ("One digit of MNIST is normal: f-AnoGAN", "fanogan-mnist"),
    "anogan-mnist-oneclass": ("The same: AnoGAN", "anogan-mnist"),
    "flow-mnist-oneanomalous": ("One digit of MNIST is anomalous: flow", "one-anomalous-mnist"),
    "gan_discriminator-mnist-oneanomalous": ("The same: a GAN's discriminator", "one-anomalous-mnist"),
    "efficientgan-kdd99-paper": ("KDD99, the papers' protocol: EfficientGAN", "efficientgan-and-alad-kdd99"),
    "efficientgan-kdd99-realistic": ("KDD99, a realistic protocol: EfficientGAN", "efficientgan-and-alad-kdd99"),
    "cvgan-ped2-frames": ("UCSD Ped2: C-VGAN", "cvgan-ped2"),
    "iftm-ped2-falsealarms": ("UCSD Ped2, normal clips: C-VGAN in IFTM", "iftm-ped2"),
}


def front(named: dict[str, dict]) -> str:
    """The front page's table: one line for each experiment of `FRONT`, given results by name."""
    lines = ["| experiment | measured | mean ± std (seeds) | baselines | target |", "|---|---|---|---|---|"]
    for name, (asked, page) in FRONT.items():
        result = named[name]
        cells = [f"[{asked}](docs/results/{page}.md)", result["metric"], f"{_four(result)} ({len(result['values'])})"]
        lines.append(f"| {' | '.join([*cells, _beside(result), _target(result)])} |")
    return "\n".join(lines) + "\n"


def _spread(result: dict) -> str:
    if "ours_ms" not in result:
        return ""
    low, high = min(result["ratios"]), max(result["ratios"])
    peak = f"; {100 * result['share_of_peak']:.0f} % of the matrix-product peak" if "share_of_peak" in result else ""
    return (
        f" ({low:.2f} to {high:.2f} over {len(result['ratios'])} pairs; {result['ours_ms']:.3g} ms against "
        f"{result['their_ms']:.3g} ms{peak})"
    )


# The pages under docs/. A page asks for a table by a pair of marks; what stands between them is written here:
#
#   <!-- table: compared NAME ... -->           one line for each experiment, beside its baselines
#   <!-- table: numbers NAME; KEY; ... -->      some numbers of one experiment
#   <!-- table: full NAME -->                   all that an experiment's result file says
#   <!-- table: costs NAME ... -->              one line for each measurement of time or memory
#   <!-- end of table -->

ASKED = re.compile(r"<!-- table: (\w+) (.+?) -->\n.*?<!-- end of table -->", re.DOTALL)


def documents(folder: pathlib.Path, results: list[dict]) -> dict[pathlib.Path, str]:
    """The pages under `folder` that ask for a table: path -> text.

    Raises:
        ValueError: for a table that is unknown or wants a result that is missing, and for a result of which no page
            tells in full.
    """
    named = {result["name"]: result for result in results}
    told: set[str] = set()

    def written(asked: re.Match) -> str:
        kind, words = asked[1], asked[2]
        if kind not in TABLES:
            raise ValueError(f"Expected one of the tables {tuple(TABLES)}. Received: {kind!r}.")
        names, keys = (words.split("; ")[:1], words.split("; ")[1:]) if ";" in words else (words.split(), [])
        if missing := set(names) - set(named):
            raise ValueError(f"Expected names of result files. Received: {sorted(missing)}.")
        told.update(names if kind in ("full", "costs") else [])
        table = TABLES[kind]([named[name] for name in names], keys)
        return f"<!-- table: {kind} {words} -->\n\n{table}\n\n<!-- end of table -->"

    pages = {path: path.read_text() for path in sorted(folder.rglob("*.md"))}
    pages = {path: ASKED.sub(written, text) for path, text in pages.items() if ASKED.search(text)}
    if untold := set(named) - told:
        raise ValueError(f"Expected a page under docs/ that tells of {sorted(untold)} in full. Received: none.")
    return pages


def _compared(results: list[dict], keys: list[str]) -> str:
    lines = ["| experiment | measured | mean ± std (seeds) | worst | beside it | target | minutes |"]
    return "\n".join([*lines, "|---|---|---|---|---|---|---|", *map(_compared_row, results)])


def _compared_row(result: dict) -> str:
    worst = max(result["values"]) if RECIPES[result["name"]].lower_is_better else result["min"]
    cells = [f"`{result['name']}`", result["metric"], f"{_four(result)} ({len(result['values'])})", f"{worst:.4f}"]
    return f"| {' | '.join([*cells, _beside(result), _target(result), str(result['minutes'])])} |"


def _beside(result: dict) -> str:
    """The baselines that stand beside a result."""
    recipe = RECIPES[result["name"]]
    shown = {key: result["baselines"][key] for key in recipe.shown} or baselines_of(result)
    return "; ".join(f"{key} {value:.4f}" for key, value in shown.items())


def _target(result: dict) -> str:
    """The target, and whether the mean over the seeds met it."""
    if result["target"] is None:
        return "none"
    low = RECIPES[result["name"]].lower_is_better
    gap = (result["mean"] - result["target"]) if low else (result["target"] - result["mean"])
    return f"{'<=' if low else '>='} {result['target']}: {'met' if gap <= 0 else 'missed'}"


def _four(number: dict | float) -> str:
    """A number with four digits; with its spread over the seeds where it has one."""
    return f"{number['mean']:.4f} ± {number['std']:.4f}" if isinstance(number, dict) else f"{number:.4f}"


def _numbers(results: list[dict], keys: list[str]) -> str:
    (result,) = results
    known = {result["metric"]: result, **result["beside"], **result["baselines"]}
    if missing := set(keys) - set(known):
        raise ValueError(f"Expected numbers of {result['name']}. Received: {sorted(missing)}.")
    lines = ["| number | mean ± std |", "|---|---|"]
    return "\n".join([*lines, *(f"| {key} | {_four(known[key])} |" for key in keys or known)])


def _full(results: list[dict], keys: list[str]) -> str:
    (result,) = results
    parts = [textwrap.fill(f"{result['what']}.", 120), _numbers(results, [])]
    rows = {"command": f"`{result['command']}`", "minutes, all runs added up": result["minutes"]}
    rows |= {"machine": result["machine"], **result["settings"]}
    parts.append("\n".join(["| setting | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]))
    if "parts" in result:
        parts += [f"Every {result['part']}, mean ± std over {len(result['seeds'])} seeds:", part_table(result)]
    return "\n\n".join(parts)


def _costs(results: list[dict], keys: list[str]) -> str:
    lines = ["| what | measured | bound | command |", "|---|---|---|---|"]
    for result in results:
        measured = f"{result['measured']} {result['unit']}{_spread(result)}"
        bound = f"{result['bound']}: {'met' if result['met'] else 'missed'}"
        lines.append(f"| {result['what']} | {measured} | {bound} | `{result['command']}` |")
    return "\n".join(lines)


TABLES = {"compared": _compared, "numbers": _numbers, "full": _full, "costs": _costs}


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent.parent
    for page, text in render(here).items():
        page.write_text(text)

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
    quality = [result for result in results if "values" in result]
    cost = [result for result in results if "values" not in result]
    pages = {root / "README.md": summary(quality, cost)}
    front = {path: _between_marks(path.read_text(), tables) for path, tables in pages.items()}
    return front | documents(root / "docs", results)


def _between_marks(text: str, tables: str) -> str:
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{tables}{END}{tail}"


def summary(quality: list[dict], cost: list[dict]) -> str:
    """One line for each experiment, and one for each cost."""
    lines = ["| experiment | metric | mean ± std (seeds) | worst | baseline | published | target | minutes |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [_quality_row(result) for result in quality]
    lines += ["", "| cost | measured | bound | command |", "|---|---|---|---|"]
    lines += [
        f"| {result['what']} | {result['measured']} {result['unit']}{_spread(result)} "
        f"| {result['bound']}: {'met' if result['met'] else 'missed'} | `{result['command']}` |"
        for result in cost
    ]
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


def _quality_row(result: dict) -> str:
    recipe = RECIPES[result["name"]]
    shown = {key: result["baselines"][key] for key in recipe.shown} or baselines_of(result)
    baseline = ", ".join(f"{key} {value:.4f}" for key, value in shown.items())
    published = f"{result['published']['value']} ({result['published']['source']})" if result["published"] else "-"
    target = "-"
    if result["target"] is not None:
        gap = result["target"] - result["mean"]
        low = recipe.lower_is_better
        target = f"{'<=' if low else '>='} {result['target']}: {_met(-gap if low else gap)}"
    worst = max(result["values"]) if recipe.lower_is_better else result["min"]
    return (
        f"| `{result['name']}` | {result['metric']} | {result['mean']:.5f} ± {result['std']:.5f} "
        f"({len(result['values'])}) | {worst:.5f} | {baseline} | {published} | {target} "
        f"| {result['minutes']} |"
    )


def _met(gap: float) -> str:
    return "met" if gap <= 0 else f"missed by {gap:.6f}"


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
    recipe = RECIPES[result["name"]]
    low = recipe.lower_is_better
    worst = max(result["values"]) if low else result["min"]
    shown = {key: result["baselines"][key] for key in recipe.shown} or baselines_of(result)
    target = "none"
    if result["target"] is not None:
        gap = (result["mean"] - result["target"]) if low else (result["target"] - result["mean"])
        target = f"{'<=' if low else '>='} {result['target']}: {'met' if gap <= 0 else 'missed'}"
    cells = [f"`{result['name']}`", result["metric"], f"{_four(result)} ({len(result['values'])})", f"{worst:.4f}"]
    cells += ["; ".join(f"{key} {value:.4f}" for key, value in shown.items()), target, str(result["minutes"])]
    return f"| {' | '.join(cells)} |"


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

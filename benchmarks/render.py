"""Writes the tables of README.md and benchmarks/RESULTS.md from benchmarks/results/*.json: `make results`."""

from __future__ import annotations

import json
import pathlib

from keras_anogan.recipes import RECIPES
from keras_anogan.recipes.tables import baselines_of, part_table

BEGIN, END = "<!-- results: written by `make results` -->", "<!-- end of results -->"


def render(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """The two pages with tables made anew from the result files: path -> text."""
    results = [json.loads(path.read_text()) for path in sorted((root / "benchmarks" / "results").glob("*.json"))]
    quality = [result for result in results if "values" in result]
    cost = [result for result in results if "values" not in result]
    pages = {root / "README.md": summary(quality, cost), root / "benchmarks" / "RESULTS.md": details(quality)}
    return {path: _between_marks(path.read_text(), tables) for path, tables in pages.items()}


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


def details(quality: list[dict]) -> str:
    """Every experiment with its command, machine, settings, the numbers beside its metric, and its parts."""
    lines: list[str] = []
    for result in quality:
        lines += ["", f"### {result['name']}", "", f"{result['what']}."]
        lines += [f"`{result['command']}`, {result['minutes']} minutes; {result['machine']}.", ""]
        lines += ["| number | mean ± std |", "|---|---|"]
        lines += [f"| {result['metric']} | {result['mean']:.5f} ± {result['std']:.5f} |"]
        lines += [f"| {key} | {value['mean']:.5f} ± {value['std']:.5f} |" for key, value in result["beside"].items()]
        lines += [f"| {key} | {value:.5f} |" for key, value in result["baselines"].items()]
        lines += ["", *(f"- {key}: {value}" for key, value in result["settings"].items())]
        if "parts" in result:
            title = f"Every {result['part']}, mean ± std over {len(result['seeds'])} seeds"
            lines += ["", f"<details><summary>{title}</summary>", "", part_table(result), "", "</details>"]
    return "\n".join(lines[1:]) + "\n"


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


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent.parent
    for page, text in render(here).items():
        page.write_text(text)

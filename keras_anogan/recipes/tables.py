"""Results as tables, and what notebooks look at: baselines beside a detector, digit by digit, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan.recipes.data import DIGITS, Exercise


def baselines_of(result: dict[str, Any]) -> dict[str, float]:
    """The baselines of a result in its own measure, by name: {"PCA-32": 0.95} of {"PCA-32 AUROC": 0.95, ...}."""
    measure = result["metric"].split(",")[0].split(" of ")[0]
    found = {key: value for key, value in result["baselines"].items() if key.endswith(f" {measure}")}
    return {key.removesuffix(f" {measure}"): value for key, value in found.items()}


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with equal keys as a Markdown table; floats with four digits."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (float, np.floating)) else str(value)


def part_table(result: dict[str, Any]) -> str:
    """The parts of a result (see `run_recipe`), one line each and the mean, as a Markdown table."""
    rows = []
    for part, numbers in result["parts"].items():
        rows.append({result["part"]: part, **_by_name(numbers, result["metric"])})
    return markdown_table([*rows, {result["part"]: "mean", **_means(rows, result["part"])}])


def _by_name(numbers: dict[str, Any], metric: str) -> dict[str, Any]:
    named = {}
    for key, value in numbers.items():
        name = metric.split(",")[0] if key == "value" else key
        named[name] = f"{value['mean']:.4f} ± {value['std']:.4f}" if isinstance(value, dict) else value
    return named


def _means(rows: list[dict[str, Any]], part: str) -> dict[str, float]:
    return {key: mean([float(str(row[key]).split(" ")[0]) for row in rows]) for key in rows[0] if key != part}


def mean(values: list[float]) -> float:
    """The mean of at least one number."""
    return sum(values) / len(values)


# Looking at them.


def means_by_digit(data: Exercise, scores: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """For each digit among the test images its ink, the share of pixels brighter than half, and its mean scores.

    Args:
        data: with `test_classes`.
        scores: detector -> (len(data.test),).
    """
    ink = (data.test > 0.0).mean(axis=(1, 2, 3))
    return [
        {
            "digit": digit,
            "ink": float(ink[data.test_classes == digit].mean()),
            **{name: float(values[data.test_classes == digit].mean()) for name, values in scores.items()},
        }
        for digit in DIGITS
    ]


def by_digit(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Detector -> digit -> mean AUROC over the seeds; baselines are those of the first result.

    Args:
        found: detector -> result (see `read_result`) with digits as its parts.
    """
    values = {
        name: {digit: part["value"]["mean"] for digit, part in result["parts"].items()}
        for name, result in found.items()
    }
    first = next(iter(found.values()))
    for key in first["baselines"]:
        if key.endswith(" AUROC"):
            values[key.removesuffix(" AUROC")] = {digit: part[key] for digit, part in first["parts"].items()}
    return values


def compare(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """`by_digit` as rows for `markdown_table`: one for each digit, and the mean."""
    values = by_digit(found)
    lines = [
        {"digit": digit, **{name: values[name][digit] for name in values}} for digit in next(iter(values.values()))
    ]
    return [*lines, {"digit": "mean", **{name: float(np.mean(list(values[name].values()))) for name in values}}]

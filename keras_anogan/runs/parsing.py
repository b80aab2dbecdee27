"""The words of a command as values: parameters, sizes, durations, kinds of columns."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from keras_anogan.datasets.columns import KINDS


def parse_parameters(settings: Iterable[str]) -> dict[str, Any]:
    """["kappa=0.1", "units=(64, 32)", "score=ratio"] as {"kappa": 0.1, "units": (64, 32), "score": "ratio"}.

    A value is read as a Python literal; true, false and none may be written small; anything else is text.

    Raises:
        ValueError: for a setting without "=", or a name that comes twice.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise ValueError(f"Expected --set NAME=VALUE, such as kappa=0.1. Received: {setting!r}.")
        if name in found:
            raise ValueError(f"Expected every parameter once. Received: --set {name} twice.")
        text = text.strip()
        try:
            found[name] = ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
        except (ValueError, SyntaxError, TypeError):
            found[name] = text
    return found


def parse_duration(text: str) -> float:
    """ "10m", "90s", "1.5h" or "600" as seconds.

    Raises:
        ValueError: for anything else.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1:]) if text[-1:].lower() in units else (text, "s")
    try:
        return float(number) * units[unit.lower()]
    except ValueError:
        raise ValueError(f"Expected --budget such as 10m, 90s or 1h. Received: {text}.") from None


def parse_columns(settings: Iterable[str]) -> dict[str, dict[str, Any]]:
    """["day=date:%d.%m.%Y", "code=category"] as {"day": {"kind": "date", "date": "%d.%m.%Y"}, "code": {...}}.

    Raises:
        ValueError: for another kind, or a name that comes twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, kind = setting.rpartition("=")
        kind, colon, style = kind.partition(":")
        if not equals or kind not in KINDS or (colon and kind != "date"):
            raise ValueError(
                f"Expected --column NAME={', '.join(KINDS[:-1])} or {KINDS[-1]}, or NAME=date:%d.%m.%Y. "
                f"Received: {setting!r}."
            )
        if name in found:
            raise ValueError(f"Expected every column once. Received: --column {name} twice.")
        found[name] = {"kind": kind, **({"date": style} if style else {})}
    return found


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "128x64" as (128, 64), width first.

    Raises:
        ValueError: for anything else.
    """
    if text is None:
        return None
    sides = _sides_of(text)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"Expected --size WIDTHxHEIGHT, such as 128x64. Received: {text}.")
    return int(sides[0]), int(sides[1])


def parse_image_size(text: str | int | None) -> int | tuple[int, int] | None:
    """ "64" as 64, and "96x64" as (96, 64), width first.

    Raises:
        ValueError: for anything else.
    """
    if text is None:
        return None
    sides = _sides_of(str(text))
    if len(sides) not in (1, 2):
        raise ValueError(f"Expected --image-size SIDE or WIDTHxHEIGHT, such as 64 or 96x64. Received: {text}.")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _sides_of(text: str) -> list[int]:
    """The numbers between the x in "96x64"; none for another text."""
    sides = text.lower().replace(" ", "").split("x")
    return [int(side) for side in sides] if all(side.isdecimal() for side in sides) else []


def named_columns(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Names of columns, of which several may stand in one text with commas between them."""
    found = []
    for name in names:
        found += [name] if name in columns else [part.strip() for part in name.split(",")]
    return found

"""Sizes of images as people write them, width first."""

from __future__ import annotations


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

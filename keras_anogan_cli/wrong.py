"""Sentences on options that there are not, and on words where a number is needed: what was found, and what is meant."""

from __future__ import annotations

import difflib
import itertools
from typing import Any

NUMBERS = {"valid integer": "a whole number", "valid float": "a number", "valid number": "a number"}  # as Typer says


def unknown_option(context: Any, error: Any) -> str:
    """What to say of an option that a command does not have; "" for another error.

    Args:
        context: of the command.
        error: what the parser raised.
    """
    name = getattr(error, "option_name", None)
    if not name or not hasattr(error, "possibilities") or context is None:
        return ""
    options = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.75)
    word = name.lstrip("-")
    if "-" not in word:  # --size for --image-size
        near = near or [option for option in options if option.endswith(f"-{word}")]
    if not near and "--set" in options and _is_parameter(word.replace("-", "_")):
        near = [f"--set {word}=..."]
    near = near or difflib.get_close_matches(name, options, n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    return f"Expected an option of {context.command_path}. Received: {name}{meant}"


def wrong_number(context: Any, error: Any, arguments: list[str]) -> str:
    """What to say of words where an option takes a number; "" for another error, or where the words are not found.

    Args:
        context: of the command.
        error: what the parser raised.
        arguments: the words of the command line.
    """
    parameter = getattr(error, "param", None)
    kind = next((kind for said, kind in NUMBERS.items() if said in str(getattr(error, "message", ""))), None)
    if parameter is None or kind is None or context is None:
        return ""
    given = [words for option in parameter.opts for words in _given(option, arguments)]
    given = given or [str((context.default_map or {}).get(parameter.name, ""))]
    return f"Expected {parameter.opts[0]} to be {kind}. Received: {given[-1]}." if given[-1] else ""


def _given(option: str, arguments: list[str]) -> list[str]:
    """What stands behind an option, each time that it is given."""
    behind = [words for name, words in itertools.pairwise(arguments) if name == option]
    return behind + [words.partition("=")[2] for words in arguments if words.startswith(f"{option}=")]


def _is_parameter(name: str) -> bool:
    """Whether a detector has a parameter of that name."""
    from keras_anogan.catalogue import list_detectors, listing

    return any(name in listing(detector).parameters for detector in list_detectors())

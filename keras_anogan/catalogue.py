"""What is known of the detectors, thresholds and recipes by their names, without TensorFlow.

The command line refuses a wrong name or value before TensorFlow is imported, and only that brings the classes along. So
`catalogue.json` holds what a class and its builder say of themselves; `make catalogue` writes it, and a test compares
it with the registry. A detector that is registered at run time joins by `add`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import json
import numbers
import pathlib
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

FILE = pathlib.Path(__file__).with_suffix(".json")
INPUTS = ("image", "table", "window")
THRESHOLDS = {  # name -> what alpha has to lie below
    "conformal": 1.0,
    "quantile": 1.0,
    "peaks": 0.1,
    "cumulative": 1.0,
    "exponential": 1.0,
    "double_exponential": 1.0,
    "sliding": 1.0,
}
ORDER_STATISTICS = ("conformal", "quantile")  # thresholds that take groups, and can't learn score by score
SET_BY_ALPHA = (*ORDER_STATISTICS, "peaks")  # the others are set by k
BACKBONES = (  # of `nn.features`
    "efficientnet_lite0",
    "convnexttiny",
    "densenet121",
    "efficientnetb0",
    "efficientnetb4",
    "efficientnetv2b0",
    "mobilenetv2",
    "mobilenetv3small",
    "resnet50",
    "resnet50v2",
    "vgg16",
)
TYPES = {"int": int, "float": float, "bool": bool, "str": str, "None": type(None), "tuple": tuple}


@dataclasses.dataclass(frozen=True)
class Tags:
    """What kind of detector a class is; `testing.check_detector`, runs and wrappers read it and never ask for a name.

    Attributes:
        input: "image" (H, W, C), "table" (features,), "window" (frames, H, W, C), or "any".
        uses_normal_labels: the class trains on labels of normal data (never on labels of anomalies).
        closed_form: `fit` solves for the weights; there are no players and no optimizers.
        search_at_query: scoring runs an iterative search, so rounding is amplified.
        averaged: momentum of the averaged weights that its authors score with (see `callbacks.NetworkEMA`), or None.
        least_steps: fewest training steps of an epoch on tables, for a paper that takes thousands of steps however few
            the rows are; 0 where one pass over the rows will do.
        scores_map: whether the score is a mean of pixels of `anomaly_map`, so that one threshold serves both.
        watchable: whether the score of held-out normal data tells when to stop; False where it falls as the network
            learns, however well it tells samples apart.
    """

    input: str = "any"
    uses_normal_labels: bool = False
    closed_form: bool = False
    search_at_query: bool = False
    averaged: float | None = None
    least_steps: int = 0
    scores_map: bool = False
    watchable: bool = True


@dataclasses.dataclass(frozen=True)
class Listing:
    """A detector as users know it.

    Attributes:
        name: what users call it, such as "fanogan".
        detector: the name of its class.
        inputs: what it is trained on: "image" (H, W, C), "table" (features,), "window" (frames, H, W, C).
        paper: its source in one line.
        tags: what kind of detector it is.
        parameters: what a user may set, by name, with types as annotations.
    """

    name: str
    detector: str
    inputs: tuple[str, ...]
    paper: str
    tags: Tags
    parameters: dict[str, inspect.Parameter]

    def as_json(self) -> dict[str, Any]:
        """What stands in `catalogue.json`; types by their names, such as "int | None"."""
        parameters = {
            key: {"type": " | ".join(_name(kind) for kind in members(found.annotation)), "default": found.default}
            for key, found in self.parameters.items()
        }
        return json.loads(json.dumps({**vars(self), "tags": vars(self.tags), "parameters": parameters}))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Listing:
        """The opposite of `as_json`; a tuple has lost the types of its members."""
        parameters = {}
        for key, found in content["parameters"].items():
            kinds = [TYPES[name] for name in found["type"].split(" | ")]
            default = tuple(found["default"]) if isinstance(found["default"], list) else found["default"]
            parameters[key] = inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=functools.reduce(_or, kinds)
            )
        read = {"inputs": tuple(content["inputs"]), "tags": Tags(**content["tags"]), "parameters": parameters}
        return cls(**{**content, **read})


_ADDED: dict[str, Callable[[], Listing]] = {}


def add(name: str, make: Callable[[], Listing]) -> None:
    """Let a detector join that is registered at run time; `make` is called when somebody asks for it."""
    _ADDED[name] = make


@functools.cache
def content() -> dict[str, Any]:
    """`catalogue.json`: {"detectors": a `Listing` by name, "recipes": names}."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return {**found, "detectors": {name: Listing.from_json(entry) for name, entry in found["detectors"].items()}}


def listing(name: str) -> Listing:
    """The detector of that name.

    Raises:
        ValueError: for an unknown name; it says which name may have been meant.
    """
    if name in _ADDED:
        return _ADDED[name]()
    if name not in content()["detectors"]:
        known = list_detectors()
        raise ValueError(f"Expected one of the detectors {known}. Received: {name!r}{meant(str(name), known) or '.'}")
    return content()["detectors"][name]


def list_detectors(kind: str | None = None) -> tuple[str, ...]:
    """Names of the detectors, in alphabetical order.

    Args:
        kind: "image", "table" or "window", for those that are trained on it; None for all.

    Raises:
        ValueError: for another kind.
    """
    if kind is not None and kind not in INPUTS:
        raise ValueError(f"Expected the kind to be one of {INPUTS}, or None. Received: {kind!r}.")
    names = sorted({*content()["detectors"], *_ADDED})
    return tuple(name for name in names if kind is None or kind in listing(name).inputs)


def check_recipe(name: str) -> None:
    """Refuse the name of a recipe that there is not.

    Raises:
        ValueError: naming the nearest one, and all that there are.
    """
    known = content()["recipes"]
    if name not in known:
        raise ValueError(f"Expected one of the recipes {tuple(known)}. Received: {name!r}{meant(name, known) or '.'}")


def check_threshold(name: str, alpha: float | None) -> None:
    """Refuse a threshold that there is not, or a rate of false alarms that it can't have.

    Raises:
        ValueError: one sentence.
    """
    if name not in THRESHOLDS:
        near = meant(name, THRESHOLDS) or "."
        raise ValueError(f"Expected the threshold to be one of {tuple(THRESHOLDS)}. Received: {name!r}{near}")
    if alpha is not None and not 0.0 < alpha < THRESHOLDS[name]:
        of = "" if THRESHOLDS[name] == 1.0 else f" for {name}"
        share = f"; {alpha:g} % is {alpha / 100.0:g}" if 1.0 <= alpha < 100.0 else ""
        raise ValueError(f"Expected 0 < --alpha < {THRESHOLDS[name]:g}{of}. Received: {alpha}{share}.")


def check_parameters(name: str, params: dict[str, Any]) -> None:
    """Refuse parameters that a detector does not have, or whose type is another.

    Whether a number is in its range is the class's to say.

    Raises:
        ValueError: naming the parameter, the nearest one that exists, and all that there are.
    """
    known, who = listing(name).parameters, listing(name).detector
    for key, value in params.items():
        if key not in known:
            takes = f"It takes: {', '.join(known)}." if known else "It takes none."
            raise ValueError(f"{who} has no parameter {key}{meant(key, known) or '.'} {takes}")
        if not _fits(value, known[key].annotation):
            raise ValueError(f"{who} expected {key} to be {_type_name(known[key].annotation)}. Received: {value!r}.")


# For sentences.


def meant(name: str, known: Iterable[str]) -> str:
    """The question after a wrong name, "; did you mean fanogan?", or nothing where none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the type itself."""
    is_union = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union
    return typing.get_args(annotation) if is_union else (annotation,)


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of a type: numbers stand for each other, and lists for tuples; what is not known is let in."""
    return any(_fits_one(value, kind) for kind in members(annotation))


def _fits_one(value: Any, kind: Any) -> bool:
    if kind is type(None):
        return value is None
    if kind in (int, float):
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return real and (kind is float or float(value).is_integer())
    if kind in (bool, str):
        return isinstance(value, kind)
    if _is_tuple(kind):
        return isinstance(value, (tuple, list))
    return True


def _type_name(annotation: Any) -> str:
    """A type in words: "a number or None"."""
    words = {int: "an integer", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
    return " or ".join(words.get(kind, "a tuple" if _is_tuple(kind) else str(kind)) for kind in members(annotation))


def _is_tuple(kind: Any) -> bool:
    return kind is tuple or typing.get_origin(kind) is tuple


def _name(kind: Any) -> str:
    return next((name for name, known in TYPES.items() if kind is known), "tuple" if _is_tuple(kind) else str(kind))


def _or(one: Any, other: Any) -> Any:
    return one | other

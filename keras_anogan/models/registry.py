"""The registry: it finds a detector by its name, and knows what a user may set.

A paper's file ends with a builder, which joins by one decorator:

    @register("pca", PCA, inputs=("image", "table"), paper="...")
    def build(shape, *, seed=0, **params):
        return {"pca": PCA(shape, seed=seed, **params)}

What the builder does not use itself goes to the class as `**params`, so that a parameter and its meaning are told once,
in the class. A detector that is trained in phases (f-AnoGAN: first the GAN, then the encoder) is several objects that
share networks; the builder returns them in the order of training, the detector last.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_anogan.catalogue import INPUTS, Listing, check_parameters, list_detectors, meant, members
from keras_anogan.catalogue import add as add_listing
from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.training.adversarial import AdversarialModel

Phases = dict[str, AdversarialModel]
Builder = Callable[..., Phases]
NOT_SET_BY_USERS = ("self", "shape", "seed", "name")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A detector in the registry.

    Attributes:
        name: what users call it, such as "fanogan".
        build: `build(shape, *, seed=0, **params)` -> what is fitted, in order, by name; the last is the detector.
        detector: its class.
        inputs: what it is trained on: "image" (H, W, C), "table" (features,), "window" (frames, H, W, C).
        paper: its source in one line: authors, title or venue, year.
    """

    name: str
    build: Builder
    detector: type[AnomalyDetector]
    inputs: tuple[str, ...]
    paper: str

    @property
    def tags(self) -> Tags:
        """What kind of detector it is."""
        return self.detector.tags


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str, detector: type[AnomalyDetector], *, inputs: tuple[str, ...], paper: str
) -> Callable[[Builder], Builder]:
    """Decorator of a builder: the detector can be built, trained and listed by `name` from then on.

    Args:
        name, detector, inputs, paper: as in `Entry`.

    Raises:
        ValueError: for an unknown kind of input, or a name that another file has taken.
    """
    if not inputs or set(inputs) - set(INPUTS):
        raise ValueError(f"Expected some of the inputs {INPUTS}. Received: {inputs!r}.")

    def add(build: Builder) -> Builder:
        known = _ENTRIES.get(name)
        if known is not None and known.build.__module__ != build.__module__:
            raise ValueError(f"Expected a name that no detector has. Received: {name!r}, {known.detector.__name__}'s.")
        _ENTRIES[name] = Entry(name, build, detector, tuple(inputs), paper)
        add_listing(name, functools.cache(functools.partial(listing_of, name)))
        return build

    return add


def entry(name: str) -> Entry:
    """The detector of that name.

    Raises:
        ValueError: for an unknown name; it says which name may have been meant.
    """
    if name not in _ENTRIES:
        raise ValueError(
            f"Expected one of the detectors {list_detectors()}. Received: {name!r}{meant(str(name), _ENTRIES) or '.'}"
        )
    return _ENTRIES[name]


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    """What a user may set of a detector, by name: the builder's own parameters, then those that it hands to the class.

    Shape, seed and networks are not among them. A default of None means that the builder chooses by kind of data. The
    annotations are types, such as `float` or `int | None`, not strings.

    Raises:
        ValueError: for an unknown name.
    """
    found = entry(name)
    own = inspect.signature(found.build, eval_str=True).parameters.values()
    handed_on: Iterable[inspect.Parameter] = ()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in own):
        handed_on = inspect.signature(found.detector.__init__, eval_str=True).parameters.values()
    merged: dict[str, inspect.Parameter] = {}
    for parameter in (*own, *handed_on):
        if parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            merged.setdefault(parameter.name, parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    return {key: merged[key] for key in merged if key not in NOT_SET_BY_USERS and not _is_network(merged[key])}


def listing_of(name: str) -> Listing:
    """What the catalogue has to say of a detector.

    Raises:
        ValueError: for an unknown name.
    """
    found = entry(name)
    return Listing(name, found.detector.__name__, found.inputs, found.paper, found.tags, parameters_of(name))


def listings() -> dict[str, Any]:
    """What `catalogue.json` has to say of all detectors, by name."""
    return {name: listing_of(name).as_json() for name in sorted(_ENTRIES)}


def build_phases(name: str, input_spec: Any, **params: Any) -> Phases:
    """What has to be fitted, in order, to train a detector; the last one is the detector.

    Args:
        name: one of `list_detectors()`.
        input_spec: shape of one sample without the batch axis, e.g. (28, 28, 1), (121,), or (8, 64, 128, 3), or a
            `keras.InputSpec`.
        **params: `seed`, and what `parameters_of(name)` lists. The end of the paper's file and its class say what
            each one means.

    Raises:
        ValueError: for an unknown name or parameter, a shape that the detector is not for, or images where Keras is set
            to channels_first.
    """
    found = entry(name)
    check_parameters(name, {key: value for key, value in params.items() if key != "seed"})
    shape = tuple(getattr(input_spec, "shape", input_spec))
    shape = shape[1:] if hasattr(input_spec, "shape") else shape
    if len(shape) >= 3 and keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "Expected Keras's image_data_format 'channels_last': images are (H, W, C) here. Received: "
            f"{keras.config.image_data_format()!r}; keras.config.set_image_data_format('channels_last') or keras.json "
            "sets it."
        )
    try:
        return found.build(shape, **params)
    except TypeError as error:
        raise ValueError(f"Could not build {name!r} with {params}: {error}.") from error


def build_detector(name: str, input_spec: Any, **params: Any) -> AnomalyDetector:
    """The detector alone; takes what `build_phases` takes."""
    return typing.cast(AnomalyDetector, list(build_phases(name, input_spec, **params).values())[-1])


def steps_per_epoch(name: str, shape: tuple[int, ...], rows: int, batch_size: int) -> int | None:
    """Steps of an epoch for `fit`: at least `Tags.least_steps` on tables; None, one pass over the rows, where the
    detector asks for none, and on images."""
    least = entry(name).tags.least_steps
    return max(least, -(-rows // batch_size)) if least and len(shape) == 1 else None


# For builders.


def kind_of(shape: tuple[int, ...]) -> str:
    """ "table" for rows (features,), "image" for (H, W, C).

    Raises:
        ValueError: for another shape.
    """
    if len(shape) not in (1, 3):
        raise ValueError(f"Expected rows (features,) or images (H, W, C). Received: shape {shape}.")
    return "table" if len(shape) == 1 else "image"


def latent_size(latent_dim: int | None, default: int) -> int:
    """The size of z: what the user says, or the default.

    Raises:
        ValueError: for latent_dim < 1.
    """
    if latent_dim is not None and latent_dim < 1:
        raise ValueError(f"Expected latent_dim >= 1. Received: latent_dim={latent_dim!r}.")
    return latent_dim or default


def _is_network(parameter: inspect.Parameter) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, keras.Model) for kind in members(parameter.annotation))

"""What runs of images, tables and footage are asked for alike."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from keras_anogan import catalogue
from keras_anogan.catalogue import check_parameters, check_threshold, list_detectors, listing, meant

if TYPE_CHECKING:
    from keras_anogan.models.registry import Entry


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunArguments:
    """What runs of images, tables and footage are asked for alike; equal arguments and data give equal weights.

    Attributes:
        detector: name in the registry; a default by kind of data.
        params: parameters of the detector, such as {"kappa": 0.1}; see `models.parameters_of`.
        epochs: of each phase of training.
        budget: seconds that training may take, instead of epochs.
        batch_size: rows of one player's batch.
        learning_rate: of Adam(beta_1=0.5), for every player.
        threshold: name in `thresholds.THRESHOLDS`: `alpha` sets "conformal", "quantile" and "peaks"; `k` sets
            "cumulative", "exponential", "double_exponential" and "sliding".
        alpha: accepted false-alarm rate; None for 1 %, or the lowest that the calibration data allow.
        k: standard deviations above the mean.
        seed: of weights, noise, data order and split.
        smoke: one epoch on few rows, to see that everything works.
        devices: "one", or "all" GPUs of the machine, between which each batch is divided.
    """

    detector: str | None = None
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    epochs: int | None = 20
    budget: float | None = None
    batch_size: int | None = 64
    learning_rate: float | None = None
    threshold: str = "conformal"
    alpha: float | None = None
    k: float = 3.0
    seed: int = 0
    smoke: bool = False
    devices: str = "one"

    def __post_init__(self) -> None:
        self._check_at_least_one("epochs", "batch_size")
        if self.budget is not None and self.epochs is not None and not self.smoke:
            raise ValueError(f"Expected --epochs or --budget. Received: both, {self.epochs} and {self.budget:g} s.")
        if self.budget is not None and not 0.0 < self.budget < math.inf:
            raise ValueError(f"Expected --budget > 0. Received: {self.budget:g} seconds.")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise ValueError(f"Expected --learning-rate > 0. Received: {self.learning_rate}.")
        check_threshold(self.threshold, self.alpha)
        if not 0.0 <= self.k < math.inf:
            raise ValueError(f"Expected a finite --k >= 0. Received: {self.k}.")
        if self.seed < 0:
            raise ValueError(f"Expected --seed >= 0. Received: {self.seed}.")
        if self.devices not in ("one", "all"):
            raise ValueError(f"Expected --devices to be one or all. Received: {self.devices}.")
        if self.smoke:
            object.__setattr__(self, "epochs", 1)

    @property
    def kind(self) -> str:
        """ "images", "table" or "footage"."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """Files and folders that the run reads."""
        raise NotImplementedError

    @property
    def entry(self) -> Entry:
        """The detector's entry in the registry."""
        from keras_anogan.models import entry

        return entry(str(self.detector))

    @property
    def tags(self) -> catalogue.Tags:
        """What kind of detector it is."""
        return listing(str(self.detector)).tags

    @property
    def built_with(self) -> dict[str, Any]:
        """What the detector's builder is given, besides shape and seed."""
        return dict(self.params)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the detectors that are trained, one after the other."""
        return tuple(range(self.seed, self.seed + getattr(self, "ensemble", 1)))

    def build_threshold(self, capacity: int | None = None) -> Any:
        """A new threshold as asked for, for so many calibration scores."""
        from keras_anogan.thresholds import LEAST_ALPHA, build_threshold

        alpha = LEAST_ALPHA if self.alpha is None else self.alpha
        return build_threshold(self.threshold, alpha=alpha, k=self.k, capacity=capacity)

    def _check_detector(self, kind: str, noun: str) -> None:
        """Refuse a detector, or parameters of it, that there are not for this kind of data."""
        if self.detector not in list_detectors():
            names, near = ", ".join(list_detectors(kind)), meant(str(self.detector), list_detectors())
            raise ValueError(f"Expected --detector to be one of {names}. Received: {self.detector!r}{near or '.'}")
        inputs = listing(str(self.detector)).inputs
        if kind not in inputs:
            fitting = list_detectors(kind)
            hint = "; train-video trains it" if inputs == ("window",) else ""
            raise ValueError(
                f"Expected --detector {', '.join(fitting[:-1])} or {fitting[-1]} for {noun}. "
                f"Received: {self.detector}{hint}."
            )
        for key in ("architecture", "horizon", "filters"):
            if key in self.params and hasattr(self, key):
                raise ValueError(f"Expected --{key} {self.params[key]}. Received: --set {key}={self.params[key]}.")
        check_parameters(str(self.detector), self.built_with)

    def _check_at_least_one(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Expected --{name.replace('_', '-')} >= 1. Received: {value}.")

    def _set_default(self, key: str, value: Any) -> None:
        if getattr(self, key) is None:
            object.__setattr__(self, key, value)

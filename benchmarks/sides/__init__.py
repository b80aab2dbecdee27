"""Both sides of every timing: one module for each kind of detector, with `ours(case)` and `theirs(case)`.

Both return a `Side`. Modules import TensorFlow and PyTorch inside functions, because one process may not hold both:
PyTorch 2.14 dies where TensorFlow has been imported before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a case, ready to be timed.

    Attributes:
        run: does the timed work once.
        parameters: network -> its trainable parameters, for networks that both sides must have alike.
        operations: floating-point operations of one `run`; 0: not counted.
    """

    run: Callable[[], Any]
    parameters: dict[str, int] = dataclasses.field(default_factory=dict)
    operations: float = 0.0


def keras_parameters(*networks: Any) -> int:
    """Trainable parameters of Keras networks together."""
    return sum(int(np.prod(variable.shape)) for network in networks for variable in network.trainable_variables)


def torch_parameters(*modules: Any) -> int:
    """Parameters of PyTorch modules together."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())

"""Both sides of every timing: one module for each kind of detector, with `ours(case)` and `theirs(case)`.

Both return a `Side`. Modules import TensorFlow and PyTorch inside functions, because one process may not hold both:
PyTorch 2.14 dies where TensorFlow has been imported before it.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
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


def forward_operations(network: Any) -> float:
    """Floating-point operations of a Keras network's forward pass of one sample: 2 for each multiply-add of its dense
    and convolution layers."""
    total = 0.0
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Dense":
            total += 2.0 * math.prod(layer.kernel.shape)
        elif "Conv2D" in kind:
            positions = layer.input if kind.endswith("Transpose") else layer.output
            total += 2.0 * math.prod(layer.kernel.shape) * math.prod(positions.shape[1:3])
    return total


def served(detector: Any, x: np.ndarray, images: int, batch: int) -> Callable[[], None]:
    """Scores of images by the exported model, batch by batch; `detector` is new."""
    import tensorflow as tf

    from keras_anogan import ConformalThreshold, FittedDetector

    detector.compile()
    threshold = ConformalThreshold(0.05).adapt(detector.predict(x[:256]))
    folder = tempfile.mkdtemp()
    FittedDetector(None, detector, threshold, raw_shape=x.shape[1:], raw_dtype="float32").export(f"{folder}/1")
    signature = tf.saved_model.load(f"{folder}/1").signatures["serving_default"]

    def score() -> None:
        for i in range(0, images, batch):
            signature(raw=tf.constant(x[i : i + batch]))["score"].numpy()

    return score

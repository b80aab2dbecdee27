"""Memory that a training takes, told before anything is built: a process that takes too much is killed without a word.

Networks are counted in a graph of TensorFlow's, in which weights have shapes and no memory.
"""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
from typing import Any

import keras
import tensorflow as tf

from keras_anogan.models import build_phases
from keras_anogan.models.pca import MOST_BYTES
from keras_anogan.runs.budget import fitting_batch
from keras_anogan.runs.run_arguments import RunArguments

GIB = 2**30
SLOTS = 3  # of each weight that is trained: its gradient and Adam's two averages
KEPT = 1.5  # times the outputs of all layers once: measured of f-AnoGAN at 128 pixels
COPIES = 4.6  # of the rows that PCA, the baseline, solves for at a time: measured at 512 pixels
CGROUP = pathlib.Path("/sys/fs/cgroup/memory.max")


def check_memory(arguments: RunArguments, shape: tuple[int, ...], rows: int = 16) -> float:
    """Refuse networks that take more memory than the machine has.

    It also is what tells that a detector is not for a shape.

    Args:
        arguments: of the run.
        shape: of one row.
        rows: to train on, of which the size of a batch may depend; default: so few that a batch is as small as can be.

    Returns:
        The share of the memory that they take, about; 0 where nobody knows how much there is.

    Raises:
        ValueError: one sentence that tells how much it takes, and which size or batch would do.
    """
    batch = arguments.batch_size or fitting_batch(rows)
    weights, needed = estimate_memory(arguments, shape, batch)
    have = memory_of_machine()
    if have is None or needed <= have:
        return needed / have if have else 0.0
    ways = []
    less, one_at_a_time = batch, estimate_memory(arguments, shape, 1)[1]
    if one_at_a_time <= have:
        while less > 1 and estimate_memory(arguments, shape, less)[1] > have:
            less //= 2
        ways.append(f"--batch-size {less} takes {_gib(estimate_memory(arguments, shape, less)[1])}")
    smaller = shape
    while len(smaller) == 3 and min(smaller[:2]) >= 32:
        smaller = (smaller[0] // 2, smaller[1] // 2, smaller[2])
        if (takes := estimate_memory(arguments, smaller, batch)[1]) <= have:
            size = str(smaller[0]) if smaller[0] == smaller[1] else f"{smaller[1]}x{smaller[0]}"
            ways.append(f"--image-size {size} takes {_gib(takes)}")
            break
    raise ValueError(
        f"Expected networks that fit into the {_gib(have)} GiB of memory here. Received: {arguments.detector} for rows "
        f"of shape {shape}, {weights / 1e6:,.0f} million weights, which take about {_gib(needed)} GiB in training with "
        f"--batch-size {batch}{'; ' + ', '.join(ways) if ways else ''}."
    )


def estimate_memory(arguments: RunArguments, shape: tuple[int, ...], batch_size: int) -> tuple[int, float]:
    """How many weights a detector and what it is trained with have, and the bytes that training takes, about.

    Raises:
        ValueError: what the detector's builder says of the shape.
    """
    with tf.Graph().as_default():
        phases = build_phases(str(arguments.detector), shape, seed=arguments.seed, **arguments.built_with)
        weights = _sizes(variable for model in phases.values() for variable in model.weights)
        trained = _sizes(variable for model in phases.values() for variable in model.trainable_variables)
        kept = sum(_outputs(network) for network in {id(n): n for m in phases.values() for n in _networks(m)}.values())
    features = math.prod(shape)
    solved = 32 + max(32, min(256, MOST_BYTES // (4 * features)))  # components, and rows of a part
    return weights, 4.0 * (weights + SLOTS * trained + KEPT * batch_size * kept + COPIES * solved * features)


def memory_of_machine() -> int | None:
    """Bytes of memory that this process may use; None where the system does not tell."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(ValueError, OSError):  # "max": no limit
        found.append(int(CGROUP.read_text()))
    with contextlib.suppress(ImportError):
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [] if limit == resource.RLIM_INFINITY else [limit - _addresses()]
    return min(found, default=None)


def _addresses() -> int:
    """Bytes of addresses that this process has taken already, which a limit counts; 0 where there is no /proc."""
    try:
        return int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _sizes(variables: Any) -> int:
    return sum({id(variable): math.prod(variable.shape) for variable in variables}.values())


def _networks(model: Any) -> list[keras.Model]:
    """The functional networks that a model holds."""
    return [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.Model) and hasattr(layer, "operations")
    ]


def _outputs(network: keras.Model) -> int:
    """Numbers that the layers of a network give for one row."""
    tensors = [tensor for operation in network.operations for tensor in keras.tree.flatten(operation.output)]
    return sum(math.prod(side or 1 for side in tensor.shape) for tensor in tensors)


def _gib(amount: float) -> str:
    return f"{amount / GIB:.1f}" if amount < 10 * GIB else f"{amount / GIB:,.0f}"

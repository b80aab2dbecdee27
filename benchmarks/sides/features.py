"""Scores of photographs by a Gaussian of features, against the same backbone in PyTorch."""

from __future__ import annotations

import functools
import math
import pathlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from case import THREADS, Case, draw

from sides import Side, forward_operations, served

SHAPE, BATCH, PHOTOGRAPHS = (224, 224, 3), 32, 256
KEPT = (5, 7)  # stages whose maps become features
# Repeats, kernel, stride, expansion and channels of each stage: those of keras_anogan/nn/efficientnet_lite.py, which
# would bring TensorFlow into PyTorch's process.
STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


PHOTOGRAPH = (640, 480)  # width and height of a file


def ours(case: Case) -> Side:
    """The exported model: backbone, features, Gaussian; of files, what `keras-anogan score` does with them."""
    from keras_anogan import build_detector
    from keras_anogan.models.features import FeatureDetector
    from keras_anogan.nn.features import build_features

    x = draw(SHAPE, PHOTOGRAPHS)
    features = build_features("efficientnet_lite0", SHAPE)
    detector: Any = FeatureDetector(features, build_detector("gaussian", features.shape))
    detector.compile()
    detector.fit(x[:64])
    backbone = features.backbone
    kernels = sum(math.prod(layer.kernel.shape) for layer in backbone.layers if hasattr(layer, "kernel"))
    run = _score_files(detector, case) if case.task == "files" else served(detector, x, case.units, BATCH)
    return Side(run, {"backbone": kernels}, case.units * forward_operations(backbone))


def _score_files(detector: Any, case: Case) -> Callable[[], None]:
    from keras_anogan import ConformalThreshold, FittedDetector, image_preprocessing
    from keras_anogan.datasets import ImageRows
    from keras_anogan.serving.scoring import Scorer

    threshold = ConformalThreshold(0.05).adapt(np.arange(100.0))
    scorer = Scorer(FittedDetector(image_preprocessing(*SHAPE[:2]), detector, threshold))
    paths = _files(case.units)
    return lambda: scorer.numbers(ImageRows(paths, scorer.fitted.preprocess, cache_bytes=0))


def _files(count: int) -> list[pathlib.Path]:
    """Photographs as JPEG files: smooth, with some noise."""
    from PIL import Image

    folder, made = pathlib.Path(tempfile.mkdtemp()), np.random.default_rng(0)
    for i in range(count):
        image = Image.fromarray(made.integers(0, 256, (12, 16, 3), dtype="uint8")).resize(PHOTOGRAPH)
        noisy = np.asarray(image) + made.normal(0, 4, (*PHOTOGRAPH[::-1], 3))
        Image.fromarray(np.clip(noisy, 0, 255).astype("uint8")).save(folder / f"{i:04d}.jpg", quality=90)
    return sorted(folder.iterdir())


def theirs(case: Case) -> Side:
    """The same in PyTorch: channels last, batch normalisation fused into the convolutions by PyTorch's own function.

    Files are decoded and shrunk by Pillow on two threads, one batch ahead of the network.
    """
    import torch

    stages = [stage.eval() for stage in torch_stages()]
    kernels = sum(parameter.numel() for stage in stages for parameter in stage.parameters() if parameter.ndim == 4)
    _fuse(stages)
    stages = [stage.to(memory_format=torch.channels_last) for stage in stages]
    if case.task == "files":
        return Side(functools.partial(_torch_files, stages, _files(case.units)), {"backbone": kernels})
    x = torch.from_numpy(draw(SHAPE, PHOTOGRAPHS)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return Side(_torch_score(stages, x, case), {"backbone": kernels})


def _torch_files(stages: list[Any], paths: list[pathlib.Path]) -> None:
    import torch
    from PIL import Image

    def read(path: pathlib.Path) -> np.ndarray:
        with Image.open(path) as image:
            small = image.convert("RGB").resize(SHAPE[1::-1], Image.Resampling.BILINEAR)
        return np.asarray(small, "float32") / 127.5 - 1.0

    parts = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    case = Case("", "", "", "", BATCH, 0.0)
    with ThreadPoolExecutor(THREADS) as pool:
        coming = [pool.submit(read, path) for path in parts[0]]
        for i in range(len(parts)):
            images = np.stack([future.result() for future in coming])
            coming = [pool.submit(read, path) for part in parts[i + 1 : i + 2] for path in part]
            x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            _torch_score(stages, x, case)()


def _torch_score(stages: list[Any], x: Any, case: Case) -> Callable[[], None]:
    import torch

    size = 2 * sum(stages[kept].width for kept in KEPT)
    mean, whitener = torch.zeros(size), torch.eye(size)

    def score() -> None:
        with torch.no_grad():
            for i in range(0, case.their_units, BATCH):
                h, found = (127.5 * (x[i : i + BATCH] + 1.0) - 127.0) / 128.0, []
                for number, stage in enumerate(stages):
                    h = stage(h)
                    if number in KEPT:
                        found += [h.mean((2, 3)), h.std((2, 3), correction=0)]
                ((torch.cat(found, 1) - mean) @ whitener).square().sum(1).numpy()

    return score


def torch_stages() -> list[Any]:
    """Stem and seven stages of EfficientNet-Lite0; `width` is what each gives."""
    import torch
    from torch import nn

    def convolution(before: int, after: int, kernel: int, stride: int, groups: int = 1, relu: bool = True) -> Any:
        layers = [
            nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(after),
        ]
        return nn.Sequential(*layers, *([nn.ReLU6(True)] if relu else []))

    class Block(nn.Module):
        def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
            super().__init__()
            inner = before * expansion
            expand = [convolution(before, inner, 1, 1)] if expansion > 1 else []
            depthwise = convolution(inner, inner, kernel, stride, inner)
            self.body = nn.Sequential(*expand, depthwise, convolution(inner, after, 1, 1, relu=False))
            self.adds = stride == 1 and before == after

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x) if self.adds else self.body(x)

    found, width = [convolution(3, 32, 3, 2)], 32
    for repeats, kernel, stride, expansion, channels in STAGES:
        blocks = []
        for i in range(repeats):
            blocks.append(Block(width, channels, kernel, stride if i == 0 else 1, expansion))
            width = channels
        found.append(nn.Sequential(*blocks))
        found[-1].width = channels
    return found


def _fuse(modules: list[Any]) -> None:
    """Batch normalisation into the convolution before it, wherever the two stand in a row."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in modules:
        for part in [module, *module.modules()]:
            if isinstance(part, nn.Sequential) and len(part) > 1 and isinstance(part[1], nn.BatchNorm2d):
                part[0], part[1] = fuse_conv_bn_eval(part[0], part[1]), nn.Identity()

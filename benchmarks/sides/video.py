"""Video: windows from a store against pictures, IFTM's stream against a compiled call, C-VGAN against PyTorch."""

from __future__ import annotations

import itertools
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from case import CLIPS, FRAME, Case, draw

from sides import Side, keras_parameters, torch_parameters

FILTERS, JUDGE_FILTERS = 16, 8  # of the first convolution of C-VGAN's generator and discriminator


def ours(case: Case) -> Side:
    """Windows of a store, IFTM's stream, or C-VGAN's training steps."""
    return {"feed": _feed_from_store, "stream": _stream, "cvgan": _cvgan_steps}[case.task](case)


def theirs(case: Case) -> Side:
    """Decoded pictures, the compiled generator alone, or C-VGAN's training steps in PyTorch."""
    return {"feed": _feed_from_pictures, "stream": _compiled_call, "cvgan": _torch_cvgan_steps}[case.task](case)


# Windows.


def _write_day() -> tuple[pathlib.Path, list[pathlib.Path]]:
    """A new folder with 1,200 frames as PNGs in `raw/day`, and their paths in order."""
    from PIL import Image

    folder = pathlib.Path(tempfile.mkdtemp())
    frames = np.random.default_rng(0).integers(0, 256, (1200, *FRAME), dtype="uint8")
    frames = frames.repeat(4, axis=1).repeat(4, axis=2)[:, : FRAME[0], : FRAME[1]]  # a picture that a PNG can pack
    (folder / "raw" / "day").mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "raw" / "day" / f"{i:05d}.png")
    return folder, sorted((folder / "raw" / "day").iterdir())


def _feed_from_store(case: Case) -> Side:
    from keras_anogan.video import VideoWindows, prepare

    folder, _ = _write_day()
    windows = VideoWindows(prepare(folder / "raw", folder / "store"), batch_size=32, stride=1)
    batches = [i % len(windows) for i in range(case.units // 32)]
    return Side(lambda: [windows[i] for i in batches])


def _feed_from_pictures(case: Case) -> Side:
    from PIL import Image

    _, paths = _write_day()
    starts = np.random.default_rng(1).integers(0, len(paths) - 8, case.their_units)

    def decoded(start: int) -> np.ndarray:
        return np.stack([np.asarray(Image.open(path)) for path in paths[start : start + 8]])

    return Side(lambda: [decoded(i) / np.float32(127.5) - np.float32(1.0) for i in starts])


# C-VGAN's forecasts, one window after the other.


def _stream(case: Case) -> Side:
    from keras_anogan import IFTM, CumulativeAggregation, PredictionError
    from keras_anogan.models.cvgan import build_video_generator

    generator = build_video_generator(FRAME, filters=FILTERS, seed=0)
    iftm = IFTM(generator, PredictionError(frames=-1), CumulativeAggregation(k=3.0))
    frames = draw(FRAME, case.units + 7)
    return Side(lambda: [result.error for result in iftm.stream(frames)])


def _compiled_call(case: Case) -> Side:
    import tensorflow as tf

    from keras_anogan.models.cvgan import build_video_generator

    generator = build_video_generator(FRAME, filters=FILTERS, seed=0)
    graph = tf.function(lambda x: generator(x, training=False))
    frames = draw(FRAME, case.their_units + 7)
    windows = [tf.constant(frames[i : i + 7][None]) for i in range(case.their_units)]
    return Side(lambda: [graph(x).numpy() for x in windows])


# C-VGAN's training, with the thesis's layers.


def _cvgan_steps(case: Case) -> Side:
    from keras_anogan.models.cvgan import CVGAN, build_video_discriminator, build_video_generator

    generator = build_video_generator(FRAME, filters=FILTERS)
    discriminator = build_video_discriminator((8, *FRAME), filters=JUDGE_FILTERS)
    model = CVGAN(generator, discriminator)
    model.compile()
    x = draw((8, *FRAME), 16)
    parameters = {"generator": keras_parameters(generator), "discriminator": keras_parameters(discriminator)}
    fit = lambda: model.fit(x, batch_size=CLIPS, epochs=1, steps_per_epoch=case.units, verbose=0)  # noqa: E731
    return Side(fit, parameters)


def _torch_cvgan_steps(case: Case) -> Side:
    """The same steps in PyTorch, channels last, the fused Adam."""
    import torch

    networks = torch_generator(FILTERS), torch_discriminator(JUDGE_FILTERS)
    for layer in itertools.chain.from_iterable(network.modules() for network in networks):
        rank = layer.weight.dim() if type(layer).__name__.startswith("Conv") else 0
        if rank:
            layer.to(memory_format=torch.channels_last_3d if rank == 5 else torch.channels_last)
    x = torch.from_numpy(draw((8, *FRAME), 16)).permute(0, 4, 1, 2, 3).contiguous(memory_format=torch.channels_last_3d)
    parameters = dict(zip(("generator", "discriminator"), map(torch_parameters, networks), strict=True))
    return Side(_torch_steps(*networks, x, case.their_units), parameters)


def _torch_steps(generator: Any, judge: Any, x: Any, steps: int) -> Callable[[], None]:
    import torch
    from torch.nn import functional

    players = [(m, torch.optim.Adam(m.parameters(), 2e-4, (0.5, 0.999), fused=True)) for m in (generator, judge)]

    def train() -> None:
        for i in range(steps):
            window = x[CLIPS * i % 16 :][:CLIPS]
            video = generator(window[:, :, :7])
            real, fake = judge(window), judge(video)
            judge_loss = functional.softplus(-real).mean() + functional.softplus(fake).mean()
            past = (video[:, :, :7] - window[:, :, :7]).abs().mean()
            losses = (functional.softplus(-fake).mean() + 10.0 * past, judge_loss)
            gradients = [
                torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
                for loss, (module, _) in zip(losses, players, strict=True)
            ]
            for (module, optimizer), found in zip(players, gradients, strict=True):
                for parameter, gradient in zip(module.parameters(), found, strict=True):
                    parameter.grad = gradient
                optimizer.step()

    return train


FLAT, DEEP = (1, 2, 2), (2, 2, 2)  # strides over space, and over time and space
ORDER = [FLAT, DEEP, FLAT, DEEP, FLAT]


def _block(kind: str, a: int, b: int, strides: tuple[int, ...], norm: bool, slope: float) -> Any:
    """A convolution of that kind from a to b channels, batch normalisation and a (leaky) ReLU."""
    from torch import nn

    extra = {"output_padding": tuple(s - 1 for s in strides)} if "Transpose" in kind else {}
    convolution = getattr(nn, kind)(a, b, 3, strides, 1, bias=False, **extra)
    parts = [convolution, getattr(nn, f"BatchNorm{kind[-2:]}")(b)] if norm else [convolution]
    return nn.Sequential(*parts, nn.LeakyReLU(slope) if slope else nn.ReLU())


def _chain(
    kind: str, widths: list[int], strides: list[tuple[int, ...]], inner: bool = False, slope: float = 0.0
) -> list[Any]:
    """Blocks from width to width. The first block of a network has no batch normalisation; an `inner` chain has it."""
    pairs = zip(itertools.pairwise(widths), strides, strict=True)
    return [_block(kind, a, b, s, i > 0 or inner, slope) for i, ((a, b), s) in enumerate(pairs)]


def torch_generator(filters: int) -> Any:
    """The thesis's two streams: a foreground in 3D, a still background in 2D."""
    import torch
    from torch import nn

    f = [filters * 2**i for i in range(5)]
    down = f[::-1]

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.foreground = nn.Sequential(
                *_chain("Conv3d", [3, *f], ORDER), *_chain("ConvTranspose3d", down, ORDER[:4], inner=True)
            )
            heads = [nn.ConvTranspose3d(f[0], k, 3, FLAT, 1, (0, 1, 1), bias=False) for k in (3, 1)]
            self.heads = nn.ModuleList(heads)
            self.background = nn.Sequential(*_chain("Conv3d", [3, *f[:3]], [DEEP] * 3))
            self.still = nn.Sequential(
                *_chain("Conv2d", f[2:], [(2, 2)] * 2, inner=True),
                *_chain("ConvTranspose2d", down, [(2, 2)] * 4, inner=True),
                nn.ConvTranspose2d(f[0], 3, 3, 2, 1, 1, bias=False),
                nn.Tanh(),
            )

        def forward(self, x: Any) -> Any:
            code = self.foreground(x)
            video, mask = torch.tanh(self.heads[0](code)), torch.sigmoid(self.heads[1](code))
            still = self.still(self.background(x).squeeze(2))
            return mask * video + (1.0 - mask) * still[:, :, None]

    return Generator()


def torch_discriminator(filters: int) -> Any:
    """The thesis's discriminator of a window of eight frames."""
    from torch import nn

    blocks = _chain("Conv3d", [3, *(filters * 2**i for i in range(5))], ORDER, slope=0.3)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(2 * 2 * 4 * 16 * filters, 1))

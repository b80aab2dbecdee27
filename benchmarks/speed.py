"""Speed against other code, both on two threads: `python benchmarks/speed.py [NAME ...]`.

f-AnoGAN and C-VGAN against the same layers in PyTorch; EfficientGAN against the loop in which it is usually found in
Keras, `predict` for the batches and `train_on_batch` for the players (with one optimizer for each model, as Keras 3
wants it); windows of video against decoding each window's pictures; IFTM's stream against its model's compiled call.

Each side lives in a process of its own and is timed in turn, pair by pair, in one run; the result is the median of the
ratios their time / ours. PyTorch is lean: eager, gradients of frozen networks off, channels_last for convolutions, the
fused Adam, gradients set to None. Ours is what a user runs: `fit` with the callbacks of `keras-anogan train`, and the
exported SavedModel. Beside a ratio to PyTorch stands the share of the matrix-multiplication peak that this machine
reaches in TensorFlow, measured in the same run.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import mnist_sides
import numpy as np

THREADS, BATCH, N_CRITIC, LAMBDA, PAIRS, EPOCHS = 2, 64, 5, 10.0, 7, 2
SINGLE = 512  # images that the one-by-one loop scores in one timing
MLP, CONV, FEATURES = (28, 28, 1), (32, 32, 1), 121


# What is timed: name -> (what it is, units in one timing, bound on the ratio).

CASES = {
    "speed-fanogan-train": ("WGAN-GP cycle (5 critic + 1 generator), MLP, batch 64, `fit` with callbacks", 170, 1.5),
    "speed-fanogan_encoder-train": ("izif step of the encoder, MLP, batch 64, `fit` with callbacks", 510, 1.3),
    "speed-fanogan_conv-train": ("WGAN-GP cycle, DCGAN of 64 filters, 32 x 32, batch 64, `fit` with callbacks", 8, 1.3),
    "speed-fanogan-score": ("scores of the exported MLP at batch 256, against PyTorch at 256", 8192, 1.0),
    "speed-fanogan_single-score": (
        "scores of the exported MLP at batch 256, against the reference's loop in PyTorch: one image a call, gradients "
        "recorded, E(G(E(x))) too",
        8192,
        20.0,
    ),
    "speed-efficientgan-train": (
        "EfficientGAN, 25 real and 25 generated rows of 121 features a step, `fit` with callbacks, against a loop of "
        "predict and train_on_batch",
        6400,
        40.0,
    ),
    "speed-efficientgan-score": (
        "EfficientGAN, `predict` on rows of 121 features in batches of 4,096, against a predict of each network in "
        "Keras's own batches of 32, as scripts have it",
        32_768,
        5.0,
    ),
    "speed-windows-feed": (
        "windows of 8 frames, 128 x 64, from a prepared store, against decoding the PNGs of each window",
        4096,
        5.0,
    ),
    "speed-iftm-score": (
        "C-VGAN of 16 filters, window by window: time of its compiled call over that of `IFTM.stream`, which judges "
        "and learns",
        96,
        round(1 / 1.05, 3),
    ),
    "speed-cvgan-train": ("C-VGAN step, the thesis's layers at 16 filters, 128 x 64, batch 4", 12, 1.0),
    "speed-anogan-score": (
        "AnoGAN, DCGAN of 16 filters, 28 x 28, 500 steps for 256 images at once, against a Python loop: one image, "
        "one compiled step a call",
        mnist_sides.IMAGES,
        20.0,
    ),
    "speed-anogan_single-score": (
        "the same against the same graph, one image a call",
        mnist_sides.IMAGES,
        6.0,
    ),
    "speed-gan_discriminator-train": (
        "GAN of the MNIST notebook at its full width, batch 64, `one_batch=False` as there, `fit` with callbacks",
        12,
        1.3,
    ),
    "speed-gan_discriminator_dense-train": (
        "the same, with the discriminator's convolution to one pixel as a dense layer in PyTorch too",
        12,
        1.3,
    ),
    "speed-autoencoder-train": (
        "autoencoder of the MNIST notebook at its full width, batch 64, `fit` with callbacks",
        12,
        1.3,
    ),
}
THEIR_UNITS = {
    "speed-fanogan_single-score": SINGLE,
    "speed-efficientgan-train": 20,
    "speed-efficientgan-score": 8192,
    "speed-windows-feed": 256,
    "speed-anogan-score": 2,
    "speed-anogan_single-score": 4,
}
FRAME, CLIPS = (64, 128, 3), 4


# Ours.


def ours(name: str):
    """A function that does the timed work once."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    import keras

    from keras_anogan import ConformalThreshold, FittedDetector, build_phases
    from keras_anogan.callbacks import CollapseMonitor, EpochBackup, ImageGrid, TerminateOnNonFinite
    from keras_anogan.training.averages import NetworkEMA

    if "windows" in name:
        return feed("ours")
    if "iftm" in name:
        return stream("ours")
    if "cvgan" in name:
        return cvgan_steps(name)
    if "-anogan" in name:
        return mnist_sides.anogan("ours", name, CASES[name][1])
    if "autoencoder" in name or "gan_discriminator" in name:
        return mnist_sides.fit(name, draw(MLP), CASES[name][1])
    if "efficientgan" in name:
        (table,) = build_phases("efficientgan", (FEATURES,)).values()
        table.compile()
        rows = draw((FEATURES,), CASES[name][1])
        if name.endswith("score"):
            return lambda: table.predict(rows, batch_size=4096)

        def fit_table() -> None:
            with tempfile.TemporaryDirectory() as folder:
                callbacks = [TerminateOnNonFinite(), NetworkEMA(0.999), EpochBackup(f"{folder}/backup", 2.0)]
                steps = CASES[name][1] // EPOCHS
                table.fit(rows, batch_size=25, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

        return fit_table
    conv = "conv" in name
    shape = CONV if conv else MLP
    params = {"architecture": "dcgan", "latent_dim": 128} if conv else {"architecture": "mlp"}
    phases = build_phases("fanogan", shape, **params)
    x = draw(shape)
    if name.endswith("score"):
        detector = phases["encoder"]
        detector.compile()
        threshold = ConformalThreshold(0.05).adapt(detector.predict(x[:256]))
        folder = tempfile.mkdtemp()
        FittedDetector(None, detector, threshold, raw_shape=shape, raw_dtype="float32").export(f"{folder}/1")
        served = tf.saved_model.load(f"{folder}/1").signatures["serving_default"]

        def score() -> None:
            for i in range(0, CASES[name][1], 256):
                served(raw=tf.constant(x[i : i + 256]))["score"].numpy()

        return score
    model = phases["encoder" if "encoder" in name else "wgan_gp"]
    model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})

    def fit() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite()]
            if "encoder" not in name:
                callbacks += [CollapseMonitor(x[:256]), ImageGrid(f"{folder}/samples")]
            callbacks.append(EpochBackup(f"{folder}/backup", every_seconds=2.0))
            steps = CASES[name][1] // EPOCHS
            model.fit(x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    return fit


# PyTorch.


def theirs(name: str):
    """A function that does the same work once in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    if "cvgan" in name:
        return torch_cvgan_steps(name)
    if "autoencoder" in name or "gan_discriminator" in name:
        x = torch.from_numpy(draw(MLP)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        if "autoencoder" in name:
            return mnist_sides.torch_autoencoder(x, CASES[name][1])[1]
        return mnist_sides.torch_gan(x, CASES[name][1], dense="dense" in name)[1]
    conv = "conv" in name
    generator, body, value, encoder = torch_conv() if conv else torch_mlp()
    x = torch.from_numpy(draw(CONV if conv else MLP))
    x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last) if conv else x.flatten(1)
    latent = 128 if conv else 100

    def adam(*networks: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam([p for n in networks for p in n.parameters()], 2e-4, (0.5, 0.999), fused=True)

    def freeze(flag: bool, *networks: nn.Module) -> None:
        for network in networks:
            network.requires_grad_(not flag)

    if name.endswith("score"):
        for network in (generator, body, value, encoder):
            network.eval()

        def distances(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x_hat = generator(encoder(image))
            residual = ((image - x_hat) ** 2).mean(1)
            return x_hat, residual + ((body(image) - body(x_hat)) ** 2).mean(1)

        def score() -> None:
            with torch.no_grad():
                for i in range(0, CASES[name][1], 256):
                    distances(x[i : i + 256])[1].numpy()

        def score_one_by_one() -> None:
            for i in range(SINGLE):
                x_hat, total = distances(x[i : i + 1])
                (total.item(), ((encoder(x[i : i + 1]) - encoder(x_hat)) ** 2).mean().item())

        if "single" in name:
            return score_one_by_one
        return score
    if "encoder" in name:
        optimizer = adam(encoder)
        generator.eval()
        freeze(True, generator, body, value)

        def train() -> None:
            order = torch.randint(len(x), (CASES[name][1], BATCH))
            for rows in order:
                image = x[rows]
                optimizer.zero_grad(set_to_none=True)
                x_hat = generator(encoder(image))
                with torch.no_grad():
                    features = body(image)
                (((image - x_hat) ** 2).mean() + ((features - body(x_hat)) ** 2).mean()).backward()
                optimizer.step()

        return train
    critic_optimizer, generator_optimizer = adam(body, value), adam(generator)
    critic = lambda image: value(body(image))  # noqa: E731

    def cycle() -> None:
        order = torch.randint(len(x), (CASES[name][1], N_CRITIC, BATCH))
        for step in order:
            freeze(False, body, value)
            for rows in step:
                real = x[rows]
                critic_optimizer.zero_grad(set_to_none=True)
                with torch.no_grad():
                    fake = generator(torch.randn(BATCH, latent))
                alpha = torch.rand(BATCH, *(1,) * (real.ndim - 1))
                mixed = (real + alpha * (fake - real)).requires_grad_(True)
                (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
                penalty = ((slope.flatten(1).norm(2, dim=1) - 1.0) ** 2).mean()
                (critic(fake).mean() - critic(real).mean() + LAMBDA * penalty).backward()
                critic_optimizer.step()
            freeze(True, body, value)
            generator_optimizer.zero_grad(set_to_none=True)
            (-critic(generator(torch.randn(BATCH, latent))).mean()).backward()
            generator_optimizer.step()

    return cycle


def torch_mlp():
    """Generator, critic's body and value, encoder of the exercise."""
    from torch import nn

    slope = 0.2
    layers = [nn.Linear(100, 128), nn.LeakyReLU(slope)]
    for a, b in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(slope)]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())
    trunk = lambda: [nn.Linear(784, 512), nn.LeakyReLU(slope), nn.Linear(512, 256), nn.LeakyReLU(slope)]  # noqa: E731
    encoder = nn.Sequential(*trunk(), nn.Linear(256, 100), nn.Tanh())
    return generator, nn.Sequential(*trunk()), nn.Linear(256, 1), encoder


def torch_conv():
    """DCGAN generator, critic's body and value at 32 x 32, 64 filters; no encoder."""
    import torch
    from torch import nn

    down: list[nn.Module] = []
    for a, b in ((1, 64), (64, 128), (128, 256)):
        down += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
    up: list[nn.Module] = [nn.Linear(128, 4 * 4 * 256, bias=False), nn.Unflatten(1, (256, 4, 4))]
    up += [nn.BatchNorm2d(256), nn.ReLU()]
    for a, b in ((256, 128), (128, 64)):
        up += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    up += [nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()]
    networks = [nn.Sequential(*up), nn.Sequential(*down, nn.Flatten()), nn.Linear(4096, 1)]
    generator, body, value = (network.to(memory_format=torch.channels_last) for network in networks)
    return generator, body, value, None


# The usual loop in Keras.


def usual_loop(name: str):
    """EfficientGAN as scripts have it: three compiled models that share networks, driven from Python."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    from keras_anogan.nn.networks import build_table_encoder, build_table_generator

    encoder, generator = build_table_encoder(FEATURES), build_table_generator(FEATURES)
    slope = lambda: keras.layers.LeakyReLU(0.1)  # noqa: E731
    hidden = lambda h: keras.layers.Dropout(0.2)(slope()(keras.layers.Dense(128)(h)))  # noqa: E731
    x, z = keras.Input((FEATURES,)), keras.Input((32,))
    both = hidden(keras.layers.Concatenate()([hidden(x), hidden(z)]))
    judge = keras.Model([x, z], keras.layers.Dense(1, activation="sigmoid")(both))
    adam = lambda: keras.optimizers.Adam(1e-5, beta_1=0.5)  # noqa: E731
    judge.compile(loss="binary_crossentropy", optimizer=adam())
    rows, chance = draw((FEATURES,)), np.random.default_rng(0)
    ones, zeros = np.ones((25, 1)), np.zeros((25, 1))
    judge.train_on_batch([rows[:25], chance.normal(size=(25, 32))], ones)  # Keras 3 looks at `trainable` when it traces
    judge.trainable = False
    encoding = keras.Model(x, judge([x, encoder(x)]))
    encoding.compile(loss="binary_crossentropy", optimizer=adam())
    generating = keras.Model(z, judge([generator(z), z]))
    generating.compile(loss="binary_crossentropy", optimizer=adam())
    encoding.train_on_batch(rows[:25], zeros)
    generating.train_on_batch(chance.normal(size=(25, 32)), ones)
    before = judge.get_weights()[0].copy()
    judge.train_on_batch([rows[:25], chance.normal(size=(25, 32))], zeros)
    assert len(encoding.trainable_variables) == 4
    assert (judge.get_weights()[0] != before).any()

    def train() -> None:
        for _ in range(THEIR_UNITS[name]):
            real = rows[chance.integers(0, len(rows), 25)]
            noise = chance.normal(size=(25, 32))
            made, codes = generator.predict(noise, verbose=0), encoder.predict(real, verbose=0)
            judge.train_on_batch([real, codes], ones)
            judge.train_on_batch([made, noise], zeros)
            encoding.train_on_batch(real, zeros)
            generating.train_on_batch(noise, ones)

    def score() -> None:
        codes = encoder.predict(rows, verbose=0)
        made = generator.predict(codes, verbose=0)
        judge.predict([rows, codes], verbose=0)
        np.abs(rows - made).sum(axis=1)

    return score if name.endswith("score") else train


# Video.


def feed(side: str):
    """Windows from a prepared store, or from the PNGs of each window."""
    from PIL import Image

    from keras_anogan.video import VideoWindows, prepare

    folder = pathlib.Path(tempfile.mkdtemp())
    frames = np.random.default_rng(0).integers(0, 256, (1200, *FRAME), dtype="uint8")
    frames = frames.repeat(4, axis=1).repeat(4, axis=2)[:, : FRAME[0], : FRAME[1]]  # a picture that a PNG can pack
    (folder / "raw" / "day").mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "raw" / "day" / f"{i:05d}.png")
    paths = sorted((folder / "raw" / "day").iterdir())
    if side == "ours":
        windows = VideoWindows(prepare(folder / "raw", folder / "store"), batch_size=32, stride=1)
        batches = [i % len(windows) for i in range(CASES["speed-windows-feed"][1] // 32)]
        return lambda: [windows[i] for i in batches]
    starts = np.random.default_rng(1).integers(0, len(paths) - 8, THEIR_UNITS["speed-windows-feed"])
    decoded = lambda i: np.stack([np.asarray(Image.open(path)) for path in paths[i : i + 8]])  # noqa: E731
    return lambda: [decoded(i) / np.float32(127.5) - np.float32(1.0) for i in starts]


def stream(side: str):
    """C-VGAN's forecasts, one window after the other: by IFTM's stream, or by the compiled generator alone."""
    import tensorflow as tf

    from keras_anogan import IFTM, CumulativeAggregation, PredictionError
    from keras_anogan.models.cvgan import build_video_generator

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    count = CASES["speed-iftm-score"][1]
    frames = draw(FRAME, count + 7)
    generator = build_video_generator(FRAME, filters=16, seed=0)
    if side == "ours":
        iftm = IFTM(generator, PredictionError(frames=-1), CumulativeAggregation(k=3.0))
        return lambda: [result.error for result in iftm.stream(frames)]
    graph = tf.function(lambda x: generator(x, training=False))
    windows = [tf.constant(frames[i : i + 7][None]) for i in range(count)]
    return lambda: [graph(x).numpy() for x in windows]


def cvgan_steps(name: str):
    """Training steps of C-VGAN with the thesis's layers."""
    from keras_anogan.models.cvgan import CVGAN, build_video_discriminator, build_video_generator

    model = CVGAN(build_video_generator(FRAME, filters=16), build_video_discriminator((8, *FRAME), filters=8))
    model.compile()
    x = draw((8, *FRAME), 16)
    return lambda: model.fit(x, batch_size=CLIPS, epochs=1, steps_per_epoch=CASES[name][1], verbose=0)


def torch_cvgan(filters: int = 16, judge: int = 8):
    """The thesis's two streams and discriminator in PyTorch."""
    import torch
    from torch import nn

    def block(kind: str, a: int, b: int, strides: tuple[int, ...], norm: bool = True, slope: float = 0.0):
        extra = {"output_padding": tuple(s - 1 for s in strides)} if "Transpose" in kind else {}
        convolution = getattr(nn, kind)(a, b, 3, strides, 1, bias=False, **extra)
        parts = [convolution, getattr(nn, f"BatchNorm{kind[-2:]}")(b)] if norm else [convolution]
        return nn.Sequential(*parts, nn.LeakyReLU(slope) if slope else nn.ReLU())

    def chain(kind: str, widths: list[int], strides: list[tuple[int, ...]], first: bool = True, slope: float = 0.0):
        pairs = zip(itertools.pairwise(widths), strides, strict=True)
        return [block(kind, a, b, s, i > 0 or not first, slope) for i, ((a, b), s) in enumerate(pairs)]

    flat, deep, f = (1, 2, 2), (2, 2, 2), [filters * 2**i for i in range(5)]
    order, down = [flat, deep, flat, deep, flat], f[::-1]

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.foreground = nn.Sequential(
                *chain("Conv3d", [3, *f], order), *chain("ConvTranspose3d", down, order[:4], first=False)
            )
            heads = [nn.ConvTranspose3d(f[0], k, 3, flat, 1, (0, 1, 1), bias=False) for k in (3, 1)]
            self.heads = nn.ModuleList(heads)
            self.background = nn.Sequential(*chain("Conv3d", [3, *f[:3]], [deep] * 3))
            self.still = nn.Sequential(
                *chain("Conv2d", f[2:], [(2, 2)] * 2, first=False),
                *chain("ConvTranspose2d", down, [(2, 2)] * 4, first=False),
                nn.ConvTranspose2d(f[0], 3, 3, 2, 1, 1, bias=False),
                nn.Tanh(),
            )

        def forward(self, x):
            code = self.foreground(x)
            video, mask = torch.tanh(self.heads[0](code)), torch.sigmoid(self.heads[1](code))
            still = self.still(self.background(x).squeeze(2))
            return mask * video + (1.0 - mask) * still[:, :, None]

    judges = chain("Conv3d", [3, *(judge * 2**i for i in range(5))], order, slope=0.3)
    return Generator(), nn.Sequential(*judges, nn.Flatten(), nn.Linear(2 * 2 * 4 * 16 * judge, 1))


def torch_cvgan_steps(name: str):
    """The same steps in PyTorch, channels last, fused Adam."""
    import torch
    from torch.nn import functional

    generator, judge = torch_cvgan()
    for layer in (*generator.modules(), *judge.modules()):
        rank = getattr(layer, "weight", torch.empty(0)).dim() if type(layer).__name__.startswith("Conv") else 0
        if rank:
            layer.to(memory_format=torch.channels_last_3d if rank == 5 else torch.channels_last)
    players = [(m, torch.optim.Adam(m.parameters(), 2e-4, (0.5, 0.999), fused=True)) for m in (generator, judge)]
    x = torch.from_numpy(draw((8, *FRAME), 16)).permute(0, 4, 1, 2, 3).contiguous(memory_format=torch.channels_last_3d)

    def steps() -> None:
        for i in range(CASES[name][1]):
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

    return steps


# Both.


def draw(shape: tuple[int, ...], rows: int = 8192) -> np.ndarray:
    return 2.0 * np.random.default_rng(0).random((rows, *shape), dtype="float32") - 1.0


def work(side: str, name: str) -> None:
    """Worker: warm up, then answer every line on standard input with the seconds of one timing."""
    references = {"efficientgan": usual_loop, "windows": lambda _: feed(side), "iftm": lambda _: stream(side)}
    search = lambda name: mnist_sides.anogan(side, name, THEIR_UNITS[name])  # noqa: E731
    references |= {"anogan": search, "anogan_single": search}
    reference = references.get(name.split("-")[1], theirs)
    run = peak() if side == "peak" else (ours if side == "ours" else reference)(name)
    run()
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


def peak():
    """Ten products of 1024 x 1024 matrices in TensorFlow on as many threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    a = tf.random.normal((1024, 1024))

    @tf.function
    def products() -> tf.Tensor:
        b = a
        for _ in range(10):
            b = tf.linalg.matmul(a, b) * 1e-2
        return tf.reduce_sum(b)

    return lambda: products().numpy()


def flops(name: str) -> float:
    """Floating-point operations of one timing of ours: 2 per multiply-add of dense and convolution layers.

    A backward pass through weights and inputs counts twice its forward pass; the penalty takes a forward, a backward to
    the input, and the gradient of both: six forward passes. So a critic update is 2 x 3 + 6 = 12 forward passes of the
    critic and one of the generator, a generator update 2 of the critic and 3 of the generator.
    """
    from keras_anogan import build_phases

    conv = "conv" in name
    params = {"architecture": "dcgan", "latent_dim": 128} if conv else {"architecture": "mlp"}
    phases = build_phases("fanogan", CONV if conv else MLP, **params)
    detector = phases["encoder"]
    generator, critic, encoder = (forward(getattr(detector, key)) for key in ("generator", "critic", "encoder"))
    units = CASES[name][1]
    if name.endswith("score"):
        return units * (encoder + generator + 2 * critic)
    if "encoder" in name:
        return units * BATCH * (3 * encoder + 2 * generator + 3 * critic)
    return units * BATCH * (N_CRITIC * (12 * critic + generator) + 2 * critic + 3 * generator)


def forward(network) -> float:
    """Operations of a forward pass of one sample."""
    total = 0.0
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Dense":
            total += 2.0 * math.prod(layer.kernel.shape)
        elif "Conv2D" in kind:
            positions = layer.input if kind.endswith("Transpose") else layer.output
            total += 2.0 * math.prod(layer.kernel.shape) * math.prod(positions.shape[1:3])
    return total


def check_same_layers(name: str) -> None:
    """Stop unless both sides have networks of equally many trainable parameters."""
    from keras_anogan import build_phases

    if "cvgan" in name:
        from keras_anogan.models.cvgan import build_video_discriminator, build_video_generator

        networks = build_video_generator(FRAME, filters=16), build_video_discriminator((8, *FRAME), filters=8)
        for network, module in zip(networks, torch_cvgan(), strict=True):
            _check_count([network], [module])
        return
    if "autoencoder" in name or "gan_discriminator" in name:
        detector = mnist_sides.notebook(name)
        if "autoencoder" in name:
            modules, _ = mnist_sides.torch_autoencoder(None, 0)
            _check_count([detector.encoder, detector.decoder], modules)
        else:
            modules, _ = mnist_sides.torch_gan(None, 0, dense=True)  # without the taps that padding cuts off
            _check_count([detector.generator], modules[:1])
            _check_count([detector.discriminator], modules[1:])
        return
    conv = "conv" in name
    params = {"architecture": "dcgan", "latent_dim": 128} if conv else {"architecture": "mlp"}
    detector = build_phases("fanogan", CONV if conv else MLP, **params)["encoder"]
    generator, body, value, encoder = torch_conv() if conv else torch_mlp()
    sides = [(detector.generator, [generator]), (detector.critic, [body, value])]
    for network, modules in sides if conv else [*sides, (detector.encoder, [encoder])]:
        _check_count([network], modules)


def _check_count(networks, modules) -> None:
    here = sum(int(np.prod(v.shape)) for network in networks for v in network.trainable_variables)
    there = sum(p.numel() for module in modules for p in module.parameters())
    if here != there:
        sys.exit(f"Expected equal networks. Received: {networks[0].name} with {here:,} and {there:,} parameters.")


def measure(name: str) -> dict:
    """Time both sides in turn and return the result."""
    in_torch = any(key in name for key in ("fanogan", "cvgan", "autoencoder", "gan_discriminator"))
    if in_torch:
        check_same_layers(name)
    start = time.perf_counter()
    workers = {side: Worker(side, name) for side in ("ours", "theirs", *(["peak"] if in_torch else []))}
    times: dict[str, list[float]] = {side: [] for side in workers}
    for i in range(PAIRS):
        for side in list(workers)[:: 1 if i % 2 else -1]:  # neither side always comes first
            time.sleep(0.3)  # the other side's threads have gone to sleep
            times[side].append(workers[side].time())
    for worker in workers.values():
        worker.close()
    what, units, bound = CASES[name]
    their_units = THEIR_UNITS.get(name, units)
    ratios = [(b / their_units) / (a / units) for a, b in zip(times["ours"], times["theirs"], strict=True)]
    ratio, our_time = statistics.median(ratios), statistics.median(times["ours"])
    result = {
        "name": name,
        "what": what,
        "command": f"python benchmarks/speed.py {name}",
        "measured": round(ratio, 3),
        "unit": "x",
        "bound": f">= {bound}",
        "met": ratio >= bound,
        "ratios": [round(value, 3) for value in ratios],
        "ours_ms": round(1e3 * our_time / units, 4),
        "their_ms": round(1e3 * statistics.median(times["theirs"]) / their_units, 4),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if in_torch:
        top = 10 * 2.0 * 1024**3 / statistics.median(times["peak"])
        result["peak_gflops"] = round(top / 1e9, 1)
        if "fanogan" in name:
            result["share_of_peak"] = round(flops(name) / our_time / top, 3)
        result["pytorch"] = importlib.metadata.version("torch")
    return result


class Worker:
    """One side in a process of its own."""

    def __init__(self, side: str, name: str) -> None:
        command = [sys.executable, __file__, "--worker", side, name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._read("ready")

    def _read(self, wanted: str | None = None) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if wanted is None or line.strip() == wanted:
                return line
        raise RuntimeError(f"The worker {self.process.args} ended early; run it alone to see why.")

    def time(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def main(names: list[str]) -> None:
    from keras_anogan.recipes.recipe import write_result

    if unknown := sorted(set(names) - set(CASES)):
        sys.exit(f"Expected some of {tuple(CASES)}. Received: {unknown[0]!r}.")
    for name in names or CASES:
        result = measure(name)
        seconds = result.pop("seconds")
        write_result(result, seconds, pathlib.Path(__file__).parent / "results")
        print(json.dumps({key: result[key] for key in ("name", "measured", "bound", "met", "ratios")}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:4])
    else:
        main(sys.argv[1:])

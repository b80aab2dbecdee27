"""What `speed.py` times: one `Case` for each timing, and the sizes that both sides share.

This file names no framework, so every process can read it: those of TensorFlow and those of PyTorch.
"""

from __future__ import annotations

import dataclasses

import numpy as np

THREADS = 2
PAIRS = 7  # timings of each side; the result is the median of their ratios
BATCH, EPOCHS = 64, 2  # of every `fit`, unless a side says otherwise
N_CRITIC, LAMBDA = 5, 10.0  # of WGAN-GP: critic updates for each generator update, weight of the penalty
MLP, CONV = (28, 28, 1), (32, 32, 1)  # images of fully connected and of convolutional networks
FEATURES = 121  # of a row of KDD99
FRAME, CLIPS = (64, 128, 3), 4  # a frame of video, and windows in a batch
IMAGES, SEARCH_STEPS = 256, 500  # of AnoGAN's search


@dataclasses.dataclass(frozen=True)
class Case:
    """One timing.

    Attributes:
        name: of the result file and on the command line.
        what: one phrase, for the tables.
        side: the module of `sides` that holds both sides.
        task: what of that module is timed.
        units: steps, images, rows or windows that our side works through in one timing.
        bound: the ratio, their time for a unit over ours, that was aimed at.
        their_units: those that their side works through in one timing; default: as many.
        network: "mlp" or "dcgan", where a task is timed with both.
        reference: how their side does the task, where two ways are timed.
        pytorch: whether their side runs in PyTorch; else in TensorFlow.
    """

    name: str
    what: str
    side: str
    task: str
    units: int
    bound: float
    their_units: int = 0
    network: str = ""
    reference: str = ""
    pytorch: bool = False

    def __post_init__(self) -> None:
        if not self.their_units:
            object.__setattr__(self, "their_units", self.units)


def draw(shape: tuple[int, ...], rows: int = 8192) -> np.ndarray:
    """Uniform noise to train on or to score, the same at every call: float32 (rows, *shape) in [-1, 1)."""
    return 2.0 * np.random.default_rng(0).random((rows, *shape), dtype="float32") - 1.0


_CASES = (
    Case(
        name="speed-fanogan-train",
        what="WGAN-GP cycle (5 critic + 1 generator), MLP, batch 64, `fit` with callbacks",
        side="fanogan",
        task="cycle",
        network="mlp",
        units=170,
        bound=1.5,
        pytorch=True,
    ),
    Case(
        name="speed-fanogan_encoder-train",
        what="izif step of the encoder, MLP, batch 64, `fit` with callbacks",
        side="fanogan",
        task="encoder",
        network="mlp",
        units=510,
        bound=1.3,
        pytorch=True,
    ),
    Case(
        name="speed-fanogan_conv-train",
        what="WGAN-GP cycle, DCGAN of 64 filters, 32 x 32, batch 64, `fit` with callbacks",
        side="fanogan",
        task="cycle",
        network="dcgan",
        units=8,
        bound=1.3,
        pytorch=True,
    ),
    Case(
        name="speed-fanogan-score",
        what="scores of the exported MLP at batch 256, against PyTorch at 256",
        side="fanogan",
        task="score",
        network="mlp",
        reference="batches",
        units=8192,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-fanogan_single-score",
        what="scores of the exported MLP at batch 256, against the reference's loop in PyTorch: one image a call, "
        "gradients recorded, E(G(E(x))) too",
        side="fanogan",
        task="score",
        network="mlp",
        reference="one by one",
        units=8192,
        their_units=512,
        bound=20.0,
        pytorch=True,
    ),
    Case(
        name="speed-efficientgan-train",
        what="EfficientGAN, 25 real and 25 generated rows of 121 features a step, `fit` with callbacks, against a loop "
        "of predict and train_on_batch",
        side="efficientgan",
        task="train",
        units=6400,
        their_units=20,
        bound=40.0,
    ),
    Case(
        name="speed-efficientgan-score",
        what="EfficientGAN, `predict` on rows of 121 features in batches of 4,096, against a predict of each network "
        "in Keras's own batches of 32, as scripts have it",
        side="efficientgan",
        task="score",
        units=32_768,
        their_units=8192,
        bound=5.0,
    ),
    Case(
        name="speed-windows-feed",
        what="windows of 8 frames, 128 x 64, from a prepared store, against decoding the PNGs of each window",
        side="video",
        task="feed",
        units=4096,
        their_units=256,
        bound=5.0,
    ),
    Case(
        name="speed-iftm-score",
        what="C-VGAN of 16 filters, window by window: time of its compiled call over that of `IFTM.stream`, which "
        "judges and learns",
        side="video",
        task="stream",
        units=96,
        bound=round(1 / 1.05, 3),
    ),
    Case(
        name="speed-cvgan-train",
        what="C-VGAN step, the thesis's layers at 16 filters, 128 x 64, batch 4",
        side="video",
        task="cvgan",
        units=12,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-anogan-score",
        what="AnoGAN, DCGAN of 16 filters, 28 x 28, 500 steps for 256 images at once, against a Python loop: one "
        "image, one compiled step a call",
        side="mnist",
        task="search",
        reference="a step a call",
        units=IMAGES,
        their_units=2,
        bound=20.0,
    ),
    Case(
        name="speed-anogan_single-score",
        what="the same against the same graph, one image a call",
        side="mnist",
        task="search",
        reference="an image a call",
        units=IMAGES,
        their_units=4,
        bound=6.0,
    ),
    Case(
        name="speed-gan_discriminator-train",
        what="GAN of the MNIST notebook at its full width, batch 64, `one_batch=False` as there, `fit` with callbacks",
        side="mnist",
        task="gan_discriminator",
        reference="convolution",
        units=12,
        bound=1.3,
        pytorch=True,
    ),
    Case(
        name="speed-gan_discriminator_dense-train",
        what="the same, with the discriminator's convolution to one pixel as a dense layer in PyTorch too",
        side="mnist",
        task="gan_discriminator",
        reference="dense",
        units=12,
        bound=1.3,
        pytorch=True,
    ),
    Case(
        name="speed-alocc-train",
        what="step of ALOCC (D, then R), the authors' networks, batch 128, `fit` with callbacks",
        side="alocc",
        task="train",
        units=12,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-ganomaly-train",
        what="step of GANomaly, 64 filters, 32 x 32 in colour, batch 64, `fit` with callbacks",
        side="ganomaly",
        task="train",
        units=96,  # an epoch ends with the monitor's look at 256 images, and has 700 steps on CIFAR-10
        their_units=32,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-ganomaly-score",
        what="GANomaly, 64 filters, 32 x 32 in colour: scores of the exported model, batch 64",
        side="ganomaly",
        task="score",
        units=2048,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-features-score",
        what="Gaussian of EfficientNet-Lite0's features, 224 x 224 in colour: scores of the exported model, batch 32",
        side="features",
        task="score",
        units=128,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-features_files-score",
        what="the same from JPEG files of 640 x 480: what `keras-anogan score` does, decoding included, against Pillow "
        "on two threads and the network in PyTorch",
        side="features",
        task="files",
        units=128,
        bound=1.0,
        pytorch=True,
    ),
    Case(
        name="speed-autoencoder-train",
        what="autoencoder of the MNIST notebook at its full width, batch 64, `fit` with callbacks",
        side="mnist",
        task="autoencoder",
        units=12,
        bound=1.3,
        pytorch=True,
    ),
)
CASES = {case.name: case for case in _CASES}

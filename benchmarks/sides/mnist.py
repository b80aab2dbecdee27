"""AnoGAN's search against a Python loop, and the MNIST notebook's networks against the same layers in PyTorch.

AnoGAN's search is usually found as a loop: one image after the other, one compiled gradient step a call, the optimizer
reset for each image.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from case import BATCH, EPOCHS, IMAGES, MLP, SEARCH_STEPS, Case, draw

from sides import Side, keras_parameters, torch_parameters


def ours(case: Case) -> Side:
    """The search for all images at once, or `fit` of one of the notebook's detectors."""
    return _search_at_once(case) if case.task == "search" else _fit(case)


def theirs(case: Case) -> Side:
    """The search image by image, or training steps in PyTorch."""
    builders = {"search": _search_image_by_image, "autoencoder": _torch_autoencoder, "gan_discriminator": _torch_gan}
    return builders[case.task](case)


# AnoGAN's search.


def _anogan() -> tuple[Any, np.ndarray, Any]:
    """AnoGAN, `IMAGES` test images of MNIST, and a compiled function of its scores."""
    import tensorflow as tf

    from keras_anogan import build_detector
    from keras_anogan.recipes.data import load_one_class

    detector = build_detector("anogan", MLP, filters=16, latent_dim=64, steps=SEARCH_STEPS)
    detector.compile()
    return detector, load_one_class(2).test[:IMAGES], tf.function(lambda x: detector.explain(x)["score"])


def _search_at_once(case: Case) -> Side:
    import tensorflow as tf

    _, x, graph = _anogan()
    return Side(lambda: graph(tf.constant(x[: case.units])).numpy())


def _search_image_by_image(case: Case) -> Side:
    import tensorflow as tf

    detector, x, graph = _anogan()
    if case.reference == "an image a call":
        return Side(lambda: [graph(tf.constant(x[i : i + 1])).numpy() for i in range(case.their_units)])
    return Side(_usual_search(detector, x, case.their_units))


def _usual_search(detector: Any, x: np.ndarray, images: int) -> Callable[[], None]:
    """The search as scripts have it: a variable z and an optimizer, made anew for each image."""
    import keras
    import tensorflow as tf

    generator, discriminator = detector.generator, detector.discriminator
    z, target, wanted = tf.Variable(tf.zeros((1, 64))), tf.Variable(x[:1]), tf.Variable(discriminator(x[:1])[1])
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([z])

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            x_hat = generator(z, training=False)
            _, features = discriminator(x_hat, training=False)
            residual = tf.reduce_sum(tf.abs(target - x_hat))
            value = 0.9 * residual + 0.1 * tf.reduce_sum(tf.abs(wanted - features))
        optimizer.apply([tape.gradient(value, z)], [z])
        return value

    def score() -> None:
        for i in range(images):
            z.assign(np.random.default_rng(0).standard_normal((1, 64)))
            target.assign(x[i : i + 1])
            wanted.assign(discriminator(target, training=False)[1])
            for variable in optimizer.variables[2:]:  # moments; the first two are step and rate
                variable.assign(np.zeros(variable.shape, "float32"))
            for _ in range(SEARCH_STEPS):
                value = step()
            value.numpy()

    return score


# The notebook's networks.


def _fit(case: Case) -> Side:
    """`fit` of one of the notebook's detectors at full width, with the callbacks of `keras-anogan train`."""
    from keras_anogan import build_detector
    from keras_anogan.callbacks import EpochBackup, TerminateOnNonFinite

    detector = build_detector(case.task, MLP, **({} if case.task == "autoencoder" else {"one_batch": False}))
    detector.compile()
    x = draw(MLP)

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite(), EpochBackup(f"{folder}/backup", every_seconds=2.0)]
            steps = case.units // EPOCHS
            detector.fit(x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    if case.task == "autoencoder":
        parameters = {"autoencoder": keras_parameters(detector.encoder, detector.decoder)}
    else:
        networks = {"generator": detector.generator, "discriminator": detector.discriminator}
        parameters = {name: keras_parameters(network) for name, network in networks.items()}
    return Side(train, parameters)


def _torch_images() -> Any:
    """The images of `_fit` for PyTorch, (n, 1, 28, 28), channels last."""
    import torch

    return torch.from_numpy(draw(MLP)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _torch_autoencoder(case: Case) -> Side:
    import torch

    network, x = torch_autoencoder(), _torch_images()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def train() -> None:
        for rows in torch.randint(len(x), (case.their_units, BATCH)):
            image = x[rows]
            optimizer.zero_grad(set_to_none=True)
            ((network(image) - image) ** 2).mean().backward()
            optimizer.step()

    return Side(train, {"autoencoder": torch_parameters(network)})


def _torch_gan(case: Case) -> Side:
    """Training steps of the notebook's GAN, logits in the place of its sigmoid.

    Parameters are counted with a dense layer whatever is timed: padding cuts off 7 of the 16 taps of the convolution
    in its place, and ours has no weights for those.
    """
    import torch
    from torch.nn import functional

    generator, discriminator, x = torch_generator(), torch_discriminator(case.reference == "dense"), _torch_images()
    players = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (generator, discriminator)]
    cross_entropy = functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def noisy(image: Any) -> Any:
        return image + 0.05 * torch.randn_like(image)

    def train() -> None:
        for rows in torch.randint(len(x), (case.their_units, BATCH)):
            image, made = x[rows], generator(torch.randn(BATCH, 32))
            discriminator.requires_grad_(True)
            players[1].zero_grad(set_to_none=True)
            loss = cross_entropy(discriminator(noisy(image)), ones)
            (loss + cross_entropy(discriminator(noisy(made.detach())), zeros)).backward()
            players[1].step()
            discriminator.requires_grad_(False)
            players[0].zero_grad(set_to_none=True)
            cross_entropy(discriminator(made), ones).backward()
            players[0].step()

    counted = {"generator": generator, "discriminator": torch_discriminator(dense=True)}
    return Side(train, {name: torch_parameters(network) for name, network in counted.items()})


def torch_autoencoder() -> Any:
    """The notebook's autoencoder, channels last."""
    import torch
    from torch import nn

    layers: list[Any] = []
    for (a, b), pooled in zip(((1, 32), (32, 64), (64, 128), (128, 256), (256, 512)), (1, 1, 0, 0, 1), strict=True):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2, 2)] if pooled else [])]
    for a, b, kernel, stride in ((512, 256, 3, 1), (256, 128, 2, 1), (128, 64, 2, 1), (64, 32, 2, 2)):
        layers += [nn.ConvTranspose2d(a, b, kernel, stride), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 1, 2, 2)).to(memory_format=torch.channels_last)


def torch_generator() -> Any:
    """The notebook's generator, with a dense first layer as ours: padding cuts off 12 of the 16 taps of its own."""
    import torch
    from torch import nn

    up: list[Any] = [nn.Linear(32, 2 * 2 * 512, bias=False), nn.Unflatten(1, (512, 2, 2))]
    up += [nn.BatchNorm2d(512), nn.ReLU(True)]
    for a, b, padding in ((512, 256, 1), (256, 128, 1), (128, 64, 2)):
        up += [nn.ConvTranspose2d(a, b, 4, 2, padding, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    network = nn.Sequential(*up, nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh())
    return network.to(memory_format=torch.channels_last)


def torch_discriminator(dense: bool) -> Any:
    """The notebook's discriminator; `dense`: its last but one layer is a dense one, as ours."""
    import torch
    from torch import nn

    down: list[Any] = [nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for a, b in ((64, 128), (128, 256)) if dense else ((64, 128), (128, 256), (256, 512)):
        down += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
    if dense:
        down += [nn.Flatten(), nn.Linear(3 * 3 * 256, 512, bias=False), nn.BatchNorm1d(512), nn.LeakyReLU(0.2, True)]
        down.append(nn.Linear(512, 1, bias=False))
    else:
        down += [nn.Conv2d(512, 1, 1, bias=False), nn.Flatten()]
    return nn.Sequential(*down).to(memory_format=torch.channels_last)

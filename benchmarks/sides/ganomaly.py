"""GANomaly's training and its exported model, against the same layers in PyTorch."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from typing import Any

from case import BATCH, EPOCHS, Case, draw

from sides import Side, forward_operations, keras_parameters, served, torch_parameters

SHAPE, FILTERS, LATENT = (32, 32, 3), 64, 100


def ours(case: Case) -> Side:
    """`fit` with the class's defaults and the callbacks of `keras-anogan train`, or scores of the exported model."""
    from keras_anogan import build_detector

    detector: Any = build_detector("ganomaly", SHAPE, filters=FILTERS)
    x = draw(SHAPE)
    networks = {key: getattr(detector, key) for key in detector.networks}
    parameters = {name: keras_parameters(network) for name, network in networks.items()}
    if case.task == "score":
        return Side(served(detector, x, case.units, BATCH), parameters, case.units * operations(networks, train=False))
    return Side(_fit(detector, x, case), parameters, case.units * BATCH * operations(networks, train=True))


def _fit(detector: Any, x: Any, case: Case) -> Callable[[], None]:
    from keras_anogan.callbacks import CollapseMonitor, EpochBackup, TerminateOnNonFinite

    detector.compile()

    def fit() -> None:
        with tempfile.TemporaryDirectory() as folder:
            backup = EpochBackup(f"{folder}/backup", every_seconds=2.0)
            callbacks = [TerminateOnNonFinite(), CollapseMonitor(x[:256]), backup]
            steps = case.units // EPOCHS
            detector.fit(x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    return fit


def operations(networks: dict[str, Any], train: bool) -> float:
    """Floating-point operations for one image.

    A backward pass through weights and inputs counts twice its forward pass. In a step the generator's three networks
    go forward and back. The discriminator sees two images: forward, back for its own loss, and the reconstruction's
    way back to its pixels for the generator's.
    """
    encoder, decoder, second, discriminator = (forward_operations(network) for network in networks.values())
    generator = encoder + decoder + second
    return 3 * generator + (2 + 4 + 1) * discriminator if train else generator


def theirs(case: Case) -> Side:
    """The same work in PyTorch: eager, the fused Adam, each loss's gradient to its own player's weights alone."""
    import torch

    networks = torch_networks()
    parameters = {name: torch_parameters(network) for name, network in networks.items()}
    x = torch.from_numpy(draw(SHAPE)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    build = _torch_score if case.task == "score" else _torch_train
    return Side(build(networks, x, case), parameters)


def _torch_score(networks: dict[str, Any], x: Any, case: Case) -> Callable[[], None]:
    import torch

    encoder, decoder, second = (networks[name].eval() for name in ("encoder", "decoder", "second_encoder"))

    def score() -> None:
        with torch.no_grad():
            for i in range(0, case.their_units, BATCH):
                z = encoder(x[i : i + BATCH])
                (z - second(decoder(z))).square().mean(1).numpy()

    return score


def _torch_train(networks: dict[str, Any], x: Any, case: Case) -> Callable[[], None]:
    import torch
    from torch.nn import functional

    encoder, decoder, second, discriminator = networks.values()
    body, last = discriminator[0], discriminator[1]
    ours = [p for network in (encoder, decoder, second) for p in network.parameters()]
    theirs = list(discriminator.parameters())
    moves = [torch.optim.Adam(players, 2e-4, (0.5, 0.999), fused=True) for players in (ours, theirs)]
    cross_entropy = functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def train() -> None:
        for rows in torch.randint(len(x), (case.their_units, BATCH)):
            image = x[rows]
            z = encoder(image)
            made = decoder(z)
            features, features_hat = body(image), body(made)
            loss = functional.mse_loss(features, features_hat) + 50 * functional.l1_loss(made, image)
            loss = loss + functional.mse_loss(z, second(made))
            judged = cross_entropy(last(features), ones) + cross_entropy(last(features_hat), zeros)
            for move in moves:
                move.zero_grad(set_to_none=True)
            loss.backward(inputs=ours, retain_graph=True)
            (0.5 * judged).backward(inputs=theirs)
            for move in moves:
                move.step()

    return train


def torch_networks() -> dict[str, Any]:
    """The four networks as published, channels last; the last layers as products, as ours are."""
    import torch
    from torch import nn

    widths = (FILTERS, 2 * FILTERS, 4 * FILTERS)

    def trunk() -> Any:
        layers: list[Any] = [nn.Conv2d(SHAPE[-1], FILTERS, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
        return nn.Sequential(*layers, nn.Flatten())

    size = 4 * 4 * widths[-1]
    layers = [nn.Linear(LATENT, size, bias=False), nn.Unflatten(1, (widths[-1], 4, 4))]
    for a, b in zip(reversed(widths), (*reversed(widths[:-1]), SHAPE[-1]), strict=True):
        layers += [nn.BatchNorm2d(a), nn.ReLU(True), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
    networks = {
        "encoder": nn.Sequential(trunk(), nn.Linear(size, LATENT, bias=False)),
        "decoder": nn.Sequential(*layers, nn.Tanh()),
        "second_encoder": nn.Sequential(trunk(), nn.Linear(size, LATENT, bias=False)),
        "discriminator": nn.Sequential(trunk(), nn.Linear(size, 1, bias=False)),
    }
    return {name: network.to(memory_format=torch.channels_last) for name, network in networks.items()}

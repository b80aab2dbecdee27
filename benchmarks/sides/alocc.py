"""ALOCC's training against the same layers in PyTorch."""

from __future__ import annotations

import tempfile
from typing import Any

from case import EPOCHS, MLP, Case, draw

from sides import Side, keras_parameters, torch_parameters

BATCH = 128
R = 25 * (14 * 14 * 32 + 7 * 7 * 64 * 32 + 4 * 4 * 128 * 64 + 4 * 4 * 128 * 32 + 7 * 7 * 32 * 16 + 14 * 14 * 16)
D = 25 * (14 * 14 * 16 + 7 * 7 * 32 * 16 + 4 * 4 * 64 * 32 + 2 * 2 * 128 * 64) + 2 * 2 * 128
# 2 for each multiply-add of an image: R forward and two gradients; D for two images, forward and two gradients in its
# own update, forward and the gradient of its input in R's.
OPERATIONS = 2.0 * (3 * R + 6 * D + 2 * D)


def ours(case: Case) -> Side:
    """`fit` with the class's defaults and the callbacks of `keras-anogan train`."""
    from keras_anogan import build_detector
    from keras_anogan.callbacks import EpochBackup, TerminateOnNonFinite

    detector = build_detector("alocc", MLP)
    detector.compile()
    x = draw(MLP)

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite(), EpochBackup(f"{folder}/backup", every_seconds=2.0)]
            steps = case.units // EPOCHS
            detector.fit(x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    networks = {key: getattr(detector, key) for key in detector.networks}
    parameters = {name: keras_parameters(network) for name, network in networks.items()}
    return Side(train, parameters, case.units * BATCH * OPERATIONS)


def theirs(case: Case) -> Side:
    """The same steps: R's images are made once, D learns, R learns against the new D."""
    import torch
    from torch.nn import functional

    reconstructor, discriminator = torch_reconstructor(), torch_discriminator()
    x = torch.from_numpy(draw(MLP)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    moves_r = torch.optim.RMSprop(reconstructor.parameters(), 2e-4, alpha=0.9)
    moves_d = torch.optim.RMSprop(discriminator.parameters(), 1e-4, alpha=0.9)
    cross_entropy = functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def train() -> None:
        for rows in torch.randint(len(x), (case.their_units, BATCH)):
            image = x[rows]
            made = reconstructor(image + 0.155 * torch.randn_like(image))
            discriminator.requires_grad_(True)
            moves_d.zero_grad(set_to_none=True)
            normal, reconstructed = discriminator(image), discriminator(made.detach())
            (cross_entropy(normal, ones) + cross_entropy(reconstructed, zeros)).backward()
            moves_d.step()
            discriminator.requires_grad_(False)
            moves_r.zero_grad(set_to_none=True)
            loss = cross_entropy(discriminator(made), ones) + 0.4 * functional.mse_loss(made, image)
            loss.backward()
            moves_r.step()

    networks = {"reconstructor": reconstructor, "discriminator": discriminator}
    return Side(train, {name: torch_parameters(network) for name, network in networks.items()})


def torch_reconstructor() -> Any:
    """R as published, channels last."""
    import torch
    from torch import nn

    layers: list[Any] = []
    for a, b in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 5, 2, 2, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
    for a, b, odd in ((128, 32, 0), (32, 16, 1)):
        layers += [nn.ConvTranspose2d(a, b, 5, 2, 2, odd, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(16, 1, 5, 2, 2, 1), nn.Tanh())
    return network.to(memory_format=torch.channels_last)


def torch_discriminator() -> Any:
    """D as published, channels last."""
    import torch
    from torch import nn

    layers: list[Any] = [nn.Conv2d(1, 16, 5, 2, 2), nn.LeakyReLU(0.2, True)]
    for a, b in ((16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 5, 2, 2, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 1)).to(memory_format=torch.channels_last)

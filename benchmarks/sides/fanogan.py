"""f-AnoGAN: `fit` with callbacks and the exported model, against the same layers in PyTorch."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from typing import Any

from case import BATCH, CONV, EPOCHS, LAMBDA, MLP, N_CRITIC, Case, draw

from sides import Side, forward_operations, keras_parameters, served, torch_parameters

SHAPES = {"mlp": MLP, "dcgan": CONV}
PARAMS: dict[str, dict[str, Any]] = {"mlp": {}, "dcgan": {"latent_dim": 128}}
SCORED = 256  # images in a batch of scores

# Ours.


def ours(case: Case) -> Side:
    """Cycles of WGAN-GP, steps of the encoder, or scores of the exported model."""
    from keras_anogan import build_phases

    x = draw(SHAPES[case.network])
    phases = build_phases("fanogan", x.shape[1:], architecture=case.network, **PARAMS[case.network])
    detector = phases["encoder"]
    if case.task == "score":
        run = served(detector, x, case.units, SCORED)
    else:
        run = _fit(phases["encoder" if case.task == "encoder" else "wgan_gp"], x, case)
    networks = {"generator": detector.generator, "critic": detector.critic, "encoder": detector.encoder}
    alike = {key: networks[key] for key in ("generator", "critic", *(["encoder"] if case.network == "mlp" else []))}
    return Side(run, {key: keras_parameters(network) for key, network in alike.items()}, operations(case, networks))


def _fit(model: Any, x: Any, case: Case) -> Callable[[], None]:
    import keras

    from keras_anogan.callbacks import CollapseMonitor, EpochBackup, ImageGrid, TerminateOnNonFinite

    model.compile(optimizers={p: keras.optimizers.Adam(2e-4, beta_1=0.5) for p in model.players})

    def fit() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite()]
            if case.task == "cycle":
                callbacks += [CollapseMonitor(x[:256]), ImageGrid(f"{folder}/samples")]
            callbacks.append(EpochBackup(f"{folder}/backup", every_seconds=2.0))
            steps = case.units // EPOCHS
            model.fit(x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    return fit


def operations(case: Case, networks: dict[str, Any]) -> float:
    """Floating-point operations of one timing of ours: 2 per multiply-add of dense and convolution layers.

    A backward pass through weights and inputs counts twice its forward pass. The penalty takes a forward pass, a
    backward pass to the input, and the gradient of both: six forward passes. So a critic update is 2 x 3 + 6 = 12
    forward passes of the critic and one of the generator; a generator update is 2 of the critic and 3 of the generator.
    """
    generator, critic, encoder = (forward_operations(networks[key]) for key in ("generator", "critic", "encoder"))
    if case.task == "score":
        return case.units * (encoder + generator + 2 * critic)
    if case.task == "encoder":
        return case.units * BATCH * (3 * encoder + 2 * generator + 3 * critic)
    return case.units * BATCH * (N_CRITIC * (12 * critic + generator) + 2 * critic + 3 * generator)


# PyTorch.


@dataclasses.dataclass(frozen=True)
class TorchNetworks:
    """The critic is `value(body(x))`; the DCGAN has no encoder, because only WGAN-GP is timed with it."""

    generator: Any
    body: Any
    value: Any
    encoder: Any
    latent_dim: int

    def critic(self, x: Any) -> Any:
        """Values of images, (n, 1)."""
        return self.value(self.body(x))


def theirs(case: Case) -> Side:
    """The same work in PyTorch: eager, the fused Adam, gradients of frozen networks off."""
    import torch

    networks = torch_conv() if case.network == "dcgan" else torch_mlp()
    x = torch.from_numpy(draw(SHAPES[case.network]))
    image = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    x = image if case.network == "dcgan" else x.flatten(1)
    parameters = {
        "generator": torch_parameters(networks.generator),
        "critic": torch_parameters(networks.body, networks.value),
    }
    if networks.encoder is not None:
        parameters["encoder"] = torch_parameters(networks.encoder)
    build = {"cycle": _torch_cycle, "encoder": _torch_encoder, "score": _torch_score}[case.task]
    return Side(build(networks, x, case), parameters)


def _adam(*networks: Any) -> Any:
    import torch

    return torch.optim.Adam([p for n in networks for p in n.parameters()], 2e-4, (0.5, 0.999), fused=True)


def _freeze(flag: bool, *networks: Any) -> None:
    for network in networks:
        network.requires_grad_(not flag)


def _torch_score(networks: TorchNetworks, x: Any, case: Case) -> Callable[[], None]:
    import torch

    for network in (networks.generator, networks.body, networks.value, networks.encoder):
        network.eval()

    def distances(image: Any) -> tuple[Any, Any]:
        x_hat = networks.generator(networks.encoder(image))
        residual = ((image - x_hat) ** 2).mean(1)
        return x_hat, residual + ((networks.body(image) - networks.body(x_hat)) ** 2).mean(1)

    def in_batches() -> None:
        with torch.no_grad():
            for i in range(0, case.their_units, SCORED):
                distances(x[i : i + SCORED])[1].numpy()

    def one_by_one() -> None:
        for i in range(case.their_units):
            x_hat, total = distances(x[i : i + 1])
            (total.item(), ((networks.encoder(x[i : i + 1]) - networks.encoder(x_hat)) ** 2).mean().item())

    return {"batches": in_batches, "one by one": one_by_one}[case.reference]


def _torch_encoder(networks: TorchNetworks, x: Any, case: Case) -> Callable[[], None]:
    import torch

    optimizer = _adam(networks.encoder)
    networks.generator.eval()
    _freeze(True, networks.generator, networks.body, networks.value)

    def train() -> None:
        for rows in torch.randint(len(x), (case.their_units, BATCH)):
            image = x[rows]
            optimizer.zero_grad(set_to_none=True)
            x_hat = networks.generator(networks.encoder(image))
            with torch.no_grad():
                features = networks.body(image)
            (((image - x_hat) ** 2).mean() + ((features - networks.body(x_hat)) ** 2).mean()).backward()
            optimizer.step()

    return train


def _torch_cycle(networks: TorchNetworks, x: Any, case: Case) -> Callable[[], None]:
    import torch

    critic, generator = networks.critic, networks.generator
    critic_optimizer, generator_optimizer = _adam(networks.body, networks.value), _adam(generator)

    def update_critic(real: Any) -> None:
        critic_optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, networks.latent_dim))
        alpha = torch.rand(BATCH, *(1,) * (real.ndim - 1))
        mixed = (real + alpha * (fake - real)).requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1.0) ** 2).mean()
        (critic(fake).mean() - critic(real).mean() + LAMBDA * penalty).backward()
        critic_optimizer.step()

    def train() -> None:
        for step in torch.randint(len(x), (case.their_units, N_CRITIC, BATCH)):
            _freeze(False, networks.body, networks.value)
            for rows in step:
                update_critic(x[rows])
            _freeze(True, networks.body, networks.value)
            generator_optimizer.zero_grad(set_to_none=True)
            (-critic(generator(torch.randn(BATCH, networks.latent_dim))).mean()).backward()
            generator_optimizer.step()

    return train


def torch_mlp() -> TorchNetworks:
    """The networks of the exercise."""
    from torch import nn

    slope = 0.2
    layers = [nn.Linear(100, 128), nn.LeakyReLU(slope)]
    for a, b in itertools.pairwise((128, 256, 512, 1024)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(slope)]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())

    def trunk() -> list[Any]:
        return [nn.Linear(784, 512), nn.LeakyReLU(slope), nn.Linear(512, 256), nn.LeakyReLU(slope)]

    encoder = nn.Sequential(*trunk(), nn.Linear(256, 100), nn.Tanh())
    return TorchNetworks(generator, nn.Sequential(*trunk()), nn.Linear(256, 1), encoder, latent_dim=100)


def torch_conv() -> TorchNetworks:
    """DCGAN's generator and critic at 32 x 32, 64 filters, channels last."""
    import torch
    from torch import nn

    down: list[Any] = []
    for a, b in ((1, 64), (64, 128), (128, 256)):
        down += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
    up: list[Any] = [nn.Linear(128, 4 * 4 * 256, bias=False), nn.Unflatten(1, (256, 4, 4))]
    up += [nn.BatchNorm2d(256), nn.ReLU()]
    for a, b in ((256, 128), (128, 64)):
        up += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    up += [nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()]
    networks = [nn.Sequential(*up), nn.Sequential(*down, nn.Flatten()), nn.Linear(4096, 1)]
    generator, body, value = (network.to(memory_format=torch.channels_last) for network in networks)
    return TorchNetworks(generator, body, value, None, latent_dim=128)

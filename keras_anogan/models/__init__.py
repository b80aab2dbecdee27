"""One file per paper, and the registry that finds a detector by its name.

A detector that is trained in phases (f-AnoGAN: first the GAN, then the encoder) is several objects that
share networks; `build_phases` gives them in order, the detector last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_anogan import networks
from keras_anogan.adversarial import AdversarialModel
from keras_anogan.detector import AnomalyDetector
from keras_anogan.models.fanogan import FAnoGAN
from keras_anogan.models.pca import PCA
from keras_anogan.models.wgan_gp import WGANGP

Phases = dict[str, AdversarialModel]


def build_phases(name: str, input_spec: Any, **params: Any) -> Phases:
    """What has to be fitted, in order, to train a detector; the last one is the detector.

    Args:
        name: "fanogan" or "pca".
        input_spec: shape of one sample without the batch axis, e.g. (28, 28, 1), or a `keras.InputSpec`.
        **params: the detector's parameters: see `fanogan_phases`, `PCA`.

    Raises:
        ValueError: for an unknown name or parameter.
    """
    if name not in DETECTORS:
        raise ValueError(f"Expected one of the detectors {tuple(DETECTORS)}. Received: {name!r}.")
    shape = tuple(getattr(input_spec, "shape", input_spec))
    shape = shape[1:] if hasattr(input_spec, "shape") else shape
    try:
        return DETECTORS[name](shape, **params)
    except TypeError as error:
        raise ValueError(f"Could not build {name!r} with {params}: {error}.") from error


def build_detector(name: str, input_spec: Any, **params: Any) -> AnomalyDetector:
    """The detector alone; takes what `build_phases` takes."""
    return list(build_phases(name, input_spec, **params).values())[-1]


def fanogan_phases(
    shape: tuple[int, ...],
    architecture: str = "mlp",
    latent_dim: int | None = None,
    kappa: float = 1.0,
    lambda_: float = 10.0,
    n_critic: int = 5,
    latent_activation: str | None = "tanh",
    filters: int = 64,
    batchnorm_epsilon: float = 1e-5,
    seed: int = 0,
) -> Phases:
    """WGAN-GP, then the encoder of f-AnoGAN.

    Args:
        shape: (H, W, C).
        architecture: "mlp", the fully connected networks of the MNIST exercise, or "dcgan".
        latent_dim: size of z; default 100 (mlp), 128 (dcgan).
        kappa, lambda_, n_critic: as in `FAnoGAN` and `WGANGP`.
        latent_activation: of the encoder's output; "tanh" as published.
        filters: of the first DCGAN stage.
        batchnorm_epsilon: of the "mlp" generator; the exercise has 0.8.
        seed: of the initial weights, the noise and the data order.
    """
    if architecture not in ("mlp", "dcgan"):
        raise ValueError(f"Expected the architecture 'mlp' or 'dcgan'. Received: {architecture!r}.")
    latent_dim = latent_dim or {"mlp": 100, "dcgan": 128}[architecture]
    if architecture == "mlp":
        generator = networks.build_mlp_generator(shape, latent_dim, batchnorm_epsilon=batchnorm_epsilon, seed=3 * seed)
        critic = networks.build_mlp_critic(shape, seed=3 * seed + 1)
        encoder = networks.build_mlp_encoder(shape, latent_dim, latent_activation=latent_activation, seed=3 * seed + 2)
    else:
        generator = networks.build_dcgan_generator(shape, latent_dim, filters, seed=3 * seed)
        critic = networks.build_dcgan_critic(shape, filters, seed=3 * seed + 1)
        encoder = networks.build_dcgan_encoder(shape, latent_dim, filters, latent_activation, seed=3 * seed + 2)
    return {
        "wgan_gp": WGANGP(generator, critic, lambda_=lambda_, n_critic=n_critic, seed=seed),
        "encoder": FAnoGAN(encoder, generator, critic, kappa=kappa, seed=seed),
    }


def pca_phases(shape: tuple[int, ...], n_components: int = 32, seed: int = 0) -> Phases:
    """PCA alone."""
    return {"pca": PCA(shape, n_components=n_components, seed=seed)}


DETECTORS: dict[str, Callable[..., Phases]] = {"fanogan": fanogan_phases, "pca": pca_phases}

__all__ = ["PCA", "WGANGP", "FAnoGAN", "build_detector", "build_phases"]

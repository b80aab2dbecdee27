"""One file per paper, and the registry that finds a detector by its name.

A detector that is trained in phases (f-AnoGAN: first the GAN, then the encoder) is several objects that
share networks; `build_phases` gives them in order, the detector last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_anogan.detector import AnomalyDetector
from keras_anogan.models import alad, anogan, autoencoder, cvgan, efficientgan, gan_discriminator, siamese
from keras_anogan.models.alad import ALAD
from keras_anogan.models.anogan import AnoGAN
from keras_anogan.models.autoencoder import Autoencoder
from keras_anogan.models.cvgan import CVGAN
from keras_anogan.models.efficientgan import EfficientGAN
from keras_anogan.models.fanogan import FAnoGAN
from keras_anogan.models.flow import Flow, build_flow
from keras_anogan.models.gan_discriminator import GANDiscriminator
from keras_anogan.models.gaussian import Gaussian
from keras_anogan.models.pca import PCA
from keras_anogan.models.siamese import Siamese
from keras_anogan.models.vgan import VGAN
from keras_anogan.models.wgan_gp import WGANGP
from keras_anogan.nn import networks
from keras_anogan.training.adversarial import AdversarialModel

Phases = dict[str, AdversarialModel]
AVERAGED = ("efficientgan", "alad")  # whose authors score with averaged weights: `callbacks.NetworkEMA`
LEAST_STEPS = 500
ARCHITECTURES = ("mlp", "dcgan", "resnet")


def build_phases(name: str, input_spec: Any, **params: Any) -> Phases:
    """What has to be fitted, in order, to train a detector; the last one is the detector.

    Args:
        name: "anogan", "fanogan", "efficientgan", "alad", "gan_discriminator", "autoencoder", "siamese", "cvgan",
            "flow", "gaussian" or "pca".
        input_spec: shape of one sample without the batch axis, e.g. (28, 28, 1), (121,), or (8, 64, 128, 3), or a
            `keras.InputSpec`.
        **params: the detector's parameters: see `fanogan_phases` and its like below, `Gaussian`, `PCA`.

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


def anogan_phases(
    shape: tuple[int, ...],
    latent_dim: int | None = None,
    filters: int = 16,
    lambda_: float = 0.1,
    degree: float = 1,
    prior_weight: float = 0.0,
    steps: int = 500,
    learning_rate: float = 0.1,
    restarts: int = 1,
    patience: int | None = None,
    monitor_steps: int = 50,
    seed: int = 0,
) -> Phases:
    """AnoGAN, with DCGAN's networks for images, with fully connected ones for tables.

    Args:
        shape: (features,), or (H, W, C) as `build_dcgan_generator` takes it.
        latent_dim: size of z; default 32 (tables), 16 (images): in a large one the search finds anomalies too.
        filters: at half of the image's size; 64 in DCGAN's paper, but every step of every search runs through them.
        lambda_, degree, prior_weight, steps, learning_rate, restarts, patience, monitor_steps: as in `AnoGAN`.
        seed: of the initial weights, the noise, the data order and the first z.
    """
    kind, size, latent_dim = _kind(shape, latent_dim, {"table": 32, "image": 16})
    if kind == "table":
        generator = networks.build_table_generator(size, latent_dim, seed=2 * seed)
        discriminator = anogan.build_table_discriminator(size, seed=2 * seed + 1)
    else:
        generator = networks.build_dcgan_generator(shape, latent_dim, filters, seed=2 * seed)
        discriminator = networks.build_dcgan_discriminator(shape, filters, seed=2 * seed + 1)
    judged = {"lambda_": lambda_, "degree": degree, "prior_weight": prior_weight}
    search = {"steps": steps, "learning_rate": learning_rate, "restarts": restarts, "patience": patience}
    detector = AnoGAN(generator, discriminator, **judged, **search, monitor_steps=monitor_steps, seed=seed)
    return {"anogan": detector}


def gan_discriminator_phases(
    shape: tuple[int, ...],
    latent_dim: int = 32,
    filters: int = 64,
    noise_std: float = 0.05,
    one_batch: bool = True,
    seed: int = 0,
) -> Phases:
    """A GAN's discriminator, with the networks of the MNIST notebook.

    Args:
        shape: (side, side, C), side even.
        latent_dim: size of z.
        filters: of the discriminator's first convolution.
        noise_std, one_batch: as in `GANDiscriminator`.
        seed: of the initial weights, the noise and the data order.
    """
    generator = gan_discriminator.build_gan_generator(shape, latent_dim, filters, seed=2 * seed)
    discriminator = gan_discriminator.build_gan_discriminator(shape, filters, seed=2 * seed + 1)
    training = {"noise_std": noise_std, "one_batch": one_batch}
    return {"gan_discriminator": GANDiscriminator(generator, discriminator, **training, seed=seed)}


def autoencoder_phases(
    shape: tuple[int, ...],
    filters: int = 32,
    latent_dim: int | None = None,
    noise_std: float = 0.0,
    seed: int = 0,
) -> Phases:
    """An autoencoder: the convolutional one of the MNIST notebook for images, a fully connected one for tables.

    Args:
        shape: (features,), or (H, W, C) with sides >= 8 that 4 divides.
        filters: of the first convolution; for images.
        latent_dim: of tables, default 32; images have the published network without a bottleneck.
        noise_std: as in `Autoencoder`.
        seed: of the initial weights, the noise and the data order.
    """
    kind, size, units = _kind(shape, latent_dim, {"table": 32, "image": 0})
    if kind == "image" and latent_dim is not None:
        raise ValueError(f"Expected a latent_dim for tables only. Received: latent_dim={latent_dim!r} for images.")
    if kind == "table":
        encoder = networks.build_table_encoder(size, units, seed=2 * seed)
        decoder = networks.build_table_generator(size, units, seed=2 * seed + 1)
    else:
        encoder = autoencoder.build_autoencoder_encoder(shape, filters, seed=2 * seed)
        decoder = autoencoder.build_autoencoder_decoder(shape, filters, seed=2 * seed + 1)
    return {"autoencoder": Autoencoder(encoder, decoder, noise_std=noise_std, seed=seed)}


def siamese_phases(
    shape: tuple[int, ...],
    latent_dim: int = 32,
    filters: int = 32,
    classes: int = 10,
    margin: float = 4.0,
    seed: int = 0,
) -> Phases:
    """A Siamese network on the classes of normal images; `fit` needs their labels.

    Args:
        shape: (H, W, C).
        latent_dim: size of the embedding.
        filters: of the first convolution.
        classes, margin: as in `Siamese`.
        seed: of the initial weights and the data order.
    """
    encoder = siamese.build_siamese_encoder(shape, latent_dim, filters, seed=seed)
    return {"siamese": Siamese(encoder, classes=classes, margin=margin, seed=seed)}


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
    mapping: str = "izif",
    mirror: bool = False,
    seed: int = 0,
) -> Phases:
    """WGAN-GP, then the encoder of f-AnoGAN.

    Args:
        shape: (H, W, C).
        architecture: "mlp", the fully connected networks of the MNIST exercise, "dcgan", or "resnet", the paper's.
        latent_dim: size of z; default 100 (mlp), 128 (dcgan, resnet).
        kappa, lambda_, n_critic: as in `FAnoGAN` and `WGANGP`.
        latent_activation: of the encoder's output; "tanh" as published.
        filters: at the image's size ("resnet") or half of it ("dcgan").
        batchnorm_epsilon: of the "mlp" generator; the exercise has 0.8.
        mapping, mirror: as in `FAnoGAN`.
        seed: of the initial weights, the noise and the data order.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"Expected the architecture to be one of {ARCHITECTURES}. Received: {architecture!r}.")
    latent_dim = latent_dim or (100 if architecture == "mlp" else 128)
    width = {} if architecture == "mlp" else {"filters": filters}
    epsilon = {"batchnorm_epsilon": batchnorm_epsilon} if architecture == "mlp" else {}
    build = {role: getattr(networks, f"build_{architecture}_{role}") for role in ("generator", "critic", "encoder")}
    generator = build["generator"](shape, latent_dim, **width, **epsilon, seed=3 * seed)
    critic = build["critic"](shape, **width, seed=3 * seed + 1)
    encoder = build["encoder"](shape, latent_dim, latent_activation=latent_activation, **width, seed=3 * seed + 2)
    return {
        "wgan_gp": WGANGP(generator, critic, lambda_=lambda_, n_critic=n_critic, mirror=mirror, seed=seed),
        "encoder": FAnoGAN(encoder, generator, critic, kappa=kappa, mapping=mapping, mirror=mirror, seed=seed),
    }


def efficientgan_phases(
    shape: tuple[int, ...],
    latent_dim: int | None = None,
    score: str = "feature_matching",
    weight: float = 0.9,
    degree: float = 1,
    cycle: float | None = None,
    seed: int = 0,
) -> Phases:
    """EfficientGAN, with the paper's networks for tables or for images; for tables with a cycle term of our own.

    Without that term some seeds do not learn to invert the generator; cycle=0 is the paper.

    Args:
        shape: (features,), or (H, W, C) with sides that 4 divides.
        latent_dim: size of z; default 32 (tables), 200 (images).
        score, weight, degree: as in `EfficientGAN`.
        cycle: as in `EfficientGAN`; default 0.1 (tables), 0 (images).
        seed: of the initial weights, the noise and the data order.
    """
    kind, size, latent_dim = _kind(shape, latent_dim, {"table": 32, "image": 200})
    cycle = {"table": 0.1, "image": 0.0}[kind] if cycle is None else cycle
    build = {role: _builder(efficientgan, f"build_{kind}_{role}") for role in EfficientGAN.networks}
    parts = {role: make(size, latent_dim, seed=3 * seed + i) for i, (role, make) in enumerate(build.items())}
    return {"efficientgan": EfficientGAN(**parts, score=score, weight=weight, degree=degree, cycle=cycle, seed=seed)}


def alad_phases(
    shape: tuple[int, ...], latent_dim: int | None = None, score: str = "features", seed: int = 0
) -> Phases:
    """ALAD, with the paper's networks for tables, or for images.

    Args:
        shape: (features,), or (H, W, C) with sides that 8 divides.
        latent_dim: size of z; default 32 (tables), 100 (images).
        score: as in `ALAD`.
        seed: of the initial weights, the noise and the data order.
    """
    kind, size, latent_dim = _kind(shape, latent_dim, {"table": 32, "image": 100})
    reads = {"discriminator_xx": (size,), "discriminator_zz": (latent_dim,)}
    parts = {
        role: _builder(alad, f"build_{kind}_{role}")(*reads.get(role, (size, latent_dim)), seed=5 * seed + i)
        for i, role in enumerate(ALAD.networks)
    }
    return {"alad": ALAD(**parts, score=score, seed=seed)}


def cvgan_phases(
    shape: tuple[int, ...],
    horizon: int = 1,
    filters: int = 16,
    lambda_: float = 10.0,
    lambda_forecast: float = 10_000.0,
    mask_weight: float = 0.0,
    reduction: str = "top_blocks",
    scaled: bool | None = None,
    offset: float = 0.03,
    skip_connections: bool = True,
    residual: bool = True,
    mirror: bool = False,
    seed: int = 0,
) -> Phases:
    """C-VGAN, with the additions that made it forecast better (see `CVGAN`, `build_video_generator`).

    filters=64, lambda_=10, lambda_forecast=0, reduction="mean", scaled=False, skip_connections=False, residual=False
    is the thesis.

    Args:
        shape: of a window, (past + horizon, H, W, C), sides that 32 divides.
        horizon: frames of it that are forecast.
        filters: of the generator; the discriminator has half of it.
        lambda_, lambda_forecast, mask_weight, reduction, mirror: as in `CVGAN`.
        scaled, offset: as in `CVGAN`; default: scaled where there are two frames before the forecast.
        skip_connections, residual: as in `build_video_generator`.
        seed: of the initial weights and the data order.
    """
    if len(shape) != 4:
        raise ValueError(f"Expected windows (frames, H, W, C). Received: shape {shape}.")
    past = shape[0] - horizon
    generator = cvgan.build_video_generator(
        shape[1:], past, horizon, filters, skip_connections, residual, seed=2 * seed
    )
    discriminator = cvgan.build_video_discriminator(shape, max(1, filters // 2), seed=2 * seed + 1)
    weights = {"lambda_": lambda_, "lambda_forecast": lambda_forecast, "mask_weight": mask_weight}
    scaled = past >= 2 if scaled is None else scaled
    judging: dict[str, Any] = {"reduction": reduction, "scaled": scaled, "offset": offset}
    return {"cvgan": CVGAN(generator, discriminator, **weights, **judging, mirror=mirror, seed=seed)}


def flow_phases(
    shape: tuple[int, ...],
    components: int = 128,
    blocks: int = 4,
    units: tuple[int, ...] = (256, 256),
    score: str | None = None,
    weight: float = 0.85,
    levels: int | None = None,
    noise: float | None = None,
    seed: int = 0,
) -> Phases:
    """A normalising flow for images or tables.

    Args:
        shape: (features,), or (H, W, C).
        components, blocks, units: as in `build_flow`.
        score: as in `Flow`; default "likelihood" (tables), "ratio" (images).
        weight: as in `Flow`.
        levels: as in `Flow`; default None (tables), 256 (images).
        noise: as in `Flow`; default 0.1 (tables), 0.4 (images).
        seed: of the initial weights, the noise and the data order.
    """
    image = _kind(shape, None, {"table": 0, "image": 0})[0] == "image"
    score = ("ratio" if image else "likelihood") if score is None else score
    levels = (256 if image else None) if levels is None else levels
    noise = (0.4 if image else 0.1) if noise is None else noise
    network = build_flow(shape, components, blocks, units, seed=seed)
    return {"flow": Flow(network, score=score, weight=weight, levels=levels, noise=noise, seed=seed)}


def steps_per_epoch(name: str, shape: tuple[int, ...], rows: int, batch_size: int) -> int | None:
    """Steps of an epoch for `fit`: at least 500 for EfficientGAN and ALAD on tables, which take thousands of steps
    however few the rows are; None, one pass over the rows, for the others."""
    if name in AVERAGED and len(shape) == 1:
        return max(LEAST_STEPS, -(-rows // batch_size))
    return None


def _builder(paper: Any, name: str) -> Callable[..., Any]:
    """A paper's own network, or the one that it shares with another."""
    return getattr(paper, name, None) or getattr(networks, name)


def _kind(shape: tuple[int, ...], latent_dim: int | None, sizes: dict[str, int]) -> tuple[str, Any, int]:
    """ "table" or "image", what the builders take for the size of a row, and the latent size."""
    if len(shape) not in (1, 3):
        raise ValueError(f"Expected rows (features,) or images (H, W, C). Received: shape {shape}.")
    kind = "table" if len(shape) == 1 else "image"
    if latent_dim is not None and latent_dim < 1:
        raise ValueError(f"Expected latent_dim >= 1. Received: latent_dim={latent_dim!r}.")
    return kind, shape[0] if kind == "table" else shape, latent_dim or sizes[kind]


def pca_phases(shape: tuple[int, ...], n_components: int | None = None, seed: int = 0) -> Phases:
    """PCA alone."""
    return {"pca": PCA(shape, n_components=n_components, seed=seed)}


def gaussian_phases(shape: tuple[int, ...], seed: int = 0) -> Phases:
    """One Gaussian alone."""
    return {"gaussian": Gaussian(shape, seed=seed)}


DETECTORS: dict[str, Callable[..., Phases]] = {
    "anogan": anogan_phases,
    "fanogan": fanogan_phases,
    "efficientgan": efficientgan_phases,
    "alad": alad_phases,
    "gan_discriminator": gan_discriminator_phases,
    "autoencoder": autoencoder_phases,
    "siamese": siamese_phases,
    "cvgan": cvgan_phases,
    "flow": flow_phases,
    "gaussian": gaussian_phases,
    "pca": pca_phases,
}

__all__ = [
    "ALAD",
    "AVERAGED",
    "CVGAN",
    "PCA",
    "VGAN",
    "WGANGP",
    "AnoGAN",
    "Autoencoder",
    "EfficientGAN",
    "FAnoGAN",
    "Flow",
    "GANDiscriminator",
    "Gaussian",
    "Siamese",
    "build_detector",
    "build_phases",
    "steps_per_epoch",
]

"""One file per paper, and the registry that finds a detector by its name.

Every file of this folder is imported, so that a paper is registered by being here.
"""

import importlib
import pkgutil

from keras_anogan.models.adversarial_autoencoder import AdversarialAutoencoder
from keras_anogan.models.alad import ALAD
from keras_anogan.models.alocc import ALOCC
from keras_anogan.models.anogan import AnoGAN
from keras_anogan.models.autoencoder import Autoencoder
from keras_anogan.models.cvgan import CVGAN
from keras_anogan.models.efficientgan import EfficientGAN
from keras_anogan.models.fanogan import FAnoGAN
from keras_anogan.models.flow import Flow
from keras_anogan.models.gan_discriminator import GANDiscriminator
from keras_anogan.models.ganomaly import GANomaly
from keras_anogan.models.gaussian import Gaussian
from keras_anogan.models.neighbors import Neighbors
from keras_anogan.models.ognet import OGNet
from keras_anogan.models.patch_gaussian import PatchGaussian
from keras_anogan.models.patch_neighbors import PatchNeighbors
from keras_anogan.models.pca import PCA
from keras_anogan.models.registry import (
    Entry,
    Phases,
    build_detector,
    build_phases,
    check_parameters,
    entry,
    list_detectors,
    parameters_of,
    register,
    steps_per_epoch,
)
from keras_anogan.models.siamese import Siamese
from keras_anogan.models.skip_ganomaly import SkipGANomaly
from keras_anogan.models.vae import VAE
from keras_anogan.models.vgan import VGAN
from keras_anogan.models.wgan_gp import WGANGP

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "ALAD",
    "ALOCC",
    "CVGAN",
    "PCA",
    "VAE",
    "VGAN",
    "WGANGP",
    "AdversarialAutoencoder",
    "AnoGAN",
    "Autoencoder",
    "EfficientGAN",
    "Entry",
    "FAnoGAN",
    "Flow",
    "GANDiscriminator",
    "GANomaly",
    "Gaussian",
    "Neighbors",
    "OGNet",
    "PatchGaussian",
    "PatchNeighbors",
    "Phases",
    "Siamese",
    "SkipGANomaly",
    "build_detector",
    "build_phases",
    "check_parameters",
    "entry",
    "list_detectors",
    "parameters_of",
    "register",
    "steps_per_epoch",
]

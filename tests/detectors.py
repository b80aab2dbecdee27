"""The table of detectors that tests share: a new paper joins by one row.

A row says how to build the detector small. `check_detector` runs on each. A row with `only` is a second kind of data
for a detector that has a whole row: it runs the checks that can come out otherwise there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_anogan import FAnoGAN, build_detector
from keras_anogan.detector import AnomalyDetector
from keras_anogan.nn.networks import build_mlp_critic, build_mlp_encoder, build_mlp_generator

IMAGE, TABLE, WINDOW = (8, 8, 1), (6,), (8, 32, 32, 1)
SCORES = ("score_is_one_finite_float32_per_sample", "score_depends_on_the_sample_alone")
RESUMES = ("training_resumes_exactly",)
SAVED = ("predict_leaves_every_weight", "saving_keeps_scores_and_optimizers")
REFUSES = ("refuses_bad_input_with_a_sentence",)


@dataclasses.dataclass(frozen=True)
class Row:
    """One detector, small.

    Attributes:
        name: in the registry.
        shape: of a sample: IMAGE, TABLE or WINDOW.
        params: of `build_detector`.
        only: checks to run; all by default.
        skip: checks to leave out.
        build: instead of `build_detector`, for sizes that the registry leaves to a network's own defaults.
        jit_compile: as in `compile`; XLA takes longer to compile than these have to train.
        classes: whether `fit` needs the classes of normal data.
    """

    name: str
    shape: tuple[int, ...] = IMAGE
    params: dict = dataclasses.field(default_factory=dict)
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    build: Callable[[], AnomalyDetector] | None = None
    jit_compile: bool | None = False
    classes: bool = False

    def make(self) -> AnomalyDetector:
        """A fresh, compiled detector, always with the same seed."""
        detector = build_detector(self.name, self.shape, **self.params) if self.build is None else self.build()
        detector.compile(jit_compile=self.jit_compile)
        return detector

    def labels(self) -> np.ndarray | None:
        """Classes of the 32 normal rows, for a detector that needs them."""
        return np.arange(32) % 3 if self.classes else None

    def __str__(self) -> str:
        return f"{self.name}-{'x'.join(map(str, self.shape))}" + ("-part" if self.only else "")


def build_small_fanogan() -> AnomalyDetector:
    """f-AnoGAN of fully connected networks with few units."""
    return FAnoGAN(
        build_mlp_encoder(IMAGE, 4, units=(16, 8), seed=0),
        build_mlp_generator(IMAGE, 4, units=(8, 16), seed=1),
        build_mlp_critic(IMAGE, units=(16, 8), seed=2),
    )


ROWS = (
    Row("adversarial_autoencoder", IMAGE, {"latent_dim": 4, "depth": 3}),
    Row("adversarial_autoencoder", TABLE, {"latent_dim": 3, "depth": 2}, only=(*SCORES, *REFUSES)),
    Row("alad", TABLE, {"latent_dim": 3}),
    Row("alad", IMAGE, {"latent_dim": 4}, only=(*SCORES, *SAVED, *RESUMES)),
    Row("alocc", IMAGE, {"filters": 2, "discriminator_filters": 2}),
    Row("anogan", IMAGE, {"latent_dim": 4, "filters": 4, "steps": 20}),
    Row("anogan", TABLE, {"latent_dim": 3, "steps": 20}, only=(*SCORES, *RESUMES, *REFUSES)),
    Row("autoencoder", IMAGE, {"filters": 2, "noise_std": 0.1}),
    # Half precision: bfloat16 tells; float16 would take another minute.
    Row(
        "cvgan",
        WINDOW,
        {"filters": 2, "skip_connections": False, "residual": False},
        skip=("trains_in_float16",),
    ),
    Row("efficientgan", TABLE, {"latent_dim": 3}),
    Row("efficientgan", IMAGE, {"latent_dim": 4}, only=(*SCORES, *SAVED, *RESUMES)),
    Row("fanogan", IMAGE, build=build_small_fanogan),
    Row("fanogan", IMAGE, {"architecture": "dcgan", "latent_dim": 4, "filters": 4}),
    Row("flow", IMAGE, {"components": 16, "blocks": 1, "units": (16,), "levels": 17}),
    Row("flow", TABLE, {"blocks": 1, "units": (16,)}, only=(*SCORES, *RESUMES, *REFUSES)),
    Row("gan_discriminator", IMAGE, {"latent_dim": 4, "filters": 4}),
    Row("ganomaly", IMAGE, {"latent_dim": 4, "filters": 2}),
    Row("ganomaly", IMAGE, {"latent_dim": 4, "filters": 2, "normalization": "instance"}, only=(*SCORES, *SAVED)),
    Row("ganomaly", TABLE, {"latent_dim": 3}, only=(*SCORES, *RESUMES, *REFUSES)),
    Row("gaussian", IMAGE),
    Row("neighbors", IMAGE, {"k": 2}),
    Row("ognet", IMAGE, {"filters": 2, "discriminator_filters": 2}),
    Row("patch_gaussian", IMAGE),
    Row("patch_neighbors", IMAGE),
    Row("pca", IMAGE, {"n_components": 4}),
    Row("siamese", IMAGE, {"latent_dim": 4, "filters": 4, "classes": 4}, classes=True),
    Row("skip_ganomaly", IMAGE, {"latent_dim": 4, "filters": 2}),
    Row("vae", IMAGE, {"latent_dim": 4, "filters": 4}),
    Row("vae", TABLE, {"latent_dim": 3}, only=(*SCORES, *RESUMES, *REFUSES)),
)

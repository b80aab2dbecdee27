"""Everything that `from keras_anogan import ...` offers; importing it registers every class with Keras."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_anogan._version import __version__
from keras_anogan.detector import AnomalyDetector, Explainer, Tags
from keras_anogan.iftm import IFTM
from keras_anogan.models import (
    ALAD,
    ALOCC,
    CVGAN,
    PCA,
    VAE,
    VGAN,
    WGANGP,
    AdversarialAutoencoder,
    AnoGAN,
    Autoencoder,
    EfficientGAN,
    FAnoGAN,
    Flow,
    GANDiscriminator,
    GANomaly,
    Gaussian,
    Neighbors,
    OGNet,
    PatchGaussian,
    PatchNeighbors,
    Siamese,
    SkipGANomaly,
    build_detector,
    build_phases,
    list_detectors,
)
from keras_anogan.models.composed import MapDetector, PatchDetector, SmoothedDetector
from keras_anogan.models.ensemble import Ensemble
from keras_anogan.models.features import FeatureDetector
from keras_anogan.models.memory import Memory
from keras_anogan.models.padded import PaddedDetector
from keras_anogan.models.views import ViewsDetector
from keras_anogan.nn.features import Features, build_features
from keras_anogan.nn.scores import PredictionError
from keras_anogan.serving.fitted import FittedDetector
from keras_anogan.serving.preprocessing import image_preprocessing
from keras_anogan.serving.tables import TableEncoder
from keras_anogan.testing import check_detector
from keras_anogan.thresholds.conformal import ConformalThreshold, QuantileThreshold, false_discovery_control
from keras_anogan.thresholds.running import (
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    SlidingWindowThreshold,
)
from keras_anogan.video.opening import open_footage, prepare
from keras_anogan.video.windows import VideoWindows


def reproduce(
    name: str,
    seeds: Sequence[int] = (),
    out: Any = "benchmarks/results",
    say: Callable[[str], None] = print,
    engine: str = "local",
    address: str | None = None,
) -> dict[str, Any]:
    """Run a published experiment; arguments and errors as in `recipes.reproduce`.

    Recipes need scikit-learn and more, so that they are imported when one is run.
    """
    from keras_anogan import recipes

    return recipes.reproduce(name, seeds, out, say, engine, address)


__all__ = [
    "ALAD",
    "ALOCC",
    "CVGAN",
    "IFTM",
    "PCA",
    "VAE",
    "VGAN",
    "WGANGP",
    "AdversarialAutoencoder",
    "AnoGAN",
    "AnomalyDetector",
    "Autoencoder",
    "ConformalThreshold",
    "CumulativeAggregation",
    "DoubleExponentialThreshold",
    "EfficientGAN",
    "Ensemble",
    "Explainer",
    "ExponentialThreshold",
    "FAnoGAN",
    "FeatureDetector",
    "Features",
    "FittedDetector",
    "Flow",
    "GANDiscriminator",
    "GANomaly",
    "Gaussian",
    "MapDetector",
    "Memory",
    "Neighbors",
    "OGNet",
    "PaddedDetector",
    "PatchDetector",
    "PatchGaussian",
    "PatchNeighbors",
    "PeaksOverThreshold",
    "PredictionError",
    "QuantileThreshold",
    "Siamese",
    "SkipGANomaly",
    "SlidingWindowThreshold",
    "SmoothedDetector",
    "TableEncoder",
    "Tags",
    "VideoWindows",
    "ViewsDetector",
    "__version__",
    "build_detector",
    "build_features",
    "build_phases",
    "check_detector",
    "false_discovery_control",
    "image_preprocessing",
    "list_detectors",
    "open_footage",
    "prepare",
    "reproduce",
]

"""GAN-based anomaly detection in TensorFlow/Keras."""

from keras_anogan._version import __version__
from keras_anogan.detector import AnomalyDetector, Explainer, Tags
from keras_anogan.fitted import FittedDetector, image_preprocessing
from keras_anogan.iftm import IFTM, PredictionError
from keras_anogan.models import (
    ALAD,
    CVGAN,
    PCA,
    VGAN,
    WGANGP,
    AnoGAN,
    Autoencoder,
    EfficientGAN,
    FAnoGAN,
    Flow,
    GANDiscriminator,
    Gaussian,
    Siamese,
    build_detector,
    build_phases,
)
from keras_anogan.patches import PatchDetector
from keras_anogan.smoothing import SmoothedDetector
from keras_anogan.thresholds import (
    ConformalThreshold,
    CumulativeAggregation,
    DoubleExponentialThreshold,
    ExponentialThreshold,
    PeaksOverThreshold,
    QuantileThreshold,
    SlidingWindowThreshold,
    false_discovery_control,
)
from keras_anogan.video import VideoWindows, open_footage

__all__ = [
    "ALAD",
    "CVGAN",
    "IFTM",
    "PCA",
    "VGAN",
    "WGANGP",
    "AnoGAN",
    "AnomalyDetector",
    "Autoencoder",
    "ConformalThreshold",
    "CumulativeAggregation",
    "DoubleExponentialThreshold",
    "EfficientGAN",
    "Explainer",
    "ExponentialThreshold",
    "FAnoGAN",
    "FittedDetector",
    "Flow",
    "GANDiscriminator",
    "Gaussian",
    "PatchDetector",
    "PeaksOverThreshold",
    "PredictionError",
    "QuantileThreshold",
    "Siamese",
    "SlidingWindowThreshold",
    "SmoothedDetector",
    "Tags",
    "VideoWindows",
    "__version__",
    "build_detector",
    "build_phases",
    "false_discovery_control",
    "image_preprocessing",
    "open_footage",
]

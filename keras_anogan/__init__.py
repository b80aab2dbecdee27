"""GAN-based anomaly detection in TensorFlow/Keras."""

from keras_anogan._version import __version__
from keras_anogan.detector import AnomalyDetector, Explainer, Tags
from keras_anogan.fitted import FittedDetector, image_preprocessing
from keras_anogan.models import ALAD, PCA, WGANGP, EfficientGAN, FAnoGAN, build_detector, build_phases
from keras_anogan.thresholds import ConformalThreshold, QuantileThreshold

__all__ = [
    "ALAD",
    "PCA",
    "WGANGP",
    "AnomalyDetector",
    "ConformalThreshold",
    "EfficientGAN",
    "Explainer",
    "FAnoGAN",
    "FittedDetector",
    "QuantileThreshold",
    "Tags",
    "__version__",
    "build_detector",
    "build_phases",
    "image_preprocessing",
]

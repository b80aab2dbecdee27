"""The version, alone, so that packaging and the command line read it without importing TensorFlow."""

from __future__ import annotations

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """Versions of what decides a number."""
    import platform

    import keras
    import numpy as np
    import tensorflow as tf

    return {
        "keras_anogan": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }

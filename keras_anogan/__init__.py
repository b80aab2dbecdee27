"""GAN-based anomaly detection in TensorFlow/Keras."""

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from keras_anogan._version import __version__ as __version__

# Importing the package registers its classes, or `keras.models.load_model` would not find them, and that imports
# TensorFlow. The command line refuses mistakes before it has TensorFlow: there the names below come when asked for.
if not TYPE_CHECKING and "keras_anogan_cli" in sys.modules and "keras" not in sys.modules:

    def __getattr__(name: str) -> Any:
        if name.startswith("__") or importlib.util.find_spec(f"{__name__}.{name}"):  # a module: Python imports that
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("keras_anogan.exports"), name)

else:
    from keras_anogan.exports import *  # noqa: F403
    from keras_anogan.exports import __all__ as __all__

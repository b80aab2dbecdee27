"""Write `keras_anogan/catalogue.json`, what the command line knows without TensorFlow: `make catalogue`."""

from __future__ import annotations

from keras_anogan.catalogue import FILE
from keras_anogan.files import write_json
from keras_anogan.models.registry import listings
from keras_anogan.recipes import RECIPES


def main() -> None:
    """Ask the registry and the recipes, and write what they say."""
    write_json(FILE, {"detectors": listings(), "recipes": list(RECIPES)})


if __name__ == "__main__":
    main()

"""Compute the baselines of every result file again, where a new one stands beside the old: no detector is trained.

    python benchmarks/baselines.py [NAME ...]

A baseline has no seed, so the other numbers of a file stay as they are. Experiments that ask the same baselines share
them.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import pathlib
import sys

from keras_anogan.files import write_json
from keras_anogan.recipes import RECIPES
from keras_anogan.recipes.recipe import read_result
from keras_anogan.recipes.tables import mean

RESULTS = pathlib.Path(__file__).parent / "results"


def main() -> None:
    """Rewrite `baselines` and the baselines in `parts` of the files named, or of all that are there."""
    known: dict = {}
    for name in sys.argv[1:] or [name for name in RECIPES if (RESULTS / f"{name}.json").exists()]:
        recipe, result = RECIPES[name], read_result(RESULTS, name)
        parts = [(part,) for part in recipe.parts] or [()]
        for part in parts:
            key = (str(recipe.baselines), part)
            if key not in known:
                known[key] = recipe.baselines(*part)
        found = [known[str(recipe.baselines), part] for part in parts]
        result["baselines"] = {key: round(mean([numbers[key] for numbers in found]), 6) for key in found[0]}
        for part, numbers in zip(recipe.parts, found, strict=False):
            result["parts"][str(part)] |= {key: round(value, 6) for key, value in numbers.items()}
        write_json(RESULTS / f"{name}.json", result)
        print(name, result["baselines"], flush=True)


if __name__ == "__main__":
    main()

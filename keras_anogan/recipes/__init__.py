"""One entry per published experiment: what is trained, on what, for how long, fixed before any number is seen.

keras-anogan reproduce fanogan-mnist-digit1        # prints the table, writes benchmarks/results/<name>.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras_anogan.recipes import (
    aae_ensemble,
    aae_kdd99,
    aae_mnist,
    alocc_mnist,
    anogan_mnist,
    bigans_kdd99,
    cvgan_ped2,
    cvgan_street,
    efficientgan_mnist,
    fanogan_mnist,
    features_tiles,
    folders,
    ganomaly_cifar10,
    ganomaly_leaks,
    ganomaly_mnist,
    ganomaly_tiles,
    iftm_ped2,
    notebook_mnist,
    ognet_ped2,
    one_anomalous_mnist,
    plain_tables,
    vae_mnist,
)
from keras_anogan.recipes.recipe import Recipe, run_recipe

EXPERIMENTS = (
    fanogan_mnist,
    anogan_mnist,
    one_anomalous_mnist,
    notebook_mnist,
    aae_mnist,
    aae_ensemble,
    vae_mnist,
    efficientgan_mnist,
    alocc_mnist,
    ganomaly_cifar10,
    ganomaly_leaks,
    ganomaly_mnist,
    ganomaly_tiles,
    bigans_kdd99,
    aae_kdd99,
    plain_tables,
    folders,
    features_tiles,
    cvgan_ped2,
    cvgan_street,
    ognet_ped2,
    iftm_ped2,
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for experiment in EXPERIMENTS for recipe in experiment.RECIPES}


def reproduce(
    name: str,
    seeds: Sequence[int] = (),
    out: Any = "benchmarks/results",
    say: Callable[[str], None] = print,
    engine: str = "local",
    address: str | None = None,
) -> dict[str, Any]:
    """Run a recipe for every seed (default: its own) and write `<out>/<name>.json`; see `run_recipe`.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in RECIPES:
        raise ValueError(f"Expected one of the recipes {tuple(RECIPES)}. Received: {name!r}.")
    return run_recipe(RECIPES[name], seeds or RECIPES[name].seeds, out, say, engine, address)

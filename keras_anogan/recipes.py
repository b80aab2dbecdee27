"""One entry per published experiment: what is trained, on what, for how long, fixed before any number is seen.

keras-anogan reproduce fanogan-mnist-digit1        # prints the table, writes benchmarks/results/<name>.json
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_anogan import evaluation
from keras_anogan.datasets import fanogan_exercise, load_mnist
from keras_anogan.detector import AnomalyDetector, Explainer
from keras_anogan.fitted import image_preprocessing
from keras_anogan.models import PCA, build_phases
from keras_anogan.runs import versions
from keras_anogan.tasks import Arguments


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An experiment with its settings.

    Attributes:
        name: `<detector>-<dataset>-<protocol>`.
        what: one sentence.
        metric: what `values` holds, one number per seed.
        settings: what was trained and how; settings are fixed here, never chosen on the test rows.
        published: value and source of the number that is reproduced, or None.
        run: seed -> {"value": the metric, other numbers by name}.
        baselines: () -> numbers by name on the same test rows.
        target: the value that the mean is meant to reach.
    """

    name: str
    what: str
    metric: str
    settings: dict[str, Any]
    published: dict[str, Any] | None
    run: Callable[[int], dict[str, float]]
    baselines: Callable[[], dict[str, float]]
    target: float


def demo_arguments() -> Arguments:
    """`keras-anogan demo`: scikit-learn's digits; about a minute on two cores.

    Digit and epochs were chosen with labels on these digits, which stand in no results table.
    """
    return Arguments(data="digits", normal=3, epochs=200, batch_size=32, alpha=0.05)


EXERCISE = {
    "networks": "mlp, latent_dim 100, tanh",
    "optimizer": "Adam(2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8), every network",
    "epochs": "20 (WGAN-GP) + 20 (encoder), last epoch",
    "batch_size": 64,
    "kappa": 1.0,
    "lambda_": 10.0,
    "n_critic": 5,
    "batchnorm_epsilon": "0.8, as in the exercise",
    "train": "5,393 images: the first 80 % of the ones, nothing set aside, as in the exercise",
    "test": "64,607 images: all the rest of MNIST",
}


def train_fanogan_exercise(x: np.ndarray, seed: int, batchnorm_epsilon: float = 0.8) -> AnomalyDetector:
    """f-AnoGAN as in the MNIST exercise (A03ki/f-AnoGAN): WGAN-GP for 20 epochs, then the encoder for 20.

    Args:
        x: normal images, float32 (n, 28, 28, 1) in [-1, 1].
        seed: of weights, noise and order.
        batchnorm_epsilon: of the generator; 0.8 in the exercise, where a momentum stands in its place.
    """
    phases = build_phases("fanogan", x.shape[1:], architecture="mlp", batchnorm_epsilon=batchnorm_epsilon, seed=seed)
    for model in phases.values():
        adam = {p: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8) for p in model.players}
        model.compile(optimizers=adam)
        model.fit(x, batch_size=64, epochs=20, verbose=0)
    return phases["encoder"]


def exercise_data(digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train, test, labels) of the exercise, images float32 in [-1, 1]."""
    split = fanogan_exercise(*load_mnist(), digit=digit, stop=0.0, calibrate=0.0)
    scale = image_preprocessing(28, 28)
    train, test = (
        np.concatenate([scale(x[i : i + 1024]) for i in range(0, len(x), 1024)]) for x in (split.train, split.test)
    )
    return train, test, split.labels


def _fanogan_digit1(seed: int) -> dict[str, float]:
    train, test, labels = exercise_data(1)
    numbers = {}
    for suffix, epsilon in (("", 0.8), (", epsilon 1e-5", 1e-5)):
        explainer = Explainer(train_fanogan_exercise(train, seed, batchnorm_epsilon=epsilon))
        parts = [explainer.predict(test[i : i + 8192]) for i in range(0, len(test), 8192)]
        for key, name in (("img_distance", "img_distance"), ("score", "A(x)")):
            scores = np.concatenate([part[key] for part in parts])
            numbers[f"AUROC {name}{suffix}"] = evaluation.auroc(labels, scores)
            numbers[f"AUPRC {name}{suffix}"] = evaluation.auprc(labels, scores)
    return {"value": numbers.pop("AUROC img_distance"), **numbers}


def _pca_digit1() -> dict[str, float]:
    train, test, labels = exercise_data(1)
    pca = PCA((28, 28, 1), n_components=32)
    pca.compile()
    pca.fit(train)
    scores = pca.predict(test)
    return {"PCA-32 AUROC": evaluation.auroc(labels, scores), "PCA-32 AUPRC": evaluation.auprc(labels, scores)}


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="fanogan-mnist-digit1",
            what="The f-AnoGAN MNIST exercise: digit 1 is normal, every other digit anomalous",
            metric="AUROC of img_distance",
            settings=EXERCISE,
            published={"value": 0.99768, "source": "A03ki/f-AnoGAN, mnist notebook, one run, img_distance"},
            run=_fanogan_digit1,
            baselines=_pca_digit1,
            target=0.9977,
        ),
    )
}


def reproduce(
    name: str, seeds: Sequence[int] = (0, 1, 2), out: Any = "benchmarks/results", say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Run a recipe for every seed and write `<out>/<name>.json`.

    Raises:
        ValueError: for an unknown name or no seeds.
    """
    if name not in RECIPES:
        raise ValueError(f"Expected one of the recipes {tuple(RECIPES)}. Received: {name!r}.")
    if not seeds:
        raise ValueError("Expected at least one seed. Received: none.")
    recipe, start = RECIPES[name], time.perf_counter()
    baselines = {key: round(value, 6) for key, value in recipe.baselines().items()}
    runs = []
    for seed in seeds:
        runs.append(recipe.run(seed))
        say(f"seed {seed}: " + ", ".join(f"{key} {value:.5f}" for key, value in runs[-1].items()))
    values = [round(run["value"], 6) for run in runs]
    beside = {
        key: {
            "values": [round(run[key], 6) for run in runs],
            **_rounded(evaluation.summarise([run[key] for run in runs])),
        }
        for key in runs[0]
        if key != "value"
    }
    result = {
        "name": name,
        "what": recipe.what,
        "command": f"keras-anogan reproduce {name} " + " ".join(f"--seed {seed}" for seed in seeds),
        "metric": recipe.metric,
        "target": recipe.target,
        "seeds": list(seeds),
        "values": values,
        **_rounded(evaluation.summarise(values)),
        "beside": beside,
        "baselines": baselines,
        "published": recipe.published,
        "settings": recipe.settings,
    }
    return write_result(result, time.perf_counter() - start, out)


def write_result(result: dict[str, Any], seconds: float, out: Any) -> dict[str, Any]:
    """Add time and circumstances to a result and write it as `<out>/<name>.json`; returns the whole."""
    result = {**result, "minutes": round(seconds / 60, 1), **circumstances()}
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".{result['name']}.partial"
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(out / f"{result['name']}.json")
    return result


def circumstances() -> dict[str, Any]:
    """Where a number came from: machine, versions and git revision."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "versions": versions(),
        "git_revision": _revision(),
    }


def _revision() -> str | None:
    """The commit, with "-dirty" if anything but result files differs from it; None outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        changes = git(
            "status", "--porcelain", "--", ":/", ":(top,exclude)benchmarks/results", ":(top,exclude)README.md"
        )
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def _rounded(numbers: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [round(v, 6) for v in value] if isinstance(value, list) else value if value is None else round(value, 6)
        for key, value in numbers.items()
    }

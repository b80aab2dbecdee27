"""The commands that try every detector on a user's own data."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any

import typer

from keras_anogan_cli import options
from keras_anogan_cli.app import app
from keras_anogan_cli.console import import_tensorflow, progress, say, show

Budget = Annotated[str, typer.Option(help="How long all of it may take, such as 20m or 2h.")]
Detectors = Annotated[
    list[str] | None,
    typer.Option("--detector", help="A detector to try, one option for each. Default: all that fit the data."),
]
Folder = Annotated[
    pathlib.Path,
    typer.Option("--out", help="Folder for the page and a run of each detector; an unfinished one is gone on with."),
]


@app.command()
def benchmark(
    data: options.Data,
    out: Folder,
    budget: Budget = "20m",
    detector: Detectors = None,
    normal: Annotated[int | None, typer.Option(help="mnist, digits, cifar10: this class is normal.")] = None,
    abnormal: Annotated[int | None, typer.Option(help="mnist, digits, cifar10: this class is anomalous.")] = None,
    normal_where: Annotated[
        str | None, typer.Option(help="Tables: the condition that normal rows meet, e.g. 'label == \"ok\"'.")
    ] = None,
    drop: options.Drop = None,
    column: options.Column = None,
    id_column: options.IdColumn = None,
    features: options.Features = None,
    weights: options.Weights = None,
    layer: options.Layer = None,
    image_size: options.ImageSize = None,
    color: options.Color = "auto",
    normal_dir: options.NormalDir = None,
    abnormal_dir: options.AbnormalDir = None,
    flat: options.Flat = False,
    group: options.Group = None,
    reduction: options.Reduction = None,
    alpha: options.Alpha = None,
    calibrate_share: options.CalibrateShare = None,
    seed: options.Seed = 0,
    skip_broken: options.SkipBroken = False,
    config: options.Config = None,
) -> None:
    """Train every detector that fits your images or table, and tell which one to take.

    Plain ones come first: PCA, nearest neighbours. Networks share the time that is left. With anomalies to test on, the
    order is by AUROC; without, by how well spoilt copies of held-out normal data are found.
    """
    from keras_anogan.runs.parsing import parse_image_size

    given = {
        "normal": normal,
        "abnormal": abnormal,
        "normal_where": normal_where,
        "drop": drop,
        "column": column,
        "id_column": id_column,
        "features": features,
        "weights": weights,
        "layer": layer,
        "image_size": parse_image_size(image_size),
        "color": color,
        "normal_dir": normal_dir,
        "abnormal_dir": abnormal_dir,
        "flat": flat,
        "group": group,
        "reduction": reduction,
        "alpha": alpha,
        "calibrate_share": calibrate_share,
        "seed": seed,
        "skip_broken": skip_broken,
    }
    _benchmark(data, out, budget, detector, given)


@app.command()
def benchmark_video(
    days: options.Days,
    out: Folder,
    budget: Budget = "20m",
    detector: Detectors = None,
    size: options.Size = None,
    grey: options.Grey = False,
    every: options.Every = 1,
    alpha: options.Alpha = None,
    seed: options.Seed = 0,
    config: options.Config = None,
) -> None:
    """Train every detector of footage on your days, and tell how well each finds spoilt copies of held-out frames."""
    from keras_anogan.runs.parsing import parse_size

    given = {"size": parse_size(size), "grey": grey, "every": every, "alpha": alpha, "seed": seed}
    _benchmark(days, out, budget, detector, given)


def _benchmark(data: Any, out: pathlib.Path, budget: str, detectors: list[str] | None, given: dict[str, Any]) -> None:
    """Check before TensorFlow is imported, run, and say what came of it; only options that say something are passed."""
    from keras_anogan.runs.candidates import check_benchmark, plan_benchmark
    from keras_anogan.runs.parsing import parse_duration

    asked = {
        key: value for key, value in given.items() if value not in (None, False, []) and (key, value) not in DEFAULTS
    }
    seconds = parse_duration(budget)
    check_benchmark(plan_benchmark(data, seconds, detectors, **asked), out)
    import_tensorflow()
    from keras_anogan import runs

    found = runs.benchmark(data, out, seconds, detectors, say=say, progress=progress, **asked)
    show(found["sentence"])
    show(f"Train it at full length: {found['command']}")
    show(f"Page: {(out / 'benchmark.html').resolve()}")


DEFAULTS = (("color", "auto"), ("seed", 0), ("every", 1))

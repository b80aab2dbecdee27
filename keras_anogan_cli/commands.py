"""The commands that use what was trained: each one parses, calls a verb of the package, and prints what came of it."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer

from keras_anogan_cli import benchmarking, options, scoring  # noqa: F401  those that train and score stand first
from keras_anogan_cli.app import app
from keras_anogan_cli.console import import_tensorflow, say, show


@app.command()
def compare(
    run: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="RUN RUN...", help="Folders of finished runs, of images or of tables.", show_default=False
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="What `score` takes; default: the test rows that the runs have in common.", show_default=False
        ),
    ] = None,
    out: Annotated[pathlib.Path, typer.Option(help="Page to write.")] = pathlib.Path("compare.html"),
) -> None:
    """Compare finished runs on the same data: one page of numbers, curves, losses, pictures and settings."""
    from keras_anogan.runs.checks import check_comparing

    check_comparing(run, data, out)
    import_tensorflow()
    from keras_anogan import runs

    found = runs.compare(run, data, out, say=say)
    show(found["sentence"])
    show(f"Page: {out}")


@app.command()
def export(
    run: options.Run,
    folder: Annotated[
        pathlib.Path, typer.Argument(metavar="DIR", help="New folder, e.g. serving/1.", show_default=False)
    ],
    alpha: options.AnotherAlpha = None,
) -> None:
    """Write the SavedModel of a finished run, after proving that it scores as the detector does."""
    from keras_anogan.runs.checks import check_export

    check_export(run, folder, alpha)
    import_tensorflow()
    from keras_anogan import runs

    runs.export(run, folder, alpha)
    show(f"Exported, scores agree: {folder}")


@app.command()
def threshold(
    run: options.Run,
    alpha: options.AnotherAlpha = None,
    recalibrate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA",
            help="New normal data, as `score` takes them, one option for each. Default: the scores that the run was "
            "calibrated with.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Set the threshold of a finished run anew: in its detector, SavedModel and report, or, after a mistake, in none.

    Nothing is trained. --alpha takes the calibration scores that the run keeps; --recalibrate scores new normal data.
    """
    from keras_anogan.runs.checks import check_new_threshold

    data = recalibrate[0] if recalibrate and len(recalibrate) == 1 else recalibrate or None
    check_new_threshold(run, alpha, data)
    import_tensorflow()
    from keras_anogan import runs

    show(runs.set_threshold(run, alpha, data)["sentence"])


@app.command()
def monitor(
    run: options.Run,
    scored: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="CSV...", help="Files that `score` wrote of new data, in order.", show_default=False),
    ],
    out: Annotated[pathlib.Path, typer.Option(help="Page to write.")] = pathlib.Path("monitor.html"),
) -> None:
    """Compare alarms and scores of new data with the calibration of a run; exit code 3 where they are unlike it."""
    from keras_anogan.runs.checks import check_monitoring

    check_monitoring(run, scored, out)
    import_tensorflow()
    from keras_anogan import runs

    found = runs.monitor(run, scored, out)
    show(found["sentence"])
    show(f"Page: {out}")
    if found["unusual"]:
        raise typer.Exit(3)


@app.command()
def prepare(
    raw: Annotated[
        list[str],
        typer.Argument(metavar="RAW... OUT", help="Folder of days, or days, and last the store.", show_default=False),
    ],
    size: options.Size = None,
    grey: options.Grey = False,
    every: options.Every = 1,
    config: options.Config = None,
) -> None:
    """Convert days of video files or frames once to a store with random access; an interrupted one goes on."""
    if len(raw) < 2:
        raise ValueError("Expected RAW and OUT, such as: prepare days/ store/ --size 128x64. Received: one path.")
    from keras_anogan.runs.checks import check_preparing
    from keras_anogan.runs.parsing import parse_size

    sides = parse_size(size)
    *days, out = raw
    check_preparing(days, out, every)
    import_tensorflow()
    from keras_anogan import video
    from keras_anogan.words import counted

    reading = (None if sides is None else sides[::-1], True if grey else None, every)
    footage = video.prepare(days[0] if len(days) == 1 else days, out, *reading, say=say)
    height, width, channels = footage.frame_shape
    kind = "grey" if channels == 1 else "RGB"
    show(
        f"{counted(len(footage), 'frames')}, {width} x {height}, {kind}, of {counted(len(footage.days), 'days')}: {out}"
    )


@app.command()
def detectors() -> None:
    """List the detectors: what each is for, its paper, its parameters and their defaults (for --set)."""
    from keras_anogan.catalogue import list_detectors, listing

    for name in list_detectors():
        found = listing(name)
        show(f"{name}: {', '.join(found.inputs)}. {found.paper}")
        for key, parameter in found.parameters.items():
            show(f"    {key} = {parameter.default!r}")


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A recipe, e.g. fanogan-mnist-digit1.", show_default=False)
    ],
    seed: Annotated[list[int] | None, typer.Option(help="Seeds, one option for each. Default: the recipe's.")] = None,
    out: Annotated[pathlib.Path, typer.Option(help="Folder for NAME.json.")] = pathlib.Path("benchmarks/results"),
    engine: Annotated[
        str, typer.Option(help="Where seeds and parts are run: local (this process) or ray (all workers of a cluster).")
    ] = "local",
    address: options.Address = None,
    config: options.Config = None,
) -> None:
    """Run a published experiment for every seed and write its result, whatever it is."""
    from keras_anogan.catalogue import check_recipe

    check_recipe(name)
    if engine == "local" and address is not None:
        raise ValueError(f"Expected --address with --engine ray. Received: {address}, and no engine.")
    import_tensorflow()
    from keras_anogan import recipes
    from keras_anogan.words import counted

    result = recipes.reproduce(name, seed or (), out, say, engine, address)
    published = f", published {result['published']['value']}" if result["published"] else ""
    target = "none" if result["target"] is None else result["target"]
    baselines = ", ".join(f"{key} {value:.4f}" for key, value in result["baselines"].items())
    show(
        f"{result['metric']}: mean {result['mean']:.5f}, std {result['std']:.5f}, min {result['min']:.5f} "
        f"(target {target}{published}); {baselines}; {counted(result['minutes'], 'minutes', '')}"
    )

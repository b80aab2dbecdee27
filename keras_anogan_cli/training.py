"""The commands that train: of images and tables, of footage, and the demo."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any

import typer

from keras_anogan_cli import options
from keras_anogan_cli.app import app
from keras_anogan_cli.console import import_tensorflow, progress, say, show


@app.command()
def demo(
    out: Annotated[pathlib.Path, typer.Option(help="Folder for the run.")] = pathlib.Path("runs/demo"),
) -> None:
    """Train f-AnoGAN on scikit-learn's digits (nothing to download) and write a report; under two minutes."""
    from keras_anogan.runs.arguments import demo_arguments

    _train(demo_arguments(), out)


@app.command()
def train(
    context: typer.Context,
    data: options.Data,
    out: options.Out,
    normal: Annotated[
        int | None, typer.Option(help="mnist, digits, cifar10: this class is normal, all others anomalous.")
    ] = None,
    abnormal: Annotated[
        int | None, typer.Option(help="mnist, digits, cifar10: this class is anomalous, all others normal.")
    ] = None,
    normal_where: Annotated[
        str | None, typer.Option(help="Tables: the condition that normal rows meet, e.g. 'label == \"ok\"'.")
    ] = None,
    drop: options.Drop = None,
    column: options.Column = None,
    id_column: options.IdColumn = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Its name; `keras-anogan detectors` lists them. Default: pca for a folder, flow for tables, "
            "fanogan for mnist, digits and cifar10, gaussian with --features."
        ),
    ] = None,
    params: options.Parameters = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            help="Of fanogan: mlp, dcgan or resnet; of adversarial_autoencoder: mlp or dcgan. Default: mlp for mnist, "
            "digits and tables, else dcgan."
        ),
    ] = None,
    features: options.Features = None,
    weights: options.Weights = None,
    layer: options.Layer = None,
    scale: options.Scale = None,
    image_size: options.ImageSize = None,
    tiles: options.Tiles = None,
    stride: options.Stride = None,
    pad: options.Pad = False,
    mirror: options.Mirror = None,
    views: options.Views = False,
    rotate: options.Rotate = None,
    brightness: options.Brightness = None,
    color: options.Color = "auto",
    normal_dir: options.NormalDir = None,
    abnormal_dir: options.AbnormalDir = None,
    flat: options.Flat = False,
    group: options.Group = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of each phase of training; for one of a table efficientgan and alad take 500 steps or more, "
            "flow 50. Default: 20; for a folder the budget rules.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="How long training may take, such as 10m or 1h, instead of --epochs. Default for a folder: 10m."
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images, or rows, in one batch. Default: 64; for a folder with a budget, what fits it.",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam, for every network. Default: 2e-4 (images), 1e-4 (tables).")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when held-out normal data have not scored lower for so many epochs; keep the lowest."),
    ] = None,
    ensemble: Annotated[
        int,
        typer.Option(help="Train so many detectors, one after the other, each with its own seed, and combine them."),
    ] = 1,
    reduction: options.Reduction = None,
    threshold: options.Threshold = "conformal",
    alpha: options.Alpha = None,
    calibrate_share: options.CalibrateShare = None,
    k: options.K = 3.0,
    seed: options.Seed = 0,
    devices: options.Devices = "one",
    skip_broken: options.SkipBroken = False,
    tensorboard: Annotated[
        pathlib.Path | None, typer.Option(help="Folder for TensorBoard: losses, balance, gradients, images, scores.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="One epoch on at most 256 rows: does everything work?")
    ] = False,
    config: options.Config = None,
) -> None:
    """Train a detector on normal images or rows and write a run folder: detector, SavedModel, metrics, report.

    A folder is flat (every image is normal), has train/good, test/good and test/<defect>, or folders that --normal-dir
    and --abnormal-dir name. All rows of a table are normal, or those that --normal-where tells.
    The same command on an unfinished run goes on where it stopped.
    """
    from keras_anogan.runs.arguments import Arguments
    from keras_anogan.runs.parsing import parse_duration, parse_image_size, parse_parameters

    settings = {key: value for key, value in locals().items() if key in Arguments.__dataclass_fields__}
    given = {
        "image_size": parse_image_size(image_size),
        "params": parse_parameters(params or ()),
        "budget": None if budget is None else parse_duration(budget),
    }
    arguments = Arguments(**{**settings, **given})
    _refuse_idle(context, arguments)
    _train(arguments, out, tensorboard)


@app.command()
def train_video(
    context: typer.Context,
    days: options.Days,
    out: options.Out,
    size: options.Size = None,
    grey: options.Grey = False,
    every: options.Every = 1,
    past: Annotated[int, typer.Option(help="Frames that are given.")] = 7,
    horizon: Annotated[int, typer.Option(help="Frames that are forecast.")] = 1,
    stride: Annotated[
        int | None, typer.Option(help="Frames from one training window to the next. Default: past + horizon.")
    ] = None,
    detector: Annotated[
        str, typer.Option(help="A detector of windows; `keras-anogan detectors` lists them.")
    ] = "cvgan",
    params: options.Parameters = None,
    filters: Annotated[int, typer.Option(help="Of the generator; 64 in the thesis.")] = 16,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training windows. Default: 10.", show_default=False)
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long training may take, such as 10m or 1h, instead of --epochs.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Windows in a batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, for every network.")] = 1e-3,
    smooth: Annotated[
        int,
        typer.Option(
            help="Average the scores of so many frames in a row, a forward pass each: finds more, but not with fewer "
            "false alarms in a busy scene."
        ),
    ] = 1,
    threshold: options.Threshold = "conformal",
    alpha: options.Alpha = None,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="Conformal: the highest of the calibration days' own thresholds.")
    ] = False,
    k: options.K = 3.0,
    seed: options.Seed = 0,
    devices: options.Devices = "one",
    smoke: Annotated[bool, typer.Option("--smoke", help="One step: does everything work?")] = False,
    config: options.Config = None,
) -> None:
    """Train a detector, by default C-VGAN, on days of normal footage and write a run folder with its report."""
    from keras_anogan.runs.parsing import parse_duration, parse_parameters, parse_size
    from keras_anogan.runs.video_arguments import VideoArguments

    settings = {key: value for key, value in locals().items() if key in VideoArguments.__dataclass_fields__}
    given = {
        "size": parse_size(size),
        "params": parse_parameters(params or ()),
        "budget": None if budget is None else parse_duration(budget),
    }
    arguments = VideoArguments(**{**settings, **given})
    _refuse_idle(context, arguments)
    _train(arguments, out)


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was given, on the command line or in a file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "DEFAULT_MAP")


def _refuse_idle(context: typer.Context, arguments: Any) -> None:
    """Refuse options that were given and that have no effect."""
    from keras_anogan.runs.idle import LENGTHS, idle_options

    given = {name for name in context.params if _is_given(context, name)}
    for name, beside in idle_options(arguments).items():
        if name not in given:
            continue
        option, value = f"--{name.replace('_', '-')}", context.params[name]
        hint = "; a network, such as --detector autoencoder, is trained" if name in LENGTHS else ""
        hint = "" if "detector" in given else hint
        received = option if isinstance(value, bool) else f"{option} {value}"
        raise ValueError(f"Expected no {option} with {beside}{hint}. Received: {received}.")


def _train(arguments: Any, out: pathlib.Path, tensorboard: pathlib.Path | None = None) -> None:
    from keras_anogan.runs.checks import check_training

    check_training(arguments, out, tensorboard)
    import_tensorflow()
    from keras_anogan import runs
    from keras_anogan.runs.verdict import best_baseline, over_parts, verdict
    from keras_anogan.words import counted

    metrics = runs.train(arguments, out, say=say, progress=progress, tensorboard=tensorboard)
    if arguments.kind == "footage":
        show(
            f"Threshold {metrics['threshold']:.6g}; {metrics['calibration_alarms']:.2%} of the calibration lies above."
        )
    if metrics.get("auroc") is not None:
        epoch = "solved" if arguments.tags.closed_form else "last epoch"
        epoch = epoch if arguments.patience is None else "epoch of the lowest stop score"
        best = best_baseline(metrics)
        beside = f" ({best[0]}: {best[1]['auroc']:.4f})" if best else ""
        show(f"AUROC {metrics['auroc']:.4f}{beside}, {epoch}, test rows never seen before")
    if metrics.get("false_alarm_rate") is not None:
        alarms = metrics["alarms"]
        asked = f"asked for: {metrics['alpha']:.2%}" if metrics.get("keeps_alpha", True) else f"k = {arguments.k:g}"
        show(
            f"False alarms: {alarms['false_alarms']:,} of {counted(alarms['normal_rows'], 'normal test rows')}, "
            f"{metrics['false_alarm_rate']:.2%} ({asked})"
        )
    if metrics.get("detection_rate") is not None:
        alarms = metrics["alarms"]
        show(f"Found: {alarms['detected']:,} of {counted(alarms['anomalous_rows'], 'anomalous test rows')}")
    show(verdict(metrics, arguments.tags.closed_form))
    if "over_parts" in metrics:
        show(over_parts(metrics))
    show(f"Report: {(out / 'report.html').resolve()}")

"""The commands: each one parses, calls a verb of the package, and prints what came of it."""

from __future__ import annotations

import importlib.metadata
import pathlib
from typing import Annotated, Any

import typer

from keras_anogan_cli import options
from keras_anogan_cli.console import console, import_tensorflow, progress, say

app = typer.Typer(
    help="GAN-based anomaly detection: train on normal images, rows or footage, score new ones, serve the detector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"keras-anogan {importlib.metadata.version('keras-anogan')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[pathlib.Path, typer.Option(help="Folder for the run.")] = pathlib.Path("runs/demo"),
) -> None:
    """Train f-AnoGAN on scikit-learn's digits (nothing to download) and write a report; under two minutes."""
    import_tensorflow()
    from keras_anogan.runs import demo_arguments

    _train(demo_arguments(), out)


@app.command()
def train(
    context: typer.Context,
    data: options.Data,
    out: options.Out,
    normal: Annotated[
        int | None, typer.Option(help="mnist, digits: this digit is normal, all others anomalous.")
    ] = None,
    abnormal: Annotated[
        int | None, typer.Option(help="mnist, digits: this digit is anomalous, all others normal.")
    ] = None,
    normal_where: Annotated[
        str | None, typer.Option(help="Tables: the condition that normal rows meet, e.g. 'label == \"ok\"'.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="Tables: a column to leave out, one option for each.", show_default=False)
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Its name; `keras-anogan detectors` lists them. Default: fanogan for images, efficientgan for tables."
        ),
    ] = None,
    params: options.Parameters = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="Of fanogan: mlp, dcgan or resnet. Default: mlp for mnist and digits, dcgan for a folder."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Side of the images the networks see. Default: 28 (mnist), 8 (digits), 64 (folder)."),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            help="Epochs of each phase of training; efficientgan and alad take 500 steps or more for one of a table."
        ),
    ] = 20,
    batch_size: Annotated[int, typer.Option(help="Images, or rows, in one batch.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam, for every network. Default: 2e-4 (images), 1e-4 (tables).")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when held-out normal data have not scored lower for so many epochs; keep the lowest."),
    ] = None,
    threshold: options.Threshold = "conformal",
    alpha: options.Alpha = 0.01,
    k: options.K = 3.0,
    seed: options.Seed = 0,
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

    A folder is flat (every image is normal) or has train/good, test/good and test/<defect>. All rows of a table are
    normal, or those that --normal-where tells.
    The same command on an unfinished run goes on where it stopped.
    """
    import_tensorflow()
    from keras_anogan.runs.arguments import Arguments, parse_parameters

    settings = {key: value for key, value in locals().items() if key in Arguments.__dataclass_fields__}
    arguments = Arguments(**{**settings, "params": parse_parameters(params or ())})
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
    epochs: Annotated[int, typer.Option(help="Passes over the training windows.")] = 10,
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
    alpha: options.Alpha = 0.01,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="Conformal: the highest of the calibration days' own thresholds.")
    ] = False,
    k: options.K = 3.0,
    seed: options.Seed = 0,
    smoke: Annotated[bool, typer.Option("--smoke", help="One step: does everything work?")] = False,
    config: options.Config = None,
) -> None:
    """Train a detector, by default C-VGAN, on days of normal footage and write a run folder with its report."""
    import_tensorflow()
    from keras_anogan.runs.arguments import VideoArguments, parse_parameters, parse_size

    settings = {key: value for key, value in locals().items() if key in VideoArguments.__dataclass_fields__}
    given = {"size": parse_size(size), "params": parse_parameters(params or ())}
    arguments = VideoArguments(**{**settings, **given})
    _refuse_idle(context, arguments, "filters")
    _train(arguments, out)


@app.command()
def score(
    run: options.Run,
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Images, a table, or days of footage: what the run was trained on.",
            show_default=False,
        ),
    ],
    out: Annotated[pathlib.Path, typer.Option(help="CSV file to write.")] = pathlib.Path("scores.csv"),
    maps: Annotated[
        pathlib.Path | None, typer.Option(help="Images: folder for a heat map of each, black 0 to yellow 1.")
    ] = None,
    grid_lines: Annotated[
        int, typer.Option(min=0, help="Images: lines of a picture beside the CSV: input | reconstruction | difference.")
    ] = 0,
    skip_broken: options.SkipBroken = False,
    labels: options.Labels = None,
    annotate: options.Annotate = None,
    config: options.Config = None,
) -> None:
    """Score images, rows or footage with a finished run: one CSV line for each, higher is more anomalous."""
    given = {"maps": maps, "grid_lines": grid_lines, "skip_broken": skip_broken, "labels": labels, "annotate": annotate}
    _score(run, data if len(data) > 1 else data[0], out, **given)


@app.command()
def score_video(
    run: options.Run,
    days: options.Days,
    out: Annotated[pathlib.Path, typer.Option(help="CSV file to write, one line for each frame.")] = pathlib.Path(
        "frames.csv"
    ),
    labels: options.Labels = None,
    annotate: options.Annotate = None,
    config: options.Config = None,
) -> None:
    """Score footage with a finished run: a CSV file of frames, a sheet of alarms, a report with a timeline."""
    _score(run, days, out, labels=labels, annotate=annotate)


@app.command()
def watch(
    run: options.Run,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="File, folder, or rtsp:// or http:// address.", show_default=False)
    ],
    out: Annotated[pathlib.Path, typer.Option(help="CSV file, written line by line.")] = pathlib.Path("watched.csv"),
    learn: Annotated[bool, typer.Option("--learn", help="Go on learning the threshold.")] = False,
    protect: Annotated[
        bool, typer.Option("--protect/--learn-all", help="Learn only from frames without an alarm, or from all.")
    ] = True,
    state: Annotated[
        pathlib.Path | None, typer.Option(help="File with the threshold's state: gone on from, and written.")
    ] = None,
    pictures: Annotated[pathlib.Path | None, typer.Option(help="Folder for a picture of each event.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds without a frame that end it.")] = 10.0,
    most: Annotated[int | None, typer.Option("--frames", help="Frames to judge; default: all.")] = None,
    config: options.Config = None,
) -> None:
    """Judge a stream frame by frame as it comes, and say when an alarm begins."""
    import_tensorflow()
    from keras_anogan import runs

    counts = runs.watch(
        run,
        source,
        out,
        learn=learn,
        protect=protect,
        state=state,
        pictures=pictures,
        timeout=timeout,
        most=most,
        say=say,
    )
    say(
        f"Watched {counts['frames']:,} frames, {counts['judged']:,} judged: {counts['alarms']:,} alarms in "
        f"{counts['events']:,} events, {counts['problems']:,} frames of no use: {out}"
    )


@app.command()
def export(
    run: options.Run,
    folder: Annotated[
        pathlib.Path, typer.Argument(metavar="DIR", help="New folder, e.g. serving/1.", show_default=False)
    ],
) -> None:
    """Write the SavedModel of a finished run, after proving that it scores as the detector does."""
    import_tensorflow()
    from keras_anogan import runs

    runs.export(run, folder)
    say(f"Exported, scores agree: {folder}")


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
    import_tensorflow()
    from keras_anogan import video
    from keras_anogan.runs.arguments import parse_size

    sides = parse_size(size)
    *days, out = raw
    reading = (None if sides is None else sides[::-1], True if grey else None, every)
    footage = video.prepare(days[0] if len(days) == 1 else days, out, *reading, say=say)
    height, width, channels = footage.frame_shape
    kind = "grey" if channels == 1 else "RGB"
    say(f"{len(footage):,} frames, {width} x {height}, {kind}, of {len(footage.days)} day(s): {out}")


@app.command()
def detectors() -> None:
    """List the detectors: what each is for, its paper, its parameters and their defaults (for --set)."""
    import_tensorflow()
    from keras_anogan.models import entry, list_detectors, parameters_of

    for name in list_detectors():
        found = entry(name)
        say(f"{name}: {', '.join(found.inputs)}. {found.paper}")
        for key, parameter in parameters_of(name).items():
            say(f"    {key} = {parameter.default!r}")


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A recipe, e.g. fanogan-mnist-digit1.", show_default=False)
    ],
    seed: Annotated[list[int] | None, typer.Option(help="Seeds, one option for each. Default: the recipe's.")] = None,
    out: Annotated[pathlib.Path, typer.Option(help="Folder for NAME.json.")] = pathlib.Path("benchmarks/results"),
    config: options.Config = None,
) -> None:
    """Run a published experiment for every seed and write its result, whatever it is."""
    import_tensorflow()
    from keras_anogan import recipes

    result = recipes.reproduce(name, seed or (), out, say=say)
    published = f", published {result['published']['value']}" if result["published"] else ""
    target = "none" if result["target"] is None else result["target"]
    baselines = ", ".join(f"{key} {value:.4f}" for key, value in result["baselines"].items())
    say(
        f"{result['metric']}: mean {result['mean']:.5f}, std {result['std']:.5f}, min {result['min']:.5f} "
        f"(target {target}{published}); {baselines}; {result['minutes']} minutes"
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was given, on the command line or in a file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "DEFAULT_MAP")


def _refuse_idle(context: typer.Context, arguments: Any, *names: str) -> None:
    """Refuse options that were given and that the detector has no use for."""
    from keras_anogan.models import parameters_of

    if arguments.entry.tags.closed_form and _is_given(context, "epochs"):
        raise ValueError(
            f"Expected no --epochs with {arguments.detector}, which is solved at once. "
            f"Received: --epochs {arguments.epochs}."
        )
    for name in names:
        if _is_given(context, name) and name not in parameters_of(arguments.detector):
            raise ValueError(f"Expected no --{name} with {arguments.detector}. Received: {getattr(arguments, name)}.")


def _train(arguments: Any, out: pathlib.Path, tensorboard: pathlib.Path | None = None) -> None:
    from keras_anogan import runs
    from keras_anogan.runs.tiles import baseline_of

    metrics = runs.train(arguments, out, say=say, progress=progress, tensorboard=tensorboard)
    if arguments.kind == "footage":
        say(f"Threshold {metrics['threshold']:.6g}; {metrics['calibration_alarms']:.2%} of the calibration lies above.")
    if metrics.get("auroc") is not None:
        name, pca = baseline_of(metrics)
        epoch = "solved" if arguments.entry.tags.closed_form else "last epoch"
        epoch = epoch if arguments.patience is None else "epoch of the lowest stop score"
        say(f"AUROC {metrics['auroc']:.4f} ({name}: {pca['auroc']:.4f}), {epoch}, test rows never seen before")
    if metrics.get("false_alarm_rate") is not None:
        alarms = metrics["alarms"]
        asked = f"asked for: {arguments.alpha:.2%}" if metrics.get("keeps_alpha", True) else f"k = {arguments.k:g}"
        say(
            f"False alarms: {alarms['false_alarms']:,} of {alarms['normal_rows']:,} normal test rows, "
            f"{metrics['false_alarm_rate']:.2%} ({asked})"
        )
    say(f"Report: {(out / 'report.html').resolve()}")


def _score(run: pathlib.Path, data: Any, out: pathlib.Path, **given: Any) -> None:
    import_tensorflow()
    from keras_anogan import runs

    with console.status("Scoring ..."):
        summary = runs.score(run, data, out, say=say, **given)
    for remark in summary["remarks"]:
        say(remark)
    auroc = f", AUROC {summary['auroc']:.4f}" if "auroc" in summary else ""
    if "frames" not in summary:
        say(f"Scored {summary['rows']:,} {summary['what']}, {summary['alarms']:,} alarms{auroc}: {out}")
        return
    say(
        f"Judged {summary['judged']:,} of {summary['frames']:,} frames: {summary['alarms']:,} alarms in "
        f"{summary['events']:,} events{auroc}: {out}"
    )
    say(f"Report: {out.with_suffix('.html').resolve()}")

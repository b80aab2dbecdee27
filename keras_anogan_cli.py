"""The command line: `keras-anogan demo | train | score | export | prepare | train-video | ... | reproduce`.

It stands outside the package because importing the package imports TensorFlow, and here the environment
is set first (oneDNN kernels on, start-up chatter off), and `--help` and a mistyped option answer at once.
Mistakes of the user end with one sentence and exit code 2; a training that breaks, with one sentence and 1.
"""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import signal
import sys
import warnings
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(
    help="GAN-based anomaly detection: train on normal images, rows or footage, score new ones, serve the detector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
INTERRUPTED = 130
console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A folder of images, a table (.csv, .parquet), or mnist, or digits.", show_default=False
    ),
]
Run = Annotated[pathlib.Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave out image files that can't be read.")]


def main() -> None:
    """Entry point of `keras-anogan`."""
    sys.exit(run())


class _Interrupt:
    """Ctrl-C where it does no harm: raised within TensorFlow it now and then aborts the process, and in a finaliser
    Python drops it. So during training a callback asks after every batch; a second Ctrl-C does not wait for that."""

    def __init__(self) -> None:
        self.asked = self.training = False

    def __call__(self, number: int, frame: Any) -> None:
        waits = self.training and not self.asked
        self.asked = True
        if not waits:
            raise KeyboardInterrupt

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt


_interrupt = _Interrupt()


def run(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's); returns the exit code."""
    _interrupt.asked = _interrupt.training = False
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        code = app(arguments, prog_name="keras-anogan", standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("KERAS_ANOGAN_TRACEBACK"):
            raise
        code = _explain(error)
    finally:
        signal.signal(signal.SIGINT, before)
        console.show_cursor(True)
    if code == INTERRUPTED:
        complaints.print("Interrupted. A training goes on from its last backup with the same command.", style="yellow")
    return code


def _explain(error: Exception) -> int:
    """Say what went wrong in one sentence, if that is what the error is made for; returns the exit code."""
    if hasattr(error, "format_message"):  # a wrong option or argument
        if error.format_message().startswith("Usage:"):  # no command at all: that is a request for help
            console.print(error.format_message(), markup=False)
            return 2
        hint = getattr(getattr(error, "ctx", None), "command_path", "keras-anogan")
        return _complain(f"{error.format_message()} Try '{hint} --help'.", 2)
    if isinstance(error, (ValueError, OSError, ImportError)):
        return _complain(str(error), 2)
    if isinstance(error, RuntimeError) and "\n" not in str(error):
        return _complain(str(error), 1)
    raise error


def _complain(sentence: str, code: int) -> int:
    complaints.print(f"Error: {sentence}", style="red", markup=False)
    return code


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
    _import_tensorflow()
    from keras_anogan.runs.arguments import demo_arguments

    _train(demo_arguments(), out)


@app.command()
def train(
    context: typer.Context,
    data: Data,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder for the run; an unfinished one is resumed.", show_default=False)
    ],
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
            help="anogan, fanogan, efficientgan, alad, gan_discriminator, autoencoder, flow, siamese, gaussian or pca. "
            "Default: fanogan for images, efficientgan for tables."
        ),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="Of fanogan: mlp, dcgan or resnet. Default: mlp for mnist and digits, dcgan for a folder."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(help="Side of the images the networks see. Default: 28 (mnist), 8 (digits), 64 (folder)."),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="Epochs of each phase of training; of a table, of at least 500 steps each.")
    ] = 20,
    batch_size: Annotated[int, typer.Option(help="Images, or rows, in one batch.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam, for every network. Default: 2e-4 (images), 1e-4 (tables).")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when held-out normal data have not scored lower for so many epochs; keep the lowest."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Accepted false-alarm rate.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of weights, noise, order and split.")] = 0,
    skip_broken: SkipBroken = False,
    tensorboard: Annotated[
        pathlib.Path | None, typer.Option(help="Folder for TensorBoard: losses, balance, gradients, images, scores.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="One epoch on at most 256 rows: does everything work?")
    ] = False,
) -> None:
    """Train a detector on normal images or rows and write a run folder: detector, SavedModel, metrics, report.

    A folder is flat (every image is normal) or has train/good, test/good and test/<defect>. All rows of a table are
    normal, or those that --normal-where tells.
    The same command on an unfinished run goes on where it stopped.
    """
    _import_tensorflow()
    from keras_anogan.runs.arguments import CLOSED_FORM, Arguments

    settings = {key: value for key, value in locals().items() if key in Arguments.__dataclass_fields__}
    source = context.get_parameter_source("epochs")
    if detector in CLOSED_FORM and source is not None and source.name == "COMMANDLINE":
        raise ValueError(f"Expected no --epochs with {detector}, which is solved at once. Received: --epochs {epochs}.")
    _train(Arguments(**settings), out, tensorboard)


@app.command()
def score(
    run: Run,
    data: Data,
    out: Annotated[pathlib.Path, typer.Option(help="CSV file to write.")] = pathlib.Path("scores.csv"),
    maps: Annotated[
        pathlib.Path | None, typer.Option(help="Folder for a heat map of every image, black 0 to yellow 1.")
    ] = None,
    grid_lines: Annotated[
        int, typer.Option(min=0, help="Lines of a picture beside the CSV: input | reconstruction | difference.")
    ] = 0,
    skip_broken: SkipBroken = False,
) -> None:
    """Score images or rows with a finished run: one CSV line for each, higher is more anomalous."""
    _import_tensorflow()
    from keras_anogan import runs

    with console.status("Scoring ..."):
        summary = runs.score(run, data, out, maps=maps, grid_lines=grid_lines, skip_broken=skip_broken)
    auroc = f", AUROC {summary['auroc']:.4f}" if "auroc" in summary else ""
    for remark in summary["remarks"]:
        console.print(remark, markup=False)
    console.print(
        f"Scored {summary['rows']:,} {summary['what']}, {summary['alarms']:,} alarms{auroc}: {out}", markup=False
    )


@app.command()
def export(
    run: Run,
    folder: Annotated[
        pathlib.Path, typer.Argument(metavar="DIR", help="New folder, e.g. serving/1.", show_default=False)
    ],
) -> None:
    """Write the SavedModel of a finished run, after proving that it scores as the detector does."""
    _import_tensorflow()
    from keras_anogan import runs

    runs.export(run, folder)
    console.print(f"Exported, scores agree: {folder}", markup=False)


Size = Annotated[str | None, typer.Option(help="Size of the frames the networks see, such as 128x64.")]


@app.command()
def prepare(
    raw: Annotated[
        list[str],
        typer.Argument(metavar="RAW... OUT", help="Folder of days, or days, and last the store.", show_default=False),
    ],
    size: Size = None,
    grey: Annotated[bool, typer.Option("--grey", help="Make frames grey.")] = False,
    every: Annotated[int, typer.Option(help="Take every so many frames.")] = 1,
) -> None:
    """Convert days of video files or frames once to a store with random access; an interrupted one goes on."""
    if len(raw) < 2:
        raise ValueError("Expected RAW and OUT, such as: prepare days/ store/ --size 128x64. Received: one path.")
    _import_tensorflow()
    from keras_anogan import video
    from keras_anogan.runs.arguments import parse_size

    sides = parse_size(size)
    *days, out = raw
    footage = video.prepare(
        days[0] if len(days) == 1 else days,
        out,
        None if sides is None else sides[::-1],
        True if grey else None,
        every,
        say=lambda line: console.print(line, markup=False),
    )
    height, width, channels = footage.frame_shape
    kind = "grey" if channels == 1 else "RGB"
    console.print(
        f"{len(footage):,} frames, {width} x {height}, {kind}, of {len(footage.days)} day(s): {out}", markup=False
    )


@app.command()
def train_video(
    days: Annotated[
        list[str],
        typer.Argument(metavar="DAYS...", help="A prepared store, or folders of normal days.", show_default=False),
    ],
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder for the run; an unfinished one is resumed.", show_default=False)
    ],
    size: Size = None,
    grey: Annotated[bool, typer.Option("--grey", help="Make frames grey.")] = False,
    every: Annotated[int, typer.Option(help="Take every so many frames.")] = 1,
    past: Annotated[int, typer.Option(help="Frames that are given.")] = 7,
    horizon: Annotated[int, typer.Option(help="Frames that are forecast.")] = 1,
    stride: Annotated[
        int | None, typer.Option(help="Frames from one training window to the next. Default: past + horizon.")
    ] = None,
    filters: Annotated[int, typer.Option(help="Of the generator; 64 in the thesis.")] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the training windows.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Windows in a batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, for both networks.")] = 1e-3,
    smooth: Annotated[
        int,
        typer.Option(
            help="Average the scores of so many frames in a row, a forward pass each: finds more, but not with fewer "
            "false alarms in a busy scene."
        ),
    ] = 1,
    threshold: Annotated[
        str,
        typer.Option(
            help="conformal or peaks (--alpha), cumulative, exponential, double_exponential or sliding (--k)."
        ),
    ] = "conformal",
    alpha: Annotated[float, typer.Option(help="Accepted false-alarm rate.")] = 0.01,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="Conformal: the highest of the calibration days' own thresholds.")
    ] = False,
    k: Annotated[float, typer.Option(help="Standard deviations above the mean.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
    smoke: Annotated[bool, typer.Option("--smoke", help="One step: does everything work?")] = False,
) -> None:
    """Train C-VGAN on days of normal footage and write a run folder: detector, SavedModel, report."""
    _import_tensorflow()
    from keras_anogan import runs
    from keras_anogan.runs.arguments import parse_size

    settings = {key: value for key, value in locals().items() if key in runs.VideoArguments.__dataclass_fields__}
    settings["size"] = parse_size(size)
    metrics = runs.train_video(
        runs.VideoArguments(**settings),
        out,
        say=lambda line: console.print(line, markup=False),
        progress=_progress,
    )
    console.print(
        f"Threshold {metrics['threshold']:.6g}; {metrics['calibration_alarms']:.2%} of the calibration lies above."
    )
    console.print(f"Report: {(out / 'report.html').resolve()}", markup=False)


@app.command()
def score_video(
    run: Run,
    days: Annotated[
        list[str], typer.Argument(metavar="DAYS...", help="Footage, as in train-video.", show_default=False)
    ],
    out: Annotated[pathlib.Path, typer.Option(help="CSV file to write, one line for each frame.")] = pathlib.Path(
        "frames.csv"
    ),
    labels: Annotated[
        pathlib.Path | None, typer.Option(help="File with one 0 or 1 for each frame (.npy or text), if known.")
    ] = None,
    annotate: Annotated[
        pathlib.Path | None, typer.Option(help="Video file to write, with alarms marked, such as alarms.mp4.")
    ] = None,
) -> None:
    """Score footage with a finished run: a CSV file of frames, a sheet of alarms, a report with a timeline."""
    _import_tensorflow()
    from keras_anogan import runs

    say = lambda line: console.print(line, markup=False)  # noqa: E731
    summary = runs.score_video(run, days, out, labels=labels, annotate=annotate, say=say)
    auroc = f", AUROC {summary['auroc']:.4f}" if "auroc" in summary else ""
    console.print(
        f"Judged {summary['judged']:,} of {summary['frames']:,} frames: {summary['alarms']:,} alarms in "
        f"{summary['events']:,} events{auroc}: {out}",
        markup=False,
    )
    console.print(f"Report: {out.with_suffix('.html').resolve()}", markup=False)


@app.command()
def watch(
    run: Run,
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
) -> None:
    """Judge a stream frame by frame as it comes, and say when an alarm begins."""
    _import_tensorflow()
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
        say=lambda line: console.print(line, markup=False),
    )
    console.print(
        f"Watched {counts['frames']:,} frames, {counts['judged']:,} judged: {counts['alarms']:,} alarms in "
        f"{counts['events']:,} events, {counts['problems']:,} frames of no use: {out}",
        markup=False,
    )


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A recipe, e.g. fanogan-mnist-digit1.", show_default=False)
    ],
    seed: Annotated[list[int] | None, typer.Option(help="Seeds, one option for each. Default: the recipe's.")] = None,
    out: Annotated[pathlib.Path, typer.Option(help="Folder for NAME.json.")] = pathlib.Path("benchmarks/results"),
) -> None:
    """Run a published experiment for every seed and write its result, whatever it is."""
    _import_tensorflow()
    from keras_anogan import recipes

    result = recipes.reproduce(name, seed or (), out, say=lambda line: console.print(line, markup=False))
    published = f", published {result['published']['value']}" if result["published"] else ""
    target = "none" if result["target"] is None else result["target"]
    baselines = ", ".join(f"{key} {value:.4f}" for key, value in result["baselines"].items())
    console.print(
        f"{result['metric']}: mean {result['mean']:.5f}, std {result['std']:.5f}, min {result['min']:.5f} "
        f"(target {target}{published}); {baselines}; {result['minutes']} minutes",
        markup=False,
    )


def _train(arguments: Any, out: pathlib.Path, tensorboard: pathlib.Path | None = None) -> None:
    from keras_anogan import runs
    from keras_anogan.runs.report import baseline_of

    metrics = runs.train(
        arguments,
        out,
        say=lambda line: console.print(line, markup=False),
        progress=_progress,
        tensorboard=tensorboard,
    )
    if metrics["auroc"] is not None:
        name, pca = baseline_of(metrics)
        epoch = "solved" if arguments.detector in ("gaussian", "pca") else "last epoch"
        epoch = epoch if arguments.patience is None else "epoch of the lowest stop score"
        console.print(
            f"AUROC {metrics['auroc']:.4f} ({name}: {pca['auroc']:.4f}), {epoch}, test rows never seen before"
        )
    if metrics.get("false_alarm_rate") is not None:
        alarms = metrics["alarms"]
        console.print(
            f"False alarms: {alarms['false_alarms']:,} of {alarms['normal_rows']:,} normal test rows, "
            f"{metrics['false_alarm_rate']:.2%} (asked for: {arguments.alpha:.2%})"
        )
    console.print(f"Report: {(out / 'report.html').resolve()}", markup=False)


def _progress(phase: str, epochs: int) -> list[Any]:
    """A Keras callback that shows one bar for a phase, with its losses and the time left."""
    import keras
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    class Bar(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            _interrupt.training = True
            columns = (
                TextColumn("{task.description:<8}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("epochs"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
            )
            self.progress = Progress(*columns, console=console)
            self.task = self.progress.add_task(phase, total=epochs, losses="")
            self.progress.start()

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            _interrupt.check()

        def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
            _interrupt.check()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            logs = logs if console.width >= 110 else {}
            losses = "  ".join(f"{key.replace('_', ' ')} {float(value):.4g}" for key, value in (logs or {}).items())
            self.progress.update(self.task, completed=epoch + 1, losses=losses)

        def on_train_end(self, logs: dict | None = None) -> None:
            self.progress.stop()
            _interrupt.training = False
            _interrupt.check()

    return [Bar()]


def _import_tensorflow() -> None:
    """Import TensorFlow with oneDNN kernels on, and without what it writes to standard error while it starts."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            tf.function(tf.identity, jit_compile=True)(0.0)  # devices and XLA speak up when they are first used
        finally:
            os.dup2(saved, 2)
            os.close(saved)


if __name__ == "__main__":
    main()

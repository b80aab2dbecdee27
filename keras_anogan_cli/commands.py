"""The commands that use what was trained: each one parses, calls a verb of the package, and prints what came of it."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Annotated, Any

import typer

from keras_anogan_cli import benchmarking, options, training  # noqa: F401  those that train stand first
from keras_anogan_cli.app import app
from keras_anogan_cli.console import console, import_tensorflow, say, settings, show


@app.command()
def score(
    run: options.Run,
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Images (folders, files, patterns, lists in .txt), a table, or days of footage: what the run was "
            "trained on.",
            show_default=False,
        ),
    ],
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="CSV file to write, or with --engine a folder. Default: scores.csv, scored.", show_default=False
        ),
    ] = None,
    maps: Annotated[
        pathlib.Path | None, typer.Option(help="Images: folder for a heat map of each, black 0 to yellow 1.")
    ] = None,
    overlay: Annotated[
        pathlib.Path | None,
        typer.Option(help="Images: folder for each photograph with its map laid over it, and what is marked outlined."),
    ] = None,
    grid_lines: Annotated[
        int, typer.Option(min=0, help="Images: lines of a picture beside the CSV: input, reconstruction, difference.")
    ] = 0,
    skip_broken: options.SkipBroken = False,
    min_area: Annotated[
        int, typer.Option(min=0, help="Images: pixels of a marked region; smaller ones raise no alarm.")
    ] = 0,
    labels: options.Labels = None,
    annotate: options.Annotate = None,
    alpha: options.AnotherAlpha = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Score much data in blocks, to Parquet files: local (this process) or ray (all workers of a cluster). "
            "The same command goes on after an interruption.",
            show_default=False,
        ),
    ] = None,
    address: options.Address = None,
    workers: Annotated[
        int | None, typer.Option(help="Ray: workers, of one core each. Default: all cores.", show_default=False)
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            help="Images, rows or frames in a block. Default: 1,000 images, 50,000 rows, 10,000 frames.",
            show_default=False,
        ),
    ] = None,
    config: options.Config = None,
) -> None:
    """Score images, rows or footage with a finished run: one CSV line for each, higher is more anomalous."""
    given: dict[str, Any] = {"maps": maps, "overlay": overlay, "grid_lines": grid_lines, "labels": labels}
    given |= {"annotate": annotate}
    blocks = {"--address": address, "--workers": workers, "--block": block}
    if engine is None:
        _refuse(blocks, "with --engine. Received: no engine")
        one = data if len(data) > 1 else data[0]
        _score(run, one, out or pathlib.Path("scores.csv"), skip_broken, alpha, **given, min_area=min_area)
        return
    _refuse({f"--{name.replace('_', '-')}": value for name, value in given.items()}, "without --engine. Received: both")
    named: dict[str, Any] = {"engine": engine, "address": address, "workers": workers, "size": block, "alpha": alpha}
    _score_blocks(run, data, out or pathlib.Path("scored"), **named, min_area=min_area)


@app.command()
def score_video(
    run: options.Run,
    days: options.Days,
    out: Annotated[pathlib.Path, typer.Option(help="CSV file to write, one line for each frame.")] = pathlib.Path(
        "frames.csv"
    ),
    labels: options.Labels = None,
    annotate: options.Annotate = None,
    alpha: options.AnotherAlpha = None,
    config: options.Config = None,
) -> None:
    """Score footage with a finished run: CSV files of frames and events, a sheet of alarms, a report."""
    _score(run, days, out, labels=labels, annotate=annotate, kind="footage", alpha=alpha)


@app.command()
def watch(
    context: typer.Context,
    run: options.Run,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="File, folder, or rtsp:// or http:// address.", show_default=False)
    ],
    out: Annotated[pathlib.Path, typer.Option(help="CSV file, written line by line, or added to.")] = pathlib.Path(
        "watched.csv"
    ),
    learn: Annotated[bool, typer.Option("--learn", help="Go on learning the threshold.")] = False,
    protect: Annotated[
        bool, typer.Option("--protect/--learn-all", help="Learn only from frames without an alarm, or from all.")
    ] = True,
    state: Annotated[
        pathlib.Path | None, typer.Option(help="File with the threshold's state: gone on from, and written.")
    ] = None,
    pictures: Annotated[pathlib.Path | None, typer.Option(help="Folder for a picture of each event.")] = None,
    timeout: Annotated[
        float, typer.Option(help="Camera: seconds without a frame that end it; one that hangs up has them to be back.")
    ] = 10.0,
    most: Annotated[int | None, typer.Option("--frames", help="Frames to judge; default: all.")] = None,
    config: options.Config = None,
) -> None:
    """Judge a stream frame by frame as it comes, and say when an alarm begins and ends; a lost camera is waited for."""
    from keras_anogan.runs.checks import check_watching

    if training._is_given(context, "protect") and not learn:
        raise ValueError(f"Expected --learn with --{'protect' if protect else 'learn-all'}. Received: no --learn.")
    if training._is_given(context, "timeout") and "://" not in source:
        raise ValueError(f"Expected --timeout with the address of a camera. Received: {source}, which ends by itself.")
    check_watching(run, source, out, learn, most)
    import_tensorflow()
    from keras_anogan import runs
    from keras_anogan.words import counted

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
    show(
        f"Watched {counted(counts['frames'], 'frames')}, {counts['judged']:,} judged: "
        f"{counted(counts['alarms'], 'alarms')} in {counted(counts['events'], 'events')}, "
        f"{counted(counts['problems'], 'frames')} of no use: {out}"
    )


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


def _refuse(given: dict[str, Any], where: str) -> None:
    """Refuse options that mean nothing here."""
    for name, value in given.items():
        if value:
            raise ValueError(f"Expected {name} {where}.")


def _score_blocks(run: pathlib.Path, data: list[str], out: pathlib.Path, **given: Any) -> None:
    from keras_anogan.runs.bulk.checks import check_blocks

    check_blocks(run, data, out, **given)
    import_tensorflow()
    from keras_anogan.runs.bulk.scoring import duration, score_blocks
    from keras_anogan.words import counted

    found = score_blocks(run, data, out, **given, say=say)
    for remark in found["remarks"]:
        show(remark)
    took = f"{counted(found['blocks'] - found['earlier'], 'blocks')} now, in {duration(found['seconds'])}"
    show(f"Scored {counted(found['rows'], found['what'])}, {took}: {out / 'scores'}")
    show(found["verdict"])
    show(f"Report: {(out / 'report.html').resolve()}")


def _score(
    run: pathlib.Path,
    data: Any,
    out: pathlib.Path,
    skip_broken: bool = False,
    alpha: float | None = None,
    **given: Any,
) -> None:
    from keras_anogan.runs.checks import check_scoring

    with contextlib.nullcontext() if settings.quiet else console.status("Reading ..."):
        check_scoring(run, data, out, skip_broken=skip_broken, alpha=alpha, **given)
    import_tensorflow()
    from keras_anogan import runs
    from keras_anogan.words import counted

    with contextlib.nullcontext() if settings.quiet else console.status("Scoring ..."):
        summary = runs.score(run, data, out, skip_broken=skip_broken, alpha=alpha, say=say, **given)
    for remark in summary["remarks"]:
        show(remark)
    auroc = f", AUROC {summary['auroc']:.4f}" if "auroc" in summary else ""
    if "frames" not in summary:
        show(
            f"Scored {counted(summary['rows'], summary['what'])}, {counted(summary['alarms'], 'alarms')}{auroc}: {out}"
        )
    else:
        show(
            f"Judged {summary['judged']:,} of {counted(summary['frames'], 'frames')}: "
            f"{counted(summary['alarms'], 'alarms')} in {counted(summary['events'], 'events')}{auroc}: {out}"
        )
    show(summary["verdict"])
    show(f"Report: {out.with_suffix('.html').resolve()}")

"""The commands that judge new data with what was trained: score, score-video, watch."""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import threading
from typing import Annotated, Any

import typer

from keras_anogan_cli import options, training
from keras_anogan_cli.app import app
from keras_anogan_cli.console import complaints, console, import_tensorflow, say, settings, show


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
        str,
        typer.Argument(
            metavar="SOURCE",
            help="File, folder, or rtsp:// or http:// address; or a .toml file of several cameras.",
            show_default=False,
        ),
    ],
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="CSV file, written line by line, or added to; of several cameras a folder. "
            "Default: watched.csv, watched.",
            show_default=False,
        ),
    ] = None,
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
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Several cameras: address that gets each event by POST, until it takes it.", show_default=False
        ),
    ] = None,
    config: options.Config = None,
) -> None:
    """Judge a stream frame by frame as it comes, and say when an alarm begins and ends; a lost camera is waited for.

    Several cameras, named in a .toml file, are watched until SIGTERM or Ctrl-C, with a line of JSON for each event.
    """
    from keras_anogan.runs.checks import check_watching

    if source.endswith(".toml"):
        given = {"learn": learn, "protect": training._is_given(context, "protect"), "state": state, "frames": most}
        for name, value in given.items():
            if value:
                where = f"{name} = ... in {source}" if name in ("learn", "protect") else f"one camera for --{name}"
                raise ValueError(f"Expected {where}. Received: --{name} with a file of cameras.")
        _watch_cameras(run, source, out or pathlib.Path("watched"), pictures is not None, timeout, webhook)
        return
    if webhook is not None:
        raise ValueError(f"Expected a file of cameras (.toml) for --webhook. Received: {source}.")
    out = out or pathlib.Path("watched.csv")
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


def _watch_cameras(
    run: pathlib.Path, source: str, out: pathlib.Path, pictures: bool, timeout: float, webhook: str | None
) -> None:
    """Watch the cameras of a file until a signal; events go to standard output, news to standard error."""
    from keras_anogan.runs.cameras import read_cameras
    from keras_anogan.runs.checks import check_cameras

    cameras = read_cameras(source)
    check_cameras(run, cameras, out, webhook)
    import_tensorflow()
    from keras_anogan.runs.service import watch_cameras

    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        watch_cameras(
            run,
            cameras,
            out,
            emit=lambda event: print(json.dumps(event), flush=True),
            webhook=webhook,
            pictures=pictures,
            timeout=timeout,
            stop=stop,
            say=lambda line: None if settings.quiet else complaints.print(line, markup=False),
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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

"""Score much data with a finished run, block by block."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from keras_anogan.files import file_digest, is_partial, read_json, write_json
from keras_anogan.runs.bulk.blocks import Block, cut, digest
from keras_anogan.runs.bulk.checks import check_blocks
from keras_anogan.runs.bulk.engines import here, on_ray
from keras_anogan.runs.bulk.report import write_report
from keras_anogan.runs.bulk.work import read_summary
from keras_anogan.runs.checks import several_of
from keras_anogan.runs.folder import Run, Say, load_run
from keras_anogan.serving.cluster import start_ray
from keras_anogan.words import counted

NOUNS = {"images": "images", "table": "rows", "footage": "frames"}
EVERY = 10.0  # seconds between lines of progress


def score_blocks(
    run: Any,
    data: Any,
    out: Any,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    size: int | None = None,
    alpha: float | None = None,
    min_area: int = 0,
    say: Say = print,
) -> dict[str, Any]:
    """Score data block by block; the same command after an interruption does what is missing, and nothing twice.

    Scores are those of `score`. Labels are not looked for: every image file below a folder is scored, whatever the
    folders are called, and every row of a table. An image that can't be read is left out and named.

    Args:
        run: run folder; every worker has to see it, the data and `out`.
        data: what the run was trained on, one or several: folders, files or patterns of images; table files, or folders
            or patterns of them; days of footage. Images may also be in object storage: an address such as
            s3://bucket/photos, as pyarrow opens it.
        out: folder: `scores/`, a Parquet file for each block, and `report.html`.
        engine: "local", one block after the other in this process, or "ray", on all workers of a cluster.
        address: of a running Ray cluster, such as "auto"; None starts one on this machine.
        workers: of Ray, of one core each; default: all cores.
        size: images, rows or frames in a block; default: 1,000, 50,000, 10,000.
        alpha: another false-alarm rate than the run was trained for.
        min_area: images: as in `score`.
        say: takes one line of news at a time.

    Returns:
        `rows`, `what` they are, `judged`, `alarms`, `broken` (name to reason), `blocks`, `earlier` (blocks that were
        there), `seconds`, `remarks`, `verdict`.

    Raises:
        FileNotFoundError, ValueError, ImportError: one sentence on what is wrong with run, data, folder or engine; a
            ValueError also after all other blocks are done, where some could not be scored.
    """
    out, sources = pathlib.Path(out), [str(source) for source in several_of(data)]
    check_blocks(run, sources, out, engine, address, workers, size, alpha, min_area)
    loaded = load_run(run, alpha)
    blocks = cut(loaded, sources, size)
    if engine == "ray":
        start_ray(address)  # before anything is written
    scores = _begin(loaded, blocks, out, {"--block": size, "--alpha": alpha, "--min-area": min_area})
    given = {"run": str(loaded.folder.resolve()), "scores": str(scores.resolve()), "alpha": alpha, "min_area": min_area}
    missing = [block for block in blocks if not (scores / block.file).exists()]
    if len(missing) < len(blocks):
        done = len(blocks) - len(missing)
        say(f"{counted(done, 'blocks')} of {len(blocks):,} {'is' if done == 1 else 'are'} scored already.")
    begun = time.perf_counter()
    failed = {}
    if missing:
        stream = here(missing, given) if engine == "local" else on_ray(missing, given, address, workers)
        for summary in _told(stream, missing, NOUNS[loaded.kind], say):
            if "error" in summary:
                failed[summary["number"]] = summary["error"]
    seconds = time.perf_counter() - begun
    if failed:
        number, error = next(iter(failed.items()))
        rest = "; the others are done" if len(failed) < len(missing) else ""
        which = f"{counted(len(failed), 'blocks')} of {len(blocks):,}"
        raise ValueError(f"{which} could not be scored{rest}. Block {number + 1}: {error}")
    summaries = [read_summary(scores / block.file) for block in blocks]
    found = write_report(loaded, sources, out, blocks, summaries, NOUNS[loaded.kind])
    if not found["judged"]:
        raise ValueError(f"{found['verdict']} {' '.join(found['remarks'])}".strip())
    return {**found, "blocks": len(blocks), "earlier": len(blocks) - len(missing), "seconds": seconds}


def _begin(run: Run, blocks: Sequence[Block], out: pathlib.Path, asked: dict[str, Any]) -> pathlib.Path:
    """The folder of scores, with nothing in it that another run, or other data, left.

    Raises:
        ValueError: for a folder that was begun with something else.
    """
    scores = out / "scores"
    wanted = {
        **asked,
        "run": file_digest(run.folder / "detector.keras"),
        "data": digest(blocks),
    }
    if (out / "bulk.json").exists():
        before = read_json(out / "bulk.json")
        other = [key for key, value in wanted.items() if before.get(key) != value]
        if other:  # another --block cuts the same data otherwise, so that the first difference is the cause
            what = "other data" if other[0] == "data" else f"another {other[0]}"
            raise ValueError(
                f"Expected a new folder, or one that this command began. Received: {out}, begun with {what}."
            )
    scores.mkdir(parents=True, exist_ok=True)
    write_json(out / "bulk.json", wanted)
    for path in scores.iterdir():
        if is_partial(path):
            path.unlink()
        elif path.suffix == ".parquet":
            read_summary(path)
    return scores


def _told(
    summaries: Iterator[dict[str, Any]], blocks: Sequence[Block], noun: str, say: Say
) -> Iterator[dict[str, Any]]:
    """The summaries, with a line of progress now and then; its rate is of the time since the first block was done."""
    sizes = {block.number: block.rows for block in blocks}
    whole, rows, first = sum(sizes.values()), 0, 0
    begun = told = time.monotonic()
    for done, summary in enumerate(summaries, start=1):
        yield summary
        rows += sizes[summary["number"]]
        now = time.monotonic()
        if done == 1:
            begun, first = now, rows
        elif now - told >= EVERY and done < len(blocks):
            told = now
            rate = (rows - first) / (now - begun)
            of = f"{done:,} of {counted(len(blocks), 'blocks')}, {rows:,} of {counted(whole, noun)}"
            say(f"{of}, {rate:,.0f} a second, {duration((whole - rows) / rate)} left.")


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"

"""The page over all blocks: alarms, where they are in the data, how scores are distributed, what is most unusual."""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_anogan import evaluation, pictures, plots
from keras_anogan.datasets.conditions import some_names
from keras_anogan.runs.bulk.blocks import Block, opened
from keras_anogan.runs.examples import MOST_SIDE, ScoredRows, examples_of
from keras_anogan.runs.folder import Run
from keras_anogan.runs.monitoring import distance_of, is_drift
from keras_anogan.runs.page import write_page
from keras_anogan.runs.tiles import Tile
from keras_anogan.runs.verdict import Verdict, percent
from keras_anogan.thresholds import calibration_interval
from keras_anogan.words import counted

MOST_GROUPS = 24  # of blocks, in the figure of rates
MOST_SHOWN = 12
MOST_REMARKS = 12
MOST_NAMED = 20  # files that can't be read
Summaries = Sequence[dict[str, Any]]


def write_report(
    run: Run, sources: Sequence[str], out: pathlib.Path, blocks: Sequence[Block], summaries: Summaries, noun: str
) -> dict[str, Any]:
    """Write `out/report.html`, and return what `score_blocks` does of it.

    Args:
        run: that scored.
        sources: the data, to be named.
        out: folder.
        blocks: of the data.
        summaries: of the blocks, in order.
        noun: what a row is: images, rows or frames.
    """
    threshold: Any = run.fitted.threshold
    told = {key: sum(summary[key] for summary in summaries) for key in ("rows", "judged", "alarms")}
    broken = {name: why for summary in summaries for name, why in summary["broken"].items()}
    sample = np.array([score for summary in summaries for score in summary["sample"]])
    calibration = np.asarray(threshold.calibration)[: threshold.seen] if threshold.takes_groups else None
    verdict = _verdict(told, sample, calibration, threshold, noun)
    remarks = [*_remarks(summaries), *_on_broken(broken)]
    write_page(
        out / "report.html",
        "bulk.html.jinja",
        title=f"{counted(told['rows'], noun)} scored in {counted(len(blocks), 'blocks')}",
        run=str(run.folder),
        sources=", ".join(sources),
        detector=str(run.arguments.detector),
        verdict=verdict,
        warnings=remarks,
        tiles=_tiles(told, threshold, broken, noun),
        config=None,
        noun=noun,
        figures={"history": []} | _figures(summaries, sample, calibration, threshold, noun),
        sampled=len(sample) < told["judged"] and len(sample),
        most=_most(run, blocks, summaries),
        has_p=hasattr(threshold, "p_value"),
        broken=dict(itertools.islice(broken.items(), MOST_NAMED)),
        all_broken=len(broken),
    )
    return {**told, "what": noun, "broken": broken, "remarks": remarks, "verdict": verdict.sentence}


def _verdict(told: dict[str, int], sample: np.ndarray, calibration: Any, threshold: Any, noun: str) -> Verdict:
    """How many alarms there are, and whether the scores are distributed as those of the calibration."""
    if not told["judged"]:
        return Verdict("bad", f"Nothing was judged: of {counted(told['rows'], noun)} none could be.")
    share = told["alarms"] / told["judged"]
    asked = f" (asked for: {percent(threshold.alpha)} of normal ones)" if threshold.keeps_alpha else ""
    begin = f"Alarms: {told['alarms']:,} of {counted(told['judged'], noun)}, {percent(share)}{asked}."
    if calibration is None or not len(sample):
        return Verdict("open", begin)
    said = []
    low, _ = evaluation.rate_interval(told["alarms"], told["judged"])
    expected = calibration_interval(threshold.alpha, threshold.seen)
    if low > expected[1]:
        said.append(f"That is more than the calibration leaves to chance (up to {percent(expected[1])}).")
    distance, p_value = distance_of(sample, calibration)
    if is_drift(distance, p_value):
        higher = np.median(sample) > np.median(calibration)
        why = "many are anomalous, or what is normal has changed" if higher else "they may have been trained on"
        said.append(
            f"Scores are {'higher' if higher else 'lower'} than in the calibration (distance {distance:.2f}): {why}."
        )
    if not said:
        return Verdict("good", f"{begin} That, and the distribution of the scores, is as in the calibration.")
    return Verdict("fair", " ".join([begin, *said]))


def _remarks(summaries: Summaries) -> list[str]:
    """What was told of the blocks: remarks that differ in numbers alone once, with how many blocks have such a one."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for summary in summaries:
        for remark in summary["remarks"]:
            kind = re.sub(r"\d[\d,.]*", "0", re.sub(r"'[^']*'", "''", remark))
            alike.setdefault(f"{kind} {_columns(remark)}", []).append((summary["number"] + 1, remark))
    told = sorted(alike.values(), key=lambda found: -len(found))
    shown = [_told(found, len(summaries)) for found in told[:MOST_REMARKS]]
    rest = len(told) - MOST_REMARKS
    return [*shown, *([f"There are {rest:,} further remarks, in the files of the blocks."] if rest > 0 else [])]


def _columns(remark: str) -> str:
    """The first name in quotes, which is a column's."""
    found = re.search(r"'[^']*'", remark)
    return found[0] if found else ""


def _told(found: list[tuple[int, str]], blocks: int) -> str:
    """A remark, and of which block it is; the others have such a one with other numbers."""
    if blocks == 1:
        return found[0][1]
    others = f", and in {len(found) - 1:,} more such" if len(found) > 1 else ""
    return f"Block {found[0][0]:,}{others}: {found[0][1]}"


def _on_broken(broken: dict[str, str]) -> list[str]:
    if not broken:
        return []
    return [f"Left out {counted(len(broken), 'image files')} that can't be read: {some_names(list(broken))}."]


def _tiles(told: dict[str, int], threshold: Any, broken: dict[str, str], noun: str) -> list[Tile]:
    rate, judged = told["alarms"] / max(1, told["judged"]), told["judged"]
    low, high = evaluation.rate_interval(told["alarms"], judged)
    unjudged = told["rows"] - judged
    beside = f"{unjudged:,} frames have no whole window" if unjudged else f"{len(broken):,} left out"
    return [
        {"name": f"{noun.capitalize()} judged", "value": f"{judged:,}", "beside": beside},
        {
            "name": "Alarms",
            "value": f"{told['alarms']:,}",
            "beside": f"{percent(rate)} (95 %: {percent(low)} to {percent(high)})",
        },
        {"name": "Threshold", "value": f"{threshold.threshold:.4g}", "beside": "of the run"},
    ]


def _figures(summaries: Summaries, sample: np.ndarray, calibration: Any, threshold: Any, noun: str) -> dict[str, Any]:
    draw: Any = plots.themed_uris
    groups = [
        [summaries[i] for i in numbers]
        for numbers in np.array_split(np.arange(len(summaries)), min(MOST_GROUPS, len(summaries)))
    ]
    counts = [(sum(s["alarms"] for s in group), sum(s["judged"] for s in group)) for group in groups]
    rates = [alarms / max(1, judged) for alarms, judged in counts]
    intervals = [evaluation.rate_interval(*pair) for pair in counts]
    names = [_span(group) for group in groups]
    expected = calibration_interval(threshold.alpha, threshold.seen) if calibration is not None else (0.0, 0.0)
    more = [calibration is not None and interval[0] > expected[1] for interval in intervals]
    return {
        "rates": draw(lambda: plots.plot_rates(names, rates, intervals, expected, more)) if len(groups) > 1 else None,
        "scores": draw(lambda: plots.plot_histogram(sample, None, threshold.threshold, "", calibration, noun))
        if len(sample)
        else None,
    }


def _span(group: Summaries) -> str:
    first, last = group[0]["number"] + 1, group[-1]["number"] + 1
    return str(first) if first == last else f"{first}-{last}"


# The most anomalous ones.


def _most(run: Run, blocks: Sequence[Block], summaries: Summaries) -> list[Any]:
    """Examples of the report, the highest score first: with pictures of images and frames."""
    found = [entry for summary in summaries for entry in summary["most"]]
    found.sort(key=lambda entry: -np.inf if np.isnan(entry["score"]) else -entry["score"])
    most = found[:MOST_SHOWN]
    if not most or run.kind == "table":
        return most
    return (_images if run.kind == "images" else _frames)(run, blocks[0], most)


def _images(run: Run, block: Block, most: list[dict[str, Any]]) -> list[Any]:
    names = [entry["id"][0] for entry in most]
    with opened(run, Block(0, len(names), {**block.place, "files": names})) as (inputs, _):
        there = {name: number for number, name in enumerate(inputs.ids["id"])}
        kept = [entry for entry in most if entry["id"][0] in there]  # files may be gone since
        results = {
            "score": np.array([entry["score"] for entry in kept]),
            "is_anomaly": np.array([entry["alarm"] for entry in kept]),
            "p_value": np.array([np.nan if entry["p_value"] is None else entry["p_value"] for entry in kept]),
        }
        scored = ScoredRows(inputs.rows, [entry["id"][0] for entry in kept], results)
        examples = examples_of(range(len(kept)), scored, run.fitted)
        return [examples[number] for number in range(len(kept))]


def _frames(run: Run, block: Block, most: list[dict[str, Any]]) -> list[Any]:
    footage = run.open(block.place["sources"])
    begins = {(r.day, r.name): int(first) for r, first in zip(footage.recordings, footage.offsets, strict=False)}
    shown = []
    for entry in most:
        day, recording, frame, seconds = entry["id"]
        pixels = footage.read([begins[day, recording] + int(frame)])[0]
        at = f", {seconds} s" if seconds else ""
        name = f"{day}/{recording}, frame {frame}{at}"
        uri = pictures.pixels_uri(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, MOST_SIDE)
        shown.append({**entry, "name": name, "what": "", "pictures": [("frame", uri)], "regions": ()})
    return shown

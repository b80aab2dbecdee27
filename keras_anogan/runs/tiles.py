"""The numbers on the first screen of a report: name, value, what stands beside it, and what the value means."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan.runs.verdict import baseline_name, best_baseline, interval, percent
from keras_anogan.words import counted

Tile = dict[str, str]


def footage_tiles(summary: dict[str, Any], threshold: float) -> list[Tile]:
    """The numbers of a report of footage, of a training or of a scoring."""
    if "alarms" not in summary:
        rows = summary["rows"]
        return [
            {"name": "Threshold", "value": f"{threshold:.4g}", "beside": counted(rows["calibrate"], "windows")},
            {
                "name": "Calibration windows above it",
                "value": percent(summary["calibration_alarms"]),
                "beside": "what it was fitted on: new footage has more",
            },
            {"name": "Trained on", "value": f"{rows['train']:,}", "beside": "windows of normal footage"},
        ]
    judged, events = summary["judged"], counted(summary["events"], "events")
    tiles = [
        {"name": "Frames judged", "value": f"{judged:,}", "beside": f"of {summary['frames']:,}"},
        {
            "name": "Alarms",
            "value": f"{summary['alarms']:,}",
            "beside": f"{percent(summary['alarms'] / max(1, judged))} of the frames, {events}",
        },
    ]
    for key, name, kind in (
        ("false_alarm_rate", "False alarms", "normal"),
        ("detection_rate", "Detected", "anomalous"),
    ):
        if summary.get(key) is not None:  # no interval: frames in a row resemble each other
            beside = f"share of {kind} frames with an alarm"
            tiles.append({"name": name, "value": percent(summary[key]), "beside": beside})
    if "auroc" in summary:
        tiles.append({"name": "AUROC of frames", "value": number(summary["auroc"]), "beside": "0.5 is guessing"})
    return tiles


def row_tiles(metrics: dict[str, Any], asked: str) -> list[Tile]:
    """The numbers of a report of images or of a table: what is known of them, and nothing about what is not."""
    alarms = metrics["alarms"] if isinstance(metrics.get("alarms"), dict) else None
    tiles = _separation_tiles(metrics) if metrics.get("auroc") is not None else []
    if alarms and alarms["normal_rows"]:
        tiles.append(
            {
                "name": "False alarms",
                "value": percent(alarms["false_alarms"] / alarms["normal_rows"]),
                "beside": f"{beside_rate(alarms['false_alarms'], alarms['normal_rows'])}; {asked}",
                "meaning": "Share of the normal test rows with an alarm. Few rows leave much to chance.",
            }
        )
    if alarms and alarms["anomalous_rows"]:
        tiles.append(
            {
                "name": "Detected",
                "value": percent(alarms["detected"] / alarms["anomalous_rows"]),
                "beside": beside_rate(alarms["detected"], alarms["anomalous_rows"]),
                "meaning": "Share of the anomalous test rows with an alarm at that threshold.",
            }
        )
    if alarms and not alarms["anomalous_rows"]:
        tiles.append(
            {
                "name": "Threshold",
                "value": f"{metrics['threshold']:.4g}",
                "beside": f"of {counted(metrics['rows']['calibrate'], 'calibration scores')}",
                "meaning": "A higher score is an alarm.",
            }
        )
    if alarms is None and "judged" in metrics:
        tiles.append(
            {
                "name": "Alarms",
                "value": f"{metrics['alarms']:,}",
                "beside": f"{beside_rate(metrics['alarms'], metrics['judged'])} of these {metrics['what']}",
                "meaning": f"Scores above {metrics['threshold']:.4g}; {asked}.",
            }
        )
    return tiles + (_pixel_tiles(metrics) if "pixels" in metrics else [])


def _separation_tiles(metrics: dict[str, Any]) -> list[Tile]:
    best = best_baseline(metrics)
    auroc, auprc = (f"{best[0]}: {number(best[1][key])}" if best else "" for key in ("auroc", "auprc"))
    low, high = metrics.get("auroc_interval", (None, None))
    chance = "" if low is None else f"95 %: {low:.2f} to {high:.2f}"
    tiles = [
        {
            "name": "AUROC",
            "value": number(metrics["auroc"]),
            "beside": "; ".join(filter(None, (chance, auroc))),
            "meaning": "Chance that a random anomalous row scores higher than a random normal one; 0.5 is guessing.",
        }
    ]
    if metrics.get("auprc") is not None:
        meaning = "Precision averaged over all recalls; guessing gives the share of anomalous rows."
        tiles.append({"name": "AUPRC", "value": number(metrics["auprc"]), "beside": auprc, "meaning": meaning})
    return tiles


def beside_rate(hits: int, of: int) -> str:
    """What stands beside a rate: its count, and what chance leaves open."""
    return f"{hits:,} of {of:,}; {interval(hits, of)}"


def kind_lines(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a report's table of kinds: how many, how many of these were found, and how well they stand out."""
    return [
        {**line, "rate": percent(line["found"] / line["count"]), "interval": interval(line["found"], line["count"])}
        for line in metrics.get("kinds", [])
    ]


def baseline_lines(metrics: dict[str, Any], detector: str) -> list[dict[str, str]]:
    """The lines of a report's table of the detector and every baseline; none where their AUROC is not known."""
    if metrics.get("auroc") is None or not metrics.get("baselines"):
        return []
    low, high = metrics.get("auroc_interval", (None, None))
    chance = "" if low is None else f"{low:.3f} to {high:.3f}"
    lines = [
        {"name": detector, "auroc": number(metrics["auroc"]), "interval": chance, "auprc": number(metrics["auprc"])}
    ]
    for key, numbers in metrics["baselines"].items():
        found = numbers.get("difference")
        line = {"name": baseline_name(key), "auroc": number(numbers["auroc"]), "auprc": number(numbers["auprc"])}
        lines.append(
            {
                **line,
                "interval": ""
                if found is None
                else f"{found['auroc']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})",
            }
        )
    return lines


def _ends(pixels: dict[str, Any], key: str) -> str:
    """The interval of a number of maps, which runs of before do not have."""
    low, high = pixels.get(f"{key}_interval", (None, None))
    return "" if low is None or not np.isfinite([low, high]).all() else f"95 %: {low:.2f} to {high:.2f}; "


def _pixel_tiles(metrics: dict[str, Any]) -> list[Tile]:
    pixels = metrics["pixels"]
    marked, normal = pixels["normal_images_marked"], pixels["normal_images"]
    key, plain = next((key, numbers) for key, numbers in pixels.items() if isinstance(numbers, dict))  # of a baseline
    return [
        {
            "name": "Pixel AUROC",
            "value": number(pixels["auroc"]),
            "beside": f"{_ends(pixels, 'auroc')}{baseline_name(key)}: {number(plain['auroc'])}",
            "meaning": "The same over all pixels of all test images, against the masks.",
        },
        {
            "name": "PRO",
            "value": number(pixels["pro"]),
            "beside": f"{_ends(pixels, 'pro')}{baseline_name(key)}: {number(plain['pro'])}",
            "meaning": "Overlap with each anomalous region, averaged up to 30 % false pixels; noise gives 0.15.",
        },
        {
            "name": "Normal images marked",
            "value": percent(marked / normal) if normal else "not known",
            "beside": f"{beside_rate(marked, normal) if normal else 'no normal test image'}; asked for: "
            f"{100 * metrics['alpha']:.4g} %",
            "meaning": "Share of the normal test images in which any pixel is marked.",
        },
        {
            "name": "Anomalous pixels marked",
            "value": percent(pixels["detected_pixels"]),
            "beside": f"above {pixels['threshold']:.4g}",
            "meaning": "Share of the masks' pixels above the threshold for maps.",
        },
    ]


def number(value: float | None) -> str:
    """Four decimals, or that it is not known."""
    return "not known" if value is None else f"{value:.4f}"


def seconds_of(metrics: dict[str, Any]) -> str:
    """What took how long."""
    parts = [f"{key.replace('_', ' ')} {value:.0f} s" for key, value in metrics["seconds"].items()]
    return ", ".join(parts)

"""The numbers on the first screen of a report: name, value, what stands beside it, and what the value means."""

from __future__ import annotations

from typing import Any

Tile = dict[str, str]


def footage_tiles(summary: dict[str, Any], threshold: float) -> list[Tile]:
    """The numbers of a report of footage, of a training or of a scoring."""
    if "alarms" not in summary:
        rows = summary["rows"]
        return [
            {"name": "Threshold", "value": f"{threshold:.4g}", "beside": f"{rows['calibrate']:,} windows"},
            {
                "name": "Calibration windows above it",
                "value": percent(summary["calibration_alarms"]),
                "beside": "what it was fitted on: new footage has more",
            },
            {"name": "Trained on", "value": f"{rows['train']:,}", "beside": "windows of normal footage"},
        ]
    judged = summary["judged"]
    tiles = [
        {"name": "Frames judged", "value": f"{judged:,}", "beside": f"of {summary['frames']:,}"},
        {
            "name": "Alarms",
            "value": f"{summary['alarms']:,}",
            "beside": f"{percent(summary['alarms'] / max(1, judged))} of the frames, {summary['events']:,} events",
        },
    ]
    if "false_alarm_rate" in summary:
        tiles += [
            {
                "name": "False alarms",
                "value": percent(summary["false_alarm_rate"]),
                "beside": "share of normal frames with an alarm",
            },
            {
                "name": "Detected",
                "value": percent(summary["detection_rate"]),
                "beside": "share of anomalous frames with an alarm",
            },
        ]
    if "auroc" in summary:
        tiles.append({"name": "AUROC of frames", "value": number(summary["auroc"]), "beside": "0.5 is guessing"})
    return tiles


def baseline_of(metrics: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and numbers of the plain baseline in `metrics.json`, e.g. ("PCA-32", {"auroc": ...})."""
    key, numbers = next(iter(metrics["baselines"].items()))
    return key.upper().replace("_", "-"), numbers


def row_tiles(metrics: dict[str, Any], asked: str) -> list[Tile]:
    """The numbers of the first screen: name, value, what stands beside it, and what the value means."""
    name, pca = baseline_of(metrics)
    alarms = metrics.get("alarms")
    false = f"{alarms['false_alarms']:,} of {alarms['normal_rows']:,}; " if alarms else ""
    hits = f"{alarms['detected']:,} of {alarms['anomalous_rows']:,}; " if alarms and alarms["anomalous_rows"] else ""
    tiles = [
        {
            "name": "AUROC",
            "value": number(metrics["auroc"]),
            "beside": f"{name}: {number(pca['auroc'])}",
            "meaning": "Chance that a random anomalous row scores higher than a random normal one; 0.5 is guessing.",
        },
        {
            "name": "AUPRC",
            "value": number(metrics["auprc"]),
            "beside": f"{name}: {number(pca['auprc'])}",
            "meaning": "Precision averaged over all recalls; guessing gives the share of anomalous rows.",
        },
        {
            "name": "False alarms",
            "value": percent(metrics.get("false_alarm_rate")),
            "beside": f"{false}{asked}",
            "meaning": "Share of the normal test rows with an alarm. Few rows leave much to chance.",
        },
        {
            "name": "Detected",
            "value": percent(metrics.get("detection_rate")),
            "beside": f"{hits}precision {percent(metrics.get('precision'))}",
            "meaning": "Share of the anomalous test rows with an alarm at that threshold.",
        },
    ]
    return tiles + (_pixel_tiles(metrics) if "pixels" in metrics else [])


def _pixel_tiles(metrics: dict[str, Any]) -> list[Tile]:
    pixels = metrics["pixels"]
    return [
        {
            "name": "Pixel AUROC",
            "value": number(pixels["auroc"]),
            "beside": f"PCA-32: {number(pixels['pca_32']['auroc'])}",
            "meaning": "The same over all pixels of all test images, against the masks.",
        },
        {
            "name": "PRO",
            "value": number(pixels["pro"]),
            "beside": f"PCA-32: {number(pixels['pca_32']['pro'])}",
            "meaning": "Overlap with each anomalous region, averaged up to 30 % false pixels; noise gives 0.15.",
        },
        {
            "name": "Normal images marked",
            "value": percent(pixels["normal_images_marked"] / pixels["normal_images"])
            if pixels["normal_images"]
            else "not known",
            "beside": f"{pixels['normal_images_marked']:,} of {pixels['normal_images']:,}; asked for: "
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


def percent(value: float | None) -> str:
    """A share as a percentage, or that it is not known."""
    return "not known" if value is None else f"{100 * value:.1f} %"


def seconds_of(metrics: dict[str, Any]) -> str:
    """What took how long."""
    parts = [f"{key.replace('_', ' ')} {value:.0f} s" for key, value in metrics["seconds"].items()]
    return ", ".join(parts)
